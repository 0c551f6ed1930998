"""Starts an emulated vendor as a process of its own, for tests and benchmarks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.rig import fetch_json, listening


@dataclass
class Running:
    """A vendor that listens at `url`."""

    url: str
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, Any]:
        return dict(fetch_json(f"{self.url}/_stats"))

    def reset(self) -> None:
        fetch_json(f"{self.url}/_stats/reset", {})

    def control(self, **entries: object) -> dict[str, Any]:
        """For example `control(advance_s=120, move=3)`. Raises HTTPError when an entry is refused."""
        return dict(fetch_json(f"{self.url}/_control", entries))

    def truth(self) -> dict[str, Any]:
        return dict(fetch_json(f"{self.url}/_truth"))


@contextmanager
def running(vendor: str, **options: object) -> Iterator[Running]:
    """Options as `scripts.rig.listening` has them."""
    with listening("scripts.emulator.vendors", vendor, **options) as (url, process):
        yield Running(url, process)
