"""Test endpoints: never delayed, never limited, not counted. And the application that has them all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from aiohttp import web

from .app import Emulator
from .blackout import Door
from .board import prices_of
from .commands import Commands
from .control import changed
from .replies import plain
from .schedule import World

ABOUT = (
    "An emulated odds provider with invented prices. Provider endpoints: /v4/sports and below. "
    "Test endpoints: /_truth /_stats /_control /_world /_keys /_blackout\n"
)


class Inspection:
    """What tests may read and change of an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def about(self, _request: web.Request) -> web.Response:
        return web.Response(text=ABOUT)

    async def truth(self, request: web.Request) -> web.Response:
        """The prices of a sport at the present tick, or at an older one while it is remembered.

        The older one is named by `tick`, or by a virtual time with `at`. `additional=true` adds the markets that
        only the odds of one event have.
        """
        now, world = self._emulator.now(), self._emulator.world
        newest = self._emulator.timeline.at(now)
        sport = request.query.get("sport", "")
        if sport not in newest.sports:
            return plain({"message": f"unknown sport: {sport}; known: {', '.join(newest.sports)}"}, 404)
        tick = asked_tick(request.query, world, newest.tick)
        if tick is None or not self._emulator.timeline.history.oldest <= tick <= newest.tick:
            return plain({"message": "this tick is not held"}, 404)
        more = request.query.get("additional") == "true"
        history = self._emulator.timeline.history
        prices = prices_of(newest, sport, more) if tick == newest.tick else history.prices(sport, tick, more)
        return plain({"tick": tick, "at": world.at(tick), "now": now, "tick_s": world.tick_s, "prices": prices})

    async def history(self, request: web.Request) -> web.Response:
        """Every change of the lines of an event that is remembered."""
        now = self._emulator.now()
        self._emulator.timeline.at(now)
        history, event_id = self._emulator.timeline.history, request.query.get("event", "")
        changes = history.changes(event_id)
        if changes is None:
            return plain({"message": f"unknown event: {event_id}"}, 404)
        oldest, gone = history.oldest, history.gone(event_id)
        return plain({"event": event_id, "now": now, "oldest_tick": oldest, "gone_tick": gone, "changes": changes})

    async def stats(self, _request: web.Request) -> web.Response:
        ledger = self._emulator.ledger
        spent = {name: account.spent for name, account in ledger.accounts.items() if account.requests}
        extra = {"by_key": ledger.document(self._emulator.settings.quota), "credits": spent}
        return plain(self._emulator.stats.document() | extra)

    async def reset_stats(self, request: web.Request) -> web.Response:
        """Sets the counts to zero and gives every key its whole quota back; what was ordered for a key stays."""
        self._emulator.stats.reset()
        self._emulator.ledger.forget()
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


def asked_tick(query: Mapping[str, str], world: World, newest: int) -> int | None:
    try:
        if "at" in query:
            at = float(query["at"])
            return world.tick(at) if world.start <= at < math.inf else None
        return int(query.get("tick", str(newest)))
    except ValueError:
        return None


def application(emulator: Emulator, door: Door) -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(emulator.keep_time)
    app.on_response_prepare.append(emulator.dated)
    inspection, commands = Inspection(emulator), Commands(emulator, door)
    app.add_routes(
        [
            web.get("/v4/{rest:.*}", emulator.handle),
            web.get("/", inspection.about),
            web.get("/_truth", inspection.truth),
            web.get("/_truth/history", inspection.history),
            web.get("/_stats", inspection.stats),
            web.post("/_stats/reset", inspection.reset_stats),
            web.get("/_control", inspection.settings),
            web.post("/_control", inspection.change_settings),
            web.get("/_world", commands.world),
            web.post("/_world", commands.change_world),
            web.get("/_keys", commands.keys),
            web.post("/_keys", commands.change_keys),
            web.post("/_blackout", commands.blackout),
        ]
    )
    return app
