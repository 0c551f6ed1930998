"""The in-process tier: a dict of ready answers that follows the shared store.

A lookup first asks the store's position, a few microseconds and no SQLite; so a change is seen by the first lookup
after it, however busy the event loop is. Only an answer that did change is read anew."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from holdover.answer import Ready
from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.metrics import Metrics
from holdover.owed import Owed, Owing
from holdover.policy import supersedes, varying
from holdover.rules import Rules
from holdover.settings import HotSettings
from holdover.store.base import Store, StoreError

CHECK_INTERVAL_S = 0.005
_SECOND_CHANCES = 32


class HotTier:
    """Ready answers by key, bounded in number and bytes. For one thread."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        limits: HotSettings,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._ready: dict[str, Ready] = {}
        self._bytes = 0
        self._next_check = 0.0
        self._position = store.position()
        self._lost: set[str] = set()
        self.owed: Owed[CanonicalRequest] = Owed()
        """Targets of which the store has what is older than a change."""
        self._varying: dict[tuple[str, str], frozenset[str]] = {}
        self._durations: dict[str, deque[float]] = {}
        self.use(rules, limits)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def size(self) -> int:
        """Bytes held, about."""
        return self._bytes

    def use(self, rules: Rules, limits: HotSettings) -> None:
        """Takes over a changed configuration. Everything is made anew from the store when next asked for."""
        self._rules = rules
        self._limits = limits
        for ready in self._ready.values():
            ready.outdated = True
        self._ready.clear()
        self._varying.clear()
        self._lost.clear()
        self._bytes = 0

    def get(self, key: str, *, together: bool = False) -> Ready | None:
        """The newest answer that any process stored under `key`, if this process holds the key at all. `together`:
        not a moment later than what else changed with it, in any process."""
        now = self._monotonic()
        if together or now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            self.follow()
        ready = self._ready.get(key)
        if ready is not None and ready.outdated:
            return self._reload(key, ready)
        return ready

    def load(self, key: str, *, together: bool = False) -> Ready | None:
        """Like `get`, but looks in the store for a key that this process does not hold."""
        if (ready := self.get(key, together=together)) is not None:
            return ready
        started = time.perf_counter()
        try:
            entry = self._store.get(key, settled=together)
        except StoreError:
            self._trouble()
            return None
        self._metrics.cache.duration.labels("disk", "get").observe(time.perf_counter() - started)
        self._metrics.cache.operations.labels("disk", "get", "hit" if entry else "miss").inc()
        return self.put(entry) if entry is not None else None

    def varying(self, request: CanonicalRequest) -> frozenset[str]:
        """The fields that selected the latest answer of the request's route, beside those of its key."""
        return self._varying.get((request.provider, request.route), frozenset())

    def forbid(self, request: CanonicalRequest, at: float, until: float) -> None:
        """Nothing that was asked for before `at` is given of this target, whatever the store has; from `until` on
        nothing would be."""
        self.owed.add(request.resource, Owing(request, at, until))
        for key, ready in list(self._ready.items()):
            if self.forbids(ready.entry):
                self._drop(key, "purge")

    def forbids(self, entry: Entry) -> bool:
        """Whether it was asked for before a change that the store does not know of."""
        return entry.requested_at < self.owed.since(entry.request.resource)

    def put(self, entry: Entry) -> Ready | None:
        """Makes `entry` ready, unless that would take the key back in time; returns what stands. None when it must
        not be given, or the configuration no longer has its provider, or the kinds of projection that made it."""
        provider = self._rules.provider(entry.request.provider)
        if self.forbids(entry):
            return None
        if provider is None or not entry.made_by <= frozenset[str](provider.settings.projection.kinds):
            return None
        old = self._ready.get(entry.key)
        if old is not None and not supersedes(entry, old.entry, self._clock()):
            return old
        self._lost.discard(entry.key)
        route = self._rules.route(provider.name, entry.request.route)
        selecting = varying(route.settings, entry.headers, provider.credentials) if route is not None else frozenset()
        self._varying[provider.name, entry.request.route] = selecting
        ready = Ready(entry, provider.settings.quota, selecting)
        if old is not None:
            self._replaced(old, ready)
        self._durations.setdefault(provider.name, deque(maxlen=256)).append(entry.fetch_s)
        self._bytes += ready.size - (old.size if old is not None else 0)
        self._ready[entry.key] = ready
        self._evict()
        return ready

    def fetch_durations(self, provider: str) -> Sequence[float]:
        """How long the provider took for the last 256 answers that came by here, in seconds."""
        return self._durations.get(provider, ())

    def follow(self) -> None:
        """Marks what changed in the store; a lookup does this by itself."""
        try:
            if self._store.position() == self._position:
                return
            changes = self._store.changes(self._position)
        except (StoreError, OSError):
            self._trouble()
            return
        if changes.position.epoch != self._position.epoch:
            # The store was begun anew: what it lacks was not purged, and is kept until its limit.
            self._lost.update(self._ready)
        self._position = changes.position
        for key in changes.keys if changes.keys is not None else self._ready:
            if (ready := self._ready.get(key)) is not None:
                ready.outdated = True

    def _reload(self, key: str, old: Ready) -> Ready | None:
        try:
            entry = self._store.get(key)
        except StoreError:
            self._trouble()
            return old
        keep = key in self._lost
        self._lost.discard(key)
        if entry is not None and (ready := self.put(entry)) is not None:
            ready.outdated = False
            return ready
        if keep:
            old.outdated = False
            return old
        self._drop(key, "purge")
        return None

    def _replaced(self, old: Ready, new: Ready) -> None:
        # Whoever holds it still has to ask anew.
        old.outdated = True
        new.reported_at, new.kept = old.reported_at, old.kept
        entry, now = new.entry, self._clock()
        upstream = entry.request.provider
        self._metrics.refresh.objects.labels(upstream, "read" if old.served else "unread").inc()
        self._metrics.cache.invalidation_delay.observe(max(0.0, now - entry.received_at))
        if old.entry.revision != entry.revision:
            delay = self._metrics.refresh.update_delay.labels
            delay(upstream, "fetch").observe(max(0.0, now - entry.requested_at))
            if new.dated_at is not None:
                delay(upstream, "header").observe(max(0.0, now - new.dated_at))

    def _evict(self) -> None:
        """Second chance: the oldest goes unless it was served since it last came up."""
        chances = _SECOND_CHANCES
        while len(self._ready) > self._limits.max_entries or (
            self._bytes > self._limits.max_bytes and len(self._ready) > 1
        ):
            key, ready = next(iter(self._ready.items()))
            if ready.served and chances:
                chances -= 1
                ready.served = False
                self._ready[key] = self._ready.pop(key)
            else:
                self._drop(key, "size")

    def _drop(self, key: str, reason: str) -> None:
        if (ready := self._ready.pop(key, None)) is not None:
            ready.outdated = True
            self._bytes -= ready.size
            self._lost.discard(key)
            self._metrics.cache.evictions.labels("memory", reason).inc()

    def _trouble(self) -> None:
        self._metrics.runtime.internal_errors.labels("store").inc()
        self._metrics.runtime.degraded.labels("store").set(1)
