"""The operations of Betfair's betting API on a board or on recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .betfair_board import COMPETITIONS, EVENT_TYPES, Board, Market, counted
from .betfair_stream import Replay, StreamedMarket
from .clock import Clock

WEIGHTS = {"SP_AVAILABLE": 3, "SP_TRADED": 7, "EX_BEST_OFFERS": 5, "EX_ALL_OFFERS": 17, "EX_TRADED": 17}
PAIRED = {frozenset({"EX_BEST_OFFERS", "EX_TRADED"}): 20, frozenset({"EX_ALL_OFFERS", "EX_TRADED"}): 32}
CATALOGUE_WEIGHTS = {"MARKET_DESCRIPTION": 1, "RUNNER_METADATA": 1}
NO_PROJECTION = 2
HIGHEST_WEIGHT = 200
DEFAULT_DEPTH = 3
RECORDED = {
    "listMarketBook": "list_market_book.json",
    "listMarketCatalogue": "list_market_catalogue.json",
    "listRunnerBook": "list_runner_book.json",
}
ORDERS = ("placeOrders", "cancelOrders", "replaceOrders", "updateOrders", "listCurrentOrders", "listClearedOrders")

Params = dict[str, Any]
Operation = Callable[[Params, bool], list[dict[str, Any]]]


class ApiError(Exception):
    """An error of the API, by its code."""


class Operations:
    """Each takes the parameters and whether the application key is a delayed one."""

    def __init__(self, clock: Clock, board: Board, replays: Sequence[Replay], recordings: Path | None) -> None:
        self._clock = clock
        self._board = board
        self._replays = replays
        self._recorded = {} if recordings is None else read(recordings)
        self.named: dict[str, Operation] = {
            "listEventTypes": self._event_types,
            "listCompetitions": self._competitions,
            "listEvents": self._events,
            "listMarketTypes": lambda params, _: self._values(params, "marketType", lambda market: market.kind),
            "listCountries": lambda params, _: self._values(params, "countryCode", lambda _market: "GB"),
            "listVenues": lambda params, _: self._values(params, "venue", lambda market: market.venue),
            "listMarketCatalogue": self._catalogue,
            "listMarketBook": self._market_book,
            "listRunnerBook": self._runner_book,
        }

    def call(self, name: str, params: Params, delayed: bool) -> Any:
        """The result; a recording's instead when there is one, within the same limits."""
        result = self.named[name](params, delayed)
        return self._recorded.get(name, result)

    def held(self, delayed: bool) -> dict[str, Market | StreamedMarket]:
        """What there are books of: the board, and the markets of recorded streams as they are now."""
        found: dict[str, Market | StreamedMarket] = {**self._board.markets}
        for replay in self._replays:
            found |= replay.markets(self._clock.now(), delayed)
        return found

    def _chosen(self, params: Params) -> list[Market]:
        if not isinstance(params.get("filter"), dict):
            raise ApiError("INVALID_INPUT_DATA")
        return self._board.chosen(params["filter"])

    def _values(self, params: Params, name: str, value: Callable[[Market], str | None]) -> list[dict[str, Any]]:
        found = counted(self._chosen(params), value)
        return [{name: each, "marketCount": count} for each, count in found.items()]

    def _event_types(self, params: Params, _delayed: bool) -> list[dict[str, Any]]:
        found = counted(self._chosen(params), lambda market: market.event_type)
        return [{"eventType": {"id": n, "name": EVENT_TYPES[n]}, "marketCount": count} for n, count in found.items()]

    def _competitions(self, params: Params, _delayed: bool) -> list[dict[str, Any]]:
        names = dict(COMPETITIONS.values())
        found = counted(self._chosen(params), lambda market: market.competition)
        return [
            {"competition": {"id": number, "name": names[number]}, "competitionRegion": "GBR", "marketCount": count}
            for number, count in found.items()
        ]

    def _events(self, params: Params, _delayed: bool) -> list[dict[str, Any]]:
        markets = self._chosen(params)
        found, events = counted(markets, lambda market: market.event), {market.event: market for market in markets}
        return [{"event": events[n].event_document(), "marketCount": count} for n, count in found.items()]

    def _catalogue(self, params: Params, _delayed: bool) -> list[dict[str, Any]]:
        most, projection = params.get("maxResults"), set(params.get("marketProjection") or ())
        if not isinstance(most, int) or not 0 < most <= 1000:
            raise ApiError("INVALID_INPUT_DATA")
        if most * sum(CATALOGUE_WEIGHTS.get(name, 0) for name in projection) > HIGHEST_WEIGHT:
            raise ApiError("TOO_MUCH_DATA")
        return [market.catalogue(projection) for market in self._chosen(params)[:most]]

    def _market_book(self, params: Params, delayed: bool) -> list[dict[str, Any]]:
        numbers = params.get("marketIds")
        if not isinstance(numbers, list) or not numbers:
            raise ApiError("INVALID_INPUT_DATA")
        data, depth, weight = projected(params)
        if weight * len(numbers) > HIGHEST_WEIGHT:
            raise ApiError("TOO_MUCH_DATA")
        held = self.held(delayed)
        return [held[number].book(delayed, data, depth) for number in numbers if number in held]

    def _runner_book(self, params: Params, delayed: bool) -> list[dict[str, Any]]:
        books = self._market_book({**params, "marketIds": [params.get("marketId")]}, delayed)
        for book in books:
            book["runners"] = [each for each in book["runners"] if each["selectionId"] == params.get("selectionId")]
        return books


def projected(params: Params) -> tuple[set[str], int, float]:
    """Price data, depth and weight per market of a price projection."""
    projection = params.get("priceProjection") or {}
    data, overrides = set(projection.get("priceData") or ()), projection.get("exBestOffersOverrides") or {}
    depth = overrides.get("bestPricesDepth") or DEFAULT_DEPTH
    return data, depth, weight(data, depth)


def weight(data: set[str], depth: int) -> float:
    """Best and traded together, and all and traded, weigh less than their sum; best grows with its depth."""
    rest = {name: WEIGHTS.get(name, 0) for name in data}
    total: float = 0
    for pair, together in PAIRED.items():
        if pair <= rest.keys():
            total += together * (depth / DEFAULT_DEPTH if "EX_BEST_OFFERS" in pair else 1)
            rest = {name: one for name, one in rest.items() if name not in pair}
            break
    for name, one in rest.items():
        total += one * (depth / DEFAULT_DEPTH if name == "EX_BEST_OFFERS" else 1)
    return total or NO_PROJECTION


def read(folder: Path) -> dict[str, Any]:
    """The recorded results by operation, of the files that the folder has."""
    paths = {name: folder / file for name, file in RECORDED.items()}
    return {name: json.loads(path.read_text())["result"] for name, path in paths.items() if path.is_file()}
