"""What somebody with a hand on the files could plant (CVE-2025-69872), and rows of other kinds."""

import os
import pickle
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import diskcache
import pytest

from holdover.entry import Entry, encode
from holdover.store.disk import DiskStore, StrictDisk


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def plant(
    folder: Path,
    key: object,
    *,
    raw: int = 1,
    mode: int | None = 1,
    filename: str | None = None,
    value: object = None,
    tag: object = None,
) -> None:
    """A row as diskcache 5.6.3 writes it."""
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute("DELETE FROM Cache WHERE key = ?", (key,))
        database.execute(
            "INSERT INTO Cache (key, raw, store_time, access_time, size, mode, filename, value, tag)"
            " VALUES (?, ?, 1, 1, 10, ?, ?, ?, ?)",
            (key, raw, mode, filename, value, tag),
        )


MODE_RAW, MODE_BINARY, MODE_TEXT, MODE_PICKLE = 1, 2, 3, 4


def plant_trap(kind: str, folder: Path, key: str, marker: Path, secret: Path) -> None:
    pickled = pickle.dumps(Trap(marker), protocol=0)
    match kind:
        case "pickled value":
            plant(folder, key, mode=MODE_PICKLE, value=pickled)
        case "pickled value in a file":
            (folder / "trap.val").write_bytes(pickled)
            plant(folder, key, mode=MODE_PICKLE, filename="trap.val")
        case "pickled key":
            plant(folder, pickled, raw=0, value=b"")
        case "file outside":
            plant(folder, key, mode=MODE_BINARY, filename=os.path.relpath(secret, folder))
        case "text file outside":
            plant(folder, key, mode=MODE_TEXT, filename=str(secret))


def use(store: DiskStore, key: str, entry: Entry) -> None:
    """Everything that a store can be asked to do."""
    store.get(key)
    list(store.entries())
    store.usage()
    store.put(entry, entry.received_at)
    store.delete(key)
    store.delete("0" * 32)
    store.invalidate(entry.request, 1002)


TRAPS = ["pickled value", "pickled value in a file", "pickled key", "file outside", "text file outside"]


@pytest.mark.parametrize("kind", TRAPS)
def test_the_trap_is_a_trap_for_plain_diskcache(kind, tmp_path):
    """Otherwise the next test would show nothing."""
    folder, marker, secret = tmp_path / "plain", tmp_path / "executed", tmp_path / "secret"
    secret.write_text("secret")
    with closing(diskcache.Cache(str(folder))) as cache:
        plant_trap(kind, folder, "k", marker, secret)
        with suppress(TypeError):
            found = [cache.get("k"), *cache.iterkeys()]
        assert marker.exists() or b"secret" in found or "secret" in found
        cache.delete("k")
    assert "file outside" not in kind or not secret.exists()


@pytest.mark.parametrize("kind", TRAPS)
def test_a_planted_row_is_neither_executed_nor_followed(kind, store, open_store, folder, tmp_path, entry_of):
    marker, secret = tmp_path / "executed", tmp_path / "secret"
    secret.write_text("secret")
    entry, other = entry_of("epl"), store.put(entry_of("nba"), 1001)
    plant_trap(kind, folder, entry.key, marker, secret)
    assert store.get(entry.key) is None
    use(store, entry.key, entry)
    plant_trap(kind, folder, entry.key, marker, secret)
    use(open_store(), entry.key, entry)
    assert store.get(other.key) == other, "one foreign row costs no other entry"
    small = open_store(max_bytes=200_000)
    for number in range(60):  # far beyond that size: the planted row is evicted
        small.put(entry_of(f"s{number}", body=bytes(10_000)), 1001)
    assert other not in list(small.entries())
    assert not marker.exists()
    assert secret.read_text() == "secret"


def test_a_planted_row_of_a_target_goes_with_it(store, folder, entry_of):
    entry = store.put(entry_of(), 1001)
    for key in ("no key", "Z" * 32, b"bytes", None):
        plant(folder, key, value=b"x", tag=entry.request.resource)
    store.invalidate(entry.request, 1002)
    assert store.get(entry.key) is None
    assert store.all_keys() == [entry.request.resource], "when that was"


@pytest.mark.parametrize(
    "row",
    [
        {"value": "text"},
        {"value": 7},
        {"value": None},
        {"value": b""},
        {"value": b"not an entry"},
        {"value": b"\x01" * 40},
        {"mode": 99, "value": b"x"},
        {"mode": None, "value": b"x"},
    ],
    ids=repr,
)
def test_a_row_of_another_kind_reads_as_absent_and_is_written_over(row, store, folder, entry_of):
    entry = entry_of()
    plant(folder, entry.key, **row)
    assert store.get(entry.key) is None
    assert list(store.entries()) == []
    assert store.put(entry, 1001) == entry
    assert store.get(entry.key) == entry


@pytest.mark.parametrize(
    "key",
    [
        b"\x80\x04blob",
        7,
        pytest.param(None),
        2.5,
        "",
        "not hex",
    ],
)
def test_a_key_of_another_kind_hides_no_entry(key, store, folder, entry_of):
    entry = store.put(entry_of(), 1001)
    plant(folder, key, value=encode(entry_of("nba")))
    assert list(store.entries()) == [entry]


def test_an_entry_under_another_key_is_not_served(store, folder, entry_of):
    plant(folder, entry_of("epl").key, value=encode(entry_of("nba")))
    assert store.get(entry_of("epl").key) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("disk_evil", 0),
        ("disk_fetch", 0),
        ("disk_pickle_protocol", 0),
        ("disk_min_file_size", 0),
        ("sqlite_no_such_pragma", 0),
        ("sqlite_locking_mode", "EXCLUSIVE"),
        ("sqlite_query_only", 1),
        ("_directory", "elsewhere"),
        ("_sql", 0),
    ],
)
def test_a_planted_setting_is_not_heeded(name, value, store, open_store, folder, tmp_path, entry_of):
    """diskcache sets an attribute or runs a PRAGMA for every row of the table."""
    value = str(tmp_path / value) if name == "_directory" else value
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute("INSERT OR REPLACE INTO Settings VALUES (?, ?)", (name, value))
    again, third = open_store(), open_store()
    assert again.put(entry_of(), 1001) == again.get(entry_of().key)
    assert third.put(entry_of("nba"), 1001) == again.get(entry_of("nba").key)
    assert not list(folder.rglob("*.val"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("value", ["text", 7, None, 1.5, [b""], bytearray(b"x")])
def test_the_strict_disk_takes_plain_bytes_under_plain_text_alone(value, tmp_path):
    disk = StrictDisk(str(tmp_path))
    with pytest.raises(TypeError):
        disk.store(value, False)
    with pytest.raises(TypeError):
        disk.store(b"x", True)
    with pytest.raises(TypeError):
        disk.put(value if value != "text" else b"text")
