"""Requests as typed values: paths and questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl

from .additional import ADDITIONAL
from .catalog import FEATURED
from .errors import RefusedError
from .parameters import (
    UPCOMING,
    Pairs,
    boolean,
    check_recorded,
    date_format,
    days_from,
    event_ids,
    extras,
    known_sport,
    markets,
    odds_format,
    selected_books,
    snapshot_date,
    window,
)

Kind = Literal[
    "sports", "odds", "scores", "events", "event_odds", "event_markets", "participants",
    "historical_odds", "historical_events", "historical_event_odds",
]  # fmt: skip
KEY_NAMES = ("apiKey", "api_key")
FLAT_COSTS: dict[Kind, int] = {
    "sports": 0,
    "events": 0,
    "event_markets": 1,
    "participants": 1,
    "historical_events": 1,
}
HISTORICAL_FACTOR = 10
HISTORICAL = ("historical_odds", "historical_events", "historical_event_odds")
OF_ONE_EVENT = ("event_odds", "event_markets", "historical_event_odds")


@dataclass(frozen=True, slots=True)
class Endpoint:
    kind: Kind
    sport: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One question in canonical form: two spellings of the same question are equal.

    `books` holds the keys selected by regions or bookmakers; `regions` is the number of regions billed.
    `event_ids` None means all. `after`, `before` (both inclusive) and `date` are unix seconds. `days_from` 0
    means absent. `extras` are the included fields: link, sid, bet_limit, rotation.
    """

    endpoint: Endpoint
    books: frozenset[str] = frozenset()
    regions: int = 0
    markets: frozenset[str] = frozenset()
    american: bool = False
    unix: bool = False
    event_ids: frozenset[str] | None = None
    after: int | None = None
    before: int | None = None
    days_from: int = 0
    every_sport: bool = False
    date: int = 0
    extras: frozenset[str] = frozenset()

    @property
    def highest_cost(self) -> int:
        """Credits at most; an answer without events costs 0."""
        kind = self.endpoint.kind
        if kind == "scores":
            return 2 if self.days_from else 1
        if kind in FLAT_COSTS:
            return FLAT_COSTS[kind]
        return self.cost_of(len(self.markets))

    @property
    def historical(self) -> bool:
        return self.endpoint.kind in HISTORICAL

    def cost_of(self, markets: int) -> int:
        """Credits for odds of so many markets."""
        return self.regions * markets * (HISTORICAL_FACTOR if self.historical else 1)


@dataclass(frozen=True, slots=True)
class Target:
    """A request target without its credential. `shape` is the path and the sorted, decoded parameters."""

    key: str
    pairs: Pairs
    shape: str


@lru_cache(maxsize=8192)
def target(path: str, query: str) -> Target:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    key = next((value for name, value in pairs if name in KEY_NAMES and value), "")
    rest = tuple(pair for pair in pairs if pair[0] not in KEY_NAMES)
    text = "&".join(f"{name}={value}" for name, value in rest)
    return Target(key, rest, path.rstrip("/") + (f"?{text}" if text else ""))


def endpoint(path: str) -> Endpoint | None:
    """The endpoint of a decoded path; one trailing slash is allowed."""
    match path.removesuffix("/").split("/")[1:]:
        case ["v4", "sports"]:
            return Endpoint("sports")
        case ["v4", "sports", sport, ("odds" | "scores" | "events" | "participants") as kind]:
            return Endpoint(kind, sport)
        case ["v4", "sports", sport, "events", event_id, "odds"]:
            return Endpoint("event_odds", sport, event_id)
        case ["v4", "sports", sport, "events", event_id, "markets"]:
            return Endpoint("event_markets", sport, event_id)
        case ["v4", "historical", "sports", sport, "odds"]:
            return Endpoint("historical_odds", sport)
        case ["v4", "historical", "sports", sport, "events"]:
            return Endpoint("historical_events", sport)
        case ["v4", "historical", "sports", sport, "events", event_id, "odds"]:
            return Endpoint("historical_event_odds", sport, event_id)
    return None


@lru_cache(maxsize=4096)
def parse(where: Endpoint, pairs: Pairs) -> Query:
    """Validates the parameters of an endpoint, ignoring unknown ones. Raises RefusedError (404 or 422)."""
    params = dict(pairs)
    kind = where.kind
    query = Query(where, unix=date_format(params))
    if kind == "sports":
        return replace(query, every_sport=boolean(params, "all", "INVALID_ALL_SPORTS_PARAM"))
    sport = known_sport(where.sport, upcoming=kind in ("odds", "scores"))
    if kind == "participants":
        return query
    if kind not in OF_ONE_EVENT:
        query = replace(query, event_ids=event_ids(params))
    if kind == "scores":
        return replace(query, days_from=days_from(params))
    if kind not in OF_ONE_EVENT and where.sport != UPCOMING:
        after, before = window(params)
        query = replace(query, after=after, before=before)
    if query.historical:
        query = replace(query, date=snapshot_date(params))
    if kind in ("events", "historical_events"):
        return query
    books, regions = selected_books(params)
    query = replace(query, books=books, regions=regions, extras=extras(params))
    if kind == "event_markets":
        return replace(query, markets=frozenset((*FEATURED, "outrights")) | ADDITIONAL)
    named = markets(params, sport, kind in OF_ONE_EVENT)
    if query.historical:
        check_recorded(named, query.date)
    return replace(query, markets=named, american=odds_format(params))


def query_of(path: str, asked: Target) -> Query:
    """Raises RefusedError."""
    where = endpoint(path)
    if where is None:
        raise RefusedError(404, "NOT_FOUND", f"Unknown path: {path}")
    return parse(where, asked.pairs)
