"""Fills the store for routes whose freshness is the origin's: one flight for all who ask alike. The sidecar's job,
and the proxy's while there is no sidecar."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdover.caching.changing import added
from holdover.caching.reuse import Use
from holdover.caching.stored import Stored
from holdover.exchange import Request
from holdover.flight import Flights
from holdover.key import ForOrigin
from holdover.metrics import Metrics, Trigger
from holdover.origin.client import NoAnswer, OriginClient
from holdover.origin.fetch import Obtained, OriginFetcher
from holdover.origin.found import look_up, nothing_of
from holdover.origin.shelf import OriginShelf
from holdover.rules import Provider, Rules
from holdover.store.base import Blobs
from holdover.upstream import Upstream

HELD_S = 0.1
"""How long who asks for a refresh that is not to be made waits to hear that."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody else's flight has ended, with this status, without an answer, or before it was looked at. What it
    brought for others is stored, or `loose`: in the memory alone of who tells this."""

    status: int = 0
    failed: NoAnswer | None = None
    loose: Stored | None = None


def ended_with(obtained: Obtained) -> Joined:
    """What who joined is told of a flight."""
    answer, loose = obtained.answer, obtained.stored if obtained.loose else None
    return Joined(failed=answer) if isinstance(answer, NoAnswer) else Joined(answer.status, loose=loose)


type Flown = Obtained | Joined


class OriginFiller:
    """Of one process. Make, use and close it inside one event loop."""

    def __init__(
        self,
        rules: Rules,
        store: Blobs,
        upstream: Upstream,
        metrics: Metrics,
        *,
        ca_file: Path | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._upstream = upstream
        self._metrics = metrics
        self._ca_file = ca_file
        self._clock = clock
        self._threads = ThreadPoolExecutor(1, "origin-reads"), ThreadPoolExecutor(1, "origin-writes")
        self.shelf = OriginShelf(store, *self._threads, metrics)
        self._fetchers: dict[str, OriginFetcher] = {}
        self._flights: Flights[Obtained] = Flights()
        self._retired: set[asyncio.Task[None]] = set()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration; calls under way end with the old one."""
        self._rules = rules
        for name, fetcher in list(self._fetchers.items()):
            if rules.provider(name) != fetcher.client.provider:
                del self._fetchers[name]
                task = asyncio.create_task(_retire(fetcher.client))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)

    async def close(self) -> None:
        await self._flights.settle()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        for fetcher in self._fetchers.values():
            await fetcher.client.close()
        await self.shelf.close()
        for thread in self._threads:
            thread.shutdown()

    def route(self, provider: str, route: str, target: str) -> ForOrigin | None:
        """The route of that name, if it is one of these."""
        found, named = self._rules.provider(provider), self._rules.route(provider, route)
        if found is None or named is None or named.settings.freshness != "origin":
            return None
        return ForOrigin(found, named, target)

    def fetcher(self, provider: Provider) -> OriginFetcher:
        if (fetcher := self._fetchers.get(provider.name)) is None:
            client = OriginClient(provider, self._ca_file)
            fetcher = OriginFetcher(client, self.shelf, self._upstream, self._metrics.upstream, self._clock)
            self._fetchers[provider.name] = fetcher
        return fetcher

    async def fly(
        self, asked: ForOrigin, request: Request, trigger: Trigger, within_s: float, *, alone: bool = False
    ) -> Flown:
        """Has the origin asked for all who ask alike meanwhile, but not where its turn does not come within
        `within_s` seconds, nor for a refresh that would delay what a client waits for. `alone`: what comes is for who
        asks alone, so it is no other's. Raises Unsendable."""
        # Asked again here: another process may have had it fetched since who asks looked.
        found = await look_up(self.shelf, asked, request, self._clock())
        errand = found.errand(trigger, within_s)
        if alone:
            return await self.fetcher(asked.provider).obtain(errand)
        if isinstance(found.verdict, Use) and not (found.verdict.refresh and trigger == "refresh"):
            # Here it may be in memory alone.
            return Joined(loose=found.chosen if self.shelf.is_loose(found.variants.key) else None)
        if trigger == "refresh" and not await self._ready(asked.provider):
            # Each hit on what is stale asks for it, once the last such question is answered.
            await asyncio.sleep(HELD_S)
            return Joined()
        task, led = self._flights.join(found.alike, lambda: self.fetcher(asked.provider).obtain(errand))
        obtained = await asyncio.shield(task)
        if led:
            return obtained
        return ended_with(obtained)

    async def hold(self, asked: ForOrigin, flown: Flown) -> None:
        """Holds what another process had the origin say, and could not store for this one."""
        ended = ended_with(flown) if isinstance(flown, Obtained) else flown
        if (new := ended.loose) is not None:
            longest, now = asked.provider.settings.limits.max_body_bytes, self._clock()
            await self.shelf.hold(nothing_of(asked), lambda held: added(held, new, None, longest, now))

    async def _ready(self, provider: Provider) -> bool:
        limited = await self._upstream.limits(provider)
        return limited is not None and limited[0].ready(limited[1])


async def _retire(client: OriginClient) -> None:
    try:
        # As long as a call may wait for its turn.
        await asyncio.sleep(2 * client.provider.settings.limits.timeout_s)
        while client.calls:  # noqa: ASYNC110
            await asyncio.sleep(1)
    finally:
        await client.close()
