"""What a call for a route whose freshness is the origin's comes to: something new to store, the stored confirmed, or
an answer for who asked alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from holdover.caching.changing import added, replaced
from holdover.caching.directives import control
from holdover.caching.ranges import RANGE_FIELDS
from holdover.caching.reuse import ABOUT_THE_CLIENT, TROUBLE
from holdover.caching.stored import Stored, Variants
from holdover.caching.storing import Exchanged, forbidden, forwarded, refusal, stored
from holdover.caching.validation import CONDITIONAL, any_of, conditions, confirms, tagged, tells_of_another, updated
from holdover.caching.vary import selecting
from holdover.exchange import Headers, Request, Response
from holdover.intake import Failed
from holdover.metrics import Trigger, UpstreamMetrics
from holdover.origin.client import NoAnswer, OriginClient, outgoing
from holdover.origin.shelf import OriginShelf
from holdover.route_settings import RouteSettings
from holdover.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Obtained:
    """`answer` is what the origin said, or why it said nothing; `stored` what is stored now because of it,
    `confirmed` when that was there before, `loose` when it is in the memory of who obtained it alone."""

    answer: Response | NoAnswer
    stored: Stored | None = None
    confirmed: bool = False
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """A call to make: the client's request, what is stored of its URI, and which of that is to be validated.
    `limited`: within the provider's limits. `within_s`: seconds within which its turn is to come, and then all of its
    answer."""

    route: RouteSettings
    request: Request
    variants: Variants
    chosen: Stored | None
    trigger: Trigger
    limited: bool
    within_s: float


class OriginFetcher:
    """Makes the calls for one provider, and stores what may be stored."""

    def __init__(
        self,
        client: OriginClient,
        shelf: OriginShelf,
        upstream: Upstream,
        metrics: UpstreamMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self._shelf = shelf
        self._upstream = upstream
        self._metrics = metrics
        self._clock = clock

    async def obtain(self, errand: Errand) -> Obtained:
        """By GET, with the validators of what is to be validated. Raises Unsendable."""
        chosen, kept = errand.chosen, outgoing(errand.request)
        asked = conditions(chosen) if chosen is not None else any_of(errand.variants.stored, errand.request.headers)
        if chosen is not None:
            # The whole is asked for; what the client has and which part it wants is seen to afterwards.
            kept = tuple(item for item in kept if item[0].lower() not in CONDITIONAL | RANGE_FIELDS)
        answer, times = await self._in_turn(errand, (*kept, *asked))
        if isinstance(answer, NoAnswer):
            return Obtained(answer)
        if answer.status == 304 and asked:
            if chosen is not None and confirms(chosen, answer.headers):
                return await self._confirmed(errand, chosen, answer, times)
            if chosen is None and (other := tagged(errand.variants.stored, answer.headers)) is not None:
                return await self._also(errand, other, answer, times)
            answer, times = await self._in_turn(errand, kept)
            if isinstance(answer, NoAnswer):
                return Obtained(answer)
        return await self._arrived(errand, answer, times)

    async def pass_on(self, errand: Errand) -> Response | NoAnswer:
        """The request as it came; what it leads to is nobody else's. Raises Unsendable."""
        request = errand.request
        answer, times = await self._called(errand, request.method, outgoing(request))
        if request.method == "HEAD" and errand.chosen is not None and isinstance(answer, Response):
            await self._after_head(errand, errand.chosen, answer, times)
        return answer

    async def _after_head(self, errand: Errand, chosen: Stored, answer: Response, times: tuple[float, float]) -> None:
        """A HEAD that tells of the same makes it new where the answer to a GET that says so might be stored."""
        if not tells_of_another(chosen, answer):
            new = self._made_new(errand, chosen, answer, times) if answer.status == chosen.status else chosen
            if not isinstance(new, Stored):
                return
        else:
            new = replace(chosen, stale=True)
        await self._shelf.change(errand.variants, partial(replaced, old=chosen, new=new))

    async def _in_turn(self, errand: Errand, headers: Headers) -> tuple[Response | NoAnswer, tuple[float, float]]:
        """As `_called`, when the provider's limits allow it."""
        if not errand.limited:
            return await self._called(errand, "GET", headers)
        now = self._clock()
        if (found := await self._upstream.limits(self.client.provider)) is None:
            return NoAnswer("the configuration does not allow to call the provider"), (now, now)
        limits, account = found
        async with limits.turn(account, limits.left_alone, within_s=errand.within_s) as refused:
            if refused is not None:
                retry_after = refused.retry_after if isinstance(refused, Failed) else None
                return NoAnswer(refused.reason, retry_after=retry_after), (now, now)
            answer, times = await self._called(errand, "GET", headers)
            limits.heard(trouble=_tells_of_trouble(answer))
        return answer, times

    async def _called(
        self, errand: Errand, method: str, headers: Headers
    ) -> tuple[Response | NoAnswer, tuple[float, float]]:
        """The answer, and when it was asked for and had come."""
        name, route = self.client.provider.name, errand.route.name
        asked_at, started, code = self._clock(), time.perf_counter(), "error"
        self._metrics.active.labels(name).inc()
        try:
            request = errand.request
            answer = await self.client.send(method, request.target, headers, request.body, errand.within_s)
            if isinstance(answer, Response):
                code = f"{answer.status // 100}xx"
                self._metrics.bytes.labels(name).inc(len(answer.body))
        finally:
            self._metrics.active.labels(name).dec()
            self._metrics.requests.labels(name, route, errand.trigger, code).inc()
            self._metrics.duration.labels(name, errand.trigger).observe(time.perf_counter() - started)
        return answer, (asked_at, self._clock())

    async def _confirmed(
        self, errand: Errand, chosen: Stored, answer: Response, times: tuple[float, float]
    ) -> Obtained:
        new = self._made_new(errand, chosen, answer, times)
        if isinstance(new, Stored):
            await self._shelf.change(errand.variants, partial(replaced, old=chosen, new=new))
            return self._kept(errand, answer, new, confirmed=True)
        told = control(new.headers, errand.route.targeted)
        if not self._is_personal(errand) and forbidden(new, told, errand.route.override) is not None:
            await self._shelf.change(errand.variants, partial(replaced, old=chosen, new=None))
        return Obtained(new)

    def _made_new(
        self, errand: Errand, old: Stored, answer: Response, times: tuple[float, float]
    ) -> Stored | Response:
        """What a 304 to this request makes of what is stored; no more than an answer to it where the two together
        must not be stored."""
        route, asked = errand.route, errand.request.headers
        new = updated(old, answer.headers, control(answer.headers, route.targeted), times, route.override)
        new = replace(new, selecting=selecting(new.headers, asked))
        whole = _whole(new)
        return new if refusal(self._exchanged(errand, whole, times), route.override) is None else whole

    async def _also(self, errand: Errand, other: Stored, answer: Response, times: tuple[float, float]) -> Obtained:
        """What another request selected is the answer to this one too (RFC 9111 section 4.3.3)."""
        new = self._made_new(errand, other, answer, times)
        if isinstance(new, Response):
            return Obtained(new)
        if not await self._add(errand, new, None):
            return Obtained(_whole(new))
        return self._kept(errand, answer, new, confirmed=True)

    async def _add(self, errand: Errand, new: Stored, of: Stored | None) -> bool:
        """Whether it is stored."""
        longest = self.client.provider.settings.limits.max_body_bytes
        stands = await self._shelf.change(errand.variants, lambda held: added(held, new, of, longest, self._clock()))
        return new in stands.stored

    async def _arrived(self, errand: Errand, answer: Response, times: tuple[float, float]) -> Obtained:
        route, chosen, exchanged = errand.route, errand.chosen, self._exchanged(errand, answer, times)
        trouble = answer.status in TROUBLE and chosen is not None
        if trouble or refusal(exchanged, route.override) is not None:
            if chosen is not None and (left := self._left_of(chosen, errand, exchanged)) is not chosen:
                await self._shelf.change(errand.variants, partial(replaced, old=chosen, new=left))
            return Obtained(answer)
        new = stored(exchanged, route.override)
        return self._kept(errand, answer, new) if await self._add(errand, new, chosen) else Obtained(answer)

    def _left_of(self, chosen: Stored, errand: Errand, one: Exchanged) -> Stored | None:
        """What an answer that is not stored leaves of what was said before. What it says now takes the place of that,
        but not where it is for who asks alone. Where others may have it, only that nobody asked for them, the old is
        validated before it is given, or they would go back in time."""
        status = one.response.status
        if status >= 500 or status in ABOUT_THE_CLIENT or self._is_personal(errand):
            return chosen
        is_for_nobody = refusal(replace(one, asked=()), errand.route.override) is not None
        return None if is_for_nobody else replace(chosen, stale=True)

    def _is_personal(self, errand: Errand) -> bool:
        return any(self.client.provider.is_personal(name) for name, _ in errand.request.headers)

    def _kept(self, errand: Errand, answer: Response, new: Stored, *, confirmed: bool = False) -> Obtained:
        return Obtained(answer, new, confirmed, loose=self._shelf.is_loose(errand.variants.key))

    def _exchanged(self, errand: Errand, answer: Response, times: tuple[float, float]) -> Exchanged:
        asked, told = errand.request.headers, control(answer.headers, errand.route.targeted)
        return Exchanged("GET", asked, answer, told, *times, self.client.provider.personal)


def _tells_of_trouble(answer: Response | NoAnswer) -> bool:
    """Whether the origin as a whole seems to fail."""
    return not answer.unheld if isinstance(answer, NoAnswer) else answer.status in TROUBLE


def _whole(stored: Stored) -> Response:
    return Response(stored.status, (*stored.headers, ("Content-Length", str(len(stored.body)))), stored.body)


def as_sent(obtained: Obtained) -> Stored | None:
    """What is stored, with the fields that are for who asked alone."""
    new, answer = obtained.stored, obtained.answer
    if new is None or isinstance(answer, NoAnswer):
        return None
    fields = forwarded(answer.headers)
    if obtained.confirmed:
        names = {name.lower() for name, _ in new.headers}
        # Of what confirmed it the age counts: a cache before the origin may have done that.
        own = tuple(item for item in fields if item[0].lower() in ("age", "set-cookie", "set-cookie2"))
        fields = (*new.headers, *(item for item in own if item[0].lower() not in names))
    return replace(new, headers=fields)
