"""Follows the folder of promos.

It is read whole, several times a second. Notifications of the kernel miss the target of a symlink that lies
elsewhere, a folder that is made anew, and network file systems; reading 50 files takes a millisecond. Where
watchfiles is installed its notifications make the next reading come sooner."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .standing import Change, Standing
from .sweep import sweep

INTERVAL_S = 0.25
AGAIN_S = 0.05
"""After a reading that differs from the one before: what two readings agree on is believed."""
KEEP_AFTER_S = 0.05
"""Streams are told first: what is packed for the disk would hold the interpreter between any two of them."""

logger = logging.getLogger("holdover.promos")


async def watch(
    folder: Path,
    standing: Standing,
    publish: Callable[[Change], None],
    keep: Callable[[Change], None],
    *,
    nudge: asyncio.Event | None = None,
    notified: bool = True,
    read: Callable[[], None] = lambda: None,
) -> None:
    """Until it is cancelled. `keep` may write to disk: it is called off the event loop. Whoever sets `nudge` knows
    that there is something to be read. `notified`: whether to use watchfiles where it is installed. `read` is
    called after every reading."""
    nudge = nudge or asyncio.Event()
    untold: Change | None = None
    failing = _Failing(folder)
    async with _notifications(folder, nudge, notified), _keeper(folder, keep) as unkept:
        while True:
            nudge.clear()
            try:
                if change := standing.step(await asyncio.to_thread(sweep, folder), time.time()):
                    untold = change
                if untold:
                    publish(untold)
                    unkept.put_nowait(untold)
                    untold = None
                failing.over()
            except Exception as error:
                failing.tell(error)
            read()
            if standing.unsettled:
                await asyncio.sleep(AGAIN_S)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(nudge.wait(), INTERVAL_S)


@dataclass(slots=True)
class _Failing:
    """A disk that is full is so many times a second: what is told is told once."""

    folder: Path
    told: str = ""

    def tell(self, error: Exception) -> None:
        if self.told != (told := repr(error)):
            self.told = told
            logger.exception("the promos of %s could not be brought up to date; trying again", self.folder)

    def over(self) -> None:
        self.told = ""


@asynccontextmanager
async def _keeper(folder: Path, keep: Callable[[Change], None]) -> AsyncIterator[asyncio.Queue[Change]]:
    """Beside the readings: a disk that is slow holds back no kill."""
    unkept: asyncio.Queue[Change] = asyncio.Queue()
    task = asyncio.create_task(_keep(folder, unkept, keep))
    try:
        yield unkept
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(folder: Path, unkept: asyncio.Queue[Change], keep: Callable[[Change], None]) -> None:
    """All of them, and in order."""
    failing = _Failing(folder)
    while True:
        change = await unkept.get()
        await asyncio.sleep(KEEP_AFTER_S)
        while True:
            try:
                await asyncio.to_thread(keep, change)
                break
            except Exception as error:
                failing.tell(error)
                await asyncio.sleep(INTERVAL_S)
        failing.over()


@asynccontextmanager
async def _notifications(folder: Path, nudge: asyncio.Event, wanted: bool) -> AsyncIterator[None]:
    if not wanted or find_spec("watchfiles") is None:
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(_notify(folder, nudge, stop))
    try:
        yield
    finally:
        stop.set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _notify(folder: Path, nudge: asyncio.Event, stop: asyncio.Event) -> None:
    from watchfiles import awatch

    while not stop.is_set():
        with suppress(OSError, RuntimeError):
            async for _ in awatch(folder, debounce=40, step=10, stop_event=stop, recursive=True):
                nudge.set()
        # There is no such folder at the moment, or no more watches: readings go on without.
        await asyncio.sleep(1.0)
