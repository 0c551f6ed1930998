"""`GET /v1/promos`: what a visitor is shown, and why not the rest. What is edited is seen within half a second."""

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from holdover.answer import etag_matches
from holdover.metrics import PromoMetrics

from .described import described
from .document import Promo, Vocabulary
from .door import bad
from .explain import Explained, explain
from .moment import Unclear, absolute
from .resolve import Resolution, Resolver, Shown, Visitor
from .standing import Change, Live, Status
from .streams import MOST_POLLS, Changes, changed, serve, wait_of

LONGEST_S = 5
"""A client that does not listen shows so long what was killed."""
_WHO = frozenset(("jurisdiction", "language", "device", "segment", "visitor", "visits", "at", "stream"))
_STREAM = re.compile("[0-9]{1,15}")
_VISITS = {"new": False, "returning": True, "": None}


STATES = ("good", "kept", "held", "refused")


@dataclass(slots=True)
class Promotions:
    """What is live. `publish` is what the watcher of the folder calls."""

    metrics: PromoMetrics
    live: Live = field(default_factory=lambda: Live("", Vocabulary(), ()))
    statuses: tuple[Status, ...] = ()
    changes: Changes = field(default_factory=Changes)
    waiting: Callable[[], Mapping[str, str]] = dict
    """Files that wait for approval, with the digest of their content."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Why promos are not shown for what their odds are now, by id."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """What is offered without the boost, by the promo's id."""
    _polls: int = 0
    event: str = field(init=False)
    """Names what is shown now, as the revision names what is accepted."""
    resolver: Resolver = field(init=False)
    _boosted: list[Promo] = field(init=False)

    def __post_init__(self) -> None:
        self._changed()
        self.changes.observe = self.metrics.propagation.observe
        self.metrics.streams.set_function(lambda: len(self.changes.streams))

    def hide(self, hidden: Mapping[str, str], prices: Mapping[str, float]) -> None:
        """What the odds say of all boosted promos. Prices alone are no news for streams: they move all the time."""
        edited, self.hidden, self.prices = hidden != self.hidden, hidden, prices
        if edited:
            self._changed()
            self.changes.tell(self.event, time.time())

    def _changed(self) -> None:
        hidden = json.dumps(sorted(self.hidden.items())).encode()
        self.event = f"{self.live.revision}-{hashlib.blake2b(hidden, digest_size=4).hexdigest()}"
        self.resolver = Resolver(self.live.promos, self.live.vocabulary, self.withheld)
        self._boosted = [promo for promo in self.live.promos if promo.odds]

    @property
    def withheld(self) -> Mapping[str, str]:
        """Why promos are not shown whose gates may all be open, by id."""
        return {**self.hidden, **self.live.withheld}

    def publish(self, change: Change) -> None:
        edited = change.live.revision != self.live.revision
        self.live, self.statuses = change.live, change.statuses
        self._changed()
        self.metrics.live.set(len(change.live.promos))
        self.metrics.killed.set(len(change.live.withheld))
        for state in STATES:
            self.metrics.files.labels(state).set(sum(each.state == state for each in change.statuses))
        if edited:
            self.metrics.edits.inc()
            self.changes.tell(self.event, change.noticed_at)

    async def stop(self, _: web.Application) -> None:
        self.changes.stop()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/promos", self._promos),
            # Of a stream there is no HEAD: it would be one more that listens, for ever.
            web.get("/v1/promos/events", self._events, allow_head=False),
            web.get("/v1/promos/explain", self._explain),
            web.get("/v1/promos/status", self._status),
            *described(),
        ]

    def control(self) -> list[web.RouteDef]:
        """For the Unix socket, which is its owner's alone."""
        return [
            web.get("/promos/shown", self._shown),
        ]

    async def _shown(self, request: web.Request) -> web.Response:
        """For proxies that answer old URLs of a homepage, as `/v1/promos`; 503 before there is anything to show."""
        visitor, _ = _asked(request)
        if not self.live.vocabulary.slots:
            return web.Response(status=503, text="there is no vocabulary of promos yet; see `holdover promos status`")
        return self._answer(request, visitor, time.time(), kept=True)[0]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await serve(request, self.changes, lambda: (self.event, self.live.revision))

    async def _promos(self, request: web.Request) -> web.Response:
        visitor, at = _asked(request)
        if stream := request.query.get("stream"):
            self.changes.fetched(int(stream), self.event)
        wait_s = wait_of(request.headers.get("Prefer")) if at is None and self._polls < MOST_POLLS else 0.0
        self._polls += 1
        try:
            return await self._awaited(request, visitor, at, wait_s)
        finally:
            self._polls -= 1

    async def _awaited(self, request: web.Request, visitor: Visitor, at: float | None, wait_s: float) -> web.Response:
        """The answer that the client does not have, within `wait_s`."""
        deadline = time.monotonic() + wait_s
        while True:
            event = self.changes.next
            now = time.time() if at is None else at
            answer, next_change_at = self._answer(request, visitor, now, kept=at is None)
            if wait_s:
                answer.headers["Preference-Applied"] = f"wait={wait_s:g}"
            if answer.status != 304 or time.monotonic() >= deadline or self.changes.stopped:
                return answer
            left = math.inf if next_change_at is None else next_change_at - now
            await changed(event, min(deadline, time.monotonic() + left))

    def _answer(
        self, request: web.Request, visitor: Visitor, now: float, *, kept: bool
    ) -> tuple[web.Response, float | None]:
        """With the time of the next change. `kept`: clients may keep it for a while."""
        live = self.live
        found = self.resolver(visitor, now)
        facts = {
            "revision": live.revision,
            "next_change_at": _iso(found.next_change_at),
            "responsible": _responsible(live.vocabulary, visitor),
            "slots": {slot: [_promo(each, self.prices) for each in shown] for slot, shown in found.slots.items()},
        }
        tag = f'W/"{hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": self._cache_control(found, now) if kept else "no-store"}
        if (told := request.headers.get("If-None-Match")) is not None and etag_matches(told, tag):
            return web.Response(status=304, headers=headers), found.next_change_at
        body = {**facts, "generated_at": _iso(now)}
        return web.json_response(body, headers=headers), found.next_change_at

    def _cache_control(self, found: Resolution, now: float) -> str:
        """It never outlives the next change; what is for one visitor is for no shared cache. When odds hide a promo,
        or let it be shown again, nobody can tell before."""
        if not self.live.revision or any(promo.start <= now < promo.end for promo in self._boosted):
            return "private, no-cache"
        left = LONGEST_S if found.next_change_at is None else min(LONGEST_S, int(found.next_change_at - now))
        return f"private, max-age={max(0, left)}"

    async def _explain(self, request: web.Request) -> web.Response:
        live, (visitor, at) = self.live, _asked(request)
        now = time.time() if at is None else at
        told = explain(live.promos, live.vocabulary, visitor, now, self.withheld)
        facts = {"revision": live.revision, "promos": list(map(_explained, told))}
        return web.json_response(facts, headers={"Cache-Control": "no-store"})

    async def _status(self, _: web.Request) -> web.Response:
        files = [
            {
                "file": each.file,
                "state": each.state,
                "accepted_at": _iso(each.accepted_at),
                "problems": [problem.facts() for problem in each.problems],
            }
            for each in self.statuses
        ]
        told = {
            "revision": self.live.revision,
            "files": files,
            "waiting": dict(self.waiting()),
            "killed": [{"id": promo, "why": why} for promo, why in self.live.withheld.items()],
            "hidden": [{"id": promo, "reason": reason} for promo, reason in sorted(self.hidden.items())],
            "spread": self._spread(),
        }
        return web.json_response(told, headers={"Cache-Control": "no-store"})

    def _spread(self) -> dict[str, Any]:
        told = dict(self.changes.facts())
        return {**told, **{name: _iso(told[name]) for name in ("noticed_at", "all_told_at", "all_fetched_at")}}


def _asked(request: web.Request) -> tuple[Visitor, float | None]:
    """The visitor, and the time that is asked about, if not now. Raises HTTPBadRequest."""
    query = request.query
    if unknown := sorted(set(query) - _WHO):
        raise bad(f"{unknown[0]!r} is not known; there are {', '.join(sorted(_WHO))}")
    if twice := next((name for name in sorted(query) if name != "segment" and len(query.getall(name)) > 1), ""):
        raise bad(f"{twice} stands twice; segment alone may")
    if not _STREAM.fullmatch(query.get("stream", "0")):
        raise bad("stream is the number that the stream told")
    if query.get("visits", "") not in _VISITS:
        raise bad("visits is new or returning")
    one = {name: query.get(name, "") for name in ("jurisdiction", "language", "device")}
    segments = frozenset(filter(None, query.getall("segment", [])))
    returning = _VISITS[query.get("visits", "")]
    return Visitor(**one, segments=segments, id=query.get("visitor", ""), returning=returning), _moment(
        query.get("at")
    )


def _moment(text: str | None) -> float | None:
    at = None if text is None else absolute(text)
    if isinstance(at, Unclear):
        raise bad(f"at {at.message}; {at.remedy}")
    return at


def _responsible(known: Vocabulary, visitor: Visitor) -> dict[str, Any] | None:
    """What the rules of the visitor's jurisdiction want told beside what is advertised."""
    if (pack := known.packs.get(visitor.jurisdiction)) is None:
        return None
    return {"minimum_age": pack.minimum_age, "helpline": {"text": pack.helpline, "link": pack.helpline_link}}


def _promo(shown: Shown, prices: Mapping[str, float]) -> dict[str, Any]:
    promo = shown.promo
    facts: dict[str, Any] = {
        "id": promo.id,
        "kind": promo.kind,
        "title": shown.text.title,
        "text": shown.text.text,
        "action": shown.text.action,
        "link": promo.link,
        "start": _iso(promo.start),
        "end": _iso(promo.end),
        "variant": shown.variant.id if shown.variant else None,
    }
    if promo.image is not None:
        facts["image"] = {"src": promo.image.src, "alt": shown.alt}
    if promo.terms is not None:
        facts["terms"] = {"short": shown.terms, "link": promo.terms.link}
    if (odds := promo.odds) is not None:
        named = {"event": odds.event, "market": odds.market, "selection": odds.selection}
        facts["odds"] = {**named, "price": odds.price, "was": prices.get(promo.id)}
    return facts


def _explained(told: Explained) -> dict[str, Any]:
    gates = [{"gate": each.gate, "passed": each.passed, "why": each.sentence} for each in told.outcomes]
    return {"id": told.promo.id, "slot": told.promo.slot, "shown": told.shown, "gates": gates}


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
