"""What is different between two sets of files: by promo, whatever file it is in. Takes all bytes. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Final, Literal

from .scan import NotJson, scan


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""The value of a member that is not there."""
MOST_LINES = 2_000
"""Comparing takes the square of lines that repeat."""
MOST_VALUES = 1_000
MOST_SHOWN = 100
"""Characters of a value in a terminal."""


@dataclass(frozen=True, slots=True)
class Member:
    """`pointer` (RFC 6901) within the promo, or within the file where it is about no promo."""

    pointer: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a promo, or of a file where `promo` is "". `was_in`: the file that the promo was in, if another. `text`: a
    unified diff, of a file that is no JSON before or after."""

    what: Literal["added", "removed", "changed"]
    file: str
    promo: str = ""
    was_in: str = ""
    members: tuple[Member, ...] = ()
    text: str = ""


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Difference, ...]:
    """By file and promo. Empty when all values are equal, however they are written; the order of promos counts."""
    old, new = ({name: _value(data) for name, data in files.items()} for files in (before, after))
    twice = _repeated(old) | _repeated(new)
    names = old.keys() | new.keys()
    campaigns = {n for n in names if n not in twice and all(_ids(s[n]) is not None for s in (old, new) if n in s)}
    found = [*_promos(_by_id(old, campaigns), _by_id(new, campaigns))]
    for name in names:
        if name not in old or name not in new:
            if name not in campaigns or not _ids(old.get(name, new.get(name))):
                members = tuple(_members(_object(old.get(name)), _object(new.get(name)), ""))
                found.append(Difference("added" if name in new else "removed", name, members=members))
        elif ABSENT in (old[name], new[name]):
            if before[name] != after[name]:
                text = unified(before[name], after[name], name)
                found.append(Difference("changed", name, text=text))
        elif members := tuple(_members(*_rest(old[name], new[name], name in campaigns), "")):
            found.append(Difference("changed", name, members=members))
    return tuple(sorted(found, key=lambda each: (each.file, each.promo)))


def lines(told: Iterable[Difference]) -> list[str]:
    """For a terminal: nothing in them is a control character."""
    found: list[str] = []
    for each in told:
        moved = f", was in {each.was_in}" if each.was_in else ""
        found.append(f"{each.what} {each.promo} ({each.file}{moved})" if each.promo else f"{each.what} {each.file}")
        found += [f"  {member.pointer or 'all of it'}: {_change(member)}" for member in each.members]
        found += [f"  {line}" for line in each.text.split("\n") if each.text]
    return list(map(printable, found))


def facts(told: Iterable[Difference]) -> list[dict[str, Any]]:
    """For JSON: a member that is not there has no `old` or no `new`."""
    return [
        {
            "what": each.what,
            "promo": each.promo,
            "file": each.file,
            "was_in": each.was_in,
            "members": [
                {
                    "pointer": member.pointer,
                    **({} if member.old is ABSENT else {"old": member.old}),
                    **({} if member.new is ABSENT else {"new": member.new}),
                }
                for member in each.members
            ],
            "text": each.text,
        }
        for each in told
    ]


def unified(before: bytes, after: bytes, name: str) -> str:
    """Of the texts; bytes that are no UTF-8 as \\xff. "" when there is no difference."""
    old, new = (data.decode(errors="backslashreplace").split("\n") for data in (before, after))
    if before == after:
        return ""
    if max(len(old), len(new)) > MOST_LINES:
        return f"{name}: {len(old):,} lines are {len(new):,} now, too many to compare"
    return "\n".join(unified_diff(old, new, f"{name} before", f"{name} after", lineterm=""))


def printable(text: str) -> str:
    """With escapes for what would do something to a terminal, or cannot be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _value(data: bytes) -> Any:
    """ABSENT for what is no JSON that is taken here."""
    try:
        found = scan(data)
    except NotJson:
        return ABSENT
    return ABSENT if found.repeated else found.value


def _ids(value: Any) -> list[str] | None:
    """None: no campaign."""
    promos = value.get("promos") if isinstance(value, dict) else None
    if not isinstance(promos, list):
        return None
    ids = [each for promo in promos if isinstance(promo, dict) and isinstance(each := promo.get("id"), str) and each]
    return ids if len(ids) == len(promos) else None


def _repeated(values: Mapping[str, Any]) -> set[str]:
    """Files with an id that stands elsewhere too: whose change it was cannot be told."""
    ids = {name: _ids(value) or [] for name, value in values.items()}
    count = Counter(each for own in ids.values() for each in own)
    return {name for name, own in ids.items() if any(count[each] > 1 for each in own)}


type _ById = dict[str, tuple[str, Any]]
"""File and promo."""


def _by_id(values: Mapping[str, Any], campaigns: set[str]) -> _ById:
    return {p["id"]: (name, p) for name, value in values.items() if name in campaigns for p in value["promos"]}


def _promos(old: _ById, new: _ById) -> Iterator[Difference]:
    for each in old.keys() | new.keys():
        if each not in old:
            yield Difference("added", new[each][0], each)
        elif each not in new:
            yield Difference("removed", old[each][0], each)
        else:
            (was, before), (now, after) = old[each], new[each]
            members = tuple(_members(before, after, ""))
            if members or was != now:
                yield Difference("changed", now, each, was if was != now else "", members)


def _rest(old: Any, new: Any, campaign: bool) -> tuple[Any, Any]:
    """Of a campaign what is told of no promo: all else, and the order of those that stay."""
    if not campaign:
        return old, new
    before, after = ([promo["id"] for promo in value["promos"]] for value in (old, new))
    stay = set(before).intersection(after)
    return (
        {**old, "promos": [each for each in before if each in stay]},
        {**new, "promos": [each for each in after if each in stay]},
    )


def _members(old: Any, new: Any, pointer: str) -> Iterator[Member]:
    """Lists of another length, or of no objects and lists, as a whole: by number all after an insertion differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            inner = name.replace("~", "~0").replace("/", "~1")
            yield from _members(old.get(name, ABSENT), new.get(name, ABSENT), f"{pointer}/{inner}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _nested(old + new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _members(one, other, f"{pointer}/{number}")
    elif not _same(old, new):
        yield Member(pointer, old, new)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _nested(values: list[Any]) -> bool:
    return any(isinstance(each, dict | list) for each in values)


def _same(old: Any, new: Any) -> bool:
    """As JSON has it: true is not 1, 1.0 is."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _change(member: Member) -> str:
    old, new = member.old, member.new
    if (
        isinstance(old, list)
        and isinstance(new, list)
        and not _nested(all_of := old + new)
        and len(all_of) <= MOST_VALUES
    ):
        gone, come = (
            [v for v in one if not any(_same(v, o) for o in other)] for one, other in ((old, new), (new, old))
        )
        parts = [f"without {_clipped(v)}" for v in gone] + [f"with {_clipped(v)}" for v in come]
        return ", ".join(parts) or "the same in another order or number"
    if old is ABSENT:
        return f"added {_clipped(new)}"
    return f"removed {_clipped(old)}" if new is ABSENT else f"{_clipped(old)} → {_clipped(new)}"


def _clipped(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
