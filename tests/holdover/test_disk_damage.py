"""Files that are damaged, replaced or deleted while processes use them."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from holdover.store.base import StoreError
from holdover.store.disk import DiskStore

MIB = 1 << 20


def settle(folder: Path) -> None:
    """Moves everything from the write-ahead log into the database."""
    with closing(sqlite3.connect(folder / "cache.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def garble(folder: Path) -> None:
    with (folder / "cache.db").open("r+b") as file:
        file.write(b"\xa5" * 8192)


def garble_middle(folder: Path) -> None:
    size = (folder / "cache.db").stat().st_size
    with (folder / "cache.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def truncate_half(folder: Path) -> None:
    os.truncate(folder / "cache.db", (folder / "cache.db").stat().st_size // 2)


def truncate(folder: Path) -> None:
    os.truncate(folder / "cache.db", 0)


def replace_with_garbage(folder: Path) -> None:
    (folder / "new").write_bytes(b"garbage" * 1000)
    (folder / "new").replace(folder / "cache.db")


def remove_database(folder: Path) -> None:
    for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
        (folder / name).unlink(missing_ok=True)


def remove_changes(folder: Path) -> None:
    (folder / "changes").unlink()


def remove_folder(folder: Path) -> None:
    folder.rename(folder.with_name("gone"))


def garble_changes(folder: Path) -> None:
    with (folder / "changes").open("r+b") as file:
        file.write(b"\xa5" * 100)


DAMAGES = [garble, garble_middle, truncate_half, truncate, remove_database, remove_changes]
DAMAGES += [remove_folder, garble_changes]


@pytest.mark.parametrize("damage", [*DAMAGES, replace_with_garbage], ids=lambda damage: damage.__name__)
def test_after_damage_both_processes_serve_on_from_one_cache(damage, store, open_store, folder, entry_of):
    other = open_store()
    for number in range(40):
        store.put(entry_of(f"s{number}", body=bytes(5000)), 1001)
        other.get(entry_of(f"s{number}").key)
    settle(folder)
    damage(folder)

    for number in range(40):  # nothing but StoreError may come out, and no wrong entry
        with suppress(StoreError):
            for one in (store, other):
                found = one.get(entry_of(f"s{number}").key)
                assert found is None or found == entry_of(f"s{number}", body=bytes(5000))
    for one in (store, other, store, other):
        with suppress(StoreError):
            one.follow()
            one.put(entry_of("warm"), 1001)

    position = other.position()
    entry = entry_of("epl")
    assert store.put(entry, 1001) == entry
    assert other.get(entry.key) == entry
    assert other.changes(position).keys == (entry.key,)
    assert open_store().get(entry.key) == entry
    assert not store.follow()
    assert not other.follow()


@pytest.mark.parametrize("damage", [garble, truncate, replace_with_garbage], ids=lambda damage: damage.__name__)
def test_a_damaged_database_does_not_stop_the_start(damage, folder, entry_of):
    first = DiskStore(folder, MIB)
    first.put(entry_of(), 1001)
    settle(folder)
    first.close()
    damage(folder)
    told: list[str] = []
    store = DiskStore(folder, MIB, told.append)
    assert store.put(entry_of(), 1001) == store.get(entry_of().key)
    store.close()
    if damage is truncate:
        return  # an empty file is a good empty database
    aside = list(folder.glob("damaged-*"))
    assert len(aside) == 1
    assert (aside[0] / "cache.db").is_file()
    assert aside[0].stat().st_mode & 0o777 == 0o700
    (sentence,) = told
    assert sentence.startswith("the cache was damaged (")
    assert sentence.endswith(f"); it was set aside as {aside[0]} and begun anew")


def test_only_the_latest_damage_is_kept(folder, entry_of):
    for _ in range(3):
        store = DiskStore(folder, MIB)
        store.put(entry_of(), 1001)
        settle(folder)
        store.close()
        garble(folder)
    DiskStore(folder, MIB).close()
    assert len(list(folder.glob("damaged-*"))) == 1


def test_two_threads_that_find_the_same_damage_mend_it_once(store, folder, entry_of):
    told: list[str] = []
    store._on_trouble = told.append
    store.put(entry_of(), 1001)
    settle(folder)
    store.close()
    garble(folder)
    barrier = threading.Barrier(4)

    def ask():
        barrier.wait(10)
        with suppress(StoreError):
            store.get(entry_of().key)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
