"""The planner with the selection rules and the cost function of The Odds API."""

from collections.abc import Sequence
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.providers.profile import Knowledge
from holdover.providers.the_odds_api import TheOddsApi
from holdover.route_settings import RouteSettings
from sidecar.refresh.planner import Demand, Plan, plan

PATH = "/v4/sports/{sport}/odds"
ROUTE = RouteSettings.model_validate({"name": "odds", "path": PATH, "window_s": 60, "max_stale_s": 600})
PROFILE = TheOddsApi()
BOOKS = {"us": {"fanduel", "betmgm"}, "uk": {"skybet"}, "eu": {"pinnacle"}, "au": {"tab"}}
KNOWN = Knowledge(
    regions={region: frozenset(books) for region, books in BOOKS.items()},
    outrights={"epl": False},
    kinds=frozenset({"markets", "bookmakers", "regions", "events", "times", "dates"}),
)
ALL = "h2h,spreads,totals"


def cost(request: CanonicalRequest) -> float:
    return PROFILE.cost(ROUTE, request, None)


def demand(markets: str, regions: str = "", every: float = 60.0, **more: str) -> Demand:
    given = {"markets": markets, "regions": regions, "dateFormat": "iso", "oddsFormat": "decimal", **more}
    query = ((name, ",".join(sorted(value.split(",")))) for name, value in sorted(given.items()) if value)
    request = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds", tuple(query))
    return Demand(request, cost(request), every)


def planned(demands: Sequence[Demand], knowledge: Knowledge = KNOWN) -> Plan:
    return plan(demands, PROFILE, knowledge, cost)


def exact(demands: Sequence[Demand]) -> float:
    return sum(one.cost / one.window_s for one in {one.request.key: one for one in demands}.values())


def test_the_mix_of_five_shapes_takes_six_credits_instead_of_eleven():
    shapes = [("h2h", "us"), ("h2h,spreads", "us"), (ALL, "us,uk"), ("h2h", "uk"), ("totals", "us")]
    demands = [demand(*shape) for shape in shapes]
    assert round(exact(demands) * 60, 9) == 11
    found = planned(demands)
    assert round(found.credits_per_s * 60, 9) == 6
    assert len(found.serves(demands[2].request.key)) == 5


def test_the_counter_example_takes_seven_and_never_twelve():
    demands = [demand("h2h", "us,uk,eu,au"), demand(ALL, "us")]
    assert round(planned(demands).credits_per_s * 60, 9) == 7


def test_requests_that_differ_in_free_filters_are_one():
    demands = [
        demand("h2h", "us", eventIds="a"),
        demand("h2h", "us", eventIds="b"),
        demand("h2h", "us", dateFormat="unix"),
        demand("h2h", "us", commenceTimeFrom="2026-11-23T00:00:00Z"),
    ]
    assert exact(demands) * 60 == pytest.approx(4)
    found = planned(demands)
    assert found.credits_per_s * 60 == pytest.approx(1)
    assert {one.key for one in found.carriers.values()} == {demand("h2h", "us").request.key}


@pytest.mark.parametrize("every", [50.0, 60.0, 300.0])
def test_a_request_by_bookmakers_rides_along_with_one_by_regions(every):
    wide, narrow = demand("h2h", "us,uk"), demand("h2h", bookmakers="fanduel,skybet", every=every)
    assert planned([wide, narrow]).carriers[narrow.request.key] == wide.request


def test_regions_whose_bookmakers_are_not_known_are_fetched_apart():
    demands = [demand("h2h", "us,uk"), demand("h2h", "us")]
    assert planned(demands).credits_per_s * 60 == pytest.approx(2)
    unknown = Knowledge(kinds=KNOWN.kinds)
    assert planned(demands, unknown).credits_per_s * 60 == pytest.approx(3)


def some_of(*names: str) -> st.SearchStrategy[str]:
    subsets = chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1))
    return st.sampled_from([",".join(subset) for subset in subsets])


demanded = st.builds(
    lambda markets, place, every, ids: demand(markets, every=every, eventIds=ids, **place),
    some_of("h2h", "spreads", "totals"),
    st.one_of(
        some_of("us", "uk", "eu", "au").map(lambda names: {"regions": names}),
        some_of("fanduel", "skybet", "tab").map(lambda names: {"bookmakers": names}),
    ),
    st.sampled_from([30.0, 60.0, 300.0]),
    st.sampled_from(["", "", "a", "a,b"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(demanded, max_size=14, unique_by=lambda one: one.request.key))
def test_never_worse_than_exact_keys_and_every_answer_can_be_made(demands):
    found = planned(demands)
    assert found.credits_per_s <= exact(demands) * (1 + 1e-12)
    assert found.carriers == planned(demands[::-1]).carriers
    assert set(found.carriers) == {one.request.key for one in demands}
    for one in demands:
        carrier = found.carriers[one.request.key]
        assert one.request in found.serves(carrier.key)
        assert PROFILE.kinds(carrier, one.request, KNOWN) is not None
