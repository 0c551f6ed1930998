"""The shared store as the one who fills it sees it: off the event loop, and with what generations hold back."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.generation import Generation, Generations
from holdover.metrics import Metrics
from holdover.projection import Projections
from holdover.store.base import Store, StoreError
from holdover.store.tries import Tries


class Shelf:
    """For one event loop. A store that does not answer is done without, and counted. `disk` is the thread on which
    all that touches disks runs, in order. Nothing is given or kept that was made by a kind of projection which is not
    on (any longer)."""

    def __init__(
        self,
        store: Store,
        disk: ThreadPoolExecutor,
        projections: Projections,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._disk = disk
        self._projections = projections
        self._metrics = metrics
        self._clock = clock
        self._tries = Tries()
        self._generations = Generations()
        self.failing = False
        """Whether the last write was in vain. That reading still works tells nothing of it."""

    async def on_disk[T](self, call: Callable[[], T]) -> T:
        """Runs a store operation in order with all others, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    async def stored(self, key: str) -> Entry | None:
        """What the shared store has, or will have when its generation is complete; None also when it does not
        answer."""
        held = generation.holds(key) if (generation := self._generations.of(key)) is not None else None
        if held is not None and self.stands(held) and await self._is_unchanged(held):
            return held
        try:
            entry = await self.on_disk(partial(self._store.get, key))
        except StoreError:
            self._trouble()
            return None
        return entry if entry is not None and self.stands(entry) else None

    def stands(self, entry: Entry) -> bool:
        """Not made by a kind of projection that was found wrong meanwhile, or is no longer configured."""
        return not entry.projected or entry.made_by <= self._projections.kinds(entry.request.provider)

    async def _is_unchanged(self, held: Entry) -> bool:
        """Whether its target has not been changed since it was asked for, as far as the store tells."""
        try:
            return await self.on_disk(partial(self._store.stands, held, self._clock()))
        except StoreError:
            self._trouble()
            return True

    async def put(self, entry: Entry, made_of: str = "") -> Entry | None:
        """What stands; None when it may be from before a change of its target. `made_of`: the key of the wider entry.
        What is made of one that nobody sees yet is seen with it."""
        generation = self._generations.of(entry.key)
        if generation is None and made_of:
            generation = self._generations.of(made_of)
        if generation is not None and (generation.takes(entry.key) or generation.holds(made_of) is not None):
            generation.arrive(entry)
            return entry
        return (await self._put_all([entry]))[0]

    async def remove(self, key: str) -> None:
        """What is stored must not be given any more."""
        try:
            await self.on_disk(self._tries.one(partial(self._store.delete, key)))
        except StoreError:
            self._trouble()

    async def invalidate(self, request: CanonicalRequest, at: float) -> bool:
        """Nothing that was asked for before `at` is stored of the request's target any more; False when the store
        cannot be told."""
        try:
            await self.on_disk(self._tries.one(partial(self._store.invalidate, request, at)))
        except StoreError:
            self.failing = True
            self._trouble()
            return False
        self.failing = False
        return True

    def begin(self, keys: list[str]) -> Generation:
        """What is put under these keys becomes visible at one moment."""
        return self._generations.begin(keys, self._publish)

    async def seen(self, key: str) -> None:
        """Until everybody may see what was put under `key`."""
        if (generation := self._generations.hiding(key)) is not None:
            await generation.done.wait()

    async def withdraw(self, provider: str) -> None:
        """Removes what was made by kinds of projection that are no longer on; nobody is given it any more."""
        try:
            await self.on_disk(partial(self._remove_fallen, provider, self._projections.kinds(provider)))
        except StoreError:
            self._trouble()

    def _remove_fallen(self, provider: str, kinds: frozenset[str]) -> None:
        for entry in list(self._store.entries()):
            if entry.request.provider == provider and not entry.made_by <= kinds:
                self._store.delete(entry.key)

    async def _publish(self, entries: list[Entry]) -> None:
        await self._put_all([entry for entry in entries if self.stands(entry)])

    async def _put_all(self, entries: list[Entry]) -> Sequence[Entry | None]:
        """Stores entries so that all become visible at once; returns what stands."""
        started = time.perf_counter()
        try:
            standing = await self.on_disk(self._tries.one(partial(self._store.put_all, entries, self._clock())))
        except StoreError:
            self.failing = True
            self._trouble()
            return entries
        self.failing = False
        self._metrics.cache.duration.labels("disk", "put").observe(time.perf_counter() - started)
        self._metrics.cache.operations.labels("disk", "put", "ok").inc()
        self._metrics.runtime.degraded.labels("store").set(0)
        return standing

    def _trouble(self) -> None:
        self._metrics.runtime.internal_errors.labels("store").inc()
        self._metrics.runtime.degraded.labels("store").set(1)
