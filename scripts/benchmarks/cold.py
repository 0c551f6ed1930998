"""Everybody asks at once for what nobody asked for before."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.rig import Emulator, House, emulator

from . import machine
from .client import KeepAlive, NoAnswerError
from .houses import folder, proxies
from .outcome import Outcome, Record

NAME = "cold"
TARGET = "/v4/sports/soccer_epl/odds?apiKey=client&regions=uk&round="


@dataclass(frozen=True, slots=True)
class Size:
    """The connections are shared out among as many proxies as each of the `splits` says."""

    connections: int = 500
    rounds: int = 5
    latency_ms: float = 300.0
    splits: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Burst:
    """One round: how many got no 200, when the first and the last had theirs, what the provider saw."""

    errors: int
    first_s: float
    last_s: float
    upstream: int


FULL, QUICK = Size(), Size(rounds=2)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    machine.allow_files(2 * size.connections + 200)
    record = Record(NAME)
    for count in size.splits:
        latency = {"latency_p50_ms": size.latency_ms, "latency_p95_ms": size.latency_ms}
        with (
            folder() as root,
            emulator(**latency) as provider,
            proxies(root, provider.url, count, sidecar=True, window_s=3600, max_stale_s=3600) as houses,
        ):
            bursts = asyncio.run(_bursts(houses, provider, size))
        _judge(record, "1 proxy" if count == 1 else f"{count} proxies", bursts)
    return record.outcome()


async def _bursts(houses: Sequence[House], provider: Emulator, size: Size) -> list[Burst]:
    clients = [KeepAlive(houses[i % len(houses)].ports["reverse"]) for i in range(size.connections)]
    # Opens the connections, and makes each one that has been answered before.
    await asyncio.gather(*(client.get(f"{TARGET}warm-up") for client in clients))
    bursts = [await _burst(clients, provider, number) for number in range(size.rounds)]
    for client in clients:
        client.close()
    return bursts


async def _burst(clients: Sequence[KeepAlive], provider: Emulator, number: int) -> Burst:
    target = f"{TARGET}{number}"
    started = time.monotonic()
    ended = await asyncio.gather(*(_answered(client, target) for client in clients))
    good = [moment - started for moment in ended if moment is not None]
    upstream = requests_of_round(provider.stats()["by_shape"], number)
    return Burst(len(ended) - len(good), min(good, default=0.0), max(good, default=0.0), upstream)


def requests_of_round(by_shape: Mapping[str, int], number: int) -> int:
    """Of that round's key alone: meanwhile the sidecar may refresh the keys of others."""
    return sum(n for shape, n in by_shape.items() if f"round={number}" in shape.partition("?")[2].split("&"))


async def _answered(client: KeepAlive, target: str) -> float | None:
    try:
        reply = await client.get(target)
    except NoAnswerError:
        return None
    return time.monotonic() if reply.status == 200 else None


def _judge(record: Record, target: str, bursts: Sequence[Burst]) -> None:
    record.result(target, "bursts", "bursts", len(bursts))
    record.result(target, "first answer, fastest burst", "s", min(b.first_s for b in bursts))
    record.result(target, "slowest answer, fastest burst", "s", min(b.last_s for b in bursts))
    record.result(target, "slowest answer, slowest burst", "s", max(b.last_s for b in bursts))
    # The burst that is farthest from one request stands for all.
    worst = max((b.upstream for b in bursts), key=lambda count: abs(count - 1))
    record.exactly(f"upstream requests per never-seen key, {target}", 1, worst)
    record.exactly(f"errors, {target}", 0, sum(b.errors for b in bursts))
