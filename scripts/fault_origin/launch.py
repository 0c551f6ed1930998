"""Starts the origin as a process of its own, for tests and soaks."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.rig import ROOT, fetch_json, stop


@dataclass
class Running:
    """An origin that listens at `url`."""

    url: str
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, Any]:
        return dict(fetch_json(f"{self.url}/_stats"))

    def play(self, faults: Mapping[str, str], latency_s: float = 0.0) -> None:
        """These faults and no others: by a text in the targets, the fault's name."""
        fetch_json(f"{self.url}/_control", {"faults": dict(faults), "latency_s": latency_s})


@contextmanager
def fault_origin(*arguments: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "scripts.fault_origin", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"the origin did not start: {line!r}")
        yield Running(line.split()[1], process)
    finally:
        stop(process)
        process.stdout.close()
