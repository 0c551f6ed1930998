"""When calls may start, for all processes of this machine together.

Each process keeps to a rate by itself; this keeps their sum to it. Proxies call while they take the sidecar for down,
and a process that is new would begin with a burst of its own.

A file of places, each a name's hash and the moment at which the name's burst is whole again, by CLOCK_MONOTONIC, that
all processes share (GCRA: a call moves it by the interval between two). A place whose moment is over tells no more
than an empty one, so it is anybody's. Read and written, not mapped, for the reason in `holdover.store.changes`."""

import fcntl
import hashlib
import math
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from holdover.gate import LEAST_SHARE, Rate

FILE = "starts"
PLACES, TRIED = 8192, 8
BUSY_S = 0.001
GIVEN_UP_S = 0.25
"""A process that was stopped with the lock in its hand must not stop the others."""
LONGEST_S = 86_400.0
_PLACE = struct.Struct("=8sd")
_BYTES = (PLACES + TRIED) * _PLACE.size

type Together = Callable[[Rate, float], float]
"""Promises one start within a rate at a moment (monotonic), as `Pacing.take`."""


class Pacing:
    """For one thread. Where the file cannot be used, each process keeps to the rate by itself."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file = -1
        self._busy_since = math.inf

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def of(self, *names: str) -> Together:
        name = hashlib.blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return partial(self.take, name)

    def take(self, name: bytes, rate: Rate, now: float) -> float:
        """In how many seconds a call may start; with 0 it may now, and is counted."""
        try:
            file = self._opened()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._busy_since = min(self._busy_since, now)
            return BUSY_S if now - self._busy_since < GIVEN_UP_S else 0.0
        except OSError:
            return 0.0
        self._busy_since = math.inf
        try:
            return _taken(file, name, rate, now)
        except OSError:
            return 0.0
        finally:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)

    def _opened(self) -> int:
        """The file that the others use, too: one that was deleted is made anew."""
        if self._file >= 0 and not os.fstat(self._file).st_nlink:
            self.close()
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if os.fstat(self._file).st_size < _BYTES:
                # Room that a full disk cannot refuse later.
                os.posix_fallocate(self._file, 0, _BYTES)
        return self._file


def _taken(file: int, name: bytes, rate: Rate, now: float) -> float:
    offset = int.from_bytes(name) % PLACES * _PLACE.size
    data = os.pread(file, TRIED * _PLACE.size, offset)
    places = list(_PLACE.iter_unpack(data[: len(data) // _PLACE.size * _PLACE.size]))
    free = (i for i, (_, full_at) in enumerate(places) if not now < full_at <= now + LONGEST_S)
    at = next((i for i, (other, _) in enumerate(places) if other == name), None)
    if at is None and (at := next(free, None)) is None:
        return 0.0
    interval = 1 / (rate.rate * rate.share)
    # Further ahead nobody can have put it: it is from before the machine started, or of another configuration.
    furthest = now + (max(1 / LEAST_SHARE, rate.burst) + 1) / rate.rate
    full_at = places[at][1] if places[at][0] == name else now
    full_at = full_at if now < full_at <= furthest else now
    ahead = full_at - now - (max(1.0, rate.burst * rate.share) - 1) * interval
    # What is due within a microsecond is due: times of a day are no rounder than that.
    if ahead > 1e-6:
        return ahead
    os.pwrite(file, _PLACE.pack(name, full_at + interval), offset + at * _PLACE.size)
    return 0.0
