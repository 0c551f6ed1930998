"""Pinnacle's board of one sport: leagues, events and periods, with a change number per period."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

from . import prices
from .clock import iso
from .exchange import ControlError

Period = dict[str, Any]
HOUR = 3600
SPORTS = {29: "Soccer", 4: "Basketball"}
LEAGUES = {29: {555: "Demo League", 556: "Second Demo League"}, 4: {610: "Demo Hoops"}}
EVENTS_PER_LEAGUE = 3
PRICES = {
    "moneyline": ("home", "away", "draw"),
    "spreads": ("home", "away"),
    "totals": ("over", "under"),
    "teamTotal": ("over", "under"),
}
LIMITS = {
    "moneyline": ("maxMoneyline", 500.0),
    "spreads": ("maxSpread", 1000.0),
    "totals": ("maxTotal", 600.0),
    "teamTotal": ("maxTeamTotal", 250.0),
}
"""The greatest bet on each market, in US dollars."""
PLACES = 3
OPEN, CLOSED = 1, 2


@dataclass
class Event:
    """`changed` holds the change number of each period, `fixed` that of the fixture itself."""

    number: int
    league: int
    home: str
    away: str
    starts: str
    live: bool
    fixed: int
    periods: dict[int, Period] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)

    def fixture(self) -> dict[str, Any]:
        parties = {"id": self.number, "starts": self.starts, "home": self.home, "away": self.away}
        state = {"rotNum": str(self.number % 1000), "liveStatus": int(self.live), "status": "O"}
        return {**parties, **state, "altTeaser": False, "resultingUnit": "Regular", "version": self.fixed}


class Board:
    """Every change takes the next change number; `last` is the newest."""

    def __init__(self, sport: int, rng: random.Random, now: float) -> None:
        self.sport = sport
        self.last = sport * 10_000_000 + 100
        self.events: dict[int, Event] = {}
        self.settled: list[dict[str, Any]] = []
        self._rng = rng
        self._lines = sport * 1_000_000
        for league in LEAGUES[sport]:
            for index in range(EVENTS_PER_LEAGUE):
                self.add(league, None, index == 0, now + (3 * index - 1) * HOUR)

    def copy(self) -> Board:
        return copy.deepcopy(self)

    def add(self, league: int, number: int | None, live: bool, starts: float) -> int:
        """A new event with periods 0 and 1; its id."""
        if league not in LEAGUES[self.sport] or number in self.events:
            raise ControlError(f"league {league} is unknown or event {number} is there already")
        number = number or max(self.events, default=self.sport * 1000) + 1
        change = self._change()
        event = Event(number, league, f"Home {number}", f"Away {number}", iso(starts), live, change)
        event.periods = {0: self._period(0, event.starts), 1: self._period(1, event.starts)}
        event.changed = dict.fromkeys(event.periods, change)
        self.events[number] = event
        return number

    def settle(self, number: int) -> None:
        """The event leaves the board; only the settled fixtures tell of it."""
        event = self.found(number)
        periods = [{"number": period, "status": 1, "team1Score": 2, "team2Score": 1} for period in event.periods]
        entry = {"id": number, "league": event.league, "changed": self._change(), "periods": periods}
        self.settled.append(entry)
        del self.events[number]

    def withdraw(self, number: int, period: int, market: str) -> None:
        """The market goes from its period, which counts as changed."""
        event = self.found(number)
        if market not in event.periods.get(period, {}):
            raise ControlError(f"event {number} has no market {market} in period {period}")
        del event.periods[period][market], event.periods[period][LIMITS[market][0]]
        self._touch(event, period)

    def kick_off(self, number: int) -> None:
        """The event goes live; its fixture counts as changed."""
        event = self.found(number)
        event.live, event.fixed = True, self._change()

    def close(self, number: int, period: int) -> None:
        event = self.found(number)
        if period not in event.periods:
            raise ControlError(f"event {number} has no period {period}")
        event.periods[period]["status"] = CLOSED
        self._touch(event, period)

    def move(self) -> None:
        """One price of one period moves."""
        places = [
            (event, period, market)
            for event in self.events.values()
            for period, document in event.periods.items()
            for market in PRICES
            if market in document
        ]
        if not places:
            return
        event, period, market = self._rng.choice(places)
        quoted = self._rng.choice(quotes(event.periods[period][market]))
        side = self._rng.choice([name for name in PRICES[market] if name in quoted])
        quoted[side] = prices.moved(self._rng, quoted[side], PLACES)
        self._touch(event, period)

    def found(self, number: int) -> Event:
        if number not in self.events:
            raise ControlError(f"unknown event: {number}")
        return self.events[number]

    def _touch(self, event: Event, period: int) -> None:
        self._lines += 1
        event.periods[period]["lineId"] = self._lines
        event.changed[period] = self._change()

    def _change(self) -> int:
        self.last += self._rng.randint(1, 9)
        return self.last

    def _period(self, number: int, cutoff: str) -> Period:
        self._lines += 1
        names = PRICES["moneyline"] if self.sport == 29 else ("home", "away")
        markets: dict[str, Any] = {"moneyline": self._quote(names)}
        markets["totals"] = [{"points": 2.5 + step / 2, **self._quote(PRICES["totals"])} for step in range(2)]
        if number == 0:
            markets["spreads"] = [{"hdp": -0.5, **self._quote(PRICES["spreads"])}]
            markets["teamTotal"] = {team: self._team_total() for team in ("home", "away")}
        head = {"lineId": self._lines, "number": number, "cutoff": cutoff, "status": OPEN}
        return {**head, **dict(LIMITS[market] for market in markets), **markets}

    def _team_total(self) -> list[dict[str, Any]]:
        """The main line, then an alternative one."""
        lines = [{"points": points, **self._quote(PRICES["teamTotal"])} for points in (1.5, 2.0)]
        return [lines[0], {"altLineId": self._lines * 10, **lines[1]}]

    def _quote(self, names: tuple[str, ...]) -> dict[str, float]:
        return {name: prices.opening(self._rng, PLACES) for name in names}


def quotes(market: Any) -> list[dict[str, Any]]:
    """Moneyline is one quote, team totals have a list for each team."""
    if isinstance(market, list):
        return market
    if any(isinstance(lines, list) for lines in market.values()):
        return [quote for lines in market.values() for quote in lines]
    return [market]
