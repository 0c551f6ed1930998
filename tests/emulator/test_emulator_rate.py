"""How often a key may ask: refused or queued above the limit, and below it while the rate grows."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.emulator.ledger import Account
from scripts.rig import wait_for

from .conftest import Server


def admitted(account: Account, per_s: int, start: float, seconds: int, ramp_s: float) -> list[bool]:
    """Of evenly spaced requests under a documented limit of 30 a second."""
    moments = [start + number / per_s for number in range(per_s * seconds)]
    return [account.admit(at, 30, ramp_s) is not None for at in moments]


def test_no_more_than_the_rate_in_any_second() -> None:
    account = Account()
    assert [account.admit(at, 3) for at in (0.0, 0.1, 0.9, 0.95, 0.99)] == [0, 0, 0, None, None]
    assert [account.admit(at, 3) for at in (1.0, 1.05, 1.1)] == [0, None, 0]
    assert account.requests == 8


def test_rate_0_is_no_limit() -> None:
    account = Account()
    assert {account.admit(0.0, 0, ramp_s=60.0) for _ in range(1000)} == {0}


def test_a_queue_lets_the_rate_through_in_order() -> None:
    account = Account()
    turns = [at + (account.admit(at, 3, queue=True) or 0) for at in (0.0, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 1.3)]
    assert turns == pytest.approx([0, 0.1, 0.2, 1, 1.1, 1.2, 2, 2.1])
    assert [account.admit(at, 3) for at in (2.5, 2.6)] == [0, None]
    assert account.admit(2.6, 3, queue=True) == pytest.approx(0.4)
    assert account.admit(2.6, 30, queue=True) == pytest.approx(0.4)


def test_below_the_limit_a_rate_that_jumps_is_refused_for_a_while_and_a_steady_one_never() -> None:
    account = Account()
    assert all(admitted(account, 4, 0.0, 300, ramp_s=60.0))
    first, _, *later = (admitted(account, 24, 300.0 + 60 * minute, 60, ramp_s=60.0) for minute in range(6))
    assert 0.1 < first.count(False) / len(first) < 0.5
    assert all(map(all, later))


def test_a_rate_that_grows_slowly_is_not_refused() -> None:
    account = Account()
    for minute, per_s in enumerate(range(4, 29)):
        assert all(admitted(account, per_s, 60.0 * minute, 60, ramp_s=60.0)), per_s


def test_after_a_quiet_time_the_provider_has_scaled_down() -> None:
    account = Account()
    admitted(account, 24, 0.0, 300, ramp_s=60.0)
    assert all(admitted(account, 24, 300.0, 10, ramp_s=60.0))
    assert not all(admitted(account, 24, 900.0, 10, ramp_s=60.0))


def test_the_documented_limit_holds_whatever_the_load() -> None:
    account = Account()
    admitted(account, 60, 0.0, 600, ramp_s=60.0)
    assert admitted(account, 60, 600.0, 10, ramp_s=60.0).count(True) == 300


def timed(server: Server, key: str, began: float) -> tuple[int, float]:
    return server.get(f"/v4/sports?apiKey={key}").status, time.monotonic() - began


def test_a_provider_that_queues_answers_everything_late(server: Server) -> None:
    server.control(rate=4, over_rate="queue")
    with ThreadPoolExecutor(11) as pool:
        replies = list(pool.map(timed, [server] * 11, ["other"] + ["k"] * 10, [time.monotonic()] * 11))
    assert {status for status, _ in replies} == {200}
    times = sorted(seconds for _, seconds in replies[1:])
    assert times[4] >= 1
    assert times[8] >= 2
    assert replies[0][1] < times[4]


def test_a_provider_that_scales_up_refuses_below_the_limit(server: Server) -> None:
    """And takes as much when it goes on for a while."""
    server.control(rate=30, ramp_s=2.0)

    def ask(_: object = None) -> int:
        return server.get("/v4/sports?apiKey=k").status

    with ThreadPoolExecutor(12) as pool:
        at_once = list(pool.map(ask, range(12)))
    assert set(at_once) == {200, 429}
    assert at_once.count(200) >= 5
    lately = deque[int](maxlen=20)

    def steady() -> bool:
        lately.append(ask())
        return lately.count(200) == 20

    wait_for(steady, every=0.05)
