"""One comparison of a projection with the provider's own answer, in front of a provider on loopback."""

import json
import time
from dataclasses import replace

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from holdover.providers.profile import Evidence, Knowledge
from sidecar.refresh.shadow import comparable, compare, cost, same
from tests.sidecar.scene import calm, odds

ODDS = {
    "path": "/v4/sports/{sport}/odds",
    "lists": ["markets", "regions"],
    "cost": 1.0,
    "updated": ["last_update"],
}
VENDOR = {"profile": "the-odds-api", "projection": {"kinds": ["markets"]}}
FORM = {"dateFormat": "iso", "oddsFormat": "decimal", "regions": "uk"}
WIDE = replace(odds(markets="h2h,totals", **FORM), path="/v4/sports/epl/odds")
NARROW = replace(odds(markets="h2h", **FORM), path="/v4/sports/epl/odds")


def board(markets: str, price: float, at: str) -> list[dict]:
    made = [
        {"key": key, "last_update": at, "outcomes": [{"name": "A", "price": price}, {"name": "B", "price": 2.0}]}
        for key in markets.split(",")
    ]
    bookmaker = {"key": "acme", "title": "Acme", "last_update": at, "markets": made}
    event = {
        "id": "e1",
        "sport_key": "epl",
        "sport_title": "EPL",
        "commence_time": "2030-01-01T00:00:00Z",
        "home_team": "A",
        "away_team": "B",
        "bookmakers": [bookmaker],
    }
    return [event]


class Prices:
    """Answers with the next price at each call; a call whose price is None fails. At a price of 0
    there is no event."""

    def __init__(self, *prices: float | None) -> None:
        self.prices = list(prices)
        self.asked: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.query["markets"])
        price = self.prices.pop(0)
        if price is None:
            return web.json_response({}, status=500)
        if price == 0:
            return web.json_response([])
        at = f"2026-01-01T00:00:0{len(self.asked)}Z"
        return web.json_response(board(request.query["markets"], price, at))


@pytest.fixture
def compared(scene_of, origin):
    """Compares the narrow request, made from the wide one, under these prices; returns what was found and asked."""

    async def run(*prices, planned=True, narrow=NARROW, **changes):
        origin.says = says = Prices(*prices)
        scene = scene_of({**ODDS, **calm()}, **{**VENDOR, **changes})
        if planned:
            scene.filler.projections.plan("vendor", {NARROW.key: WIDE})
        wider = comparable(scene.filler.projections, narrow, time.time())
        found = await compare(scene.filler, scene.provider, narrow, wider[0]) if wider else None
        for request in (WIDE, NARROW):
            assert await scene.filler.shelf.stored(request.key) is None, "what is compared is not stored"
        return found, says.asked

    return run


WIDE_MARKETS = "h2h,totals"


async def test_equal_odds_take_two_calls_whatever_the_times_say(compared):
    found, asked = await compared(1.5, 1.5)
    assert (found.finding, found.kinds, found.cost) == ("equal", {"markets"}, 3)
    assert found.evidence.kinds == {"markets"}
    assert asked == [WIDE_MARKETS, "h2h"]
    assert found.wide.request == WIDE
    assert found.projected.request == found.direct.request == NARROW


UK_UNKNOWN = {
    "projection": {"kinds": ["regions", "bookmakers"], "learn_regions": True},
    "shadow": {"one_in": 1, "verified_after": 2},
}
BOTH, US, UK = (
    replace(NARROW, query=odds(markets="h2h", **{**FORM, "regions": r}).query) for r in ("uk,us", "us", "uk")
)


class Regions:
    """Answers for each region with its bookmakers, all at one price."""

    def __init__(self, **bookmakers: str) -> None:
        self.bookmakers = bookmakers

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        asked = request.query.get("regions", ",".join(self.bookmakers))
        wanted = {key for region in asked.split(",") for key in self.bookmakers[region].split(",")}
        if "bookmakers" in request.query:
            wanted &= set(request.query["bookmakers"].split(","))
        [event] = board("h2h", 1.5, "2026-01-01T00:00:00Z")
        event["bookmakers"] = [{**event["bookmakers"][0], "key": key} for key in sorted(wanted)]
        return web.json_response([event])


@pytest.fixture
def learning(scene_of, origin):
    """A vendor of which the bookmakers of two regions were learnt; tells what is compared when us is asked for."""

    def build(known, **bookmakers):
        origin.says = Regions(**bookmakers)
        scene = scene_of({**ODDS, **calm()}, **{**VENDOR, **UK_UNKNOWN})
        scene.filler.projections.learnt["vendor"] = known
        return scene

    return build


LEARNT = {"us": frozenset({"a"}), "uk": frozenset({"b"})}


async def test_on_trial_the_direct_answer_has_told_of_its_region(learning):
    """A bookmaker of two regions that was learnt of one of them: no finding about the kind."""
    scene = learning(Knowledge({**LEARNT, "uk": frozenset({"b", "both"})}), us="a,both", uk="b,both")
    found = await compare(scene.filler, scene.provider, US, BOTH)
    assert found is not None
    assert (found.finding, found.evidence) == ("equal", Evidence(frozenset({"regions"}), {"us": frozenset({"b"})}))
    assert scene.filler.projections.learnt["vendor"].regions["us"] == {"a", "both"}


async def test_what_clients_are_given_is_compared_as_they_get_it(learning):
    """A bookmaker that was apart from the region and is of it now."""
    known = Knowledge({**LEARNT, "uk": frozenset({"b", "moved"})}, apart={"us": frozenset({"b", "moved"})})
    scene = learning(known, us="a,moved", uk="b")
    found = await compare(scene.filler, scene.provider, US, BOTH)
    assert found is not None
    assert found.finding == "different"
    assert found.kinds == {"regions"}


async def test_a_bookmaker_without_odds_shows_that_its_region_was_asked_for_it(learning):
    pairs = {name: value for name, value in UK.query if name != "regions"} | {"bookmakers": "b,quiet"}
    named = replace(UK, query=tuple(sorted(pairs.items())))
    scene = learning(Knowledge({"uk": frozenset({"b", "quiet"})}), us="a", uk="b")
    found = await compare(scene.filler, scene.provider, named, UK)
    assert found is not None
    assert (found.finding, found.evidence) == ("equal", Evidence(left_out={"uk": frozenset()}))


async def test_a_content_that_is_in_doubt_is_compared_on_trial(learning):
    scene = learning(Knowledge(LEARNT, apart={"us": frozenset()}), us="a", uk="b")
    found = await compare(scene.filler, scene.provider, US, BOTH)
    assert found is not None
    assert (found.finding, found.evidence.left_out) == ("equal", {"us": frozenset({"b"})})


async def test_boards_without_prices_are_equal_and_show_nothing(compared):
    found, asked = await compared(0, 0)
    assert (found.finding, found.evidence) == ("vacuous", Evidence())
    assert asked == [WIDE_MARKETS, "h2h"]


async def test_an_empty_board_that_should_not_be_is_different(compared):
    found, _ = await compared(0, 1.5, 0)
    assert found.finding == "different"


async def test_other_odds_are_different_when_the_wide_answer_stood_still(compared):
    found, asked = await compared(1.5, 1.6, 1.5)
    assert (found.finding, found.cost) == ("different", 5)
    assert asked == [WIDE_MARKETS, "h2h", WIDE_MARKETS]
    assert b"1.6" in found.direct.identity
    assert b"1.5" in found.projected.identity


async def test_odds_that_moved_meanwhile_tell_nothing(compared):
    found, _ = await compared(1.5, 1.6, 1.6)
    assert (found.finding, found.cost) == ("inconclusive", 5)


@pytest.mark.parametrize(("prices", "cost_"), [((None, 1.5), 1), ((1.5, None), 2), ((1.5, 1.6, None), 3)])
async def test_a_call_that_fails_tells_nothing_and_what_was_paid_counts(compared, prices, cost_):
    found, _ = await compared(*prices)
    assert (found.finding, found.cost) == ("inconclusive", cost_)


async def test_what_is_not_made_from_another_is_not_compared(compared):
    assert await compared(planned=False) == (None, [])
    assert await compared(narrow=WIDE) == (None, [])
    assert await compared(projection={"kinds": []}) == (None, [])


async def test_a_plan_is_compared_with_its_own_key(scene_of, origin):
    origin.says = Prices(1.5, 1.5)
    scene = scene_of({**ODDS, **calm()}, **VENDOR)
    wide, narrow = (replace(request, partition="gold") for request in (WIDE, NARROW))
    scene.filler.projections.plan("vendor", {narrow.key: wide})
    assert comparable(scene.filler.projections, narrow, time.time()) == [wide]
    found = await compare(scene.filler, scene.provider, narrow, wide)
    assert found is not None
    assert found.finding == "equal"
    assert {key for _, key in origin.asked} == {"gold-key"}


async def test_the_most_that_a_comparison_takes_is_known_before(scene_of):
    scene = scene_of({**ODDS, **calm()}, **VENDOR)
    assert cost(scene.provider, NARROW, WIDE) == 1 + 2 * 2


def documents():
    plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2)
    names = st.sampled_from(["a", "b", "at"])
    return st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


def changed(document, value):
    """Another time wherever a time stands."""
    match document:
        case dict():
            return {name: value if name == "at" else changed(inner, value) for name, inner in document.items()}
        case list():
            return [changed(inner, value) for inner in document]
    return document


@given(documents(), documents())
@example([False, True], [0, 1])
def test_only_what_is_named_may_differ(one, other):
    body = json.dumps(one).encode()
    assert same(body, json.dumps(changed(one, "now")).encode(), ["at"])
    assert same(body, json.dumps(other).encode(), []) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )
