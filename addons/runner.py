"""Runs the addon in a mitmproxy of its own, with only the addons that a cache needs: each further one costs every
request some 15 microseconds."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable

from mitmproxy import options
from mitmproxy.addons import core, errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.master import Master

from holdover.config import Config
from holdover.settings import split_address

from .odds_cache import BACKLOG, OddsCache


class _Announcer:
    """Last in the chain: when `running` comes here, mitmproxy listens and the addon has started or failed to. It
    leaves the chain then, where every addon costs every request."""

    def __init__(self, master: Master, addon: OddsCache, ready: Callable[[], None]) -> None:
        self._master = master
        self._addon = addon
        self._ready = ready

    def running(self) -> None:
        asyncio.get_running_loop().call_soon(self._master.addons.remove, self)
        if self._addon.serving:
            self._ready()


REVERSE = "reverse:http://no-provider.invalid"
"""mitmproxy's specification. The target is never called: every flow is answered, sent to its provider's origin, or
refused."""


def listeners(config: Config) -> dict[socket.socket, str]:
    """Listening sockets, each with mitmproxy's specification of what it is for. Raises OSError."""
    proxy = config.settings.proxy
    wanted = [(address, REVERSE) for address in proxy.reverse] + [(address, "regular") for address in proxy.regular]
    return {_listener(address): mode for address, mode in wanted}


def _listener(address: str) -> socket.socket:
    host, port = split_address(address)
    [family, *_], *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)


async def _serve(config: Config, ready: Callable[[], None]) -> None:
    config.ca_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mitmproxy tells of every connection at INFO.
    logging.getLogger("mitmproxy").setLevel(logging.WARNING)
    master = Master(options.Options(confdir=str(config.ca_folder)))
    addon = OddsCache(config, listeners=listeners(config))
    master.addons.add(
        core.Core(),
        errorcheck.ErrorCheck(repeat_errors_on_stderr=False),
        addon,
        proxyserver.Proxyserver(),
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
        _Announcer(master, addon, ready),
    )
    settings = {
        "server": False,
        "http2": config.settings.proxy.http2,
        "connection_strategy": "lazy",
        "keep_host_header": True,
        "body_size_limit": str(config.settings.proxy.max_body_bytes),
    }
    if config.ca_file:
        settings["ssl_verify_upstream_trusted_ca"] = str(config.ca_file)
    master.options.update(**settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, master.shutdown)
    # What start-up made lives as long as the process; a full collection over it takes 40 ms.
    gc.collect()
    gc.freeze()
    try:
        await master.run()
    finally:
        # mitmproxy does not call `done` when it could not listen.
        if addon.closed is None:
            addon.done()
        assert addon.closed is not None
        await addon.closed


def main(config: Config, ready: Callable[[], None]) -> None:
    """Runs the proxy until SIGTERM or SIGINT; calls `ready` once it listens. Exits with status 1 when it cannot."""
    asyncio.run(_serve(config, ready))
