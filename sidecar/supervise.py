"""Runs the processes of holdover and has them back when they die.

They are forked from a process that has imported everything: mitmproxy alone takes two seconds to import, a fork some
ten milliseconds. So the supervisor itself stays without threads and without an event loop."""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from pathlib import Path

FIRST_DELAY_S = 0.05
LAST_DELAY_S = 5.0
SETTLED_S = 10.0
STOP_S = 10.0
POLL_S = 0.05
_PR_SET_PDEATHSIG = 1

type Program = Callable[[Callable[[], None]], None]
"""A main function; it calls its argument once it serves."""

logger = logging.getLogger("holdover.supervisor")


@dataclass(slots=True)
class _Child:
    name: str
    run: Program
    ready: Event
    process: ForkProcess | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


class Supervisor:
    """Keeps `programs` running, each by its name. One that ends before it was ever ready cannot start, and that ends
    everything."""

    def __init__(self, programs: Mapping[str, Program], run_folder: Path) -> None:
        self._fork = multiprocessing.get_context("fork")
        self._children = [_Child(name, run, self._fork.Event()) for name, run in programs.items()]
        self._folder = run_folder
        self._stopping = False

    def run(self, announce: str) -> int:
        """Until SIGTERM or SIGINT. Prints `announce` once all are ready. Returns the exit status."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        announced = False
        while not self._stopping:
            self._start_due()
            wait([c.process.sentinel for c in self._children if c.process], POLL_S)
            if not self._bury():
                self._end()
                return 1
            if not announced and all(child.ready.is_set() for child in self._children):
                announced = True
                print(announce, flush=True)  # noqa: T201
        self._end()
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and now >= child.start_at:
                child.started_at = now
                child.process = self._fork.Process(target=_become, args=(child, os.getpid()))
                child.process.start()
                self._announce(child.name, child.process.pid)

    def _announce(self, name: str, pid: int | None) -> None:
        """Whoever reads the file at any moment finds a whole process id in it."""
        file = self._folder / f"{name}.pid"
        file.with_suffix(".new").write_text(f"{pid}\n")
        file.with_suffix(".new").replace(file)

    def _bury(self) -> bool:
        """Plans the return of the dead. False when one of them cannot start at all."""
        for child in self._children:
            if child.process is None or child.process.is_alive():
                continue
            now, status = time.monotonic(), child.process.exitcode
            child.process.close()
            child.process = None
            if self._stopping:
                continue
            if not child.ready.is_set():
                logger.error("the %s cannot start (exit status %s)", child.name, status)
                return False
            child.deaths = 0 if now - child.started_at > SETTLED_S else child.deaths + 1
            delay = min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(child.deaths, 10))
            child.start_at = now + delay
            logger.warning("the %s ended (exit status %s); back in %.2f s", child.name, status, delay)
        return True

    def _end(self) -> None:
        """Stops in reverse order: the proxy, which asks the sidecar, goes first."""
        self._stopping = True
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.process.terminate()
            child.process.join(STOP_S)
            if child.process.is_alive():
                logger.warning("the %s did not stop within %.0f s and was killed", child.name, STOP_S)
                child.process.kill()
                child.process.join()
        for child in self._children:
            (self._folder / f"{child.name}.pid").unlink(missing_ok=True)


def _become(child: _Child, parent: int) -> None:
    """In the forked child: a process of its own that does not outlive the supervisor."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"holdover-{child.name}")
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    child.run(child.ready.set)
