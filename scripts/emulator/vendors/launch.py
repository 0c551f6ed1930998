"""Starts an emulated vendor as a process of its own, for tests and benchmarks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.rig import ROOT, fetch_json, stop


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
    """Options by their command-line names, `spacing_s=0` for `--spacing-s 0`; a list repeats its option."""
    arguments = [sys.executable, "-m", "scripts.emulator.vendors", vendor]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            arguments += [f"--{name.replace('_', '-')}", str(each)]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"the vendor {vendor} did not start: {line!r}")
        yield Running(line.split()[1], process)
    finally:
        stop(process)
        process.stdout.close()
