"""What mitmproxy's own server is, in a proxy whose connections come from elsewhere."""

import socket
from collections.abc import Iterable

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

_OWN = ("localhost", "127.0.0.1", "::1")


class Doors(Proxyserver):
    """`sockets`: where clients come in."""

    name = "proxyserver"

    def __init__(self, sockets: Iterable[socket.socket]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._addresses = {one.getsockname()[:2] for one in sockets}

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """A proxy that is asked for itself would ask itself without end."""
        super().server_connect(data)
        assert data.server.address
        host, port = data.server.address[:2]
        if any(port == own_port and host in (*_OWN, own) for own, own_port in self._addresses):
            data.server.error = "the request names this proxy itself"


class Farewell:
    """Tells clients that each answer is the last on its connection."""

    def responseheaders(self, flow: HTTPFlow) -> None:
        # 101 says what the connection becomes.
        if flow.response is not None and flow.response.status_code != 101 and not flow.request.is_http2:
            flow.response.headers["connection"] = "close"
