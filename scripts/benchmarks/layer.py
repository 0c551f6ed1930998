"""A hit in the explicit proxy: inside a tunnel, plain and over TLS that is ended there, and without one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

from scripts.rig import HOST, emulator, write_house

from . import machine, peers, raw, rounds
from .hook import TARGETS
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import Server
from .raw import Client, Crowd, Opening

NAME = "layer"
TARGET = TARGETS["20 KB"]
LIMIT = 1.5
NGINX_TLS, TUNNEL, TUNNEL_TLS = "nginx TLS", "holdover tunnel", "holdover tunnel TLS"

type Way = tuple[Server, Opening, bytes]
"""A server under the name of the way to it, how a connection is opened, what is asked on it."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 5
    seconds: float = 2.0
    clients: int = 32


FULL, QUICK = Size(), Size(rounds=3, seconds=0.5)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    with memory_folder() as root, emulator(latency_p50_ms=0, rate=0, events=5, volatility=0) as provider:
        house = write_house(root / "house", provider.url, window_s=3600, max_stale_s=7200, idle_after_s=3600)
        with (
            peers.nginx(root, int(provider.url.rpartition(":")[2]), 3600) as nginx,
            peers.holdover(house) as holdover,
            machine.apart([*nginx.pids(), *holdover.pids()], [provider.process.pid]) as pinned,
        ):
            ways = _ways(nginx, holdover, house.ports["regular"])
            with _crowds(ways, size) as crowds:
                readings = rounds.interleaved(
                    [server for server, _, _ in ways],
                    size.rounds,
                    lambda server: raw.summary(crowds[server.name].ask(size.seconds), size.seconds),
                )
    rounds.write(record, "20 KB, identity, keep-alive", readings)
    record.result("all", "server and load on cores of their own", "yes = 1", pinned)
    record.at_most(
        "CPU of a plain hit in a tunnel / nginx's plain", LIMIT, rounds.ratio(readings, TUNNEL, nginx.name)
    )
    record.result(
        f"{TUNNEL_TLS}, all", "CPU per request / nginx TLS", "ratio", rounds.ratio(readings, TUNNEL_TLS, NGINX_TLS)
    )
    return record.outcome()


def _ways(nginx: Server, holdover: Server, regular: int) -> list[Way]:
    plain, absolute = raw.request(TARGET), raw.request(f"http://{HOST}{TARGET}")
    return [
        (nginx, partial(raw.plain, nginx.port), plain),
        (replace(nginx, name=NGINX_TLS), raw.over_tls(partial(raw.plain, nginx.tls_port)), plain),
        (replace(holdover, name="holdover"), partial(raw.plain, holdover.port), plain),
        (replace(holdover, name="holdover explicit"), partial(raw.plain, regular), absolute),
        (replace(holdover, name=TUNNEL), partial(raw.tunnel, regular, 80), plain),
        (replace(holdover, name=TUNNEL_TLS), raw.over_tls(partial(raw.tunnel, regular, 443)), plain),
    ]


@contextmanager
def _crowds(ways: Sequence[Way], size: Size) -> Iterator[dict[str, Crowd]]:
    """By name, with connections that stay open: no round pays for a tunnel or a handshake."""
    crowds = {
        server.name: Crowd([Client(opening, repeat(asked)) for _ in range(size.clients)])
        for server, opening, asked in ways
    }
    for crowd in crowds.values():
        crowd.ask(0.1)
    try:
        yield crowds
    finally:
        for crowd in crowds.values():
            crowd.close()
