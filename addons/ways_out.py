"""The connections to servers that mitmproxy made for one connection of a client, and keeps as long as that lasts."""

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

MOST = 8
"""Open ones of one client: of an explicit proxy each request may be for another host."""


def let_go(handler: ConnectionHandler) -> None:
    """Forgets those that are closed, and closes those beyond MOST that were made first. Call it when a request
    begins: a client of HTTP/1 has one at a time, which has none of them yet. One of HTTP/2 is left alone."""
    http = next((layer for layer in handler.layer.context.layers if isinstance(layer, HttpLayer)), None)
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
