"""The shared cache on diskcache, which is unmaintained and trusts its files: this is the only module that touches it.

diskcache up to 5.6.3 unpickles what a row says is a pickle and opens whatever path a row names (CVE-2025-69872, no
fix). `StrictDisk` knows neither: values are bytes inside the database, nothing else is read or written."""

import errno
import os
import re
import shutil
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import diskcache

from holdover.caching.invalidation import may_be_from_before
from holdover.canonical import CanonicalRequest
from holdover.entry import Entry, decode, encode
from holdover.policy import supersedes
from holdover.store.base import Changes, Position, StoreError, Usage
from holdover.store.changes import ChangeFile
from holdover.store.database import DAMAGED_READS

LOCK_TIMEOUT_S = 1.0
_RAW = 1  # diskcache.core.MODE_RAW
# What SQLite says when the files are good but cannot be used now; any other error of a statement that always worked
# means that the database is damaged.
_NO_DAMAGE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_MISUSE,
    )
)
# Every setting that diskcache knows, so that none is taken from the database. Values stay inside the database (see
# StrictDisk). The tag of an entry is its target. synchronous=NORMAL: a power cut may lose the last odds, which nobody
# wants afterwards.
_SETTINGS: dict[str, object] = {
    "statistics": 0,
    "tag_index": 1,
    "eviction_policy": "least-recently-stored",
    "cull_limit": 10,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 8192,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 1,
    "disk_min_file_size": 2**31,
    "disk_pickle_protocol": 0,
}
CHANGE_KEPT_S = 3600.0
"""How long it is known that a target was changed: no call takes so long."""
_CHANGE_FORMAT = 0xC2
_CHANGE = struct.Struct(">Bd")
_KEY = re.compile("[0-9a-f]{32}")
_DATABASE_FILES = ("cache.db", "cache.db-wal", "cache.db-shm")


class ForeignRow(Exception):
    """A row that this module did not write."""


class StrictDisk(diskcache.Disk):  # type: ignore[misc]
    """Plain str keys and bytes values inside the database; no pickle, no files, either way."""

    def __init__(self, directory: str, **_: object) -> None:
        """Options come from a table in the database, where anybody may have written: none is heeded."""
        super().__init__(directory)

    def put(self, key: object) -> tuple[object, bool]:
        if type(key) is not str:
            raise TypeError(f"keys are str, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> object:
        """A key that is no plain text is none of ours: it reads as the empty one, which no entry has."""
        return key if type(key) is str and raw else ""

    def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, None, object]:  # noqa: ARG002
        if type(value) is not bytes or read:
            raise TypeError(f"values are bytes, not {type(value).__name__}")
        # Size 0: diskcache adds sizes to that of the database file, which holds this value already.
        return 0, _RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        if mode != _RAW or filename is not None or read or type(value) is not bytes:
            raise ForeignRow("a value that is not plain bytes")
        return value

    def filename(self, *_: object) -> tuple[str, str]:
        raise ForeignRow("values are never files")

    def remove(self, _: object) -> None:
        """A planted file name is not followed when its row is evicted either."""


SETTLE_TIMEOUT_S = 0.25


class StrictCache(diskcache.Cache):  # type: ignore[misc]
    """Heeds no setting that stands in the database: diskcache would set attributes and run PRAGMAs from there."""

    def reset(self, key: str, value: object = diskcache.core.ENOVAL, update: bool = True) -> object:
        if key in diskcache.core.METADATA or key == "size_limit":
            return super().reset(key, value, update)
        if key in _SETTINGS:
            return super().reset(key, _SETTINGS[key], update)
        return value

    def create_tag_index(self) -> None:
        """As diskcache has it, but while another process opens the cache too, this one waits for it."""
        self._sql_retry("CREATE INDEX IF NOT EXISTS Cache_tag_rowid ON Cache(tag, rowid)")


class DiskStore:
    """The cache in `folder`, made if need be, readable by its owner alone. Safe from several threads and processes.

    `on_trouble` is told, in a sentence, when entries had to be given up. Raises StoreError when the folder cannot
    be used at all."""

    def __init__(self, folder: Path, max_bytes: int, on_trouble: Callable[[str], None] = lambda _: None) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._on_trouble = on_trouble
        self._mending = threading.Lock()
        self._cache: Any = None
        self._opened: tuple[int, int] | None = None
        self._reopen()

    def get(self, key: str, *, settled: bool = False) -> Entry | None:
        def read(cache: Any) -> Entry | None:
            if not settled:
                return _read(cache, key)
            with self._changes.lock(SETTLE_TIMEOUT_S):
                return _read(cache, key)

        return self._guarded(read)

    def put(self, entry: Entry, now: float) -> Entry | None:
        return self.put_all((entry,), now)[0]

    def put_all(self, entries: Sequence[Entry], now: float) -> list[Entry | None]:
        encoded = [encode(entry) for entry in entries]

        def write(cache: Any) -> list[Entry | None]:
            with self._changes.lock(LOCK_TIMEOUT_S):
                stand = [_standing(cache, entry, now) for entry in entries]
                all_of_it = zip(entries, encoded, stand, strict=True)
                newer = [(new.key, data, new.request.resource) for new, data, stands in all_of_it if stands is new]
                _set_all(cache, newer)
                if newer:
                    self._changes.announce(*(key for key, _, _ in newer))
                return stand

        return self._guarded(write)

    def delete(self, key: str) -> bool:
        def remove(cache: Any) -> bool:
            with self._changes.lock(LOCK_TIMEOUT_S):
                found = bool(cache.delete(key))
                if found:
                    self._changes.announce(key)
                return found

        return self._guarded(remove)

    def invalidate(self, request: CanonicalRequest, at: float) -> None:
        select = "SELECT key FROM Cache WHERE tag = ? AND raw = 1 AND typeof(key) = 'text'"

        def remove(cache: Any) -> None:
            with self._changes.lock(LOCK_TIMEOUT_S):
                keys = [key for (key,) in cache._sql(select, (request.resource,)).fetchall()]  # noqa: SLF001
                changed_at = max(at, _changed_at(cache, request.resource))
                with _written(cache):
                    for key in keys:
                        cache.delete(key)
                    cache.set(request.resource, _CHANGE.pack(_CHANGE_FORMAT, changed_at), expire=CHANGE_KEPT_S)
                # A process may hold what was never written.
                self._changes.announce(*{request.key, *filter(_KEY.fullmatch, keys)})

        self._guarded(remove)

    def stands(self, entry: Entry, now: float) -> bool:
        return not self._guarded(lambda cache: _is_from_before(cache, entry, now))

    def read(self, key: str) -> bytes | None:
        return self._guarded(lambda cache: _blob(cache, key))

    def change(self, key: str, changed: Callable[[bytes | None], bytes | None]) -> None:
        def write(cache: Any) -> None:
            with self._changes.lock(LOCK_TIMEOUT_S):
                there = _blob(cache, key)
                if (new := changed(there)) == there:
                    return
                if new is None:
                    cache.delete(key)
                else:
                    _set_all(cache, ((key, new, None),))
                self._changes.announce(key)

        self._guarded(write)

    def all_keys(self) -> list[str]:
        """Of all rows, in no order."""
        # Not `iterkeys`, which ends at a key that is NULL.
        select = "SELECT key FROM Cache WHERE raw = 1 AND typeof(key) = 'text'"
        return [key for (key,) in self._guarded(lambda cache: cache._sql(select).fetchall())]  # noqa: SLF001

    def entries(self) -> Iterator[Entry]:
        for key in self.all_keys():
            if (entry := self.get(key)) is not None:
                yield entry

    def position(self) -> Position:
        return self._changes.position()

    def changes(self, since: Position) -> Changes:
        return self._changes.since(since)

    def usage(self) -> Usage:
        return self._guarded(lambda cache: Usage(len(cache), cache.volume(), self._max_bytes))

    def follow(self) -> bool:
        try:
            if not self._changes.replaced() and _identity(self.folder) == self._opened:
                return False
        except OSError as error:
            raise StoreError(f"the cache folder {self.folder} cannot be used: {error.strerror}") from error
        with self._mending:
            self._reopen()
        return True

    def close(self) -> None:
        self._close()

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.folder.stat()
        if status.st_uid != os.geteuid():
            raise StoreError(f"the cache folder {self.folder} belongs to another user; give holdover one of its own")
        if status.st_mode & 0o077:
            self.folder.chmod(0o700)
        self._changes = ChangeFile(self.folder / "changes")
        self._make_database()
        self._cache = StrictCache(
            str(self.folder), timeout=LOCK_TIMEOUT_S, disk=StrictDisk, size_limit=self._max_bytes, **_SETTINGS
        )
        self._opened = _identity(self.folder)

    def _make_database(self) -> None:
        """SQLite gives its other files the mode of this one. One that exists is not opened here: closing it would
        drop the locks that SQLite holds on it in this process (POSIX locks belong to the process)."""
        path = self.folder / "cache.db"
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def _close(self) -> None:
        with suppress(sqlite3.Error, AttributeError):
            self._cache.close()

    def _guarded[T](self, operation: Callable[[Any], T]) -> T:
        """Runs `operation`; a database that is damaged is set aside and the operation run on a new one."""
        for attempt in (1, 2):
            cache = self._cache
            try:
                return operation(cache)
            except diskcache.Timeout as error:
                raise StoreError(f"the cache in {self.folder} is locked by another process") from error
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise StoreError(f"the cache in {self.folder} does not answer: {error}") from error
                if attempt == 2:
                    raise StoreError(f"the cache in {self.folder} stays damaged: {error}") from error
                self._mend(cache, error)
            except OSError as error:
                raise StoreError(f"the cache in {self.folder} cannot be used: {error.strerror}") from error
        raise AssertionError("unreachable")

    def _mend(self, broken: Any, error: Exception) -> None:
        """Two threads or two processes may find the damage together: the later one sees that the cache, or its file,
        is no longer the one that failed it, and takes up the new one."""
        with self._mending:
            if broken is self._cache:
                self._set_aside(self._opened, error)
                self._reopen()

    def _reopen(self) -> None:
        """Takes up the database that is there, or begins a new one if that is damaged."""
        self._close()
        try:
            seen = _identity(self.folder)
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(seen, error)
                self._open()
        except OSError as error:
            raise StoreError(f"the cache folder {self.folder} cannot be used: {error.strerror}") from error
        except sqlite3.Error as error:
            raise StoreError(f"the cache in {self.folder} cannot be opened: {error}") from error

    def _set_aside(self, failed: tuple[int, int] | None, error: Exception) -> None:
        """Moves the database away if it is still the file that `failed`; only the latest one moved is kept."""
        with self._changes.lock(LOCK_TIMEOUT_S):
            if _identity(self.folder) != failed:
                return
            for old in self.folder.glob("damaged-*"):
                shutil.rmtree(old, ignore_errors=True)
            aside = self.folder / f"damaged-{time.time_ns()}"
            aside.mkdir(mode=0o700)
            for name in _DATABASE_FILES:
                with suppress(FileNotFoundError):
                    (self.folder / name).rename(aside / name)
        self._on_trouble(f"the cache was damaged ({error}); it was set aside as {aside} and begun anew")


def _read(cache: Any, key: str) -> Entry | None:
    """None also for a row that is not of this format, is damaged, or stands under another entry's key."""
    data = _blob(cache, key)
    entry = decode(data) if data is not None else None
    return entry if entry is not None and entry.key == key else None


def _standing(cache: Any, entry: Entry, now: float) -> Entry | None:
    """`entry` itself, if it may take the place of what is there."""
    old = _read(cache, entry.key)
    # Changes are looked up under the writers' lock: what they made invalid cannot come in behind them.
    if _is_from_before(cache, entry, now) or (old is not None and not supersedes(entry, old, now)):
        return old
    return entry


def _is_from_before(cache: Any, entry: Entry, now: float) -> bool:
    return may_be_from_before(entry.requested_at, _changed_at(cache, entry.request.resource), now)


def _changed_at(cache: Any, resource: str) -> float:
    """When a target was last changed, in Unix seconds; 0 when that is not known."""
    data = _blob(cache, resource)
    if data is None or len(data) != _CHANGE.size or data[0] != _CHANGE_FORMAT:
        return 0.0
    changed_at: float = _CHANGE.unpack(data)[1]
    return changed_at


def _blob(cache: Any, key: str) -> bytes | None:
    try:
        data: bytes | None = cache.get(key)
    except ForeignRow:
        return None
    return data


def _set_all(cache: Any, items: Sequence[tuple[str, bytes, str | None]]) -> None:
    """Keys, values and tags."""
    with _written(cache):
        for key, data, tag in items:
            cache.set(key, data, tag=tag)


@contextmanager
def _written(cache: Any) -> Iterator[None]:
    """All that is done inside, or nothing of it."""
    try:
        with cache.transact():
            yield
    except sqlite3.OperationalError as error:
        # On a full disk SQLite has rolled back by itself; the library's own ROLLBACK then fails and hides the cause.
        if isinstance(error.__context__, sqlite3.Error):
            raise error.__context__ from None
        raise


def _is_damage(error: sqlite3.Error) -> bool:
    """Of what the disk could not do only a read tells of the file: who cannot write finds it as it was."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code & 0xFF == sqlite3.SQLITE_IOERR:
        return code in DAMAGED_READS
    return code & 0xFF not in _NO_DAMAGE


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / "cache.db").stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_dev
