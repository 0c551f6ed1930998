"""Connections from sockets that other processes share, and their end."""

import asyncio
import logging
import select
import socket
from collections.abc import Iterable
from contextlib import suppress

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler, ServerInstance
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.proxy.tunnel import TunnelLayer, TunnelState

LINGER_S = 1.0
DRAIN_POLL_S = 0.02
EXHAUSTED_S = 1.0
_OWN = ("localhost", "127.0.0.1", "::1")

logger = logging.getLogger("holdover.proxy")


class Doors(Proxyserver):
    """mitmproxy's own server, but for where connections come from: `sockets`, each with its mode."""

    name = "proxyserver"

    def __init__(self, sockets: Iterable[tuple[str, socket.socket]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sockets = list(sockets)
        self._addresses = {one.getsockname()[:2] for _, one in self._sockets}
        self._arriving: set[asyncio.Task[None]] = set()

    def running(self) -> None:
        super().running()  # type: ignore[no-untyped-call]
        for mode, listening in self._sockets:
            self._listen(listening, ServerInstance.make(mode, self))

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """A proxy that is asked for itself would ask itself without end."""
        super().server_connect(data)
        assert data.server.address
        host, port = data.server.address[:2]
        if any(port == own_port and host in (*_OWN, own) for own, own_port in self._addresses):
            data.server.error = "the request names this proxy itself"

    def close_listeners(self) -> None:
        """What waits in the queues is left to the other processes."""
        loop = asyncio.get_running_loop()
        for _, listening in self._sockets:
            # Before the close: the socket stays open elsewhere, and with it epoll's interest in it.
            loop.remove_reader(listening)
            listening.close()
        self._sockets = []

    async def drain(self, seconds: float) -> None:
        """Until no connection is left, `seconds` at most. Idle ones are closed after LINGER_S: clients that go on
        asking have been told `Connection: close` by then, and none of them finds its request unanswered."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (self.connections or self._arriving) and loop.time() < start + seconds:
            if loop.time() > start + LINGER_S:
                for handler in filter(_idle, list(self.connections.values())):
                    _close(handler)
            await asyncio.sleep(DRAIN_POLL_S)
        if self.connections:
            logger.warning("%d connections were cut after %g s", len(self.connections), seconds)

    def _listen(self, listening: socket.socket, instance: ServerInstance) -> None:  # type: ignore[type-arg]
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening, instance)

    def _accept(self, listening: socket.socket, instance: ServerInstance) -> None:  # type: ignore[type-arg]
        """Takes one connection, where asyncio takes all there are: a burst is for every process."""
        loop = asyncio.get_running_loop()
        try:
            arrived, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            logger.error("no connection can be accepted for a second: %s; raise the limit of files", error.strerror)  # noqa: TRY400
            loop.remove_reader(listening)
            loop.call_later(EXHAUSTED_S, self._listen, listening, instance)
            return
        arrived.setblocking(False)
        task = loop.create_task(_receive(arrived, instance))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)


class Farewell:
    """Tells clients that each answer is the last on its connection."""

    def responseheaders(self, flow: HTTPFlow) -> None:
        # 101 says what the connection becomes.
        if flow.response is not None and flow.response.status_code != 101 and not flow.request.is_http2:
            flow.response.headers["connection"] = "close"


async def _receive(arrived: socket.socket, instance: ServerInstance) -> None:  # type: ignore[type-arg]
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(), instance.handle_stream)
    try:
        await loop.connect_accepted_socket(lambda: protocol, arrived)
    except OSError:
        arrived.close()


def _close(handler: ProxyConnectionHandler) -> None:
    reading = handler.transports[handler.client].handler
    if reading is not None:
        reading.cancel("the proxy ends")


def _idle(handler: ProxyConnectionHandler) -> bool:
    """Nothing was asked that is not answered, and nothing of a question has come: not to the layers, not to the
    reader, not to the kernel."""
    io = handler.transports.get(handler.client)
    if (
        io is None
        or not isinstance(io.reader, asyncio.StreamReader)
        or not isinstance(io.writer, asyncio.StreamWriter)
    ):
        return False
    if handler._server_event_lock.locked() or io.reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001
        return False
    if io.writer.transport.get_write_buffer_size():
        return False
    return _rests(handler.layer, handler.client) and not _readable(io.writer.get_extra_info("socket"))


def _readable(one: socket.socket) -> bool:
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(one.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return False


def _rests(layer: Layer | None, client: Client) -> bool:
    match layer:
        case None:
            return False
        case NextLayer(layer=None):
            return not any(isinstance(event, DataReceived) for event in layer.events)
        case NextLayer():
            return _rests(layer.layer, client)
        case HttpLayer():
            return _asks_nothing(layer, client)
        case TunnelLayer(tunnel_state=TunnelState.ESTABLISHING):
            return False
    # An explicit proxy's own layer has its child's method for its own, and no other name for the child.
    child = getattr(layer, "child_layer", None) or getattr(layer._handle_event, "__self__", layer)  # noqa: SLF001
    return child is not layer and _rests(child, client)


def _asks_nothing(layer: HttpLayer, client: Client) -> bool:
    """A CONNECT lasts as long as its connection; what counts is what goes on inside."""
    inside = [getattr(stream, "child_layer", None) for stream in layer.streams.values()]
    if inside:
        return all(_rests(child, client) for child in inside)
    server = layer.connections.get(client)
    return not isinstance(server, Http1Server) or (not server.buf and server.state == server.read_headers)
