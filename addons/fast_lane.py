"""The proxy's own listeners and the connections that came by them."""

import asyncio
import errno
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.layers.tls import HTTP2_ALPN, HTTP_ALPNS
from mitmproxy.proxy.mode_specs import ProxyMode

from holdover.client_hello import client_hello
from holdover.head import Unfinished
from holdover.lane import Lane
from holdover.metrics import Metrics
from holdover.settings import LaneSettings

from .bodies import Bodies
from .certificates import Certificates
from .connection import Connection
from .handover import Handover
from .termination import Buffers, Termination
from .watch import Watch

ACCEPTS = 4
SWEEP_S = 1.0
ADD_UP_S = 1.0
LINGER_S = 1.0
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_S = 1.0
_DRAIN_POLL_S = 0.02

logger = logging.getLogger("holdover.lane")


class FastLane:
    """All connections of one process. Make it inside the event loop."""

    def __init__(
        self,
        lane: Lane,
        settings: LaneSettings,
        metrics: Metrics,
        manager: Proxyserver,
        foreign: Callable[[], list[str]],
        certificates: Certificates,
        own: Iterable[Path] = (),
        *,
        http2: bool = False,
    ) -> None:
        """`foreign` names the addons that want to see all requests; `own` are the operator's certificates."""
        self.lane = lane
        self.settings = settings
        self.metrics = metrics
        self._certificates = certificates
        self._own = tuple(own)
        self._http2 = http2
        self._buffers = Buffers()
        self.bodies = Bodies()
        self.loop = asyncio.get_running_loop()
        self.watch = Watch(self.loop)
        self._manager = manager
        self._find_foreign = foreign
        self._foreign: list[str] = []
        self._drains = False
        self._listeners: dict[socket.socket, ProxyMode] = {}
        self._connections: set[Connection] = set()
        # Those that are closed while an answer to them is under way: each holds a request and a call.
        self._left: set[Connection] = set()
        self._addresses = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, settings: LaneSettings, hosts: Iterable[str], own: Iterable[Path] = ()) -> None:
        """Takes over a changed configuration; `hosts` are those of providers, `own` the operator's certificates."""
        self.settings = settings
        self._own = tuple(own)
        self._follow_certificates()
        self._certificates.keep(hosts)
        self.lane.use(settings)
        self._heed_others()

    def listen(self, listener: socket.socket, mode: ProxyMode) -> None:
        """Accepts on a listening socket, which is this object's from now on."""
        listener.setblocking(False)
        # What is accepted inherits it. An answer whose last segment is small would wait for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listeners[listener] = mode
        self.loop.add_reader(listener.fileno(), self._accept, listener, mode)

    def _accept(self, listener: socket.socket, mode: ProxyMode) -> None:
        # Not until there is none left: the other processes that listen want some of a burst, too.
        for _ in range(ACCEPTS):
            try:
                sock, peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                logger.error("no connection can be accepted for a second: %s", error.strerror)  # noqa: TRY400
                self.loop.remove_reader(listener.fileno())
                self.loop.call_later(_PAUSE_S, self._listen_again, listener, mode)
                return
            self._admit(sock, peer, mode)

    def _listen_again(self, listener: socket.socket, mode: ProxyMode) -> None:
        if listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener, mode)

    def _admit(self, sock: socket.socket, peer: Any, mode: ProxyMode) -> None:
        sock.setblocking(False)
        address = peer[0]
        if len(self._connections) + len(self._left) >= self.settings.max_connections:
            reason = "max_connections"
        elif self._addresses[address] >= self.settings.max_per_address:
            reason = "max_per_address"
        else:
            connection = Connection(self, sock, peer, mode)
            self._connections.add(connection)
            self._addresses[address] += 1
            connection.begin()
            return
        self.metrics.lane.closed.labels(reason).inc()
        sock.close()

    def forget(self, connection: Connection, *, waits: bool = False) -> None:
        """The connection is closed. It counts on while an answer to it `waits` to be there: else whoever asks and
        goes, again and again, would have more under way than connections may be open. Then call this again."""
        self._connections.discard(connection)
        if waits:
            self._left.add(connection)
            return
        self._left.discard(connection)
        left = self._addresses[connection.client] - 1
        if left > 0:
            self._addresses[connection.client] = left
        else:
            del self._addresses[connection.client]

    def terminated(self, data: bytes, called: str, *, tunnel: bool) -> Termination | Unfinished | None:
        """The server's side of TLS that begins with these bytes, by a client that has called this host or address;
        None when that is mitmproxy's, which speaks HTTP/2 too, and leaves what was not called for to others."""
        hello = client_hello(data)
        if self._http2:
            if hello is None:
                return "unfinished"
            # As mitmproxy chooses: HTTP/1.1 in its own TLS would be heard by mitmproxy alone, which refuses less.
            if next((each for each in hello.protocols if each in HTTP_ALPNS), None) == HTTP2_ALPN:
                return None
        if tunnel and hello is not None and hello.name and not self.lane.is_for_provider(hello.name):
            return None
        return Termination(self._certificates, self._buffers, called)

    def hand_over(self, connection: Connection, mode: ProxyMode) -> Handover:
        return Handover(connection, mode, self._manager)

    def run(self, job: Coroutine[Any, Any, None]) -> None:
        """Has something done that outlives whoever asks for it."""
        task = self.loop.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def sweep(self) -> None:
        """For ever: ends connections whose clients take too long, and adds up what the lane counted."""
        while True:
            self._heed_others()
            self._follow_certificates()
            await asyncio.sleep(SWEEP_S)
            now = self.loop.time()
            for connection in tuple(self._connections):
                try:
                    connection.sweep(now)
                except Exception:
                    # The others have to be looked at, too.
                    logger.exception("a connection was closed because of an internal error")
                    self.metrics.runtime.internal_errors.labels("lane").inc()
                    connection.abort()
            self.metrics.lane.connections.set(len(self._connections))
            self.lane.flush()
            self.lane.release()

    def _follow_certificates(self) -> None:
        for wrong in self._certificates.follow(self._own):
            logger.error("%s. Until then what it held before is used, if anything", wrong)

    def _heed_others(self) -> None:
        """Off while somebody else's addon needs to see every request, if that is wanted."""
        names = self._find_foreign() if self.settings.strict else []
        if names and names != self._foreign:
            logger.warning("the fast lane is off: %s would not see every request", ", ".join(names))
        elif self._foreign and not names:
            logger.warning("the fast lane is on again")
        self._foreign = names
        wanted = self.settings.enabled and not names and not self._drains
        if wanted is not self.lane.on:
            self.lane.switch(on=wanted)

    def add_up(self) -> None:
        """For the thread that serves the metrics: waits until what the lane counted has been added to them, for a
        moment at most."""
        added = threading.Event()

        def flush() -> None:
            self.lane.flush()
            added.set()

        # The loop may be closed by now.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(flush)
            added.wait(ADD_UP_S)

    def close_listeners(self) -> None:
        """Accepts nothing any more. What the system has queued is for others that hold the same sockets."""
        for listener in self._listeners:
            # Before the close: the socket stays open elsewhere, and with it the system's interest in it.
            self.loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    async def drain(self, seconds: float) -> None:
        """Until no connection is left, `seconds` at most. Idle ones are closed after LINGER_S: clients that go on
        asking have been told `Connection: close` by then, by mitmproxy's flows: all requests take these from now."""
        self._drains = True
        self.lane.switch(on=False)
        start = self.loop.time()
        while self._connections and self.loop.time() < start + seconds:
            if self.loop.time() > start + LINGER_S:
                for connection in tuple(self._connections):
                    connection.rest()
            await asyncio.sleep(_DRAIN_POLL_S)
        if self._connections:
            logger.warning("%d connections were cut after %g s", len(self._connections), seconds)

    def close(self) -> None:
        """Cuts every connection."""
        for connection in tuple(self._connections):
            connection.abort()
        self.watch.close()
        self.lane.flush()
