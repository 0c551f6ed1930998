"""From one board to the next.

lively: the chances below, per line and tick. recorded: the chances of a recording of 590 answers, by which any
line of a book changed within ten minutes in 0.6 % of the pairs a day or more before the start, in 3.9 % within
the last day, and in 57 % in play.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

from .ages import next_reading
from .board import Board, EventBoard, open_event
from .catalog import DAY, SPORTS, Sport
from .incidents import BURST_FACTOR, Action
from .prices import Line, jumped, moved
from .schedule import Event, World, listed, order

CHANCE_IN_PLAY = 0.06
CHANCE_NEAR = 0.003
CHANCE_FAR = 0.0005

RECORDED_S = 600
RECORDED_IN_PLAY, RECORDED_NEAR, RECORDED_FAR = 0.57, 0.039, 0.006


def following(world: World, board: Board) -> Board:
    """The board one tick later. Events that ended give way to the next of their slot."""
    tick = board.tick + 1
    now = world.at(tick)
    rng = random.Random(f"{world.seed}:{tick}:moves")
    step = Step(world, board, tick, now, rng)
    sports = {}
    for key, events in board.sports.items():
        current = relisted(world, SPORTS[key], events, now, board.removed)
        sports[key] = tuple([step.after(event) for event in current])
    orders = tuple(action for action in board.orders if action.at > now)
    return Board(tick, now, sports, tuple(step.changes), step.pending, orders, board.placed, board.removed)


def relisted(
    world: World, sport: Sport, events: tuple[EventBoard, ...], now: float, removed: frozenset[str]
) -> tuple[EventBoard, ...]:
    if all(now < board.event.ends for board in events):
        return events
    kept = {board.event.id: board for board in events if now < board.event.ends}
    coming = (event for event in listed(world, sport, now) if event.id not in kept and event.id not in removed)
    fresh = [open_event(world, event) for event in coming]
    return tuple(sorted((*kept.values(), *fresh), key=lambda board: order(board.event)))


class Step:
    """The moves of one tick. `changes` and `pending` grow event by event."""

    def __init__(self, world: World, board: Board, tick: int, now: float, rng: random.Random) -> None:
        self.world, self.tick, self.now, self.rng = world, tick, now, rng
        self.changes: list[tuple[str, int]] = []
        self.pending: dict[int, tuple[tuple[str, int], ...]] = dict(board.pending)
        self._before = board.at
        self._due: dict[str, list[int]] = {}
        for event_id, index in self.pending.pop(tick, ()):
            self._due.setdefault(event_id, []).append(index)
        self._orders = tuple(action for action in board.orders if action.at <= now)

    def after(self, board: EventBoard) -> EventBoard:
        """The event after the moves and incidents of this tick."""
        moving = self._moving(board)
        actions = self._actions(board)
        if not moving and not actions:
            return board
        lines = list(board.lines)
        for index in moving:
            lines[index] = moved(lines[index], self.tick, self.rng)
        for action in actions:
            for index in named(board, action):
                lines[index] = self._acted(lines[index], action)
        touched = [index for index, line in enumerate(lines) if line is not board.lines[index]]
        self.changes += [(board.event.id, index) for index in touched]
        return replace(board, lines=tuple(lines)) if touched else board

    def _moving(self, board: EventBoard) -> list[int]:
        """The lines whose price moves now; with realistic ages a chosen line waits for the next reading."""
        chosen = list(picks(self.rng, len(board.lines), self._chance(board)))
        if self.world.ages == "fresh":
            return chosen
        for index in chosen:
            at = next_reading(self.world, board.event, board.lines[index].spec.book, self.now)
            if at >= board.event.ends:
                continue
            tick = max(self.tick + 1, math.ceil((at - self.world.start) / self.world.tick_s))
            self.pending[tick] = (*self.pending.get(tick, ()), (board.event.id, index))
        return self._due.get(board.event.id, [])

    def _chance(self, board: EventBoard) -> float:
        chance = move_chance(self.world, board.event, self.now)
        if board.script and board.script.bursting(self.now):
            chance *= BURST_FACTOR
        return min(0.99, chance * self.world.volatility)

    def _actions(self, board: EventBoard) -> list[Action]:
        actions = [action for action in self._orders if action.event_id == board.event.id]
        if board.script:
            actions += board.script.between(self._before, self.now)
        return sorted(actions, key=lambda action: action.at)

    def _acted(self, line: Line, action: Action) -> Line:
        if action.kind == "jump":
            return jumped(line, action.steps, self.tick)
        opens = action.kind == "open"
        return line if line.open == opens else replace(line, open=opens, changed=self.tick)


def named(board: EventBoard, action: Action) -> list[int]:
    return [
        index
        for index, line in enumerate(board.lines)
        if action.book in (None, line.spec.book.key) and action.market in (None, line.spec.market)
    ]


def move_chance(world: World, event: Event, now: float) -> float:
    """The chance that one line moves in one tick."""
    near = event.commence - now < DAY
    if world.pace == "lively":
        return CHANCE_IN_PLAY if event.in_play(now) else CHANCE_NEAR if near else CHANCE_FAR
    of_book = RECORDED_IN_PLAY if event.in_play(now) else RECORDED_NEAR if near else RECORDED_FAR
    rate = -math.log1p(-of_book) / RECORDED_S / len(event.sport.markets)
    return -math.expm1(-rate * world.tick_s)


def picks(rng: random.Random, count: int, chance: float) -> Iterator[int]:
    """Indices below `count`, each chosen with `chance`; draws one number per pick, not per index."""
    if chance <= 0:
        return
    scale = math.log1p(-chance)
    index = -1
    while True:
        index += 1 + int(math.log1p(-rng.random()) / scale)
        if index >= count:
            return
        yield index
