"""Answers: from a board and a query to a body and its cost."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from .board import Board, EventBoard
from .catalog import SPORTS
from .query import UPCOMING, Query, RefusedError
from .render import dumps, event_text, head, odds_body, score_document, sport_document
from .schedule import Event, World, active_sports, finished, order

UPCOMING_AHEAD = 8
MEMO_SIZE = 512


class Answer:
    """A 200 answer. `cost` is in credits; the compressed body and the tag are made on first use."""

    def __init__(self, body: bytes, cost: int) -> None:
        self.body = body
        self.cost = cost

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.body, 6, mtime=0)

    @cached_property
    def etag(self) -> str:
        return f'W/"{hashlib.blake2b(self.body, digest_size=12).hexdigest()}"'


class Memo:
    """Answers of the newest tick only, at most MEMO_SIZE of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tick = -1
        self._answers: dict[Query, Answer] = {}

    def answer(self, board: Board, query: Query) -> Answer:
        """Raises RefusedError (404) when the query names an event that is not listed."""
        if board.tick != self._tick or len(self._answers) >= MEMO_SIZE:
            self._tick = board.tick
            self._answers = {}
        found = self._answers.get(query)
        if found is None:
            found = self._answers[query] = compose(self._world, board, query)
        return found


def compose(world: World, board: Board, query: Query) -> Answer:
    match query.endpoint.kind:
        case "sports":
            listed = [sport for sport in SPORTS.values() if sport.active or query.every_sport]
            return Answer(dumps([sport_document(sport) for sport in listed]), 0)
        case "events":
            boards = wanted(board, query)
            return Answer(dumps([head(found.event, query.unix) for found in boards]), 0)
        case "scores":
            return scores(world, board, query)
        case "odds":
            boards = wanted(board, query)
            return Answer(odds_body(world, boards, query, board.at), query.highest_cost if boards else 0)
        case "event_odds":
            return event_odds(world, board, query)


def event_odds(world: World, board: Board, query: Query) -> Answer:
    """Billed by the markets found, not by the markets asked for; a lay market is not billed apart."""
    for found in board.sports.get(query.endpoint.sport, ()):
        if found.event.id == query.endpoint.event_id:
            returned = {line.spec.market for line in found.lines if line.spec.book.key in query.books}
            body = event_text(world, found, query, board.at).encode()
            return Answer(body, query.regions * len(returned & query.markets))
    raise RefusedError(404, "EVENT_NOT_FOUND", f"Event not found: {query.endpoint.event_id}")


def scores(world: World, board: Board, query: Query) -> Answer:
    boards = candidates(board, query.endpoint.sport)
    events = [found.event for found in boards]
    if query.days_from:
        sports = active_sports() if query.endpoint.sport == UPCOMING else [SPORTS[query.endpoint.sport]]
        past = [event for sport in sports for event in finished(world, sport, board.at, query.days_from)]
        events = sorted(past + events, key=order)
    documents: list[dict[str, Any]] = [
        score_document(event, board.at, query.unix) for event in events if matches(event, query)
    ]
    return Answer(dumps(documents), query.highest_cost if documents else 0)


def wanted(board: Board, query: Query) -> list[EventBoard]:
    return [found for found in candidates(board, query.endpoint.sport) if matches(found.event, query)]


def candidates(board: Board, sport: str) -> Iterable[EventBoard]:
    """The events of a sport; `upcoming` is everything in play and the next eight, outrights left out."""
    if sport != UPCOMING:
        return board.sports.get(sport, ())
    boards = [found for boards in board.sports.values() for found in boards if not found.event.sport.has_outrights]
    boards.sort(key=lambda found: order(found.event))
    started = sum(found.event.commence <= board.at for found in boards)
    return boards[: started + UPCOMING_AHEAD]


def matches(event: Event, query: Query) -> bool:
    return (
        (query.event_ids is None or event.id in query.event_ids)
        and (query.after is None or event.commence >= query.after)
        and (query.before is None or event.commence <= query.before)
    )
