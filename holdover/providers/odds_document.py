"""The `/odds` document of The Odds API: taken apart once, put together again for many narrower requests.

What a projection does not change keeps its text: numbers, strings, members nobody here knows, and their order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache

import msgspec
from msgspec import Raw

type Part = Raw | Sequence[Part] | Mapping[str, Part]
"""A JSON value to be written: text as it came, or put together anew."""

_WHOLE_SECONDS = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"')
_INTEGER = re.compile(rb"-?[0-9]{1,15}")
_CENT = Decimal("0.01")


class Unprojectable(Exception):
    """The content does not allow the projection; the provider has to be asked."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a document is kept; None keeps all. `after` and `before` are inclusive, in Unix seconds. `to_unix` and
    `to_decimal` say what is converted. `emptied` is what becomes of an event that loses all its bookmakers: "keep",
    "omit", or "refuse" to project."""

    markets: frozenset[str] | None = None
    bookmakers: frozenset[str] | None = None
    events: frozenset[str] | None = None
    after: int | None = None
    before: int | None = None
    to_unix: bool = False
    to_decimal: bool = False
    emptied: str = "refuse"

    @property
    def keeps_bookmakers(self) -> bool:
        """Whether bookmakers stay as they came."""
        return self.markets is None and self.bookmakers is None and not (self.to_unix or self.to_decimal)


class _Keyed(msgspec.Struct):
    key: str


# Made once: working out a decoder's type anew takes longer than decoding a bookmaker.
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_texts = msgspec.json.Decoder(list[Raw]).decode
_keys = msgspec.json.Decoder(list[_Keyed]).decode
_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class _Market:
    """One market of one bookmaker; each conversion is made once for all projections."""

    __slots__ = ("_converted", "key", "raw")

    def __init__(self, raw: Raw, key: str) -> None:
        self.raw, self.key = raw, key
        self._converted: dict[tuple[bool, bool], Part] | None = None

    def part(self, cut: Cut) -> Part:
        form = (cut.to_unix, cut.to_decimal)
        if form == (False, False):
            return self.raw
        if self._converted is None:
            self._converted = {}
        if form not in self._converted:
            members = _members(self.raw)
            converted: dict[str, Part] = {**members}
            if cut.to_unix and "last_update" in members:
                converted["last_update"] = unix_time(bytes(members["last_update"]))
            if cut.to_decimal and "outcomes" in members:
                converted["outcomes"] = _decimal_outcomes(members["outcomes"])
            self._converted[form] = converted
        return self._converted[form]


class _Bookmaker:
    """`part` gives None when no market is left."""

    def __init__(self, members: dict[str, Raw], key: str) -> None:
        self.members, self.key = members, key

    @cached_property
    def markets(self) -> list[_Market]:
        raw = self.members.get("markets", _EMPTY)
        return [_Market(text, keyed.key) for text, keyed in zip(_texts(raw), _keys(raw), strict=True)]

    def part(self, cut: Cut) -> Part | None:
        wanted = cut.markets
        markets = [m.part(cut) for m in self.markets if wanted is None or m.key in wanted]
        if not markets and wanted is not None:
            return None
        members: dict[str, Part] = {**self.members}
        if self.markets:
            members["markets"] = markets
        if cut.to_unix and "last_update" in members:
            members["last_update"] = unix_time(bytes(self.members["last_update"]))
        return members


class _Event:
    def __init__(self, raw: Raw) -> None:
        self.raw, self.members = raw, _members(raw)

    @cached_property
    def bookmakers(self) -> list[_Bookmaker]:
        raw = self.members.get("bookmakers", _EMPTY)
        return [_Bookmaker(members, keyed.key) for members, keyed in zip(_objects(raw), _keys(raw), strict=True)]

    def within(self, cut: Cut) -> bool:
        if cut.events is not None and _string(self._needed("id")) not in cut.events:
            return False
        if cut.after is None and cut.before is None:
            return True
        text = bytes(self._needed("commence_time"))
        starts = int(text if _INTEGER.fullmatch(text) else bytes(unix_time(text)))
        return (cut.after is None or starts >= cut.after) and (cut.before is None or starts <= cut.before)

    def part(self, cut: Cut) -> Part | None:
        """None when the event goes because all its bookmakers go."""
        if cut.keeps_bookmakers:
            return self.raw
        members: dict[str, Part] = {**self.members}
        if cut.to_unix:
            members["commence_time"] = unix_time(bytes(self._needed("commence_time")))
        # An event that came without bookmakers did not lose them.
        if self.bookmakers:
            wanted = cut.bookmakers
            parts = (b.part(cut) for b in self.bookmakers if wanted is None or b.key in wanted)
            members["bookmakers"] = kept = [part for part in parts if part is not None]
            if not kept and cut.emptied != "keep":
                if cut.emptied == "omit":
                    return None
                raise Unprojectable
        return members

    def _needed(self, name: str) -> Raw:
        if name not in self.members:
            raise Unprojectable
        return self.members[name]


class OddsDocument:
    """An answer of `/odds`. Raises ValueError for a body that is no list of objects; what stands deeper is taken
    apart when a projection first needs it."""

    def __init__(self, body: bytes) -> None:
        self._events = [_Event(raw) for raw in _texts(body)]

    @cached_property
    def bookmakers(self) -> frozenset[str]:
        """The keys of all bookmakers in it. Raises ValueError."""
        return frozenset(bookmaker.key for event in self._events for bookmaker in event.bookmakers)

    def cut(self, cut: Cut) -> bytes:
        """The document that is left. Raises Unprojectable, or ValueError for a document of another form."""
        parts = (event.part(cut) for event in self._events if event.within(cut))
        return _encode([part for part in parts if part is not None])


def returned_markets(body: bytes, within: str | None = None) -> frozenset[str]:
    """The markets in the answer for one event, or in its member `within`. Raises ValueError."""
    event = _Event(_members(body).get(within, _NOTHING) if within else Raw(body))
    return frozenset(market.key for bookmaker in event.bookmakers for market in bookmaker.markets)


_EMPTY, _NOTHING = Raw(b"[]"), Raw(b"{}")


@lru_cache(maxsize=8192)
def unix_time(text: bytes) -> Raw:
    """A JSON text of whole seconds in UTC, which is all that the vendor sends, as a number. Raises Unprojectable:
    anything else would lose something."""
    if not _WHOLE_SECONDS.fullmatch(text):
        raise Unprojectable
    try:
        return Raw(b"%d" % int(datetime.fromisoformat(text[1:-1].decode()).timestamp()))
    except ValueError:
        raise Unprojectable from None


@lru_cache(maxsize=8192)
def decimal_price(american: bytes) -> Raw:
    """The decimal price as the vendor writes it, with a point and no needless second place: 4.0, 1.85, 2.5. Raises
    Unprojectable for what is no American price, and where 1 or less comes out."""
    line = int(american) if _INTEGER.fullmatch(american) else 0
    if abs(line) < 100:
        raise Unprojectable
    ratio = Decimal(line) / 100 if line > 0 else Decimal(100) / -line
    price = (1 + ratio).quantize(_CENT, ROUND_HALF_UP)
    if price <= 1:
        raise Unprojectable
    return Raw(str(price).removesuffix("0").encode())


def _decimal_outcomes(raw: Raw) -> Part:
    outcomes = _objects(raw)
    for outcome in outcomes:
        if "price" in outcome:
            outcome["price"] = decimal_price(bytes(outcome["price"]))
    return outcomes
