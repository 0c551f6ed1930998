"""Routes whose freshness is the origin's: from a client's request to an answer, by RFC 9111."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import floor, inf

from holdover.answer import Answer, local
from holdover.apart import Apart
from holdover.cache_status import detail
from holdover.caching.directives import control
from holdover.caching.freshness import age_now, lifetime
from holdover.caching.reuse import TROUBLE, Use, prohibits_stale, usable_instead
from holdover.caching.stored import Stored
from holdover.caching.storing import COOKIES
from holdover.caching.validation import FOR_ORIGINS
from holdover.exchange import Request, Response, header
from holdover.flight import Flights
from holdover.key import ForOrigin
from holdover.link import Link, LinkDown
from holdover.metrics import Metrics, Outcome, Trigger
from holdover.origin.answer import before, of_origin, of_stored
from holdover.origin.client import NoAnswer, Unsendable, must_be_sendable
from holdover.origin.fetch import Obtained, as_sent
from holdover.origin.filler import Flown, Joined, OriginFiller, ended_with
from holdover.origin.found import Found, look_up, nothing_of
from holdover.rules import Rules

MOST_WAITS = 3
"""For how many answers one request waits, each of which tells that it is another's."""
LATE_S = 1.0
"""What is not to take longer than clients wait ends by itself, and tells why, a moment later."""

type _Result = tuple[Answer | None, Outcome]


class OriginCache:
    """Of one proxy process. Make, use and close it inside one event loop."""

    def __init__(
        self,
        filler: OriginFiller,
        link: Link,
        wait_s: float,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._filler = filler
        self._link = link
        self._wait_s = wait_s
        self._metrics = metrics
        self._clock = clock
        self._flights: Flights[Flown] = Flights()
        self._alone, self._unheld = Apart(), Apart()

    def use(self, rules: Rules, wait_s: float) -> None:
        """Takes over a changed configuration."""
        self._wait_s = wait_s
        self._filler.use(rules)
        self._alone.clear()
        self._unheld.clear()

    async def close(self) -> None:
        await self._flights.settle()
        await self._filler.close()

    async def answer(self, asked: ForOrigin, request: Request, started: float) -> Answer | None:
        """None when somebody who need not hold it whole has to pass it on. `started` is `time.perf_counter()` at the
        request."""
        try:
            answer, outcome = await self._answered(asked, request, started + self._wait_s)
        except Unsendable:
            return None
        if answer is not None:
            names, seconds = (asked.provider.name, asked.route.name), time.perf_counter() - started
            self._metrics.client.answered(*names, outcome, answer.status, seconds, len(answer.body))
        return answer

    async def invalidate(self, asked: ForOrigin) -> None:
        """A request with an unsafe method succeeded (RFC 9111 section 4.4)."""
        # A response may allow itself to be stale for as long as it likes.
        await self._filler.shelf.invalidate(nothing_of(asked), self._clock(), inf)

    async def settle(self) -> None:
        """Call it every second or so: what the store could not be told is told again."""
        await self._filler.shelf.settle(self._clock())

    async def _answered(self, asked: ForOrigin, request: Request, until: float) -> _Result:
        if request.method not in ("GET", "HEAD") or _has_no_end(request):
            return None, "bypass"
        names = {name.lower() for name, _ in request.headers}
        found = await self._looked_up(asked, request)
        if request.body or not names.isdisjoint(FOR_ORIGINS):
            return await self._passed(found, "bypass", until)
        now, key = self._clock(), found.variants.key
        if found.chosen is not None and isinstance(found.verdict, Use):
            ttl = floor(found.verdict.ttl)
            if found.verdict.refresh:
                self._refresh(found, found.chosen)
            return of_stored(found.chosen, request, f"hit; ttl={ttl}", now), "fresh" if ttl >= 0 else "stale"
        if "only-if-cached" in found.asks:
            message = "nothing is stored that may be used"
            return local(504, message, head=request.method == "HEAD"), "local"
        if self._unheld.holds(key, now):
            return None, "bypass"
        if request.method == "HEAD":
            return await self._passed(found, found.why, until)
        if found.may_be_shared and not self._alone.holds(key, now):
            return await self._together(found, until)
        return self._settled(found, await self._alone_asked(found, until))

    async def _looked_up(self, asked: ForOrigin, request: Request) -> Found:
        return await look_up(self._filler.shelf, asked, request, self._clock())

    async def _together(self, found: Found, until: float, times: int = MOST_WAITS) -> _Result:
        """With all who ask alike meanwhile, if the answer may be theirs too."""
        route, request = found.route, found.request
        task, led = self._flights.join(found.alike, lambda: self._fly(route, request, "client"))
        flown = await self._patiently(asyncio.shield(task), until)
        if isinstance(flown, Obtained) and (led or _tells_of_trouble(flown)):
            return self._settled(found, flown) if led else self._settled(found, _for_others(flown), "; collapsed")
        ended = ended_with(flown) if isinstance(flown, Obtained) else flown
        if ended.failed is not None:
            return self._settled(found, Obtained(ended.failed), "; collapsed")
        now = self._clock()
        if ended.status in TROUBLE and (instead := self._instead(found, now, reached=True)) is not None:
            status = f"fwd={found.why}; fwd-status={ended.status}; collapsed"
            return of_stored(instead, found.request, status, now), "stale"
        again = await self._looked_up(found.route, found.request)
        if again.chosen is not None and isinstance(again.verdict, Use):
            return of_stored(again.chosen, found.request, f"fwd={found.why}; collapsed", self._clock()), "coalesced"
        unasked = ended == Joined()
        if times > 1 and again.may_be_shared and (unasked or again.alike != found.alike):
            # What came tells by which fields it varies (RFC 9111 section 4.1): it was for others, and who asks with
            # the same fields as this one asks alike still.
            return await self._together(again, until, times - 1)
        # It was for who asked first alone: the others ask for themselves, all at once.
        return self._settled(again, await self._alone_asked(again, until))

    async def _alone_asked(self, found: Found, until: float) -> Obtained:
        """What nobody waits for but who asks. Of who tells who he is nothing is held back: it is his own call."""
        left = _left(until)
        if found.is_personal:
            own = self._filler.fetcher(found.route.provider).obtain(found.errand("client", left))
            return await self._patiently(own, until)
        asking = self._flown(found.route, found.request, "client", left, alone=True)
        flown = await self._patiently(asking, until)
        assert isinstance(flown, Obtained)
        return flown

    async def _patiently[T](self, answer: Awaitable[T], until: float) -> T | Obtained:
        """What comes while the client waits."""
        try:
            return await asyncio.wait_for(answer, _left(until) + LATE_S)
        except TimeoutError:
            return Obtained(NoAnswer(f"no answer within {self._wait_s:.3g} s", timed_out=True))

    async def _fly(self, asked: ForOrigin, request: Request, trigger: Trigger) -> Flown:
        # Others may wait for it longer than who asked first.
        flown = await self._flown(asked, request, trigger, self._wait_s)
        if isinstance(flown, Obtained) and isinstance(flown.answer, Response):
            key = nothing_of(asked).key
            self._alone.ends(key)
            if flown.stored is None and not _tells_of_trouble(flown):
                # For a while nobody waits for what is not to be shared.
                self._alone.begins(key, self._clock())
        return flown

    async def _flown(
        self, asked: ForOrigin, request: Request, trigger: Trigger, within_s: float, *, alone: bool = False
    ) -> Flown:
        """What the sidecar, or this process while there is none, has the origin say."""
        must_be_sendable(request.headers)
        try:
            flown = await self._link.fly(asked, request, trigger, within_s, alone=alone)
        except LinkDown:
            return await self._filler.fly(asked, request, trigger, within_s, alone=alone)
        await self._filler.hold(asked, flown)
        return flown

    def _refresh(self, found: Found, chosen: Stored) -> None:
        """Validates what is served, once, behind the client's back (RFC 5861 section 3): without its credentials, and
        without what it asks of caches, which is about its own answer."""
        is_personal = found.route.provider.is_personal
        if any(is_personal(name) for name, _ in chosen.selecting):
            return
        own = ("cache-control", "pragma")
        fields = tuple(i for i in found.request.headers if not (is_personal(i[0]) or i[0].lower() in own))
        request = replace(found.request, headers=fields)
        self._flights.join(found.alike, lambda: self._fly(found.route, request, "refresh"))

    async def _passed(self, found: Found, why: str, until: float) -> _Result:
        """Past what is stored."""
        answer = await self._filler.fetcher(found.route.provider).pass_on(found.errand("client", _left(until)))
        if isinstance(answer, NoAnswer):
            return self._without(found, answer, f"fwd={why}")
        given = of_origin(answer, found.request, f"fwd={why}; fwd-status={answer.status}")
        return replace(given, before=before(answer, found.request)), "bypass"

    def _settled(self, found: Found, obtained: Obtained, also: str = "") -> _Result:
        """The answer that a call led to, and what the origin told before it."""
        given, outcome = self._given(found, obtained, also)
        if given is None or isinstance(obtained.answer, NoAnswer):
            return given, outcome
        return replace(given, before=before(obtained.answer, found.request)), outcome

    def _given(self, found: Found, obtained: Obtained, also: str) -> _Result:
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

    def _without(self, found: Found, failed: NoAnswer, status: str) -> _Result:
        """The answer when the origin gave none."""
        request, now = found.request, self._clock()
        told = f"{status}; {detail(failed.reason)}"
        is_there = failed.unheld and not failed.timed_out
        if not is_there and (instead := self._instead(found, now, reached=False)) is not None:
            return of_stored(instead, request, told, now), "stale"
        if failed.unheld:
            self._unheld.begins(found.variants.key, now)
            return None, "bypass"
        # RFC 9111 section 5.2.2.2: what must be validated and cannot be is a 504.
        bound = found.chosen is not None and prohibits_stale(found.told)
        code = 504 if failed.timed_out or bound else 503 if failed.retry_after else 502
        head, retry_after = request.method == "HEAD", failed.retry_after
        return local(code, failed.reason, retry_after=retry_after, cache_status=told, head=head), "failed"

    def _instead(self, found: Found, now: float, *, reached: bool) -> Stored | None:
        """What is stored, if it may be given in the place of an error."""
        chosen, longest_s = found.chosen, found.route.route.settings.max_stale_s
        if chosen is None or not usable_instead(
            chosen, found.told, found.asks, now, reached=reached, longest_s=longest_s
        ):
            return None
        return chosen


def _left(until: float) -> float:
    """Seconds until then."""
    return max(0.0, until - time.perf_counter())


def _tells_of_trouble(obtained: Obtained) -> bool:
    """An answer about the origin, not about what was asked for: it is everybody's who waited for one."""
    return isinstance(obtained.answer, Response) and obtained.answer.status in TROUBLE


def _for_others(obtained: Obtained) -> Obtained:
    """Without the cookies that it sets, and without what came before it: these are for who had the origin asked."""
    answer = obtained.answer
    assert isinstance(answer, Response)
    fields = tuple(item for item in answer.headers if item[0].lower() not in COOKIES)
    return replace(obtained, answer=replace(answer, headers=fields, interim=()))


def _has_no_end(request: Request) -> bool:
    """Whether the answer is to go on for as long as the client stays: another protocol, or events of a server."""
    upgrade, accept = header(request.headers, "upgrade"), header(request.headers, "accept") or ""
    return "text/event-stream" in accept.lower() or (upgrade is not None and upgrade.lower() != "h2c")
