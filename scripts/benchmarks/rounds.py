"""Rounds in which servers are measured one after the other, and what they come to."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .outcome import Record, ratio_of_pairs
from .peers import Server
from .wrk import Load

BASELINE = "nginx"


@dataclass(frozen=True, slots=True)
class Reading:
    """One server in one round; `cpu_us` is that of all its processes, per request."""

    cpu_us: float
    load: Load


METRICS: dict[str, tuple[str, Callable[[Reading], float]]] = {
    "CPU per request": ("us", lambda reading: reading.cpu_us),
    "requests per second": ("1/s", lambda reading: reading.load.rate),
    "latency P50": ("ms", lambda reading: reading.load.p50_ms),
    "latency P99": ("ms", lambda reading: reading.load.p99_ms),
    "latency max": ("ms", lambda reading: reading.load.max_ms),
}
"""Unit, and how a reading says it, by the name of the figure."""


def read(server: Server, load: Callable[[Server], Load]) -> Reading:
    """Raises RuntimeError when an answer was no good one: what is fast and wrong is not measured."""
    before = server.cpu_s()
    done = load(server)
    spent = server.cpu_s() - before
    if done.errors or not done.requests:
        raise RuntimeError(f"{server.name}: {done.errors} errors, {done.requests} requests")
    return Reading(1e6 * spent / done.requests, done)


def interleaved(servers: Sequence[Server], rounds: int, load: Callable[[Server], Load]) -> dict[str, list[Reading]]:
    """By server, one reading for each round. Each comes as often early as late in a round: a load of the machine that
    grows or ebbs away hits all alike."""
    readings: dict[str, list[Reading]] = {server.name: [] for server in servers}
    for number in range(rounds):
        first = number % len(servers)
        for server in (*servers[first:], *servers[:first]):
            readings[server.name].append(read(server, load))
    return readings


def write(record: Record, case: str, readings: Mapping[str, Sequence[Reading]]) -> None:
    """Medians, and medians of the ratios to nginx of the same round."""
    for name, own in readings.items():
        for metric, (unit, value) in METRICS.items():
            values = [value(reading) for reading in own]
            record.result(f"{name}, {case}", metric, unit, statistics.median(values))
            if BASELINE in readings and name != BASELINE:
                to_nginx = ratio(readings, name, BASELINE, metric)
                record.result(f"{name}, {case}", f"{metric} / {BASELINE}", "ratio", to_nginx)


def ratio(
    readings: Mapping[str, Sequence[Reading]], name: str, baseline: str, metric: str = "CPU per request"
) -> float:
    """Median of the ratios in the same round."""
    value = METRICS[metric][1]
    # A microsecond is the least that a latency is told in, and a round may be too short for a tick of the CPU clock.
    return ratio_of_pairs([value(r) for r in readings[name]], [value(r) or 1e-3 for r in readings[baseline]])
