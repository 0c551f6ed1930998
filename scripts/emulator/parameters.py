"""The parameters of a request, one by one. A wrong one is refused with 422."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .additional import ADDITIONAL, EVERY_MARKET
from .books import EVERY_BOOK, of_regions
from .catalog import FEATURED, REGIONS, SPORTS, Sport
from .errors import RefusedError

Pairs = tuple[tuple[str, str], ...]
UPCOMING = "upcoming"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# 2023-05-03T05:30:00Z
ADDITIONAL_RECORDED_FROM = 1_683_091_800
INCLUDES = {
    "includeLinks": ("link", "INVALID_INCLUDE_LINKS"),
    "includeSids": ("sid", "INVALID_INCLUDE_SIDS"),
    "includeBetLimits": ("bet_limit", "INVALID_INCLUDE_BET_LIMITS"),
    "includeRotationNumbers": ("rotation", "INVALID_INCLUDE_ROTATION_NUMBERS"),
}


def items(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def known_sport(key: str, upcoming: bool) -> Sport | None:
    """The sport of a path, None for `upcoming` where that is allowed."""
    if upcoming and key == UPCOMING:
        return None
    if key not in SPORTS:
        raise RefusedError(404, "UNKNOWN_SPORT", f"Unknown sport: {key}")
    return SPORTS[key]


def selected_books(params: Mapping[str, str]) -> tuple[frozenset[str], int]:
    """The books asked for and the regions they are billed as: ten named books count as one region."""
    named = items(params.get("bookmakers", ""))
    if named:
        refuse_unknown(named, frozenset(EVERY_BOOK), "INVALID_BOOKMAKERS", "bookmakers")
        return named, -(-len(named) // 10)
    regions = items(params.get("regions", ""))
    if not regions:
        raise RefusedError(422, "MISSING_REGION", "Missing regions or bookmakers parameter")
    refuse_unknown(regions, frozenset(REGIONS), "INVALID_REGION", "regions")
    return of_regions(regions), len(regions)


def markets(params: Mapping[str, str], sport: Sport | None, of_one_event: bool = False) -> frozenset[str]:
    """Only the odds of one event may be asked for additional markets; those its sport lacks are not returned."""
    named = items(params.get("markets", ""))
    offered = frozenset(sport.markets if sport else FEATURED)
    if not named:
        return frozenset({"outrights"}) if sport and sport.has_outrights else frozenset({"h2h"})
    refuse_unknown(named, EVERY_MARKET, "INVALID_MARKET", "markets")
    beyond = sorted(named - {*FEATURED, "outrights"} - (ADDITIONAL if of_one_event else frozenset()))
    if beyond:
        raise RefusedError(422, "INVALID_MARKET", f"Markets not supported by this endpoint: {', '.join(beyond)}")
    refuse_unknown(named - ADDITIONAL, offered, "INVALID_MARKET_COMBO", "markets for this sport")
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


def boolean(params: Mapping[str, str], name: str, code: str) -> bool:
    text = params.get(name, "")
    if text.lower() not in ("", "true", "false"):
        raise RefusedError(422, code, f"Invalid {name} parameter: {text}. Must be true or false")
    return text.lower() == "true"


def event_ids(params: Mapping[str, str]) -> frozenset[str] | None:
    named = items(params.get("eventIds", ""))
    return named or None


def extras(params: Mapping[str, str]) -> frozenset[str]:
    return frozenset(field for name, (field, code) in INCLUDES.items() if boolean(params, name, code))


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


def snapshot_date(params: Mapping[str, str]) -> int:
    if not params.get("date"):
        raise RefusedError(422, "MISSING_HISTORICAL_TIMESTAMP", "Missing date parameter")
    return instant(params["date"], "INVALID_HISTORICAL_TIMESTAMP") or 0


def check_recorded(named: frozenset[str], date: int) -> None:
    """Raises RefusedError for additional markets before the provider began to record them."""
    missing = sorted(named & ADDITIONAL)
    if missing and date < ADDITIONAL_RECORDED_FROM:
        code = "HISTORICAL_MARKETS_UNAVAILABLE_AT_DATE"
        raise RefusedError(422, code, f"Markets not available at this date: {', '.join(missing)}")
