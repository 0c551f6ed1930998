"""Test endpoints: never delayed, never limited, not counted. And the application that has them all."""

from __future__ import annotations

import json

from aiohttp import web

from .app import Emulator
from .board import prices_of
from .control import changed
from .ledger import Ledger
from .replies import plain

ABOUT = (
    "An emulated odds provider with invented prices. Provider endpoints: /v4/sports and below. "
    "Test endpoints: /_truth /_stats /_control\n"
)


class Inspection:
    """What tests may read and change of an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def about(self, _request: web.Request) -> web.Response:
        return web.Response(text=ABOUT)

    async def truth(self, request: web.Request) -> web.Response:
        """The prices of a sport at the present tick, or at an older one while it is held."""
        now = self._emulator.now()
        newest = self._emulator.timeline.at(now)
        sport, tick = request.query.get("sport", ""), request.query.get("tick", str(newest.tick))
        if sport not in newest.sports:
            return plain({"message": f"unknown sport: {sport}; known: {', '.join(newest.sports)}"}, 404)
        board = self._emulator.timeline.held(int(tick)) if tick.isascii() and tick.isdigit() else None
        if board is None:
            return plain({"message": f"tick {tick} is not held"}, 404)
        tick_s, prices = self._emulator.world.tick_s, prices_of(board, sport)
        return plain({"tick": board.tick, "now": now, "tick_s": tick_s, "prices": prices})

    async def stats(self, _request: web.Request) -> web.Response:
        accounts = self._emulator.ledger.document(self._emulator.settings.quota)
        return plain(self._emulator.stats.document() | {"by_key": accounts})

    async def reset_stats(self, request: web.Request) -> web.Response:
        """Sets the counts to zero and gives every key its whole quota back, as a new month does."""
        self._emulator.stats.reset()
        self._emulator.ledger = Ledger()
        return await self.stats(request)

    async def settings(self, _request: web.Request) -> web.Response:
        return plain(self._emulator.settings.document())

    async def change_settings(self, request: web.Request) -> web.Response:
        """400 and no change when any entry is unknown or wrong."""
        try:
            self._emulator.settings = changed(self._emulator.settings, json.loads(await request.read()))
        except ValueError as problem:
            return plain({"message": str(problem)}, 400)
        return await self.settings(request)


def application(emulator: Emulator) -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(emulator.keep_time)
    inspection = Inspection(emulator)
    app.add_routes(
        [
            web.get("/v4/{rest:.*}", emulator.handle),
            web.get("/", inspection.about),
            web.get("/_truth", inspection.truth),
            web.get("/_stats", inspection.stats),
            web.post("/_stats/reset", inspection.reset_stats),
            web.get("/_control", inspection.settings),
            web.post("/_control", inspection.change_settings),
        ]
    )
    return app
