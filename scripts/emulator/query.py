"""Requests as typed values: paths, parameters and the errors of the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl

from .catalog import BOOKS, FEATURED, REGIONS, SPORTS, Sport

Kind = Literal["sports", "odds", "scores", "events", "event_odds"]
Pairs = tuple[tuple[str, str], ...]
DETAILS_URL = "https://the-odds-api.com/liveapi/guides/v4/api-error-codes.html#"
KEY_NAMES = ("apiKey", "api_key")
UPCOMING = "upcoming"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class RefusedError(Exception):
    """A request the provider answers with an error document."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def document(self) -> dict[str, str]:
        link = DETAILS_URL + self.code.lower().replace("_", "-")
        return {"message": self.message, "error_code": self.code, "details_url": link}


@dataclass(frozen=True, slots=True)
class Endpoint:
    kind: Kind
    sport: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One question in canonical form: two spellings of the same question are equal.

    `books` holds the keys selected by regions or bookmakers; `regions` is the number of regions billed.
    `event_ids` None means all. `after` and `before` are inclusive unix seconds. `days_from` 0 means absent.
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

    @property
    def highest_cost(self) -> int:
        """Credits at most; an answer without events costs 0."""
        if self.endpoint.kind == "scores":
            return 2 if self.days_from else 1
        return self.regions * len(self.markets)


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
        case ["v4", "sports", sport, ("odds" | "scores" | "events") as kind]:
            return Endpoint(kind, sport)
        case ["v4", "sports", sport, "events", event_id, "odds"]:
            return Endpoint("event_odds", sport, event_id)
    return None


@lru_cache(maxsize=4096)
def parse(where: Endpoint, pairs: Pairs) -> Query:
    """Validates the parameters of an endpoint, ignoring unknown ones. Raises RefusedError (404 or 422)."""
    params = dict(pairs)
    query = Query(where, unix=date_format(params))
    if where.kind == "sports":
        return replace(query, every_sport=boolean(params.get("all", ""), "INVALID_ALL_SPORTS_PARAM"))
    sport = known_sport(where)
    if where.kind != "event_odds":
        query = replace(query, event_ids=event_ids(params))
    if where.kind == "scores":
        return replace(query, days_from=days_from(params))
    if where.kind != "event_odds" and where.sport != UPCOMING:
        after, before = window(params)
        query = replace(query, after=after, before=before)
    if where.kind == "events":
        return query
    books, regions = selected_books(params)
    return replace(query, books=books, regions=regions, markets=markets(params, sport), american=odds_format(params))


def items(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def known_sport(where: Endpoint) -> Sport | None:
    """The sport of the path, None for `upcoming`."""
    if where.sport == UPCOMING and where.kind in ("odds", "scores"):
        return None
    if where.sport not in SPORTS:
        raise RefusedError(404, "UNKNOWN_SPORT", f"Unknown sport: {where.sport}")
    return SPORTS[where.sport]


def selected_books(params: Mapping[str, str]) -> tuple[frozenset[str], int]:
    """The books asked for and the regions they are billed as: ten named books count as one region."""
    named = items(params.get("bookmakers", ""))
    if named:
        refuse_unknown(named, frozenset(BOOKS), "INVALID_BOOKMAKERS", "bookmakers")
        return named, -(-len(named) // 10)
    regions = items(params.get("regions", ""))
    if not regions:
        raise RefusedError(422, "MISSING_REGION", "Missing regions or bookmakers parameter")
    refuse_unknown(regions, frozenset(REGIONS), "INVALID_REGION", "regions")
    return frozenset(key for key, book in BOOKS.items() if regions.intersection(book.regions)), len(regions)


def markets(params: Mapping[str, str], sport: Sport | None) -> frozenset[str]:
    named = items(params.get("markets", ""))
    offered = frozenset(sport.markets if sport else FEATURED)
    if not named:
        return frozenset({"outrights"}) if sport and sport.has_outrights else frozenset({"h2h"})
    refuse_unknown(named, frozenset({*FEATURED, "outrights"}), "INVALID_MARKET", "markets")
    refuse_unknown(named, offered, "INVALID_MARKET_COMBO", "markets for this sport")
    return named


def refuse_unknown(named: frozenset[str], known: frozenset[str], code: str, what: str) -> None:
    unknown = sorted(named - known)
    if unknown:
        raise RefusedError(422, code, f"Invalid {what}: {', '.join(unknown)}")


def choice(params: Mapping[str, str], name: str, values: tuple[str, str], code: str) -> bool:
    """Whether the second of two values was chosen; the first is the default."""
    value = params.get(name) or values[0]
    if value not in values:
        raise RefusedError(422, code, f"Invalid {name} parameter: {value}. Must be {values[0]} or {values[1]}")
    return value == values[1]


def date_format(params: Mapping[str, str]) -> bool:
    return choice(params, "dateFormat", ("iso", "unix"), "INVALID_DATE_FORMAT")


def odds_format(params: Mapping[str, str]) -> bool:
    return choice(params, "oddsFormat", ("decimal", "american"), "INVALID_ODDS_FORMAT")


def boolean(text: str, code: str) -> bool:
    if text.lower() not in ("", "true", "false"):
        raise RefusedError(422, code, f"Invalid boolean: {text}")
    return text.lower() == "true"


def event_ids(params: Mapping[str, str]) -> frozenset[str] | None:
    named = items(params.get("eventIds", ""))
    return named or None


def days_from(params: Mapping[str, str]) -> int:
    text = params.get("daysFrom", "")
    if text not in ("", "1", "2", "3"):
        raise RefusedError(422, "INVALID_SCORES_DAYS_FROM", "Invalid daysFrom parameter. Must be 1, 2 or 3")
    return int(text or 0)


def window(params: Mapping[str, str]) -> tuple[int | None, int | None]:
    after = instant(params.get("commenceTimeFrom", ""), "INVALID_COMMENCE_TIME_FROM")
    before = instant(params.get("commenceTimeTo", ""), "INVALID_COMMENCE_TIME_TO")
    if after is not None and before is not None and after > before:
        raise RefusedError(422, "INVALID_COMMENCE_TIME_RANGE", "commenceTimeFrom is later than commenceTimeTo")
    return after, before


def instant(text: str, code: str) -> int | None:
    if not text:
        return None
    try:
        return int(datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise RefusedError(422, code, f"Invalid time: {text}. Format must be YYYY-MM-DDTHH:MM:SSZ") from None
