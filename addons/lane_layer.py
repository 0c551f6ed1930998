"""The lane inside of what mitmproxy has opened: TLS that it ended, and tunnels through the explicit proxy.

A layer above mitmproxy's HTTP. Hits are answered here; everything else is HTTP's, and so is the connection until that
has answered."""

import logging
from collections.abc import Iterable

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.layers.http import HTTPMode

from holdover.lane import Lane
from holdover.lease import Lease
from holdover.metrics import RuntimeMetrics

from .rest import reads_heads

logger = logging.getLogger("holdover.lane")


class LaneLayer(layer.Layer):
    """`provider` is the name of the one that the connection is for, by its address: a Host field that names another
    is for mitmproxy's flows to judge. None: any that the Host field names."""

    def __init__(self, context: Context, lane: Lane, provider: str | None, metrics: RuntimeMetrics) -> None:
        super().__init__(context)
        self._lane = lane
        self._metrics = metrics
        self._provider = provider
        self._client = str(context.client.peername[0]) if context.client.peername else ""
        self.child_layer = HttpLayer(context, HTTPMode.transparent)
        self._began = False
        # The connection has asked already about what comes now.
        self._looked = False

    def handle_event(self, event: events.Event) -> Iterable[commands.Command]:  # type: ignore[override]
        """In the place of mitmproxy's own, which makes a generator of each event."""
        if type(event) is events.DataReceived and event.connection is self.context.client:
            if self._looked:
                self._looked = False
            elif (lease := self._at_once(event.data)) is not None:
                self._lane.gave(lease)
                return (commands.SendData(event.connection, b"".join(lease.parts)),)
        elif type(event) is events.Start:
            # HTTP begins when it has something to do: then it may open a connection to the provider.
            return ()
        return self._to_http(event)

    def _handle_event(self, _: events.Event) -> layer.CommandGenerator[None]:
        raise AssertionError("events are handled above")

    def at_once(self, data: bytes) -> Lease | None:
        """What answers the next that mitmproxy would hear of the client; what is None it has to hear."""
        lease = self._at_once(data)
        self._looked = lease is None
        return lease

    def _at_once(self, data: bytes) -> Lease | None:
        if self._began and not self._is_idle():
            return None
        try:
            return self._lease(data)
        except Exception:
            logger.exception("a request left the lane because of an internal error")
            self._metrics.internal_errors.labels("lane").inc()
            return None

    def _lease(self, data: bytes) -> Lease | None:
        """What answers a request that is alone and whole, on a connection that goes on."""
        lane, provider = self._lane, self._provider
        asked = lane.known(data) or lane.take(data, self._client)
        if asked == "unfinished":
            return None
        if asked is None or asked.length != len(data) or asked.close:
            lane.passed()
            return None
        if provider not in (None, asked.cacheable.provider.name):
            lane.passed()
            return None
        lease = lane.give(asked, self._client)
        if lease is None and not lane.observed():
            lane.passed()
        return lease

    def _is_idle(self) -> bool:
        server = reads_heads(self.child_layer)
        return server is not None and not server.buf

    def _to_http(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not self._began:
            self._began = True
            yield from self.child_layer.handle_event(events.Start())
        yield from self.child_layer.handle_event(event)
