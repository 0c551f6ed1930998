"""The provider's endpoints over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from email.utils import formatdate

from aiohttp import hdrs, web

from . import faults
from .admission import Admission, check_credits, retry_after, too_frequent
from .answers import Answer, Memo, historical
from .board import Board
from .clock import Clock
from .control import Draw, Fault, Settings
from .errors import RefusedError
from .ledger import Ledger
from .query import Query, Target, endpoint, query_of, target
from .replies import JSON, as_recorded, encoded, refused
from .schedule import World
from .stats import Stats
from .timeline import HELD_TICKS, Timeline
from .trace import Trace

REVISED = ("odds", "event_odds", "event_markets", "scores")
SHORTEST_SLEEP_S = 0.01


class Emulator:
    """State of one server. `credentials` empty means that any key is valid."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        credentials: frozenset[str],
        clock: Clock,
        history_ticks: int = HELD_TICKS,
        monthly: bool = False,
        trace: Trace | None = None,
    ) -> None:
        self.world = world
        self.settings = settings
        self.now = clock
        self.timeline = Timeline(world, history_ticks)
        self.stats = Stats()
        self.silent_until = 0.0
        self._trace = trace or Trace()
        self._memo = Memo(world)
        self._draw = Draw()
        self._rng = random.Random(world.seed)
        self.ledger = Ledger(monthly)
        self._admission = Admission(credentials, self.ledger, clock)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every path below /v4."""
        asked = target(request.path, request.rel_url.raw_query_string)
        where = endpoint(request.path)
        self.stats.begin(
            request.path,
            asked.shape,
            request.transport,
            hdrs.IF_NONE_MATCH in request.headers,
            where.kind if where else "unknown",
        )
        fault = self._draw.fault(self.settings, self._rng, self.now.real())
        if fault:
            self.stats.by_fault[fault.kind] += 1
        outcome = "cancelled"
        try:
            if self.now.real() < self.silent_until:
                await faults.hang()
            response = await self._respond(request, asked, fault)
            outcome = fault.kind if fault and fault.kind in ("reset", "cut") else str(response.status)
            return response
        finally:
            self.stats.end(outcome)

    async def _respond(self, request: web.Request, asked: Target, fault: Fault | None) -> web.StreamResponse:
        if fault is None:
            return await self._answer(request, asked)
        match fault.kind:
            case "status":
                await self._delay()
                headers = {"Content-Type": JSON, **fault.headers}
                return web.Response(status=fault.status, body=fault.body.encode(), headers=headers)
            case "hang":
                await faults.hang()
            case "reset":
                await self._delay()
                return faults.reset(request)
            case "maintenance":
                await self._delay()
                return faults.maintenance()
            case "frequency":
                return refused(too_frequent(), retry_after(self.settings, self.date()))
        return await faults.spoilt(request, await self._answer(request, asked), fault)

    async def _answer(self, request: web.Request, asked: Target) -> web.Response:
        try:
            response = await self._billed(request, asked)
        except RefusedError as refusal:
            response = refused(refusal, retry_after(self.settings, self.date()) if refusal.status == 429 else None)
        response.headers.update(self.settings.extra_headers)
        if self.settings.framing == "chunked" and response.status == 200:
            response.enable_chunked_encoding()
        return response

    async def _billed(self, request: web.Request, asked: Target) -> web.Response:
        """Raises RefusedError for what is answered without quota headers: 401 and 429.

        The delay comes first, then the board is read: a later answer never shows an older board than one
        that was already sent.
        """
        account = self._admission.account(asked.key)
        await asyncio.sleep(self._admission.wait_s(account, self.settings))
        await self._delay()
        accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
        scene = self._trace.scene(self.now() - self.world.start, request.method, asked)
        if scene is not None:
            cost = scene.billed(request.path, asked)
            quota = {} if cost is None else account.charge(cost, self.settings.quota)
            return as_recorded(scene, quota, accepted)
        try:
            query = query_of(request.path, asked)
            check_credits(account, query, self.settings)
            await self._transfer(query, accepted)
            now = self.now()
            board = self.timeline.at(now)
            answer = self._composed(board, query)
        except RefusedError as refusal:
            if refusal.status == 401:
                raise
            return refused(refusal, account.charge(0, self.settings.quota))
        known = self.settings.etag and answer.etag in request.headers.get(hdrs.IF_NONE_MATCH, "")
        headers = account.charge(0 if known else answer.cost, self.settings.quota)
        headers |= self._headers(answer, board, query, now)
        if known:
            return web.Response(status=304, headers=headers)
        return encoded(answer, headers, accepted)

    def _composed(self, board: Board, query: Query) -> Answer:
        omit = self.settings.emptied == "omit"
        if query.historical:
            return historical(self.timeline, query, omit)
        return self._memo.answer(board, query, omit)

    def date(self) -> float:
        """The provider's own idea of the time, as its Date header shows it."""
        return self.now() + self.settings.date_skew_s

    async def dated(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers[hdrs.DATE] = formatdate(self.date(), usegmt=True)

    async def _delay(self) -> None:
        delay = self.settings.latency_s(self._rng)
        if delay:
            await asyncio.sleep(delay)

    async def _transfer(self, query: Query, accepted: str) -> None:
        """Waits as long as a body of the size of this answer takes."""
        if self.settings.bytes_per_s:
            answer = self._composed(self.timeline.at(self.now()), query)
            size = len(encoded(answer, {}, accepted).body or b"")  # type: ignore[arg-type]
            await asyncio.sleep(size / self.settings.bytes_per_s)

    def _headers(self, answer: Answer, board: Board, query: Query, now: float) -> dict[str, str]:
        headers = {"Content-Type": JSON, "Vary": "Accept-Encoding"}
        if query.endpoint.kind in REVISED:
            headers["X-Emulator-Revision"] = str(board.tick)
            headers["X-Emulator-Generated-At"] = f"{now:.3f}"
        if self.settings.etag:
            headers["ETag"] = answer.etag
        if self.settings.cache_control is not None:
            headers["Cache-Control"] = self.settings.cache_control
        return headers

    async def keep_time(self, _app: web.Application) -> AsyncIterator[None]:
        """Advances the board each tick, so that no request has to catch up with an idle hour."""

        async def advance() -> None:
            while True:
                self.timeline.at(self.now())
                await asyncio.sleep(max(SHORTEST_SLEEP_S, self.world.tick_s / max(self.now.speed, 0.001)))

        task = asyncio.create_task(advance())
        yield
        task.cancel()
