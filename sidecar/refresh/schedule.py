"""Which keys are due at `now`. Pure: no clock, no I/O; one schedule per provider.

A key is refreshed once per window, at the window's boundaries on the wall clock (multiples of the window since 1970):
so all keys of a route change together, on every host alike. A fetch that takes longer than a window skips the
boundaries that pass meanwhile; the next one starts at once, because its odds are late already."""

import heapq
import math
from dataclasses import dataclass, replace

from holdover.key import CanonicalRequest
from holdover.settings import RouteSettings

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
SWEEP_INTERVAL_S = 1.0
CLOCK_STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Due:
    """A refresh to start: `at` is the boundary at which it was due (Unix seconds)."""

    request: CanonicalRequest
    at: float


@dataclass(slots=True)
class _Item:
    request: CanonicalRequest
    route: RouteSettings
    asked_at: float
    due_at: float
    running: bool = False
    failures: int = 0

    def idle(self, now: float) -> bool:
        return self.asked_at + self.route.idle_after_s < now


class Schedule:
    """The demanded keys of one provider, at most `max_keys`."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._items: dict[str, _Item] = {}
        self._heap: list[tuple[float, str]] = []
        self._latest = 0.0
        self._next_sweep = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def demand(self, request: CanonicalRequest, route: RouteSettings, asked_at: float, fetched_at: float) -> bool:
        """A client asked for the key at `asked_at`; what there is of it was fetched at `fetched_at`. False when
        there is no room for another key."""
        item = self._items.get(request.key)
        if item is not None:
            item.asked_at = max(item.asked_at, asked_at)
            return True
        if len(self._items) >= self._max_keys and not self._forget_idle(asked_at):
            return False
        self._plan(_Item(request, route, asked_at, boundary_after(fetched_at, route.window_s)))
        return True

    def pop(self, now: float) -> Due | None:
        """The refresh that is due longest; it counts as running until `finished`. Idle keys are forgotten."""
        if now < self._latest - CLOCK_STEP_S:
            self._clock_stepped_back(now)
        self._latest = now
        while self._heap and self._heap[0][0] <= now:
            due_at, key = heapq.heappop(self._heap)
            item = self._items.get(key)
            if item is None or item.running or item.due_at != due_at:
                continue
            if item.idle(now):
                del self._items[key]
                continue
            item.running = True
            return Due(item.request, due_at)
        return None

    def next_at(self) -> float | None:
        """When something may be due next (Unix seconds); None when nothing is scheduled."""
        return self._heap[0][0] if self._heap else None

    def finished(self, key: str, started_at: float, now: float, *, ok: bool) -> None:
        """The refresh ended. After a failure the next try comes at the next boundary, or sooner if that is far."""
        item = self._items.get(key)
        if item is None:
            return
        item.running = False
        window_s = item.route.window_s
        if ok:
            item.failures = 0
            # The latest boundary that passed, if any did since the start.
            item.due_at = max(boundary_after(started_at, window_s), boundary_after(now, window_s) - window_s)
        else:
            retry_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(item.failures, 10))
            item.failures += 1
            item.due_at = min(boundary_after(now, window_s), now + retry_s)
        self._plan(item)

    def moved(self, routes: dict[str, RouteSettings]) -> "Schedule":
        """The same demand under changed routes (by name); keys of routes that are gone are left out."""
        fresh = Schedule(self._max_keys)
        for item in self._items.values():
            if (route := routes.get(item.request.route)) is None:
                continue
            # A back-off, or an unchanged window, keeps its time.
            kept = item.failures or route.window_s == item.route.window_s
            due_at = item.due_at if kept else boundary_after(item.due_at - item.route.window_s, route.window_s)
            fresh._plan(replace(item, route=route, due_at=due_at))
        return fresh

    def _plan(self, item: _Item) -> None:
        self._items[item.request.key] = item
        if not item.running:
            heapq.heappush(self._heap, (item.due_at, item.request.key))

    def _forget_idle(self, now: float) -> bool:
        """Makes room; looks at all keys, so only now and then."""
        if now < self._next_sweep:
            return False
        self._next_sweep = now + SWEEP_INTERVAL_S
        idle = [key for key, item in self._items.items() if item.idle(now) and not item.running]
        for key in idle:
            del self._items[key]
        return bool(idle)

    def _clock_stepped_back(self, now: float) -> None:
        """Times of the old clock lie ahead and would keep everything waiting for them."""
        self._heap.clear()
        self._next_sweep = now
        for item in self._items.values():
            item.asked_at = min(item.asked_at, now)
            item.due_at = min(item.due_at, boundary_after(now, item.route.window_s))
            self._plan(item)


def boundary_after(moment: float, window_s: float) -> float:
    """The first multiple of the window after `moment`."""
    return (math.floor(moment / window_s) + 1) * window_s
