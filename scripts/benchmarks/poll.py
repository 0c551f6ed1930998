"""A fleet polls a few keys: what does the provider see of it, and how old is what clients get?"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from holdover.config import load
from holdover.store.disk import DiskStore
from scripts.rig import House, emulator, running, write_house

from .fleet import Fleet, Sample
from .houses import folder
from .outcome import Outcome, Record

NAME = "poll"
SPORTS = ("soccer_epl", "basketball_nba", "americanfootball_nfl", "baseball_mlb", "icehockey_nhl")
WATCH_S = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float
    clients: int = 200
    keys: int = 10
    every_s: float = 1.0
    window_s: float = 1.0


FULL, QUICK = Size(seconds=20), Size(seconds=5)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    with folder() as root, emulator(latency_p50_ms=150, latency_p95_ms=300) as provider:
        house = write_house(root, provider.url, window_s=size.window_s)
        with running(house):
            provider.reset()
            fleet, latencies = asyncio.run(_poll(house, size))
            upstream = provider.stats()["requests"]
    return _judge(size, fleet, latencies, upstream)


def targets(keys: int) -> list[str]:
    """Of distinct keys, at most ten."""
    return [
        f"/v4/sports/{SPORTS[i % len(SPORTS)]}/odds?apiKey=client-{i}&regions={region}&markets=h2h"
        for i, region in zip(range(keys), ("uk", "us") * keys, strict=False)
    ]


async def _poll(house: House, size: Size) -> tuple[Fleet, list[float]]:
    fleet = Fleet(house.ports["reverse"], targets(size.keys), size.clients, size.every_s)
    async with watching(house) as fetches, fleet.polling():
        await asyncio.sleep(size.seconds)
    return fleet, [seconds for _, seconds in fetches.values()]


@asynccontextmanager
async def watching(house: House) -> AsyncIterator[dict[tuple[str, float], tuple[str, float]]]:
    """Reads from the shared store, by key and the moment of asking (Unix seconds), the path asked for and how long
    the fetch took, in seconds: every fetch is stored, and at most one per key and window. holdover's own metric is a
    histogram and knows no maximum."""
    config = load(house.config, {**os.environ, **house.environment()})
    store = DiskStore(config.cache_folder, config.settings.store.max_bytes)
    seen: dict[tuple[str, float], tuple[str, float]] = {}

    async def watch() -> None:
        position = store.position()
        while True:
            changes = store.changes(position)
            position = changes.position
            for entry in map(store.get, changes.keys or ()):
                if entry is not None:
                    seen[entry.key, entry.requested_at] = entry.request.path, entry.fetch_s
            await asyncio.sleep(WATCH_S)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        store.close()


def _judge(size: Size, fleet: Fleet, latencies: list[float], upstream: int) -> Outcome:
    """The moment of serving lies between asking and reading. Age is judged when the client asked: what happens until
    it has read the answer is some milliseconds, or the wait for a core on a busy machine; both are in the table."""
    samples, record, target = fleet.samples, Record(NAME), "holdover"
    good = [sample for sample in samples if not sample.failure]
    longest = max(latencies, default=0.0)
    oldest = max((s.age - (s.ended - s.started) for s in good), default=0.0)
    record.result(target, "client requests", "requests", len(samples))
    record.result(target, "client requests per second", "1/s", _rate(samples))
    record.result(target, "upstream requests", "requests", upstream)
    record.result(target, "dedup ratio", "ratio", 1 - upstream / max(1, len(samples)))
    record.spread(target, "latency", "ms", [1000 * (s.ended - s.started) for s in good])
    record.spread(target, "age when the client had read it", "s", [s.age for s in good])
    record.result(target, "age when the client asked max", "s", oldest)
    record.result(target, "fetches seen in the store", "fetches", len(latencies))
    record.result(target, "longest of their upstream latencies", "s", longest)
    record.at_most("upstream requests (keys x (seconds + 2))", size.keys * (size.seconds + 2), upstream)
    record.exactly("revisions seen going backwards", 0, fleet.backwards)
    record.at_most("age at serve in s (window + longest upstream latency)", size.window_s + longest, oldest)
    record.exactly("errors", 0, len(samples) - len(good))
    return record.outcome()


def _rate(samples: list[Sample]) -> float:
    if not samples:
        return 0.0
    return len(samples) / max(0.001, samples[-1].ended - min(s.started for s in samples))
