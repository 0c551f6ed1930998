from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.route_settings import RouteSettings
from sidecar.refresh import schedule as module
from sidecar.refresh.item import Brought
from sidecar.refresh.schedule import LAST_RETRY_S, MAX_SEEN, Schedule, boundary_after

MOVED = 1003.0


def route(name: str = "odds", window_s: float = 10, idle_after_s: float = 60) -> RouteSettings:
    return RouteSettings.model_validate(
        {"name": name, "path": "/x", "window_s": window_s, "max_stale_s": 86_400, "idle_after_s": idle_after_s}
    )


def request(number: int = 0, name: str = "odds") -> CanonicalRequest:
    return CanonicalRequest("vendor", name, f"/{number}")


def due(schedule: Schedule, now: float) -> list[tuple[CanonicalRequest, float]]:
    """All that is due at `now`, as (request, boundary)."""
    found = []
    while (one := schedule.pop(now)) is not None:
        found.append((one.request, one.at))
    return found


def brought(asked_at: float) -> Brought:
    """What a refresh that was asked for at `asked_at` brought: nothing new, on a board that tells nothing."""
    return Brought(asked_at, Board(), changed=False)


def run(
    schedule: Schedule,
    start: float,
    end: float,
    *,
    took: float = 0.1,
    step: float = 0.25,
    ask: bool = True,
    window_s: float = 10,
) -> list[tuple[CanonicalRequest, float, float]]:
    """Turns the clock from `start` to `end`: (request, boundary, start) of every refresh."""
    started: list[tuple[CanonicalRequest, float, float]] = []
    running: list[tuple[float, str, float]] = []
    now = start
    while now <= end:
        if ask:
            schedule.demand(request(), route(window_s=window_s), now, now)
        for ends, key, since in [item for item in running if item[0] <= now]:
            running.remove((ends, key, since))
            schedule.finished(key, ends, brought(since))
        for one, at in due(schedule, now):
            started.append((one, at, now))
            running.append((now + took, one.key, now))
        now += step
    return started


def test_nothing_is_due_without_demand():
    schedule = Schedule(5)
    assert (len(schedule), schedule.next_at(), schedule.pop(1e9)) == (0, None, None)


@pytest.mark.parametrize("window_s", [1, 2.5, 10, 30])
def test_a_demanded_key_is_refreshed_once_per_window_at_the_boundary(window_s):
    schedule = Schedule(5)
    started = run(schedule, 1001.25, 1001.25 + 10 * window_s, window_s=window_s)
    boundaries = [at for _, at, _ in started]
    first = boundary_after(1001.25, window_s)
    assert boundaries == [first + number * window_s for number in range(10)]
    assert all(0 <= now - at < 0.5 for _, at, now in started)


def test_all_keys_of_a_route_share_the_boundary_whenever_they_were_first_asked_for():
    schedule = Schedule(50)
    for number in range(20):
        schedule.demand(request(number), route(), 1000.5 + number / 4, 1000.5 + number / 4)
    assert due(schedule, 1009.75) == []
    assert schedule.next_at() == 1010
    found = due(schedule, 1010)
    assert {one for one, _ in found} == {request(number) for number in range(20)}
    assert {at for _, at in found} == {1010}


def test_what_is_due_longest_comes_first():
    schedule = Schedule(50)
    schedule.demand(request(1), route(window_s=10), 1000, 1000)
    schedule.demand(request(2, "fast"), route("fast", window_s=4), 1000, 1000)
    schedule.demand(request(3, "slow"), route("slow", window_s=9), 1000, 1000)
    assert [at for _, at in due(schedule, 1010)] == [1004, 1008, 1010]


def test_what_was_fetched_long_ago_is_due_at_once():
    schedule = Schedule(5)
    schedule.demand(request(), route(), asked_at=1000, fetched_at=500)
    assert due(schedule, 1000) == [(request(), 510)]


def test_an_idle_key_is_forgotten_and_may_come_again():
    schedule = Schedule(5)
    started = run(schedule, 1000, 1030)
    assert [at for _, at, _ in started] == [1010, 1020, 1030]
    schedule.finished(request().key, 1030.1, brought(1030))
    # 1030 was the last time that somebody asked; 60 s later nobody is supposed to care.
    started = run(schedule, 1030.25, 1200, ask=False)
    assert [at for _, at, _ in started] == [1040, 1050, 1060, 1070, 1080, 1090]
    assert (len(schedule), schedule.next_at()) == (0, None)
    assert schedule.demand(request(), route(), 1200, 1200)
    assert [at for _, at, _ in run(schedule, 1200, 1215)] == [1210]


def test_what_others_depend_on_is_kept_fresh_as_long_as_they_are():
    schedule = Schedule(max_keys=10)
    schedule.demand(request(), route(idle_after_s=60), 1000, 1000, wanted_s=300)
    schedule.demand(request(), route(idle_after_s=60), 1000, 1000)
    assert due(schedule, 1299)
    schedule.finished(request().key, 1299, brought(1299))
    assert due(schedule, 1311) == []
    assert len(schedule) == 0


def test_asking_again_keeps_a_key_and_an_older_question_does_not_age_it():
    schedule = Schedule(5)
    schedule.demand(request(), route(idle_after_s=5), 1009, 1009)
    schedule.demand(request(), route(idle_after_s=5), 1002, 1002)
    assert due(schedule, 1012) == [(request(), 1010)]


def test_a_running_refresh_is_not_started_twice():
    schedule = Schedule(5)
    schedule.demand(request(), route(), 1000, 1000)
    assert len(due(schedule, 1010)) == 1
    for now in (1010, 1020, 1030, 1055):
        schedule.demand(request(), route(), now, now)
        assert due(schedule, now) == []


def test_a_slow_fetch_skips_the_boundaries_that_pass_meanwhile():
    """Five windows long: what is missed is not made up for."""
    started = run(Schedule(5), 1000, 1260, took=50)
    assert 5 <= len(started) <= 6
    assert all(later - earlier >= 50 for (*_, earlier), (*_, later) in pairwise(started))


def test_after_a_slow_fetch_the_next_starts_at_once_for_the_boundary_that_passed_first():
    started = run(Schedule(5), 1000, 1260, took=53, step=0.5)
    assert len(started) >= 4
    for (*_, earlier), (*_, due_at, now) in pairwise(started):
        assert due_at == boundary_after(earlier, 10)
        assert now == earlier + 53


def test_finished_of_an_unknown_key_is_nothing():
    schedule = Schedule(5)
    schedule.finished("0" * 32, 1001, brought(1000))
    assert (len(schedule), schedule.next_at()) == (0, None)


def next_at(schedule: Schedule) -> float:
    found = schedule.next_at()
    assert found is not None
    return found


def failures(schedule: Schedule, window_s: float, took: float, count: int) -> list[float]:
    """When the next try is due after each of `count` failures, in seconds after the failure."""
    schedule.demand(request(), route(window_s=window_s, idle_after_s=600_000), 0, 0)
    pauses: list[float] = []
    now = next_at(schedule)
    for _ in range(count):
        assert len(due(schedule, now)) == 1
        schedule.finished(request().key, now + took, None)
        pauses.append(next_at(schedule) - now - took)
        now = max(now + took, next_at(schedule))
    return pauses


def test_after_failures_a_long_window_is_not_waited_for_and_tries_become_rarer():
    assert failures(Schedule(5), 3600, 0.0, 9) == [1, 2, 4, 8, 16, 32, LAST_RETRY_S, LAST_RETRY_S, LAST_RETRY_S]


def test_a_short_window_is_not_hurried_by_failures():
    assert failures(Schedule(5), 0.5, 0.0, 4) == [0.5] * 4


def test_failures_that_take_longer_than_the_window_leave_a_pause():
    """A provider that runs into time limits would otherwise be called back to back by every key."""
    assert all(pause > 0 for pause in failures(Schedule(5), 1, 10.0, 6))


def test_a_success_ends_the_back_off():
    schedule = Schedule(5)
    failures(schedule, 3600, 0.0, 6)
    now = next_at(schedule)
    due(schedule, now)
    schedule.finished(request().key, now, brought(now))
    now = next_at(schedule)
    assert now % 3600 == 0
    due(schedule, now)
    schedule.finished(request().key, now, None)
    assert schedule.next_at() == now + 1


def test_there_is_room_for_so_many_keys_and_room_comes_back():
    schedule = Schedule(2)
    assert schedule.demand(request(1), route(), 1000, 1000)
    assert schedule.demand(request(2), route(), 1000, 1000)
    assert not schedule.demand(request(3), route(), 1000, 1000)
    assert schedule.demand(request(1), route(), 1001, 1001), "a key that is in stays in"
    assert len(schedule) == 2
    assert due(schedule, 2000) == [], "both are idle"
    assert schedule.demand(request(3), route(), 2000, 2000)


def test_idle_keys_do_not_keep_others_out_for_a_whole_long_window():
    schedule = Schedule(1)
    schedule.demand(request(1), route(window_s=86_400, idle_after_s=60), 1000, 1000)
    assert schedule.demand(request(2), route(), 2000, 2000)


def test_moved_keeps_the_demand_and_its_boundaries():
    schedule = Schedule(5)
    for number in range(3):
        schedule.demand(request(number), route(), 1003, 1003)
    moved = schedule.moved({"odds": route()}, MOVED)
    assert len(moved) == 3
    assert due(moved, 1009.9) == []
    assert {at for _, at in due(moved, 1010)} == {1010}


@pytest.mark.parametrize(("window_s", "boundary"), [(2, 1004), (5, 1005), (7, 1008)])
def test_moved_takes_over_the_new_window(window_s, boundary):
    schedule = Schedule(5)
    schedule.demand(request(), route(), 1003, 1003)
    moved = schedule.moved({"odds": route(window_s=window_s)}, MOVED)
    assert due(moved, boundary)
    moved.finished(request().key, boundary, brought(boundary))
    assert moved.next_at() == boundary_after(boundary, window_s)


def test_moved_leaves_out_routes_that_are_gone_and_honours_the_new_idle_time():
    schedule = Schedule(5)
    schedule.demand(request(1), route(), 1003, 1003)
    schedule.demand(request(2, "gone"), route("gone"), 1003, 1003)
    moved = schedule.moved({"odds": route(idle_after_s=5)}, MOVED)
    assert len(moved) == 1
    assert due(moved, 1010) == []
    assert len(moved) == 0


def test_moved_does_not_start_again_what_is_running():
    schedule = Schedule(5)
    schedule.demand(request(), route(), 1003, 1003)
    assert len(due(schedule, 1010)) == 1
    moved = schedule.moved({"odds": route()}, MOVED)
    assert due(moved, 1010.5) == []
    moved.finished(request().key, 1011, brought(1010))
    assert due(moved, 1020) == [(request(), 1020)]


def test_moved_keeps_the_back_off():
    schedule = Schedule(5)
    failures(schedule, 3600, 0.0, 6)
    moved = schedule.moved({"odds": route(window_s=3600, idle_after_s=600_000)}, MOVED)
    assert moved.next_at() == schedule.next_at()


def test_a_clock_that_steps_back_does_not_stop_the_refreshes():
    schedule = Schedule(5)
    assert run(schedule, 100_000, 100_030)
    schedule.finished(request().key, 100_030, brought(100_030))
    assert len(run(schedule, 50_000, 50_100)) >= 9


@settings(deadline=None)
@given(st.floats(0, 4e9), st.integers(1, 86_400) | st.sampled_from([0.1, 0.25, 0.3, 0.7, 1.5, 2.5]))
def test_a_boundary_is_the_next_multiple(moment, window_s):
    boundary = boundary_after(moment, window_s)
    slack = 1e-6  # what a float of this size can tell apart
    assert moment - slack < boundary <= moment + window_s + slack
    assert boundary / window_s == pytest.approx(round(boundary / window_s), rel=1e-12)
    if isinstance(window_s, int):
        assert moment < boundary <= moment + window_s + slack
        assert boundary % window_s == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 30), st.floats(0, 25)), max_size=25))
def test_no_key_is_started_more_often_than_once_per_window(steps):
    """Whatever is asked for, however long fetches take: `steps` are (key, pause, duration)."""
    running: dict[str, tuple[float, float]] = {}
    last: dict[str, float] = {}
    schedule, now = Schedule(4), 1000.0
    for number, pause, duration in steps:
        now += pause
        for key, (since, until) in list(running.items()):
            if until <= now:
                del running[key]
                schedule.finished(key, until, brought(since))
        schedule.demand(request(number), route(), now, now)
        assert len(schedule) <= 4
        for one, at in due(schedule, now):
            assert one.key not in running
            assert at <= now
            assert at > last.get(one.key, 0), "each boundary at most once"
            last[one.key] = at
            running[one.key] = (now, now + duration)


IN_PLAY = Board(events=1, starts=(900.0,))


def paced(**changes: object) -> RouteSettings:
    """Ten seconds in play, a hundred otherwise."""
    settings = {"name": "odds", "path": "/x", "window_s": 100, "max_stale_s": 200, "starts": "begins"}
    return RouteSettings.model_validate({**settings, "pace": {"in_play_s": 10}, **changes})


def test_what_was_seen_before_the_demand_sets_the_first_window():
    schedule = Schedule(5)
    schedule.learn(request().key, Brought(1001, IN_PLAY, changed=True, floor_s=0), 1001)
    schedule.demand(request(), paced(), 1002, 1002)
    assert schedule.next_at() == 1010
    schedule.learn(request(1).key, Brought(1001, IN_PLAY, changed=True, floor_s=50), 1001)
    schedule.demand(request(1), paced(), 1002, 1002)
    assert [at for _, at in due(schedule, 1100)] == [1010, 1051]


def test_what_was_seen_long_before_the_demand_says_nothing():
    schedule = Schedule(5)
    schedule.learn(request().key, Brought(1001, IN_PLAY, changed=True), 1001)
    schedule.demand(request(), paced(idle_after_s=60), 1062, 1062)
    assert schedule.next_at() == 1100


def test_what_was_seen_is_taken_over_by_a_changed_configuration():
    schedule = Schedule(5)
    schedule.learn(request().key, Brought(1001, IN_PLAY, changed=True), 1001)
    moved = schedule.moved({"odds": paced()}, 1002)
    moved.demand(request(), paced(), 1002, 1002)
    assert moved.next_at() == 1010


def test_only_the_latest_that_were_seen_are_remembered():
    schedule = Schedule(5)
    for number in range(MAX_SEEN + 1):
        schedule.learn(request(number).key, Brought(1001, IN_PLAY, changed=True), 1001)
    for number, at in ((0, 1100), (1, 1010), (MAX_SEEN, 1010)):
        schedule = schedule.moved({}, 1002)
        schedule.demand(request(number), paced(), 1002, 1002)
        assert schedule.next_at() == at


def test_an_older_answer_tells_the_phase_of_what_nothing_is_known_of():
    schedule = Schedule(5)
    schedule.demand(request(), paced(), 1005, 1005)
    schedule.learn(request().key, Brought(998, IN_PLAY, changed=False), 1005)
    assert schedule.next_at() == 1000
    schedule.learn(request().key, Brought(990, Board(), changed=False), 1005)
    assert schedule.next_at() == 1000, "but not of what something is known of"


def gold(number: int, name: str = "odds") -> CanonicalRequest:
    return CanonicalRequest("vendor", name, f"/{number}", partition="gold")


def test_what_is_put_off_keeps_its_place_and_holds_up_its_partition_alone():
    schedule = Schedule(50)
    for number in range(3):
        schedule.demand(gold(number), route(), 1000, 1000)
    first = schedule.pop(1010)
    assert first is not None
    schedule.postpone(first.request, 1025)
    assert schedule.next_at() == 1025
    schedule.demand(request(), route(), 1011, 1011)
    assert due(schedule, 1024) == [(request(), 1020)]
    assert sorted(one.path for one, at in due(schedule, 1025)) == ["/0", "/1", "/2"]


def test_what_is_put_back_is_due_as_before():
    schedule = Schedule(5)
    schedule.demand(request(), route(), 1000, 1000)
    first = schedule.pop(1012)
    assert first is not None
    schedule.postpone(first.request, None)
    assert due(schedule, 1012) == [(request(), 1010)]
    schedule.finished(request().key, 1013, brought(1012))
    schedule.postpone(request(9), None)
    assert len(schedule) == 1


@pytest.mark.parametrize("noticed_first", [True, False])
def test_a_clock_that_steps_back_during_a_refresh_does_not_put_off_the_next(noticed_first):
    schedule = Schedule(5)
    schedule.demand(request(), route(), 10_000, 9_990)
    assert len(due(schedule, 10_000)) == 1
    if noticed_first:
        assert due(schedule, 9_700) == []
    schedule.finished(request().key, 9_700.1, brought(10_000))
    assert due(schedule, 9_701) == []
    assert len(due(schedule, 9_710)) == 1


def test_a_clock_that_steps_back_ends_what_holds_up():
    schedule = Schedule(5)
    schedule.demand(gold(0), route(), 100_000, 100_000)
    first = schedule.pop(100_010)
    assert first is not None
    schedule.postpone(first.request, 103_600)
    assert due(schedule, 50_000) == []
    assert due(schedule, 50_010) == [(gold(0), 50_010)]


def group(schedule: Schedule, now: float) -> list[tuple[str, float]]:
    """Paths and boundaries of all that start together; in plain order behind the first, where they are due alike."""
    first = schedule.pop(now)
    assert first is not None
    assert first.request.partition == ""
    dues = schedule.group(first, now)
    assert {due.request.partition for due in dues} == {""}
    return sorted(((due.request.path, due.at) for due in dues), key=lambda due: (due[1], due[0]))


def test_a_group_is_of_one_partition_and_what_is_due_longest_comes_first():
    boards = RouteSettings.model_validate({**route().model_dump(), "group": "boards"})
    schedule = Schedule(50)
    for number, fetched_at in ((0, 995), (1, 1001), (2, 985), (3, 979)):
        schedule.demand(request(number), boards, 1000, fetched_at)
        schedule.demand(gold(number), boards, 1000, 1004)
    # The first is late: all that are due go along, each for its own boundary; /1 is of this one already.
    assert group(schedule, 1003) == [("/3", 980), ("/2", 990), ("/0", 1000)]
    for number in (0, 2, 3):
        schedule.finished(request(number).key, 1004, brought(1003))
    assert group(schedule, 1010) == [("/0", 1010), ("/1", 1010), ("/2", 1010), ("/3", 1010)]


def test_what_a_group_left_behind_comes_before_what_it_took():
    boards = RouteSettings.model_validate({**route().model_dump(), "group": "boards"})
    schedule = Schedule(50)
    for number in range(4):
        schedule.demand(request(number), boards, 1000, 1000)
    first = schedule.pop(1010)
    assert first is not None
    taken, *left = schedule.group(first, 1010)
    schedule.finished(taken.request.key, 1011, brought(1010))
    for one in left:
        schedule.postpone(one.request, None)
    rest = group(schedule, 1011)
    assert rest == sorted((one.request.path, 1010) for one in left)


def grouped(*fetched_at: float, name: str = "odds", **fields: float) -> Schedule:
    """Keys of one group with a window of 100 s, looked at since 1000."""
    settings = {**route(window_s=100, idle_after_s=6_000).model_dump(), "group": "boards", **fields}
    schedule = Schedule(50)
    for number, at in enumerate(fetched_at):
        schedule.demand(request(number), RouteSettings.model_validate(settings), 1000, at)
    return schedule


def test_a_newer_board_has_the_rest_of_its_group_fetched_once_per_window():
    schedule = grouped(1000, 1005, 1039.5, 1040)
    schedule.demand(gold(0), RouteSettings.model_validate({**route().model_dump(), "group": "boards"}), 1040, 1040)
    schedule.renew("boards", "", 1040.0, 1040.5)
    assert group(schedule, 1040.5) == [("/0", 1040), ("/1", 1040), ("/2", 1040)]
    for number in range(3):
        schedule.finished(request(number).key, 1041, brought(1040.5))
    schedule.renew("boards", "", 1060.0, 1060.5)
    assert schedule.pop(1049) is None
    assert schedule.next_at() == 1050, "of another plan"


def test_what_was_renewed_is_bounded(monkeypatch):
    """Tenants have groups of their own."""
    monkeypatch.setattr(module, "MAX_RENEWED", 3)
    schedule = Schedule(100)
    settings = RouteSettings.model_validate({**route().model_dump(), "group": "boards"})
    for number in range(9):
        schedule.demand(replace(request(), partition=f"tenant-{number}"), settings, 1000, 1000)
        schedule.renew("boards", f"tenant-{number}", 1040, 1040)
    assert [partition for _, partition in schedule._renewed] == ["tenant-6", "tenant-7", "tenant-8"]


def test_what_is_planned_anew_again_and_again_leaves_nothing_behind(monkeypatch):
    """Each plan is for another moment that is far; what stood in the lanes would stay until then."""
    monkeypatch.setattr(module, "MAX_PUSHED", 10)
    schedule = Schedule(100)
    for number in range(5):
        schedule.demand(request(number), route(window_s=3600, idle_after_s=604_800), 1000, 1000)
    for step in range(1, 100):
        for number in range(5):
            schedule.learn(request(number).key, brought(1000 + step * 3600), 1001 + step * 3600)
            schedule.learn(request(number).key, brought(1000.5 + step * 3600), 1001 + step * 3600)
        schedule.stretch({request(number).key: 1.0 + step % 2 for number in range(5)}, 1001 + step * 3600)
    assert len(schedule._lanes) <= 10 + 4 * 5
    assert len(due(schedule, 1001 + 110 * 3600)) == 5


def test_boards_that_were_fetched_nearly_together_are_of_one_generation():
    schedule = grouped(1040, 1040.4)
    schedule.renew("boards", "", 1041.0, 1041.2)
    assert next_at(schedule) == 1100


def test_a_stretched_group_is_renewed_as_rarely_as_it_is_refreshed():
    schedule = grouped(1000, 1000)
    schedule.stretch({request(0).key: 3.0, request(1).key: 3.0}, 1000)
    schedule.renew("boards", "", 1040, 1040)
    assert group(schedule, 1040) == [("/0", 1040), ("/1", 1040)]
    for number in range(2):
        schedule.finished(request(number).key, 1041, brought(1040))
    schedule.renew("boards", "", 1299, 1299)
    assert due(schedule, 1299) == []
    schedule.renew("boards", "", 1500, 1500)
    assert [at for _, at in due(schedule, 1500)] == [1340, 1340], "due already"


@pytest.mark.parametrize("kind", ["another group", "floor", "failed", "idle"])
def test_what_may_not_be_asked_for_now_stays_as_it_is_beside_a_newer_board(kind):
    schedule = grouped(1000)
    now = 1040.0
    match kind:
        case "floor":
            schedule.learn(request().key, Brought(1001, Board(), changed=False, floor_s=60), 1001)
        case "failed":
            now = 1140.0
            assert len(due(schedule, 1100)) == 1
            schedule.finished(request().key, 1139.5, None)
        case "idle":
            now = 7001.0
    schedule.renew("other" if kind == "another group" else "boards", "", now, now)
    assert schedule.next_at() == {"failed": 1140.5}.get(kind, 1100)


def test_a_group_leaves_out_what_the_provider_wants_left_alone():
    schedule = grouped(1000, 1000)
    schedule.learn(request(1).key, Brought(1010, Board(), changed=False, floor_s=120), 1010)
    assert group(schedule, 1100) == [("/0", 1100)]


def logged(asked_at: float = 1000.0, floor_s: float = 0, min_interval_s: float = 0) -> Schedule:
    """A key with a window of ten minutes, last fetched at `asked_at`, whose changes are told."""
    schedule = Schedule(5)
    settings = route(window_s=600, idle_after_s=6_000).model_copy(update={"min_interval_s": min_interval_s})
    schedule.demand(request(), settings, asked_at, asked_at)
    schedule.learn(request().key, Brought(asked_at, Board(), changed=False, floor_s=floor_s), asked_at)
    return schedule


@pytest.mark.parametrize(
    ("floor_s", "min_interval_s", "at"),
    [(0, 0, MOVED + 1), (0, 30, 1030), (60, 0, 1060), (60, 30, 1060), (2, 1, MOVED + 1), (1000, 0, 2000)],
)
def test_what_changed_is_due_when_it_can_be_seen_and_the_provider_allows_it(floor_s, min_interval_s, at):
    schedule = logged(floor_s=floor_s, min_interval_s=min_interval_s)
    schedule.hurry({request().key: MOVED}, 1003.5)
    assert due(schedule, at - 0.01) == []
    assert due(schedule, at) == [(request(), at)]


def test_what_was_fetched_after_the_change_waits_for_its_window():
    schedule = logged(1000)
    schedule.hurry({request().key: 998.5}, 1001)
    assert next_at(schedule) == 1200


def test_a_change_that_is_told_again_is_fetched_once():
    schedule = logged()
    for now in (1003, 1003.5, 1005, 1030):
        schedule.hurry({request().key: MOVED}, now)
        for one, _ in due(schedule, now):
            schedule.finished(one.key, now + 0.1, brought(now))
    assert next_at(schedule) == 1200
    schedule.hurry({request().key: 1040.0}, 1041)
    assert next_at(schedule) == 1041


def test_an_answer_that_was_older_than_the_change_is_asked_for_again_and_again_more_slowly():
    """A cache on the provider's side gave what it had from before the change."""
    schedule = logged()
    schedule.hurry({request().key: MOVED}, 1003)
    asked = []
    for now, age_s in ((1004.0, 5.0), (1009.0, 10.0), (1019.0, 16.5)):
        assert due(schedule, now - 0.01) == []
        asked += due(schedule, now)
        schedule.finished(request().key, now + 0.1, replace(brought(now), age_s=age_s))
    assert len(asked) == 3
    assert due(schedule, 1035.5) == [(request(), 1035.5)]
    schedule.finished(request().key, 1036, brought(1035.5))
    assert next_at(schedule) == 1200


def test_a_change_told_during_a_fetch_is_fetched_after_it():
    schedule = logged()
    assert due(schedule, 1200) == [(request(), 1200)]
    schedule.hurry({request().key: 1200.0}, 1200.5)
    schedule.finished(request().key, 1201, brought(1200))
    assert due(schedule, 1201) == [(request(), 1201)]
    schedule.finished(request().key, 1202, brought(1201))
    assert next_at(schedule) == 1800


def test_no_cadence_and_no_stretch_hold_back_what_changed():
    schedule = logged()
    schedule.stretch({request().key: 4.0}, 1000)
    schedule.hurry({request().key: MOVED}, 1003)
    schedule.stretch({request().key: 6.0}, 1003)
    assert next_at(schedule) == MOVED + 1


def test_a_change_hurries_no_retry():
    schedule = logged()
    assert len(due(schedule, 1200)) == 1
    schedule.finished(request().key, 1200.5, None)
    schedule.hurry({request().key: 1200.0}, 1200.6)
    assert next_at(schedule) == 1201.5


def test_a_change_of_what_is_not_kept_fresh_is_nothing():
    schedule = Schedule(5)
    schedule.hurry({request().key: MOVED}, 1003)
    assert schedule.next_at() is None


def test_a_change_told_by_a_clock_that_stepped_back_does_not_hide_the_next():
    schedule = logged()
    schedule.hurry({request().key: 5_000.0}, 1003)
    assert due(schedule, 1003) == due(schedule, 900) == []
    schedule.hurry({request().key: 903.0}, 903)
    assert next_at(schedule) == 904


def carried(window_s: float, wide_window_s: float, start: float, end: float) -> tuple[list[float], list[float]]:
    """When the narrow key and the wide one are asked for, where each answer to the wide one makes the narrow one."""
    wide, narrow = request(1), request(2)
    schedule, asked = Schedule(5), defaultdict[str, list[float]](list)
    for now in (start + step for step in range(int(end - start))):
        schedule.demand(wide, route(window_s=wide_window_s), now, start)
        schedule.demand(narrow, route(window_s=window_s), now, start)
        for one, _ in due(schedule, now):
            # Whichever of them is due, the wide answer is what is asked for.
            asked[one.key].append(now)
            schedule.learn(wide.key, brought(now), now)
            taken = schedule.take([narrow], wide.key, now, now)
            for key in {one.key, *(other.key for other in taken)}:
                schedule.finished(key, now, replace(brought(now), projected=key == narrow.key))
    return asked[narrow.key], asked[wide.key]


@pytest.mark.parametrize(("window_s", "wide_window_s"), [(60, 40), (40, 40), (90, 60), (41, 40)])
def test_what_follows_a_wider_answer_has_it_asked_for_no_more_often(window_s: float, wide_window_s: float):
    narrow, wide = carried(window_s, wide_window_s, 1200.0, 4800.0)
    # The way onto one beat may take a call.
    assert len({*narrow, *wide}) <= 3600 / wide_window_s + 1
    assert [at for at in narrow if at > 1200 + 2 * window_s and at not in wide] == []


def test_what_a_wider_answer_made_waits_no_longer_than_its_window_for_the_next():
    narrow, wide = request(2), request(1)
    schedule = Schedule(5)
    schedule.demand(narrow, route(window_s=60), 1000.0, 1000.0)
    assert schedule.take([narrow], wide.key, 1010.0, 1010.0) == [narrow]
    assert schedule.take([narrow], wide.key, 1011.0, 1011.0) == []  # it runs
    schedule.finished(narrow.key, 1010.5, replace(brought(1010.0), projected=True))
    schedule.demand(narrow, route(window_s=60), 1060.0, 1060.0)
    assert due(schedule, 1069.9) == []
    assert due(schedule, 1070.0) == [(narrow, 1070.0)]
    # On its own again, it comes back to the beat that all hosts share.
    schedule.finished(narrow.key, 1070.0, brought(1070.0))
    schedule.demand(narrow, route(window_s=60), 1120.0, 1120.0)
    assert due(schedule, 1130.0) == [(narrow, 1130.0)]
    schedule.finished(narrow.key, 1130.0, brought(1130.0))
    assert schedule.next_at() == 1140.0


def test_what_was_not_made_after_all_keeps_its_place():
    schedule = Schedule(5)
    schedule.demand(request(2), route(window_s=60), 1000.0, 1000.0)
    assert schedule.take([request(2)], request(1).key, 1010.0, 1010.0) == [request(2)]
    schedule.postpone(request(2), None)
    assert due(schedule, 1020.0) == [(request(2), 1020.0)]


def locked(*, on: bool, publishes_at: float, period: float) -> list[float]:
    """How long after the provider's publishing it is asked, for half an hour after the first two minutes."""
    pace = {"cadence_s": period, "phase_lock": on}
    settings = RouteSettings.model_validate(
        {"name": "odds", "path": "/x", "window_s": 60, "max_stale_s": 600, "idle_after_s": 6000, "updated": ["seen"]}
        | {"pace": pace}
    )
    schedule, late = Schedule(5), []
    for now in range(1_800_000_000, 1_800_001_800):
        schedule.demand(request(), settings, now, 1_800_000_000)
        for one, _ in due(schedule, now):
            newest = now - (now - publishes_at) % period
            late.append((now, now - newest))
            board = Board(events=1, newest=newest, typical=newest - 3)
            schedule.finished(one.key, now + 0.2, Brought(now, board, changed=False))
    return [seconds for now, seconds in late if now > 1_800_000_120]


@pytest.mark.parametrize("publishes_at", [3.0, 17.0, 39.0])
def test_a_key_locked_to_the_providers_publishing_is_asked_for_just_after_it(publishes_at: float):
    free, on = (locked(on=on, publishes_at=publishes_at, period=40.0) for on in (False, True))
    assert len(on) == pytest.approx(1800 / 40, abs=4)
    assert max(on) <= 4
    assert sum(free) / len(free) > 2 * max(on)


def test_how_far_what_is_kept_fresh_is_past_its_window():
    schedule = Schedule(5)
    assert schedule.overdue(1000) == 0
    schedule.demand(request(1), route(window_s=60), 1000, 1000)
    schedule.demand(request(2), route(window_s=10), 1000, 1000)
    assert schedule.overdue(1005) == -5
    assert schedule.overdue(1040) == 30
    assert schedule.overdue(1061) == 0, "nobody asks any more"
