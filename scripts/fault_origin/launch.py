"""Starts the origin as a process of its own, for tests and soaks."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.rig import fetch_json, listening


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
    with listening("scripts.fault_origin", *arguments) as (url, process):
        yield Running(url, process)
