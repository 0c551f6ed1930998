"""Pinnacle's parameters and documents."""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import prices
from .exchange import Answer, Asked, Refused
from .pinnacle_board import LEAGUES, LIMITS, PRICES, SPORTS, Board, Event, Period, quotes

FORMATS = ("American", "Decimal")
LINE_KEYS = {"spreads": "hdp", "totals": "points"}
CURRENCIES = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8}
NO_CHANGE = -1


@dataclass(frozen=True)
class Form:
    """How odds are written: prices in `odds_format`, limits in US dollars times `rate`.

    Version 1 has one line of team totals, version 2 the alternative ones too, in a list.
    """

    odds_format: str = "Decimal"
    rate: float = 1.0
    version: str = "v2"

    def written(self, period: Period) -> Period:
        whole = copy.deepcopy(period)
        if self.odds_format == "American":
            for market, names in PRICES.items():
                for quote in quotes(whole.get(market, [])):
                    quote.update({name: prices.american(quote[name]) for name in names if name in quote})
        for name, _ in LIMITS.values():
            if name in whole:
                whole[name] *= self.rate
        if self.version == "v1" and "teamTotal" in whole:
            whole["teamTotal"] = {team: lines[0] for team, lines in whole["teamTotal"].items()}
        return whole


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


def form_of(asked: Asked) -> Form:
    odds_format, currency = asked.first("oddsFormat", "American"), asked.first("toCurrencyCode", "USD")
    if odds_format not in FORMATS:
        raise invalid("oddsFormat")
    if currency not in CURRENCIES:
        raise invalid("toCurrencyCode")
    return Form(odds_format, CURRENCIES[currency], asked.parts[0])


def selection(asked: Asked) -> Callable[[Event], bool]:
    """isLive, leagueIds and eventIds; lists are repeated parameters or have commas."""
    leagues, numbers = asked.many("leagueIds", "leagueIds[]"), asked.many("eventIds", "eventIds[]")
    live = asked.first("isLive").lower() in ("1", "true")

    def wanted(event: Event) -> bool:
        in_league = not leagues or str(event.league) in leagues
        return in_league and (not numbers or str(event.number) in numbers) and (event.live or not live)

    return wanted


def odds(board: Board, events: Iterable[Event], last: int, form: Form) -> dict[str, Any]:
    """Periods that changed after `last`, each whole; events and leagues without any are left out."""
    entries = []
    for event in events:
        changed = [number for number, change in event.changed.items() if change > last]
        periods = [form.written(event.periods[number]) for number in changed]
        if periods:
            entries.append((event.league, {"id": event.number, "periods": periods}))
    return document(board, "leagues", entries)


def fixtures(board: Board, events: Iterable[Event], last: int) -> dict[str, Any]:
    entries = [(event.league, event.fixture()) for event in events if event.fixed > last]
    whole = document(board, "league", entries)
    whole["league"] = [{"name": LEAGUES[board.sport][each["id"]], **each} for each in whole["league"]]
    return whole


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


def sports(boards: Iterable[Board]) -> dict[str, Any]:
    return {"sports": [offered(board.sport, SPORTS[board.sport], board.events.values()) for board in boards]}


def leagues(board: Board) -> dict[str, Any]:
    found = []
    for number, name in LEAGUES[board.sport].items():
        events = [event for event in board.events.values() if event.league == number]
        more = {"homeTeamType": "Team1", "container": "Nowhere", "allowRoundRobins": True}
        found.append({**offered(number, name, events), **more})
    return {"leagues": found}


def offered(number: int, name: str, events: Iterable[Event]) -> dict[str, Any]:
    count = len(list(events))
    specials = {"leagueSpecialsCount": 0, "eventSpecialsCount": 0}
    return {"id": number, "name": name, "hasOfferings": bool(count), **specials, "eventCount": count}


def quoted(period: Period, market: str, line: str) -> dict[str, Any]:
    """The prices of a market; of one line when it has several."""
    if market == "moneyline":
        return dict(period.get(market, {}))
    key = LINE_KEYS[market]
    return next((quote for quote in period.get(market, []) if str(quote[key]) == line), {})
