"""JSON documents of the provider. Odds are written as text, because every tick renders many of them.

A narrower answer is exactly the wider one with books, markets and events left out, byte for byte.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .additional import asked
from .ages import book_updated_at, read_at, updated_at
from .board import EventBoard, Span
from .catalog import LAY, Sport
from .parameters import TIME_FORMAT
from .prices import LADDER, Line, decimal_price
from .query import Query
from .schedule import Event, World

DECIMAL_TEXT = {american: repr(decimal_price(american)) for american in LADDER}


def dumps(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=16384)
def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(TIME_FORMAT)


def stamp(seconds: int, unix: bool) -> str:
    return str(seconds) if unix else f'"{iso(seconds)}"'


def head(event: Event, unix: bool, extras: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields every document about an event begins with."""
    document: dict[str, Any] = {
        "id": event.id,
        "sport_key": event.sport.key,
        "sport_title": event.sport.title,
        "commence_time": event.commence if unix else iso(event.commence),
        "home_team": event.home,
        "away_team": event.away,
    }
    if "rotation" in extras and event.home is not None:
        number = zlib.crc32(event.id.encode()) % 4000 * 2
        document |= {"home_rotation_number": number + 2, "away_rotation_number": number + 1}
    return document


def sport_document(sport: Sport) -> dict[str, Any]:
    return {
        "key": sport.key,
        "group": sport.group,
        "title": sport.title,
        "description": sport.description,
        "active": sport.active,
        "has_outrights": sport.has_outrights,
    }


def extra_text(extras: frozenset[str], *names: str) -> str:
    """Link and sid of a bookmaker, a market or an outcome; the link leads nowhere."""
    if not extras:
        return ""
    sid = f"{zlib.crc32('/'.join(names).encode()):08x}"
    link = f',"link":"https://{names[0]}.example/bet/{sid}"' if "link" in extras else ""
    return link + (f',"sid":"{sid}"' if "sid" in extras else "")


@lru_cache(maxsize=262144)
def outcomes_text(line: Line, american: bool, lay: bool, extras: frozenset[str], event_id: str) -> str:
    """Outcomes as JSON. Decimal prices always have a point, American ones are integers."""
    spec = line.spec
    points = spec.points or (None,) * len(spec.names)
    abouts = spec.descriptions or (None,) * len(spec.names)
    parts = []
    for name, label, about, price, point in zip(
        spec.names, spec.labels, abouts, line.prices(lay), points, strict=True
    ):
        about_text = "" if about is None else f',"description":{json.dumps(about)}'
        price_text = str(price) if american else DECIMAL_TEXT[price]
        point_text = "" if point is None else f',"point":{point:g}'
        more = extra_text(extras, spec.book.key, event_id, spec.market, label)
        if "bet_limit" in extras and spec.book.is_exchange:
            more += f',"bet_limit":{zlib.crc32((event_id + name).encode()) % 5000 + 50}.0'
        parts.append(f'{{"name":{json.dumps(name)}{about_text},"price":{price_text}{point_text}{more}}}')
    return f"[{','.join(parts)}]"


def market_text(event: Event, line: Line, when: str, query: Query, lay: bool = False) -> str:
    market, extras = line.spec.market, query.extras
    outcomes = outcomes_text(line, query.american, lay, extras, event.id if extras else "")
    key = LAY[market] if lay else market
    more = extra_text(extras, line.spec.book.key, event.id, market)
    return f'{{"key":"{key}","last_update":{when}{more},"outcomes":{outcomes}}}'


def book_text(world: World, board: EventBoard, span: Span, query: Query, now: float) -> str:
    """One bookmaker, empty when it offers none of the markets.

    A bookmaker's own last_update covers all its markets, also those not asked for; the answer for a single
    event has none.
    """
    book, event = span.book, board.event
    read = read_at(world, event, book, now)
    latest = book_updated_at(world, event, book, read)
    texts = []
    for line in asked(event, board.lines[span.first : span.end], query.markets):
        updated = updated_at(world, line, read)
        latest = max(latest, updated)
        market = line.spec.market
        if market in query.markets and line.open:
            when = stamp(updated, query.unix)
            texts.append(market_text(event, line, when, query))
            if book.is_exchange and market in LAY:
                texts.append(market_text(event, line, when, query, lay=True))
    if not texts:
        return ""
    single = query.endpoint.kind in ("event_odds", "historical_event_odds")
    own = "" if single else f'"last_update":{stamp(latest, query.unix)}'
    more = own + extra_text(query.extras, book.key, event.id)
    more = more.lstrip(",") + "," if more else ""
    return f'{{"key":"{book.key}","title":"{book.title}",{more}"markets":[{",".join(texts)}]}}'


def event_text(world: World, board: EventBoard, query: Query, now: float) -> str:
    """One event with its odds; `bookmakers` is empty when no book matches."""
    spans = (span for span in board.spans if span.book.key in query.books)
    books = filter(None, [book_text(world, board, span, query, now) for span in spans])
    start = json.dumps(head(board.event, query.unix, query.extras), separators=(",", ":"))
    return f'{start[:-1]},"bookmakers":[{",".join(books)}]}}'


def odds_texts(world: World, boards: Sequence[EventBoard], query: Query, now: float, omit: bool) -> list[str]:
    """Events in order; `omit` leaves out those without any bookmaker."""
    texts = [event_text(world, board, query, now) for board in boards]
    return [text for text in texts if not text.endswith('"bookmakers":[]}')] if omit else texts
