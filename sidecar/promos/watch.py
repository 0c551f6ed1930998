"""Follows the folder of promos.

It is read whole, several times a second. Notifications of the kernel miss the target of a symlink that lies
elsewhere, a folder that is made anew, and network file systems; reading 50 files takes a millisecond."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from .remembered import recalled, remember
from .standing import Change, Live, Standing, Status
from .sweep import sweep

logger = logging.getLogger("holdover.promos")


async def watch(
    folder: Path,
    state_folder: Path,
    publish: Callable[[Live, tuple[Status, ...]], None],
    interval_s: float = 0.25,
    standing: Standing | None = None,
) -> None:
    """Until it is cancelled. Who is to confirm removals passes the `standing`, made of what was recalled."""
    standing = standing or Standing(await asyncio.to_thread(recalled, state_folder))
    untold: Change | None = None
    unwritten: Change | None = None
    while True:
        try:
            if change := standing.step(await asyncio.to_thread(sweep, folder), time.time()):
                untold = unwritten = change
            if untold:
                publish(untold.live, untold.statuses)
                untold = None
            if unwritten:
                await asyncio.to_thread(remember, state_folder, unwritten.files)
                unwritten = None
        except Exception:
            logger.exception("the promos of %s could not be brought up to date; trying again", folder)
        await asyncio.sleep(interval_s)
