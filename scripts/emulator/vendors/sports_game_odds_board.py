"""SportsGameOdds' board: events with odds by odd ID, American prices as text."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from . import prices
from .clock import iso

SPORTS = {"BASKETBALL": ("NBA",), "FOOTBALL": ("NFL",), "HOCKEY": ("NHL",)}
BOOKS = ("draftkings", "fanduel", "betmgm")
# Stat, entity, period, bet type, side: the parts of an odd ID.
ODDS = (
    ("points", "home", "game", "ml", "home"),
    ("points", "away", "game", "ml", "away"),
    ("points", "all", "game", "ou", "over"),
    ("points", "all", "game", "ou", "under"),
)
HOUR = 3600


@dataclass
class Event:
    """`quoted` holds the decimal price by odd ID and book, `updated` the time of its last move."""

    id: str
    sport: str
    league: str
    starts: float
    quoted: dict[tuple[str, str], float]
    updated: dict[tuple[str, str], float]

    def live(self, now: float) -> bool:
        return self.starts <= now

    def document(self, now: float, books: frozenset[str], odd_ids: frozenset[str]) -> dict[str, Any]:
        live = self.live(now)
        status = {"started": live, "live": live, "ended": False, "startsAt": iso(self.starts), "oddsPresent": True}
        odds = {name: self._odd(parts, books) for parts in ODDS if (name := odd_id(parts))}
        shown = {name: odd for name, odd in odds.items() if not odd_ids or name in odd_ids}
        head = {"eventID": self.id, "sportID": self.sport, "leagueID": self.league, "type": "match"}
        return {**head, "status": status, "teams": teams(self.id), "odds": shown}

    def _odd(self, parts: tuple[str, ...], books: frozenset[str]) -> dict[str, Any]:
        name = odd_id(parts)
        stat, entity, period, bet, side = parts
        head = {"oddID": name, "statID": stat, "statEntityID": entity, "periodID": period}
        offered = [book for book in BOOKS if not books or book in books]
        best = max((self.quoted[name, book] for book in BOOKS), default=0.0)
        by_book = {book: self._by_book(name, book, bet) for book in offered}
        total = {"bookOverUnder": "220.5"} if bet == "ou" else {}
        tail = {"betTypeID": bet, "sideID": side, "bookOdds": american(best), "bookOddsAvailable": True}
        return {**head, **tail, **total, "byBookmaker": by_book}

    def _by_book(self, name: str, book: str, bet: str) -> dict[str, Any]:
        odds, updated = american(self.quoted[name, book]), iso(self.updated[name, book], "%Y-%m-%dT%H:%M:%S.000Z")
        total = {"overUnder": "220.5"} if bet == "ou" else {}
        return {"bookmakerID": book, "odds": odds, **total, "lastUpdatedAt": updated, "available": True}


class Board:
    def __init__(self, rng: random.Random, now: float, per_league: int) -> None:
        self._rng = rng
        self.events = [
            self._event(sport, league, index, now)
            for sport, leagues in SPORTS.items()
            for league in leagues
            for index in range(per_league)
        ]

    def _event(self, sport: str, league: str, index: int, now: float) -> Event:
        places = [(odd_id(parts), book) for parts in ODDS for book in BOOKS]
        quoted = {place: prices.opening(self._rng) for place in places}
        name = f"{league}_{index:04d}"
        return Event(name, sport, league, now + HOUR * (2 * index - 1), quoted, dict.fromkeys(places, now))

    def move(self, now: float) -> None:
        event = self._rng.choice(self.events)
        place = self._rng.choice(list(event.quoted))
        before = american(event.quoted[place])
        while american(event.quoted[place]) == before:
            event.quoted[place] = prices.moved(self._rng, event.quoted[place])
        event.updated[place] = now


def odd_id(parts: tuple[str, ...]) -> str:
    return "-".join(parts)


def american(price: float) -> str:
    return f"{prices.american(price):+d}"


def teams(event: str) -> dict[str, Any]:
    return {
        side: {"teamID": f"{event}_{side.upper()}", "names": {"long": f"{event} {side}", "short": side.upper()}}
        for side in ("home", "away")
    }
