"""What mitmproxy's own server is, in a proxy whose connections come from elsewhere."""

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from .reach import Reach, Unreachable


class Doors(Proxyserver):
    """The ways out: no connection is made that `reach` does not allow."""

    name = "proxyserver"

    def __init__(self, reach: Reach) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reach = reach

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        super().server_connect(data)
        assert data.server.address
        host, port = data.server.address[:2]
        try:
            data.server.address = await self._reach.address((host, port))
        except Unreachable as error:
            data.server.error = str(error)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Its socket is closed with its task: one that mitmproxy cancels while it waits to deal with what has come
        leaves it open."""
        handler = self.connections.get(data.client.id)
        io = handler.transports.get(data.server) if handler is not None else None
        if io is not None and io.handler is not None and (writer := io.writer) is not None:
            io.handler.add_done_callback(lambda _: writer.close())


class Farewell:
    """Tells clients that each answer is the last on its connection."""

    def responseheaders(self, flow: HTTPFlow) -> None:
        # 101 says what the connection becomes.
        if flow.response is not None and flow.response.status_code != 101 and not flow.request.is_http2:
            flow.response.headers["connection"] = "close"
