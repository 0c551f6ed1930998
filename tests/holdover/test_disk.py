"""The shared cache on disk: what it holds, for whom, and how much."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from holdover.entry import encode
from holdover.store.base import StoreError
from holdover.store.disk import DiskStore

MIB = 1 << 20


def test_what_is_put_is_got_by_every_opener(store, open_store, entry_of):
    entries = [entry_of("epl"), entry_of("nba", body=b"x" * 200_000), entry_of("mlb", body=b"")]
    for entry in entries:
        assert store.put(entry, entry.received_at) == entry
    other = open_store()
    assert [other.get(entry.key) for entry in entries] == entries
    assert {entry.key for entry in other.entries()} == {entry.key for entry in entries}
    assert other.get("0" * 32) is None


def test_delete(store, open_store, entry_of):
    entry = store.put(entry_of(), 1001)
    before = store.position()
    assert store.delete(entry.key)
    assert open_store().get(entry.key) is None
    assert store.changes(before).keys == (entry.key,)
    assert not store.delete(entry.key)
    assert store.changes(before).keys == (entry.key,), "what was not there did not change"


@pytest.fixture
def variants(entry_of):
    """What is stored of one target: for everybody, in a language, and for one tenant."""
    entry = entry_of()
    asked = entry.request
    requests = (asked, replace(asked, headers=(("lang", "de"),)), replace(asked, partition="tenant"))
    return [replace(entry, request=request) for request in requests]


def test_all_that_is_stored_of_a_target_goes_together(store, open_store, variants, entry_of):
    other = store.put(entry_of("nba"), 1001)
    foreign = store.put(replace(variants[0], request=replace(variants[0].request, provider="other")), 1001)
    store.put_all(variants, 1001)
    before = store.position()
    open_store().invalidate(variants[1].request, 1002)
    assert [*map(store.get, (entry.key for entry in variants))] == [None] * 3
    assert sorted(store.changes(before).keys) == sorted(entry.key for entry in variants)
    assert (store.get(other.key), store.get(foreign.key)) == (other, foreign)


def test_what_was_asked_for_before_a_change_of_its_target_is_not_stored_after_it(store, open_store, variants):
    of_all, german, of_tenant = variants
    other = open_store()
    before = store.position()
    other.invalidate(german.request, 1000.25)
    assert store.changes(before).keys == (german.key,), "a process may hold what was never written"
    newer = replace(of_tenant, requested_at=1000.25)
    assert store.put_all([of_all, newer], 1001) == [None, newer]
    assert [*map(store.get, (of_all.key, newer.key))] == [None, newer]
    assert [store.stands(entry, 1001) for entry in (of_all, newer)] == [False, True]
    other.invalidate(german.request, 1000.0)
    assert not store.stands(of_all, 1001), "another clock does not take it back"
    assert store.stands(of_all, 900), "the clock stepped back"


def test_a_planted_change_is_none(store, folder, entry_of):
    entry = entry_of()
    for value in (b"", b"\xc2", b"\x00" * 9, b"\xc2" + b"\x7f" * 9, "text", None):
        store._cache.set(entry.request.resource, b"")
        with closing(sqlite3.connect(folder / "cache.db")) as database, database:
            database.execute("UPDATE Cache SET value = ? WHERE key = ?", (value, entry.request.resource))
        assert store.stands(entry, 1001)


def test_that_costs_what_is_deleted_and_not_what_is_stored(store, variants, entry_of):
    """In steps of SQLite's machine, about."""

    def steps():
        store.put_all(variants, 1001)
        taken = []
        store._cache._con.set_progress_handler(lambda: taken.append(0), 10)
        store.invalidate(variants[0].request, 1000)
        store._cache._con.set_progress_handler(None, 10)
        return len(taken)

    few = steps()
    store.put_all([entry_of(f"s{number}") for number in range(1000)], 1001)
    assert 0 < steps() < 1.5 * few


def test_every_put_is_announced_and_a_refused_one_is_not(store, open_store, entry_of):
    other = open_store()
    before = other.position()
    new = store.put(entry_of(at=1010.0), 1011)
    assert other.changes(before).keys == (new.key,)
    before = other.position()
    assert store.put(entry_of(at=1000.0), 1011) == new
    assert other.put(entry_of(at=1010.25), 1011) == new, "it was asked for before the other had arrived"
    assert other.position() == before
    assert store.get(new.key) == new


def test_an_entry_from_a_time_that_the_clock_left_gives_way(store, entry_of):
    store.put(entry_of(at=5000.0), 5001)
    entry = entry_of(at=1000.0)
    assert store.put(entry, 1001) == entry
    assert store.get(entry.key) == entry


def test_another_process_writes_and_this_one_sees_it(store, folder, entry_of):
    entry = entry_of()
    before = store.position()
    program = (
        "import sys; from pathlib import Path; from holdover.entry import decode\n"
        "from holdover.store.disk import DiskStore\n"
        "DiskStore(Path(sys.argv[1]), 1 << 24).put(decode(sys.stdin.buffer.read()), 1001)"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], input=encode(entry), check=True)
    assert store.changes(before).keys == (entry.key,)
    assert store.get(entry.key) == entry


def test_only_the_owner_can_read_it(folder, entry_of):
    old = os.umask(0)
    try:
        store = DiskStore(folder, MIB)
        store.put(entry_of(), 1001)
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {"cache.db", "changes"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes
    store.close()


def test_a_folder_that_others_may_read_is_closed_to_them(folder):
    folder.mkdir(mode=0o755)
    DiskStore(folder, MIB).close()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", ["file", "no parent", "link"])
def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path, make):
    folder = tmp_path / "store"
    match make:
        case "file":
            folder.write_text("")
            reason = "Not a directory"
        case "no parent":
            (tmp_path / "file").write_text("")
            folder = tmp_path / "file" / "store"
            reason = "Not a directory"
        case _:
            folder.mkdir()
            (folder / "cache.db").symlink_to(tmp_path / "elsewhere")
            reason = "Too many levels of symbolic links"
    with pytest.raises(StoreError) as caught:
        DiskStore(folder, MIB)
    assert str(caught.value) == f"the cache folder {folder} cannot be used: {reason}"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that belongs to another user")
def test_a_folder_of_another_user_is_refused(folder):
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(StoreError) as caught:
        DiskStore(folder, MIB)
    assert str(caught.value) == f"the cache folder {folder} belongs to another user; give holdover one of its own"


def test_a_lock_that_another_process_holds_stops_writers_only(store, folder, entry_of, lock_holder, monkeypatch):
    monkeypatch.setattr("holdover.store.disk.LOCK_TIMEOUT_S", 0.1)
    entry = store.put(entry_of(), 1001)
    with lock_holder(folder / "changes"):
        with pytest.raises(StoreError, match="locked"):
            store.put(entry_of("nba"), 1001)
        with pytest.raises(StoreError, match="locked"):
            store.delete(entry.key)
        assert store.get(entry.key) == entry
    store.put(entry_of("nba"), 1001)


def test_a_database_that_another_process_holds_is_a_sentence(store, folder, entry_of):
    entry = store.put(entry_of(), 1001)
    with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            store.put(entry_of("nba"), 1001)
        assert str(caught.value) == f"the cache in {folder} is locked by another process"
        assert store.get(entry.key) == entry
        other.execute("ROLLBACK")
    store.put(entry_of("nba"), 1001)


def test_the_size_is_bounded_and_the_latest_stay(open_store, folder, entry_of):
    store = open_store(max_bytes=2 * MIB)
    for number in range(600):
        store.put(entry_of(f"s{number}", at=1000.0 + number, body=os.urandom(8000)), 1000.5 + number)
    usage = store.usage()
    assert usage.limit == 2 * MIB
    assert usage.size <= usage.limit + 200_000
    assert (folder / "cache.db").stat().st_size <= usage.limit + 200_000
    assert store.get(entry_of("s599").key) is not None
    assert store.get(entry_of("s0").key) is None
    kept = {entry.key for entry in store.entries()}
    assert len(kept) == usage.objects
    assert kept == {entry_of(f"s{number}").key for number in range(600 - len(kept), 600)}


def test_the_size_that_was_allowed_is_used(open_store, entry_of):
    store = open_store(max_bytes=2 * MIB)
    for number in range(300):
        store.put(entry_of(f"s{number}", body=os.urandom(8000)), 1001)
    held = sum(len(entry.identity) + len(entry.gzip) for entry in store.entries())
    assert held > 0.7 * 2 * MIB


def test_what_was_refreshed_lately_outlives_what_was_put_lately(open_store, entry_of):
    store = open_store(max_bytes=MIB)
    for number in range(200):
        store.put(entry_of(f"s{number}", body=os.urandom(8000)), 1001)
        store.put(entry_of("hot", at=1000.0 + number, body=os.urandom(100)), 1001 + number)
    assert store.get(entry_of("hot").key) is not None
    assert store.get(entry_of("s0").key) is None


def test_a_newer_entry_takes_the_place_of_the_older_one(store, entry_of):
    old = store.put(entry_of(at=1000.0), 1001)
    new = entry_of(at=1001.0, body=b"[1]")
    assert store.put(new, 1002) == new
    assert store.get(old.key) == new
    assert store.usage().objects == 1


# Several at once


def test_all_that_is_put_together_is_announced_together(store, open_store, entry_of):
    other = open_store()
    before = other.position()
    entries = [entry_of(f"s{number}") for number in range(50)]
    assert store.put_all(entries, 1001) == entries
    found = other.changes(before)
    assert sorted(found.keys or ()) == sorted(entry.key for entry in entries)
    assert found.position.sequence == before.sequence + 50
    assert [other.get(entry.key) for entry in entries] == entries
    assert store.put_all([], 1001) == []
    assert other.position() == found.position


def test_each_of_them_stands_or_gives_way_by_itself(store, open_store, entry_of):
    standing = [store.put(entry_of(sport, at=1010.0), 1011) for sport in ("epl", "nba")]
    before = store.position()
    newer, older, new = entry_of("epl", at=1020.0), entry_of("nba", at=1005.0), entry_of("mlb", at=1005.0)
    assert store.put_all([newer, older, new], 1021) == [newer, standing[1], new]
    found = open_store().changes(before)
    assert sorted(found.keys or ()) == sorted((newer.key, new.key))
    assert [store.get(entry.key) for entry in (newer, older, new)] == [newer, standing[1], new]


def test_when_none_is_newer_nothing_is_announced(store, entry_of):
    standing = store.put(entry_of(at=1010.0), 1011)
    before = store.position()
    assert store.put_all([entry_of(at=1000.0)], 1011) == [standing]
    assert store.position() == before


@pytest.mark.parametrize("together", [False, True])
def test_a_full_disk_is_no_damage_and_leaves_all_as_it_was(open_store, entry_of, together):
    """The database's pages are bounded in place of the disk's."""
    troubles: list[str] = []
    store = open_store(on_trouble=troubles.append)
    old = [store.put(entry_of(f"s{number}"), 1001) for number in range(5)]
    before = store.position()
    (pages,) = store._cache._sql("PRAGMA page_count").fetchone()
    store._cache._sql(f"PRAGMA max_page_count = {pages + 4}").fetchall()
    new = [entry_of(f"s{number}", at=1010.0, body=os.urandom(9000 if together else 40_000)) for number in range(5)]
    with pytest.raises(StoreError, match="full"):
        store.put_all(new if together else new[:1], 1011)
    assert troubles == []
    assert store.position() == before
    assert [open_store().get(entry.key) for entry in old] == old


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from holdover.entry import decode
from holdover.store.disk import DiskStore

store, count = DiskStore(Path(sys.argv[1]), 1 << 24), int(sys.argv[2])
one = decode(sys.stdin.buffer.read())
print("ready", flush=True)
for number in range(1, count):
    at = one.requested_at + 2.0 * number
    keys = [replace(one.request, path=f"/{n}") for n in range(8)]
    body = b"%d" % number
    new = replace(one, identity=body, requested_at=at, received_at=at + 0.5)
    store.put_all([replace(new, request=key) for key in keys], at + 1)
"""


def test_a_reader_elsewhere_never_sees_a_part_of_what_was_put_together(store, folder, entry_of):
    """After an announcement all of it is there: `settled` reads wait for a writer between the two."""
    first, rounds = entry_of(body=b"0"), 150
    entries = [replace(first, request=replace(first.request, path=f"/{number}")) for number in range(8)]
    store.put_all(entries, 1001)
    keys, start = [entry.key for entry in entries], store.position()
    command = [sys.executable, "-c", WRITER, str(folder), str(rounds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(encode(first))
        writer.stdin.close()
        assert writer.stdout.readline() == b"ready\n"
        seen = looks = 0
        while seen < rounds - 1:
            looks += 1
            sequences = {store.position().sequence - start.sequence for _ in range(500)}
            assert {sequence % len(keys) for sequence in sequences} == {0}, "announced together"
            rounds_seen = [int(entry.identity) for key in keys if (entry := store.get(key)) is not None]
            assert rounds_seen == sorted(rounds_seen), "written together, announced or not"
            position = store.position()
            found = [settled(store, key) for key in keys]
            if store.position() == position:
                assert len(set(found)) == 1, "nothing was announced meanwhile, so all are of one round"
            assert min(found) >= seen, "what one key showed, all others show afterwards"
            seen = max(found)
            assert writer.poll() is None or settled(store, keys[0]) == rounds - 1
    assert writer.returncode == 0
    assert looks > 1


def settled(store: DiskStore, key: str) -> int:
    """The round that the entry under `key` is of."""
    while True:
        with suppress(StoreError):
            entry = store.get(key, settled=True)
            assert entry is not None
            return int(entry.identity)


def test_a_settled_read_waits_for_a_writer_but_not_without_end(store, folder, entry_of, lock_holder):
    entry = store.put(entry_of(), 1001)
    assert store.get(entry.key, settled=True) == entry
    assert store.get("0" * 32, settled=True) is None
    with lock_holder(folder / "changes"):
        with pytest.raises(StoreError, match="locked"):
            store.get(entry.key, settled=True)
        assert store.get(entry.key) == entry
    assert store.get(entry.key, settled=True) == entry


def test_who_opens_the_cache_while_others_write_waits_for_them(folder, open_store):
    """diskcache itself waits at each step of opening, but for the index of tags."""
    open_store().close()
    done = threading.Event()

    def write():
        with closing(sqlite3.connect(folder / "cache.db", isolation_level=None)) as other:
            while not done.wait(0.0002):
                with suppress(sqlite3.OperationalError):
                    other.execute("BEGIN IMMEDIATE")
                    other.execute("DROP INDEX IF EXISTS Cache_tag_rowid")
                    other.execute("COMMIT")

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(300):
            open_store().close()
    finally:
        done.set()
        writing.join()
