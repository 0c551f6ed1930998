"""What the content of an answer says, read without a vendor's knowledge: by member names and JSON pointers.

Members are found in the text, not in a parsed document: within a JSON string a quote is escaped, so `"name":` with no
backslash before it is always a member. On a board of 400 KB that takes a third of the time of parsing it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import msgspec

_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_FARTHEST = 1e15
_LATEST = 4_102_444_800.0
"""Above this (the year 2100 in seconds) a number is milliseconds."""


@dataclass(frozen=True, slots=True)
class Board:
    """Facts of one answer. `events`: how many it holds, None when that is not known. `starts`: when they begin,
    ascending and distinct. `newest` and `typical`: the latest and the median time at which the provider itself last
    looked, None when it does not tell. All times in Unix seconds."""

    events: int | None = None
    starts: tuple[float, ...] = ()
    newest: float | None = None
    typical: float | None = None


@cache
def _members(names: tuple[str, ...]) -> re.Pattern[bytes]:
    # \u0022 is not looked for: no serializer escapes the letters of a plain member name.
    alternatives = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb'(?<!\\)"(?:' + alternatives + rb')"\s*:\s*(?:"([^"\\]*)"|([^\s,}\]"\[{]+))')


def revision_of(status: int, identity: bytes, volatile: tuple[str, ...] = ()) -> str:
    """16 hex digits that name the content; what the `volatile` members hold makes no difference."""
    told = _members(volatile).sub(b"", identity) if volatile else identity
    return hashlib.blake2b(told, digest_size=8, person=str(status).encode()).hexdigest()


def board_of(
    body: bytes,
    *,
    starts: str | None = None,
    updated: tuple[str, ...] = (),
    updated_at: str | None = None,
    items: str | None = None,
) -> Board:
    """The facts of a JSON body by the members and pointers that are given; what it does not hold is not known."""
    members = set(_members((starts,)).findall(body)) if starts else set()
    times = sorted({t for member in members if (t := _time(member)) is not None})
    newest = typical = None
    if updated_at is not None:
        found = select(parsed(body), updated_at)
        newest = typical = moment(found[0]) if found else None
    elif updated and (seen := sorted(_members(updated).findall(body))):
        # ISO times of one form sort as text; only two of thousands are parsed.
        newest, typical = _time(seen[-1]), _time(seen[len(seen) // 2])
    return Board(count(body, items) if items is not None else None, tuple(times), newest, typical)


def count(body: bytes, pointer: str) -> int | None:
    """How many items the list at `pointer` has; None when there is no list."""
    if pointer == "":
        try:
            return len(_ITEMS.decode(body))
        except (msgspec.DecodeError, RecursionError):
            return None
    found = select(parsed(body), pointer)
    return len(found[0]) if found and isinstance(found[0], list) else None


def is_json(body: bytes) -> bool:
    """Whether all of it is valid JSON in UTF-8. A tenth of the time of parsing it."""
    try:
        _ANYTHING.decode(body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def parsed(body: bytes) -> object:
    """The JSON document, or None for what is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def select(document: object, pointer: str) -> list[object]:
    """What stands at an RFC 6901 pointer whose `*` is every element; empty when nothing does."""
    found = [document]
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = [child for parent in found for child in _children(parent, name)]
    return found


def moment(value: object) -> float | None:
    """Unix seconds from ISO 8601 text, or from a number of seconds or milliseconds; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        if not -_FARTHEST < value < _FARTHEST:
            return None
        return value / 1000 if value > _LATEST else float(value)
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None


def _time(groups: tuple[bytes, bytes]) -> float | None:
    text, number = groups
    if text:
        return moment(text.decode("ascii", "replace"))
    try:
        return moment(float(number))
    except ValueError:
        return None


def _children(parent: object, name: str) -> list[object]:
    if isinstance(parent, dict):
        return [parent[name]] if name in parent else []
    if isinstance(parent, list):
        if name == "*":
            return parent
        return [parent[int(name)]] if name.isascii() and name.isdigit() and int(name) < len(parent) else []
    return []
