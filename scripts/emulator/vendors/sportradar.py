"""Sportradar Odds Comparison (prematch): a max-age on every feed, a change log, gateway limits as 403 or 429."""

from __future__ import annotations

import argparse
import math
from typing import Any

from .clock import Clock, Window, iso
from .exchange import Answer, Asked, ControlError, Refused, entry, of
from .sportradar_board import BOOKS, SPORTS, Board
from .vendor import Control, Vendor

LEVELS = ("trial", "production")
CHANGE_LOG_S = 300
MAX_AGE_S = {"books": 300, "sports": 300, "schedules": 1, "markets": 60, "change_log": 1}
GATEWAY = {
    "over_qps": (403, "Developer Over Qps", "ERR_403_DEVELOPER_OVER_QPS"),
    "over_rate": (403, "Developer Over Rate", "ERR_403_DEVELOPER_OVER_RATE"),
    "inactive": (403, "Developer Inactive", "ERR_403_DEVELOPER_INACTIVE"),
}
PLAIN = {"over_qps": (429, "Too Many Requests"), "over_rate": (429, "Limit Exceeded"), "inactive": (403, "Forbidden")}
STYLES = ("mashery", "plain")


class Sportradar(Vendor):
    """Header x-api-key; Cache-Control on every feed; limits per second and month, told by a gateway."""

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.settings |= {"qps": args.qps, "quota": args.quota, "throttle": args.throttle}
        self.max_age = dict(MAX_AGE_S)
        self.board = Board(self.rng, clock.now())
        self._second = Window(1.0)

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--qps", type=int, default=0, help="requests per key and second; 0: no limit")
        parser.add_argument("--quota", type=int, default=0, help="requests per key and month (UTC); 0: no limit")
        parser.add_argument("--throttle", choices=STYLES, default="mashery", help="403 of a gateway, or 429")

    def credential(self, asked: Asked) -> str:
        return asked.headers.get("x-api-key", "")

    def answer(self, asked: Asked) -> Answer:
        match asked.parts:
            case ["oddscomparison-prematch", level, "v2", "en", *feed] if level in LEVELS:
                self._admit(self.credential(asked))
                return self._feed(feed)
        raise Refused(Answer({"message": "Not Found"}, 404))

    def _admit(self, key: str) -> None:
        now, quota = self.clock.now(), self.settings["quota"]
        if not self.valid(key):
            raise self._throttled("inactive", 0)
        if wait_s := self._second.admit(key, now, self.settings["qps"]):
            raise self._throttled("over_qps", wait_s)
        if quota and self.ledger.spent(key, now) >= quota:
            raise self._throttled("over_rate", 3600)
        self.ledger.charge(key, 1, now)

    def _throttled(self, kind: str, wait_s: float) -> Refused:
        """In the style of the old gateway (403 with its header), or a plain 429."""
        after = {"Retry-After": str(math.ceil(wait_s))} if wait_s else {}
        if self.settings["throttle"] == "plain":
            status, message = PLAIN[kind]
            return Refused(Answer({"message": message}, status, after))
        status, message, code = GATEWAY[kind]
        return Refused(Answer(f"<h1>{message}</h1>", status, {"X-Mashery-Error-Code": code, **after}))

    def _feed(self, feed: list[str]) -> Answer:
        match feed:
            case ["books.json"]:
                return self._sent("books", {"books": named(BOOKS)})
            case ["sports.json"]:
                return self._sent("sports", {"sports": named(SPORTS)})
            case ["sports", sport, "schedules", date, "schedules.json"] if sport in SPORTS:
                events = [{"sport_event": event.head()} for event in self.board.scheduled(sport, date)]
                return self._sent("schedules", {"schedules": events})
            case ["sport_event_markets" | "sport_events", "change_log.json"]:
                return self._sent("change_log", self._changes())
            case ["sport_events", number, "sport_event_markets.json"] if number in self.board.events:
                event = self.board.events[number]
                return self._sent("markets", {"sport_event": event.head(), "markets": event.markets()})
        return Answer({"message": "Not Found"}, 404, self._cached("markets"))

    def _sent(self, feed: str, document: dict[str, Any]) -> Answer:
        generated = iso(self.clock.now(), "%Y-%m-%dT%H:%M:%S+00:00")
        return Answer({"generated_at": generated, **document}, headers=self._cached(feed))

    def _cached(self, feed: str) -> dict[str, str]:
        return {"Cache-Control": f"public, must-revalidate, max-age={self.max_age[feed]}"}

    def _changes(self) -> dict[str, Any]:
        """The events whose odds moved in the last five minutes."""
        now = int(self.clock.now())
        changes = [
            {"type": "sport_event", "id": event.id, "sport_event_markets_odds_change": int(event.changed)}
            for event in self.board.changed_since(now - CHANGE_LOG_S)
        ]
        return {"status": {"from": now - CHANGE_LOG_S, "to": now}, "changes": changes}

    def move(self, count: int) -> None:
        for _ in range(count):
            self.board.move(self.clock.now())

    def controls(self) -> dict[str, Control]:
        return {
            "move_event": self._move_event,
            "remove": self._remove,
            "max_age": self._max_age,
            "throttle": self._throttle,
        }

    def _move_event(self, value: Any) -> None:
        """The event's id."""
        self.board.move(self.clock.now(), of(str, "move_event", value))

    def _remove(self, value: Any) -> None:
        """{"event": ..., "market": "sr:market:1", "book": "sr:book:1", "outcome": "draw"}; no outcome: the book"""
        place = (entry(of(dict, "remove", value), "market", str), entry(value, "book", str))
        self.board.remove(self.clock.now(), entry(value, "event", str), (*place, entry(value, "outcome", str, "")))

    def _max_age(self, value: Any) -> None:
        """{"markets": 5}"""
        for feed, seconds in of(dict, "max_age", value).items():
            if feed not in self.max_age:
                raise ControlError(f"unknown feed: {feed}; known: {', '.join(self.max_age)}")
            self.max_age[feed] = of(int, feed, seconds)

    def _throttle(self, value: Any) -> None:
        if value not in STYLES:
            raise ControlError(f"throttle is one of {', '.join(STYLES)}")
        self.settings["throttle"] = value

    def truth(self) -> dict[str, Any]:
        return {number: event.markets() for number, event in self.board.events.items()}


def named(names: dict[str, str]) -> list[dict[str, str]]:
    return [{"id": number, "name": name} for number, name in names.items()]
