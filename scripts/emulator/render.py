"""JSON documents of the provider. Odds are written as text, because every tick renders many of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .board import EventBoard, Span, read_at, updated_at
from .catalog import LAY, Sport
from .prices import LADDER, Line, decimal_price
from .query import TIME_FORMAT, Query
from .schedule import Event, World

DECIMAL_TEXT = {american: repr(decimal_price(american)) for american in LADDER}


def dumps(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=16384)
def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(TIME_FORMAT)


def stamp(seconds: int, unix: bool) -> str:
    return str(seconds) if unix else f'"{iso(seconds)}"'


def head(event: Event, unix: bool) -> dict[str, Any]:
    """The fields every document about an event begins with."""
    return {
        "id": event.id,
        "sport_key": event.sport.key,
        "sport_title": event.sport.title,
        "commence_time": event.commence if unix else iso(event.commence),
        "home_team": event.home,
        "away_team": event.away,
    }


def sport_document(sport: Sport) -> dict[str, Any]:
    return {
        "key": sport.key,
        "group": sport.group,
        "title": sport.title,
        "description": sport.description,
        "active": sport.active,
        "has_outrights": sport.has_outrights,
    }


@lru_cache(maxsize=65536)
def outcomes_text(line: Line, american: bool, lay: bool) -> str:
    """Outcomes as JSON. Decimal prices always have a point, American ones are integers."""
    points = line.spec.points or (None,) * len(line.spec.names)
    parts = []
    for name, price, point in zip(line.spec.names, line.prices(lay), points, strict=True):
        price_text = str(price) if american else DECIMAL_TEXT[price]
        point_text = "" if point is None else f',"point":{point:g}'
        parts.append(f'{{"name":{json.dumps(name)},"price":{price_text}{point_text}}}')
    return f"[{','.join(parts)}]"


def market_text(market: str, line: Line, when: str, american: bool, lay: bool = False) -> str:
    outcomes = outcomes_text(line, american, lay)
    return f'{{"key":"{market}","last_update":{when},"outcomes":{outcomes}}}'


def book_text(world: World, board: EventBoard, span: Span, query: Query, now: float) -> str:
    """One bookmaker, empty when it offers none of the markets.

    A bookmaker's own last_update covers all its markets, also those not asked for; the answer for a single
    event has none.
    """
    book = span.book
    read = read_at(world, board.event, book, now)
    latest = read
    texts = []
    for line in board.lines[span.first : span.end]:
        updated = updated_at(world, line, read)
        latest = max(latest, updated)
        market = line.spec.market
        if market in query.markets:
            when = stamp(updated, query.unix)
            texts.append(market_text(market, line, when, query.american))
            if book.is_exchange and market in LAY:
                texts.append(market_text(LAY[market], line, when, query.american, lay=True))
    if not texts:
        return ""
    single = query.endpoint.kind == "event_odds"
    own = "" if single else f'"last_update":{stamp(latest, query.unix)},'
    return f'{{"key":"{book.key}","title":"{book.title}",{own}"markets":[{",".join(texts)}]}}'


def event_text(world: World, board: EventBoard, query: Query, now: float) -> str:
    """One event with its odds; `bookmakers` is empty when no book matches."""
    spans = (span for span in board.spans if span.book.key in query.books)
    books = filter(None, (book_text(world, board, span, query, now) for span in spans))
    start = json.dumps(head(board.event, query.unix), separators=(",", ":"))
    return f'{start[:-1]},"bookmakers":[{",".join(books)}]}}'


def odds_body(world: World, boards: Sequence[EventBoard], query: Query, now: float) -> bytes:
    return f"[{','.join(event_text(world, board, query, now) for board in boards)}]".encode()


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
