from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.providers.profile import Knowledge, Profile
from sidecar.refresh.planner import LARGEST_GROUP, Demand, Plan, plan

unit = settings(max_examples=150, deadline=None)


def request(
    markets: str = "h", regions: str = "u", only: str = "", path: str = "/epl", partition: str = ""
) -> CanonicalRequest:
    """Letters stand for markets, regions and, as a filter that costs nothing, events."""
    query = (("m", "".join(sorted(markets))), ("o", "".join(sorted(only))), ("r", "".join(sorted(regions))))
    return CanonicalRequest("vendor", "odds", path, query, partition=partition)


class Letters(Profile):
    """Costs markets times regions. Calls are counted."""

    def __init__(self) -> None:
        self.unions = 0

    def widened(self, canonical, knowledge):
        one = dict(canonical.query)
        return request(one["m"], one["r"], "", canonical.path, partition=canonical.partition)

    def union(self, one, other, knowledge):
        self.unions += 1
        a, b = dict(one.query), dict(other.query)
        markets, regions = {*a["m"], *b["m"]}, {*a["r"], *b["r"]}
        only = "".join({*a["o"], *b["o"]}) if a["o"] and b["o"] else ""
        return request("".join(markets), "".join(regions), only, one.path, partition=one.partition)

    def kinds(self, wide, narrow, knowledge):
        w, n = dict(wide.query), dict(narrow.query)
        if not (set(n["m"]) <= set(w["m"]) and set(n["r"]) <= set(w["r"])):
            return None
        if w["o"] and not (n["o"] and set(n["o"]) <= set(w["o"])):
            return None
        differing = {"m": "markets", "o": "events", "r": "regions"}
        return frozenset(kind for name, kind in differing.items() if w[name] != n[name])


def price(one: CanonicalRequest) -> float:
    parts = dict(one.query)
    return float(len(parts["m"]) * len(parts["r"]))


def demand(*args: str, every: float = 60.0, **named: str) -> Demand:
    one = request(*args, **named)
    return Demand(one, price(one), every)


ALL = Knowledge(kinds=frozenset({"markets", "regions", "events"}))


def planned(demands: Sequence[Demand], knowledge: Knowledge = ALL, **options) -> Plan:
    return plan(demands, Letters(), knowledge, price, **options)


def per_window(found: Plan) -> float:
    return round(found.credits_per_s * 60, 6)


letters = st.text("hst", min_size=1, max_size=3)
places = st.text("ukea", min_size=1, max_size=4)
demanded = st.builds(
    lambda m, r, o, p, w: demand("".join(set(m)), "".join(set(r)), "".join(set(o)), path=p, every=w),
    letters,
    places,
    st.sampled_from(["", "", "1", "12"]),
    st.sampled_from(["/epl", "/epl", "/nba"]),
    st.sampled_from([10.0, 30.0, 60.0, 300.0]),
)


def exact(demands: Sequence[Demand]) -> float:
    best: dict[str, Demand] = {}
    for one in demands:
        if one.request.key not in best or one.window_s < best[one.request.key].window_s:
            best[one.request.key] = one
    return sum(one.cost / one.window_s for one in best.values())


def test_one_demand_is_fetched_itself():
    only = demand("hs", "u")
    found = planned([only])
    assert found.carriers == {only.request.key: only.request}
    assert found.serves(only.request.key) == (only.request,)
    assert found.serves("unknown") == ()
    assert per_window(found) == 2


def test_no_demand_is_an_empty_plan():
    assert planned([]) == Plan({}, {}, 0.0)


def test_one_wide_request_for_the_mix_that_it_covers():
    demands = [demand("h", "u"), demand("hs", "u"), demand("hst", "uk"), demand("h", "k"), demand("t", "u")]
    found = planned(demands)
    assert round(exact(demands) * 60) == 11
    assert per_window(found) == 6
    assert {carrier.key for carrier in found.carriers.values()} == {demands[2].request.key}
    assert set(found.serves(demands[2].request.key)) == {one.request for one in demands}


def test_no_merger_that_costs_more_than_apart():
    wide, long = demand("h", "ukea"), demand("hst", "u")
    found = planned([wide, long])
    assert per_window(found) == 7
    assert found.carriers == {wide.request.key: wide.request, long.request.key: long.request}


def test_frequency_decides_as_well_as_cost():
    often, seldom = demand("h", "u", every=10), demand("hst", "uk", every=60)
    assert per_window(planned([often, seldom])) == 12
    assert per_window(planned([demand("h", "u", every=50), seldom])) == 7.2


def test_seldom_ones_ride_along_with_a_wider_frequent_one():
    often, seldom = demand("hs", "u", every=10), demand("h", "u", every=300)
    assert planned([often, seldom]).carriers[seldom.request.key] == often.request


def test_a_filter_that_costs_nothing_is_left_out_even_for_one():
    one, other = demand("h", "u", "1"), demand("h", "u", "2")
    found = planned([one, other])
    assert set(found.carriers.values()) == {request("h", "u")}
    assert per_window(found) == 1
    assert planned([one]).carriers == {one.request.key: request("h", "u")}


def test_widening_that_costs_more_is_not_taken():
    free = Demand(request("h", "u", "1"), 0.0, 60.0)
    assert planned([free]).carriers == {free.request.key: free.request}


def test_kinds_that_are_off_are_not_used():
    demands = [demand("hs", "uk"), demand("h", "uk"), demand("hs", "u"), demand("hs", "uk", "1")]
    for kind, saved in (("markets", 2), ("regions", 2), ("events", 4)):
        found = planned(demands, Knowledge(kinds=frozenset({kind})))
        assert per_window(found) == 12 - saved
    assert per_window(planned(demands, Knowledge())) == 12


def test_a_refused_pair_is_fetched_apart():
    wide, narrow, third = demand("hs", "u"), demand("h", "u"), demand("s", "u")
    found = planned([wide, narrow, third], refused={(wide.request.key, narrow.request.key)})
    assert found.carriers[narrow.request.key] == narrow.request
    assert found.carriers[third.request.key] == wide.request
    widened = request("h", "u")
    filtered = demand("h", "u", "1")
    assert planned([filtered], refused={(widened.key, filtered.request.key)}).serves(filtered.request.key)


@pytest.mark.parametrize("apart", [{"path": "/nba"}, {"partition": "gold"}])
def test_other_paths_and_partitions_are_not_merged(apart):
    one, other = demand("h", "u"), demand("h", "u", **apart)
    assert per_window(planned([one, other])) == 2


def test_a_demand_that_stands_twice_counts_once_at_its_shorter_window():
    found = planned([demand("h", "u", every=60), demand("h", "u", every=30)])
    assert per_window(found) == 2
    assert len(found.serves(request("h", "u").key)) == 1


def test_what_costs_nothing_is_one_request_when_one_holds_the_other():
    wide, narrow, other = (Demand(request(m, "u"), 0.0, every) for m, every in (("hs", 300), ("h", 30), ("t", 30)))
    found = plan([wide, narrow, other], Letters(), ALL, lambda _: 0.0)
    assert found.carriers[narrow.request.key] == wide.request
    assert found.carriers[other.request.key] == other.request


@unit
@given(st.lists(demanded, max_size=12))
def test_never_worse_than_exact_keys_and_every_demand_is_answered_once(demands):
    found = planned(demands)
    assert found.credits_per_s <= exact(demands) * (1 + 1e-12)
    profile, keys = Letters(), {one.request.key for one in demands}
    assert set(found.carriers) == keys
    served = [(key, one) for key in found.served for one in found.serves(key)]
    assert sorted(one.key for _, one in served) == sorted(keys)
    for key, one in served:
        carrier = found.carriers[one.key]
        assert carrier.key == key
        assert profile.kinds(carrier, one, ALL) is not None


@unit
@given(st.lists(demanded, max_size=12))
def test_the_total_is_what_its_carriers_cost(demands):
    found = planned(demands)
    windows = {one.request.key: min(d.window_s for d in demands if d.request == one.request) for one in demands}
    costs = {key: price(found.carriers[found.serves(key)[0].key]) for key in found.served}
    total = sum(costs[key] / min(windows[one.key] for one in found.serves(key)) for key in found.served)
    assert found.credits_per_s == pytest.approx(total)


@unit
@given(st.lists(demanded, max_size=12))
def test_what_is_fetched_anyway_is_not_answered_by_another(demands):
    found = planned(demands)
    for key in found.served:
        assert key not in found.carriers or found.carriers[key].key == key


@unit
@given(st.lists(demanded, max_size=10).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_order_of_the_demands_makes_no_difference(orders):
    one, other = orders
    assert planned(one) == planned(other)


def test_a_demand_that_is_fetched_itself_for_others_answers_itself():
    """What was merged around it, and covers it too, is due less often."""
    found = planned(
        [
            demand("hs", "aeku", every=10),
            demand("hst", "au", every=30),
            demand("st", "aku", every=60),
            demand("hst", "aku", every=300),
            demand("hst", "aeu", every=300),
        ]
    )
    assert all(found.carriers[key].key == key for key in found.served if key in found.carriers)


def partitions(items: list[Demand]) -> Iterator[list[list[Demand]]]:
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for parts in partitions(rest):
        yield [[first], *parts]
        for index, part in enumerate(parts):
            yield [*parts[:index], [first, *part], *parts[index + 1 :]]


def least(demands: list[Demand]) -> float:
    """The cheapest of all ways to share carriers."""
    profile = Letters()

    def rate(part: list[Demand]) -> float:
        wide = reduce(lambda a, b: profile.union(a, b, ALL), (one.request for one in part))
        return price(wide) / min(one.window_s for one in part)

    return min((sum(map(rate, parts)) for parts in partitions(demands)), default=0.0)


@settings(max_examples=100, deadline=None)
@given(st.lists(demanded, max_size=6, unique_by=lambda one: one.request.key))
def test_close_to_the_cheapest_of_all_plans(demands):
    one_path = [one for one in demands if one.request.path == "/epl"]
    assert planned(one_path).credits_per_s <= 1.6 * least(one_path) + 1e-9


def test_large_groups_cost_a_bounded_number_of_unions():
    shapes: list[Callable[[int], Demand]] = [
        lambda i: demand("h", "u", path=f"/{i}"),
        lambda i: demand("hs", "uk", path="/one", only=chr(200 + i)),
    ]
    for shape in shapes:
        profile = Letters()
        plan([shape(i) for i in range(1000)], profile, ALL, price)
        assert profile.unions == 0


def test_what_a_demanded_request_covers_takes_no_union():
    profile = Letters()
    shapes = [demand(m, r) for m in ("h", "s", "hs", "st", "hst") for r in ("u", "k", "uk", "uke")]
    assert len(plan(shapes, profile, ALL, price).served) == 1
    assert profile.unions == 0


def test_distinct_carriers_of_a_large_group_are_merged_by_neighbourhood():
    subsets = [
        "".join(c for c, on in zip("abcdefghij", bits, strict=True) if on) for bits in product([0, 1], repeat=10)
    ]
    demands = [demand(one, "u", every=60 + len(one)) for one in subsets if one]
    profile = Letters()
    found = plan(demands, profile, ALL, price)
    assert profile.unions <= 30 * len(demands) + LARGEST_GROUP**2
    assert found.credits_per_s <= exact(demands) / 20
    assert found.carriers == planned(demands[::-1]).carriers
