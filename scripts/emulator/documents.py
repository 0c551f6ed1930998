"""Documents of the provider that tick seldom: scores, participants and the markets of an event."""

from __future__ import annotations

import hashlib
from typing import Any

from .additional import with_additional
from .ages import read_at, updated_at
from .board import EventBoard
from .catalog import LAY, Sport
from .query import Query
from .render import head, iso
from .schedule import Event, World


def score_document(event: Event, now: float, unix: bool) -> dict[str, Any]:
    """Scores are text, and null before the start. Points come evenly up to an invented total."""
    document = head(event, unix)
    document["completed"] = now >= event.ends
    started = now >= event.commence and event.home is not None
    document["scores"] = score_list(event, now) if started else None
    updated = int(min(now, event.ends)) // 10 * 10
    document["last_update"] = (updated if unix else iso(updated)) if started else None
    return document


def score_list(event: Event, now: float) -> list[dict[str, str]]:
    share = min(1.0, (now - event.commence) / event.sport.duration_s)
    digest = hashlib.blake2b(event.id.encode(), digest_size=2).digest()
    final = [event.sport.total / 2 * (0.5 + byte / 255) for byte in digest]
    names = (event.home, event.away)
    return [{"name": str(name), "score": str(round(end * share))} for name, end in zip(names, final, strict=True)]


def participant_documents(sport: Sport) -> list[dict[str, str]]:
    return [
        {"full_name": name, "id": f"par_{hashlib.blake2b(name.encode(), digest_size=13).hexdigest()}"}
        for name in sport.teams
    ]


def markets_document(world: World, board: EventBoard, query: Query, now: float) -> dict[str, Any]:
    """The markets that each of the books offers for an event, without prices."""
    books = []
    for span in board.spans:
        if span.book.key not in query.books:
            continue
        read = read_at(world, board.event, span.book, now)
        held: list[dict[str, Any]] = []
        for line in with_additional(board.event, board.lines[span.first : span.end]):
            if line.open:
                updated = updated_at(world, line, read)
                keys = [line.spec.market, *lay_of(line.spec.market, span.book.is_exchange)]
                held += [{"key": key, "last_update": updated if query.unix else iso(updated)} for key in keys]
        if held:
            books.append({"key": span.book.key, "title": span.book.title, "markets": held})
    return head(board.event, query.unix) | {"bookmakers": books}


def lay_of(market: str, is_exchange: bool) -> list[str]:
    return [LAY[market]] if is_exchange and market in LAY else []
