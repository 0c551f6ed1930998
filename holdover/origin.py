"""Routes whose freshness is the origin's: from a client's request to an answer, by RFC 9111."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import floor
from pathlib import Path

from holdover.answer import Answer, local
from holdover.cache_status import detail
from holdover.caching.changing import invalidated
from holdover.caching.directives import Directives, control
from holdover.caching.freshness import age_now, lifetime
from holdover.caching.reuse import TROUBLE, Use, Validate, asked_of, judged, prohibits_stale, usable_instead
from holdover.caching.stored import Stored, Variants
from holdover.caching.validation import CONDITIONAL, FOR_ORIGINS
from holdover.caching.vary import nominated, selected
from holdover.exchange import Request, Response
from holdover.flight import Flights
from holdover.key import ForOrigin
from holdover.metrics import Metrics, Outcome
from holdover.origin_answer import of_origin, of_stored
from holdover.origin_client import NoAnswer, OriginClient, Unsendable
from holdover.origin_fetch import Errand, Obtained, OriginFetcher, as_sent
from holdover.origin_shelf import OriginShelf
from holdover.rules import Provider, Rules
from holdover.store.base import Blobs

ALONE_S = 10.0
MOST_REMEMBERED = 4096
_PERSONAL = frozenset(("authorization", "cookie"))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, what is stored for it, what both say, and what follows; `verdict` is None when nothing is stored
    that it selects."""

    route: ForOrigin
    request: Request
    asks: Directives
    variants: Variants
    chosen: Stored | None
    told: Directives
    verdict: Use | Validate | None

    @property
    def why(self) -> str:
        """Why it is forwarded, as RFC 9211 has it."""
        if isinstance(self.verdict, Validate):
            return self.verdict.why
        return "vary-miss" if self.variants.stored else "uri-miss"

    @property
    def errand(self) -> Errand:
        return Errand(self.route.route.settings, self.request, self.variants, self.chosen)

    @property
    def may_be_shared(self) -> bool:
        """Whether others may wait for the answer to this request: nothing in it is for one client alone."""
        names = {name.lower() for name, _ in self.request.headers}
        whole = self.chosen is not None or names.isdisjoint(CONDITIONAL | {"range"})
        return whole and names.isdisjoint(_PERSONAL) and "no-store" not in self.asks and "no-cache" not in self.asks


type _Result = tuple[Answer | None, Outcome]
type Changed = Callable[[Request, Response], Awaitable[None]]
"""Told of an answer to a request with an unsafe method."""


class OriginCache:
    """Of one process. Make, use and close it inside one event loop."""

    def __init__(
        self,
        rules: Rules,
        store: Blobs,
        metrics: Metrics,
        *,
        ca_file: Path | None,
        changed: Changed,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._ca_file = ca_file
        self._changed = changed
        self._clock = clock
        self._disk = ThreadPoolExecutor(1, "origin-store")
        self._shelf = OriginShelf(store, self._disk, metrics)
        self._fetchers: dict[str, OriginFetcher] = {}
        self._flights: Flights[Obtained] = Flights()
        self._alone: dict[str, float] = {}
        self._large: dict[str, float] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        for name, fetcher in list(self._fetchers.items()):
            if rules.provider(name) != fetcher.client.provider:
                del self._fetchers[name]
                task = asyncio.create_task(_retire(fetcher.client))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        await self._flights.settle()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for fetcher in self._fetchers.values():
            await fetcher.client.close()
        self._disk.shutdown()

    async def answer(self, asked: ForOrigin, request: Request, started: float) -> Answer | None:
        """None when somebody who need not hold it whole has to pass it on. `started` is `time.perf_counter()` at the
        request."""
        try:
            answer, outcome = await self._answered(asked, request)
        except Unsendable:
            return None
        if answer is not None:
            names, seconds = (asked.provider.name, asked.route.name), time.perf_counter() - started
            self._metrics.client.answered(*names, outcome, answer.status, seconds, len(answer.body))
        return answer

    async def invalidate(self, asked: ForOrigin) -> None:
        """A request with an unsafe method succeeded (RFC 9111 section 4.4)."""
        empty = Variants(asked.provider.name, asked.route.name, asked.target)
        await self._shelf.change(empty, partial(invalidated, at=self._clock()))

    async def _answered(self, asked: ForOrigin, request: Request) -> _Result:
        names = {name.lower() for name, _ in request.headers}
        found = await self._looked_up(asked, request)
        if request.method not in ("GET", "HEAD"):
            return await self._passed(found, "method")
        if request.body or not names.isdisjoint(FOR_ORIGINS):
            return await self._passed(found, "bypass")
        now, key = self._clock(), found.variants.key
        if found.chosen is not None and isinstance(found.verdict, Use):
            ttl = floor(found.verdict.ttl)
            if found.verdict.refresh:
                self._refresh(found, found.chosen)
            return of_stored(found.chosen, request, f"hit; ttl={ttl}", now), "fresh" if ttl >= 0 else "stale"
        if "only-if-cached" in found.asks:
            message = "nothing is stored that may be used"
            return local(504, message, cache_status=f"fwd={found.why}; {detail(message)}"), "local"
        if self._large.get(key, 0.0) > now:
            return None, "bypass"
        if request.method == "HEAD":
            return await self._passed(found, found.why)
        if found.may_be_shared and self._alone.get(key, 0.0) <= now:
            return await self._together(found)
        return self._settled(found, await self._fetcher(asked.provider).obtain(found.errand))

    async def _looked_up(self, asked: ForOrigin, request: Request) -> _Asked:
        settings, asks = asked.route.settings, asked_of(request.headers)
        variants = await self._shelf.get(Variants(asked.provider.name, asked.route.name, asked.target))
        chosen, told, verdict = selected(variants.stored, request.headers), Directives(), None
        if chosen is not None:
            told = control(chosen.headers, settings.targeted).without(settings.override)
            verdict = judged(chosen, told, asks, self._clock())
        return _Asked(asked, request, asks, variants, chosen, told, verdict)

    async def _together(self, found: _Asked) -> _Result:
        """With all who ask the same meanwhile, if the answer may be theirs too."""
        task, led = self._join(found, found.errand)
        obtained = await asyncio.shield(task)
        if led or isinstance(obtained.answer, NoAnswer):
            return self._settled(found, obtained, "" if led else "; collapsed")
        again = await self._looked_up(found.route, found.request)
        if again.chosen is not None and isinstance(again.verdict, Use):
            status = f"fwd={found.why}; fwd-status={obtained.answer.status}; collapsed"
            return of_stored(again.chosen, found.request, status, self._clock()), "coalesced"
        # It was for who asked first alone: the others ask for themselves, all at once.
        return self._settled(again, await self._fetcher(found.route.provider).obtain(again.errand))

    def _join(self, found: _Asked, errand: Errand) -> tuple[asyncio.Task[Obtained], bool]:
        """The flight of all requests that are alike by what is stored."""
        alike = nominated(found.variants.stored, found.request.headers)
        return self._flights.join(f"{found.variants.key} {alike}", lambda: self._obtain(found, errand))

    async def _obtain(self, found: _Asked, errand: Errand) -> Obtained:
        obtained = await self._fetcher(found.route.provider).obtain(errand)
        if obtained.stored is None and not isinstance(obtained.answer, NoAnswer):
            # For a while nobody waits for what is not to be shared.
            _remember(self._alone, found.variants.key, self._clock() + ALONE_S)
        else:
            self._alone.pop(found.variants.key, None)
        return obtained

    def _refresh(self, found: _Asked, chosen: Stored) -> None:
        """Validates what is served, once, behind the client's back and without its credentials (RFC 5861 section
        3)."""
        if any(name in _PERSONAL for name, _ in chosen.selecting):
            return
        fields = tuple(item for item in found.request.headers if item[0].lower() not in _PERSONAL)
        self._join(found, replace(found.errand, request=replace(found.request, headers=fields), trigger="refresh"))

    async def _passed(self, found: _Asked, why: str) -> _Result:
        """Past what is stored."""
        answer = await self._fetcher(found.route.provider).pass_on(found.errand)
        if isinstance(answer, NoAnswer):
            return self._without(found, answer, f"fwd={why}")
        await self._changed(found.request, answer)
        return of_origin(answer, found.request, f"fwd={why}; fwd-status={answer.status}"), "bypass"

    def _settled(self, found: _Asked, obtained: Obtained, also: str = "") -> _Result:
        """The answer that a call led to."""
        answer, now, status = obtained.answer, self._clock(), f"fwd={found.why}"
        if isinstance(answer, NoAnswer):
            return self._without(found, answer, status + also)
        status += f"; fwd-status={answer.status}"
        if answer.status in TROUBLE and (instead := self._instead(found, now, reached=True)) is not None:
            return of_stored(instead, found.request, status + also, now), "stale"
        if obtained.stored is None or (sent := as_sent(obtained)) is None:
            return of_origin(answer, found.request, status + also), "fetched"
        told = control(sent.headers, found.route.route.settings.targeted)
        ttl = floor(lifetime(obtained.stored, told) - age_now(obtained.stored, now))
        return of_stored(sent, found.request, f"{status}{also}; ttl={ttl}; stored", None), "fetched"

    def _without(self, found: _Asked, failed: NoAnswer, status: str) -> _Result:
        """The answer when the origin gave none."""
        request, now = found.request, self._clock()
        safe = request.method in ("GET", "HEAD")
        if failed.too_large and safe:
            _remember(self._large, found.variants.key, now + ALONE_S)
            return None, "bypass"
        told = f"{status}; {detail(failed.reason)}"
        if safe and (instead := self._instead(found, now, reached=False)) is not None:
            return of_stored(instead, request, told, now), "stale"
        # RFC 9111 section 5.2.2.2: what must be validated and cannot be is a 504.
        bound = found.chosen is not None and prohibits_stale(found.told)
        code = 504 if failed.timed_out or bound else 502
        return local(code, failed.reason, cache_status=told, head=request.method == "HEAD"), "failed"

    def _instead(self, found: _Asked, now: float, *, reached: bool) -> Stored | None:
        """What is stored, if it may be given in the place of an error."""
        chosen, longest_s = found.chosen, found.route.route.settings.max_stale_s
        if chosen is None or not usable_instead(
            chosen, found.told, found.asks, now, reached=reached, longest_s=longest_s
        ):
            return None
        return chosen

    def _fetcher(self, provider: Provider) -> OriginFetcher:
        if (fetcher := self._fetchers.get(provider.name)) is None:
            client = OriginClient(provider, self._ca_file)
            fetcher = OriginFetcher(client, self._shelf, self._metrics.upstream, self._clock)
            self._fetchers[provider.name] = fetcher
        return fetcher


def _remember(moments: dict[str, float], key: str, until: float) -> None:
    if len(moments) >= MOST_REMEMBERED:
        moments.clear()
    moments[key] = until


async def _retire(client: OriginClient) -> None:
    try:
        await asyncio.sleep(2 * client.provider.settings.limits.timeout_s)
    finally:
        await client.close()
