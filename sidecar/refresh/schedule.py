"""Which keys are due at `now`. Pure: no clock, no I/O; one schedule per provider.

A key is refreshed once per window, at the window's boundaries on the wall clock (multiples of the window since 1970):
so all keys of a route change together, on every host alike. A fetch that takes longer than a window skips the
boundaries that pass meanwhile; the next one starts at once, because its odds are late already."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.route_settings import RouteSettings

from .item import UNKNOWN, Brought, Item
from .lanes import Lanes

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
SWEEP_INTERVAL_S = 1.0
CLOCK_STEP_S = 1.0
MAX_SEEN = 1_000
"""Answers to what is not kept fresh that are remembered, in case it will be."""
MAX_PUSHED, MAX_PUSHED_EACH = 1_000, 4
"""What the lanes hold, and for each key: one that is planned anew leaves there what it was planned for before."""

MAX_RENEWED = 1_000
"""Groups of which it is remembered when they were renewed for a client: of one partition each."""
_NOTICEABLE = 0.05


@dataclass(frozen=True, slots=True)
class Due:
    """A refresh to start: `at` is the boundary at which it was due (Unix seconds)."""

    request: CanonicalRequest
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that is kept fresh, as the planner and the governor see it; `window_s` as it is now without stretch."""

    request: CanonicalRequest
    route: RouteSettings
    board: Board
    window_s: float


class Schedule:
    """The demanded keys of one provider, at most `max_keys`."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._items: dict[str, Item] = {}
        self._lanes = Lanes()
        self._seen: dict[str, Brought] = {}
        self._latest = 0.0
        self._next_sweep = 0.0
        self._renewed: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def demand(
        self,
        request: CanonicalRequest,
        route: RouteSettings,
        asked_at: float,
        fetched_at: float,
        board: Board = UNKNOWN,
        wanted_s: float = 0.0,
    ) -> bool:
        """A client asked for the key at `asked_at`, or for what depends on it and is kept fresh for `wanted_s` after
        that; what there is of it was fetched at `fetched_at`. False when there is no room for another key."""
        item = self._items.get(request.key)
        if item is not None:
            item.asked_at = max(item.asked_at, asked_at)
            item.wanted_s = max(item.wanted_s, wanted_s)
            return True
        if not self.has_room(asked_at):
            return False
        item = Item(request, route, asked_at, fetched_at, board=board, wanted_s=wanted_s)
        if (seen := self._seen.pop(request.key, None)) is not None and seen.asked_at + route.idle_after_s >= asked_at:
            item.stands(seen)
        item.due_at = item.next_at(asked_at)
        self._plan(item)
        return True

    def has_room(self, now: float) -> bool:
        """Whether one more key could be kept fresh."""
        return len(self._items) < self._max_keys or self._forget_idle(now)

    def learn(self, key: str, new: Brought, now: float) -> None:
        """Somebody else's call brought this. It may come just before the demand for it does."""
        item = self._items.get(key)
        if item is None:
            self._remember(key, new)
        elif not item.running and (new.asked_at > item.fetched_at or not item.known):
            (item.brought if item.known else item.stands)(new)
            if new.projected:
                item.carried_at = new.asked_at
            item.failures = 0
            item.due_at = item.next_at(now)
            self._plan(item)

    def hurry(self, changed: Mapping[str, float], now: float) -> None:
        """The provider tells when these keys changed (Unix seconds): what was fetched before then is due at once, or
        as soon as the provider and the route allow another request. No cadence or stretch holds it back."""
        for key, at in changed.items():
            if (item := self._items.get(key)) is not None and at > item.changed_at:
                item.changed_at = at
                if not item.running and not item.failures:
                    item.due_at = item.next_at(now)
                    self._plan(item)

    def stretch(self, stretches: Mapping[str, float], now: float) -> None:
        """Takes over what the governor allows; 1 for a key that it does not name."""
        for key, item in self._items.items():
            stretch = stretches.get(key, 1.0)
            if abs(stretch - item.stretch) > _NOTICEABLE * item.stretch:
                item.stretch = stretch
                if not item.running and not item.failures:
                    item.due_at = item.next_at(now)
                    self._plan(item)

    def partitions(self) -> set[str]:
        """Of all that is kept fresh."""
        return {item.request.partition for item in self._items.values()}

    def requests(self, partition: str) -> list[CanonicalRequest]:
        return [item.request for item in self._items.values() if item.request.partition == partition]

    def kept(self, now: float) -> list[Kept]:
        """All that is kept fresh."""
        return [
            Kept(item.request, item.route, item.board, item.window(now))
            for item in self._items.values()
            if not item.idle(now)
        ]

    def overdue(self, now: float) -> float:
        """By how many seconds what is kept fresh is past its window, at most."""
        items = [item for item in self._items.values() if not item.idle(now)]
        return max((now - item.fetched_at - item.promise(now) for item in items), default=0.0)

    def group(self, first: Due, now: float) -> list[Due]:
        """`first` with all others of its group of routes, due or not: the most urgent sets the pace of all, or else
        a new board would stand beside an old one. A retry goes alone, and what was refreshed for this boundary
        already is left out. What is due longest comes first."""
        item = self._items.get(first.request.key)
        if item is None or item.route.group is None or item.failures:
            return [first]
        others = [other for other in self._items.values() if self._joins(other, item, first.at, now)]
        for other in others:
            other.running = True
        others.sort(key=lambda other: other.due_at)
        # After a standstill some are due for later boundaries than the first.
        ats = [max(first.at, other.due_at) if other.due_at <= now else first.at for other in others]
        return [first, *(Due(other.request, at) for other, at in zip(others, ats, strict=True))]

    def _joins(self, other: Item, first: Item, at: float, now: float) -> bool:
        same = _group_of(other) == _group_of(first)
        wanted = other.fetched_at < at or other.due_at <= now
        allowed = other.fetched_at + other.floor_s <= now
        return same and wanted and allowed and not other.running and not other.idle(now)

    def take(
        self, requests: Iterable[CanonicalRequest], wide_key: str, asked_at: float, now: float
    ) -> list[CanonicalRequest]:
        """Those of `requests` that would be due before the wider answer of `wide_key`, of which they can be made,
        comes again after that of `asked_at`: they run until `finished` or `postpone`. What is in a group is refreshed
        with it."""
        wide = self._items.get(wide_key)
        again_at = asked_at + wide.promise(now) if wide is not None and not wide.idle(now) else math.inf
        taken = []
        for request in requests:
            item = self._items.get(request.key)
            if item is None or item.running or item.route.group is not None or item.idle(now):
                continue
            if item.fetched_at < asked_at and item.due_at <= again_at:
                item.running, item.carried_at = True, asked_at
                taken.append(request)
        return taken

    def renew(self, group: str, partition: str, fetched_at: float, now: float) -> None:
        """Somebody else's call brought a board of the group, newer than the others are. They are due too, but not for
        every such call: once in the shortest window of the group."""
        keys = [item for item in self._items.values() if _group_of(item) == (group, partition) and not item.idle(now)]
        behind = [item for item in keys if item.behind(fetched_at, now)]
        if behind and now >= self._renewed.get((group, partition), 0.0) + min(item.promise(now) for item in keys):
            self._renewed.pop((group, partition), None)
            self._renewed[group, partition] = now
            if len(self._renewed) > MAX_RENEWED:
                del self._renewed[next(iter(self._renewed))]
            first = min(behind, key=lambda item: item.fetched_at)
            first.due_at = min(first.due_at, fetched_at)
            self._plan(first)

    def pop(self, now: float) -> Due | None:
        """The refresh that is due longest; it counts as running until `finished`. Idle keys are forgotten."""
        if now < self._latest - CLOCK_STEP_S:
            self._clock_stepped_back(now)
        self._latest = now
        while (first := self._lanes.pop(now)) is not None:
            due_at, key = first
            item = self._items.get(key)
            if item is None or item.running or item.due_at != due_at:
                continue
            if item.idle(now):
                del self._items[key]
                continue
            item.running = True
            return Due(item.request, due_at)
        return None

    def postpone(self, request: CanonicalRequest, until: float | None) -> None:
        """Takes back what `pop` or `take` gave and was not started; it keeps its place. Nothing of its partition
        comes before `until`, if that is given."""
        if (item := self._items.get(request.key)) is not None:
            item.running = False
            self._plan(item)
            if until is not None:
                self._lanes.hold(request.partition, until)

    def next_at(self) -> float | None:
        """When something may be due next (Unix seconds); None when nothing is scheduled."""
        return self._lanes.next_at()

    def finished(self, key: str, now: float, brought: Brought | None) -> None:
        """The refresh ended; `brought` is None after a failure: the next try comes at the next boundary, or sooner if
        that is far."""
        item = self._items.get(key)
        if item is None:
            return
        item.running = False
        if brought is not None and brought.asked_at > now:
            # The clock stepped back while it ran, and may have been found to have before it ended.
            brought = replace(brought, asked_at=now)
        if brought is not None and brought.asked_at > item.fetched_at:
            item.failures = 0
            item.brought(brought)
            item.due_at = item.next_at(now)
        elif brought is not None:
            # What there was already. Due at once again, it would be asked for without end.
            item.failures = 0
            item.due_at = max(item.next_at(now), now + FIRST_RETRY_S)
        else:
            retry_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(item.failures, 10))
            item.failures += 1
            item.due_at = min(boundary_after(now, item.route.window_s), now + retry_s)
        self._plan(item)

    def drop(self, key: str) -> None:
        """It is not kept fresh any longer."""
        self._items.pop(key, None)

    def moved(self, routes: dict[str, RouteSettings], now: float) -> "Schedule":
        """The same demand under changed routes (by name); keys of routes that are gone are left out."""
        fresh = Schedule(self._max_keys)
        fresh._seen = self._seen
        for item in self._items.values():
            if (route := routes.get(item.request.route)) is None:
                continue
            same = item.failures or route == item.route
            changed = replace(item, route=route)
            changed.due_at = item.due_at if same else changed.next_at(now)
            fresh._plan(changed)
        return fresh

    def _plan(self, item: Item) -> None:
        self._items[item.request.key] = item
        if not item.running:
            self._lanes.push(item.due_at, item.request.partition, item.request.key)
        if len(self._lanes) > MAX_PUSHED + MAX_PUSHED_EACH * len(self._items):
            self._lanes.keep({key: item.due_at for key, item in self._items.items() if not item.running})

    def _remember(self, key: str, new: Brought) -> None:
        self._seen.pop(key, None)
        self._seen[key] = new
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

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
        self._lanes.clear()
        self._seen.clear()
        self._renewed.clear()
        self._next_sweep = now
        for item in self._items.values():
            item.asked_at = min(item.asked_at, now)
            item.fetched_at = min(item.fetched_at, now)
            item.changed_at = min(item.changed_at, now)
            item.due_at = min(item.due_at, boundary_after(now, item.route.window_s))
            self._plan(item)


def boundary_after(moment: float, window_s: float) -> float:
    """The first multiple of the window after `moment`."""
    return (math.floor(moment / window_s) + 1) * window_s


def _group_of(item: Item) -> tuple[str | None, str]:
    return item.route.group, item.request.partition
