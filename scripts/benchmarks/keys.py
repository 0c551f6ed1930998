"""From ten to ten thousand hot keys: what does a hit cost, and what the refresh of a key that nobody asks for?"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

from scripts.rig import Emulator, House, emulator, write_house

from . import machine, peers, raw
from .houses import memory_folder
from .outcome import Outcome, Record
from .peers import Server
from .raw import Client, Crowd

NAME = "keys"
MIB = 1024 * 1024
TARGET = "/v4/sports/soccer_epl/odds?apiKey=client&markets=h2h&bookmakers=unibet&number="
PLENTY: dict[str, Any] = {"rate_per_s": 10_000, "burst": 10_000, "idle_after_s": 3600, "max_stale_s": 3600}
CLIENTS = 32
LONGEST_S = 600.0
"""Of fetching all keys for the first time."""
TELLING = 1_000
"""Fewer keys than that say nothing about the memory that one takes."""


@dataclass(frozen=True, slots=True)
class Size:
    """Refreshes come at one rate, whatever the number of keys: the window grows with it."""

    keys: tuple[int, ...] = (10, 100, 1_000, 10_000)
    refreshes_per_s: float = 200.0
    least_window_s: float = 1.0
    hits_s: float = 5.0
    refresh_s: float = 20.0


FULL, QUICK = Size(), Size((10, 400), hits_s=1, refresh_s=2)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    for count in size.keys:
        window_s = max(size.least_window_s, count / size.refreshes_per_s)
        with memory_folder() as root, emulator(latency_p50_ms=0, rate=0, events=5, quota=10**9) as provider:
            house = write_house(root / "house", provider.url, window_s=window_s, **PLENTY)
            with peers.holdover(house) as server, machine.apart(server.pids(), [provider.process.pid]):
                _hits(record, count, size, house, server)
                # All keys are refreshed together, at the boundaries of their window.
                seconds = window_s * math.ceil(size.refresh_s / window_s)
                _refreshes(record, count, seconds, house, provider)
    return record.outcome()


def _hits(record: Record, count: int, size: Size, house: House, server: Server) -> None:
    asked = [raw.request(f"{TARGET}{number}") for number in range(count)]
    random.Random(1).shuffle(asked)
    empty = machine.resident_bytes(house.pid("proxy"))
    _ask(server, asked, 0.0)
    grown = machine.resident_bytes(house.pid("proxy")) - empty
    before = _cpu_s(house.pid("proxy"))
    requests = _ask(server, asked, size.hits_s)
    # That the proxy takes up what was refreshed meanwhile is among it.
    record.result(_named(count), "proxy: CPU per hit", "us", 1e6 * (_cpu_s(house.pid("proxy")) - before) / requests)
    record.result(_named(count), "hits per second", "1/s", requests / size.hits_s)
    if count >= TELLING:
        record.result(_named(count), "proxy: resident per 1,000 keys", "MiB", 1000 * grown / count / MIB)


def _refreshes(record: Record, count: int, seconds: float, house: House, provider: Emulator) -> None:
    """Nobody asks meanwhile."""
    parts = {"sidecar": house.pid("sidecar"), "proxy": house.pid("proxy")}
    provider.reset()
    before = {name: _cpu_s(pid) for name, pid in parts.items()}
    time.sleep(seconds)
    refreshes = provider.stats()["requests"]
    record.result(_named(count), "refreshes per second", "1/s", refreshes / seconds)
    for name, pid in parts.items():
        cost = 1e6 * (_cpu_s(pid) - before[name]) / max(1, refreshes)
        record.result(_named(count), f"{name}: CPU per refresh", "us", cost)


def _named(count: int) -> str:
    return f"holdover, {count:,} keys"


def _cpu_s(pid: int) -> float:
    return sum(machine.cpu_seconds(one) for one in machine.tree(pid))


def _ask(server: Server, asked: Sequence[bytes], seconds: float) -> int:
    """Asks for all keys in turn for that long, or once each when that is 0; the number of requests."""
    shares = [asked[number::CLIENTS] for number in range(min(CLIENTS, len(asked)))]
    crowd = Crowd(
        [Client(partial(raw.plain, server.port), cycle(share) if seconds else iter(share)) for share in shares]
    )
    answers = crowd.ask(seconds or LONGEST_S)
    crowd.close()
    if wrong := [answer.status for answer in answers if answer.status != 200]:
        raise RuntimeError(f"{len(wrong)} answers were no 200 but {wrong[0]}")
    return len(answers)
