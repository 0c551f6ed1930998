"""The true prices of the recent past: every change of every line, and when."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .board import Board, EventBoard, Prices, event_prices
from .prices import Line
from .schedule import World


@dataclass(slots=True)
class Past:
    """The lines of one event. `base` is how they were at the beginning of what is remembered."""

    board: EventBoard
    first: int
    base: list[Line]
    later: dict[int, list[Line]] = field(default_factory=dict)
    gone: int | None = None

    def at(self, tick: int) -> tuple[Line, ...]:
        lines = list(self.base)
        for index, changes in self.later.items():
            for line in changes:
                if line.changed <= tick:
                    lines[index] = line
        return tuple(lines)


class History:
    """Changes no older than `kept` ticks. `oldest` is the first tick that can still be told."""

    def __init__(self, world: World, board: Board, kept: int) -> None:
        self._world = world
        self._kept = kept
        self._events: dict[str, Past] = {}
        self._order: deque[tuple[int, str, int]] = deque()
        self._gone: deque[tuple[int, str]] = deque()
        self.oldest = board.tick
        self.relist(board)

    def relist(self, board: Board) -> None:
        """Notes which events came on the board and which left it."""
        present = set()
        for events in board.sports.values():
            for found in events:
                present.add(found.event.id)
                if found.event.id not in self._events:
                    self._events[found.event.id] = Past(found, board.tick, list(found.lines))
        for event_id, past in self._events.items():
            if past.gone is None and event_id not in present:
                past.gone = board.tick
                self._gone.append((board.tick, event_id))

    def record(self, board: Board) -> None:
        """Notes what the tick of a board changed. Boards come in order of their ticks."""
        self.relist(board)
        lines = {found.event.id: found.lines for events in board.sports.values() for found in events}
        for event_id, index in board.changes:
            self._events[event_id].later.setdefault(index, []).append(lines[event_id][index])
            self._order.append((board.tick, event_id, index))
        self._forget(board.tick - self._kept)

    def _forget(self, horizon: int) -> None:
        self.oldest = max(self.oldest, horizon)
        while self._order and self._order[0][0] <= horizon:
            _, event_id, index = self._order.popleft()
            past = self._events[event_id]
            past.base[index] = past.later[index].pop(0)
            if not past.later[index]:
                del past.later[index]
        while self._gone and self._gone[0][0] <= horizon:
            _, event_id = self._gone.popleft()
            if not self._events[event_id].later:
                del self._events[event_id]

    def prices(self, sport: str, tick: int, additional: bool = False) -> Prices:
        """As prices_of(), at a tick that is remembered."""
        return {
            event_id: event_prices(past.board.event, past.at(tick), additional)
            for event_id, past in self._events.items()
            if past.board.event.sport.key == sport and past.first <= tick and (past.gone is None or tick < past.gone)
        }

    def changes(self, event_id: str) -> dict[str, dict[str, list[list[Any]]]] | None:
        """book -> market -> [tick, unix time, prices or null while off the board], oldest first."""
        past = self._events.get(event_id)
        if past is None:
            return None
        told: dict[str, dict[str, list[list[Any]]]] = {}
        for index, base in enumerate(past.base):
            first = max(past.first, base.changed)
            entries = [self._entry(first, base), *(self._entry(x.changed, x) for x in past.later.get(index, ()))]
            told.setdefault(base.spec.book.key, {})[base.spec.market] = entries
        return told

    def _entry(self, tick: int, line: Line) -> list[Any]:
        prices = dict(zip(line.spec.names, line.prices(), strict=True)) if line.open else None
        return [tick, self._world.at(tick), prices]

    def gone(self, event_id: str) -> int | None:
        """The tick at which an event left the board."""
        past = self._events.get(event_id)
        return past.gone if past else None
