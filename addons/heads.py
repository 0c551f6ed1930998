"""Heads of providers' answers to what passes, which mitmproxy reads without two of the cares that they need.

It takes the first interim answer (1xx) for the final one: the client waits in vain for that, or is given it in the
place of the answer to its next request. And it takes in heads, and lines of chunks, without end."""

import re

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client

MOST_INTERIM = 16
"""Of one answer."""

MOST_HELD_BYTES = 262_144
"""Of an answer, while no head and no part of a body is whole."""

# All but 101, which is an answer; line ends as mitmproxy takes them.
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}(?![0-9])[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class CarefulClient(Http1Client):
    """mitmproxy's side towards a provider. A client that expects a 100 has had mitmproxy's own; hints are passed over
    that might go on (RFC 9110 section 15.2): hardly a client of an API knows them."""

    _interim = 0

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if self.stream_id is not None and isinstance(event, events.DataReceived):
            while found := _INTERIM.match(bytes(self.buf)):
                self.buf.maybe_extract_at_most(found.end())
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    yield from self._broken("interim answers without end")
                    return
        yield from super().read_headers(event)
        if self.state != self.read_headers:
            self._interim = 0

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        if len(self.buf) > MOST_HELD_BYTES and self.stream_id is not None:
            self.buf.maybe_extract_at_most(len(self.buf))
            yield from self._broken("the head, or a line of chunks, has no end")

    def _broken(self, reason: str) -> layer.CommandGenerator[None]:
        assert self.stream_id is not None
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(ResponseProtocolError(self.stream_id, reason, ErrorCode.GENERIC_SERVER_ERROR))


def read_carefully() -> None:
    """From now on, on all connections that mitmproxy makes."""
    http.Http1Client = CarefulClient  # type: ignore[attr-defined]
