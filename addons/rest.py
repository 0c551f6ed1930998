"""Whether a connection in mitmproxy's hands rests: nothing was asked on it that is not answered."""

from mitmproxy.connection import Client
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.tunnel import TunnelLayer, TunnelState


def rests(layer: Layer | None, client: Client) -> bool:
    """For a layer and all that are inside of it, through TLS and tunnels."""
    match layer:
        case None:
            return False
        case NextLayer(layer=None):
            return not any(isinstance(event, DataReceived) for event in layer.events)
        case NextLayer():
            return rests(layer.layer, client)
        case HttpLayer():
            return _asks_nothing(layer, client)
        case TunnelLayer(tunnel_state=TunnelState.ESTABLISHING):
            return False
    # An explicit proxy's own layer has its child's method for its own, and no other name for the child.
    child = getattr(layer, "child_layer", None) or getattr(layer._handle_event, "__self__", layer)  # noqa: SLF001
    return child is not layer and rests(child, client)


def _asks_nothing(layer: HttpLayer, client: Client) -> bool:
    """A CONNECT lasts as long as its connection; what counts is what goes on inside."""
    inside = [getattr(stream, "child_layer", None) for stream in layer.streams.values()]
    if inside:
        return all(rests(child, client) for child in inside)
    server = layer.connections.get(client)
    return not isinstance(server, Http1Server) or (not server.buf and server.state == server.read_headers)


def reads_heads(http: HttpLayer) -> Http1Server | None:
    """mitmproxy's side towards the client, where it waits for a head or for more of one; None while it does anything
    else, and for ever where the connection is HTTP/2 or became a tunnel."""
    if http.streams or http._paused is not None:  # noqa: SLF001
        return None
    server = http.connections.get(http.context.client)
    if not isinstance(server, Http1Server) or server._paused is not None:  # noqa: SLF001
        return None
    return server if getattr(server.state, "__func__", None) is Http1Server.read_headers else None
