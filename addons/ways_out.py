"""The connections to servers that mitmproxy made for one connection of a client, and keeps as long as that lasts."""

import asyncio
from collections.abc import Callable

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Connection
from mitmproxy.proxy.server import ConnectionHandler

MOST = 8
"""Open ones of one client: of an explicit proxy each request may be for another host."""

HELD_BYTES = 262_144
"""Of a server, while no head or no part of a body is whole."""


def let_go(handler: ConnectionHandler) -> None:
    """Forgets those that are closed, and closes those beyond MOST that were made first. Call it when a request
    begins: a client of HTTP/1 has one at a time, which has none of them yet. One of HTTP/2 is left alone."""
    http = _http(handler)
    if http is None or len(http.streams) > 1:
        return
    servers = [each for each in http.connections if isinstance(each, Server)]
    for each in servers:
        if each.state is ConnectionState.CLOSED and each not in http.waiting_for_establishment:
            del http.connections[each]
    for each in [each for each in servers if each.connected][:-MOST]:
        if (io := handler.transports.get(each)) is not None and io.handler is not None:
            io.handler.cancel("others are in use")
    if len(handler.max_conns) > MOST:
        handler.max_conns.clear()


class Measured:
    """What mitmproxy reads of a server, as long as it does not hold more than HELD_BYTES of it: it would take in a
    head without end, or a line of chunks that has none, as fast as that comes."""

    def __init__(self, reader: asyncio.StreamReader, held: Callable[[], int]) -> None:
        self._reader = reader
        self._held = held

    async def read(self, n: int = -1) -> bytes:
        if self._held() > HELD_BYTES:
            raise OSError("the head of the answer has no end")
        return await self._reader.read(n)


def measure(handler: ConnectionHandler, server: Server) -> None:
    """For a connection that was just made."""
    io = handler.transports[server]
    http = _http(handler)
    if http is not None and isinstance(io.reader, asyncio.StreamReader):
        io.reader = Measured(io.reader, lambda: _held(http.connections.get(server)))  # type: ignore[assignment]


def _http(handler: ConnectionHandler) -> HttpLayer | None:
    return next((layer for layer in handler.layer.context.layers if isinstance(layer, HttpLayer)), None)


def _held(layer: Layer | None) -> int:
    """Bytes that are read and not dealt with, inside of TLS if there is."""
    while layer is not None and not isinstance(layer, Http1Connection):
        layer = getattr(layer, "child_layer", None)
    return len(layer.buf) if layer is not None else 0
