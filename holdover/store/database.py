"""One small SQLite file that threads and processes share, and that is begun anew when it is damaged.

It is opened by its path in a folder for its owner alone; whoever opens it, or moves it aside, holds a lock on that
folder, so that nobody meets a half-moved file. A process finds out by itself, at its next call, that the file at the
path is another one."""

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from holdover.store.base import StoreError

LOCK_TIMEOUT_S = 5.0
_APPLICATION = 0x686F6C64
_COMPANIONS = ("-wal", "-shm", "-journal")
# Errors that may mean damage; the file is looked through before it is given up. Not among them: full, busy,
# read-only, and whatever a caller did wrong.
_SUSPECT = frozenset((sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT))
DAMAGED_READS = frozenset(
    (sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_READ)
)


class Foreign(sqlite3.DatabaseError):
    """The file is a database, but not what this module made."""


class Database:
    """The file at `path` with the tables of `schema` (whole CREATE statements), made if need be.

    Every method blocks for as long as a disk does, or another process that writes (LOCK_TIMEOUT_S at most), and
    raises StoreError when it could not be done; then nothing of it was done. `on_trouble` is told, in a sentence,
    when the file had to be begun anew."""

    def __init__(self, path: Path, schema: Sequence[str], version: int, on_trouble: Callable[[str], None]) -> None:
        self.path = path
        self._schema = tuple(schema)
        self._version = version
        self._on_trouble = on_trouble
        self._threads = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._closed = False
        self._guarded(lambda _: None)

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows that a SELECT finds."""
        return self._guarded(lambda connection: connection.execute(statement, values).fetchall())

    def write[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `operation` in a transaction of its own; it may be run twice, the first time in vain."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = operation(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

        return self._guarded(transaction)

    def close(self) -> None:
        with self._threads:
            self._closed = True
            self._drop()

    def _guarded[T](self, operation: Callable[[sqlite3.Connection], T]) -> T:
        with self._threads:
            if self._closed:
                raise StoreError(f"{self.path} was closed")
            try:
                try:
                    return operation(self._current())
                except sqlite3.DatabaseError as error:
                    if not is_suspect(error):
                        raise
                return operation(self._open(thorough=True))
            except OSError as error:
                raise StoreError(f"{self.path} cannot be used: {error.strerror}") from error
            except sqlite3.Error as error:
                raise StoreError(f"{self.path} does not answer: {error}") from error

    def _current(self) -> sqlite3.Connection:
        if self._connection is not None and _identity(self.path) == self._opened:
            return self._connection
        return self._open(thorough=False)

    def _open(self, *, thorough: bool) -> sqlite3.Connection:
        self._drop()
        make_private(self.path.parent)
        with locked(self.path.parent):
            try:
                connection = self._connect(thorough=thorough)
            except sqlite3.DatabaseError as error:
                if not is_suspect(error):
                    raise
                self._set_aside(error)
                connection = self._connect(thorough=False)
            self._opened = _identity(self.path)
        self._connection = connection
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _connect(self, *, thorough: bool) -> sqlite3.Connection:
        _make_file(self.path)
        connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._adopt(connection)
            if thorough:
                look_through(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Makes the tables of a new file. Nothing is changed in a file that is not ours."""
        new = recognize(connection, self.path, self._schema, self._version)
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last seconds, which the provider's next answer brings back.
        connection.execute("PRAGMA synchronous = NORMAL")
        if new:
            self._make_tables(connection)

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in self._schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {self._version}")
        connection.execute("COMMIT")

    def _set_aside(self, error: Exception) -> None:
        """Only the latest one moved is kept. The database goes last: what a killed process leaves is still found
        damaged, and a log without its database is dropped by SQLite."""
        name = self.path.name
        for old in self.path.parent.glob(f"{name}-damaged-*"):
            shutil.rmtree(old, ignore_errors=True)
        aside = self.path.with_name(f"{name}-damaged-{time.time_ns()}")
        aside.mkdir(mode=0o700)
        for suffix in (*_COMPANIONS, ""):
            with suppress(FileNotFoundError):
                self.path.with_name(name + suffix).rename(aside / (name + suffix))
        self._on_trouble(f"{self.path} cannot be read ({error}); it was set aside as {aside} and begun anew")


def recognize(connection: sqlite3.Connection, path: Path, schema: Sequence[str], version: int) -> bool:
    """Whether the file is new, and has no tables yet. Raises Foreign for what has others than these, StoreError for
    what a newer version made."""
    (application,), (found_version,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")} - {None}
    ours, new = application == _APPLICATION, not (application or found_version or found)
    if ours and found_version > version:
        raise StoreError(f"{path} was written by a newer holdover; upgrade this one, or move that file away")
    if not new and not (ours and found_version == version and found == set(schema)):
        raise Foreign("it is another program's database")
    return new


def make_private(folder: Path) -> None:
    """Makes the folder, if need be, and closes it to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise StoreError(f"the folder {folder} belongs to another user; give holdover one of its own")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else opens a file in the folder, or moves one aside, until the block ends."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise StoreError(f"another process has held {folder} locked for {LOCK_TIMEOUT_S:g} s")
            time.sleep(0.001)
        yield
    finally:
        os.close(file)


def _make_file(path: Path) -> None:
    """SQLite gives its other files the mode of this one. One that exists is not opened here: closing it would drop
    the locks that SQLite holds on it in this process (POSIX locks belong to the process). One that is empty was cut
    off under processes that hold locks on it, or never finished: a new one is made instead."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and not status.st_size:
            for suffix in (*_COMPANIONS, ""):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(*((errno.ELOOP, os.strerror(errno.ELOOP)) if stat.S_ISLNK(mode) else (0, "not a plain file")))
    if stat.S_IMODE(mode) != 0o600:
        path.chmod(0o600)


def look_through(connection: sqlite3.Connection) -> None:
    """Raises Foreign for a file that is damaged anywhere."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise Foreign(" ".join(found.split()))


def is_suspect(error: sqlite3.Error) -> bool:
    """Whether the error may mean that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return isinstance(error, Foreign) or code & 0xFF in _SUSPECT or code in DAMAGED_READS


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_dev
