"""A projection is the provider's own answer to the narrower request, byte for byte: pairs of requests, spelled as
clients spell them, against the emulated provider."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scripts.benchmarks.odds_pairs import FLAGS, SPORTS_ASKED, Pair, compared, scenes
from scripts.benchmarks.odds_projection import compare
from scripts.benchmarks.odds_vendor import books_of, planned, shipped_rules
from scripts.emulator.catalog import BOOKS, FEATURED, REGIONS, SPORTS
from scripts.emulator.render import iso

UNKNOWN_IDS = ("0" * 32, "f" * 32)
TIMES = ("commenceTimeFrom", "commenceTimeTo")
CUTS = ("markets", "bookmakers", "regions", "events", "times", "dates", "odds")
FORMS = ("dates", "odds")
"""The cuts that leave the choice of events alone: the only ones for `upcoming`."""
RULES = shipped_rules({})
FEW = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
MANY = settings(FEW, max_examples=240)


def some(values: Sequence[str]) -> st.SearchStrategy[str]:
    """A list with at least one of them: often one alone, often all."""
    one, every = st.sampled_from(values), st.just(",".join(values))
    return one | every | st.lists(one, min_size=1, max_size=8, unique=True).map(",".join)


def events_of(number, sport):
    return [found.event for found in scenes()[number].board.sports.get(sport, ())]


def moments(number, sport):
    """The starts of events, and the seconds beside them: both ends of a window are inclusive."""
    starts = sorted({event.commence for event in events_of(number, sport)}) or [0]
    return st.builds(int.__add__, st.sampled_from(starts), st.sampled_from((0, 0, -1, 1)))


@st.composite
def windows(draw, number, sport, within):
    """Times no wider than those of `within`: begin, end or both."""
    begin, end = (draw(st.none() | moments(number, sport).map(iso)) for _ in TIMES)
    if begin is None and end is None:
        begin = draw(moments(number, sport).map(iso))
    after, before = (within.get(name) for name in TIMES)
    begin = after if begin is None else max(begin, after or begin)
    end = before if end is None else min(end, before or end)
    assume(begin is None or end is None or begin <= end)
    return {name: time for name, time in zip(TIMES, (begin, end), strict=True) if time is not None}


def ids_of(number, sport, within):
    listed = [event.id for event in events_of(number, sport)]
    return some(within["eventIds"].split(",") if "eventIds" in within else [*listed, *UNKNOWN_IDS])


@st.composite
def wides(draw, number, sport):
    """What the first of a pair asks for."""
    wide = {}
    if draw(st.integers(0, 5)):
        wide["markets"] = draw(some(SPORTS[sport].markets if sport in SPORTS else FEATURED))
    if draw(st.integers(0, 3)):
        wide["regions"] = draw(some(REGIONS))
    else:
        wide["bookmakers"] = ",".join(
            draw(st.lists(st.sampled_from(sorted(BOOKS)), min_size=2, max_size=12, unique=True))
        )
    if sport in SPORTS and draw(st.integers(0, 4)) == 0:
        wide["eventIds"] = draw(ids_of(number, sport, {}))
    if sport in SPORTS and draw(st.integers(0, 4)) == 0:
        wide |= draw(windows(number, sport, {}))
    if draw(st.integers(0, 4)) == 0:
        wide[draw(st.sampled_from(FLAGS))] = draw(st.sampled_from(("true", "false")))
    wide["oddsFormat"] = draw(st.sampled_from(("american", "decimal")))
    wide["dateFormat"] = draw(st.sampled_from(("iso", "iso", "unix")))
    return wide


def markets_within(sport, wide):
    """None is the default of the sport, which is h2h where there are no outrights."""
    plain = not SPORTS[sport].has_outrights
    if "markets" not in wide:
        return st.sampled_from((None, "h2h") if plain else (None,))
    inside = wide["markets"].split(",")
    return some(inside) | st.none() if plain and "h2h" in inside else some(inside)


@st.composite
def cut(draw, kind, number, sport, wide, narrow):
    """Makes `narrow`, which is `wide` or a part of it, a smaller part."""
    match kind:
        case "markets":
            narrow["markets"] = draw(markets_within(sport, wide))
        case "bookmakers" if "bookmakers" in wide:
            narrow["bookmakers"] = draw(some(wide["bookmakers"].split(",")))
        case "bookmakers":
            held = sorted({key for region in wide["regions"].split(",") for key in books_of(region)})
            narrow.pop("regions")
            narrow["bookmakers"] = draw(some(held))
        case "regions" if "regions" in narrow:
            narrow["regions"] = draw(some(wide["regions"].split(",")))
        case "events":
            narrow["eventIds"] = draw(ids_of(number, sport, wide))
        case "times":
            narrow |= draw(windows(number, sport, wide))
        case "dates":
            narrow["dateFormat"] = "unix"
        case "odds" if wide["oddsFormat"] == "american":
            narrow["oddsFormat"] = "decimal"


@st.composite
def spellings(draw, sport, parameters):
    """Defaults may be left out; parameters stand in any order; commas and colons are escaped or not."""
    defaults = {"oddsFormat": "decimal", "dateFormat": "iso"}
    left_out = draw(st.sets(st.sampled_from(sorted(defaults))))
    pairs = [
        (name, value)
        for name, value in parameters.items()
        if value is not None and not (name in left_out and value == defaults[name])
    ]
    safe = draw(st.sampled_from(("", ",:")))
    query = "&".join(f"{name}={quote(value, safe=safe)}" for name, value in draw(st.permutations(pairs)))
    return f"/v4/sports/{sport}/odds{draw(st.sampled_from(('', '/')))}?{query}&apiKey=client"


@st.composite
def pairs(draw):
    """The number of a scene, and a request beside a part of it that it holds."""
    number = draw(st.integers(0, len(scenes()) - 1))
    sport = draw(st.sampled_from(("soccer_epl", *SPORTS_ASKED)))
    wide = draw(wides(number, sport))
    narrow = dict(wide)
    for kind in draw(
        st.lists(st.sampled_from(CUTS if sport in SPORTS else FORMS), min_size=1, max_size=3, unique=True)
    ):
        draw(cut(kind, number, sport, wide, narrow))
    pair = Pair(draw(spellings(sport, wide)), draw(spellings(sport, narrow)))
    wide_key, narrow_key = (planned(RULES, target).canonical.key for target in (pair.wide, pair.narrow))
    assume(wide_key != narrow_key)
    return number, pair


@MANY
@given(pairs())
def test_a_part_is_the_direct_answer(case):
    number, pair = case
    assert compared(scenes()[number], pair) == "equal"


@FEW
@given(pairs())
def test_nothing_is_made_from_a_part(case):
    """A part may hold the whole by chance, as a window in which all events start; then it may well be used."""
    number, pair = case
    assert compared(scenes()[number], Pair(wide=pair.narrow, narrow=pair.wide)) != "different"


@FEW
@given(pairs(), pairs())
def test_nothing_is_made_from_another_request(case, other):
    number, pair = case
    assert compared(scenes()[number], Pair(pair.wide, other[1].narrow)) != "different"


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("form", ["iso", "unix"])
def test_both_ends_of_a_window_are_inclusive(name, form):
    for number, scene in enumerate(scenes()):
        for start in {event.commence for event in events_of(number, "soccer_epl")}:
            wide = f"/v4/sports/soccer_epl/odds?regions=uk&dateFormat={form}"
            for moment in (start - 1, start, start + 1):
                pair = Pair(wide, f"{wide}&{name}={iso(moment)}")
                assert compared(scene, pair) == "equal", pair


@pytest.mark.parametrize(("cut", "shared"), [TIMES, TIMES[::-1]])
def test_a_window_may_share_an_end_with_the_wider_one(cut, shared):
    starts = sorted(event.commence for event in events_of(0, "soccer_epl"))[1:-1]
    kept = starts[-1] if shared == "commenceTimeTo" else starts[0]
    wide = f"/v4/sports/soccer_epl/odds?regions=uk&{shared}={iso(kept)}"
    for start in starts:
        narrow = f"{wide}&{cut}={iso(start)}"
        assert compared(scenes()[0], Pair(wide, narrow)) == "equal", narrow


@pytest.mark.parametrize(
    "changed",
    [
        {"markets": "h2h"},
        {"markets": None},
        {"markets": "totals"},
        {"regions": "us"},
        {"regions": None, "bookmakers": "betfair_ex_uk"},
        {"regions": None, "bookmakers": ",".join(books_of("us2")[:1])},
        {"eventIds": UNKNOWN_IDS[0]},
        {"dateFormat": "unix"},
        {"oddsFormat": "decimal"},
    ],
    ids=str,
)
def test_each_cut_alone(changed):
    wide = {"regions": ",".join(REGIONS), "markets": ",".join(FEATURED), "oddsFormat": "american"}
    whole, part = (
        "/v4/sports/soccer_epl/odds?" + "&".join(f"{name}={value}" for name, value in asked.items() if value)
        for asked in (wide, wide | changed)
    )
    for scene in scenes():
        assert compared(scene, Pair(whole, part)) == "equal"


def test_most_of_the_pairs_are_really_compared():
    found, different = compare(60)
    assert different == []
    assert found["equal"] == 60
    assert found == Counter(equal=60) + Counter({name: found[name] for name in ("not allowed", "refused")})
    assert found["not allowed"] < 90
