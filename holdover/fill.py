"""Fills the store: single flight per key around fetch and put. The sidecar's job, and the proxy's while there is no
sidecar."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdover.entry import Entry
from holdover.fetch import Fetcher
from holdover.flight import Flights
from holdover.intake import Failed, Fetched, FetchResult
from holdover.key import CanonicalRequest
from holdover.metrics import Metrics, Trigger
from holdover.rules import Rules
from holdover.store.base import Store, StoreError

logger = logging.getLogger("holdover.fill")


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a fill; `led` when this caller's request started the fetch rather than joined it."""

    result: FetchResult
    led: bool


class Filler:
    """Owns the fetchers of one process. `store` calls run on one thread of their own, in order."""

    def __init__(
        self,
        rules: Rules,
        store: Store,
        metrics: Metrics,
        *,
        user_agent: str,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._clock = clock
        self._flights: Flights[FetchResult] = Flights()
        self._disk = ThreadPoolExecutor(1, "store")
        self._rules = rules
        self._fetchers: dict[str, Fetcher] = {}
        self._retired: set[asyncio.Task[None]] = set()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration; calls under way end with the old one."""
        self._rules = rules
        for name, fetcher in list(self._fetchers.items()):
            if rules.provider(name) != fetcher.provider:
                del self._fetchers[name]
                task = asyncio.create_task(self._retire(fetcher))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)

    async def close(self) -> None:
        await self._flights.settle()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        for fetcher in self._fetchers.values():
            await fetcher.close()
        self._disk.shutdown()

    def fetcher(self, provider: str) -> Fetcher | None:
        """The fetcher of a configured provider, made when first needed; None also when its `ca_file` went away."""
        if (fetcher := self._fetchers.get(provider)) is None and (found := self._rules.provider(provider)):
            try:
                fetcher = self._fetchers[provider] = Fetcher(
                    found, self._metrics.upstream, user_agent=self._user_agent, ca_file=self._ca_file
                )
            except OSError:
                logger.exception("%s cannot be called with this configuration", provider)
        return fetcher

    async def fill(self, canonical: CanonicalRequest, newer_than: float, trigger: Trigger) -> Filled:
        """An entry confirmed at or after `newer_than` (Unix seconds), fetched if the store has none.

        Who comes while a fetch of the key is under way shares it."""
        task, led = self._flights.join(canonical.key, lambda: self._fill(canonical, newer_than, trigger))
        if led:
            return Filled(await asyncio.shield(task), led=True)
        started = time.perf_counter()
        result = await asyncio.shield(task)
        self._metrics.cache.flight_wait.labels("node").observe(time.perf_counter() - started)
        outcome = "ok" if isinstance(result, Fetched) else "leader_failed"
        self._metrics.cache.flight_waits.labels("node", outcome).inc()
        return Filled(result, led=False)

    async def _fill(self, canonical: CanonicalRequest, newer_than: float, trigger: Trigger) -> FetchResult:
        route = self._rules.route(canonical.provider, canonical.route)
        fetcher = self.fetcher(canonical.provider)
        if route is None or fetcher is None:
            return Failed("the configuration does not allow to call the provider")
        # Single flight joins only calls that overlap: asker 1 finds nothing, asker 2's flight fetches, stores and
        # ends, asker 1 starts a flight of its own. So the store is looked at again inside the flight.
        previous = await self.stored(canonical.key)
        if previous is not None and newer_than <= previous.requested_at <= self._clock():
            return Fetched(previous, None)
        result = await fetcher.fetch(route, canonical, previous, trigger)
        if isinstance(result, Fetched):
            return Fetched(await self._put(result.entry), result.effect)
        return result

    async def on_disk[T](self, call: Callable[[], T]) -> T:
        """Runs a store operation in order with all others, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    async def stored(self, key: str) -> Entry | None:
        """What the shared store has, None also when it does not answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, self._store.get, key)
        except StoreError:
            self._trouble()
            return None

    async def _put(self, entry: Entry) -> Entry:
        started = time.perf_counter()
        try:
            standing = await asyncio.get_running_loop().run_in_executor(
                self._disk, self._store.put, entry, self._clock()
            )
        except StoreError:
            self._trouble()
            return entry
        self._metrics.cache.duration.labels("disk", "put").observe(time.perf_counter() - started)
        self._metrics.cache.operations.labels("disk", "put", "ok").inc()
        self._metrics.runtime.degraded.labels("store").set(0)
        return standing

    def _trouble(self) -> None:
        self._metrics.runtime.internal_errors.labels("store").inc()
        self._metrics.runtime.degraded.labels("store").set(1)

    async def _retire(self, fetcher: Fetcher) -> None:
        try:
            await asyncio.sleep(fetcher.longest)
        finally:
            await fetcher.close()
