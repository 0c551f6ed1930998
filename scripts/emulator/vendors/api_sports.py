"""API-Sports: every refusal is a 200 with `errors` in its body; requests are counted per day and per minute."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from . import prices
from .clock import DAY, Clock, Window, iso
from .exchange import Answer, Asked, ControlError, of
from .vendor import Control, Vendor

FIXTURES = tuple(range(1001, 1013))
LEAGUE = {"id": 39, "name": "Demo League", "country": "Nowhere", "season": 2026}
BOOKMAKERS = {6: "Demo Book", 8: "Other Book", 11: "Third Book"}
BETS = {1: ("Match Winner", ("Home", "Draw", "Away")), 5: ("Goals Over/Under", ("Over 2.5", "Under 2.5"))}
PARAMETERS = {"odds": {"fixture", "bookmaker", "bet", "league", "season", "page"}, "status": set[str]()}
PAGE_SIZE = 10


class ApiSports(Vendor):
    """Header x-apisports-key; a daily quota and a rate per minute; errors answered with status 200."""

    period: ClassVar[str] = DAY

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.settings |= {"quota": args.quota, "rate": args.rate}
        self._minute = Window(60.0)
        self.start_s = clock.now()
        self.empty: set[int] = set()
        self.board = {
            (fixture, book, bet): {value: prices.opening(self.rng) for value in values}
            for fixture in FIXTURES
            for book in BOOKMAKERS
            for bet, (_, values) in BETS.items()
        }
        self.updated = dict.fromkeys(FIXTURES, int(self.start_s))

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--quota", type=int, default=7500, help="requests per key and day (UTC)")
        parser.add_argument("--rate", type=int, default=300, help="requests per key and minute; 0: no limit")

    def credential(self, asked: Asked) -> str:
        return asked.headers.get("x-apisports-key", "")

    def answer(self, asked: Asked) -> Answer:
        key, kind = self.credential(asked), asked.path.strip("/")
        if not self.valid(key):
            problem = "Error/Invalid application key." if key else "Error/Missing application key."
            return document(asked, kind, {"token": problem}, [])
        if kind not in PARAMETERS:
            return document(asked, kind, {"endpoint": "This endpoint do not exist."}, [])
        if kind == "status":
            return document(asked, kind, [], self._status(key), self._headers(key))
        return self._odds(asked, key)

    def _odds(self, asked: Asked, key: str) -> Answer:
        now, quota, rate = self.clock.now(), self.settings["quota"], self.settings["rate"]
        if self.ledger.spent(key, now) >= quota:
            problem = "You have reached the request limit for the day"
            return document(asked, "odds", {"requests": problem}, [], self._headers(key))
        if self._minute.admit(key, now, rate):
            problem = f"Too many requests. Your rate limit is {rate} requests per minute."
            return document(asked, "odds", {"rateLimit": problem}, [], self._headers(key))
        self.ledger.charge(key, 1, now)
        errors = refusals(asked)
        found = [] if errors else self._found(asked)
        return document(asked, "odds", errors or [], found, self._headers(key))

    def _headers(self, key: str) -> dict[str, str]:
        quota, rate = self.settings["quota"], self.settings["rate"]
        return {
            "x-ratelimit-requests-limit": str(quota),
            "x-ratelimit-requests-remaining": str(max(0, quota - self.ledger.spent(key, self.clock.now()))),
            "X-RateLimit-Limit": str(rate),
            "X-RateLimit-Remaining": str(max(0, rate - self._minute.used(key))),
        }

    def _status(self, key: str) -> dict[str, Any]:
        requests = {"current": self.ledger.spent(key, self.clock.now()), "limit_day": self.settings["quota"]}
        return {"subscription": {"plan": "Demo", "active": True}, "requests": requests}

    def _found(self, asked: Asked) -> list[dict[str, Any]]:
        fixture, league = asked.first("fixture"), asked.first("league")
        return [
            self._fixture(number, asked.first("bookmaker"), asked.first("bet"))
            for number in FIXTURES
            if fixture in ("", str(number)) and league in ("", str(LEAGUE["id"])) and number not in self.empty
        ]

    def _fixture(self, number: int, bookmaker: str = "", bet: str = "") -> dict[str, Any]:
        starts = self.start_s + 3600 * (FIXTURES.index(number) + 1)
        books = [
            {"id": book, "name": name, "bets": self._bets(number, book, bet)}
            for book, name in BOOKMAKERS.items()
            if bookmaker in ("", str(book))
        ]
        when = {"timezone": "UTC", "date": iso(starts, "%Y-%m-%dT%H:%M:%S+00:00"), "timestamp": int(starts)}
        updated = iso(self.updated[number], "%Y-%m-%dT%H:%M:%S+00:00")
        return {"league": LEAGUE, "fixture": {"id": number, **when}, "update": updated, "bookmakers": books}

    def _bets(self, fixture: int, book: int, wanted: str) -> list[dict[str, Any]]:
        return [
            {"id": bet, "name": name, "values": [{"value": v, "odd": f"{p:.2f}"} for v, p in quoted.items()]}
            for bet, (name, _) in BETS.items()
            if wanted in ("", str(bet)) and (quoted := self.board[fixture, book, bet])
        ]

    def move(self, count: int) -> None:
        for _ in range(count):
            place = self.rng.choice(list(self.board))
            value = self.rng.choice(list(self.board[place]))
            self.board[place][value] = prices.moved(self.rng, self.board[place][value])
            self.updated[place[0]] = int(self.clock.now())

    def controls(self) -> dict[str, Control]:
        return {"empty": self._empty, "touch": self._touch}

    def _empty(self, value: Any) -> None:
        """[1001]: fixtures without odds, in place of those named before."""
        if not set(of(list, "empty", value)) <= set(FIXTURES):
            raise ControlError(f"fixtures are {', '.join(map(str, FIXTURES))}")
        self.empty = set(value)

    def _touch(self, _value: Any) -> None:
        """Any value: `update` moves on though no price does."""
        self.updated = dict.fromkeys(FIXTURES, int(self.clock.now()))

    def truth(self) -> dict[str, Any]:
        return {str(number): self._fixture(number) for number in FIXTURES if number not in self.empty}


def refusals(asked: Asked) -> dict[str, str]:
    names = {name for name, _ in asked.query}
    unknown = sorted(names - PARAMETERS["odds"])
    if unknown:
        return {unknown[0]: f"The {unknown[0]} field do not exist."}
    if not names - {"page"}:
        return {"required": "At least one parameter is required."}
    return {}


def document(asked: Asked, kind: str, errors: object, found: Any, headers: dict[str, str] | None = None) -> Answer:
    """Without parameters the vendor writes an empty list for them, as it does for no errors. Lists have pages."""
    number, pages, results = page(asked), 1, 1
    if isinstance(found, list):
        pages = max(1, -(-len(found) // PAGE_SIZE))
        found = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        results = len(found)
    head = {"get": kind, "parameters": dict(asked.query) or [], "errors": errors, "results": results}
    body = {**head, "paging": {"current": number, "total": pages}, "response": found}
    return Answer(body, headers=headers or {})


def page(asked: Asked) -> int:
    text = asked.first("page", "1")
    return int(text) if text.isascii() and text.isdigit() and int(text) else 1
