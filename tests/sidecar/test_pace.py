import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.content import Board
from holdover.phase import max_stale, next_start, phase, promise
from holdover.route_settings import RouteSettings
from sidecar.refresh.pace import ChangeRate, due, phase_offset, window
from sidecar.refresh.schedule import boundary_after

unit = settings(max_examples=300, deadline=None)

NOW = 1_800_000_000.0
"""A multiple of every window below."""
HOUR = 3600.0
PACE = {"in_play_s": 60, "near_s": 120, "far_s": 960, "empty_s": 3600, "cadence_s": 60}


def route(*, window_s: float = 60, min_interval_s: float = 0, **pace: Any) -> RouteSettings:
    return RouteSettings.model_validate(
        {
            "name": "odds",
            "path": "/x",
            "window_s": window_s,
            "max_stale_s": 86_400,
            "starts": "commence_time",
            "updated": ["last_update"],
            "min_interval_s": min_interval_s,
            "pace": {**PACE, **pace},
        }
    )


PLAIN = RouteSettings.model_validate({"name": "odds", "path": "/x", "window_s": 60, "max_stale_s": 600})
FAR = Board(3, (NOW + 100 * HOUR,))
NEAR = Board(3, (NOW + HOUR,))
LIVE = Board(3, (NOW - 60, NOW + HOUR))
EMPTY = Board(0)


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        (None, "unknown"),
        (Board(), "unknown"),
        (Board(events=3), "unknown"),
        (EMPTY, "empty"),
        (FAR, "far"),
        (NEAR, "near"),
        (LIVE, "in_play"),
        (Board(None, (NOW,)), "in_play"),
        (Board(None, (NOW + 6 * HOUR,)), "near"),
        (Board(None, (NOW + 6 * HOUR + 1,)), "far"),
    ],
)
def test_phase(board, expected):
    assert phase(board, NOW, 6 * HOUR) == expected


def test_the_promise_is_that_of_the_phase_or_the_window_of_the_route():
    boards = (LIVE, NEAR, FAR, EMPTY, Board(), None)
    assert [promise(route(window_s=70), board, NOW) for board in boards] == [60, 120, 960, 3600, 70, 70]
    partly = route(window_s=70, in_play_s=None, far_s=None)
    assert [promise(partly, board, NOW) for board in boards] == [70, 120, 70, 3600, 70, 70]


def test_the_limit_in_play_holds_from_the_start_on():
    strict = route(max_stale_in_play_s=90)
    assert [max_stale(strict, NEAR, NOW + moment) for moment in (0, HOUR - 1, HOUR)] == [86_400, 86_400, 90]
    assert max_stale(route(), LIVE, NOW) == 86_400
    assert max_stale(strict, None, NOW) == 86_400


def test_the_next_start_is_the_first_after_a_moment():
    board = Board(3, (10.0, 20.0, 30.0))
    assert [next_start(board, after) for after in (5, 10, 19, 30)] == [10, 20, 20, None]
    assert next_start(None, 0) is next_start(Board(), 0) is None


def test_the_change_rate_is_a_mean_first_and_then_follows_the_latest():
    rate = ChangeRate()
    assert rate.value is None
    for changed in (True, False, False, True):
        rate = rate.after(changed)
    assert rate.value == pytest.approx(0.5)
    for _ in range(30):
        rate = rate.after(True)
    assert rate.value == pytest.approx(1.0, abs=0.01)
    assert rate.after(False).value == pytest.approx(0.8, abs=0.01)


def test_the_more_refreshes_bring_a_change_the_shorter_the_window():
    rates = (None, 0.0, 0.19, 0.2, 0.4, 0.6, 0.8, 1.0)
    slow = route(near_s=960)
    assert [window(slow, NEAR, NOW, rate) for rate in rates] == [960, 960, 960, 480, 240, 120, 60, 60]
    assert window(slow, LIVE, NOW, 1.0) == 60


def test_far_from_every_start_no_change_shortens_the_window():
    assert [window(route(), FAR, NOW, rate) for rate in (None, 0.5, 1.0)] == [960] * 3


def test_without_a_cadence_the_window_is_the_promise():
    assert window(route(near_s=960, cadence_s=0), NEAR, NOW, 1.0) == 960
    assert window(PLAIN, None, NOW, 1.0) == 60


def test_the_window_is_never_below_what_a_call_must_wait():
    assert window(route(near_s=960, cadence_s=50, min_interval_s=200), NEAR, NOW, 1.0) == 240
    with pytest.raises(ValueError, match="cadence_s is above a window"):
        route(cadence_s=90)


def test_locked_windows_are_whole_cadences():
    locked = route(near_s=960, phase_lock=True, cadence_s=50)
    assert [window(locked, NEAR, NOW, rate) for rate in (0, 0.3, 0.5)] == [950, 450, 200]
    assert window(locked, FAR, NOW, 1.0) == 950


seconds = st.floats(1.0, 5000.0).map(lambda value: round(value, 3))
boards = st.one_of(
    st.none(),
    st.builds(
        lambda offsets: Board(len(offsets), tuple(sorted({NOW + o for o in offsets}))),
        st.lists(st.integers(-7200, 90_000), max_size=4),
    ),
)
routes = st.builds(
    lambda c, i, n, f, near, lock: route(
        cadence_s=c,
        in_play_s=c + i,
        near_s=c + n,
        far_s=c + f,
        empty_s=c + f,
        near_from_s=near,
        phase_lock=lock and c > 0,
        window_s=c + i,
    ),
    st.one_of(st.just(0.0), seconds),
    seconds,
    seconds,
    seconds,
    seconds,
    st.booleans(),
)
rates = st.one_of(st.none(), st.floats(0, 1))


@unit
@given(routes, boards, rates)
def test_a_window_lies_between_the_cadence_and_the_promise(one, board, rate):
    chosen = window(one, board, NOW, rate)
    longest = promise(one, board, NOW)
    assert chosen <= max(longest, one.pace.cadence_s)
    assert chosen >= one.pace.cadence_s
    assert chosen >= (window(one, board, NOW, 1.0))
    assert chosen <= window(one, board, NOW, 0.0)


@unit
@given(routes, boards, rates, st.one_of(st.none(), st.floats(0, 5000)), st.floats(-3600, 0))
def test_the_next_refresh_comes_within_the_promise_and_not_before_half_a_cadence_or_a_start(
    one, board, rate, offset, fetched
):
    fetched_at = NOW + fetched
    offset = offset if one.pace.phase_lock else None
    at = due(one, board, fetched_at, NOW, change_rate=rate, phase_offset_s=offset)
    start = next_start(board, fetched_at)
    assert fetched_at < at <= fetched_at + max(window(one, board, NOW, rate), one.pace.cadence_s) + 1e-6
    if start is None or at != start:
        assert at >= fetched_at + one.pace.cadence_s / 2 - 1e-6
    else:
        assert at == start
    assert start is None or at <= start


@unit
@given(st.integers(1, 4000), st.floats(NOW, NOW + 1e6))
def test_without_a_pace_the_beat_is_that_of_the_schedule(window_s, fetched_at):
    plain = PLAIN.model_copy(update={"window_s": float(window_s)})
    assert due(plain, None, fetched_at, fetched_at) == pytest.approx(boundary_after(fetched_at, window_s), abs=1e-6)


@unit
@given(st.floats(1.001, 50), rates, st.floats(-100, 0))
def test_a_stretched_window_is_as_long_as_the_governor_counted_on(stretch, rate, fetched):
    at = due(route(), FAR, NOW + fetched, NOW, change_rate=rate, stretch=stretch)
    assert at - (NOW + fetched) == pytest.approx(window(route(), FAR, NOW, rate) * stretch)


def test_a_start_makes_due_at_once_however_much_windows_are_stretched():
    soon = Board(2, (NOW + 7, NOW + 9 * HOUR))
    assert due(route(), soon, NOW, NOW, stretch=100) == NOW + 7
    assert due(route(), soon, NOW, NOW + 500) == NOW + 7
    assert due(route(), soon, NOW + 7, NOW + 7) == NOW + 60
    assert due(route(min_interval_s=20), soon, NOW, NOW) == NOW + 20


def test_a_far_board_that_becomes_near_meanwhile_is_due_by_the_near_window():
    turning = Board(2, (NOW + 6 * HOUR + 200,))
    assert due(route(), turning, NOW, NOW) == NOW + 200
    assert due(route(), Board(2, (NOW + 6 * HOUR + 50,)), NOW, NOW) == NOW + 120
    assert due(route(), Board(2, (NOW + 6 * HOUR + 961,)), NOW, NOW) == NOW + 960


def test_a_changing_window_costs_no_more_than_short_gaps():
    """On multiples of a window that takes any length, gaps would be half a window on average."""
    at, rate, gaps = NOW, ChangeRate(), []
    for number in range(400):
        rate = rate.after(number % 3 == 0)
        wanted = window(route(), FAR, at, rate.value)
        following = due(route(), FAR, at, at, change_rate=rate.value)
        gaps.append((following - at) / wanted)
        at = following
    assert max(gaps) <= 1
    assert sum(gaps) / len(gaps) > 0.8


def test_the_offset_is_learnt_from_the_newest_and_moves_at_once_only_to_later():
    locked = route(phase_lock=True)
    assert phase_offset(locked, Board(), 60, None) is None
    learnt = phase_offset(locked, Board(newest=NOW + 20), 60, None)
    assert learnt == 21.5
    assert phase_offset(locked, Board(), 60, learnt) == 21.5
    newest = (15, 20, 25, 10)
    assert [phase_offset(locked, Board(newest=NOW + at), 60, learnt) for at in newest] == [21.5, 21.5, 26.5, 11.5]
    assert phase_offset(route(), Board(newest=NOW + 20), 60, None) is None


def test_the_beat_of_a_provider_is_its_cadence_not_the_window():
    locked = route(phase_lock=True, far_s=150)
    assert due(locked, FAR, NOW + 90, NOW + 90, phase_offset_s=21.5) == NOW + 201.5


@pytest.mark.parametrize("far_s", [60, 120, 150, 600])
@pytest.mark.parametrize("shift", [0.0, 13.0, 59.0])
def test_locked_refreshes_come_just_after_the_provider_has_published(far_s, shift):
    """A provider that looks every minute, at `shift`; refreshes begin anywhere."""
    locked = route(phase_lock=True, far_s=far_s, window_s=60)
    at, offset, ages = NOW + 31.3, None, []
    for _ in range(12):
        newest = math.floor((at - shift) / 60) * 60 + shift
        ages.append(at - newest)
        board = Board(3, FAR.starts, newest)
        offset = phase_offset(locked, board, window(locked, board, at, None), offset)
        following = due(locked, board, at, at, phase_offset_s=offset)
        assert following - at <= far_s
        at = following + 0.2
    assert ages[2:] == pytest.approx([ages[2]] * 10, abs=3)
    assert max(ages[2:]) < 4
