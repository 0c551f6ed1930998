"""Which keys are due at `now`. Pure: no clock, no I/O; one schedule per provider.

A key is refreshed once per window, at the window's boundaries on the wall clock (multiples of the window since 1970):
so all keys of a route change together, on every host alike. A slow fetch skips the boundaries that pass meanwhile."""

import heapq
import math
from dataclasses import dataclass

from holdover.key import CanonicalRequest
from holdover.settings import RouteSettings

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0


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


class Schedule:
    """The demanded keys of one provider, at most `max_keys`."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._items: dict[str, _Item] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._items)

    def demand(self, request: CanonicalRequest, route: RouteSettings, asked_at: float, fetched_at: float) -> bool:
        """A client asked for the key at `asked_at`; what there is of it was fetched at `fetched_at`. False when
        there is no room for another key."""
        item = self._items.get(request.key)
        if item is not None:
            item.asked_at = max(item.asked_at, asked_at)
            return True
        if len(self._items) >= self._max_keys:
            return False
        item = self._items[request.key] = _Item(request, route, asked_at, boundary_after(fetched_at, route.window_s))
        heapq.heappush(self._heap, (item.due_at, request.key))
        return True

    def pop(self, now: float) -> Due | None:
        """The refresh that is due longest; it counts as running until `finished`. Idle keys are forgotten."""
        while self._heap and self._heap[0][0] <= now:
            due_at, key = heapq.heappop(self._heap)
            item = self._items.get(key)
            if item is None or item.running or item.due_at != due_at:
                continue
            if item.asked_at + item.route.idle_after_s < now:
                del self._items[key]
                continue
            item.running = True
            return Due(item.request, due_at)
        return None

    def next_at(self) -> float | None:
        """When something may be due next (Unix seconds); None when nothing is scheduled."""
        return self._heap[0][0] if self._heap else None

    def finished(self, key: str, started_at: float, now: float, *, ok: bool) -> None:
        """The refresh ended. After a failure the next try comes sooner than the next window, if that is long."""
        item = self._items.get(key)
        if item is None:
            return
        item.running = False
        due_at = boundary_after(started_at, item.route.window_s)
        if ok:
            item.failures = 0
        else:
            retry_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(item.failures, 10))
            item.failures += 1
            due_at = min(due_at, now + retry_s)
        item.due_at = due_at
        heapq.heappush(self._heap, (due_at, key))

    def moved(self, routes: dict[str, RouteSettings]) -> "Schedule":
        """The same demand under changed routes (by name); keys of routes that are gone are left out."""
        fresh = Schedule(self._max_keys)
        for item in self._items.values():
            if (route := routes.get(item.request.route)) is not None:
                fresh.demand(item.request, route, item.asked_at, item.due_at - item.route.window_s)
        return fresh


def boundary_after(moment: float, window_s: float) -> float:
    """The first multiple of the window after `moment`."""
    return (math.floor(moment / window_s) + 1) * window_s
