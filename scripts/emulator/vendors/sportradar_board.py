"""Sportradar's odds board: markets, books and outcomes with every odds format beside each other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from . import prices
from .clock import DAY, iso
from .exchange import ControlError

SPORTS = {"sr:sport:1": "Soccer", "sr:sport:2": "Basketball"}
BOOKS = {"sr:book:1": "Demo Book", "sr:book:2": "Other Book", "sr:book:17": "Consensus"}
MARKETS = {"sr:market:1": ("1x2", ("home", "draw", "away")), "sr:market:18": ("total", ("over", "under"))}
EVENTS_PER_SPORT = 4
HOUR = 3600
NEVER_OFFERED = 1.0

Place = tuple[str, str, str]
"""Market, book, outcome."""


@dataclass
class Event:
    """`removed` holds what was taken down, by outcome; a whole book of a market has an empty outcome."""

    id: str
    sport: str
    starts: float
    quoted: dict[Place, float]
    opened: dict[Place, float]
    removed: set[Place] = field(default_factory=set)
    changed: float = 0.0

    def head(self) -> dict[str, Any]:
        number = self.id.rpartition(":")[2]
        sides = [
            {"id": f"sr:competitor:{number}{index}", "name": f"{side} {number}", "qualifier": side}
            for index, side in enumerate(("home", "away"))
        ]
        starts = iso(self.starts, "%Y-%m-%dT%H:%M:%S+00:00")
        return {"id": self.id, "start_time": starts, "start_time_confirmed": True, "competitors": sides}

    def markets(self) -> list[dict[str, Any]]:
        return [
            {"id": market, "name": name, "is_live": False, "books": [self._book(market, book) for book in BOOKS]}
            for market, (name, _) in MARKETS.items()
        ]

    def _book(self, market: str, book: str) -> dict[str, Any]:
        taken = {"removed": True} if (market, book, "") in self.removed else {}
        outcomes = [self._outcome((market, book, side)) for side in MARKETS[market][1]]
        return {"id": book, "name": BOOKS[book], **taken, "outcomes": outcomes}

    def _outcome(self, place: Place) -> dict[str, Any]:
        market, _, side = place
        total = {"total": "2.5"} if side in ("over", "under") else {}
        taken = {"removed": True} if place in self.removed else {}
        number = MARKETS[market][1].index(side) + 1
        head = {"id": f"sr:outcome:{number}", "type": side, **total, **taken}
        return {**head, **spelled(self.quoted[place], "odds"), **spelled(self.opened[place], "open_odds")}


class Board:
    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self.events: dict[str, Event] = {}
        for sport in SPORTS:
            for index in range(EVENTS_PER_SPORT):
                self._add(sport, index, now)

    def _add(self, sport: str, index: int, now: float) -> None:
        places = [(market, book, side) for market, (_, sides) in MARKETS.items() for book in BOOKS for side in sides]
        quoted = {place: prices.opening(self._rng) for place in places}
        number = f"sr:sport_event:9{sport.rpartition(':')[2]}{index:06d}"
        event = Event(number, sport, now + HOUR * (1 + index), quoted, dict(quoted))
        never = ("sr:market:18", "sr:book:2", "under")
        event.quoted[never] = event.opened[never] = NEVER_OFFERED
        event.removed.add(never)
        self.events[number] = event

    def scheduled(self, sport: str, date: str) -> list[Event]:
        return [event for event in self.events.values() if event.sport == sport and iso(event.starts, DAY) == date]

    def changed_since(self, when: float) -> list[Event]:
        """The latest change first."""
        changed = [event for event in self.events.values() if event.changed >= when]
        return sorted(changed, key=lambda event: -event.changed)

    def move(self, now: float, number: str = "") -> None:
        """One price of one event."""
        event = self.found(number) if number else self._rng.choice(list(self.events.values()))
        place = self._rng.choice([place for place in event.quoted if place not in event.removed])
        event.quoted[place] = prices.moved(self._rng, event.quoted[place])
        event.changed = now

    def remove(self, now: float, number: str, place: Place) -> None:
        event = self.found(number)
        if place not in event.quoted and not any((*place[:2], side) in event.quoted for side in ("home", "over")):
            raise ControlError(f"event {number} has no {' '.join(place)}")
        event.removed.add(place)
        event.changed = now

    def found(self, number: str) -> Event:
        if number not in self.events:
            raise ControlError(f"unknown event: {number}")
        return self.events[number]


def spelled(price: float, name: str) -> dict[str, str]:
    """The three formats as text; a price of 1.00 has no American form and is written as its limit."""
    never = price == NEVER_OFFERED
    formats = {"decimal": f"{price:.2f}", "fraction": prices.fraction(price)}
    return {
        f"{name}_decimal": formats["decimal"],
        f"{name}_american": "-100000" if never else f"{prices.american(price):+d}",
        f"{name}_fraction": formats["fraction"],
    }
