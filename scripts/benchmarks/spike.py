"""A fleet polls one key whose window ends every second, before a slow provider: who waits, and how old is what it
gets? holdover, and nginx and Varnish beside it."""

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from scripts.rig import Emulator, House, emulator, percentile, write_house

from . import machine, peers, raw
from .hook import TARGETS
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import Server, Start
from .poll import watching
from .raw import Answer, Client, Crowd

NAME = "spike"
TARGET = TARGETS["20 KB"]
GENERATED = re.compile(rb"\r\nx-emulator-generated-at: *([0-9.]+)", re.IGNORECASE)
P99_MS, MAX_MS = 5.0, 20.0


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 20.0
    beside: tuple[Start, ...] = peers.PEERS
    clients: int = 500
    every_s: float = 0.5
    window_s: int = 1
    latency_ms: float = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clients of one server saw: seconds since the provider had made it, when they asked; what the provider
    saw; the longest that a fetch took."""

    answers: Sequence[Answer]
    ages: Sequence[float]
    upstream: int
    fetch_s: float


FULL, QUICK = Size(), Size(4, (peers.nginx,))


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    machine.allow_files(2 * size.clients + 200)
    record = Record(NAME)
    for peer in size.beside:
        with (
            memory_folder() as root,
            _provider(size) as provider,
            peer(root, int(provider.url.rpartition(":")[2]), size.window_s) as server,
        ):
            _write(record, size, server.name, _seen(server, provider, size))
    with memory_folder() as root, _provider(size) as provider:
        house = write_house(root / "house", provider.url, window_s=size.window_s)
        with peers.holdover(house) as server:
            seen = _seen(server, provider, size, house)
    _write(record, size, server.name, seen)
    _judge(record, size, seen)
    return record.outcome()


def _provider(size: Size) -> AbstractContextManager[Emulator]:
    return emulator(latency_p50_ms=size.latency_ms, latency_p95_ms=size.latency_ms, rate=0, events=5)


def _seen(server: Server, provider: Emulator, size: Size, house: House | None = None) -> Seen:
    asked = raw.request(TARGET)
    crowd = Crowd(
        [
            Client(partial(raw.plain, server.port), repeat(asked), size.every_s, size.every_s * i / size.clients)
            for i in range(size.clients)
        ]
    )
    with machine.apart(server.pids(), [provider.process.pid]):
        # Until the cold start is over, which is measured elsewhere.
        crowd.ask(2 * size.window_s)
        provider.reset()
        answers, fetch_s = asyncio.run(_ask(crowd, size.seconds, house))
    crowd.close()
    offset = time.time() - time.monotonic()
    ages = [answer.started + offset - made for answer in answers if (made := _generated(answer)) is not None]
    return Seen(answers, ages, provider.stats()["requests"], fetch_s or size.latency_ms / 1000)


async def _ask(crowd: Crowd, seconds: float, house: House | None) -> tuple[list[Answer], float]:
    """Also the longest that holdover waited for the provider; 0 without a house."""
    if house is None:
        return crowd.ask(seconds), 0.0
    async with watching(house) as fetches:
        answers = await asyncio.to_thread(crowd.ask, seconds)
        return answers, max((spent for _, spent in fetches.values()), default=0.0)


def _generated(answer: Answer) -> float | None:
    """When the provider made it, in Unix seconds."""
    found = GENERATED.search(answer.head)
    return None if found is None or answer.status != 200 else float(found[1])


def _write(record: Record, size: Size, name: str, seen: Seen) -> None:
    record.result(name, "client requests", "requests", len(seen.answers))
    record.spread(name, "latency", "ms", [answer.ms for answer in seen.answers])
    record.spread(name, "age when the client asked", "s", seen.ages)
    record.result(name, "upstream requests per window", "requests", seen.upstream / (size.seconds / size.window_s))
    record.result(name, "errors", "requests", _errors(seen))


def _errors(seen: Seen) -> int:
    return sum(answer.status != 200 for answer in seen.answers)


def _judge(record: Record, size: Size, seen: Seen) -> None:
    spent = [answer.ms for answer in seen.answers]
    oldest = max(seen.ages, default=0.0)
    record.at_most("latency P99 in ms", P99_MS, percentile(spent, 0.99))
    record.at_most("latency max in ms", MAX_MS, max(spent, default=0.0))
    record.at_most("age in s (window + longest upstream latency)", size.window_s + seen.fetch_s, oldest)
    record.at_most("upstream requests (windows + 2)", size.seconds / size.window_s + 2, seen.upstream)
    record.exactly("errors", 0, _errors(seen))
