"""What the page History says of records: a line for each change, by day. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..promos.chronicle import changed_by
from ..promos.diff import ABSENT, Difference, Member, differences, printable
from ..promos.folder import KILL
from ..promos.kill import NOT_UNDERSTOOD, Kills, kills_of
from ..promos.record import Record
from .audience import Query, first
from .consequence import Files, changed
from .words import Moment, moment

MOST_ENTRIES = 25
MOST_BRIEF = 4
_CLIP = 60
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)")
_SHOWN = {
    "changes": ("accepted", "approved", "confirmed", "note"),
    "odds": ("hidden", "shown"),
    "all": (),
}
SHOW = {"changes": "Changes", "odds": "Hidden by odds", "all": "Every record"}
_TITLES = {
    "accepted": "Went live",
    "approved": "Approved",
    "confirmed": "Removal confirmed",
    "published": "Written",
    "rolled-back": "Restored",
    "hidden": "Hidden by odds",
    "shown": "Shown again",
    "note": "Note",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a record made different: a line for each promo or file, and which they are."""

    lines: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    promos: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; "" for all. `page` counts from 1."""

    show: str
    file: str
    promo: str
    person: str
    page: int

    def takes(self, record: Record) -> bool:
        """As far as the record alone tells."""
        kinds = _SHOWN[self.show]
        return (not kinds or record.what in kinds) and (not self.person or self.person in people_of(record))

    def has(self, told: Summary) -> bool:
        return (not self.file or self.file in told.files) and (not self.promo or self.promo in told.promos)

    @property
    def narrow(self) -> bool:
        return bool(self.file or self.promo)


@dataclass(frozen=True, slots=True)
class Entry:
    """`lines`: what it made different, the first MOST_BRIEF; `more`: how many are left out."""

    record: Record
    at: Moment
    title: str
    lines: tuple[str, ...]
    more: int

    @property
    def why(self) -> str:
        """Without what the first line says: the reason of a kill stands behind what is killed."""
        why, said = printable(self.record.why), self.lines[0] if self.lines else ""
        if said and why.casefold().startswith(said.casefold()):
            return why[len(said) :].removeprefix(": ")
        return why


def wanted(query: Query) -> Wanted:
    show = first(query, "show")
    page = first(query, "page")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
    file, promo, person = (first(query, name)[:200] for name in ("file", "promo", "person"))
    return Wanted(show if show in SHOW else "changes", file, promo, person, max(1, number))


def people_of(record: Record) -> list[str]:
    return [name for name in record.who.split(", ") if name]


def moment_of(record: Record, now: float) -> Moment:
    return moment(at_of(record), "UTC", now)


def at_of(record: Record) -> float:
    return datetime.fromisoformat(record.at).timestamp()


def summary(record: Record, before: Files, after: Files) -> Summary:
    """`before` and `after`: the sets in force; equal unless it is of "accepted"."""
    old, new = changed(before, after)
    found = differences(_without(old), _without(new))
    lines = (*_kills(old.get(KILL), new.get(KILL)), *map(brief, found))
    files = {each.file for each in found} | {each.was_in for each in found if each.was_in} | old.keys() | new.keys()
    promos = {each.promo for each in found if each.promo} | {record.detail.get("promo", "")} - {""}
    promos |= _killed(old.get(KILL)) ^ _killed(new.get(KILL))
    if record.what != "accepted":
        files |= {name for name in record.detail if _is_file(name)}
        lines += tuple(_details(record))
    return Summary(lines or (("Only how it is written",) if old or new else ()), frozenset(files), frozenset(promos))


def entry(record: Record, told: Summary, now: float) -> Entry:
    return Entry(
        record, moment_of(record, now), title(record, told), told.lines[:MOST_BRIEF], len(told.lines[MOST_BRIEF:])
    )


def title(record: Record, told: Summary) -> str:
    if record.what == "accepted":
        if record.why.startswith("back to record"):
            return "Restored"
        if told.files == {KILL}:
            released = all(line.startswith("Released") for line in told.lines)
            return "Released" if released else "Killed"
    return _TITLES[record.what]


def days(entries: Iterable[Entry]) -> Mapping[str, list[Entry]]:
    """By day of UTC, in the order they come."""
    found: dict[str, list[Entry]] = {}
    for each in entries:
        found.setdefault(f"{datetime.fromisoformat(each.record.at):%A, %-d %B %Y}", []).append(each)
    return found


def brief(told: Difference) -> str:
    """As "thanksgiving: end 2026-11-27 00:00 → 02:00". Texts of others stand in it: they are printable."""
    name = told.promo or told.file
    if told.what == "added":
        return printable(f"{name}: new" + (f" in {told.file}" if told.promo else ""))
    if told.what == "removed":
        return printable(f"{name}: removed" + (f" from {told.file}" if told.promo else ""))
    parts = [_member(each) for each in told.members]
    parts += [f"moved here from {told.was_in}"] if told.was_in else []
    many = f"; {len(parts) - 3} more" if len(parts) > 3 else ""
    return printable(f"{name}: {'; '.join(parts[:3]) or 'its text'}{many}")


def _member(told: Member) -> str:
    name = told.pointer.strip("/").replace("/", " ").replace("~1", "/").replace("~0", "~") or "all of it"
    old, new = told.old, told.new
    if old is ABSENT:
        return f"{name} {_value(new)} added"
    if new is ABSENT:
        return f"{name} {_value(old)} removed"
    if isinstance(old, str) and isinstance(new, str):
        was, now = _TIME.fullmatch(old), _TIME.fullmatch(new)
        if was and now:
            later = now[2] if was[1] == now[1] else f"{now[1]} {now[2]}"
            return f"{name} {was[1]} {was[2]} → {later}"
    return f"{name} {_value(old)} → {_value(new)}"


def _value(value: object) -> str:
    text = f"“{value}”" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 1]}…"


def _without(files: Files) -> Files:
    return {name: data for name, data in files.items() if name != KILL}


def _killed(data: bytes | None) -> set[str]:
    return set(kills_of(data).promos) if data is not None else set()


def _kills(before: bytes | None, after: bytes | None) -> Iterator[str]:
    old, new = (kills_of(data) if data is not None else Kills() for data in (before, after))
    if new.everything != old.everything:
        yield printable(f"Killed everything: {new.everything}") if new.everything else "Released everything"
    if new.everything == NOT_UNDERSTOOD:
        return  # what else it kills cannot be told; nothing was released
    for what, was, now in (("slot", old.slots, new.slots), ("promo", old.promos, new.promos)):
        yield from (printable(f"Killed {what} {name}: {now[name]}") for name in now if now[name] != was.get(name))
        yield from (printable(f"Released {what} {name}") for name in was if name not in now)


def _is_file(name: str) -> bool:
    """Other details tell more of the record: what was written over is "before" its file."""
    return name.endswith(".json") and not name.startswith("before ")


def _details(record: Record) -> Iterator[str]:
    if promo := record.detail.get("promo"):
        reason = record.detail.get("reason")
        yield printable(f"{promo}: {reason}" if reason else f"{promo}: nothing speaks against it")
    for name, content in sorted(record.detail.items()):
        if _is_file(name):
            removal = content == "" or content.startswith("removal")
            yield printable(f"{name}: removal" if removal else f"{name}, content {content[:12]}")


def found_in(records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """Files and people that records name, for choosing."""
    files = {name for record in records for name in (*record.detail, *changed_by(record)) if _is_file(name)}
    return sorted(files), sorted({name for record in records for name in people_of(record)})
