"""Orders to a running emulator: to its world, to its keys and to its listening socket."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from .app import Emulator
from .blackout import Door
from .checks import Check, SettingError, parsed
from .incidents import GOAL_STEPS, goal, suspension
from .orders import BLACKOUT, GOAL, KEYS, MOST_TICKS, OF_A_KEY, PLACE, REMOVE, SUSPEND, WORLD, required
from .replies import plain


class Commands:
    """400 and no change when an entry is unknown or wrong, or names what is not there."""

    def __init__(self, emulator: Emulator, door: Door) -> None:
        self._emulator = emulator
        self._door = door

    async def world(self, _request: web.Request) -> web.Response:
        return plain(self._world())

    async def change_world(self, request: web.Request) -> web.Response:
        return await self._done(request, WORLD, self._change_world)

    async def keys(self, _request: web.Request) -> web.Response:
        return plain(self._keys())

    async def change_keys(self, request: web.Request) -> web.Response:
        return await self._done(request, KEYS, self._change_keys)

    async def blackout(self, request: web.Request) -> web.Response:
        return await self._done(request, BLACKOUT, self._blackout)

    async def _done(
        self, request: web.Request, checks: Mapping[str, Check], act: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> web.Response:
        try:
            return plain(act(parsed(json.loads(await request.read()), checks, "order")))
        except ValueError as problem:
            return plain({"message": str(problem)}, 400)

    def _world(self) -> dict[str, Any]:
        now, real, world = self._emulator.now(), self._emulator.now.real(), self._emulator.world
        board = self._emulator.timeline.at(now)
        return {
            "now": now,
            "real": real,
            "speed": self._emulator.now.speed,
            "start": world.start,
            "tick": board.tick,
            "tick_s": world.tick_s,
            "seed": world.seed,
            "events": {sport: len(events) for sport, events in board.sports.items()},
        }

    def _change_world(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time first, then what is to happen at the new time."""
        clock = self._emulator.now
        if order.get("advance_s", 0) / self._emulator.world.tick_s > MOST_TICKS:
            raise SettingError(f"advance_s must be at most {MOST_TICKS} ticks")
        acts = [
            getattr(self, f"_{name}")(order[name]) for name in ("remove", "place", "goal", "suspend") if name in order
        ]
        if "speed" in order:
            clock.run_at(order["speed"])
        clock.advance(order.get("advance_s", 0))
        done: dict[str, Any] = {}
        for act in acts:
            done |= act()
        return self._world() | done

    def _place(self, order: object) -> Callable[[], dict[str, Any]]:
        asked = required(parsed(order, PLACE, "place"), "place", "sport", "in_s")
        timeline = self._emulator.timeline
        if not timeline.can_place(asked["sport"]):
            raise SettingError(f"place.sport is unknown or has no teams: {asked['sport']}")

        def act() -> dict[str, Any]:
            event = timeline.place(asked["sport"], self._emulator.now(), asked["in_s"], asked.get("lasts_s"))
            told = {"id": event.id, "sport": asked["sport"], "commence_time": event.commence, "ends": event.ends}
            return {"placed": told}

        return act

    def _remove(self, order: object) -> Callable[[], dict[str, Any]]:
        asked = parsed(order, REMOVE, "remove")
        sports = self._emulator.timeline.newest.sports
        listed = [found.event for events in sports.values() for found in events]
        ids = frozenset(
            event.id
            for event in listed
            if asked
            and asked.get("sport", event.sport.key) == event.sport.key
            and asked.get("event", event.id) == event.id
        )
        if not ids:
            raise SettingError("remove names no event of the board")

        def act() -> dict[str, Any]:
            self._emulator.timeline.remove(self._emulator.now(), ids)
            return {"removed": sorted(ids)}

        return act

    def _goal(self, order: object) -> Callable[[], dict[str, Any]]:
        asked = required(parsed(order, GOAL, "goal"), "goal", "event")
        books = self._books(asked["event"])
        steps = GOAL_STEPS if asked.get("side") == "away" else -GOAL_STEPS

        def act() -> dict[str, Any]:
            now = self._emulator.now()
            at = now + asked.get("in_s", 0)
            rng = random.Random(f"{self._emulator.world.seed}:{asked['event']}:{int(at)}:goal")
            self._emulator.timeline.order(now, goal(asked["event"], books, at, steps, rng))
            return {"goal_at": at}

        return act

    def _suspend(self, order: object) -> Callable[[], dict[str, Any]]:
        asked = required(parsed(order, SUSPEND, "suspend"), "suspend", "event", "for_s")
        self._books(asked["event"])

        def act() -> dict[str, Any]:
            now = self._emulator.now()
            at = now + asked.get("in_s", 0)
            actions = suspension(asked["event"], asked.get("book"), asked.get("market"), at, asked["for_s"])
            self._emulator.timeline.order(now, actions)
            return {"suspended_at": at, "suspended_until": actions[-1].at}

        return act

    def _books(self, event_id: str) -> tuple[str, ...]:
        found = self._emulator.timeline.newest.find(event_id)
        if found is None:
            raise SettingError(f"event is not on the board: {event_id}")
        return found.books

    def _keys(self) -> dict[str, Any]:
        ledger = self._emulator.ledger
        ledger.turn(self._emulator.now())
        return {"keys": ledger.keys(self._emulator.settings.quota), "reset_at": ledger.reset_at}

    def _change_keys(self, order: dict[str, Any]) -> dict[str, Any]:
        ledger = self._emulator.ledger
        own = {name: order[name] for name in OF_A_KEY if name in order}
        if own and "key" not in order:
            raise SettingError("key is missing")
        if "reset_at" in order:
            ledger.reset_at = order["reset_at"]
        if "reset_in_s" in order:
            ledger.reset_at = self._emulator.now() + order["reset_in_s"]
        if order.get("reset") and "key" not in order:
            ledger.begin_month()
        if "key" in order:
            account = ledger.account(order["key"])
            own = ({"used": 0} if order.get("reset") else {}) | own
            for name, value in own.items():
                setattr(account, name, value)
        return self._keys()

    def _blackout(self, order: dict[str, Any]) -> dict[str, Any]:
        seconds = required(order, "blackout", "for_s")["for_s"]
        mode = order.get("mode", "refuse")
        if mode == "refuse":
            self._door.shut(seconds)
        else:
            self._emulator.silent_until = self._emulator.now.real() + seconds
        return {"mode": mode, "for_s": seconds}
