"""The change file: which keys changed lately, readable for the price of one `pread`, and the writers' lock.

SQLite's own `PRAGMA data_version` costs 4 microseconds and tells only that something changed. This file holds a
sequence number and a ring of the last keys. It is read with `pread`, not mapped: a truncated mapping kills its reader
with SIGBUS.

Layout: magic, epoch (random at creation), sequence, then SLOTS keys of 16 bytes; the change with sequence n is in
slot n % SLOTS. A writer holds the lock, commits the value, writes the slot, then the sequence; so whoever reads a
sequence finds its value in the store. A writer killed between commit and sequence leaves a change unannounced;
readers find it when their own copy passes its window."""

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdover.store.base import Changes, Position, StoreError

SLOTS = 4096
MOST_TOLD = SLOTS // 2
"""Who is further behind takes everything as changed: half of the ring may be written anew while it reads."""
_MAGIC = 0x686F6C31
_HEAD = struct.Struct(">QQQ")
_SEQUENCE = struct.Struct(">Q")
_KEY_BYTES = 16


class ChangeFile:
    """Opens or creates the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with self.lock(timeout=5.0):
            magic, _, _ = self._head()
            if magic != _MAGIC:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, _HEAD.pack(_MAGIC, int.from_bytes(os.urandom(8)), 0), 0)

    def __del__(self) -> None:
        # Not closed earlier: another thread may be inside a call, and the number would be reused for another file.
        with suppress(AttributeError):
            os.close(self._file)

    def replaced(self) -> bool:
        """The file at the path is no longer the one that is open: the folder was deleted or made anew."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        mine = os.fstat(self._file)
        return (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev)

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        """The one writers' lock of all threads and processes. Not waited for without end: its holder may have been
        stopped."""
        deadline = time.monotonic() + timeout
        # A file lock belongs to the open file, so it does not keep threads apart that share one.
        if not self._threads.acquire(timeout=timeout):
            raise StoreError(f"another thread has held {self.path} locked for {timeout:g} s")
        try:
            self._lock_file(deadline, timeout)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _lock_file(self, deadline: float, timeout: float) -> None:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > deadline:
                raise StoreError(f"another process has held {self.path} locked for {timeout:g} s")
            time.sleep(0.001)

    def position(self) -> Position:
        _, epoch, sequence = self._head()
        return Position(epoch, sequence)

    def since(self, position: Position) -> Changes:
        now = self.position()
        behind = now.sequence - position.sequence
        if now.epoch != position.epoch or not 0 <= behind < MOST_TOLD:
            return Changes(now, None)
        keys = {self._slot(position.sequence + i + 1) for i in range(behind)}
        # A reader that was stopped meanwhile may have read slots that writers had come round to.
        if behind and self.position().sequence - position.sequence >= SLOTS:
            return Changes(now, None)
        return Changes(now, tuple(keys))

    def announce(self, *keys: str) -> None:
        """Call with the lock held, after the values were committed. Readers see all of the keys change at once."""
        sequence = self.position().sequence
        if len(keys) < MOST_TOLD:
            for key in keys:
                sequence += 1
                os.pwrite(self._file, bytes.fromhex(key), _HEAD.size + sequence % SLOTS * _KEY_BYTES)
        else:
            # Their slots could be those that a reader of the sequence before is reading. So far behind, it takes
            # everything as changed.
            sequence += SLOTS
        os.pwrite(self._file, _SEQUENCE.pack(sequence), _HEAD.size - _SEQUENCE.size)

    def _head(self) -> tuple[int, int, int]:
        data = os.pread(self._file, _HEAD.size, 0)
        return _HEAD.unpack(data) if len(data) == _HEAD.size else (0, 0, 0)

    def _slot(self, sequence: int) -> str:
        return os.pread(self._file, _KEY_BYTES, _HEAD.size + sequence % SLOTS * _KEY_BYTES).hex()
