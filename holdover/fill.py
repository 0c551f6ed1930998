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
from holdover.apart import Apart
from holdover.books import Books
from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.entry import Entry
from holdover.exchange import Response
from holdover.fetch import off_loop
from holdover.flight import Flights
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.metrics import Effect, Metrics, Trigger
from holdover.policy import Expired, Fresh, decide
from holdover.projection import Projections
from holdover.route_settings import RouteSettings
from holdover.rules import Rules
from holdover.shelf import Shelf
from holdover.store.base import Store, StoreError
from holdover.store.ledger import Ledger
from holdover.upstream import Asking, Upstream
from holdover.variants import is_variant

logger = logging.getLogger("holdover.fill")


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a fill; `led` when this caller's request started the fetch rather than joined it. `plain`: what
    the provider refused with, without a coding; only in the process that answers clients."""

    result: FetchResult
    led: bool
    plain: Response | None = None


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
        self._metrics = metrics
        self._clock = clock
        self._flights: Flights[FetchResult] = Flights()
        self._disk = ThreadPoolExecutor(1, "store")
        # One thread: what is made of an answer comes all at once, and the first to be made parses it for all.
        self._cutting = ThreadPoolExecutor(1, "projection")
        self._rules = rules
        self.books = Books(ledger, self._disk, metrics.runtime)
        self.upstream = Upstream(
            rules, self.books, metrics.upstream, user_agent=user_agent, ca_file=ca_file, clock=clock
        )
        self.projections = Projections(rules)
        self.shelf = Shelf(store, self._disk, self.projections, metrics, clock)
        self._listener: Callable[[Fetched], None] = _nobody
        self._told = set[tuple[str, str]]()
        self.apart = Apart()
        """Keys whose answers are for one client each."""

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration; calls under way end with the old one."""
        self._rules = rules
        self._told.clear()
        self.apart.clear()
        self.projections.use(rules)
        self.upstream.use(rules)

    def listen(self, listener: Callable[[Fetched], None]) -> None:
        """Has every answer told that was asked of a provider for the store, whoever wanted it."""
        self._listener = listener

    async def close(self) -> None:
        await self._flights.settle()
        await self.upstream.close()
        await self.books.keep(self._clock())
        self.books.pacing.close()
        self._disk.shutdown()
        self._cutting.shutdown()

    async def recall(self) -> None:
        """Takes over from the ledger what was learnt about the providers, by this process or another."""
        for provider in self._rules.providers:
            try:
                known = await self.shelf.on_disk(partial(learning.read, self.books.ledger, provider.name))
            except StoreError as error:
                logger.warning("%s", error)
                return
            self.projections.learnt[provider.name] = known

    async def fill(
        self,
        canonical: CanonicalRequest,
        newer_than: float,
        trigger: Trigger,
        *,
        credential: Credential = NOBODY,
        client: str = "",
        alone_s: float | None = None,
    ) -> Filled:
        """An entry confirmed at or after `newer_than` (Unix seconds), fetched if the store has none. `credential` is
        the asking client's, used where holdover has none of its own.

        Who comes while a fetch of the key is under way shares it; but a client's own credential that was refused is
        no answer to another's, and a refresh that was not sent is none to a client, nor what was new enough for one.
        `alone_s`: what comes is most likely for who asks alone, so nothing is shared, and after so many seconds
        nobody waits for it any more."""
        asking = Asking(canonical, newer_than, trigger, credential, client)
        filled = await self._joined(asking) if alone_s is None else await self._alone(asking, alone_s)
        # Clients see it not before everybody may. Not inside the flight: a generation may wait for that very flight.
        if trigger == "client":
            await self.shelf.seen(canonical.key)
        return filled

    async def _alone(self, asking: Asking, longest_s: float) -> Filled:
        # A call that still waits for its turn would be made for nobody, before that of who still waits.
        try:
            async with asyncio.timeout(longest_s):
                return Filled(await self._fill(asking), led=True)
        except TimeoutError:
            return Filled(Failed("no answer in the time that was left", timed_out=True), led=True)

    async def _joined(self, asking: Asking) -> Filled:
        filled = await self._share(asking)
        if not filled.led and self._is_not_for(asking, filled.result):
            filled = await self._share(asking)
        return filled

    def _is_not_for(self, asking: Asking, result: FetchResult) -> bool:
        """Whether what somebody else's fetch came to may be another for this one."""
        match result:
            case Refused(means="credential"):
                return asking.credential != NOBODY
            case Failed(unheard=True):
                return asking.trigger == "client"
            case Fetched(entry, None):
                route = self.route(asking.canonical)
                return route is not None and not _will_do(asking, route, entry, self._clock())
        return False

    async def _share(self, asking: Asking) -> Filled:
        task, led = self._flights.join(asking.canonical.key, lambda: self._fill(asking))
        if led:
            return Filled(await asyncio.shield(task), led=True)
        started = time.perf_counter()
        result = await asyncio.shield(task)
        self._metrics.cache.flight_wait.labels("node").observe(time.perf_counter() - started)
        outcome = "ok" if isinstance(result, Fetched) else "leader_failed"
        self._metrics.cache.flight_waits.labels("node", outcome).inc()
        return Filled(result, led=False)

    async def _fill(self, asking: Asking, *, again: bool = False) -> FetchResult:
        result = await self._obtained(asking, again=again)
        if isinstance(result, Failed) or (isinstance(result, Refused) and result.trouble):
            await self._make_do(asking)
        return result

    async def _make_do(self, asking: Asking) -> None:
        """The good answer from before may be a wider one: what that holds is stored where clients look for theirs."""
        canonical, now = asking.canonical, self._clock()
        there = (self.projections.carrier(canonical, now), *self.projections.covering(canonical, now))
        wider = {wide.key for wide in there} - {canonical.key}
        route = self.route(canonical)
        # Of a group a key that failed stays as it was, and is told to have failed.
        if not wider or route is None or (route.group is not None and asking.trigger == "refresh"):
            return
        previous = await self.shelf.stored(canonical.key)
        found = [await self.shelf.stored(key) for key in wider]
        usable = [e for e in found if e is not None and e.status == 200 and _may_be_given(route, e, now)]
        for entry in sorted(usable, key=lambda one: one.requested_at, reverse=True):
            # One that is not newer would be made in vain, at each try.
            newer = previous is None or entry.requested_at > previous.requested_at
            if not newer or await self._derived(asking, entry, previous) is not None:
                return

    async def _obtained(self, asking: Asking, *, again: bool) -> FetchResult:
        canonical, now = asking.canonical, self._clock()
        route = self._rules.route(canonical.provider, canonical.route)
        provider = self._rules.provider(canonical.provider)
        if route is None or provider is None:
            return Failed("the configuration does not allow to call the provider")
        # Single flight joins only calls that overlap: asker 1 finds nothing, asker 2's flight fetches, stores and
        # ends, asker 1 starts a flight of its own. So the store is looked at again inside the flight.
        previous = await self.shelf.stored(canonical.key)
        if previous is not None and _will_do(asking, route.settings, previous, now):
            return Fetched(previous, None)
        for wide in self.projections.covering(canonical, now):
            stored = await self.shelf.stored(wide.key)
            if stored is None or not _will_do(asking, route.settings, stored, now):
                continue
            if (entry := await self._derived(asking, stored, previous)) is not None:
                return Fetched(entry, _effect(previous, entry) if asking.trigger == "refresh" else None)
        if (carrier := self.projections.carrier(canonical, now)).key != canonical.key:
            projected = await self._project(asking, carrier, previous)
            if projected is not None:
                return projected
        result = await self.upstream.ask(asking, provider, route, previous)
        if isinstance(result, Fetched) and result.effect is not None:
            return await self._stored(asking, result, again=again)
        if isinstance(result, Refused) and result.alone and result.response.status == 200:
            await self._keep_nothing(canonical, previous, result.reason)
        return result

    async def _stored(self, asking: Asking, new: Fetched, *, again: bool) -> FetchResult:
        """What stands once an answer has come."""
        self.projections.note(new.entry)
        self.apart.ends(new.entry.key)
        stands = await self.shelf.put(new.entry)
        if stands is not None:
            self._tell_of_variants(stands)
            self._listener(fetched := Fetched(stands, new.effect))
            return fetched
        if again:
            return new
        # The target was changed since it was asked for (RFC 9111 section 4.4); who joined may have come after that.
        match after := await self._fill(asking, again=True):
            case Failed() | Refused(trouble=True):
                return new
        return after

    async def _keep_nothing(self, canonical: CanonicalRequest, previous: Entry | None, reason: str) -> None:
        """What it says now takes the place of what it said before, though it is not stored."""
        self.apart.begins(canonical.key, self._clock())
        self._tell(canonical, f"are for one client each ({reason}), so each request is a call")
        if previous is not None:
            await self.shelf.remove(canonical.key)

    def _tell_of_variants(self, entry: Entry) -> None:
        route = self.route(entry.request)
        if route is not None and is_variant(route, entry.request):
            names = ", ".join(sorted({name for name, _ in entry.request.headers}))
            self._tell(entry.request, f"vary by what clients send ({names}), so each value is a call of its own")

    def _tell(self, request: CanonicalRequest, what: str) -> None:
        """Once for each route. Nothing else tells an operator why it saves little."""
        if (names := (request.provider, request.route)) not in self._told:
            self._told.add(names)
            logger.warning(
                "%s, route %s: the provider's answers %s; where they are for everybody, say so by `override`",
                *(*names, what),
            )

    async def remake(self, narrow: CanonicalRequest, wide: Entry) -> FetchResult:
        """Makes a projection anew, of a wider answer that has just come; nobody is asked."""
        asking = Asking(narrow, wide.requested_at, "refresh")
        task, _ = self._flights.join(narrow.key, lambda: self._remade(asking, wide))
        return await asyncio.shield(task)

    async def _remade(self, asking: Asking, wide: Entry) -> FetchResult:
        previous = await self.shelf.stored(asking.canonical.key)
        if (entry := await self._derived(asking, wide, previous)) is None:
            return Failed("the wider answer does not hold it", unheard=True)
        return Fetched(entry, _effect(previous, entry))

    async def _project(self, asking: Asking, carrier: CanonicalRequest, previous: Entry | None) -> FetchResult | None:
        """The answer made from a wider one; None when it must be asked for after all. The wider one is nobody's cost
        in particular: the asking client would not have asked for it."""
        filled = await self._joined(replace(asking, canonical=carrier, client=""))
        match filled.result:
            # What is absent or refused of the wide request may be there of the narrow one.
            case Fetched(wide, effect) if wide.status == 200:
                if (entry := await self._derived(asking, wide, previous)) is None:
                    return None
                paid = effect is not None and filled.led
                return Fetched(entry, _effect(previous, entry) if paid or asking.trigger == "refresh" else None)
            case Refused(trouble=True) | Failed():
                return filled.result
        return None

    async def _derived(self, asking: Asking, wide: Entry, previous: Entry | None) -> Entry | None:
        """The stored projection; None when this content does not allow it."""
        derive = partial(self.projections.derive, wide, asking.canonical, previous, self._clock())
        entry = await off_loop(len(wide.identity), derive, self._cutting)
        self._metrics.projection.count(asking.canonical, "refused" if entry is None else "made")
        if entry is None or (previous is not None and previous.requested_at >= entry.requested_at):
            return previous if entry is not None else None
        # The kind may have been switched off while it was at work.
        if not self.shelf.stands(entry):
            return None
        return await self.shelf.put(entry, wide.key)

    def route(self, canonical: CanonicalRequest) -> RouteSettings | None:
        """The settings under which a request is fetched."""
        route = self._rules.route(canonical.provider, canonical.route)
        return route.settings if route is not None else None


def _nobody(_: Fetched) -> None:
    """Listens to nothing."""


def _will_do(asking: Asking, route: RouteSettings, entry: Entry, now: float) -> bool:
    """Whether what is stored answers the question. For a client it must be within its window by every rule there is:
    it comes because what it saw was not."""
    new_enough = asking.newer_than <= entry.requested_at <= now
    return new_enough and (
        asking.trigger != "client" or isinstance(decide(route, entry, now, refreshing=False), Fresh)
    )


def _may_be_given(route: RouteSettings, entry: Entry, now: float) -> bool:
    """Whether it may stand in when the provider fails."""
    return decide(route, entry, now, refreshing=False) != Expired(usable=False)


def _effect(previous: Entry | None, entry: Entry) -> Effect:
    return "unchanged" if previous is not None and previous.revision == entry.revision else "changed"
