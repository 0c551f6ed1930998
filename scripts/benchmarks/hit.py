"""A hit: holdover against nginx and Varnish as caches, and against what Python can do at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

from scripts.rig import emulator

from . import machine, peers, raw, rounds, wrk
from .hook import TARGETS
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import CODINGS, Server, Start
from .wrk import CLOSE, Load

NAME = "hit"
LARGE = "/v4/sports/soccer_epl/odds?apiKey=client&regions=us,us2,uk,eu,au&markets=h2h,spreads,totals"
ASKED = {**TARGETS, "420 KB": LARGE}
KEEP, NEW, TLS, TLS_RESUMED, TLS_NEW = "keep-alive", "new connection", "TLS", "TLS resumed", "TLS handshake"
HANDSHAKES = 16
"""Clients whose handshakes are under way at the same time."""


@dataclass(frozen=True, slots=True)
class Case:
    """`limit` and `bare_limit` are the most CPU per request, as multiples of nginx's and of the bare server's."""

    size: str
    connections: str
    limit: float | None = None
    bare_limit: float | None = None
    codings: tuple[str, ...] = ("identity", "gzip")


CASES = (
    Case("2 KB", KEEP, 0.70, 1.25),
    Case("20 KB", KEEP, 0.70, 1.25),
    Case("420 KB", KEEP, 1.0),
    Case("2 KB", NEW, 1.8, codings=("identity",)),
    Case("20 KB", NEW, 1.8),
    Case("2 KB", TLS, 0.9, codings=("identity",)),
    Case("20 KB", TLS, 0.9),
    Case("420 KB", TLS, codings=("identity",)),
    Case("20 KB", TLS_RESUMED, codings=("identity",)),
    Case("20 KB", TLS_NEW, 2.5, codings=("identity",)),
)
FEW = tuple(
    Case(case.size, case.connections, case.limit, case.bare_limit, ("identity",))
    for case in CASES
    if case.connections != TLS_RESUMED and (case.size == "20 KB" or case.connections == KEEP)
)


@dataclass(frozen=True, slots=True)
class Size:
    cases: tuple[Case, ...] = CASES
    beside: tuple[Start, ...] = peers.PEERS
    rounds: int = 5
    seconds: int = 2
    connections: int = 32


FULL, QUICK = Size(), Size(FEW, (peers.nginx,), rounds=2, seconds=1)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    targets = [ASKED[name] for name in dict.fromkeys(case.size for case in size.cases)]
    with (
        memory_folder() as root,
        emulator(latency_p50_ms=0, rate=0, events=5, volatility=0, books=125) as provider,
        # A window so long that the rounds hold hits and nothing else.
        peers.caches(root, provider.url, 3600, size.beside, max_stale_s=7200, idle_after_s=3600) as caches,
    ):
        for server in caches:
            _prime(record, server, targets)
        with peers.python(root, caches[-1], targets) as bare:
            servers = [*caches, bare]
            pids = [pid for server in servers for pid in server.pids()]
            with machine.apart(pids, [provider.process.pid]) as pinned:
                for case in size.cases:
                    for coding in case.codings:
                        _compare(record, case, coding, servers, size)
    record.result("all", "server and load on cores of their own", "yes = 1", pinned)
    return record.outcome()


def _prime(record: Record, server: Server, targets: Sequence[str]) -> None:
    """Fetches all that will be asked for, and notes how large it is on the wire."""
    for target in targets:
        for coding, fields in CODINGS.items():
            raw.fetch(server.port, raw.request(target, *fields))
            answer = raw.fetch(server.port, raw.request(target, *fields))
            size = next(name for name, asked in ASKED.items() if asked == target)
            record.result(f"{server.name}, {size}, {coding}", "answer with its head", "bytes", len(answer))


def _compare(record: Record, case: Case, coding: str, servers: Sequence[Server], size: Size) -> None:
    able = [server for server in servers if server.tls_port or case.connections in (KEEP, NEW)]
    readings = rounds.interleaved(able, size.rounds, lambda server: _load(server, case, coding, size))
    name = f"{case.size}, {coding}, {case.connections}"
    rounds.write(record, name, readings)
    bare = able[-1].name
    to_bare = rounds.ratio(readings, "holdover", bare)
    record.result(f"holdover, {name}", "CPU per request / bare", "ratio", to_bare)
    if case.limit is not None:
        to_nginx = rounds.ratio(readings, "holdover", "nginx")
        record.at_most(f"CPU of a hit / nginx's, {name}", case.limit, to_nginx)
    if case.bare_limit is not None:
        record.at_most(f"CPU of a hit / that of the bare server, {name}", case.bare_limit, to_bare)


def _load(server: Server, case: Case, coding: str, size: Size) -> Load:
    target, fields = ASKED[case.size], CODINGS[coding]
    over_tls = case.connections in (TLS, TLS_RESUMED)
    if case.connections == TLS_NEW:
        return handshakes(server.tls_port, raw.request(target, *fields, CLOSE), size.seconds)
    return wrk.run(
        server.tls_port if over_tls else server.port,
        target,
        *fields,
        *((CLOSE,) if case.connections in (NEW, TLS_RESUMED) else ()),
        seconds=size.seconds,
        connections=size.connections,
        tls=over_tls,
    )


def handshakes(port: int, asked: bytes, seconds: float) -> Load:
    """Every request on a connection of its own with a full handshake, which wrk cannot do."""
    opening = raw.over_tls(lambda: raw.plain(port))
    crowd = raw.Crowd([raw.Client(opening, repeat(asked), fresh=True) for _ in range(HANDSHAKES)])
    answers = crowd.ask(seconds)
    crowd.close()
    return raw.summary(answers, seconds)
