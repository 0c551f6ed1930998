from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.account import seconds_to_reset
from holdover.phase import Phase
from sidecar.refresh.governor import DAY_S, LAST_S, Allocation, Need, allocate

unit = settings(max_examples=300, deadline=None)

DAY = 86_400.0
TIER: dict[Phase, int] = {"in_play": 0, "near": 1, "unknown": 1, "far": 2, "empty": 2}

LIVE = Need("live", 6, 60, "in_play", 120)
NEAR = Need("near", 6, 120, "near", 600)
FAR = Need("far", 6, 900, "far", 3600)
ALL = [FAR, NEAR, LIVE]


def rate(needs: list[Need], found: Allocation) -> float:
    return sum(need.cost / (need.window_s * found.stretch(need.key)) for need in needs)


def stretches(found: Allocation) -> list[float]:
    return [round(found.stretch(key), 3) for key in ("live", "near", "far")]


def for_a_day(credits_per_day: float) -> Allocation:
    return allocate(ALL, credits_per_day + 100, 100, DAY)


def test_every_phase_has_a_tier():
    assert set(TIER) == set(get_args(Phase.__value__))
    for phase in TIER:
        assert allocate([Need("a", 1, 60, phase, 120)], 0, 0, DAY).stretch("a") == 2


def test_enough_credits_stretch_nothing():
    found = for_a_day(6 * DAY * (1 / 60 + 1 / 120 + 1 / 900))
    assert (stretches(found), found.affordable) == ([1, 1, 1], True)
    assert found.per_day == pytest.approx(6 * DAY * (1 / 60 + 1 / 120 + 1 / 900))
    assert allocate(ALL, 1e9, 0, 10 * DAY).spend_until_reset == pytest.approx(10 * found.per_day)


def test_what_is_not_known_stretches_nothing():
    found = allocate(ALL, None, 100, DAY)
    assert (stretches(found), found.affordable) == ([1, 1, 1], True)
    assert found.stretch("another") == 1
    assert allocate(ALL, None, 0, None).spend_until_reset is None


def test_the_lowest_tier_is_stretched_first():
    full_live, full_near, least_far = 6 * DAY / 60, 6 * DAY / 120, 6 * DAY / 3600
    assert stretches(for_a_day(full_live + full_near + 2 * least_far)) == [1, 1, 2]
    assert stretches(for_a_day(full_live + full_near + least_far)) == [1, 1, 4]
    assert stretches(for_a_day(full_live + full_near / 2 + least_far)) == [1, 2, 4]
    assert stretches(for_a_day(full_live / 1.5 + full_near / 5 + least_far)) == [1.5, 5, 4]


def test_too_little_for_the_limits_is_not_affordable():
    least = 6 * DAY * (1 / 120 + 1 / 600 + 1 / 3600)
    assert for_a_day(least * 1.001).affordable
    found = for_a_day(least * 0.999)
    assert (stretches(found), found.affordable) == ([2, 5, 4], False)
    assert found.per_day == pytest.approx(least)


@pytest.mark.parametrize("remaining", [-5, 0, 99, 100])
@pytest.mark.parametrize("left", [DAY, None])
def test_nothing_above_the_reserve_is_not_affordable(remaining, left):
    found = allocate(ALL, remaining, 100, left)
    assert (stretches(found), found.affordable) == ([2, 5, 4], False)


def test_without_a_reset_there_is_no_rate_to_keep_to():
    found = allocate(ALL, 101, 100, None)
    assert (stretches(found), found.affordable, found.spend_until_reset) == ([1, 1, 1], True, None)


def test_just_before_the_reset_a_call_for_each_is_held_back():
    """Or else what is left at last pays for some of them, and not for the others."""
    full = 6 * (1 / 60 + 1 / 120 + 1 / 900)
    for seconds, held in ((3601, 0), (3600, 18), (60, 18)):
        found = allocate(ALL, 100 + full * seconds + held, 100, seconds)
        assert (stretches(found), found.affordable) == ([1, 1, 1], True)
        if held:
            assert stretches(allocate(ALL, 100 + full * seconds, 100, seconds))[2] > 1
    small = [Need(str(number), 1, 3600, "far", DAY) for number in range(40)]
    found = allocate(small, 100, 0, DAY)
    assert rate(small, found) * DAY == pytest.approx(100), "a small quota is used all the same"


def test_within_a_tier_all_share_one_stretch_up_to_their_limits():
    short, long = Need("short", 1, 60, "far", 120), Need("long", 1, 60, "far", 6000)
    found = allocate([short, long], DAY * (1 / 120 + 1 / 600), 0, DAY)
    assert found.stretch("short") == 2
    assert found.stretch("long") == pytest.approx(10)


def test_what_costs_nothing_is_never_stretched():
    free = Need("free", 0, 60, "empty", 6000)
    assert allocate([free, LIVE], -1, 0, DAY).stretch("free") == 1
    assert allocate([], -1, 0, DAY) == Allocation({}, False, 0, 0)
    assert not allocate([free], -1, 0, None).affordable


def test_a_limit_below_the_window_does_not_shorten_it():
    assert allocate([Need("a", 1, 60, "far", 30)], -1, 0, DAY).stretch("a") == 1


needs = st.lists(
    st.builds(
        lambda cost, window, phase, limit: Need("", cost, window, phase, limit),
        st.integers(0, 60).map(float),
        st.integers(1, 4000).map(float),
        st.sampled_from(sorted(TIER)),
        st.integers(1, 40_000).map(float),
    ),
    max_size=8,
).map(lambda some: [Need(str(i), n.cost, n.window_s, n.phase, n.limit_s) for i, n in enumerate(some)])
amounts = st.floats(-10, 2e6)
left = st.floats(1, 40 * DAY)


@st.composite
def tight(draw):
    """Needs with an amount between what the limits and what the windows take: where something is to be decided."""
    some, seconds = draw(needs), draw(left)
    least = sum(need.cost / max(need.window_s, need.limit_s) for need in some)
    full = sum(need.cost / need.window_s for need in some)
    return some, (least + draw(st.floats(-0.1, 1.1)) * (full - least)) * seconds, seconds


@unit
@given(tight())
def test_what_is_affordable_stays_within_the_credits(case):
    some, remaining, seconds = case
    found = allocate(some, remaining, 0, seconds)
    if found.affordable:
        assert rate(some, found) <= remaining / seconds * (1 + 1e-9)
    assert found.per_day == pytest.approx(rate(some, found) * DAY_S)
    assert found.spend_until_reset == pytest.approx(rate(some, found) * seconds)


@unit
@given(tight())
def test_what_is_stretched_leaves_no_credits_unused_before_the_end(case):
    some, remaining, seconds = case
    seconds += LAST_S
    remaining *= seconds / (seconds - LAST_S)
    found = allocate(some, remaining, 0, seconds)
    if found.affordable and any(found.stretch(need.key) > 1 for need in some):
        assert rate(some, found) == pytest.approx(remaining / seconds, rel=1e-6)


@unit
@given(tight())
def test_nothing_is_stretched_while_a_lower_tier_is_not_at_its_limit(case):
    some, remaining, seconds = case
    found = allocate(some, remaining, 0, seconds)
    for high in some:
        for low in some:
            if TIER[high.phase] < TIER[low.phase] and low.cost > 0 and found.stretch(high.key) > 1 + 1e-9:
                at = low.window_s * found.stretch(low.key)
                assert at == pytest.approx(max(low.window_s, low.limit_s), rel=1e-4)


@unit
@given(tight(), st.floats(0, 1e6))
def test_more_credits_stretch_nothing_further(case, more):
    some, remaining, seconds = case
    less, rich = allocate(some, remaining, 0, seconds), allocate(some, remaining + more, 0, seconds)
    assert rich.affordable or not less.affordable
    for need in some:
        assert rich.stretch(need.key) <= less.stretch(need.key) * (1 + 1e-9)


@unit
@given(needs, st.one_of(st.none(), amounts), st.floats(0, 1000), st.one_of(st.none(), left))
def test_a_stretch_stays_within_the_limit(some, remaining, reserve, seconds):
    found = allocate(some, remaining, reserve, seconds)
    for need in some:
        assert found.stretch(need.key) >= 1
        assert need.window_s * found.stretch(need.key) <= max(need.limit_s, need.window_s) * (1 + 1e-12)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "daily", "monthly"),
    [
        ("2026-11-23 22:00:00", 2 / 24, 7 + 2 / 24),
        ("2026-11-23 00:00:00", 1, 8),
        ("2026-12-31 23:59:59.5", 0.5 / DAY, 0.5 / DAY),
        ("2026-02-01 00:00:00", 1, 28),
        ("2028-01-31 12:00:00", 0.5, 0.5),
        ("2028-02-28 12:00:00", 0.5, 1.5),
    ],
)
def test_seconds_to_the_reset(now, daily, monthly):
    assert seconds_to_reset("daily", at(now)) == pytest.approx(daily * DAY)
    assert seconds_to_reset("monthly", at(now)) == pytest.approx(monthly * DAY)
    assert seconds_to_reset("never", at(now)) is None


@unit
@given(st.floats(0, 4e9))
def test_a_reset_always_lies_ahead(now):
    assert 0 < (seconds_to_reset("daily", now) or 0) <= DAY
    assert 0 < (seconds_to_reset("monthly", now) or 0) <= 31 * DAY
