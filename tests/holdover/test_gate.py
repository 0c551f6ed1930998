from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.gate import MAX_OPEN_S, MAX_RETRY_AFTER_S, Breaker, Rate, retry_after

PAUSES = st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=60)
RATES = st.floats(0.1, 50)


@given(RATES, st.integers(1, 10), PAUSES)
def test_no_interval_holds_more_starts_than_burst_and_rate_allow(rate, burst, pauses):
    bucket, now, starts = Rate(rate, burst), 1000.0, []
    for pause in pauses:
        now += pause
        expected = bucket.wait(now)
        waited = bucket.take(now)
        assert waited == pytest.approx(expected, abs=1e-6)
        starts.append(now + waited)
    assert starts == sorted(starts)
    for first, one in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + rate * (starts[last] - one) + 1e-6


@given(RATES, st.integers(1, 10), PAUSES)
def test_available_means_that_a_start_is_immediate(rate, burst, pauses):
    bucket, now = Rate(rate, burst), 1000.0
    for pause in pauses:
        now += pause
        if bucket.available(now):
            assert bucket.take(now) == 0.0
        else:
            assert bucket.wait(now) > 0
            bucket.take(now)


def test_after_a_pause_the_burst_is_whole_and_no_more():
    bucket = Rate(2.0, 3)
    assert [bucket.take(0.0) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    assert [bucket.take(1_000.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_bucket_that_was_never_used_is_full_at_any_time():
    for now in (0.0, -5.0, 1e9):
        assert Rate(1.0, 2).available(now)


def failed(times: Iterable[float], *, failures: int = 3, open_s: float = 2.0) -> Breaker:
    breaker = Breaker(failures, open_s)
    for now in times:
        breaker.start(now)
        breaker.failure(now)
    return breaker


@pytest.mark.parametrize(
    ("times", "now", "state", "wait"),
    [
        ([], 0, "closed", 0),
        ([1, 2], 2, "closed", 0),
        ([1, 2, 3], 3, "open", 2),
        ([1, 2, 3], 4.5, "open", 0.5),
        ([1, 2, 3], 5, "half_open", 0),
        ([1, 2, 3, 5], 5, "open", 4),
        ([1, 2, 3, 5, 9], 9, "open", 8),
        ([1, 2, 3, 5, 9, 17, 33], 33, "open", 32),
        ([1, 2, 3, 5, 9, 17, 33, 65], 65, "open", MAX_OPEN_S),
        # What was under way when it opened says nothing new.
        ([1, 1, 1, 1, 1, 1], 1, "open", 2),
        ([*range(500)], 484, "open", MAX_OPEN_S),
    ],
)
def test_states_of_the_breaker(times, now, state, wait):
    breaker = failed(times)
    assert (breaker.state(now), breaker.wait(now)) == (state, wait)


def test_while_a_probe_is_out_others_wait():
    breaker = failed([1, 2, 3])
    assert breaker.wait(5) == 0
    breaker.start(5)
    assert breaker.wait(5) == 2.0
    assert breaker.wait(500) == 2.0


@pytest.mark.parametrize(("ends", "state"), [("success", "closed"), ("failure", "open"), ("abandoned", "half_open")])
def test_how_a_probe_ends(ends, state):
    breaker = failed([1, 2, 3])
    breaker.start(5)
    getattr(breaker, ends)(*([6] if ends == "failure" else []))
    assert breaker.state(6) == state
    assert breaker.wait(6) == {"closed": 0, "open": 4, "half_open": 0}[state]


def test_a_success_in_between_starts_the_count_anew():
    breaker = failed([1, 2])
    breaker.success()
    breaker.failure(3)
    breaker.failure(4)
    assert breaker.state(4) == "closed"
    breaker.failure(5)
    assert breaker.wait(5) == 2.0


NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("007", 7),
        ("3600", 3600),
        ("3601", MAX_RETRY_AFTER_S),
        ("9" * 5_000, MAX_RETRY_AFTER_S),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0664", None),
        ("soon", None),
        ("5, 6", None),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Thursday, 01-Jan-26 00:00:30 GMT", 30),
        ("Thu Jan  1 00:00:30 2026", 30),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", MAX_RETRY_AFTER_S),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026", None),
    ],
)
def test_retry_after(value, expected):
    assert retry_after(value, NOW) == expected


DATES = st.from_regex(
    r"(Mon, )?[0-9]{1,3} (Jan|Feb|Xyz) [0-9]{1,6} [0-9:]{1,9}( GMT| [+-][0-9]{1,20})?", fullmatch=True
)


@given(st.text(max_size=30) | DATES)
def test_whatever_a_provider_sends_is_a_sane_pause_or_none(value):
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        ),
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_date_out_of_range_is_no_date(value):
    assert retry_after(value, NOW) in (None, 0.0)


def test_a_halved_rate_comes_back_in_small_steps():
    rate = Rate(10.0, 8)
    rate.halve(0.0)
    assert [rate.take(0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, pytest.approx(0.2)]
    rate = Rate(10.0, 8)
    for _ in range(20):
        rate.halve(0.0)
    assert rate.share == 1 / 16
    assert [rate.take(0.0), rate.take(0.0)] == [0.0, pytest.approx(1.6)]
    eased = 0
    while rate.share < 1:
        rate.ease(100.0)
        eased += 1
    assert eased == 60
    assert rate.wait(100.0) == 0
