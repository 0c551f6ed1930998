"""Files that are damaged, locked, full or gone under load: clients get odds all the same."""

import fcntl
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from scripts.rig import House, running, wait_for, write_house
from tests.faults.load import Load
from tests.faults.table import proves

LIMIT_S = 4


@proves("cache-corrupted")
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


@proves("cache-folder-deleted")
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


@proves("cache-file-deleted")
def test_deleted_cache_file(house):
    store = house.folder / "var" / "store"
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        old = (store / "cache.db").stat().st_ino
        for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
            (store / name).unlink()
        wait_for(lambda: (store / "cache.db").exists() and (store / "cache.db").stat().st_ino != old)
        load.until_newer()
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0


@contextmanager
def locked_database(house: House) -> Iterator[None]:
    with closing(sqlite3.connect(house.folder / "var" / "store" / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def locked_changes(house: House) -> Iterator[None]:
    """As a process has it that was stopped in the middle of a write."""
    with (house.folder / "var" / "store" / "changes").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def unwritable(house: House) -> Iterator[None]:
    """Every write to a file fails, though it is open for writing: as on a disk that the kernel made read-only."""
    pids = [house.pid("sidecar"), house.pid("proxy")]
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
    for pid, (_, most) in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        for pid, limits in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


TROUBLES = [
    pytest.param(locked_database, id="cache-locked"),
    pytest.param(locked_changes, id="changes-locked"),
    pytest.param(unwritable, id="disk-read-only"),
]


@proves("cache-locked", "changes-locked", "disk-read-only")
@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_cannot_be_written_is_done_without(brittle, trouble):
    """For longer than answers live."""
    with Load(brittle.ports["reverse"]).on() as load:
        load.until_newer()
        with trouble(brittle):
            wait_for(lambda: brittle.metrics("admin")['holdover_degraded{dependency="store"}'] == 1)
            time.sleep(LIMIT_S + 1)
            load.until_newer()
        wait_for(lambda: brittle.metrics("admin")['holdover_degraded{dependency="store"}'] == 0)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0
    assert max(load.ages()) < LIMIT_S + 0.5
    assert not list((brittle.folder / "var" / "store").glob("damaged-*"))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(65_536)):
            pass


@proves("disk-full")
def test_a_full_disk_is_done_without(provider, tmp_path, small_disk):
    house = write_house(
        tmp_path / "house", provider.url, top=f"[store]\nfolder = '{small_disk / 'store'}'", max_stale_s=LIMIT_S
    )
    filler = small_disk / "filler"
    with running(house), Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        fill(filler)
        wait_for(lambda: house.metrics("admin")['holdover_degraded{dependency="store"}'] == 1)
        time.sleep(LIMIT_S + 1)
        load.until_newer()
        filler.unlink()
        wait_for(lambda: house.metrics("admin")['holdover_degraded{dependency="store"}'] == 0)
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0
    assert max(load.ages()) < LIMIT_S + 0.5


@proves("folder-unusable")
def test_a_read_only_disk_is_a_sentence(provider, tmp_path, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    house = write_house(tmp_path / "house", provider.url, top=f"[store]\nfolder = '{small_disk}'")
    result = house.run("sidecar")
    assert result.returncode == 1
    assert f"the cache folder {small_disk} cannot be used: Read-only file system" in result.stderr
    assert "Traceback" not in result.stderr


@proves("folder-unusable")
def test_an_unusable_cache_folder_is_a_sentence(provider, tmp_path):
    house = write_house(tmp_path, provider.url, top="[store]\nfolder = '/proc/nowhere'")
    result = house.run("sidecar")
    assert result.returncode == 1
    assert "the cache folder /proc/nowhere cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


@proves("port-taken")
@pytest.mark.parametrize("role", ["reverse", "metrics", "admin"])
def test_a_taken_port_is_a_sentence(provider, tmp_path, house, role):
    other = write_house(tmp_path / "other", provider.url)
    text = (other.config / "holdover.toml").read_text()
    (other.config / "holdover.toml").write_text(text.replace(str(other.ports[role]), str(house.ports[role])))
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        result = other.run("up")
        load.until_newer()
    assert load.failures() == []
    assert load.backwards() == 0
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "cannot start" in result.stderr
    assert str(house.ports[role]) in result.stderr
