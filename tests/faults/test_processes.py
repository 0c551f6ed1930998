"""Processes that die or stop under load: clients get no error that the provider did not give."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.rig import Emulator, House, running, wait_for, write_house
from tests.e2e.wire import calm_window
from tests.faults.load import Load, Seen, ask
from tests.faults.table import ROWS, proves

LIMIT_S = 4


@proves("sidecar-killed")
def test_killed_sidecar(house):
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        old = house.pid("sidecar")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: house.pid("sidecar") != old)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


@proves("sidecar-stopped")
def test_stopped_sidecar_is_done_without(house):
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        sidecar = house.pid("sidecar")
        os.kill(sidecar, signal.SIGSTOP)
        try:
            wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 1)
            load.until_newer()
        finally:
            os.kill(sidecar, signal.SIGCONT)
        wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


@proves("proxy-killed")
def test_killed_proxy_comes_back(house):
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        old = house.pid("proxy")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: house.pid("proxy") != old)
        wait_for(lambda: ask(house.ports["reverse"]).status == 200)
        back = time.time()
        load.until_newer()
    assert load.failures(since=back) == []
    assert load.backwards() == 0


@proves("sidecar-stopped-for-long")
def test_a_sidecar_stopped_for_longer_than_answers_live(brittle):
    with Load(brittle.ports["reverse"]).on() as load:
        load.until_newer()
        sidecar = brittle.pid("sidecar")
        os.kill(sidecar, signal.SIGSTOP)
        try:
            time.sleep(LIMIT_S + 2)
            load.until_newer()
        finally:
            os.kill(sidecar, signal.SIGCONT)
        wait_for(lambda: brittle.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
        load.until_newer()
    assert {one.status for one in load.failures()} <= ROWS["sidecar-stopped-for-long"].statuses
    assert not [one for one in load.answers if one.error]
    assert max(load.ages()) < LIMIT_S + 0.5
    assert load.backwards() == 0


@pytest.fixture(scope="module")
def pair(provider, tmp_path_factory) -> Iterator[House]:
    """Two workers. Every test leaves them serving."""
    with running(write_house(tmp_path_factory.mktemp("pair"), provider.url, proxy="workers = 2")) as one:
        yield one


@proves("worker-stopped")
def test_a_stopped_worker_is_waited_for(pair):
    with Load(pair.ports["reverse"], clients=12).on() as load:
        load.until_newer()
        worker = pair.pid("proxy-1")
        os.kill(worker, signal.SIGSTOP)
        stopped = time.time()
        try:
            time.sleep(5)
            served = [one for one in load.answers if one.asked_at > stopped + 1]
        finally:
            os.kill(worker, signal.SIGCONT)
        load.until_newer()
    # The other worker goes on, and answers what the stopped one had not taken.
    assert len(served) > 20
    assert load.failures() == []
    assert load.backwards() == 0


@proves("worker-killed")
def test_a_killed_worker_takes_only_what_it_had(pair):
    with Load(pair.ports["reverse"], clients=6).on() as load:
        load.until_newer()
        old = pair.pid("proxy-1")
        os.kill(old, signal.SIGKILL)
        killed = time.time()
        wait_for(lambda: pair.pid("proxy-1") != old)
        load.until_newer()
    assert all(one.asked_at <= killed and "lost" in one.error for one in load.failures())
    assert load.backwards() == 0


@proves("both-killed")
@pytest.mark.parametrize("order", [("sidecar", "proxy"), ("proxy", "sidecar")], ids=" then ".join)
def test_both_killed_in_any_order(house, order):
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        old = {name: house.pid(name) for name in order}
        for name in order:
            os.kill(old[name], signal.SIGKILL)
        wait_for(lambda: all(house.pid(name) != pid for name, pid in old.items()))
        wait_for(lambda: ask(house.ports["reverse"]).status == 200)
        back = time.time()
        load.until_newer()
    assert load.failures(since=back) == []
    assert load.backwards() == 0


@proves("sidecar-first")
def test_sidecar_alone_then_with_a_proxy(provider, tmp_path):
    house = write_house(tmp_path, provider.url)
    with running(house, "sidecar"):
        house.log.rename(house.folder / "sidecar.log")
        with running(house, "proxy"), Load(house.ports["reverse"]).on() as load:
            wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
            load.until_newer()
    assert load.failures() == []


@proves("supervisor-killed")
def test_everything_stops_with_the_supervisor(provider, tmp_path):
    with running(write_house(tmp_path, provider.url)) as house, Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        pids = [house.pid("proxy"), house.pid("sidecar")]
        assert house.process is not None
        house.process.kill()
        house.process.wait()
        wait_for(lambda: not any(_alive(pid) for pid in pids))
        ended = time.time()
        wait_for(lambda: len(load.failures(since=ended)) >= 20)
    # Nobody waits for what does not come, and nothing that is no odds passes for an answer.
    assert all(is_no_connection(one) for one in load.failures())
    assert load.backwards() == 0


@proves("proxy-first")
def test_proxy_alone_then_with_a_sidecar(provider, tmp_path):
    """Started in the wrong order, or one of them never: clients do not notice."""
    house = write_house(tmp_path, provider.url)
    with running(house, "proxy"):
        wait_for(lambda: ask(house.ports["reverse"]).status == 200, 30)
        with Load(house.ports["reverse"]).on() as load:
            load.until_newer()
            assert house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 1
            house.log.rename(house.folder / "proxy.log")
            with running(house, "sidecar"):
                wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
                load.until_newer()
            load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


@proves("restarted")
def test_what_was_stored_is_served_after_a_restart(provider, tmp_path):
    house = write_house(tmp_path, provider.url, window_s=calm_window(), max_stale_s=20_000)
    load = Load(house.ports["reverse"], target="/v4/sports/soccer_epl/odds?regions=us2")
    with ExitStack() as until_the_load_ends, load.on():
        with running(house):
            wait_for(lambda: sum(one.status == 200 for one in load.answers) >= 20)
        until_the_load_ends.enter_context(running(house))
        back = time.time()
        wait_for(lambda: sum(one.asked_at >= back for one in load.answers) >= 20)
    again = [one for one in load.answers if one.asked_at >= back]
    assert all(one.cache.startswith("holdover; hit") for one in again)
    assert load.failures(since=back) == []
    assert all(is_no_connection(one) for one in load.failures())
    assert len({one.revision for one in load.answers if one.status == 200}) == 1
    assert list(calls(provider, "us2").values()) == [1]


@proves("demand-forgotten")
def test_the_sidecar_carries_on_with_what_was_in_demand(house, provider):
    """Of a key that nobody asks for meanwhile; others ask for others."""
    ask(house.ports["reverse"], "/v4/sports/soccer_epl/odds?regions=au")
    with Load(house.ports["reverse"]).on() as load:
        # By then the proxy has told of it, and will not do so again.
        wait_for(lambda: sum(calls(provider, "au").values()) >= 3)
        old = house.pid("sidecar")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: house.pid("sidecar") != old)
        asked = sum(calls(provider, "au").values())
        wait_for(lambda: sum(calls(provider, "au").values()) >= asked + 2)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


def calls(provider: Emulator, regions: str) -> dict[str, int]:
    """How often the provider was asked for what has these regions, by the shape of the request."""
    return {shape: n for shape, n in provider.stats()["by_shape"].items() if f"regions={regions}" in shape}


def is_no_connection(one: Seen) -> bool:
    """Refused or lost, and told so at once."""
    return any(word in one.error for word in ("refused", "lost", "BrokenPipe"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
