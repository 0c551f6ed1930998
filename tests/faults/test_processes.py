"""Processes and files that die under load: clients get no error that the provider did not give."""

import os
import shutil
import signal
import time

import pytest

from scripts.rig import running, wait_for, write_house
from tests.faults.load import Load, ask


def test_killed_sidecar(house):
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        old = house.pid("sidecar")
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: house.pid("sidecar") != old)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


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


def test_corrupted_cache_is_set_aside_while_serving_goes_on(house):
    store = house.folder / "var" / "store"
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        for name in ("cache.db", "cache.db-wal"):
            with (store / name).open("r+b") as file:
                file.write(b"junk" * 10_000)
                file.truncate()
        wait_for(lambda: any(store.glob("damaged-*")))
        load.until_newer()
        before = (store / "cache.db").stat().st_ino
        load.until_newer()
        assert (store / "cache.db").stat().st_ino == before
    assert load.failures() == []
    assert load.backwards() == 0
    assert "set aside" in house.log.read_text()


def test_deleted_cache_folder(house):
    store = house.folder / "var" / "store"
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        shutil.rmtree(store)
        wait_for(lambda: (store / "cache.db").exists())
        load.until_newer()
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


def test_everything_stops_with_the_supervisor(provider, tmp_path):
    with running(write_house(tmp_path, provider.url)) as house:
        pids = [house.pid("proxy"), house.pid("sidecar")]
        assert house.process is not None
        house.process.kill()
        house.process.wait()
        wait_for(lambda: not any(_alive(pid) for pid in pids))


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


def test_what_was_stored_is_served_after_a_restart(provider, tmp_path):
    house = write_house(tmp_path, provider.url, window_s=600, max_stale_s=1200)
    target = "/v4/sports/soccer_epl/odds?regions=us2"
    with running(house):
        first = ask(house.ports["reverse"], target)
    with running(house):
        again = ask(house.ports["reverse"], target)
    assert (again.status, again.revision) == (200, first.revision)
    assert again.cache.startswith("holdover; hit")
    asked = {shape: n for shape, n in provider.stats()["by_shape"].items() if "regions=us2" in shape}
    assert list(asked.values()) == [1]


def test_the_sidecar_carries_on_with_what_was_in_demand(house, provider):
    ask(house.ports["reverse"])
    old = house.pid("sidecar")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: house.pid("sidecar") != old)
    asked = provider.odds_requests()
    wait_for(lambda: provider.odds_requests() >= asked + 2)


def test_an_unusable_cache_folder_is_a_sentence(provider, tmp_path):
    house = write_house(tmp_path, provider.url, top="[store]\nfolder = '/proc/nowhere'")
    result = house.run("sidecar")
    assert result.returncode == 1
    assert "the cache folder /proc/nowhere cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("role", ["reverse", "metrics", "admin"])
def test_a_taken_port_is_a_sentence(provider, tmp_path, house, role):
    other = write_house(tmp_path / "other", provider.url)
    text = (other.config / "holdover.toml").read_text()
    (other.config / "holdover.toml").write_text(text.replace(str(other.ports[role]), str(house.ports[role])))
    result = other.run("up")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "cannot start" in result.stderr
    assert str(house.ports[role]) in result.stderr


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
