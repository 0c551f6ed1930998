"""Interim answers (1xx) of providers to what passes. mitmproxy takes the first for the final one: the client waits in
vain for that, or is given it in the place of the answer to its next request."""

import re

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client

MOST_INTERIM = 16
"""Of one answer."""

# All but 101, which is an answer; line ends as mitmproxy takes them.
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}(?![0-9])[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class PatientClient(Http1Client):
    """mitmproxy's side towards a provider. A client that expects a 100 has had mitmproxy's own; hints are passed over
    that might go on (RFC 9110 section 15.2): hardly a client of an API knows them."""

    _interim = 0

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if self.stream_id is not None:
            while (found := _INTERIM.match(bytes(self.buf))) and self._interim < MOST_INTERIM:
                self.buf.maybe_extract_at_most(found.end())
                self._interim += 1
            if found:
                error = ResponseProtocolError(
                    self.stream_id, "interim answers without end", ErrorCode.GENERIC_SERVER_ERROR
                )
                yield commands.CloseConnection(self.conn)
                yield ReceiveHttp(error)
                return
        yield from super().read_headers(event)
        if self.state != self.read_headers:
            self._interim = 0


def pass_over() -> None:
    """From now on, for all connections that mitmproxy makes."""
    http.Http1Client = PatientClient  # type: ignore[attr-defined]
