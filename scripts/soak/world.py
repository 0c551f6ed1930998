"""What a soak runs: an emulated provider, the origin that spoils its answers, holdover, and what befalls them."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.fault_origin.faults import FAULTS
from scripts.fault_origin.launch import Running, fault_origin
from scripts.rig import Emulator, House, emulator, running, wait_for, write_house

from .clock import Clock

LIMIT_S, TIMEOUT_S = 8, 2
BACK_S = 20.0
"""Within which odds are new again after any trouble: the circuit stays open for up to 8 s, refreshes rest for 4 s."""
ERRORS = '[[errors]]\nmeans = "error"\npointer = "/error_code"\n'
UNSEEN = frozenset({"smuggled-late"})
"""Faults that nobody can tell from a good answer when the next request was sent already."""


@dataclass
class World:
    """Everything that runs; `stop` ends whatever waits."""

    provider: Emulator
    origin: Running
    house: House
    clock: Clock
    stop: threading.Event

    def wait(self, seconds: float) -> None:
        self.stop.wait(seconds)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    with ExitStack() as stack:
        options = {"latency_p50_ms": 40, "latency_p95_ms": 120, "rate": 0, "tick_s": 0.5}
        provider = stack.enter_context(emulator(**options))
        origin = stack.enter_context(fault_origin("--relay", provider.url))
        settings: dict[str, Any] = {"max_stale_s": LIMIT_S, "timeout_s": TIMEOUT_S, "extra": ERRORS}
        house = write_house(folder / "house", origin.url, "", proxy="workers = 2", **settings)
        clock = Clock(folder / "clock")
        house.extra_environment = clock.environment
        stack.enter_context(running(house))
        yield World(provider, origin, house, clock, threading.Event())


type Trouble = Callable[[World, random.Random], None]
"""Begins and ends: everything is as it was when it returns, or recovers by itself."""


def provider_faults(here: World, draw: random.Random) -> None:
    name = draw.choice(sorted(set(FAULTS) - UNSEEN))
    here.origin.play({"/odds": name})
    here.wait(draw.uniform(1, LIMIT_S + 4))
    here.origin.play({})


def killed(here: World, draw: random.Random) -> None:
    for name in draw.sample(["sidecar", "proxy", "proxy-1"], draw.randint(1, 3)):
        os.kill(here.house.pid(name), signal.SIGKILL)
        here.wait(draw.uniform(0, 0.5))


def stopped(here: World, draw: random.Random) -> None:
    pid = here.house.pid(draw.choice(["sidecar", "proxy", "proxy-1"]))
    with _gone_is_fine():
        os.kill(pid, signal.SIGSTOP)
    here.wait(draw.uniform(0.5, 6))
    with _gone_is_fine():
        os.kill(pid, signal.SIGCONT)


def replaced(here: World, _: random.Random) -> None:
    assert here.house.process is not None
    here.house.process.send_signal(signal.SIGHUP)


def cache_locked(here: World, draw: random.Random) -> None:
    path = _store(here) / "cache.db"
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        here.wait(draw.uniform(0.5, 5))


def cache_damaged(here: World, draw: random.Random) -> None:
    with suppress(OSError), (_store(here) / "cache.db").open("r+b") as file:
        file.write(draw.randbytes(40_000))


def cache_deleted(here: World, draw: random.Random) -> None:
    if draw.random() < 0.5:
        shutil.rmtree(_store(here), ignore_errors=True)
    else:
        (_store(here) / "cache.db").unlink(missing_ok=True)


def disk_unwritable(here: World, draw: random.Random) -> None:
    """Every write to a file fails, as on a disk that is full or read-only."""
    pids = [here.house.pid(name) for name in ("sidecar", "proxy", "proxy-1")]
    for pid in pids:
        with _gone_is_fine():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    here.wait(draw.uniform(1, 6))
    for pid in pids:
        with _gone_is_fine():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def clock_stepped(here: World, draw: random.Random) -> None:
    here.clock.step(draw.choice([300, -300, 3600, -3600]))
    here.wait(draw.uniform(1, 6))
    here.clock.step(0)


TROUBLES: tuple[tuple[Trouble, int], ...] = (
    (provider_faults, 6),
    (killed, 3),
    (stopped, 2),
    (replaced, 1),
    (cache_locked, 1),
    (cache_damaged, 1),
    (cache_deleted, 1),
    (disk_unwritable, 1),
    (clock_stepped, 2),
)
"""With how often each comes, in proportion."""


def settled(here: World) -> None:
    """Until everything runs again."""
    names = ("sidecar", "proxy", "proxy-1")
    wait_for(lambda: all(_alive(here.house.pid(name)) for name in names), 30)


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    """A process that was killed meanwhile."""
    with suppress(ProcessLookupError):
        yield


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _store(here: World) -> Path:
    return here.house.folder / "var" / "store"


def pause(here: World, draw: random.Random) -> None:
    """Between two troubles; now and then long enough for all to be well."""
    here.wait(draw.choice([0.0, 0.5, 1.0, 3.0]))
