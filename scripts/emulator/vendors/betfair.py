"""Betfair's exchange API: JSON-RPC single and in batches, and its REST form; errors inside a 200."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from .betfair_board import Board
from .betfair_operations import ORDERS, ApiError, Operations
from .betfair_stream import Replay, messages
from .clock import Clock, Window
from .exchange import Answer, Asked, Refused
from .vendor import Vendor

RPC = "/exchange/betting/json-rpc/v1"
REST = ["exchange", "betting", "rest", "v1.0"]
PREFIX = "SportsAPING/v1.0/"
CODES = {
    "TOO_MUCH_DATA": "ANGX-0001",
    "INVALID_INPUT_DATA": "ANGX-0002",
    "INVALID_SESSION_INFORMATION": "ANGX-0003",
    "NO_APP_KEY": "ANGX-0004",
    "NO_SESSION": "ANGX-0005",
    "INVALID_APP_KEY": "ANGX-0007",
    "TOO_MANY_REQUESTS": "ANGX-0008",
}
NO_METHOD = {"code": -32601, "message": "DSC-0021"}
NO_REQUEST = {"code": -32600, "message": "DSC-0018"}
NO_JSON = {"code": -32700, "message": "DSC-0008"}
MAY_POST = frozenset({"POST"})


class Betfair(Vendor):
    """X-Application and X-Authentication; --credential names live application keys."""

    methods: ClassVar[frozenset[str]] = MAY_POST

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.settings["calls_per_s"] = args.calls_per_s
        self.delayed, self.sessions = frozenset(args.delayed_key), frozenset(args.session)
        self.board = Board(self.rng, clock.now())
        self._replays = [Replay(stream, clock.now()) for stream in args.stream]
        self._operations = Operations(clock, self.board, self._replays, args.recordings)
        self._second = Window(1.0)
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._faulty = 0

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--delayed-key", action="append", default=[], metavar="KEY", help="sees delayed prices")
        parser.add_argument("--session", action="append", default=[], metavar="TOKEN", help="valid one; none: any")
        parser.add_argument("--calls-per-s", type=int, default=5, help="per market, key and session; 0: no limit")
        parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="list_market_book.json and the like")
        parser.add_argument("--stream", type=messages, action="append", default=[], metavar="FILE", help="mcm lines")

    def credential(self, asked: Asked) -> str:
        return asked.headers.get("X-Application", "")

    def answer(self, asked: Asked) -> Answer:
        if asked.path.rstrip("/") == RPC:
            return self._rpc(asked)
        if asked.parts[:-1] == REST:
            return self._rest(asked, asked.parts[-1])
        raise Refused(Answer("<h1>Not Found</h1>", 404))

    def _rpc(self, asked: Asked) -> Answer:
        try:
            document = json.loads(asked.body)
        except ValueError:
            return Answer({"jsonrpc": "2.0", "error": NO_JSON})
        if isinstance(document, list):
            return Answer([self._one(asked, each) for each in document])
        return Answer(self._one(asked, document))

    def _one(self, asked: Asked, document: Any) -> dict[str, Any]:
        """One call's answer with the call's own id."""
        if not isinstance(document, dict) or not isinstance(document.get("method"), str):
            return {"jsonrpc": "2.0", "error": NO_REQUEST}
        echoed = {"id": document["id"]} if "id" in document else {}
        name, params = document["method"].removeprefix(PREFIX), document.get("params")
        if not self._known(name):
            return {"jsonrpc": "2.0", "error": NO_METHOD, **echoed}
        try:
            result = self._call(asked, name, params if isinstance(params, dict) else {})
        except ApiError as problem:
            code = str(problem)
            error = {"code": -32099, "message": CODES[code], "data": self._exception(code)}
            return {"jsonrpc": "2.0", "error": error, **echoed}
        return {"jsonrpc": "2.0", "result": result, **echoed}

    def _rest(self, asked: Asked, name: str) -> Answer:
        try:
            params = json.loads(asked.body or b"{}")
        except ValueError:
            params = None
        if not self._known(name) or not isinstance(params, dict):
            return Answer({"faultcode": "Client", "faultstring": "DSC-0018", "detail": {}}, 400)
        try:
            return Answer(self._call(asked, name, params))
        except ApiError as problem:
            code = str(problem)
            fault = {"faultcode": "Client", "faultstring": CODES[code], "detail": self._exception(code)}
            return Answer(fault, 400)

    def _known(self, name: str) -> bool:
        return name in self._operations.named or name in ORDERS

    def _call(self, asked: Asked, name: str, params: dict[str, Any]) -> Any:
        self._calls[name] += 1
        key, session = self.credential(asked), asked.headers.get("X-Authentication", "")
        self._authorise(key, session)
        if name in ORDERS:
            refusal = {"status": "FAILURE", "errorCode": "PERMISSION_DENIED", "instructionReports": []}
            empty = {"currentOrders": [], "clearedOrders": [], "moreAvailable": False}
            return empty if name.startswith("list") else {**refusal, "marketId": params.get("marketId")}
        self._limit(key, session, name, params)
        return self._operations.call(name, params, key in self.delayed)

    def _authorise(self, key: str, session: str) -> None:
        if not key:
            raise ApiError("NO_APP_KEY")
        if key not in self.delayed and not self.valid(key):
            raise ApiError("INVALID_APP_KEY")
        if not session:
            raise ApiError("NO_SESSION")
        if self.sessions and session not in self.sessions:
            raise ApiError("INVALID_SESSION_INFORMATION")

    def _limit(self, key: str, session: str, name: str, params: dict[str, Any]) -> None:
        """Books of one market are limited."""
        books = {"listMarketBook": params.get("marketIds"), "listRunnerBook": [params.get("marketId")]}
        for market in books.get(name) or ():
            if self._second.admit((key, session, str(market)), self.clock.now(), self.settings["calls_per_s"]):
                raise ApiError("TOO_MANY_REQUESTS")

    def _exception(self, code: str) -> dict[str, Any]:
        self._faulty += 1
        self._errors[code] += 1
        detail = {"requestUUID": f"prdang-{self._faulty:08d}", "errorCode": code, "errorDetails": ""}
        return {"APINGException": detail, "exceptionname": "APINGException"}

    def move(self, count: int) -> None:
        for _ in range(count):
            self.board.move()

    def truth(self) -> dict[str, Any]:
        """Every market's book for a live key, and as a delayed key sees it; how far each recorded stream is."""
        whole = {"EX_ALL_OFFERS", "EX_TRADED"}
        books = {
            name: [market.book(delayed, whole, 0) for market in self._operations.held(delayed).values()]
            for name, delayed in (("live", False), ("delayed", True))
        }
        return {**books, "published_ms": [replay.published_ms(self.clock.now()) for replay in self._replays]}

    def counts(self) -> dict[str, Any]:
        orders = sum(self._calls[name] for name in ORDERS if not name.startswith("list"))
        own = {"by_operation": dict(self._calls), "by_error": dict(self._errors), "orders_refused": orders}
        return {**super().counts(), **own}

    def reset_counts(self) -> None:
        super().reset_counts()
        self._calls.clear()
        self._errors.clear()
