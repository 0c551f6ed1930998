"""Fills the store: single flight per key around fetch and put. The sidecar's job, and the proxy's while there is no
sidecar."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from holdover import learning
from holdover.account import Account
from holdover.books import Books
from holdover.call import Call
from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.entry import Entry
from holdover.fetch import Fetcher, off_loop
from holdover.flight import Flights
from holdover.generation import Generations
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.key import Cacheable
from holdover.metrics import Effect, Metrics, Trigger
from holdover.policy import Expired, Fresh, decide
from holdover.projection import Projections
from holdover.provider_settings import RouteSettings
from holdover.rules import Provider, Route, Rules
from holdover.store.base import Store, StoreError
from holdover.store.ledger import Ledger

_MOST_SPACED = 10_000

logger = logging.getLogger("holdover.fill")


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a fill; `led` when this caller's request started the fetch rather than joined it."""

    result: FetchResult
    led: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    canonical: CanonicalRequest
    newer_than: float
    trigger: Trigger
    credential: Credential
    client: str


class Filler:
    """Owns the fetchers and the books of one process. Store and ledger calls run on one thread, in order."""

    def __init__(
        self,
        rules: Rules,
        store: Store,
        ledger: Ledger,
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
        self._called_at: dict[str, float] = {}
        self.books = Books(ledger, self._disk, metrics.runtime)
        self.projections = Projections(rules)
        self.generations = Generations()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration; calls under way end with the old one."""
        self._rules = rules
        self.projections.use(rules)
        for name, fetcher in list(self._fetchers.items()):
            if rules.provider(name) != fetcher.provider:
                del self._fetchers[name]
                self.books.forget(name)
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
        await self.books.keep(self._clock())
        self._disk.shutdown()

    async def recall(self) -> None:
        """Takes over from the ledger what was learnt about the providers, by this process or another."""
        for provider in self._rules.providers:
            try:
                known = await self.on_disk(partial(learning.read, self.books.ledger, provider.name))
            except StoreError as error:
                logger.warning("%s", error)
                return
            self.projections.learnt[provider.name] = known

    def fetcher(self, provider: str) -> Fetcher | None:
        """The fetcher of a configured provider, made when first needed; None also when its `ca_file` went away."""
        if (fetcher := self._fetchers.get(provider)) is None and (found := self._rules.provider(provider)):
            try:
                fetcher = self._fetchers[provider] = Fetcher(
                    found,
                    self._metrics.upstream,
                    self.books.tally,
                    user_agent=self._user_agent,
                    ca_file=self._ca_file,
                )
            except OSError:
                logger.exception("%s cannot be called with this configuration", provider)
        return fetcher

    async def fill(
        self,
        canonical: CanonicalRequest,
        newer_than: float,
        trigger: Trigger,
        *,
        credential: Credential = NOBODY,
        client: str = "",
    ) -> Filled:
        """An entry confirmed at or after `newer_than` (Unix seconds), fetched if the store has none. `credential` is
        the asking client's, used where holdover has none of its own.

        Who comes while a fetch of the key is under way shares it; a client's own credential that was refused is no
        answer to another's."""
        wanted = _Wanted(canonical, newer_than, trigger, credential, client)
        filled = await self._share(wanted)
        if not filled.led and credential != NOBODY and _refused_credential(filled.result):
            filled = await self._share(wanted)
        # Clients see it not before everybody may. Not inside the flight: a generation may wait for that very flight.
        if trigger == "client" and (generation := self.generations.of(canonical.key)) is not None:
            await generation.done.wait()
        return filled

    async def _share(self, wanted: _Wanted) -> Filled:
        task, led = self._flights.join(wanted.canonical.key, lambda: self._fill(wanted))
        if led:
            return Filled(await asyncio.shield(task), led=True)
        started = time.perf_counter()
        result = await asyncio.shield(task)
        self._metrics.cache.flight_wait.labels("node").observe(time.perf_counter() - started)
        outcome = "ok" if isinstance(result, Fetched) else "leader_failed"
        self._metrics.cache.flight_waits.labels("node", outcome).inc()
        return Filled(result, led=False)

    async def _fill(self, wanted: _Wanted) -> FetchResult:
        canonical, now = wanted.canonical, self._clock()
        route = self._rules.route(canonical.provider, canonical.route)
        provider = self._rules.provider(canonical.provider)
        if route is None or provider is None:
            return Failed("the configuration does not allow to call the provider")
        # Single flight joins only calls that overlap: asker 1 finds nothing, asker 2's flight fetches, stores and
        # ends, asker 1 starts a flight of its own. So the store is looked at again inside the flight.
        previous = await self.stored(canonical.key)
        if previous is not None and _will_do(wanted, route, previous, now):
            return Fetched(previous, None)
        for wide in self.projections.covering(canonical, now):
            stored = await self.stored(wide.key)
            if stored is None or not _will_do(wanted, route, stored, now):
                continue
            if (entry := await self._derived(wanted, stored, previous)) is not None:
                return Fetched(entry, _effect(previous, entry) if wanted.trigger == "refresh" else None)
        if (carrier := self.projections.carrier(canonical, now)).key != canonical.key:
            projected = await self._project(wanted, carrier, previous)
            if projected is not None:
                return projected
        return await self._fetch(wanted, provider, route, previous)

    async def _project(
        self, wanted: _Wanted, carrier: CanonicalRequest, previous: Entry | None
    ) -> FetchResult | None:
        """The answer made from a wider one; None when it must be asked for after all. The wider one is nobody's cost
        in particular: the asking client would not have asked for it."""
        filled = await self._share(replace(wanted, canonical=carrier, client=""))
        match filled.result:
            # What is absent or refused of the wide request may be there of the narrow one.
            case Fetched(wide, effect) if wide.status == 200:
                if (entry := await self._derived(wanted, wide, previous)) is None:
                    return None
                paid = effect is not None and filled.led
                return Fetched(entry, _effect(previous, entry) if paid or wanted.trigger == "refresh" else None)
            case Refused(trouble=True) | Failed():
                return filled.result
        return None

    async def _derived(self, wanted: _Wanted, wide: Entry, previous: Entry | None) -> Entry | None:
        """The stored projection; None when this content does not allow it."""
        derive = partial(self.projections.derive, wide, wanted.canonical, previous, self._clock())
        entry = await off_loop(len(wide.identity), derive)
        self._metrics.projection.count(wanted.canonical, "refused" if entry is None else "made")
        if entry is None or (previous is not None and previous.requested_at >= entry.requested_at):
            return previous if entry is not None else None
        return await self._put(entry, wide.key)

    async def _fetch(self, wanted: _Wanted, provider: Provider, route: Route, previous: Entry | None) -> FetchResult:
        canonical, now = wanted.canonical, self._clock()
        fetcher = self.fetcher(provider.name)
        credential = self.books.credential(provider, canonical.partition, wanted.credential)
        if fetcher is None or credential is None:
            return Failed("there is no credential to call the provider with")
        spaced = _spaced(route, canonical)
        if (left := self._called_at.get(spaced, 0.0) + route.settings.min_interval_s - now) > 0:
            if previous is not None and not _too_old(route, previous, now):
                return Fetched(previous, None)
            return Failed("the provider was asked too recently", retry_after=left)
        if route.settings.min_interval_s:
            if len(self._called_at) >= _MOST_SPACED:
                self._called_at.clear()
            self._called_at[spaced] = now
        account = await self.books.account(provider, canonical.partition)
        result = await fetcher.fetch(
            Call(route, canonical, previous, wanted.trigger, credential, account, wanted.client)
        )
        if isinstance(result, Fetched):
            if result.entry.status == 200:
                self.books.accepted(provider, canonical.partition, credential)
            self.projections.note(result.entry)
            return Fetched(await self._put(result.entry), result.effect)
        if isinstance(result, Refused) and result.means == "credential":
            self.books.refused(provider, canonical.partition, credential)
        return result

    def route(self, canonical: CanonicalRequest) -> RouteSettings | None:
        """The settings under which a request is fetched."""
        route = self._rules.route(canonical.provider, canonical.route)
        return route.settings if route is not None else None

    async def direct(self, canonical: CanonicalRequest, trigger: Trigger) -> FetchResult:
        """The provider's own answer now, which is not stored."""
        provider = self._rules.provider(canonical.provider)
        route = self._rules.route(canonical.provider, canonical.route)
        fetcher = self.fetcher(canonical.provider)
        if provider is None or route is None or fetcher is None:
            return Failed("the configuration does not allow to call the provider")
        credential = self.books.credential(provider, canonical.partition, NOBODY)
        if credential is None:
            return Failed("there is no credential to call the provider with")
        account = await self.books.account(provider, canonical.partition)
        return await fetcher.fetch(Call(route, canonical, None, trigger, credential, account))

    async def forward(self, cacheable: Cacheable, client: str) -> FetchResult:
        """The provider's own answer to a client of whom nothing is known, asked with the client's credential. It is
        not stored: another plan may hold other odds."""
        provider, fetcher = cacheable.provider, self.fetcher(cacheable.provider.name)
        if fetcher is None:
            return Failed("the configuration does not allow to call the provider")
        account = Account(provider.settings.quota, provider.settings.limits)
        return await fetcher.fetch(
            Call(cacheable.route, cacheable.canonical, None, "forward", cacheable.credential, account, client)
        )

    async def on_disk[T](self, call: Callable[[], T]) -> T:
        """Runs a store operation in order with all others, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    async def stored(self, key: str) -> Entry | None:
        """What the shared store has, or will have when its generation is complete; None also when it does not
        answer."""
        if (generation := self.generations.of(key)) is not None and (held := generation.holds(key)) is not None:
            return held
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, self._store.get, key)
        except StoreError:
            self._trouble()
            return None

    async def _put(self, entry: Entry, made_of: str = "") -> Entry:
        """`made_of`: the key of the wider entry. What is made of one that nobody sees yet is seen with it."""
        generation = self.generations.of(entry.key)
        if generation is None and made_of:
            generation = self.generations.of(made_of)
        if generation is not None and (generation.takes(entry.key) or generation.holds(made_of) is not None):
            generation.arrive(entry)
            return entry
        return (await self.put_all([entry]))[0]

    async def publish(self, entries: list[Entry]) -> None:
        """What a generation does when it is complete."""
        await self.put_all(entries)

    async def put_all(self, entries: list[Entry]) -> list[Entry]:
        """Stores entries so that all become visible at once; returns what stands."""
        started = time.perf_counter()
        try:
            standing = await self.on_disk(partial(self._store.put_all, entries, self._clock()))
        except StoreError:
            self._trouble()
            return entries
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


def _spaced(route: Route, canonical: CanonicalRequest) -> str:
    """What shares one least time between calls."""
    if not route.settings.interval_by:
        return canonical.key
    query = dict(canonical.query)
    values = [query.get(name, "") for name in route.settings.interval_by]
    return repr((canonical.provider, canonical.partition, canonical.path, values))


def _too_old(route: Route, entry: Entry, now: float) -> bool:
    return decide(route.settings, entry, now, refreshing=True) == Expired(usable=False)


def _will_do(wanted: _Wanted, route: Route, entry: Entry, now: float) -> bool:
    """Whether what is stored answers the question. For a client it must be within its window by every rule there is:
    it comes because what it saw was not."""
    new_enough = wanted.newer_than <= entry.requested_at <= now
    return new_enough and (
        wanted.trigger != "client" or isinstance(decide(route.settings, entry, now, refreshing=False), Fresh)
    )


def _effect(previous: Entry | None, entry: Entry) -> Effect:
    return "unchanged" if previous is not None and previous.revision == entry.revision else "changed"


def _refused_credential(result: FetchResult) -> bool:
    return isinstance(result, Refused) and result.means == "credential"
