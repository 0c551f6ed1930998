"""SportsGameOdds: requests per minute and objects per month, pages by cursor."""

from __future__ import annotations

import argparse
import base64
import binascii
import math
from collections import Counter
from typing import Any, ClassVar

from .clock import Clock, Window
from .exchange import Answer, Asked, Refused
from .sports_game_odds_board import SPORTS, Board, Event
from .vendor import Vendor

HIGHEST_LIMIT = 100
DEFAULT_LIMIT = 10


class SportsGameOdds(Vendor):
    """Header x-api-key or parameter apiKey; each answer counts its objects, at least one."""

    secret_parameters: ClassVar[frozenset[str]] = frozenset({"apiKey"})

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.settings |= {"quota": args.quota, "rate": args.rate}
        self.board = Board(self.rng, clock.now(), args.events)
        self._minute = Window(60.0)
        self._retries: Counter[str] = Counter()
        self._placements: Counter[str] = Counter()

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--quota", type=int, default=100_000, help="objects per key and month (UTC); 0: no limit")
        parser.add_argument("--rate", type=int, default=300, help="requests per key and minute; 0: no limit")
        parser.add_argument("--events", type=int, default=6, help="events per league")

    def credential(self, asked: Asked) -> str:
        return asked.headers.get("x-api-key", "") or asked.first("apiKey")

    def answer(self, asked: Asked) -> Answer:
        key, now = self.credential(asked), self.clock.now()
        self._observe(asked)
        if not self.valid(key):
            raise refused(401, "Invalid API key" if key else "No API key provided")
        if wait_s := self._minute.admit(key, now, self.settings["rate"]):
            raise refused(429, "Rate limit exceeded", {"Retry-After": str(math.ceil(wait_s))})
        if asked.parts == ["v2", "account", "usage"]:
            return Answer({"success": True, "data": self._usage(key)})
        if self.settings["quota"] and self.ledger.spent(key, now) >= self.settings["quota"]:
            raise refused(429, "Monthly object limit exceeded")
        match asked.parts:
            case ["v2", "sports"]:
                return self._charged(key, {"success": True, "data": sports()}, len(SPORTS))
            case ["v2", "events"]:
                return self._events(asked, key)
        raise refused(404, f"Unknown path: {asked.path}")

    def _observe(self, asked: Asked) -> None:
        if retry := asked.headers.get("X-Stainless-Retry-Count"):
            self._retries[retry] += 1
        self._placements["header"] += bool(asked.headers.get("x-api-key"))
        self._placements["query"] += bool(asked.first("apiKey"))

    def _events(self, asked: Asked, key: str) -> Answer:
        found = [event for event in self.board.events if wanted(asked, event, self.clock.now())]
        start, limit = after(asked), limit_of(asked)
        page = found[start : start + limit]
        more = cursor(start + limit) if start + limit < len(found) else None
        now, books = self.clock.now(), asked.many("bookmakerID")
        data = [event.document(now, books, asked.many("oddID", "oddIDs")) for event in page]
        return self._charged(key, {"success": True, "data": data, "nextCursor": more}, len(page))

    def _charged(self, key: str, document: dict[str, Any], objects: int) -> Answer:
        self.ledger.charge(key, max(1, objects), self.clock.now())
        return Answer(document)

    def _usage(self, key: str) -> dict[str, Any]:
        """Free of objects."""
        now, quota, rate = self.clock.now(), self.settings["quota"], self.settings["rate"]
        month = {"max-entities": quota or "unlimited", "current-entities": self.ledger.spent(key, now)}
        minute = {"max-requests": rate or "unlimited", "current-requests": self._minute.used(key)}
        return {"tier": "demo", "isActive": True, "rateLimits": {"per-month": month, "per-minute": minute}}

    def move(self, count: int) -> None:
        for _ in range(count):
            self.board.move(self.clock.now())

    def truth(self) -> dict[str, Any]:
        now = self.clock.now()
        return {event.id: event.document(now, frozenset(), frozenset()) for event in self.board.events}

    def counts(self) -> dict[str, Any]:
        return {**super().counts(), "retry_counts": dict(self._retries), "key_placements": dict(self._placements)}

    def reset_counts(self) -> None:
        super().reset_counts()
        self._retries.clear()
        self._placements.clear()


def refused(status: int, problem: str, headers: dict[str, str] | None = None) -> Refused:
    return Refused(Answer({"success": False, "error": problem}, status, headers or {}))


def sports() -> list[dict[str, Any]]:
    return [{"sportID": sport, "name": sport.title(), "enabled": True} for sport in SPORTS]


def wanted(asked: Asked, event: Event, now: float) -> bool:
    filters = {
        event.id: asked.many("eventID", "eventIDs"),
        event.sport: asked.many("sportID"),
        event.league: asked.many("leagueID"),
        str(event.live(now)).lower(): asked.many("live"),
    }
    return all(not names or value in names for value, names in filters.items())


def limit_of(asked: Asked) -> int:
    try:
        limit = int(float(asked.first("limit", str(DEFAULT_LIMIT))))
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise refused(400, "limit must be a number of at least 1")
    return min(limit, HIGHEST_LIMIT)


def cursor(start: int) -> str:
    return base64.urlsafe_b64encode(f"from:{start}".encode()).decode()


def after(asked: Asked) -> int:
    """Where the page begins."""
    text = asked.first("cursor")
    try:
        return int(base64.urlsafe_b64decode(text).decode().removeprefix("from:")) if text else 0
    except (binascii.Error, ValueError) as problem:
        raise refused(400, "Invalid cursor") from problem
