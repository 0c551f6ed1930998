"""Boards in order of time, with what is remembered of the past."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from itertools import pairwise

from .board import Board, opening, with_event, without_events
from .catalog import SPORTS
from .history import History
from .incidents import Action
from .moves import following
from .schedule import Event, World, placed

HELD_TICKS = 120
SNAPSHOT_S = 300
HELD_SNAPSHOTS = 288


class Timeline:
    """The last HELD_TICKS boards stay readable, and the first board of every SNAPSHOT_S for a day."""

    def __init__(self, world: World, history_ticks: int = HELD_TICKS) -> None:
        self.world = world
        self._held = deque([opening(world)], maxlen=HELD_TICKS)
        self.snapshots = deque([self._held[0]], maxlen=HELD_SNAPSHOTS)
        self.history = History(world, self._held[0], history_ticks)

    @property
    def newest(self) -> Board:
        return self._held[-1]

    def at(self, now: float) -> Board:
        """The board that holds at `now`. Time that runs backwards gives the newest board."""
        wanted = self.world.tick(now)
        while self._held[-1].tick < wanted:
            board = following(self.world, self._held[-1])
            self._held.append(board)
            self.history.record(board)
            if board.at // SNAPSHOT_S > self.snapshots[-1].at // SNAPSHOT_S:
                self.snapshots.append(board)
        return self._held[-1]

    def held(self, tick: int) -> Board | None:
        """An older board, None when it is no longer or not yet held."""
        index = tick - self._held[0].tick
        return self._held[index] if 0 <= index < len(self._held) else None

    def snapshot(self, when: float) -> tuple[Board | None, Board | None, Board | None]:
        """The newest snapshot no later than `when`, with the one before and the one after it."""
        for before, held in pairwise((None, *reversed(self.snapshots))):
            if held is not None and held.at <= when:
                index = self.snapshots.index(held)
                return (self.snapshots[index - 1] if index else None), held, before
        return None, None, self.snapshots[0]

    def can_place(self, sport: str) -> bool:
        return sport in self.newest.sports and bool(SPORTS[sport].teams)

    def place(self, sport: str, now: float, in_s: float, lasts_s: int | None) -> Event:
        """Adds an event of a listed sport that starts in so many seconds, from this tick on."""
        board = self.at(now)
        found = placed(self.world, SPORTS[sport], len(board.placed), math.ceil(now + in_s), lasts_s)
        self._replace(with_event(self.world, board, found))
        return found

    def remove(self, now: float, ids: frozenset[str]) -> None:
        """Takes events off the board, from this tick on."""
        self._replace(without_events(self.at(now), ids))

    def order(self, now: float, actions: list[Action]) -> None:
        """Actions happen in the tick after their time."""
        board = self.at(now)
        self._replace(replace(board, orders=(*board.orders, *actions)))

    def _replace(self, board: Board) -> None:
        self._held[-1] = board
        self.history.relist(board)
