"""The emulator's clock: virtual unix seconds, of which one or more pass per real second."""

from __future__ import annotations

import time
from collections.abc import Callable

Now = Callable[[], float]


def steady_clock() -> Now:
    """Unix seconds that never step back while the process runs."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class Clock:
    """Starts at the real time and runs `speed` times as fast; it can be set forward, never back.

    The board, `last_update`, the Date header and the month's reset go by it. Delays, the request rate and the
    length of faults are real time: a client waits for them in real time too.
    """

    def __init__(self, speed: float = 1.0, real: Now | None = None, start: float | None = None) -> None:
        self.speed = speed
        self.real = real or steady_clock()
        self._began = self.real()
        self._start = self._began if start is None else start

    def __call__(self) -> float:
        return self._start + (self.real() - self._began) * self.speed

    def advance(self, seconds: float) -> None:
        """Sets the clock forward by virtual seconds."""
        self._start += max(0.0, seconds)

    def run_at(self, speed: float) -> None:
        """Changes the speed from now on."""
        self._start, self._began = self(), self.real()
        self.speed = speed
