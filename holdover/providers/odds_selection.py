"""What a request to `/odds` of The Odds API selects, and what of one answer makes another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

from holdover.canonical import CanonicalRequest, Query
from holdover.content import parsed, select
from holdover.providers.odds_document import Cut, OddsDocument, Unprojectable, unix_time
from holdover.providers.profile import Evidence, Knowledge

type Kind = Literal["markets", "bookmakers", "regions", "events", "times", "dates", "odds", "outrights"]
KINDS = frozenset[str](get_args(Kind.__value__))

UPCOMING = "upcoming"
LISTS = ("markets", "regions", "bookmakers", "eventIds")
TIMES = ("commenceTimeFrom", "commenceTimeTo")
H2H = frozenset({"h2h"})
RIDERS = {"h2h": "h2h_lay", "outrights": "outrights_lay"}
"""Markets that exchanges add, unasked and free of charge, to the one asked for."""

_FORMATS = {"dateFormat": ("iso", "unix"), "oddsFormat": ("decimal", "american")}
_FORM_KINDS = frozenset({"dates", "odds"})
"""Kinds that leave the choice of events alone. `upcoming` is what is in play and the next few events; whether those
are counted before or after a filter is not documented, so no filter is applied to it."""

_UNCUT = Cut()
_CUT_BY: Mapping[str, tuple[str, ...]] = {
    "markets": ("markets",),
    "bookmakers": ("bookmakers",),
    "regions": ("bookmakers",),
    "events": ("events",),
    "times": ("after", "before"),
    "dates": ("to_unix",),
    "odds": ("to_decimal",),
}
"""The parts of a cut that each kind makes. `outrights` makes none: it takes one answer for another as it is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request to `/odds` selects, either by regions or by bookmakers. `markets` is None for the default of the
    sport; `events` None is every event. Times are as sent: whole seconds of UTC, so that their texts compare as they
    do. `rest` are parameters that have to be equal."""

    markets: frozenset[str] | None
    regions: frozenset[str]
    bookmakers: frozenset[str]
    events: frozenset[str] | None
    after: str | None
    before: str | None
    unix: bool
    american: bool
    rest: Query

    @property
    def query(self) -> Query:
        lists = zip(LISTS, (self.markets, self.regions, self.bookmakers, self.events), strict=True)
        pairs = [(name, ",".join(sorted(values))) for name, values in lists if values]
        pairs += [(name, time) for name, time in zip(TIMES, (self.after, self.before), strict=True) if time]
        pairs += [("dateFormat", _FORMATS["dateFormat"][self.unix])]
        pairs += [("oddsFormat", _FORMATS["oddsFormat"][self.american])]
        return tuple(sorted((*pairs, *self.rest)))

    def joined(self, other: "Selection") -> "Selection | None":
        """The least that holds both, if anything does."""
        if bool(self.regions) != bool(other.regions):
            return None
        one, two = self.markets, other.markets
        return replace(
            self,
            markets=None if one is None and two is None else (one or H2H) | (two or H2H),
            regions=self.regions | other.regions,
            bookmakers=self.bookmakers | other.bookmakers,
            events=None if self.events is None or other.events is None else self.events | other.events,
            after=None if self.after is None or other.after is None else min(self.after, other.after),
            before=None if self.before is None or other.before is None else max(self.before, other.before),
            unix=self.unix and other.unix,
            american=self.american or other.american,
        )


@lru_cache(maxsize=4096)
def selection(request: CanonicalRequest) -> Selection | None:
    """None for what is no request to `/odds`, or one whose meaning is doubtful: the provider judges that."""
    query = dict(request.query)
    if request.route != "odds" or len(query) != len(request.query):
        return None
    lists = {name: frozenset(query.pop(name).split(",")) for name in LISTS if name in query}
    after, before = (query.pop(name, None) for name in TIMES)
    forms = {name: query.pop(name, values[0]) for name, values in _FORMATS.items()}
    if any(not item or item != item.strip() for items in lists.values() for item in items):
        return None
    if ("regions" in lists) == ("bookmakers" in lists) or not _is_window(after, before):
        return None
    if any(form not in _FORMATS[name] for name, form in forms.items()):
        return None
    return Selection(
        lists.get("markets"),
        lists.get("regions", frozenset()),
        lists.get("bookmakers", frozenset()),
        lists.get("eventIds"),
        after,
        before,
        forms["dateFormat"] == "unix",
        forms["oddsFormat"] == "american",
        tuple(query.items()),
    )


def needed(wide: Selection, narrow: Selection, sport: str, knowledge: Knowledge) -> Iterator[tuple[Kind, bool]]:
    """Each kind that makes `narrow` from `wide`, and whether it can."""
    if (wide.markets is None) != (narrow.markets is None):
        yield "outrights", knowledge.outrights.get(sport) is False
    if (markets := narrow.markets or H2H) != (wide.markets or H2H):
        yield "markets", markets <= (wide.markets or H2H)
    if wide.bookmakers != narrow.bookmakers:
        yield "bookmakers", bool(narrow.bookmakers) and _may_hold(wide, narrow.bookmakers, knowledge)
    elif wide.regions != narrow.regions:
        yield "regions", narrow.regions <= wide.regions and narrow.regions <= knowledge.regions.keys()
    if wide.events != narrow.events:
        yield "events", narrow.events is not None and (wide.events is None or narrow.events <= wide.events)
    if (wide.after, wide.before) != (narrow.after, narrow.before):
        begins = wide.after is None or (narrow.after is not None and wide.after <= narrow.after)
        ends = wide.before is None or (narrow.before is not None and wide.before >= narrow.before)
        yield "times", begins and ends
    if wide.unix != narrow.unix:
        yield "dates", narrow.unix
    if wide.american != narrow.american:
        yield "odds", wide.american


def _may_hold(wide: Selection, bookmakers: frozenset[str], knowledge: Knowledge) -> bool:
    """Whether the bookmakers can be in the answer. By regions not all of which are known, the answer itself tells."""
    if wide.bookmakers:
        return bookmakers <= wide.bookmakers
    return not wide.regions <= knowledge.regions.keys() or bookmakers <= _of_regions(wide.regions, knowledge)


def cut_of(document: OddsDocument, wide: Selection, narrow: Selection, knowledge: Knowledge) -> Cut:
    """Raises Unprojectable."""
    asked = narrow.markets or H2H
    riders = {rider for market, rider in RIDERS.items() if market in asked}
    return Cut(
        markets=None if asked == (wide.markets or H2H) else asked | riders,
        bookmakers=_bookmakers(document, wide, narrow, knowledge),
        events=None if narrow.events == wide.events else narrow.events,
        after=None if narrow.after == wide.after else _seconds(narrow.after),
        before=None if narrow.before == wide.before else _seconds(narrow.before),
        to_unix=narrow.unix and not wide.unix,
        to_decimal=wide.american and not narrow.american,
        emptied=knowledge.emptied,
    )


def evidence_of(
    document: OddsDocument, wide: Selection, narrow: Selection, kinds: frozenset[str], knowledge: Knowledge
) -> Evidence:
    """A kind is shown by prices that would not all stand there, or not so, without it. The bookmakers of one region
    are shown by what is left out for it, or by one that is not there although the region was asked for. Raises
    Unprojectable, or ValueError for a document of another form."""
    cut = cut_of(document, wide, narrow, knowledge)
    body = document.cut(cut)
    if not select(body, "/*/bookmakers/*/markets/*/outcomes/*/price"):
        return Evidence()
    shown = frozenset(kind for kind in kinds if _does_something(document, cut, kind, body))
    absent = narrow.bookmakers - document.bookmakers
    regions = {r: frozenset[str]() for r in wide.regions if absent & knowledge.regions.get(r, frozenset())}
    # Of two regions it is not known which of them lacks a bookmaker.
    if "regions" in shown and len(narrow.regions) == 1:
        whole = OddsDocument(document.cut(_without(cut, "regions")))
        regions |= dict.fromkeys(narrow.regions, whole.bookmakers - OddsDocument(body).bookmakers)
    return Evidence(shown, regions)


def _does_something(document: OddsDocument, cut: Cut, kind: str, body: bytes) -> bool:
    if kind not in _CUT_BY:
        return True
    try:
        # Not their texts: what is cut loses the white space between its parts, what is left alone keeps it.
        return parsed(document.cut(_without(cut, kind))) != parsed(body)
    except Unprojectable:
        # Something that is not in `body` cannot be projected: this kind took it away.
        return True


def _without(cut: Cut, kind: str) -> Cut:
    return replace(cut, **{part: getattr(_UNCUT, part) for part in _CUT_BY[kind]})


def _bookmakers(
    document: OddsDocument, wide: Selection, narrow: Selection, knowledge: Knowledge
) -> frozenset[str] | None:
    """Which to keep. A bookmaker that is missing in the answer has no odds only if it was asked for, and one that is
    there is left out only if it is known not to be of any of the regions."""
    if (wide.regions, wide.bookmakers) == (narrow.regions, narrow.bookmakers):
        return None
    if wide.bookmakers:
        return narrow.bookmakers
    known = _of_regions(wide.regions, knowledge)
    kept = narrow.bookmakers or _of_regions(narrow.regions, knowledge)
    if narrow.bookmakers:
        doubtful = kept - known - document.bookmakers
    else:
        apart = frozenset.intersection(*(knowledge.apart.get(region, known) for region in narrow.regions))
        doubtful = document.bookmakers - kept - apart
    if doubtful:
        raise Unprojectable
    return kept


def usable(sport: str, knowledge: Knowledge) -> frozenset[str]:
    return knowledge.kinds & _FORM_KINDS if sport == UPCOMING else knowledge.kinds


def _of_regions(regions: frozenset[str], knowledge: Knowledge) -> frozenset[str]:
    return frozenset[str]().union(*(knowledge.regions.get(region, ()) for region in regions))


def sport_of(path: str) -> str:
    """Of `/v4/sports/{sport}/odds`."""
    return path.split("/")[-2]


def _is_window(after: str | None, before: str | None) -> bool:
    """Whether the vendor takes these times: it refuses other forms, and an end before the beginning."""
    try:
        begins, ends = _seconds(after), _seconds(before)
    except Unprojectable:
        return False
    return begins is None or ends is None or begins <= ends


def _seconds(time: str | None) -> int | None:
    """Raises Unprojectable."""
    return None if time is None else int(bytes(unix_time(f'"{time}"'.encode())))
