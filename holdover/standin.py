"""Stands in for the provider: from a client's request to an answer, without knowing who speaks to the client.

A hit is a dict lookup and a few header fields. A miss asks the sidecar, or fetches while there is none."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import count

from holdover.admission import Admission
from holdover.answer import Answer, Reading, Ready, Wants, local, paid_answer, verbatim
from holdover.cache_status import about, detail, printable
from holdover.caching.invalidation import SAFE, invalidated
from holdover.coding import compressed
from holdover.config import Config
from holdover.demand import Demand
from holdover.exchange import Request, Response, accepts_gzip
from holdover.fill import Filled, Filler
from holdover.flight import Flights
from holdover.homepage import Homepage
from holdover.hot import HotTier
from holdover.intake import Failed, Fetched, Refused
from holdover.key import Cacheable, ForOrigin, Plan, plan
from holdover.lease import Lease
from holdover.link import Link
from holdover.meter import Meter
from holdover.metrics import Metrics, Outcome
from holdover.origin.cache import OriginCache
from holdover.origin.filler import OriginFiller
from holdover.personal import is_personal
from holdover.phase import longest_stale
from holdover.policy import Expired, Fresh, Stale, decide, next_change
from holdover.quota import Quotas
from holdover.rules import Rules
from holdover.source import Source, lent, readable
from holdover.store.base import Store, StoreError
from holdover.store.ledger import Ledger
from holdover.variants import is_variant, nominated, selected, variant

REPORT_INTERVAL_S = 1.0
LOOK_INTERVAL_S = 0.2
"""How soon it is looked again for a sidecar that was not there: meanwhile two processes call the provider."""
RECALL_S = 10.0
STALE_LEASE_S = 0.05
MOST_ECHOED_BYTES = 1_048_576
_MEMO_ENTRIES = 4096
_MEMO_TARGET_BYTES = 2048

logger = logging.getLogger("holdover.standin")
_gzip_accepted = lru_cache(256)(accepts_gzip)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits for an answer, and since when (`time.perf_counter()`). `patience_s`: who waited for a call that ended
    by time-out waits so long in all, for one more. `fields` reads those of his request."""

    client: str
    started: float
    patience_s: float | None = field(default=None, kw_only=True)
    fields: Reading = field(default=tuple, kw_only=True, repr=False)


class StandIn:
    """Everything a proxy process needs to answer. Make, run and close it inside one event loop."""

    def __init__(
        self,
        config: Config,
        store: Store,
        ledger: Ledger,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._clock = clock
        upstream = config.settings.upstream
        self._hot = HotTier(store, config.rules, config.settings.hot, metrics, clock=clock)
        self._link = Link(config.socket)
        self.homepage = Homepage(self._link)
        self._filler = Filler(
            config.rules, store, ledger, metrics, user_agent=upstream.user_agent, ca_file=config.ca_file, clock=clock
        )
        by_origin = OriginFiller(
            config.rules, store, self._filler.upstream, metrics, ca_file=config.ca_file, clock=clock
        )
        self.origin = OriginCache(by_origin, self._link, config.settings.proxy.wait_s, metrics, clock=clock)
        self._source = Source(self._hot, store, self._link, self._filler, metrics, clock)
        self._admission = Admission(ledger, ledger.salt())
        self._personal = _personal(config.rules)
        self._flights: Flights[Filled] = Flights()
        self._numbers = count()
        self._memo: dict[tuple[str, str], Plan] = {}
        self._demand = Demand(self._link, self._hot)
        self._quotas = Quotas()
        self._meter = Meter(metrics, self._hot, self._filler.books.tally)
        self.epoch = 0
        """Another when leases given before hold no longer, for what they do not know themselves."""

    @property
    def config(self) -> Config:
        return self._config

    def use(self, config: Config) -> None:
        """Takes over a changed configuration."""
        self._config = config
        self.epoch += 1
        self._memo.clear()
        self._personal = _personal(config.rules)
        self._admission.forget()
        self._hot.use(config.rules, config.settings.hot)
        self.origin.use(config.rules, config.settings.proxy.wait_s)
        self._filler.use(config.rules)
        self.homepage.use()
        self._metrics.prepare(config.rules)

    async def close(self) -> None:
        await self._flights.settle()
        await self.homepage.close()
        await self.origin.close()
        await self._link.close()
        await self._filler.close()

    def plan(self, request: Request) -> Plan:
        """`holdover.key.plan`, remembered for requests that differ in nothing that matters to it."""
        name = (request.host, request.target)
        usual = (
            request.method == "GET"
            and not request.body
            and not any(is_personal(field, self._personal) for field, _ in request.headers)
        )
        if usual and (known := self._memo.get(name)) is not None:
            return known
        planned = plan(request, self._config.rules, self._admission.salt)
        if usual and isinstance(planned, Cacheable) and not planned.route.settings.headers:
            if len(self._memo) >= _MEMO_ENTRIES:
                self._memo.clear()
            if len(request.target) <= _MEMO_TARGET_BYTES:
                self._memo[name] = planned
        return planned

    def hit(self, cacheable: Cacheable, wants: Wants, started: float) -> Answer | None:
        """The answer that can be given at once, or None. `started` is `time.perf_counter()` at the request."""
        now = self._clock()
        if (lease := self.lease(cacheable, wants, now)) is None:
            return None
        self._demand.sample(lease.cacheable, lease.ready, 1)
        self._meter.count(cacheable, lease.outcome, wants, lease.answer, started, lease.ready, now)
        return lease.answer

    def lease(self, cacheable: Cacheable, wants: Wants, now: float) -> Lease | None:
        """The answer that can be given now, and until when; None when somebody has to be asked first. Whoever gives
        it tells `gave`, sooner or later."""
        good_until = self._admission.remembered_until(cacheable.provider, cacheable.credential, now)
        if now >= good_until:
            return None
        route = cacheable.route.settings
        together = route.group is not None
        cacheable, ready = self._selected(cacheable, wants, partial(self._hot.load, together=together))
        if ready is None:
            return None
        until = min(good_until, now + route.idle_after_s / 4)
        match self._decide(cacheable, ready, now):
            case Fresh(ttl):
                outcome: Outcome = "fresh"
                status = f"hit; ttl={int(ttl)}{about(ready.entry, now)}"
            case Stale(ttl):
                outcome = "stale"
                status = f"hit; ttl={int(ttl) - 1}{about(ready.entry, now, 'revalidating')}"
                # Whoever refreshes it may end at any moment.
                until = min(until, now + STALE_LEASE_S)
            case Expired():
                return None
        self._demand.note(cacheable, ready, now)
        answer = self._cached(cacheable, ready, wants, now, status)
        until = min(until, next_change(route, ready.entry, now, ttl), self._meter.next_bucket(ready, now))
        return Lease(cacheable, answer, outcome, ready, now, until, self.epoch, together)

    def selected(self, cacheable: Cacheable, wants: Wants) -> Cacheable:
        """The request with those of the client's fields by which answers vary that this process holds."""
        return self._selected(cacheable, wants, self._hot.get)[0]

    def _selected(
        self, cacheable: Cacheable, wants: Wants, look: Callable[[str], Ready | None]
    ) -> tuple[Cacheable, Ready | None]:
        return selected(cacheable, wants.fields, self._hot.varying(cacheable.canonical), look)

    def gave(self, lease: Lease) -> None:
        """Counts how often a lease's answer was given since this was told last."""
        times = sum(lease.clients.values())
        between, seconds = (lease.since + lease.last) / 2, lease.seconds / times
        self._demand.sample(lease.cacheable, lease.ready, times)
        self._meter.count_many(
            lease.cacheable,
            lease.outcome,
            lease.answer.status,
            len(lease.answer.body),
            lease.ready,
            between,
            seconds,
            lease.clients,
        )
        lease.clients, lease.seconds, lease.since = {}, 0.0, lease.last

    def follow(self) -> None:
        """Looks whether the store has changed; a lease that it has outdated says so afterwards."""
        self._hot.follow()

    def asks_alone(self, cacheable: Cacheable) -> bool:
        """Whether nobody waits for another's answer to this request now: the last one was for who asked alone."""
        return self._filler.apart.holds(cacheable.canonical.key, self._clock())

    async def miss(self, cacheable: Cacheable, wants: Wants, started: float) -> Answer:
        """The answer after a fetch, or after somebody else's fetch; for requests that `hit` has none for."""
        answer, _ = await self.miss_for_all(cacheable, wants, Waiting(wants.client, started), ())
        return answer

    async def miss_for_all(
        self, cacheable: Cacheable, wants: Wants, first: Waiting, others: Sequence[Waiting]
    ) -> tuple[Answer, Answer | None]:
        """The answer to who asked first, and that to all who asked the same (and want the same) meanwhile, which is
        looked at when there is one; None when these have to ask anew."""
        provider, credential, now = cacheable.provider, cacheable.credential, self._clock()
        wants = replace(wants, client=first.client)
        if not self._admission.remembers(provider, credential, now):
            if not await asyncio.to_thread(self._admission.admits, provider, credential, now):
                return await self._forward(cacheable, wants, first, others)
            if (answer := self.hit(cacheable, wants, first.started)) is not None:
                return answer, None
        cacheable, ready = self._selected(cacheable, wants, self._hot.get)
        canonical, forwarded = cacheable.canonical, _why(cacheable, ready)
        filled, led = await self._awaited(cacheable, first, alone=self.asks_alone(cacheable))
        if isinstance(filled.result, Refused) and filled.result.alone:
            self._filler.apart.begins(canonical.key, self._clock())
            if not (led and filled.led):
                filled, led = await self._awaited(cacheable, first, alone=True)
            # It is for who asked first; what the others get is theirs.
            return self._settle(cacheable, wants, filled, led, (first,), forwarded, None), None
        if isinstance(filled.result, Fetched):
            self._filler.apart.ends(canonical.key)
        if lent(cacheable) and isinstance(filled.result, Refused) and filled.result.means == "credential":
            # Somebody else's credential was refused, which says nothing about this one.
            filled = filled if led else await self._source.obtain(cacheable, wants.client)
            await asyncio.to_thread(self._doubt, cacheable, filled)
            self.epoch += 1
        # Who found the answer in the store after all did not pay for it either.
        unpaid = isinstance(filled.result, Fetched) and filled.result.effect is None
        led = led and filled.led and not unpaid
        ready = self._stored_for(cacheable, filled)
        self._joined(filled, [*(() if led else (first,)), *others])
        names = nominated(cacheable, filled.result, ready)
        if (other := variant(cacheable, names, wants.fields)) is not None:
            # It answers who has none of these fields, or others.
            return (await self.miss_for_all(other, wants, first, ()))[0], None
        answer = self._settle(cacheable, wants, filled, led, (first,), forwarded, ready)
        if not others or self._is_in_vain(cacheable, filled) or _some_differ(cacheable, names, others):
            return answer, None
        return answer, self._settle(cacheable, wants, filled, False, others, forwarded, ready)

    async def changed(self, request: Request, response: Response) -> None:
        """What a request with an unsafe method makes invalid is not given any more (RFC 9111 section 4.4)."""
        rules = self._config.rules
        if (provider := rules.provider_of(request.host)) is None or request.method in SAFE:
            return
        known = {request.host, provider.origin[0].lower(), *provider.settings.hosts}
        for target in invalidated(request.method, response.status, request.target, response.headers, known):
            # Without the fields of who changes it: it is what is stored for everybody that goes.
            match plan(Request("GET", request.host, target), rules, self._admission.salt):
                case ForOrigin() as asked:
                    await self.origin.invalidate(asked)
                case Cacheable(canonical=canonical, route=route):
                    at = self._clock()
                    if not await self._filler.shelf.invalidate(canonical, at):
                        self._hot.forbid(canonical, at, at + longest_stale(route.settings))
        self._hot.follow()

    async def _awaited(self, cacheable: Cacheable, first: Waiting, *, alone: bool) -> tuple[Filled, bool]:
        """What a fetch comes to, and whether this request started it. `alone`: one that is nobody else's. Who joined
        a call that ends by time-out waits for one more, until he has waited as long as a call may take."""
        wait_s, key = self._config.settings.proxy.wait_s, cacheable.canonical.key
        last = first.patience_s is not None
        if first.patience_s is not None:
            wait_s = min(wait_s, first.patience_s)
        left = max(0.0, first.started + wait_s - time.perf_counter())
        if last and not left:
            return Filled(Failed(f"no answer within {wait_s:.3g} s", timed_out=True), led=False), False
        name, alone_s = (f"{key} {next(self._numbers)}", left) if alone else (key, None)
        task, led = self._flights.join(name, lambda: self._source.obtain(cacheable, first.client, alone_s=alone_s))
        try:
            filled = await asyncio.wait_for(asyncio.shield(task), left)
        except TimeoutError:
            return Filled(Failed(f"no answer within {wait_s:.3g} s", timed_out=True), led=True), led
        if last or (led and filled.led) or not self._is_in_vain(cacheable, filled):
            return filled, led
        patience_s = cacheable.provider.settings.limits.timeout_s
        return await self._awaited(cacheable, replace(first, patience_s=patience_s), alone=alone)

    def _is_in_vain(self, cacheable: Cacheable, filled: Filled) -> bool:
        """Whether it ended by time-out, and there is nothing to give."""
        if not isinstance(filled.result, Failed) or not filled.result.timed_out:
            return False
        now, ready = self._clock(), self._hot.load(cacheable.canonical.key)
        decision = self._decide(cacheable, ready, now) if ready is not None else Expired(usable=False)
        return isinstance(decision, Expired) and not decision.usable

    async def follow_store(self) -> None:
        """For ever: follows a store that was replaced, takes over what the sidecar learnt, and shows how full the
        tiers are."""
        metrics, recall_at = self._metrics, 0.0
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            if self._clock() >= recall_at:
                recall_at = self._clock() + RECALL_S
                await self._filler.recall()
            try:
                self._store.follow()
                self._hot.follow()
                await self._hot.owed.settle(self._filler.shelf.invalidate, self._clock())
                await self.origin.settle()
                metrics.runtime.degraded.labels("store").set(self._filler.shelf.failing)
            except StoreError as error:
                metrics.runtime.degraded.labels("store").set(1)
                logger.warning("%s", error)
            metrics.cache.objects.labels("memory").set(len(self._hot))
            metrics.cache.bytes.labels("memory").set(self._hot.size)
            metrics.cache.max_bytes.labels("memory").set(self._config.settings.hot.max_bytes)

    async def report_demand(self) -> None:
        """For ever: tells the sidecar once a second what clients asked for; the report is also its sign of life."""
        while True:
            told = await self._demand.report()
            self._metrics.runtime.degraded.labels("sidecar").set(told is None)
            await self._filler.books.keep(self._clock())
            # This process called providers while there was no sidecar, and does for clients of whom it knows nothing.
            own = self._filler.books.told(self._clock() - RECALL_S)
            if self._quotas.take(sorted((*own, *(told or ())), key=lambda each: each.at), self._clock()):
                self.epoch += 1
            if told is not None:
                for provider in self._config.rules.providers:
                    self._metrics.upstream.show_account(provider.name, dead=False, frozen=False)
                # The sidecar calls now; what this process knew of the accounts would be old when it is needed again.
                self._filler.books.release()
            await asyncio.sleep(REPORT_INTERVAL_S if told is not None else LOOK_INTERVAL_S)

    async def _forward(
        self, cacheable: Cacheable, wants: Wants, first: Waiting, others: Sequence[Waiting]
    ) -> tuple[Answer, Answer | None]:
        """The provider's answer to a client of whom nothing is known yet: a 401 stays a 401."""
        name = f"{cacheable.canonical.key} {cacheable.credential.fingerprint(self._admission.salt)}"
        task, led = self._flights.join(name, lambda: self._forwarded(cacheable, wants.client))
        filled = await asyncio.shield(task)
        if isinstance(filled.result, Refused) and filled.result.alone:
            filled = filled if led else await self._forwarded(cacheable, wants.client)
            return self._settle(cacheable, wants, filled, True, (first,), "bypass", None), None
        names = nominated(cacheable, filled.result)
        if (other := variant(cacheable, names, wants.fields)) is not None:
            return (await self._forward(other, wants, first, ()))[0], None
        answer = self._settle(cacheable, wants, filled, led, (first,), "bypass", None)
        if not others or _some_differ(cacheable, names, others):
            return answer, None
        return answer, self._settle(cacheable, wants, filled, False, others, "bypass", None)

    async def _forwarded(self, cacheable: Cacheable, client: str) -> Filled:
        provider, credential = cacheable.provider, cacheable.credential
        result = await self._filler.upstream.forward(cacheable, client)
        if isinstance(result, Fetched) and result.entry.status == 200:
            if cacheable.route.settings.proves_credential:
                await asyncio.to_thread(self._admission.accepted, provider, credential, self._clock())
        elif isinstance(result, Refused) and result.means == "credential":
            await asyncio.to_thread(self._admission.refused, provider, credential)
            self.epoch += 1
        return await readable(Filled(result, led=True))

    def _cached(self, cacheable: Cacheable, ready: Ready, wants: Wants, now: float, status: str) -> Answer:
        """An answer that cost nothing."""
        told = self._quotas.of(cacheable.provider.name, cacheable.canonical.partition)
        return self._echoing(cacheable, ready, wants).answer(wants, now, status, told)

    def _echoing(self, cacheable: Cacheable, ready: Ready, wants: Wants) -> Ready:
        """The answer with what the client wants echoed in it."""
        if not cacheable.echo:
            return ready
        identity = cacheable.provider.profile.echoed(ready.entry.identity, cacheable.echo)
        if identity == ready.entry.identity:
            return ready
        entry = replace(ready.entry, identity=identity, gzip=compressed(identity) if wants.gzip else b"")
        return Ready(entry, cacheable.provider.settings.quota)

    def _decide(self, cacheable: Cacheable, ready: Ready, now: float) -> Fresh | Stale | Expired:
        refreshing = self._demand.keeps_fresh(cacheable, ready, now)
        return decide(cacheable.route.settings, ready.entry, now, refreshing=refreshing)

    def _settle(
        self,
        cacheable: Cacheable,
        wants: Wants,
        filled: Filled,
        led: bool,
        waiting: Sequence[Waiting],
        forwarded: str,
        ready: Ready | None,
    ) -> Answer:
        """The answer that a finished fill leads to; `ready` is what is stored, for clients who may have it."""
        now = self._clock()
        outcome: Outcome = "fetched" if led else "coalesced"
        status = f"fwd={forwarded}" if led else f"fwd={forwarded}; collapsed"
        match filled.result:
            case Fetched(entry):
                if ready is not None:
                    self._demand.note(cacheable, ready, now)
                if not led and entry.projected and ready is not None:
                    status = "hit"
                fresh = self._echoing(cacheable, Ready(entry, cacheable.provider.settings.quota), wants)
                if led or ready is None:
                    stored = "" if forwarded == "bypass" else "; stored"
                    answer = paid_answer(fresh.entry, wants, f"{status}{stored}{about(entry, now)}")
                else:
                    answer = self._cached(cacheable, ready, wants, now, status + about(ready.entry, now))
                self._count(cacheable, outcome, answer, waiting, ready or fresh, now)
                return answer
            case Refused(response, reason, trouble):
                # Asking for gzip was holdover's idea.
                if filled.plain is not None and (cacheable.echo or not wants.gzip):
                    response = _echoed(cacheable, filled.plain)
                status = f"{status}; fwd-status={response.status}"
                answer = verbatim(response, f"{status}; {detail(reason)}", wants)
            case Failed(reason, timed_out, retry_after):
                trouble = True
                code = 504 if timed_out else 503 if retry_after else 502
                told = f"{status}; {detail(reason)}"
                answer = local(code, reason, retry_after=retry_after, cache_status=told, head=wants.head)
        if trouble and ready is not None:
            decision = self._decide(cacheable, ready, now)
            if not isinstance(decision, Expired) or decision.usable:
                self._demand.note(cacheable, ready, now)
                answer = self._cached(
                    cacheable, ready, wants, now, status + about(ready.entry, now, printable(reason))
                )
                self._count(cacheable, "stale", answer, waiting, ready, now)
                return answer
        # What the provider says to a client's own credential is its answer, good or bad.
        failed = trouble and not (forwarded == "bypass" and isinstance(filled.result, Refused))
        self._count(cacheable, "failed" if failed else outcome, answer, waiting, None, now)
        return answer

    def _joined(self, filled: Filled, followers: Sequence[Waiting]) -> None:
        if followers:
            result = "ok" if isinstance(filled.result, Fetched) else "leader_failed"
            self._metrics.cache.flight_waits.labels("node", result).inc(len(followers))
            self._metrics.cache.flight_wait.labels("node").observe(_mean(followers), len(followers))

    def _count(
        self,
        cacheable: Cacheable,
        outcome: Outcome,
        answer: Answer,
        waiting: Sequence[Waiting],
        ready: Ready | None,
        now: float,
    ) -> None:
        clients = Counter(each.client for each in waiting)
        self._meter.count_many(
            cacheable, outcome, answer.status, len(answer.body), ready, now, _mean(waiting), clients
        )

    def _stored_for(self, cacheable: Cacheable, filled: Filled) -> Ready | None:
        """What is stored; nothing for one whose own credential the provider has just refused."""
        if isinstance(filled.result, Refused) and filled.result.means == "credential":
            known = self._admission.remembers(cacheable.provider, cacheable.credential, self._clock())
            return self._hot.load(cacheable.canonical.key) if known else None
        return self._hot.load(cacheable.canonical.key)

    def _doubt(self, cacheable: Cacheable, filled: Filled) -> None:
        """This client's own credential is no longer good, if it is that which was refused."""
        if filled.led and isinstance(filled.result, Refused) and filled.result.means == "credential":
            self._admission.refused(cacheable.provider, cacheable.credential)


def _some_differ(cacheable: Cacheable, names: frozenset[str], others: Sequence[Waiting]) -> bool:
    """Whether not all made this very request."""
    return any(variant(cacheable, names, each.fields) is not None for each in others)


def _why(cacheable: Cacheable, ready: Ready | None) -> str:
    """Why it is forwarded, as RFC 9211 has it."""
    if ready is not None:
        return "stale"
    return "vary-miss" if is_variant(cacheable.route.settings, cacheable.canonical) else "uri-miss"


def _mean(waiting: Sequence[Waiting]) -> float:
    """How long they have waited until now, in seconds."""
    return time.perf_counter() - sum(each.started for each in waiting) / len(waiting)


def _personal(rules: Rules) -> frozenset[str]:
    """Header fields by which requests for one target differ, beside those whose names say so."""
    return frozenset[str]().union(*(provider.credentials | provider.personal for provider in rules.providers))


def _echoed(cacheable: Cacheable, response: Response) -> Response:
    """A refusal with what the client wants echoed in it; as it came when it is large, or nothing is wanted."""
    if not cacheable.echo or len(response.body) > MOST_ECHOED_BYTES:
        return response
    return replace(response, body=cacheable.provider.profile.echoed(response.body, cacheable.echo))


def wants_of(request: Request) -> Wants:
    """What of the request shapes the answer."""
    accept_encoding = if_none_match = None
    for name, value in request.headers:
        lower = name.lower()
        if lower == "accept-encoding":
            accept_encoding = value if accept_encoding is None else f"{accept_encoding}, {value}"
        elif lower == "if-none-match":
            if_none_match = value if if_none_match is None else f"{if_none_match}, {value}"
    head = request.method == "HEAD"
    return Wants(_gzip_accepted(accept_encoding), if_none_match, head, request.client, lambda: request.headers)
