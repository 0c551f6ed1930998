"""Load by wrk: each connection asks anew as soon as it has its answer."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts.rig import HOST

from . import tools

SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of load came to; `errors` are requests without a good answer."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int = 0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


CLOSE = "Connection: close"


def run(port: int, target: str, *fields: str, seconds: int = 1, connections: int = 32, tls: bool = False) -> Load:
    """`fields` are header lines. wrk resumes TLS sessions when it connects again. Raises RuntimeError."""
    # After an answer that does not repeat `close` wrk asks once more, and counts that the connection has ended.
    ends = CLOSE in fields
    command = [tools.path("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "15s", "-s", str(SCRIPT)]
    for field in (f"Host: {HOST}", *fields):
        command += ["-H", field]
    url = f"{'https' if tls else 'http'}://{HOST}:{port}{target}"
    told = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60, check=False)
    if told.returncode:
        raise RuntimeError(f"wrk failed: {(told.stderr or told.stdout).strip()}")
    return parse(told.stdout, ends=ends)


def parse(text: str, *, ends: bool = False) -> Load:
    """From wrk's output, which ends in the line of wrk.lua; `ends`: connections that end are no error. Raises
    ValueError."""
    line = text.rstrip().rpartition("\n")[2]
    try:
        told = json.loads(line)
        return Load(
            told["requests"],
            told["us"] / 1e6,
            told["p50_us"] / 1e3,
            told["p99_us"] / 1e3,
            told["max_us"] / 1e3,
            told["errors"] + (0 if ends else told["ended"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"wrk did not end in a line of wrk.lua but in {line!r}") from error
