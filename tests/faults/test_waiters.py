"""Hundreds wait for one answer, and what they wait for goes wrong."""

import asyncio
import os
import signal
from collections import Counter
from typing import Any

import pytest

from scripts.rig import HOST, Emulator, House, busy, percentile, running, wait_for, write_house
from scripts.soak.clients import Connection, Crowd, Question, Seen
from tests.e2e.wire import calm_window
from tests.faults.load import ask
from tests.faults.table import ROWS, proves

WAITERS = 500
REFRESHES = 20
SLOW = {"latency_p50_ms": 2500, "latency_p95_ms": 2500}


@pytest.fixture(scope="module")
def patient(provider: Emulator, tmp_path_factory):
    """Time-out 4 s, no retries; two workers. Only clients cause calls."""
    folder = tmp_path_factory.mktemp("patient")
    still: dict[str, Any] = {"window_s": calm_window(), "max_stale_s": 20_000}
    house = write_house(
        folder, provider.url, proxy="workers = 2", timeout_s=4, retries=0, rate_per_s=1000, burst=1000, **still
    )
    with running(house):
        yield house


@pytest.fixture(scope="module")
def unhurried(provider: Emulator, tmp_path_factory):
    """Its calls may take as long as a busy machine takes for hundreds of them."""
    folder = tmp_path_factory.mktemp("unhurried")
    house = write_house(folder, provider.url, proxy="workers = 2", timeout_s=25, rate_per_s=1000, burst=1000)
    with running(house):
        yield house


@pytest.fixture
def behaves(provider: Emulator):
    """`behaves(setting=value)` until the test ends."""
    yield provider.control
    provider.control(latency_p50_ms=60, latency_p95_ms=120, fault=None, extra_headers={})


@proves("leader-timed-out")
async def test_who_comes_late_has_his_own_patience(patient, provider, behaves):
    behaves(fault={"kind": "hang"})
    crowd = Crowd(patient.ports["reverse"], (), lambda *_: True)

    async def one() -> Seen:
        connection = Connection(crowd.port)
        try:
            target = "/v4/sports/soccer_epl/odds?regions=au,eu"
            return await crowd.ask(0, Question(HOST, target), connection)
        finally:
            connection.close()

    first = asyncio.create_task(one())
    await asyncio.sleep(2)
    late = [asyncio.create_task(one()) for _ in range(20)]
    await asyncio.sleep(0.5)
    behaves(fault=None)
    assert (await first).status == 504
    assert told(await asyncio.gather(*late)) == {200: 20}
    assert asked_for(provider, "au,eu") <= 2


async def all_at_once(house: House, target: str, during=None) -> list[Seen]:
    """What each of them got of a key that nobody had asked for."""
    crowd = Crowd(house.ports["reverse"], (), lambda *_: True)

    async def one() -> Seen:
        connection = Connection(crowd.port)
        try:
            return await crowd.ask(0, Question(HOST, target), connection)
        finally:
            connection.close()

    asking = [asyncio.create_task(one()) for _ in range(WAITERS)]
    if during is not None:
        await asyncio.sleep(1.2)
        await asyncio.to_thread(during)
    return await asyncio.gather(*asking)


def most(calls: int) -> int:
    """What the provider sees of so many calls: on a loaded machine a sidecar may seem to be down for a moment, and
    proxies ask anew for those who waited for it. And refreshes go on."""
    return 2 * calls + REFRESHES


def most_wait(seen: list[Seen]) -> float:
    """How long half of them waited at most: of the last ones a busy machine decides, and that none hangs is asserted
    by what they were told."""
    return percentile([one.at - one.asked_at for one in seen], 0.5)


def told(seen: list[Seen]) -> Counter[object]:
    return Counter(one.error or one.status for one in seen)


def asked_for(provider: Emulator, regions: str) -> int:
    shapes = provider.stats()["by_shape"]
    return sum(n for shape, n in shapes.items() if f"regions={regions}" in shape and "/odds" in shape)


@proves("leader-killed")
async def test_the_leader_is_killed(patient, provider, behaves):
    behaves(**SLOW)

    def kill() -> None:
        old = patient.pid("sidecar")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: patient.pid("sidecar") != old)

    seen = await all_at_once(patient, "/v4/sports/soccer_epl/odds?regions=uk", kill)
    assert told(seen) == {200: WAITERS}
    # The call that was lost, one for each worker, and one of the new sidecar's at most.
    assert asked_for(provider, "uk") <= 4


@proves("leader-timed-out")
async def test_the_leader_times_out(patient, provider, behaves):
    behaves(fault={"kind": "hang"})
    before = asked_for(provider, "us2")
    seen = await all_at_once(patient, "/v4/sports/soccer_epl/odds?regions=us2")
    assert {one.status for one in seen} == ROWS["leader-timed-out"].statuses
    assert most_wait(seen) < 4 + 2 * busy()
    assert asked_for(provider, "us2") - before <= 2


@proves("leader-broke-off")
async def test_the_leader_is_broken_off(patient, provider, behaves):
    behaves(**SLOW, fault={"kind": "reset"})
    target = "/v4/sports/soccer_epl/odds?regions=us,us2"
    seen = await all_at_once(patient, target)
    assert {one.error or one.status for one in seen} <= ROWS["leader-broke-off"].statuses
    assert told(seen)[502] > WAITERS / 2
    assert most_wait(seen) < 2.5 + 4
    # One for all; on a busy machine some come only when it has broken off.
    assert 1 <= asked_for(provider, "us,us2") <= 5
    behaves(fault=None)
    wait_for(lambda: ask(patient.ports["reverse"], target).status == 200)


@proves("leader-refused")
@pytest.mark.parametrize("directive", ["no-store", "private"])
async def test_what_comes_must_not_be_stored(unhurried, provider, behaves, directive):
    """What is not to be stored is for nobody else."""
    behaves(latency_p50_ms=100, latency_p95_ms=100, extra_headers={"Cache-Control": directive})
    regions = {"no-store": "eu", "private": "au"}[directive]
    seen = await all_at_once(unhurried, f"/v4/sports/soccer_epl/odds?regions={regions}")
    assert told(seen) == {200: WAITERS}
    assert not any("stored" in one.cache for one in seen)
    assert WAITERS <= asked_for(provider, regions) <= most(WAITERS)
    # Eight calls at a time: nobody waits for one after the other.
    assert most_wait(seen) < 0.1 * WAITERS / 2 * busy()


@proves("leader-refused")
async def test_what_must_not_be_stored_comes_within_the_rate(provider, behaves, tmp_path):
    behaves(latency_p50_ms=100, latency_p95_ms=100, extra_headers={"Cache-Control": "no-store"})
    house = write_house(tmp_path, provider.url, proxy="workers = 2", timeout_s=4, retries=0, rate_per_s=20, burst=20)
    with running(house):
        seen = await all_at_once(house, "/v4/sports/soccer_epl/odds?regions=us,eu")
    assert {one.error or one.status for one in seen} == {200} | ROWS["leader-refused"].statuses
    assert all("rate limit" in one.cache for one in seen if one.status == 503)
    own = told(seen)[200]
    assert own >= 4 * 20
    assert own <= asked_for(provider, "eu,us") <= most(own)
    assert most_wait(seen) < 4 + 2 * busy()
