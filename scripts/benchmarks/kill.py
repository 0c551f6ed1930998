"""Processes are killed and the cache is damaged under load: what do clients see of it?"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.rig import House, emulator, running, write_house

from .fleet import Fleet, Sample, failures
from .houses import folder
from .outcome import Outcome, Record
from .poll import targets

NAME = "kill"
RECOVER_S = 20.0
POLL_S = 0.02
BACK_S = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    clients: int = 20
    every_s: float = 0.1
    keys: int = 10
    settle_s: float = 4.0


@dataclass(frozen=True, slots=True)
class Event:
    """What was done, when (monotonic seconds), and when clients had newer odds than before again."""

    name: str
    at: float
    newer_at: float


FULL, QUICK = Size(), Size(settle_s=2.0)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    with folder() as root, emulator(latency_p50_ms=150, latency_p95_ms=300) as provider:
        house = write_house(root, provider.url, window_s=1)
        with running(house):
            return asyncio.run(_strike(house, size))


async def _strike(house: House, size: Size) -> Outcome:
    fleet = Fleet(house.ports["reverse"], targets(size.keys), size.clients, size.every_s)
    blows: tuple[tuple[str, Callable[[], object]], ...] = (
        ("nothing", lambda: None),
        ("sidecar killed", lambda: os.kill(house.pid("sidecar"), signal.SIGKILL)),
        ("cache damaged", lambda: damage(house.folder / "var" / "store")),
        ("proxy killed", lambda: os.kill(house.pid("proxy"), signal.SIGKILL)),
    )
    events = []
    async with fleet.polling():
        await _until(lambda: fleet.newest > 0)
        for name, blow in blows:
            events.append(await _event(fleet, name, blow))
            await asyncio.sleep(size.settle_s)
    return _judge(fleet, events)


def damage(store: Path) -> None:
    """Overwrites the database in place with junk."""
    for name in ("cache.db", "cache.db-wal"):
        with (store / name).open("r+b") as file:
            file.write(os.urandom((store / name).stat().st_size))


async def _event(fleet: Fleet, name: str, blow: Callable[[], object]) -> Event:
    newest, at = fleet.newest, time.monotonic()
    blow()
    # One revision ahead may have been under way before the blow.
    await _until(lambda: fleet.newest > newest + 1)
    return Event(name, at, time.monotonic())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(RECOVER_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


def _judge(fleet: Fleet, events: Sequence[Event]) -> Outcome:
    samples, record = fleet.samples, Record(NAME)
    for event, end in zip(events, [e.at for e in events[1:]] + [float("inf")], strict=True):
        found = Counter(failures(samples, event.at, end))
        requests = [s for s in samples if event.at <= s.ended < end]
        record.result(event.name, "client requests", "requests", len(requests))
        for kind, count in sorted(found.items()):
            record.result(event.name, f"errors: {kind}", "errors", count)
        record.result(event.name, "two revisions further", "s", event.newer_at - event.at)
        record.result(event.name, "oldest odds served", "s", max((s.age for s in requests), default=0.0))
        if event.name == "proxy killed":
            back = back_after(samples, event.at)
            record.result(event.name, "next good answer", "s", back)
            record.at_most(f"seconds to the next good answer, {event.name}", BACK_S, back)
        else:
            record.exactly(f"errors, {event.name}", 0, found.total())
    record.exactly("revisions seen going backwards", 0, fleet.backwards)
    return record.outcome()


def back_after(samples: Sequence[Sample], killed_at: float) -> float:
    """Seconds from the kill to the first good answer to a request that began after the first failure; 0 when there
    was no failure."""
    fell = min((s.ended for s in samples if s.failure and s.ended >= killed_at), default=None)
    if fell is None:
        return 0.0
    return min((s.ended for s in samples if not s.failure and s.started >= fell), default=float("inf")) - killed_at
