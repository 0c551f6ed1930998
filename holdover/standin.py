"""Stands in for the provider: from a client's request to an answer, without knowing who speaks to the client.

A hit is a dict lookup and a few header fields. A miss asks the sidecar, or fetches while there is none."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from functools import lru_cache

from holdover.answer import Answer, Ready, Wants, detail, local, paid_answer, verbatim
from holdover.config import Config
from holdover.exchange import Request, accepts_gzip
from holdover.fill import Filled, Filler
from holdover.flight import Flights
from holdover.hot import HotTier
from holdover.intake import Failed, Fetched, Refused
from holdover.key import Cacheable, CanonicalRequest, Plan, plan
from holdover.link import Link, LinkDown
from holdover.metrics import Metrics, Outcome
from holdover.policy import Expired, Fresh, Stale, age, decide
from holdover.rules import CREDENTIAL_LIKE
from holdover.store.base import Store, StoreError

REPORT_INTERVAL_S = 1.0
_MEMO_ENTRIES = 4096
_MEMO_TARGET_BYTES = 2048
_PERSONAL = CREDENTIAL_LIKE | {"cookie"}

logger = logging.getLogger("holdover.standin")
_gzip_accepted = lru_cache(256)(accepts_gzip)


class StandIn:
    """Everything a proxy process needs to answer. Make, run and close it inside one event loop."""

    def __init__(
        self, config: Config, store: Store, metrics: Metrics, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._clock = clock
        upstream = config.settings.upstream
        self._hot = HotTier(store, config.rules, config.settings.hot, metrics, clock=clock)
        self._link = Link(config.socket)
        self._filler = Filler(
            config.rules, store, metrics, user_agent=upstream.user_agent, ca_file=config.ca_file, clock=clock
        )
        self._flights: Flights[Filled] = Flights()
        self._memo: dict[tuple[str, str], Plan] = {}
        self._to_report: dict[str, CanonicalRequest] = {}

    @property
    def config(self) -> Config:
        return self._config

    def use(self, config: Config) -> None:
        """Takes over a changed configuration."""
        self._config = config
        self._memo.clear()
        self._hot.use(config.rules, config.settings.hot)
        self._filler.use(config.rules)
        self._metrics.prepare(config.rules)

    async def close(self) -> None:
        await self._flights.settle()
        await self._link.close()
        await self._filler.close()

    def plan(self, request: Request) -> Plan:
        """`holdover.key.plan`, remembered for requests that differ in nothing that matters to it."""
        name = (request.host, request.target)
        usual = (
            request.method == "GET"
            and not request.has_body
            and not any(field.lower() in _PERSONAL for field, _ in request.headers)
        )
        if usual and (known := self._memo.get(name)) is not None:
            return known
        planned = plan(request, self._config.rules)
        if usual and isinstance(planned, Cacheable) and not planned.route.settings.headers:
            if len(self._memo) >= _MEMO_ENTRIES:
                self._memo.clear()
            if len(request.target) <= _MEMO_TARGET_BYTES:
                self._memo[name] = planned
        return planned

    def hit(self, cacheable: Cacheable, wants: Wants, started: float) -> Answer | None:
        """The answer that can be given at once, or None. `started` is `time.perf_counter()` at the request."""
        now = self._clock()
        ready = self._hot.load(cacheable.canonical.key)
        if ready is None:
            return None
        match self._decide(cacheable, ready, now):
            case Fresh(ttl):
                outcome: Outcome = "fresh"
                status = f"hit; ttl={int(ttl)}"
            case Stale(ttl):
                outcome = "stale"
                status = f"hit; ttl={int(ttl) - 1}; detail=revalidating"
            case Expired():
                return None
        self._asked(cacheable, ready, now)
        answer = ready.answer(wants, now, status)
        self._count(cacheable, outcome, answer, started, ready, now)
        return answer

    async def miss(self, cacheable: Cacheable, wants: Wants, started: float) -> Answer:
        """The answer after a fetch, or after somebody else's fetch; for requests that `hit` has none for."""
        forwarded = "uri-miss" if self._hot.get(cacheable.canonical.key) is None else "stale"
        canonical, route = cacheable.canonical, cacheable.route.settings
        newer_than = self._clock() - route.window_s
        task, led = self._flights.join(canonical.key, lambda: self._obtain(canonical, newer_than))
        wait_s = self._config.settings.proxy.wait_s
        try:
            filled = await asyncio.wait_for(asyncio.shield(task), wait_s)
        except TimeoutError:
            filled = Filled(Failed(f"no answer within {wait_s:g} s", timed_out=True), led=True)
        # Who found the answer in the store after all did not pay for it either.
        unpaid = isinstance(filled.result, Fetched) and filled.result.effect is None
        led = led and filled.led and not unpaid
        if not led:
            result = "ok" if isinstance(filled.result, Fetched) else "leader_failed"
            self._metrics.cache.flight_waits.labels("node", result).inc()
            self._metrics.cache.flight_wait.labels("node").observe(time.perf_counter() - started)
        return self._settle(cacheable, wants, filled, led, started, forwarded)

    async def follow_store(self) -> None:
        """For ever: follows a store that was replaced, and shows how full the tiers are."""
        metrics = self._metrics
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            try:
                self._store.follow()
                self._hot.follow()
                metrics.runtime.degraded.labels("store").set(0)
            except StoreError as error:
                metrics.runtime.degraded.labels("store").set(1)
                logger.warning("%s", error)
            metrics.cache.objects.labels("memory").set(len(self._hot))
            metrics.cache.bytes.labels("memory").set(self._hot.size)
            metrics.cache.max_bytes.labels("memory").set(self._config.settings.hot.max_bytes)

    async def report_demand(self) -> None:
        """For ever: tells the sidecar once a second what clients asked for; the report is also its sign of life."""
        while True:
            reported, self._to_report = self._to_report, {}
            try:
                declined = await self._link.demand(reported.values())
                self._metrics.runtime.degraded.labels("sidecar").set(0)
            except LinkDown:
                declined = set(reported)
                self._metrics.runtime.degraded.labels("sidecar").set(1)
            for key in reported:
                if (ready := self._hot.get(key)) is not None:
                    ready.kept = 0 if key in declined else self._link.generation
            await asyncio.sleep(REPORT_INTERVAL_S)

    def _decide(self, cacheable: Cacheable, ready: Ready, now: float) -> Fresh | Stale | Expired:
        route = cacheable.route.settings
        told = ready.kept == self._link.generation and ready.reported_at + route.idle_after_s > now
        refreshing = told and self._link.up
        return decide(route, ready.entry, now, refreshing=refreshing)

    def _asked(self, cacheable: Cacheable, ready: Ready, now: float) -> None:
        told = ready.kept == self._link.generation
        if not told or now - ready.reported_at > cacheable.route.settings.idle_after_s / 4:
            ready.reported_at = now
            self._to_report[cacheable.canonical.key] = cacheable.canonical

    def _settle(
        self, cacheable: Cacheable, wants: Wants, filled: Filled, led: bool, started: float, forwarded: str
    ) -> Answer:
        """The answer that a finished fill leads to."""
        now = self._clock()
        outcome: Outcome = "fetched" if led else "coalesced"
        status = f"fwd={forwarded}" if led else f"fwd={forwarded}; collapsed"
        ready = self._hot.load(cacheable.canonical.key)
        match filled.result:
            case Fetched(entry):
                if ready is not None:
                    self._asked(cacheable, ready, now)
                if led or ready is None:
                    answer = paid_answer(entry, wants, f"{status}; stored")
                else:
                    answer = ready.answer(wants, now, status)
                self._count(cacheable, outcome, answer, started, ready, now)
                return answer
            case Refused(response, reason, trouble):
                status = f"{status}; fwd-status={response.status}; {detail(reason)}"
                answer = verbatim(response, status, wants)
            case Failed(reason, timed_out, retry_after):
                trouble = True
                status = f"{status}; {detail(reason)}"
                code = 504 if timed_out else 503 if retry_after else 502
                answer = local(code, reason, retry_after=retry_after, cache_status=status)
        if trouble and ready is not None:
            decision = self._decide(cacheable, ready, now)
            if not isinstance(decision, Expired) or decision.usable:
                self._asked(cacheable, ready, now)
                answer = ready.answer(wants, now, status)
                self._count(cacheable, "stale", answer, started, ready, now)
                return answer
        self._count(cacheable, "failed" if trouble else outcome, answer, started, None, now)
        return answer

    async def _obtain(self, canonical: CanonicalRequest, newer_than: float) -> Filled:
        try:
            filled = await self._link.fill(canonical, newer_than)
        except LinkDown:
            filled = await self._filler.fill(canonical, newer_than, "client")
        if isinstance(filled.result, Fetched):
            # Whether the sidecar keeps the key fresh is known from its answer to the next report alone.
            self._hot.put(filled.result.entry)
        return filled

    def _count(
        self,
        cacheable: Cacheable,
        outcome: Outcome,
        answer: Answer,
        started: float,
        ready: Ready | None,
        now: float,
    ) -> None:
        upstream = cacheable.provider.name
        client = self._metrics.client
        seconds = time.perf_counter() - started
        client.answered(upstream, cacheable.route.name, outcome, answer.status, seconds, len(answer.body))
        if ready is None:
            return
        # One of the last durations, not this entry's own: slow fetches collect more waiters, which biases the sum.
        durations = self._hot.fetch_durations(upstream)
        counterfactual = seconds if outcome == "fetched" else random.choice(durations)  # noqa: S311
        client.compared(upstream, age(ready.entry, now), seconds, counterfactual)


def wants_of(request: Request) -> Wants:
    """What of the request shapes the answer."""
    accept_encoding = if_none_match = None
    for name, value in request.headers:
        lower = name.lower()
        if lower == "accept-encoding":
            accept_encoding = value if accept_encoding is None else f"{accept_encoding}, {value}"
        elif lower == "if-none-match":
            if_none_match = value if if_none_match is None else f"{if_none_match}, {value}"
    return Wants(_gzip_accepted(accept_encoding), if_none_match, request.method == "HEAD")
