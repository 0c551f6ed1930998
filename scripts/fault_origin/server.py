"""The server: a request at a time on each connection, good answers but for the faults that are switched on."""

import asyncio
import json
import re
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .faults import FAULTS
from .sources import Source
from .wire import Good, Wire

MAX_HEAD_BYTES = 65_536
IN_PATH = re.compile(r"/fault-([a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    fields: dict[str, str]
    body: bytes


@dataclass
class FaultOrigin:
    """`faults`: by a text, what befalls requests with that text in their target ("" is in all); the first that is
    found counts. A segment `fault-NAME` of a path is that fault always."""

    source: Source
    faults: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    played: Counter[str] = field(default_factory=Counter)
    latency_s: float = 0.0
    busiest: int = 0
    """Most requests that came within a second."""
    _lately: deque[float] = field(default_factory=deque)

    def fault(self, target: str) -> str | None:
        if (named := IN_PATH.search(target)) is not None and named[1] in FAULTS:
            return named[1]
        return next((name for text, name in self.faults.items() if text in target), None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        try:
            # Cancelled when the server ends: there is nobody whom that would concern.
            with suppress(OSError, EOFError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError):
                while await self._one(await _read(reader), Wire(reader, writer)):
                    pass
        finally:
            writer.close()

    async def _one(self, request: Request, wire: Wire) -> bool:
        """Whether the connection stays open."""
        if request.target.startswith("/_"):
            told = self._control(request)
            await wire.send(told.sized() + told.body)
            return True
        name = self.fault(request.target)
        self.requests[request.target.partition("?")[0]] += 1
        self._note(time.monotonic())
        await asyncio.sleep(self.latency_s)
        good = await self.source.answer(request.target, request.fields)
        if name is not None:
            self.played[name] += 1
            return bool(await FAULTS[name](wire, good))
        # An answer without a body has no length either.
        await wire.send((good.head() if good.status == 304 else good.sized()) + good.body)
        return True

    def _note(self, now: float) -> None:
        self._lately.append(now)
        while self._lately[0] < now - 1.0:
            self._lately.popleft()
        self.busiest = max(self.busiest, len(self._lately))

    def _control(self, request: Request) -> Good:
        """GET /_stats tells; POST /_control sets all `faults`, and `latency_s` of every answer."""
        status = 200
        if request.method == "POST" and request.target == "/_control":
            order = json.loads(request.body)
            asked, self.latency_s = order["faults"], float(order.get("latency_s", 0.0))
            if unknown := sorted(set(asked.values()) - set(FAULTS)):
                return _plain(404, {"message": f"no such fault: {unknown[0]}; known: {', '.join(FAULTS)}"})
            self.faults = dict(asked)
        elif request.target != "/_stats":
            status = 404
        told = {"faults": self.faults, "by_path": dict(self.requests), "by_fault": dict(self.played)}
        return _plain(status, {**told, "requests": self.requests.total(), "busiest": self.busiest})


async def _read(reader: asyncio.StreamReader) -> Request:
    """Raises EOFError (IncompleteReadError) when the client has left."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *told = head.rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    fields = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in told)}
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return Request(method, target, fields, body)


def _plain(status: int, document: dict[str, Any]) -> Good:
    return Good(status, (("Content-Type", "application/json"),), json.dumps(document).encode())


async def listen(origin: FaultOrigin, port: int) -> asyncio.Server:
    return await asyncio.start_server(origin.serve, "127.0.0.1", port, limit=MAX_HEAD_BYTES)
