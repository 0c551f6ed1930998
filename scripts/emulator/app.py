"""The provider's endpoints over HTTP."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import hdrs, web

from . import faults
from .answers import Answer, Memo
from .board import Board, Timeline
from .control import Fault, Settings
from .ledger import Ledger
from .query import Query, RefusedError, Target, endpoint, parse, target
from .replies import JSON, encoded, refused
from .schedule import World
from .stats import Stats

REVISED = ("odds", "event_odds", "scores")


def steady_clock() -> Callable[[], float]:
    """Unix seconds that never step back while the process runs."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class Emulator:
    """State of one server. `credentials` empty means that any key is valid."""

    def __init__(
        self, world: World, settings: Settings, credentials: frozenset[str], now: Callable[[], float]
    ) -> None:
        self.world = world
        self.settings = settings
        self.now = now
        self.timeline = Timeline(world)
        self.ledger = Ledger()
        self.stats = Stats()
        self._credentials = credentials
        self._memo = Memo(world)
        self._rng = random.Random(world.seed)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every path below /v4."""
        asked = target(request.path, request.rel_url.raw_query_string)
        self.stats.begin(request.path, asked.shape, request.transport, hdrs.IF_NONE_MATCH in request.headers)
        fault = self.settings.drawn_fault(self._rng)
        outcome = "cancelled"
        try:
            response = await self._respond(request, asked, fault)
            outcome = "reset" if fault and fault.kind == "reset" else str(response.status)
            return response
        finally:
            self.stats.end(outcome)

    async def _respond(self, request: web.Request, asked: Target, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Fault(kind="status"):
                await self._delay()
                headers = {"Content-Type": JSON, **fault.headers}
                return web.Response(status=fault.status, body=fault.body.encode(), headers=headers)
            case Fault(kind="hang"):
                await faults.hang()
            case Fault(kind="reset"):
                await self._delay()
                return faults.reset(request)
            case Fault(kind="truncate"):
                return await faults.truncated(request, await self._answer(request, asked))
            case Fault(kind="garbage"):
                return faults.garbled(await self._answer(request, asked))
        return await self._answer(request, asked)

    async def _answer(self, request: web.Request, asked: Target) -> web.Response:
        try:
            response = await self._billed(request, asked)
        except RefusedError as refusal:
            response = refused(refusal)
        response.headers.update(self.settings.extra_headers)
        return response

    async def _billed(self, request: web.Request, asked: Target) -> web.Response:
        """Raises RefusedError for what is answered without quota headers: 401 and 429.

        The delay comes first, then the board is read: a later answer never shows an older board than one
        that was already sent.
        """
        self._check_key(asked.key)
        account = self.ledger.account(asked.key)
        if not account.admit(self.now(), self.settings.rate):
            raise RefusedError(429, "EXCEEDED_FREQ_LIMIT", "Requests are too frequent")
        await self._delay()
        now, quota = self.now(), self.settings.quota
        board = self.timeline.at(now)
        try:
            query = query_of(request.path, asked)
            if query.highest_cost and account.used >= quota:
                raise RefusedError(401, "OUT_OF_USAGE_CREDITS", "Usage quota has been reached")
            answer = self._memo.answer(board, query)
        except RefusedError as refusal:
            if refusal.status == 401:
                raise
            return refused(refusal, account.charge(0, quota))
        known = self.settings.etag and answer.etag in request.headers.get(hdrs.IF_NONE_MATCH, "")
        headers = account.charge(0 if known else answer.cost, quota)
        headers |= self._headers(answer, board, query, now)
        if known:
            return web.Response(status=304, headers=headers)
        return encoded(answer, headers, request.headers.get(hdrs.ACCEPT_ENCODING, ""))

    def _check_key(self, key: str) -> None:
        if not key:
            raise RefusedError(401, "MISSING_KEY", "API key is missing")
        if self._credentials and key not in self._credentials:
            raise RefusedError(401, "INVALID_KEY", "API key is not valid")

    async def _delay(self) -> None:
        delay = self.settings.latency_s(self._rng)
        if delay:
            await asyncio.sleep(delay)

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
                await asyncio.sleep(self.world.tick_s)

        task = asyncio.create_task(advance())
        yield
        task.cancel()


def query_of(path: str, asked: Target) -> Query:
    where = endpoint(path)
    if where is None:
        raise RefusedError(404, "NOT_FOUND", f"Unknown path: {path}")
    return parse(where, asked.pairs)
