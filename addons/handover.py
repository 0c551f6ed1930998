"""A connection of a client in mitmproxy's hands: how it gets there, and how one sees that mitmproxy is done with it.

mitmproxy reads and writes streams as it does of its own listeners. Whether it stands between two requests is read off
its HTTP/1 machine; `tests/addons/test_handover.py` says when a new version of mitmproxy has another one."""

import asyncio
from collections.abc import Callable
from contextlib import _GeneratorContextManager
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Server
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler, ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode

from holdover.lease import Lease

from .lane_layer import LaneLayer
from .rest import reads_heads, rests


class _Reader(asyncio.StreamReader):
    """Knows whether whoever reads has dealt with all that came: only then does it ask for more."""

    waiting = False
    untaken = 0

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        self.untaken += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        self.waiting = True
        data = await super().read(n)
        self.waiting = False
        self.untaken -= len(data)
        return data


class Handover:
    """One connection; `transport` is what mitmproxy writes to. It stands in for the manager of mitmproxy's servers,
    to get to know the handler that is made for this very connection."""

    def __init__(self, transport: asyncio.Transport, mode: ProxyMode, manager: Proxyserver) -> None:
        self._manager = manager
        self.connections = manager.connections
        self._handler: ProxyConnectionHandler | None = None
        self._http: HttpLayer | None = None
        self._lane: LaneLayer | None = None
        instance: ServerInstance[ProxyMode] = ServerInstance.make(mode, self)
        loop = asyncio.get_running_loop()
        self._reader = _Reader(loop=loop)

        async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await instance.handle_stream(reader, writer)
            finally:
                # A handler that mitmproxy cancels while it deals with what it has read ends without this.
                writer.close()

        self.protocol = asyncio.StreamReaderProtocol(self._reader, handled, loop)
        self.protocol.connection_made(transport)
        self.feed: Callable[[bytes], None] = self._reader.feed_data
        self.feed_eof: Callable[[], None] = self._reader.feed_eof

    def register_connection(
        self, connection_id: tuple[Any, ...] | str, handler: ProxyConnectionHandler
    ) -> "_GeneratorContextManager[Any, None, None]":
        """mitmproxy calls this when it begins."""
        self._handler = handler
        return self._manager.register_connection(connection_id, handler)

    def lease(self, data: bytes) -> Lease | None:
        """What answers these bytes without mitmproxy, inside of a tunnel that it has opened; to be fed otherwise."""
        reader, handler = self._reader, self._handler
        if handler is None or handler.client.tls or not reader.waiting or reader.untaken:
            return None
        if self._lane is None:
            layers = handler.layer.context.layers
            self._lane = next((layer for layer in layers if isinstance(layer, LaneLayer)), None)
        return self._lane.at_once(data) if self._lane is not None else None

    def is_idle(self) -> bool:
        """Whether mitmproxy stands between two requests."""
        reader = self._reader
        return reader.waiting and not reader.untaken and self._server() is not None

    def rests(self) -> bool:
        """Whether nothing is going on, in whatever mitmproxy has made of the connection."""
        handler, reader = self._handler, self._reader
        return handler is not None and reader.waiting and not reader.untaken and rests(handler.layer, handler.client)

    def drop_body(self) -> None:
        """Frees what mitmproxy has of a body that will not be whole. It would be left to the collector of garbage,
        which heeds how many objects there are, not how large."""
        http = self._layer()
        for stream in http.streams.values() if http is not None else ():
            stream.request_body_buf.clear()

    def has_way_out(self) -> bool:
        """Whether there is a server to which what comes goes."""
        handler = self._handler
        ways = handler.transports.items() if handler is not None else ()
        return any(io.writer is not None for connection, io in ways if isinstance(connection, Server))

    def abandon(self) -> None:
        """The client is gone. mitmproxy would hear of it when what it waits for has come."""
        handler = self._handler
        io = handler.transports.get(handler.client) if handler is not None else None
        if io is not None and io.handler is not None:
            io.handler.cancel("the client is gone")

    def is_used(self) -> None:
        """The client is there, though mitmproxy sees nothing of it."""
        if self._handler is not None:
            self._handler.timeout_watchdog.register_activity()

    def _server(self) -> Http1Server | None:
        """mitmproxy's side towards the client, where that reads heads and nothing else is going on."""
        http = self._layer()
        return reads_heads(http) if http is not None else None

    def _layer(self) -> HttpLayer | None:
        if self._http is None and self._handler is not None:
            layers = self._handler.layer.context.layers
            self._http = next((layer for layer in layers if isinstance(layer, HttpLayer)), None)
        return self._http
