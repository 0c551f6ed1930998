"""The board: every line of every listed event at one tick.

The same world and tick, with the same orders, always give the same board.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .additional import with_additional
from .books import offered
from .catalog import LAY, Book
from .incidents import Action, Script, script
from .prices import Line, opening_lines
from .schedule import Event, World, active_sports, listed, order

OFFERING_SHARE = 0.93

Prices = dict[str, dict[str, dict[str, dict[str, int]]]]
# (event id, index of the line) by the tick at which the line moves.
Pending = Mapping[int, tuple[tuple[str, int], ...]]


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
    script: Script | None = None

    @property
    def books(self) -> tuple[str, ...]:
        return tuple(span.book.key for span in self.spans)


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """`sports` maps a sport key to its events in provider order; `at` is the unix time the tick began.

    `changes` are the lines that this tick changed, as (event id, index). `placed` are the events added to the
    programme and `removed` the ids of those taken off it; `orders` are ordered actions yet to come.
    """

    tick: int
    at: float
    sports: dict[str, tuple[EventBoard, ...]]
    changes: tuple[tuple[str, int], ...] = ()
    pending: Pending = field(default_factory=dict)
    orders: tuple[Action, ...] = ()
    placed: tuple[Event, ...] = ()
    removed: frozenset[str] = frozenset()

    def find(self, event_id: str) -> EventBoard | None:
        return next(
            (found for events in self.sports.values() for found in events if found.event.id == event_id), None
        )


def opening(world: World) -> Board:
    """The board of tick 0."""
    sports = {
        sport.key: tuple(open_event(world, event) for event in listed(world, sport, world.start))
        for sport in active_sports()
    }
    return Board(0, world.at(0), sports)


def open_event(world: World, event: Event) -> EventBoard:
    rng = random.Random(f"{world.seed}:{event.id}:lines")
    choice = offered(world.extra_books)
    books = tuple(rng.sample(choice, round(len(choice) * OFFERING_SHARE)))
    lines = opening_lines(event, books, rng)
    found = EventBoard(event, tuple(spans_of(lines)), lines)
    return replace(found, script=script(world, event, found.books)) if world.incidents else found


def spans_of(lines: tuple[Line, ...]) -> Iterator[Span]:
    first = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or lines[index].spec.book is not lines[first].spec.book:
            yield Span(lines[first].spec.book, first, index)
            first = index


def with_event(world: World, board: Board, event: Event) -> Board:
    """The board with an event added to its sport."""
    key = event.sport.key
    events = sorted((*board.sports.get(key, ()), open_event(world, event)), key=lambda found: order(found.event))
    return replace(board, sports=board.sports | {key: tuple(events)}, placed=(*board.placed, event))


def without_events(board: Board, ids: frozenset[str]) -> Board:
    """The board after some events were called off."""
    sports = {key: tuple(e for e in events if e.event.id not in ids) for key, events in board.sports.items()}
    placed = tuple(event for event in board.placed if event.id not in ids)
    return replace(board, sports=sports, placed=placed, removed=board.removed | ids)


def prices_of(board: Board, sport: str, additional: bool = False) -> Prices:
    """event id -> book -> market (lay markets included) -> outcome -> American price."""
    return {found.event.id: event_prices(found.event, found.lines, additional) for found in board.sports[sport]}


def event_prices(event: Event, lines: tuple[Line, ...], additional: bool) -> dict[str, dict[str, dict[str, int]]]:
    return line_prices(with_additional(event, lines) if additional else lines)


def line_prices(lines: Iterable[Line]) -> dict[str, dict[str, dict[str, int]]]:
    """The prices of the lines that are on the board."""
    books: dict[str, dict[str, dict[str, int]]] = {}
    for line in lines:
        if not line.open:
            continue
        markets = books.setdefault(line.spec.book.key, {})
        markets[line.spec.market] = dict(zip(line.spec.labels, line.prices(), strict=True))
        if line.spec.book.is_exchange and line.spec.market in LAY:
            markets[LAY[line.spec.market]] = dict(zip(line.spec.labels, line.prices(lay=True), strict=True))
    return books
