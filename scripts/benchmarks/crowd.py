"""From a hundred to ten thousand clients that poll: what does one of them cost, and does that grow?"""

from dataclasses import dataclass
from functools import partial
from itertools import repeat

from scripts.rig import emulator, write_house

from . import machine, peers, raw
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import Server
from .poll import targets
from .raw import Client, Crowd

NAME = "fleet"
MIB = 1024 * 1024
# All clients of this machine may come from few addresses.
LIMITS = "\n[lane]\nmax_connections = 20000\nmax_per_address = 20000\n"


@dataclass(frozen=True, slots=True)
class Size:
    clients: tuple[int, ...] = (100, 1_000, 10_000)
    seconds: float = 10.0
    every_s: float = 1.0
    keys: int = 10


FULL, QUICK = Size(), Size((100, 1_000), seconds=2)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    machine.allow_files(max(size.clients) + 500)
    record = Record(NAME)
    with memory_folder() as root, emulator(latency_p50_ms=0, rate=0, events=5) as provider:
        house = write_house(root / "house", provider.url, LIMITS, window_s=1)
        with (
            peers.nginx(root, int(provider.url.rpartition(":")[2]), 1) as nginx,
            peers.holdover(house) as holdover,
            machine.apart([*nginx.pids(), *holdover.pids()], [provider.process.pid]),
        ):
            costs = [_polled(record, server, size) for server in (nginx, holdover)]
            for count, baseline, own in zip(size.clients, *costs, strict=True):
                target = _named(holdover, count)
                record.result(target, "CPU per client-second / nginx", "ratio", own / (baseline or 1e-3))
    return record.outcome()


def _named(server: Server, count: int) -> str:
    return f"{server.name}, {count:,} clients"


def _polled(record: Record, server: Server, size: Size) -> list[float]:
    """CPU per client-second in microseconds, by number of clients."""
    empty, most = server.resident_bytes(), 0
    costs = []
    for count in size.clients:
        cost, resident = _poll(record, server, count, size)
        costs.append(cost)
        most = max(most, resident)
    growth = 1000 * (most - empty) / max(size.clients) / MIB
    record.result(server.name, "resident per 1,000 connections", "MiB", growth)
    return costs


def _poll(record: Record, server: Server, count: int, size: Size) -> tuple[float, int]:
    """CPU per client-second in microseconds, and resident bytes of all its processes with that many connections."""
    asked = [raw.request(target) for target in targets(size.keys)]
    crowd = Crowd(
        [
            Client(
                partial(raw.plain, server.port, i),
                repeat(asked[i % size.keys]),
                size.every_s,
                size.every_s * i / count,
            )
            for i in range(count)
        ]
    )
    # Everybody's first request, and the fetches that it takes.
    crowd.ask(size.every_s)
    before = server.cpu_s()
    answers = crowd.ask(size.seconds)
    spent = server.cpu_s() - before
    resident = server.resident_bytes()
    crowd.close()
    target, load = _named(server, count), raw.summary(answers, size.seconds)
    cost = 1e6 * spent / (count * size.seconds)
    record.result(target, "requests per second", "1/s", load.rate)
    record.result(target, "CPU per client-second", "us", cost)
    record.spread(target, "latency", "ms", [answer.ms for answer in answers])
    record.exactly(f"errors, {target}", 0, load.errors)
    return cost, resident
