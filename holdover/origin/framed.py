"""aiohttp's side of a connection to an origin, with what aiohttp leaves out: interim responses, which it passes over,
and where a response ends, behind which it takes whatever comes for the next one."""

import math
import re
from asyncio import AbstractEventLoop
from typing import Any

from aiohttp import ClientResponse
from aiohttp.http import RawResponseMessage

from holdover.exchange import Headers
from holdover.fetch import text
from holdover.outspoken import Outspoken

MOST_INTERIM = 5
"""Of one answer; Go's client bears no more."""

_END = re.compile(rb"\n\r?\n")

type _Interim = tuple[tuple[int, Headers], ...]


class Framed(Outspoken):
    """`interim`: status and fields of the 1xx responses to the request that is under way. They are forwarded (RFC
    9110 section 15.2), but for 100, which only who expects it may get, and 101."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        self.interim: _Interim = ()
        # Bytes of the body that are still to come: None before its head is whole, inf where that is not told.
        self._left: float | None = None
        self._last = b""

    def set_response_params(self, **params: Any) -> None:
        """aiohttp calls this before each request."""
        self.interim, self._left, self._last = (), None, b""
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if not data:
            super().data_received(data)
        while data and self._left is None:
            # Heads one by one: an error behind one would take it with it.
            found = _END.search(self._last + data)
            size = found.end() - len(self._last) if found is not None else len(data)
            piece, data = data[:size], data[size:]
            self._last = b"" if found is not None else (self._last + piece)[-2:]
            super().data_received(piece)
            if self.should_close and self.transport is None:
                return
        if data:
            self._body_received(data)

    def _body_received(self, data: bytes) -> None:
        assert self._left is not None
        if self._payload is not None and self._payload.is_eof():
            # Behind the last chunk, or a head that tells a length of no body: that is not for the next request.
            self._left = 0
        whole = data if len(data) <= self._left else data[: int(self._left)]
        if len(whole) < len(data):
            # RFC 9112 section 9.2: what comes unasked is no response, and nobody knows where the next one begins.
            self.force_close()
        self._left -= len(whole)
        if whole:
            super().data_received(whole)
        elif self.transport is not None:
            # It may be among the connections that are kept.
            self.transport.close()

    def feed_data(self, data: tuple[RawResponseMessage, Any], size: int = 0) -> None:
        """aiohttp calls this for each head."""
        message, _ = data
        if 100 <= message.code < 200 and message.code != 101:
            if message.code != 100 and len(self.interim) < MOST_INTERIM:
                fields = tuple((text(name), text(value)) for name, value in message.raw_headers)
                self.interim = (*self.interim, (message.code, fields))
            return
        self._left = math.inf
        # Behind a response that has no body whatever it tells, an error comes too late to take it along.
        length = message.headers.get("Content-Length", "")
        if length.isdecimal() and "Transfer-Encoding" not in message.headers:
            self._left = int(length)
        super().feed_data(data, size)


class Final(ClientResponse):
    """A final response, with the `interim` ones before it."""

    interim: _Interim = ()

    async def start(self, connection: Any) -> "Final":
        # An empty one leaves the connection at once.
        protocol = connection.protocol
        await super().start(connection)
        self.interim = protocol.interim if isinstance(protocol, Framed) else ()
        return self
