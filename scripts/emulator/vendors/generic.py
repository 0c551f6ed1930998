"""A REST odds API of invented shape: it shows what a profile written for another vendor has to name."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from . import prices
from .clock import Clock, Window, iso
from .exchange import Answer, Asked, Refused
from .vendor import Vendor

LEAGUES = {"north": ("Harbour v Mills", "Rovers v Quay"), "south": ("Summit v Castle",), "quiet": ()}
MARKETS = {"winner": ("home", "draw", "away"), "total": ("over", "under")}
BOOKS = ("alpha", "beta")

Board = dict[tuple[str, str, str, str], dict[str, float]]
"""Prices by league, event, market and book."""


class Generic(Vendor):
    """Header X-Token; a token per market; every refusal is a 200 with "ok": false; figures at publication times."""

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.settings |= {"quota": args.quota, "rate": args.rate, "publish_s": args.publish_s}
        self.start_s = clock.now()
        self._second = Window(1.0)
        self.board: Board = {
            (league, event, market, book): {side: prices.opening(self.rng) for side in sides}
            for league, events in LEAGUES.items()
            for event in events
            for market, sides in MARKETS.items()
            for book in BOOKS
        }
        self._published = (-1, self.board)

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--quota", type=int, default=10_000, help="tokens per key and month (UTC)")
        parser.add_argument("--rate", type=int, default=0, help="requests per key and second; 0: no limit")
        parser.add_argument("--publish-s", type=float, default=0.0, help="as_of falls on multiples; 0: always now")

    def credential(self, asked: Asked) -> str:
        return asked.headers.get("X-Token", "")

    def answer(self, asked: Asked) -> Answer:
        key, now = self.credential(asked), self.clock.now()
        if not self.valid(key):
            raise self._refused("BAD_TOKEN", "The token is missing or unknown", {})
        if wait_s := self._second.admit(key, now, self.settings["rate"]):
            raise self._refused("TOO_FAST", f"Wait {wait_s:.3f} s", self._headers(key, 0))
        match asked.parts:
            case ["api", "leagues"]:
                return self._answer(key, 0, sorted(LEAGUES))
            case ["api", "odds"]:
                return self._odds(asked, key)
        raise self._refused("NO_SUCH_PATH", asked.path, self._headers(key, 0))

    def _odds(self, asked: Asked, key: str) -> Answer:
        league, markets = asked.first("league"), asked.many("market") or frozenset(MARKETS)
        free = self._headers(key, 0)
        if league not in LEAGUES:
            raise self._refused("NO_SUCH_LEAGUE", league, free)
        if unknown := sorted(markets - set(MARKETS)):
            raise self._refused("NO_SUCH_MARKET", unknown[0], free)
        if self.ledger.spent(key, self.clock.now()) >= self.settings["quota"]:
            raise self._refused("NO_TOKENS_LEFT", "The tokens of this month are spent", free)
        return self._answer(key, len(markets), rows(self._shown(), league, markets, self.start_s))

    def _answer(self, key: str, cost: int, data: list[Any]) -> Answer:
        self.ledger.charge(key, cost, self.clock.now())
        return Answer({"as_of_ts_ms": self._as_of_ms(), "ok": True, "data": data}, headers=self._headers(key, cost))

    def _refused(self, code: str, text: str, headers: dict[str, str]) -> Refused:
        error = {"code": code, "text": text}
        return Refused(Answer({"as_of_ts_ms": self._as_of_ms(), "ok": False, "error": error}, headers=headers))

    def _headers(self, key: str, cost: int) -> dict[str, str]:
        left = self.settings["quota"] - self.ledger.spent(key, self.clock.now())
        return {"X-Tokens-Remaining": str(left), "X-Tokens-Cost": str(cost)}

    def _as_of_ms(self) -> int:
        now, step = self.clock.now(), self.settings["publish_s"]
        return int((now // step * step if step else now) * 1000)

    def _shown(self) -> Board:
        """The board of the last publication."""
        if not self.settings["publish_s"]:
            return self.board
        as_of = self._as_of_ms()
        if self._published[0] != as_of:
            self._published = (as_of, copy.deepcopy(self.board))
        return self._published[1]

    def move(self, count: int) -> None:
        self._shown()
        for _ in range(count):
            quoted = self.rng.choice(list(self.board.values()))
            side = self.rng.choice(list(quoted))
            quoted[side] = prices.moved(self.rng, quoted[side])

    def truth(self) -> dict[str, Any]:
        """The present board, which may be ahead of the last publication."""
        return {league: rows(self.board, league, frozenset(MARKETS), self.start_s) for league in LEAGUES}


def rows(board: Board, league: str, markets: frozenset[str], start_s: float) -> list[dict[str, Any]]:
    return [
        {"event": event, "starts_at": starts(event, start_s), "market": market, "book": book, "prices": quoted}
        for (place, event, market, book), quoted in board.items()
        if place == league and market in markets
    ]


def starts(event: str, start_s: float) -> str:
    events = [name for names in LEAGUES.values() for name in names]
    return iso(start_s + 3600 * (1 + events.index(event)))
