"""Betfair's markets: what the list operations filter, and the books of live and of delayed application keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import prices
from .clock import iso

HOUR = 3600
EVENT_TYPES = {"1": "Soccer", "7": "Horse Racing"}
COMPETITIONS = {"1": ("10932509", "Demo League"), "7": ("12000007", "Demo Cup")}
VENUES = {"1": None, "7": "Demo Downs"}
MARKET_TYPES = {"1": ("MATCH_ODDS", "OVER_UNDER_25"), "7": ("WIN", "PLACE")}
RUNNERS = 3
DEPTH = 5
MILLISECONDS = "%Y-%m-%dT%H:%M:%S.000Z"


@dataclass
class Market:
    """`price` holds the last price per selection; a delayed key sees `before`, the price until the last move."""

    id: str
    kind: str
    event_type: str
    event: str
    starts: float
    price: dict[int, float]
    before: dict[int, float]
    version: int = 5_000_000_000
    matched: float = 1000.0
    status: str = "OPEN"

    @property
    def competition(self) -> str:
        return COMPETITIONS[self.event_type][0]

    @property
    def venue(self) -> str | None:
        return VENUES[self.event_type]

    def event_document(self) -> dict[str, Any]:
        where = {"venue": self.venue} if self.venue else {}
        head = {"id": self.event, "name": f"Event {self.event}", "countryCode": "GB", "timezone": "GMT"}
        return {**head, **where, "openDate": iso(self.starts, MILLISECONDS)}

    def catalogue(self, projection: set[str]) -> dict[str, Any]:
        whole: dict[str, dict[str, Any]] = {
            "MARKET_START_TIME": {"marketStartTime": iso(self.starts, MILLISECONDS)},
            "MARKET_DESCRIPTION": {"description": self._description()},
            "RUNNER_DESCRIPTION": {"runners": self._runners({})},
            "RUNNER_METADATA": {"runners": self._runners({"metadata": {"runnerId": "0"}})},
            "EVENT_TYPE": {"eventType": {"id": self.event_type, "name": EVENT_TYPES[self.event_type]}},
            "COMPETITION": {"competition": dict(zip(("id", "name"), COMPETITIONS[self.event_type], strict=True))},
            "EVENT": {"event": self.event_document()},
        }
        made: dict[str, Any] = {"marketId": self.id, "marketName": self.kind.title(), "totalMatched": self.matched}
        for name, part in whole.items():
            made |= part if name in projection else {}
        return made

    def book(self, delayed: bool, data: set[str], depth: int) -> dict[str, Any]:
        runners = [self._runner(selection, delayed, data, depth) for selection in self.price]
        head = {"marketId": self.id, "isMarketDataDelayed": delayed, "status": self.status, "betDelay": 0}
        counts = {"numberOfWinners": 1, "numberOfRunners": RUNNERS, "numberOfActiveRunners": RUNNERS}
        state = {"bspReconciled": False, "complete": True, "inplay": False, "crossMatching": True}
        money = {"totalMatched": self.matched, "totalAvailable": 5000.0, "runnersVoidable": False}
        return {**head, **state, **counts, **money, "version": self.version, "runners": runners}

    def _runner(self, selection: int, delayed: bool, data: set[str], depth: int) -> dict[str, Any]:
        price = (self.before if delayed else self.price)[selection]
        head = {"selectionId": selection, "handicap": 0.0, "status": "ACTIVE", "lastPriceTraded": price}
        if not data & {"EX_BEST_OFFERS", "EX_ALL_OFFERS", "EX_TRADED"}:
            return head
        levels = DEPTH if "EX_ALL_OFFERS" in data else depth
        offered = bool(data & {"EX_BEST_OFFERS", "EX_ALL_OFFERS"})
        back = [{"price": round(price - 0.02 * (n + 1), 2), "size": 100.0 + n} for n in range(levels)]
        lay = [{"price": round(price + 0.02 * (n + 1), 2), "size": 50.0 + n} for n in range(levels)]
        traded = [{"price": price, "size": self.matched}] if "EX_TRADED" in data else []
        offers = {"availableToBack": back if offered else [], "availableToLay": lay if offered else []}
        return {**head, "ex": {**offers, "tradedVolume": traded}}

    def _description(self) -> dict[str, Any]:
        times = {"marketTime": iso(self.starts, MILLISECONDS), "suspendTime": iso(self.starts, MILLISECONDS)}
        flags = {"persistenceEnabled": True, "bspMarket": False, "turnInPlayEnabled": True}
        return {**flags, **times, "bettingType": "ODDS", "marketType": self.kind, "marketBaseRate": 5.0}

    def _runners(self, more: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"selectionId": s, "runnerName": f"Runner {s}", "handicap": 0.0, "sortPriority": n + 1, **more}
            for n, s in enumerate(self.price)
        ]


@dataclass
class Board:
    rng: random.Random
    now: float
    markets: dict[str, Market] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for event_type in EVENT_TYPES:
            for index in range(2):
                for kind in MARKET_TYPES[event_type]:
                    self._add(event_type, f"3{event_type}0{index}", kind, self.now + HOUR * (index + 1))

    def _add(self, event_type: str, event: str, kind: str, starts: float) -> None:
        number = f"1.{900_000_001 + len(self.markets)}"
        price = {11 + 10 * len(self.markets) + n: prices.opening(self.rng) for n in range(RUNNERS)}
        before = {selection: prices.moved(self.rng, value) for selection, value in price.items()}
        self.markets[number] = Market(number, kind, event_type, event, starts, price, before)

    def move(self) -> None:
        market = self.rng.choice(list(self.markets.values()))
        selection = self.rng.choice(list(market.price))
        market.before[selection] = market.price[selection]
        market.price[selection] = prices.moved(self.rng, market.price[selection])
        market.version += 1
        market.matched += 10.0

    def chosen(self, chooser: dict[str, Any]) -> list[Market]:
        """The markets that a MarketFilter keeps; entries that it does not know keep all."""
        values: dict[str, Callable[[Market], str | None]] = {
            "eventTypeIds": lambda market: market.event_type,
            "competitionIds": lambda market: market.competition,
            "eventIds": lambda market: market.event,
            "marketIds": lambda market: market.id,
            "marketTypeCodes": lambda market: market.kind,
            "venues": lambda market: market.venue,
            "marketCountries": lambda _: "GB",
        }
        tests = [(values[name], wanted) for name, wanted in chooser.items() if name in values and wanted]
        return [market for market in self.markets.values() if all(value(market) in names for value, names in tests)]


def counted(markets: list[Market], value: Callable[[Market], str | None]) -> dict[str, int]:
    """How many markets have each value."""
    return dict(Counter(found for market in markets if (found := value(market)) is not None))
