"""Runs the processes of holdover and has them back when they die.

They are forked from a process that has imported everything: mitmproxy alone takes two seconds to import, a fork some
ten milliseconds. So the supervisor itself stays without threads and without an event loop."""

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from .child import Child, Program

POLL_S = 0.05

logger = logging.getLogger("holdover.supervisor")


class Supervisor:
    """Keeps programs running, each by its name: `alone`, of which there can be only one at a time, and `workers`,
    which SIGHUP replaces one after the other. One that ends before it ever served cannot start, and that ends
    everything. `before_replacing` is called before the first of them is replaced, `before_end` first when all is to
    stop."""

    def __init__(
        self,
        folder: Path,
        *,
        alone: Mapping[str, Program],
        workers: Mapping[str, Program],
        before_replacing: Callable[[], None] = lambda: None,
        before_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._alone = [Child(name, run, folder) for name, run in alone.items()]
        self._workers = [Child(name, run, folder) for name, run in workers.items()]
        self._before_replacing = before_replacing
        self._before_end = before_end
        self._stopping = False
        self._asked_to_replace = False
        self._replacing: Iterator[bool] = iter(())

    def run(self, announce: str) -> int:
        """Until SIGTERM or SIGINT. Prints `announce` once all serve. Returns the exit status."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._replace)
        children = [*self._alone, *self._workers]
        announced = False
        while not self._stopping:
            now = time.monotonic()
            for child in children:
                child.start_if_due(now)
            if announced:
                self._go_on_replacing()
            wait([run.process.sentinel for child in children for run in child.runs], POLL_S)
            if not all(child.bury(time.monotonic()) for child in children):
                self._end()
                return 1
            if not announced and all(child.served for child in children):
                announced = True
                print(announce, flush=True)  # noqa: T201
        self._end()
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _replace(self, *_: object) -> None:
        self._asked_to_replace = True

    def _go_on_replacing(self) -> None:
        """One step. Who asks again meanwhile may have changed something since: all begins anew then, afterwards."""
        if next(self._replacing, None) is None and self._asked_to_replace:
            self._asked_to_replace = False
            self._replacing = self._all_replaced()

    def _all_replaced(self) -> Iterator[bool]:
        logger.info("the workers are replaced, one after the other")
        self._before_replacing()
        for worker in self._workers:
            replaced = False
            for replaced in worker.replaced(time.monotonic):
                yield replaced
            if not replaced:
                return
        logger.info("all workers are new")

    def _end(self) -> None:
        """Proxies, which ask the sidecar, go first."""
        self._before_end()
        _end(self._workers)
        _end(self._alone)


def _end(children: Sequence[Child]) -> None:
    for child in children:
        child.stop(time.monotonic())
    while not all(child.stopped(time.monotonic()) for child in children):
        wait([run.process.sentinel for child in children for run in child.runs], POLL_S)
