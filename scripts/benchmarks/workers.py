"""One worker and two: what a hit costs stays the same, so that two serve twice as many where there are cores."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.rig import emulator, write_house

from . import machine, peers, raw, rounds, wrk
from .hook import TARGETS
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import Server

NAME = "workers"
TARGET = TARGETS["20 KB"]
COUNTS = (1, 2)
LIMIT = 1 / 0.9
RATE = 1.8


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 9
    seconds: int = 2
    connections: int = 64


FULL, QUICK = Size(), Size(rounds=2, seconds=1)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    # With a core for each worker and one for the load the rate tells it too; else all workers share one.
    cores = max(COUNTS) if len(os.sched_getaffinity(0)) > max(COUNTS) else 1
    with (
        memory_folder() as root,
        emulator(latency_p50_ms=0, rate=0, events=5, volatility=0) as provider,
        ExitStack() as stack,
    ):
        servers = [_start(stack, root, provider.url, count) for count in COUNTS]
        pids = [pid for server in servers for pid in server.pids()]
        with machine.apart(pids, [provider.process.pid], cores) as pinned:
            readings = rounds.interleaved(
                servers,
                size.rounds,
                lambda server: wrk.run(server.port, TARGET, seconds=size.seconds, connections=size.connections),
            )
    one, two = (server.name for server in servers)
    rounds.write(record, "20 KB, identity, keep-alive", readings)
    record.result("all", "servers and load on cores of their own", "yes = 1", pinned)
    record.result("all", "cores of the servers", "cores", cores)
    rate = rounds.ratio(readings, two, one, "requests per second")
    record.result("all", "requests per second, 2 workers / 1", "ratio", rate)
    record.at_most("CPU per request with 2 workers / with 1", LIMIT, rounds.ratio(readings, two, one))
    if cores > 1:
        record.at_least("requests per second with 2 workers / with 1", RATE, rate)
    return record.outcome()


def _start(stack: ExitStack, root: Path, origin: str, count: int) -> Server:
    name = "1 worker" if count == 1 else f"{count} workers"
    settings: dict[str, Any] = {"window_s": 3600, "max_stale_s": 7200, "idle_after_s": 3600}
    house = write_house(root / f"workers{count}", origin, proxy=f"workers = {count}", **settings)
    server = stack.enter_context(peers.holdover(house, name))
    # Connections of one after the other reach every worker.
    for _ in range(8 * count):
        raw.fetch(server.port, raw.request(TARGET))
    return server
