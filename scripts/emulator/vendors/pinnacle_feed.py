"""Pinnacle's parameters and documents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from .exchange import Answer, Asked, Refused
from .pinnacle_board import Board, Event, Period, priced

FORMATS = ("American", "Decimal")
LINE_KEYS = {"spreads": "hdp", "totals": "points"}
NO_CHANGE = -1


def refused(status: int, code: str, message: str) -> Refused:
    headers = {"WWW-Authenticate": "Basic"} if status == 401 else {}
    return Refused(Answer({"code": code, "message": message}, status, headers))


def invalid(name: str) -> Refused:
    return refused(400, "INVALID_REQUEST_DATA", f"Missing or invalid parameter: {name}")


def basic(asked: Asked) -> str:
    """USER:PASSWORD of the Authorization header; empty when it has none."""
    scheme, _, coded = asked.headers.get("Authorization", "").partition(" ")
    try:
        return base64.b64decode(coded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def whole(asked: Asked, name: str) -> int:
    text = asked.first(name)
    if not (text.isascii() and text.isdigit()):
        raise invalid(name)
    return int(text)


def since(asked: Asked) -> int:
    """The change after which periods are wanted; NO_CHANGE for a snapshot."""
    return whole(asked, "since") if asked.first("since") else NO_CHANGE


def format_of(asked: Asked) -> str:
    name = asked.first("oddsFormat", "American")
    if name not in FORMATS:
        raise invalid("oddsFormat")
    return name


def selection(asked: Asked) -> Callable[[Event], bool]:
    """isLive, leagueIds and eventIds; lists are repeated parameters or have commas."""
    leagues, numbers = asked.many("leagueIds", "leagueIds[]"), asked.many("eventIds", "eventIds[]")
    live = asked.first("isLive").lower() in ("1", "true")

    def wanted(event: Event) -> bool:
        in_league = not leagues or str(event.league) in leagues
        return in_league and (not numbers or str(event.number) in numbers) and (event.live or not live)

    return wanted


def odds(board: Board, events: Iterable[Event], last: int, odds_format: str) -> dict[str, Any]:
    """Periods that changed after `last`, each whole; events and leagues without any are left out."""
    entries = []
    for event in events:
        changed = [number for number, change in event.changed.items() if change > last]
        periods = [priced(event.periods[number], odds_format) for number in changed]
        if periods:
            entries.append((event.league, {"id": event.number, "periods": periods}))
    return document(board, "leagues", entries)


def fixtures(board: Board, events: Iterable[Event], last: int) -> dict[str, Any]:
    return document(board, "league", [(event.league, event.fixture()) for event in events if event.fixed > last])


def settled(board: Board, last: int) -> dict[str, Any]:
    entries = [
        (entry["league"], {"id": entry["id"], "periods": entry["periods"]})
        for entry in board.settled
        if entry["changed"] > last
    ]
    return document(board, "leagues", entries)


def document(board: Board, name: str, entries: Iterable[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    leagues: dict[int, list[dict[str, Any]]] = {}
    for league, entry in entries:
        leagues.setdefault(league, []).append(entry)
    grouped = [{"id": league, "events": events} for league, events in leagues.items()]
    return {"sportId": board.sport, "last": board.last, name: grouped}


def quoted(period: Period, market: str, line: str) -> dict[str, Any]:
    """The prices of a market; of one line when it has several."""
    if market == "moneyline":
        return dict(period.get(market, {}))
    key = LINE_KEYS[market]
    return next((quote for quote in period.get(market, []) if str(quote[key]) == line), {})
