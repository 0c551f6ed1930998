"""Where mitmproxy may connect to, by the address that is then connected to: a name can have another one the next
time that it is asked for."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from holdover import workers
from holdover.config import Config
from holdover.reach import plain, refusal
from holdover.settings import split_address

_RESOLVERS = 8
_RESOLVE_S = 10.0
_MOST_ASKED = 256
"""Names of nobody's provider that are asked for at once; more are made up than a resolver answers."""


class Unreachable(Exception):
    """There is no way to an address; the text is for people. `refused`: because holdover does not go there."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused


class Reach:
    """By `[proxy] foreign`, and by the providers that the configuration in use names."""

    def __init__(self, config: Config) -> None:
        # asyncio's own threads also read the store, and a name may take its server half a minute to tell.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, "resolver")
        # Anybody can make up names that keep these busy.
        self._foreign_resolvers = ThreadPoolExecutor(_RESOLVERS, "foreign-resolver")
        self._asked = 0
        self._own = frozenset(_own(config))
        self.use(config)

    def use(self, config: Config) -> None:
        self._foreign = config.settings.proxy.foreign
        providers = config.rules.providers
        self._providers = frozenset(place for each in providers for place in (each.origin, each.address))

    async def address(self, place: tuple[str, int]) -> tuple[str, int]:
        """What to connect to for this host and port: of nobody's provider the address that was looked at. Raises
        Unreachable."""
        host, port = place
        foreign = place not in self._providers
        if foreign and self._foreign == "none":
            raise Unreachable(refusal("none", host, "") or "", refused=True)
        found = await self._resolved(host, port, foreign=foreign)
        if self._is_own(found, port):
            # It would ask itself without end, or open to its clients what is for its operators.
            raise Unreachable("the request names holdover itself", refused=True)
        if not foreign:
            # By its name, by which mitmproxy finds a connection that it has.
            return place
        if (text := refusal(self._foreign, host, found)) is not None:
            raise Unreachable(text, refused=True)
        return found, port

    async def _resolved(self, host: str, port: int, *, foreign: bool) -> str:
        """The first address, which is the one that the system's own order prefers."""
        try:
            return str(ip_address(host))
        except ValueError:
            pass
        if foreign and self._asked >= _MOST_ASKED:
            raise Unreachable("too many names of hosts are being asked for; try again later", refused=False)
        asking = asyncio.get_running_loop().run_in_executor(
            self._foreign_resolvers if foreign else self._resolvers,
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
        )
        self._asked += foreign
        try:
            found = await asyncio.wait_for(asking, _RESOLVE_S if foreign else None)
        except TimeoutError as error:
            raise Unreachable(f"nobody tells in time what address {host} has", refused=False) from error
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{host} has no address", refused=False) from error
        finally:
            self._asked -= foreign
        return str(found[0][4][0])

    def _is_own(self, address: str, port: int) -> bool:
        meant = plain(address)
        return any(
            port == own_port and (meant == own or meant.is_unspecified or (own.is_unspecified and _is_local(address)))
            for own, own_port in self._own
        )

    def close(self) -> None:
        for resolvers in (self._resolvers, self._foreign_resolvers):
            resolvers.shutdown(wait=False, cancel_futures=True)


def _own(config: Config) -> Iterator[tuple[IPv4Address | IPv6Address, int]]:
    """Where holdover's processes listen: for clients, and for operators and Prometheus."""
    proxy = config.settings.proxy
    metrics = [workers.metrics_address(proxy, worker) for worker in range(workers.count(proxy))]
    for address in (*proxy.reverse, *proxy.regular, *metrics, config.settings.sidecar.admin):
        host, port = split_address(address)
        # A name that has no address is told of by whoever is to listen there.
        with suppress(OSError):
            for *_, found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                yield plain(str(found[0])), port


def _is_local(address: str) -> bool:
    """Whether it is one of this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            one.bind((address, 0))
        except OSError:
            return False
    return True
