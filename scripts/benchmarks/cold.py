"""Everybody asks at once for what nobody asked for before."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from scripts.rig import Emulator, emulator, running, write_house

from . import machine, raw
from .hook import TARGETS
from .houses import memory_folder, proxies
from .outcome import Outcome, Record
from .raw import Answer, Client, Crowd

NAME = "cold"
TARGET = f"{TARGETS['2 KB']}&round="
LATE_MS = 25.0
"""Longest that the slowest client may wait beyond what the provider takes."""
MOMENT_S = 0.001
"""In it everybody asks, once."""


@dataclass(frozen=True, slots=True)
class Size:
    """The connections are shared out among as many proxies as each of the `splits` says, and go to one port of as
    many `workers` as each of those says."""

    connections: int = 500
    rounds: int = 5
    latency_ms: float = 300.0
    workers: tuple[int, ...] = (1, 2)
    splits: tuple[int, ...] = (2,)


@dataclass(frozen=True, slots=True)
class Burst:
    """One round: how many got no 200, when the first and the last had theirs, what the provider saw; when the last
    had it as all of them asked once more, for what was stored by then."""

    errors: int
    first_s: float
    last_s: float
    upstream: int
    stored_s: float = 0.0


type Served = tuple[Sequence[int], Sequence[int]]
"""Ports that are asked, and the processes from which all others descend."""

FULL, QUICK = Size(), Size(rounds=2, workers=(2,), splits=())
WINDOW: dict[str, Any] = {"window_s": 3600, "max_stale_s": 3600}


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    machine.allow_files(2 * size.connections + 200)
    record = Record(NAME)
    for count in size.workers:
        name = "1 worker" if count == 1 else f"{count} workers"
        late = _measure(record, size, name, partial(_workers, count))
        record.at_most(f"slowest answer beyond the provider's latency in ms, median burst, {name}", LATE_MS, late)
    for count in size.splits:
        _measure(record, size, f"{count} proxies", partial(_proxies, count))
    return record.outcome()


def _measure(
    record: Record, size: Size, name: str, start: Callable[[Path, str], AbstractContextManager[Served]]
) -> float:
    """How late the slowest client is, in ms beyond the provider's latency, in the median burst."""
    latency = {"latency_p50_ms": size.latency_ms, "latency_p95_ms": size.latency_ms}
    with (
        memory_folder() as root,
        emulator(events=5, **latency) as provider,
        start(root, provider.url) as (ports, roots),
    ):
        pids = [pid for parent in roots for pid in machine.tree(parent)]
        with machine.apart(pids, [provider.process.pid]):
            bursts = _bursts(ports, provider, size)
    _judge(record, name, bursts)
    return statistics.median(1000 * burst.last_s for burst in bursts) - size.latency_ms


@contextmanager
def _workers(count: int, root: Path, origin: str) -> Iterator[Served]:
    house = write_house(root / "house", origin, proxy=f"workers = {count}", **WINDOW)
    with running(house) as up:
        assert up.process is not None
        yield [house.ports["reverse"]], [up.process.pid]


@contextmanager
def _proxies(count: int, root: Path, origin: str) -> Iterator[Served]:
    with proxies(root, origin, count, sidecar=True, **WINDOW) as houses:
        # The sidecar, whose house is not among them, stays where it is.
        yield [house.ports["reverse"] for house in houses], [h.process.pid for h in houses if h.process is not None]


def _bursts(ports: Sequence[int], provider: Emulator, size: Size) -> list[Burst]:
    names = ["warm-up", *(str(number) for number in range(size.rounds) for _ in range(2))]
    asked = [raw.request(f"{TARGET}{name}") for name in names]
    crowd = Crowd(
        [Client(partial(raw.plain, ports[i % len(ports)]), iter(asked), every_s=inf) for i in range(size.connections)]
    )
    # Makes each connection one that has been answered before.
    crowd.ask(MOMENT_S)
    bursts = [_burst(crowd, provider, number) for number in range(size.rounds)]
    crowd.close()
    return bursts


def _burst(crowd: Crowd, provider: Emulator, number: int) -> Burst:
    answers, stored = crowd.ask(MOMENT_S), crowd.ask(MOMENT_S)
    good = _since_the_first([answer for answer in answers if answer.status == 200])
    upstream = requests_of_round(provider.stats()["by_shape"], number)
    first, last = min(good, default=0.0), max(good, default=0.0)
    return Burst(len(answers) - len(good), first, last, upstream, max(_since_the_first(stored)))


def _since_the_first(answers: Sequence[Answer]) -> list[float]:
    """When each came, in seconds from the first request on."""
    started = min((answer.started for answer in answers), default=0.0)
    return [answer.ended - started for answer in answers]


def requests_of_round(by_shape: Mapping[str, int], number: int) -> int:
    """Of that round's key alone: meanwhile the sidecar may refresh the keys of others."""
    return sum(n for shape, n in by_shape.items() if f"round={number}" in shape.partition("?")[2].split("&"))


def _judge(record: Record, target: str, bursts: Sequence[Burst]) -> None:
    record.result(target, "bursts", "bursts", len(bursts))
    record.result(target, "first answer, fastest burst", "s", min(b.first_s for b in bursts))
    record.result(target, "slowest answer, fastest burst", "s", min(b.last_s for b in bursts))
    record.result(target, "slowest answer, slowest burst", "s", max(b.last_s for b in bursts))
    record.result(target, "slowest answer once it is stored", "s", statistics.median(b.stored_s for b in bursts))
    # The burst that is farthest from one request stands for all.
    worst = max((b.upstream for b in bursts), key=lambda count: abs(count - 1))
    record.exactly(f"upstream requests per never-seen key, {target}", 1, worst)
    record.exactly(f"errors, {target}", 0, sum(b.errors for b in bursts))
