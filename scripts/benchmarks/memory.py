"""A flood of distinct query strings against small limits: does anything grow without end?"""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.rig import House, emulator, running, write_house

from . import machine
from .client import KeepAlive, NoAnswerError
from .houses import folder
from .outcome import Outcome, Record

NAME = "memory"
MIB = 1024 * 1024
# A sport without events has the smallest answer.
TARGET = "/v4/sports/rugbyleague_nrl/odds?apiKey=client&regions=uk&flood="
FIRST_EVENTS = 20
"""Words that events may bring to the metrics when they first happen."""

_LABEL = re.compile(r'\w+="[^"]*"')
ROLES = {"proxy": "metrics", "sidecar": "admin"}


@dataclass(frozen=True, slots=True)
class Size:
    requests: int
    store_mib: int
    clients: int = 24
    growth: float = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """At one moment: resident bytes, CPU seconds, metric series and values of their labels by process, bytes of the
    store's files."""

    resident: dict[str, int]
    cpu_s: dict[str, float]
    series: dict[str, int]
    labels: dict[str, int]
    database: int
    journal: int


FULL, QUICK = Size(100_000, store_mib=16), Size(4_000, store_mib=1, growth=0.3)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    # What is added to holdover.toml goes on inside its [sidecar] table.
    limits = (
        f"max_keys = 200\n\n[hot]\nmax_entries = 500\nmax_bytes = {8 * MIB}\n\n"
        f"[store]\nmax_bytes = {size.store_mib * MIB}\n"
    )
    plenty: dict[str, Any] = {"rate_per_s": 10_000, "burst": 10_000, "window_s": 60, "max_stale_s": 120}
    with folder() as root, emulator(latency_p50_ms=0, rate=0, quota=10**9) as provider:
        house = write_house(root, provider.url, limits, **plenty)
        with running(house):
            flood = iter(range(size.requests))
            started = time.monotonic()
            errors = asyncio.run(_ask(house, flood, size.requests // 5, size.clients))
            early = _read(house)
            errors += asyncio.run(_ask(house, flood, size.requests, size.clients))
            rate = size.requests / (time.monotonic() - started)
            late = _read(house)
    return _judge(size, errors, rate, early, late)


async def _ask(house: House, flood: Iterator[int], count: int, clients: int) -> int:
    """Takes up to `count` numbers and asks for each; how many got no 200."""
    budget = iter(range(count))

    async def client() -> int:
        errors, connection = 0, KeepAlive(house.ports["reverse"])
        for _ in budget:
            if (number := next(flood, None)) is None:
                break
            try:
                errors += (await connection.get(f"{TARGET}{number}")).status != 200
            except NoAnswerError:
                errors += 1
        connection.close()
        return errors

    return sum(await asyncio.gather(*(client() for _ in range(clients))))


def _read(house: House) -> Reading:
    store = house.folder / "var" / "store"
    series = {name: house.metrics(role) for name, role in ROLES.items()}
    return Reading(
        {name: machine.resident_bytes(house.pid(name)) for name in ROLES},
        {name: machine.cpu_seconds(house.pid(name)) for name in ROLES},
        {name: len(told) for name, told in series.items()},
        {name: len(set(_LABEL.findall(" ".join(told)))) for name, told in series.items()},
        (store / "cache.db").stat().st_size,
        (store / "cache.db-wal").stat().st_size,
    )


def _judge(size: Size, errors: int, rate: float, early: Reading, late: Reading) -> Outcome:
    record = Record(NAME)
    record.result("all", "distinct query strings", "requests", size.requests)
    record.result("all", "requests per second", "1/s", rate)
    for name in ROLES:
        growth = late.resident[name] / early.resident[name] - 1
        for share, reading in (("20 %", early), ("100 %", late)):
            record.result(name, f"resident at {share}", "MiB", reading.resident[name] / MIB)
        cpu_us = 1e6 * late.cpu_s[name] / size.requests
        record.result(name, "CPU per request, start included", "us", cpu_us)
        record.result(name, "metric series at 100 %", "series", late.series[name])
        record.at_most(f"growth of the {name} from 20 % to 100 % (0.1 = 10 %)", size.growth, growth)
        # A series is made at the first event of its kind, which may come late. What must not bring one is a request.
        fresh = late.labels[name] - early.labels[name]
        record.at_most(f"values of labels that were new to the {name}'s metrics after 20 %", FIRST_EVENTS, fresh)
    record.result("store", "database", "MiB", late.database / MIB)
    record.result("store", "write-ahead log", "MiB", late.journal / MIB)
    record.at_most("MiB of the database (store.max_bytes)", size.store_mib, late.database / MIB)
    record.exactly("errors", 0, errors)
    return record.outcome()
