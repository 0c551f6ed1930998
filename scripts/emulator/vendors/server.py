"""A vendor over HTTP, with its test endpoints /_stats, /_stats/reset, /_control and /_truth."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from email.utils import formatdate
from typing import Any

from aiohttp import hdrs, web

from .exchange import Answer, Asked, ControlError, Refused
from .faults import Faults
from .tally import Tally, without
from .vendor import Vendor

MAX_BODY = 1_000_000
# SO_LINGER with a time of 0 makes close() send RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)


class Server:
    """One vendor's endpoints: counted, delayed, and failing as ordered."""

    def __init__(self, vendor: Vendor, latency_s: float) -> None:
        self.vendor = vendor
        self.latency_s = latency_s
        self.faults = Faults()
        self.tally = Tally()

    async def handle(self, request: web.Request) -> web.Response:
        asked = await read(request)
        self._count(request, asked)
        outcome = "cancelled"
        try:
            fault = self.faults.draw(asked.path)
            await asyncio.sleep(self.latency_s + (fault.delay_s if fault else 0.0))
            if fault and fault.reset:
                outcome = "reset"
                return reset(request)
            answer = (fault.answer() if fault else None) or self._answer(asked)
            outcome = str(answer.status)
            return self._sent(asked, answer)
        finally:
            self.tally.end(outcome)

    def _count(self, request: web.Request, asked: Asked) -> None:
        query = without(request.rel_url.raw_query_string, self.vendor.secret_parameters)
        line = f"{asked.method} {request.rel_url.raw_path}{'?' if query else ''}{query}"
        self.tally.connection(request.transport)
        endpoint, credential = self.vendor.endpoint(asked), self.vendor.credential(asked)
        self.tally.begin(endpoint, credential, line, request.headers, asked.body)

    def _answer(self, asked: Asked) -> Answer:
        if asked.method not in self.vendor.methods:
            return Answer({"message": "Method Not Allowed"}, 405, {"Allow": ", ".join(sorted(self.vendor.methods))})
        self.vendor.keep_time()
        try:
            return self.vendor.answer(asked)
        except Refused as refusal:
            return refusal.answer

    def _sent(self, asked: Asked, answer: Answer) -> web.Response:
        """Compressed only when asked, and dated by the vendor's clock."""
        headers = answer.all_headers() | {"Date": formatdate(self.vendor.clock.now(), usegmt=True)}
        body = answer.body()
        named = bool(asked.headers.get(hdrs.USER_AGENT)) or not self.vendor.compression_needs_user_agent
        if named and accepts_gzip(asked.headers.get(hdrs.ACCEPT_ENCODING, "")):
            body, headers["Content-Encoding"] = gzip.compress(body, 6, mtime=0), "gzip"
        return web.Response(status=answer.status, body=body, headers={**headers, "Vary": "Accept-Encoding"})

    async def stats(self, _request: web.Request) -> web.Response:
        return plain(self.tally.document() | self.vendor.counts())

    async def reset_stats(self, request: web.Request) -> web.Response:
        self.tally.reset()
        self.vendor.reset_counts()
        return await self.stats(request)

    async def truth(self, _request: web.Request) -> web.Response:
        self.vendor.keep_time()
        return plain(self.vendor.truth())

    async def settings(self, _request: web.Request) -> web.Response:
        return plain({"now": self.vendor.clock.now(), "settings": self.vendor.settings})

    async def control(self, request: web.Request) -> web.Response:
        """Applies the entries in their order. An unknown one refuses all; a wrong value, those that follow."""
        known = {**self.vendor.all_controls(), "faults": self.faults.order}
        self.vendor.keep_time()
        try:
            document = object_of(await request.read())
            for name in document:
                if name not in known:
                    raise ControlError(f"unknown control: {name}; known: {', '.join(sorted(known))}")
            for name, value in document.items():
                known[name](value)
        except ControlError as problem:
            return plain({"message": str(problem)}, 400)
        return await self.settings(request)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/_stats", self.stats),
                web.post("/_stats/reset", self.reset_stats),
                web.get("/_truth", self.truth),
                web.get("/_control", self.settings),
                web.post("/_control", self.control),
                web.route("*", "/{path:.*}", self.handle),
            ]
        )
        return app


async def read(request: web.Request) -> Asked:
    body = await request.read()
    pairs = tuple(request.query.items())
    return Asked(request.method, request.path, pairs, request.headers, body, request.remote or "")


def object_of(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as problem:
        raise ControlError(f"the control document is no JSON: {problem}") from problem
    if not isinstance(document, dict):
        raise ControlError("the control document must be a JSON object")
    return document


def plain(document: object, status: int = 200) -> web.Response:
    answer = Answer(document, status)
    return web.Response(status=status, body=answer.body(), headers=answer.all_headers())


def reset(request: web.Request) -> web.Response:
    """Resets the connection; the response that aiohttp asks for has nowhere to go."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    return web.Response(status=500)


def accepts_gzip(header: str) -> bool:
    """Whether the header names gzip without a weight of 0."""
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        if name.strip() == "gzip":
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
