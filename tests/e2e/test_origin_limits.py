"""Routes whose freshness is the origin's, within what `[limits]` of the provider allows."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from scripts.rig import House
from tests.e2e.scripted import Scripted, Step, asked, house_of, scripted
from tests.e2e.wire import Reply, total

FRESH = ("Cache-Control", "max-age=60")
NEVER = "rate_per_s = 0.001"
_numbers = count(1)


@pytest.fixture
def origin() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def asked_at_once(house: House, steps: list[Step], targets: list[str]) -> list[Reply]:
    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(lambda step, target: asked(house, step, target), steps, targets))


def cold(times: int) -> list[str]:
    return [f"/cold{next(_numbers)}" for _ in range(times)]


def test_no_more_is_asked_than_the_rate_allows(origin, tmp_path):
    with house_of(tmp_path, origin, limits=f"{NEVER}\nburst = 6") as house:
        short, bound, behind = cold(3)
        asked(house, Step(says=[("Cache-Control", "max-age=1")], body="old"), short)
        asked(house, Step(says=[("Cache-Control", "max-age=1, must-revalidate")]), bound)
        asked(house, Step(says=[("Cache-Control", "max-age=1, stale-while-revalidate=60")], body="old"), behind)
        time.sleep(1.2)
        replies = asked_at_once(house, [Step(says=[FRESH])] * 8, cold(8))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [503] * 5
        refused = [reply for reply in replies if reply.status == 503]
        for reply in refused:
            assert reply.cache.startswith('fwd=uri-miss; detail="more is asked than')
            assert int(reply["retry-after"]) > 60
        assert len(origin.seen) == 6
        for target in (short, behind):
            stale = asked(house, Step(says=[FRESH], body="new"), target)
            assert (stale.status, stale.body) == (200, b"old")
        # RFC 9111 section 5.2.2.2.
        assert asked(house, Step(says=[FRESH]), bound).status == 504
        assert asked(house, Step({"Cache-Control": "no-cache"}), cold(1)[0]).status == 503
        assert len(origin.seen) == 6
        assert total(house.metrics("metrics"), "holdover_client_requests_total", 'outcome="failed"') == 7
        # What is not asked for the cache is not held back.
        assert asked(house, Step({"Authorization": "me"}), cold(1)[0]).status == 200
        assert asked(house, Step(method="POST"), short).status == 200
        assert len(origin.seen) == 8


def test_no_more_is_asked_at_once_than_configured(origin, tmp_path):
    with house_of(tmp_path, origin, limits="concurrency = 2") as house:
        shared, own = Step(says=[FRESH], delay=0.1), Step(says=[("Cache-Control", "no-store")], delay=0.1)
        asked(house, own, "/own")
        replies = asked_at_once(house, [own] * 10 + [shared] * 20, ["/own"] * 10 + cold(20))
        assert {reply.status for reply in replies} == {200}
        assert (len(origin.seen), origin.most) == (31, 2)


def test_who_would_wait_too_long_for_those_before_him_is_told(origin, tmp_path):
    with house_of(tmp_path, origin, proxy="workers = 1\nwait_s = 2", limits="concurrency = 1") as house:
        began = time.monotonic()
        replies = asked_at_once(house, [Step(says=[FRESH], delay=0.7)] * 8, cold(8))
        assert time.monotonic() - began < 4
    told = [(reply.status, reply["retry-after"]) for reply in replies]
    assert 1 <= told.count((200, "")) == len(origin.seen) <= 4
    assert set(told) == {(200, ""), (503, "3")}


@pytest.mark.parametrize("fault", ["close", ""])
def test_an_origin_that_fails_is_left_alone(origin, tmp_path, fault):
    with house_of(tmp_path, origin, limits="breaker_failures = 3\nbreaker_open_s = 2") as house:
        [kept] = cold(1)
        asked(house, Step(says=[("Cache-Control", "max-age=1")], body="old"), kept)
        time.sleep(1.2)
        for target in cold(3):
            assert asked(house, Step(status=503, fault=fault), target).status == (502 if fault else 503)
        before = len(origin.seen)
        reply = asked(house, Step(says=[FRESH]), cold(1)[0])
        assert (reply.status, reply["retry-after"]) == (503, "2")
        assert reply.cache == 'fwd=uri-miss; detail="the provider fails and is left alone for a moment"'
        stale = asked(house, Step(says=[FRESH], body="new"), kept)
        assert (stale.status, stale.body) == (200, b"old")
        assert len(origin.seen) == before
        samples = house.metrics("admin")
        assert total(samples, "holdover_upstream_circuit_state", 'upstream="origin"', 'state="open"') == 1
        time.sleep(2.1)
        assert asked(house, Step(says=[FRESH], body="new"), kept).body == b"new"
        assert asked(house, Step(says=[FRESH]), cold(1)[0]).status == 200


def test_all_processes_together_keep_to_the_rate(origin, tmp_path):
    with house_of(tmp_path, origin, proxy="workers = 2", limits=f"{NEVER}\nburst = 4") as house:
        assert asked(house, Step(says=[FRESH]), cold(1)[0]).status == 200
        os.kill(house.pid("sidecar"), signal.SIGSTOP)
        try:
            replies = asked_at_once(house, [Step(says=[FRESH])] * 16, cold(16))
        finally:
            os.kill(house.pid("sidecar"), signal.SIGCONT)
    assert sorted(reply.status for reply in replies) == [200] * 3 + [503] * 13
    assert len(origin.seen) == 4


def test_without_limits_it_is_as_fast_as_clients_are(origin, tmp_path):
    with house_of(tmp_path, origin) as house:
        replies = asked_at_once(house, [Step(says=[FRESH], delay=0.2)] * 60, cold(60))
        assert {reply.status for reply in replies} == {200}
        faults = asked_at_once(house, [Step(status=503)] * 40, cold(40))
        assert {reply.cache.partition(";")[2] for reply in faults} == {" fwd-status=503"}
    assert origin.most > 30


def test_a_body_may_take_long_but_not_stand_still(origin, tmp_path):
    with house_of(tmp_path, origin) as house:
        moving, still, bound = cold(3)
        slow = Step(says=[FRESH], body="x" * 9000, times=8, drip=0.5, delay=1)
        assert len(asked(house, slow, moving).body) == 72_000
        assert asked(house, slow, moving).cache.startswith("hit")
        stuck = Step(says=[FRESH], body="new", times=2, drip=3.6)
        told = asked(house, stuck, still)
        assert (told.status, told.cache) == (504, 'fwd=uri-miss; detail="no answer within 3 s"')
        for target, says, expected in (
            (still, "max-age=1", (200, b"old")),
            (bound, "max-age=1, must-revalidate", (504, b"")),
        ):
            asked(house, Step(says=[("Cache-Control", says)], body="old"), target)
            time.sleep(1.2)
            reply = asked(house, stuck, target)
            assert (reply.status, reply.body if reply.status == 200 else b"") == expected


def test_what_takes_longer_than_clients_wait_is_passed_on_as_it_comes(origin, tmp_path):
    with house_of(tmp_path, origin, proxy="workers = 1\nwait_s = 1.5") as house:
        slow, [cold_one, kept] = Step(says=[FRESH], body="x" * 9000, times=6, drip=0.5), cold(2)
        asked(house, Step(says=[("Cache-Control", "max-age=1")], body="old"), kept)
        for _ in range(2):
            assert len(asked(house, slow, cold_one).body) == 54_000
        assert len(origin.of(cold_one)) == 3  # the first time it was only found out
        assert asked(house, slow, kept).body == b"old"
