"""How often a key may ask: what the provider documents, and what it has scaled up for."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 1.0
HEADROOM = 1.5
LEAST_SHARE = 1 / 6


@dataclass(slots=True)
class Rate:
    """`taken` holds when the requests of the last second were admitted, and when those in a queue will be.

    `load` is how many requests a second the provider saw lately, as of `seen_at`.
    """

    taken: deque[float] = field(default_factory=deque)
    load: float = 0.0
    seen_at: float = 0.0

    def limit(self, now: float, documented: int, ramp_s: float) -> int:
        """Counts a request into the load. What is allowed in a second, 0 for no limit.

        The provider is ready for half as much again as the load, which follows what is asked within about `ramp_s`,
        and always for a sixth of the documented limit. So a steady rate is never refused, one that grows fast is for
        a while, and the documented limit holds in any case.
        """
        if not documented or not ramp_s:
            return documented
        self.load = self.load * math.exp((self.seen_at - now) / ramp_s) + 1 / ramp_s
        self.seen_at = now
        return min(documented, math.ceil(max(documented * LEAST_SHARE, self.load * HEADROOM)))

    def place(self, now: float, limit: int) -> float:
        """The time from which one more is within the limit, never before that of a request that came earlier."""
        while self.taken and now - self.taken[0] >= WINDOW_S:
            self.taken.popleft()
        earliest = max(now, self.taken[-1]) if self.taken else now
        return max(earliest, self.taken[-limit] + WINDOW_S) if len(self.taken) >= limit else earliest
