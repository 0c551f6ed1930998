"""Runs the addon in a mitmproxy of its own, with only the addons that a cache needs: each further one costs every
request some 15 microseconds."""

import asyncio
import errno
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mitmproxy import options
from mitmproxy.addons import core, errorcheck, next_layer, tlsconfig
from mitmproxy.master import Master

from holdover import workers
from holdover.config import Config
from holdover.settings import split_address

from .certificates import CertificateError, Certificates, authority, for_hosts
from .connection import STANDS_IN
from .doors import Doors, Farewell
from .loops import loop_factory
from .odds_cache import OddsCache
from .reach import Reach
from .sockets import check_free, opened

DRAIN_S = 8.0
LAST_PORT = 65_535

logger = logging.getLogger("holdover.proxy")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What all workers share, made before the first is forked: sockets that listen, each with mitmproxy's mode, the
    address of metrics of each worker, and what TLS begins with, without which none could resume another's session."""

    sockets: tuple[tuple[str, socket.socket], ...]
    metrics: tuple[str, ...]
    certificates: Certificates

    def renew(self) -> None:
        """Before all workers are replaced."""
        for wrong in self.certificates.renew():
            logger.error("%s. Until then what it held before is used", wrong)

    def close(self) -> None:
        """In a process that accepts nothing (more)."""
        for _, one in self.sockets:
            one.close()


class _Announcer:
    """Last in the chain: when `running` comes here, mitmproxy listens and the addon has started or failed to. It
    leaves the chain then, where every addon costs every request."""

    def __init__(self, master: Master, addon: OddsCache, ready: Callable[[], None]) -> None:
        self._master = master
        self._addon = addon
        self._ready = ready

    def running(self) -> None:
        asyncio.get_running_loop().call_soon(self._master.addons.remove, self)
        if self._addon.serving and self._addon.fast is not None:
            self._ready()


def prepare(config: Config) -> Prepared:
    """Opens the public addresses and makes the certificate authority: of several workers that found none, each would
    make its own, and one would read another's half of it. Raises OSError, whose text is a sentence with the place and
    the remedy."""
    sockets: list[tuple[str, socket.socket]] = []
    try:
        for mode, address, setting in _doors(config):
            sockets += [(mode, one) for one in opened(address, setting)]
        metrics = tuple(_metrics_addresses(config))
        certificates = _certificates(config)
    except OSError:
        for _, one in sockets:
            one.close()
        raise
    return Prepared(tuple(sockets), metrics, certificates)


def _doors(config: Config) -> list[tuple[str, str, str]]:
    """mitmproxy's mode specification, the address and the setting it is from. The reverse target is never called:
    every flow is answered, sent to its provider's origin, or refused."""
    proxy = config.settings.proxy
    reverse = [(f"{STANDS_IN.full_spec}@{_plain(a)}", a, "[proxy] reverse") for a in proxy.reverse]
    return reverse + [(f"regular@{_plain(a)}", a, "[proxy] regular") for a in proxy.regular]


def _plain(address: str) -> str:
    """mitmproxy takes IPv6 hosts without brackets."""
    host, port = split_address(address)
    return f"{host}:{port}"


def _metrics_addresses(config: Config) -> Iterator[str]:
    """One for each worker, which opens it itself when the worker before it has left it."""
    proxy = config.settings.proxy
    for worker in range(workers.count(proxy)):
        address = workers.metrics_address(proxy, worker)
        setting = f"metrics of worker {worker}, by [proxy] metrics"
        if address == config.settings.sidecar.admin or split_address(address)[1] > LAST_PORT:
            text = f"the proxy cannot start: {address} ({setting}) is the sidecar's or no port; choose another"
            raise OSError(errno.EADDRINUSE, text)
        check_free(address, setting)
        yield address


def _certificates(config: Config) -> Certificates:
    """Raises OSError."""
    folder = config.ca_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return for_hosts(authority(folder), config.rules.hosts, config.certificates)
    except CertificateError as error:
        raise OSError(errno.EINVAL, f"the proxy cannot start: {error}") from error


async def _serve(config: Config, prepared: Prepared, ready: Callable[[], None], worker: int) -> None:
    # mitmproxy tells of every connection at INFO.
    logging.getLogger("mitmproxy").setLevel(logging.WARNING)
    master = Master(options.Options(confdir=str(config.ca_folder)))
    addon = OddsCache(config, doors=prepared.sockets, certificates=prepared.certificates)
    addon.metrics_address = prepared.metrics[worker]
    addon.reach = reach = Reach(config)
    doors = Doors(reach)
    master.addons.add(
        core.Core(),
        errorcheck.ErrorCheck(repeat_errors_on_stderr=False),
        addon,
        doors,
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
        _Announcer(master, addon, ready),
    )
    settings = {
        "mode": [mode for mode, _, _ in _doors(config)],
        "server": False,
        "http2": config.settings.proxy.http2,
        "connection_strategy": "lazy",
        "keep_host_header": True,
        # Passed on as they come: else each message is put together, however long, and kept.
        "websocket": False,
        "body_size_limit": str(config.settings.proxy.max_body_bytes),
    }
    if config.ca_file:
        settings["ssl_verify_upstream_trusted_ca"] = str(config.ca_file)
    master.options.update(**settings)
    _drain_on_signals(master, addon)
    # What start-up made lives as long as the process; a full collection over it takes 40 ms.
    gc.collect()
    gc.freeze()
    try:
        await master.run()
    finally:
        # mitmproxy does not call `done` when it could not start.
        if addon.closed is None:
            addon.done()
        assert addon.closed is not None
        await addon.closed


def _drain_on_signals(master: Master, addon: OddsCache) -> None:
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Task[None]] = []

    async def end() -> None:
        if addon.fast is not None:
            addon.fast.close_listeners()
            master.addons.add(Farewell())
            await addon.fast.drain(DRAIN_S)
        master.shutdown()

    def begin() -> None:
        # Ctrl-C reaches a worker twice: from the terminal and from its supervisor.
        if not ends:
            ends.append(loop.create_task(end()))

    # SIGHUP: of a terminal that was closed. It is its supervisor that has one of several replaced.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, begin)


def main(config: Config, prepared: Prepared, ready: Callable[[], None], worker: int) -> None:
    """Runs one proxy process until SIGTERM or SIGINT and what is in flight then; calls `ready` once it accepts.
    Exits with status 1 when it cannot."""
    asyncio.run(_serve(config, prepared, ready, worker), loop_factory=loop_factory())
