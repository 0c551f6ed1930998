"""Answers: from a board and a query to a body and its cost."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from functools import cached_property

from .additional import asked
from .board import Board, EventBoard
from .catalog import DAY, SPORTS
from .documents import markets_document, participant_documents, score_document
from .errors import RefusedError
from .parameters import UPCOMING
from .query import Query
from .render import dumps, event_text, head, iso, odds_texts, sport_document
from .schedule import Event, World, active_sports, finished, order
from .timeline import Timeline

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
    """Answers of the newest board only, at most MEMO_SIZE of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._board: Board | None = None
        self._answers: dict[tuple[Query, bool], Answer] = {}

    def answer(self, board: Board, query: Query, omit: bool = False) -> Answer:
        """Raises RefusedError (404) when the query names an event that is not listed."""
        if board is not self._board or len(self._answers) >= MEMO_SIZE:
            self._board = board
            self._answers = {}
        found = self._answers.get((query, omit))
        if found is None:
            found = self._answers[query, omit] = compose(self._world, board, query, omit)
        return found


def compose(world: World, board: Board, query: Query, omit: bool = False) -> Answer:
    """`omit` leaves out events that have none of the bookmakers or markets asked for."""
    match query.endpoint.kind:
        case "sports":
            listed = [sport for sport in SPORTS.values() if sport.active or query.every_sport]
            return Answer(dumps([sport_document(sport) for sport in listed]), 0)
        case "participants":
            documents = participant_documents(SPORTS[query.endpoint.sport])
            return Answer(dumps(documents), query.highest_cost if documents else 0)
        case "events" | "historical_events":
            boards = wanted(board, query)
            return Answer(
                dumps([head(found.event, query.unix) for found in boards]), query.highest_cost if boards else 0
            )
        case "scores":
            return scores(world, board, query)
        case "event_odds" | "historical_event_odds":
            return event_odds(world, board, query)
        case "event_markets":
            found = listed_event(board, query)
            return Answer(dumps(markets_document(world, found, query, board.at)), query.highest_cost)
        case "odds" | "historical_odds":
            texts = odds_texts(world, wanted(board, query), query, board.at, omit)
            return Answer(f"[{','.join(texts)}]".encode(), query.highest_cost if texts else 0)


def historical(timeline: Timeline, query: Query, omit: bool = False) -> Answer:
    """The newest snapshot no later than the date, between the times of its neighbours.

    Raises RefusedError (404) when the query names an event that the snapshot lacks.
    """
    before, found, after = timeline.snapshot(query.date)
    if found is None and query.endpoint.event_id:
        raise unlisted(query)
    inner = compose(timeline.world, found, query, omit) if found else Answer(b"[]", 0)
    times = [f'"{iso(int(board.at))}"' if board else "null" for board in (found, before, after)]
    names = ("timestamp", "previous_timestamp", "next_timestamp")
    start = ",".join(f'"{name}":{text}' for name, text in zip(names, times, strict=True))
    return Answer(f'{{{start},"data":'.encode() + inner.body + b"}", inner.cost)


def listed_event(board: Board, query: Query) -> EventBoard:
    for found in board.sports.get(query.endpoint.sport, ()):
        if found.event.id == query.endpoint.event_id:
            return found
    raise unlisted(query)


def unlisted(query: Query) -> RefusedError:
    return RefusedError(404, "EVENT_NOT_FOUND", f"Event not found: {query.endpoint.event_id}")


def event_odds(world: World, board: Board, query: Query) -> Answer:
    """Billed by the markets found, not by the markets asked for; a lay market is not billed apart."""
    found = listed_event(board, query)
    lines = asked(found.event, found.lines, query.markets)
    returned = {line.spec.market for line in lines if line.open and line.spec.book.key in query.books}
    body = event_text(world, found, query, board.at).encode()
    return Answer(body, query.cost_of(len(returned & query.markets)))


def scores(world: World, board: Board, query: Query) -> Answer:
    boards = candidates(board, query.endpoint.sport)
    events = [found.event for found in boards]
    if query.days_from:
        sports = active_sports() if query.endpoint.sport == UPCOMING else [SPORTS[query.endpoint.sport]]
        past = [event for sport in sports for event in finished(world, sport, board.at, query.days_from)]
        past += [
            event
            for event in board.placed
            if event.sport.key in {sport.key for sport in sports}
            and event.ends <= board.at <= event.commence + query.days_from * DAY
        ]
        past = [event for event in past if event.id not in board.removed]
        events = sorted(past + events, key=order)
    documents = [score_document(event, board.at, query.unix) for event in events if matches(event, query)]
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
