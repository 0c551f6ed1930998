"""The vendor's clock, which tests move ahead instead of waiting, and limits counted on it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime


class Clock:
    """Unix seconds that run with the machine's clock, ahead of it by what was advanced, behind by what was frozen."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()
        self._frozen: float | None = None

    def now(self) -> float:
        return self._ahead + time.monotonic() if self._frozen is None else self._frozen

    def advance(self, seconds: float) -> None:
        if self._frozen is None:
            self._ahead += seconds
        else:
            self._frozen += seconds

    def freeze(self, frozen: bool) -> None:
        """Stops the clock, so that windows of a second do not depend on how fast a test runs; or lets it go on."""
        now = self.now()
        self._ahead = now - time.monotonic()
        self._frozen = now if frozen else None


class Window:
    """At most so many admissions of one name within any `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._admitted: dict[object, deque[float]] = defaultdict(deque)

    def admit(self, name: object, now: float, limit: int) -> float:
        """0 when admitted, else the seconds until the next admission. A limit of 0 admits everything."""
        times = self._admitted[name]
        while times and times[0] <= now - self.seconds:
            times.popleft()
        if limit and len(times) >= limit:
            return times[0] + self.seconds - now
        times.append(now)
        return 0.0

    def used(self, name: object) -> int:
        return len(self._admitted[name])


class Ledger:
    """What each credential spent in the present period; `period` is a strftime pattern, a new text a new period."""

    def __init__(self, period: str) -> None:
        self._period = period
        self._present = ""
        self._spent: Counter[str] = Counter()
        self.total = 0

    def spent(self, credential: str, now: float) -> int:
        present = iso(now, self._period)
        if present != self._present:
            self._present, self._spent = present, Counter()
        return self._spent[credential]

    def charge(self, credential: str, cost: int, now: float) -> int:
        """What the credential has spent with this."""
        self._spent[credential] = self.spent(credential, now) + cost
        self.total += cost
        return self._spent[credential]

    def reset(self) -> None:
        self._spent.clear()
        self.total = 0

    def document(self) -> dict[str, int]:
        return dict(self._spent)


DAY = "%Y-%m-%d"
MONTH = "%Y-%m"


def iso(now: float, pattern: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return datetime.fromtimestamp(now, UTC).strftime(pattern)
