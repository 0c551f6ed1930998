"""A place in memory for files that need not outlive the machine."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is checked to be its owner's alone
MOUNTS = Path("/proc/mounts")


def folder_in_memory(
    beside: Path, max_bytes: int, *, mount: Path = SHARED_MEMORY, mounts: Path = MOUNTS
) -> Path | None:
    """The folder in shared memory that belongs to the folder `beside`, the same for every process of a user; None
    where there is no shared memory, or not room for twice `max_bytes` in all of it."""
    with suppress(OSError):
        lines = [line.split() for line in mounts.read_text().splitlines()]
        if not any(line[1:3] == [str(mount), "tmpfs"] for line in lines):
            return None
        room = os.statvfs(mount)
        # Of all of it, not of what is free: the cache itself takes room, and must be found where it was.
        if room.f_frsize * room.f_blocks < 2 * max_bytes or not os.access(mount, os.W_OK):
            return None
        name = hashlib.sha256(os.fsencode(beside)).hexdigest()[:16]
        return mount / f"holdover-{os.geteuid()}-{name}"
    return None
