"""The board: every line of every listed event at one tick.

The same world and tick always give the same board.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .catalog import BOOKS, DAY, LAY, SPORTS, Book, Sport
from .prices import Line, moved, opening_lines
from .schedule import Event, World, active_sports, listed, order

# Chance that one line moves in one tick.
CHANCE_IN_PLAY = 0.06
CHANCE_NEAR = 0.003
CHANCE_FAR = 0.0005
HELD_TICKS = 120

Prices = dict[str, dict[str, dict[str, dict[str, int]]]]


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one book: a slice of EventBoard.lines."""

    book: Book
    first: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class EventBoard:
    event: Event
    spans: tuple[Span, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """`sports` maps a sport key to its events in provider order; `at` is the unix time the tick began."""

    tick: int
    at: float
    sports: dict[str, tuple[EventBoard, ...]]


def opening(world: World) -> Board:
    """The board of tick 0."""
    sports = {
        sport.key: tuple(open_event(world, event) for event in listed(world, sport, world.start))
        for sport in active_sports()
    }
    return Board(0, world.at(0), sports)


def open_event(world: World, event: Event) -> EventBoard:
    rng = random.Random(f"{world.seed}:{event.id}:lines")
    books = tuple(rng.sample(list(BOOKS.values()), round(len(BOOKS) * 0.93)))
    lines = opening_lines(event, books, rng)
    return EventBoard(event, tuple(spans_of(lines)), lines)


def spans_of(lines: tuple[Line, ...]) -> Iterator[Span]:
    first = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or lines[index].spec.book is not lines[first].spec.book:
            yield Span(lines[first].spec.book, first, index)
            first = index


def following(world: World, board: Board) -> Board:
    """The board one tick later. Events that ended give way to the next of their slot."""
    tick = board.tick + 1
    now = world.at(tick)
    rng = random.Random(f"{world.seed}:{tick}:moves")
    sports = {}
    for key, events in board.sports.items():
        current = relisted(world, SPORTS[key], events, now)
        sports[key] = tuple(after_moves(world, event, tick, now, rng) for event in current)
    return Board(tick, now, sports)


def relisted(world: World, sport: Sport, events: tuple[EventBoard, ...], now: float) -> tuple[EventBoard, ...]:
    if all(now < board.event.ends for board in events):
        return events
    kept = {board.event.id: board for board in events}
    fresh = [kept.get(event.id) or open_event(world, event) for event in listed(world, sport, now)]
    return tuple(sorted(fresh, key=lambda board: order(board.event)))


def after_moves(world: World, board: EventBoard, tick: int, now: float, rng: random.Random) -> EventBoard:
    chance = min(0.99, move_chance(board.event, now) * world.volatility)
    changes = {index: moved(board.lines[index], tick, rng) for index in picks(rng, len(board.lines), chance)}
    if not changes:
        return board
    return replace(board, lines=tuple(changes.get(index, line) for index, line in enumerate(board.lines)))


def move_chance(event: Event, now: float) -> float:
    if event.in_play(now):
        return CHANCE_IN_PLAY
    return CHANCE_NEAR if event.commence - now < DAY else CHANCE_FAR


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


def read_at(world: World, event: Event, book: Book, now: float) -> int:
    """Unix seconds when the provider last read `book` for `event`; it reads each book in its own phase.

    In play the faster readings come on top of the usual ones, so the value never steps back.
    """
    cycle = world.refresh_s * (5 if event.sport.has_outrights else 1) / (2 if book.is_exchange else 1)
    phase = zlib.crc32(book.key.encode()) % 1000 / 1000
    usual = last_multiple(now, cycle, phase)
    return max(usual, last_multiple(now, cycle * 2 / 3, phase)) if event.in_play(now) else usual


def last_multiple(now: float, cycle: float, phase: float) -> int:
    return int(now - (now - phase * cycle) % cycle)


def updated_at(world: World, line: Line, read: int) -> int:
    """A line's `last_update`: the last reading, or the move when that came later."""
    return max(read, int(world.at(line.changed))) if line.changed else read


def prices_of(board: Board, sport: str) -> Prices:
    """event id -> book -> market (lay markets included) -> outcome -> American price."""
    truth: Prices = {}
    for event_board in board.sports[sport]:
        books: dict[str, dict[str, dict[str, int]]] = {}
        for line in event_board.lines:
            markets = books.setdefault(line.spec.book.key, {})
            markets[line.spec.market] = dict(zip(line.spec.names, line.prices(), strict=True))
            if line.spec.book.is_exchange and line.spec.market in LAY:
                lay = dict(zip(line.spec.names, line.prices(lay=True), strict=True))
                markets[LAY[line.spec.market]] = lay
        truth[event_board.event.id] = books
    return truth


class Timeline:
    """Boards in order of time; the last HELD_TICKS stay readable."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._held = deque([opening(world)], maxlen=HELD_TICKS)

    def at(self, now: float) -> Board:
        """The board that holds at `now`. Time that runs backwards gives the newest board."""
        wanted = self.world.tick(now)
        while self._held[-1].tick < wanted:
            self._held.append(following(self.world, self._held[-1]))
        return self._held[-1]

    def held(self, tick: int) -> Board | None:
        """An older board, None when it is no longer or not yet held."""
        index = tick - self._held[0].tick
        return self._held[index] if 0 <= index < len(self._held) else None
