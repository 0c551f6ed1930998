"""Specials of Pinnacle's events: what each asks, and its prices. Every event has one, priced as a total of it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .pinnacle_board import Board, Event
from .pinnacle_feed import Form

NAME = "Both Teams To Score?"
SIDES = {"Yes": "over", "No": "under"}


def odds(board: Board, last: int, form: Form) -> dict[str, Any]:
    """Of events whose main period changed after `last`."""
    changed = (event for event in board.events.values() if event.changed.get(0, 0) > last)
    return _document(board, ((event.league, _priced(event, form)) for event in changed))


def fixtures(board: Board, last: int) -> dict[str, Any]:
    """Of events whose fixture changed after `last`."""
    changed = (event for event in board.events.values() if event.fixed > last)
    return _document(board, ((event.league, _described(event)) for event in changed))


def settled(board: Board, last: int) -> dict[str, Any]:
    gone = (entry for entry in board.settled if entry["changed"] > last)
    return _document(board, ((entry["league"], {"id": _number(entry["id"]), "status": 1}) for entry in gone))


def _number(event: int) -> int:
    return 10 * event + 1


def _contestants(event: Event) -> Iterator[tuple[int, str]]:
    return ((100 * event.number + place, side) for place, side in enumerate(SIDES))


def _described(event: Event) -> dict[str, Any]:
    contestants = [{"id": number, "name": side} for number, side in _contestants(event)]
    return {
        "id": _number(event.number),
        "name": NAME,
        "betType": "MULTI_WAY_HEAD_TO_HEAD",
        "contestants": contestants,
    }


def _priced(event: Event, form: Form) -> dict[str, Any]:
    totals = form.written(event.periods[0]).get("totals", [])
    lines = [
        {"id": number, "lineId": event.periods[0]["lineId"], "price": totals[0][SIDES[side]], "handicap": None}
        for number, side in _contestants(event)
        if totals
    ]
    return {"id": _number(event.number), "maxBet": 250.0, "contestantLines": lines}


def _document(board: Board, entries: Iterator[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    leagues: dict[int, list[dict[str, Any]]] = {}
    for league, entry in entries:
        leagues.setdefault(league, []).append(entry)
    grouped = [{"id": league, "specials": specials} for league, specials in leagues.items()]
    return {"sportId": board.sport, "last": board.last, "leagues": grouped}
