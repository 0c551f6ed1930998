"""Whether what clients are told is what the provider had."""

import json
from typing import Any

from scripts.rig import HOST, Emulator, fetch_json

from .clients import Connection

MARKET = "h2h"

type Board = dict[tuple[str, str], list[float]]
"""By event and bookmaker, the American prices of MARKET."""


async def unlike(provider: Emulator, port: int, sport: str) -> list[str]:
    """What differs between an answer of now and the provider's own record of the tick that the answer names."""
    connection = Connection(port)
    target = f"/v4/sports/{sport}/odds?regions=us&oddsFormat=american"
    status, fields, body = await connection.get(HOST, target)
    connection.close()
    if status != 200:
        return [f"{sport}: status {status}"]
    told = board_of(json.loads(body))
    truth = fetch_json(f"{provider.url}/_truth?sport={sport}&tick={fields['x-emulator-revision']}")["prices"]
    known = {
        (event, book): sorted(markets[MARKET].values())
        for event, books in truth.items()
        for book, markets in books.items()
        if MARKET in markets
    }
    wrong = [
        f"{sport}: {event} at {book}" for (event, book), found in told.items() if known.get((event, book)) != found
    ]
    return wrong if told else [f"{sport}: no odds"]


def board_of(events: list[dict[str, Any]]) -> Board:
    return {
        (event["id"], book["key"]): sorted(outcome["price"] for outcome in market["outcomes"])
        for event in events
        for book in event["bookmakers"]
        for market in book["markets"]
        if market["key"] == MARKET
    }
