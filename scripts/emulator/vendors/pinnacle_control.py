"""What /_control changes on Pinnacle's boards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .exchange import ControlError, entry, of
from .pinnacle_board import HOUR, Board
from .vendor import Control


class Hands:
    """Each entry of `controls` with an example of its value."""

    def __init__(self, boards: dict[int, Board], now: Callable[[], float]) -> None:
        self._boards = boards
        self._now = now

    def controls(self) -> dict[str, Control]:
        return {
            "move_in": self._move_in,
            "withdraw": self._withdraw,
            "close": self._close,
            "add_event": self._add,
            "kick_off": self._kick_off,
            "settle": self._settle,
        }

    def _move_in(self, value: Any) -> None:
        """{"sport": 29, "count": 3}"""
        board = self._sport(of(dict, "move_in", value))
        for _ in range(entry(value, "count", int, 1)):
            board.move()

    def _withdraw(self, value: Any) -> None:
        """{"event": 29001, "period": 0, "market": "spreads"}"""
        event = entry(of(dict, "withdraw", value), "event", int)
        self._holding(event).withdraw(event, entry(value, "period", int, 0), entry(value, "market", str))

    def _close(self, value: Any) -> None:
        """{"event": 29001, "period": 1}"""
        event = entry(of(dict, "close", value), "event", int)
        self._holding(event).close(event, entry(value, "period", int, 0))

    def _add(self, value: Any) -> None:
        """{"sport": 29, "league": 555, "id": 29099, "live": false}"""
        board = self._sport(of(dict, "add_event", value))
        number = entry(value, "id", int) if "id" in value else None
        board.add(entry(value, "league", int), number, entry(value, "live", bool, False), self._now() + HOUR)

    def _kick_off(self, value: Any) -> None:
        """29002"""
        self._holding(of(int, "kick_off", value)).kick_off(value)

    def _settle(self, value: Any) -> None:
        """29002"""
        self._holding(of(int, "settle", value)).settle(value)

    def _sport(self, value: dict[str, Any]) -> Board:
        sport = entry(value, "sport", int)
        if sport not in self._boards:
            raise ControlError(f"unknown sport: {sport}")
        return self._boards[sport]

    def _holding(self, event: int) -> Board:
        for board in self._boards.values():
            if event in board.events:
                return board
        raise ControlError(f"unknown event: {event}")
