"""How often the provider reads a book for an event: less often far from the start, most often in play.

From six hours before the start the interval shrinks evenly, and it has become the interval in play when play begins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .catalog import HOUR, Book
from .schedule import Event

SHRINKS_FOR_S = 6 * HOUR
FEATURED_S, FEATURED_IN_PLAY_S = 60.0, 40.0
OUTRIGHT_S, OUTRIGHT_IN_PLAY_S = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """Counts the readings of a book: `count` rises by one with each interval and is 0 where shrinking begins."""

    commence: int
    far_s: float
    in_play_s: float

    def interval(self, at: float) -> float:
        """Seconds from one reading to the next."""
        left = min(SHRINKS_FOR_S, max(0.0, self.commence - at))
        return self.in_play_s + (self.far_s - self.in_play_s) * left / SHRINKS_FOR_S

    def count(self, at: float) -> float:
        """The integral of 1 / interval."""
        since = at - self.commence + SHRINKS_FOR_S
        if since <= 0:
            return since / self.far_s
        shrunk = self._per_fold * math.log(self.far_s / self.interval(at))
        return shrunk + max(0.0, at - self.commence) / self.in_play_s

    def time(self, count: float) -> float:
        """The inverse of `count`."""
        began = self.commence - SHRINKS_FOR_S
        if count <= 0:
            return began + count * self.far_s
        at_start = self._per_fold * math.log(self.far_s / self.in_play_s)
        if count >= at_start:
            return self.commence + (count - at_start) * self.in_play_s
        return began - self._per_fold * self.far_s * math.expm1(-count / self._per_fold)

    @property
    def _per_fold(self) -> float:
        """Readings while the interval shrinks by a factor of e."""
        return SHRINKS_FOR_S / (self.far_s - self.in_play_s)


def cadence(event: Event, book: Book) -> Cadence:
    return rhythm(event.commence, event.sport.has_outrights, book.is_exchange)


@lru_cache(maxsize=4096)
def rhythm(commence: int, outrights: bool, exchange: bool) -> Cadence:
    """Exchanges are read twice as often."""
    far, in_play = (OUTRIGHT_S, OUTRIGHT_IN_PLAY_S) if outrights else (FEATURED_S, FEATURED_IN_PLAY_S)
    return Cadence(commence, far / 2, in_play / 2) if exchange else Cadence(commence, far, in_play)
