"""Pairs of requests as hypothesis draws and shrinks them: a request, and most often a part of it, each spelled as one
of the clients of the field would.

Strategies are kept: made anew for each pair they take longer than all that is compared."""

from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import quote

from hypothesis import strategies as st

from scripts.emulator.catalog import BOOKS, FEATURED, REGIONS, SPORTS
from scripts.emulator.render import iso

from .odds_pairs import FLAGS, SPORTS_ASKED, Pair, every_scene
from .odds_vendor import books_of

UNKNOWN_IDS = ("0" * 32, "f" * 32)
TIMES = ("commenceTimeFrom", "commenceTimeTo")
CUTS = ("dates", "odds", "markets", "regions", "bookmakers", "events", "times")
DEFAULTS = {"oddsFormat": "decimal", "dateFormat": "iso"}

type Parameters = Mapping[str, str | None]
"""None stands for a parameter that is left out."""

_ASKED = st.tuples(
    st.sampled_from((False, True, True)),
    st.sampled_from((False, False, True)),
    st.sampled_from(("", "flag", "eventIds", "times")),
)
_FLAG = st.tuples(st.sampled_from(FLAGS), st.sampled_from(("true", "false")))
_FORMATS = st.sampled_from((("decimal", "iso"), ("american", "iso"), ("american", "unix"), ("decimal", "unix")))
_TO_BE_CUT = st.sampled_from((("decimal", "iso"), ("american", "iso"), ("american", "unix")))
_CUT = st.tuples(*[st.booleans()] * len(CUTS))
_ENDS = st.sampled_from((TIMES[:1], TIMES[1:], TIMES))
_SPELLINGS = st.integers(0, 2**24 - 1)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, Pair]:
    """The number of a scene, and requests for one of its boards; some pairs have nothing to do with each other."""
    number, sport, related = draw(_cases())
    wide = draw(_wides(number, sport))
    narrow = wide if related else draw(_wides(number, sport))
    # As many values are drawn whatever is possible: so each shrinks by itself.
    for kind, chosen in zip(CUTS, draw(_CUT), strict=True):
        if chosen and related and kind in _possible(sport, wide):
            narrow = _cut(draw, kind, number, sport, wide, narrow)
    second, first = divmod(draw(_SPELLINGS), 2**12)
    return number, Pair(_spelled(first, sport, wide), _spelled(second, sport, narrow))


@cache
def _cases() -> st.SearchStrategy[tuple[int, str, bool]]:
    """A scene, a sport, and whether the second request is a part of the first. Most often a board with much on it."""
    rich, plain = SPORTS_ASKED[:2], SPORTS_ASKED[2:]
    related = [(number, sport, True) for number in range(len(every_scene())) for sport in rich]
    return st.sampled_from([*related, *((0, sport, True) for sport in plain), *((0, sport, False) for sport in rich)])


@cache
def _wides(number: int, sport: str) -> st.SearchStrategy[Parameters]:
    return _wide(number, sport)


@st.composite
def _wide(draw: st.DrawFn, number: int, sport: str) -> Parameters:
    """What the first of a pair asks for."""
    markets, books, more = draw(_ASKED)
    wide: dict[str, str | None] = {}
    if markets:
        wide["markets"] = draw(_list(tuple(SPORTS[sport].markets if sport in SPORTS else FEATURED)))
    if books:
        wide["bookmakers"] = draw(_list(tuple(BOOKS)))
    else:
        wide["regions"] = draw(_list(tuple(REGIONS)))
    if more == "flag":
        name, value = draw(_FLAG)
        wide[name] = value
    elif sport in SPORTS and more == "eventIds":
        wide[more] = draw(_list(_ids(number, sport)))
    elif sport in SPORTS and more == "times":
        wide |= _window(draw, number, sport, {})
    wide["oddsFormat"], wide["dateFormat"] = draw(_FORMATS if sport in SPORTS else _TO_BE_CUT)
    return wide


def _possible(sport: str, wide: Parameters) -> set[str]:
    """The kinds of cut that may leave less than there is; of `upcoming` only those that keep the choice of events."""
    kinds = {
        "dates": wide["dateFormat"] == "iso",
        "odds": wide["oddsFormat"] == "american",
        "markets": "," in (wide.get("markets") or ""),
        "regions": "," in (wide.get("regions") or ""),
    }
    forms = {kind for kind in ("dates", "odds") if kinds[kind]}
    return forms if sport not in SPORTS else {kind for kind in CUTS if kinds.get(kind, True)}


def _cut(draw: st.DrawFn, kind: str, number: int, sport: str, wide: Parameters, narrow: Parameters) -> Parameters:
    """A smaller part than `narrow`, which is `wide` or a part of it."""
    match kind:
        case "markets":
            return {**narrow, "markets": draw(_markets_within(sport, wide.get("markets")))}
        case "bookmakers":
            regions = _items(wide.get("regions"))
            held = _items(wide.get("bookmakers")) or tuple(b for region in regions for b in books_of(region))
            return {**narrow, "regions": None, "bookmakers": draw(_list(held))}
        case "regions" if regions := _items(narrow.get("regions")):
            return {**narrow, "regions": draw(_list(regions))}
        case "events":
            return {**narrow, "eventIds": draw(_list(_items(wide.get("eventIds")) or _ids(number, sport)))}
        case "times":
            return {**narrow, **_window(draw, number, sport, wide)}
        case "dates":
            return {**narrow, "dateFormat": "unix"}
        case "odds":
            return {**narrow, "oddsFormat": "decimal"}
    return narrow


def _window(draw: st.DrawFn, number: int, sport: str, within: Parameters) -> Parameters:
    """Times no wider than those of `within`: begin, end or both; none where there would be nothing between them."""
    after, before = (within.get(name) for name in TIMES)
    ends = draw(_ENDS)
    begin = draw(_moments(number, sport)) if TIMES[0] in ends else None
    end = draw(_moments(number, sport)) if TIMES[1] in ends else None
    begin = max(begin or "", after or "") or None
    end = min(end or before or "", before or end or "") or None
    if begin is not None and end is not None and begin > end:
        return {name: within.get(name) for name in TIMES}
    return dict(zip(TIMES, (begin, end), strict=True))


def _spelled(how: int, sport: str, parameters: Parameters) -> str:
    """Defaults may be left out; parameters stand in any order; commas and colons are escaped or not. Number 0 is the
    plainest."""
    order, bits = divmod(how, 2**5)
    left_out = {name for bit, name in enumerate(DEFAULTS) if bits >> bit & 1}
    named = [
        (name, value)
        for name, value in parameters.items()
        if value is not None and not (name in left_out and value == DEFAULTS[name])
    ]
    named.append(("api_key" if bits & 4 else "apiKey", "client"))
    safe = "" if bits & 8 else ",:"
    query = "&".join(f"{name}={quote(value, safe=safe)}" for name, value in _permuted(named, order))
    return f"/v4/sports/{sport}/odds{'/' if bits & 16 else ''}?{query}"


def _permuted[T](items: Sequence[T], number: int) -> list[T]:
    """The permutation with this number; 0 leaves them as they are."""
    rest, ordered = list(items), list[T]()
    while rest:
        number, index = divmod(number, len(rest))
        ordered.append(rest.pop(index))
    return ordered


@cache
def _some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """At least one of them, of many at most twelve that stand together. Each shrinks away by itself."""
    width = min(len(values), 12)
    first = st.integers(0, len(values) - 1 if len(values) > width else 0)
    turned = (*values, *values)

    def chosen(begin: int, which: tuple[bool, ...]) -> list[str]:
        return [turned[begin + index] for index in range(width) if which[index]] or [turned[begin]]

    return st.builds(chosen, first, st.tuples(*[st.booleans()] * width))


@cache
def _list(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return _some(values).map(",".join)


@cache
def _markets_within(sport: str, markets: str | None) -> st.SearchStrategy[str | None]:
    """None is the default of the sport, which is h2h where there are no outrights."""
    plain = sport not in SPORTS or not SPORTS[sport].has_outrights
    inside = _items(markets)
    if not inside:
        return st.sampled_from((None, "h2h") if plain else (None,))
    return st.none() | _list(inside) if plain and "h2h" in inside else _list(inside)


@cache
def _moments(number: int, sport: str) -> st.SearchStrategy[str]:
    """The starts of events, and the seconds beside them: both ends of a window are inclusive."""
    starts = sorted({found.event.commence for found in every_scene()[number].board.sports.get(sport, ())}) or [0]
    return st.sampled_from([iso(start + beside) for start in starts for beside in (0, -1, 1)])


@cache
def _ids(number: int, sport: str) -> tuple[str, ...]:
    listed = every_scene()[number].board.sports.get(sport, ())
    return (*(found.event.id for found in listed), *UNKNOWN_IDS)


def _items(value: str | None) -> tuple[str, ...]:
    return tuple(value.split(",")) if value else ()
