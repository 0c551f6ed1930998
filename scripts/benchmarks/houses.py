"""Folders of runs, and several proxy processes on one store that `holdover up` does not start."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.rig import House, running, write_house


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one run."""
    with TemporaryDirectory(prefix="holdover-bench-") as name:
        yield Path(name)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """The same in memory, where there is such a place: what is measured waits for no disk."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with TemporaryDirectory(prefix="holdover-bench-", dir=place) as name:
        yield Path(name)


@contextmanager
def proxies(root: Path, origin: str, count: int, *, sidecar: bool, **settings: Any) -> Iterator[list[House]]:
    """`count` running proxies, and a sidecar if wanted, as processes of their own that share store and socket."""
    # What is added to holdover.toml goes on inside its [sidecar] table.
    shared = f"socket = '{root}/sidecar.sock'\n\n[store]\nfolder = '{root}/store'\n"
    with ExitStack() as stack:
        if sidecar:
            house = write_house(root / "sidecar", origin, shared, **settings)
            stack.enter_context(running(house, "sidecar"))
        houses = [write_house(root / f"proxy{i}", origin, shared, **settings) for i in range(count)]
        for house in houses:
            stack.enter_context(running(house, "proxy"))
        yield houses
