"""One of the processes that the supervisor keeps running, and how it is replaced."""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Event
from pathlib import Path

FIRST_DELAY_S = 0.05
LAST_DELAY_S = 5.0
SETTLED_S = 10.0
STOP_S = 10.0
READY_S = 60.0
_PR_SET_PDEATHSIG = 1

type Program = Callable[[Callable[[], None]], None]
"""A main function; it calls its argument once it serves."""

logger = logging.getLogger("holdover.supervisor")
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Run:
    """One life of a process; `deadline` is when it is killed, `since` when it was forked."""

    process: ForkProcess
    ready: Event
    since: float
    deadline: float = float("inf")

    @property
    def ended(self) -> bool:
        return not self.process.is_alive()


class Child:
    """Keeps `program` running under a name. Its own process id is in `NAME.pid` of `folder`."""

    def __init__(self, name: str, program: Program, folder: Path) -> None:
        self.name = name
        self.served = False
        self._program = program
        self._file = folder / f"{name}.pid"
        self._run: Run | None = None
        self._heir: Run | None = None
        self._leaving: list[Run] = []
        self._deaths = 0
        self._start_at = 0.0

    @property
    def runs(self) -> list[Run]:
        return [run for run in (self._run, self._heir, *self._leaving) if run is not None]

    def start_if_due(self, now: float) -> None:
        if self._run is None and now >= self._start_at:
            self._run = self._forked(now)
            self._announce()

    def bury(self, now: float) -> bool:
        """Plans the return of the dead. False when it cannot start at all: it ended before it ever served."""
        for old in [old for old in self._leaving if old.ended or now > old.deadline]:
            if not old.ended:
                logger.warning("the %s did not stop within %.0f s and was killed", self.name, STOP_S)
                old.process.kill()
            old.process.join()
            self._leaving.remove(old)
        run = self._run
        if run is None:
            return True
        self.served = self.served or run.ready.is_set()
        if not run.ended:
            return True
        self._run = None
        status = run.process.exitcode
        if not self.served:
            logger.error("the %s cannot start (exit status %s)", self.name, status)
            return False
        self._deaths = 0 if now - run.since > SETTLED_S else self._deaths + 1
        delay = min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._deaths, 10))
        self._start_at = now + delay
        logger.warning("the %s ended (exit status %s); back in %.2f s", self.name, status, delay)
        return True

    def replaced(self, clock: Callable[[], float]) -> Iterator[bool]:
        """Starts a successor, has the process drain once that serves, and waits for its end. False until then; True
        last, unless the successor cannot serve: then all stays as it is."""
        self._heir = heir = self._forked(clock())
        while not heir.ready.is_set():
            if heir.ended or clock() > heir.since + READY_S:
                heir.process.kill()
                heir.process.join()
                self._heir = None
                logger.error(
                    "the new %s cannot serve (exit status %s); the old stays", self.name, heir.process.exitcode
                )
                return
            yield False
        self._heir = None
        if self._run is not None:
            self._leave(self._run, clock())
        self._run = heir
        self._announce()
        while self._leaving:
            yield False
        yield True

    def stop(self, now: float) -> None:
        """Tells every process to end; `stopped` tells when they have."""
        for run in (self._run, self._heir):
            if run is not None:
                self._leave(run, now)
        self._run = self._heir = None

    def stopped(self, now: float) -> bool:
        self.bury(now)
        if self._leaving:
            return False
        self._file.unlink(missing_ok=True)
        return True

    def _leave(self, run: Run, now: float) -> None:
        run.process.terminate()
        self._leaving.append(Run(run.process, run.ready, run.since, now + STOP_S))

    def _forked(self, now: float) -> Run:
        ready = _fork.Event()
        process = _fork.Process(target=_become, args=(self.name, self._program, ready, os.getpid()))
        process.start()
        return Run(process, ready, now)

    def _announce(self) -> None:
        """Whoever reads the file at any moment finds a whole process id in it."""
        assert self._run is not None
        self._file.with_suffix(".new").write_text(f"{self._run.process.pid}\n")
        self._file.with_suffix(".new").replace(self._file)


def _become(name: str, program: Program, ready: Event, parent: int) -> None:
    """In the forked child: a process of its own that does not outlive the supervisor."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"holdover-{name}")
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    program(ready.set)
