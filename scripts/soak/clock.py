"""A clock that can be stepped and stopped, for Python processes that are started with its `environment`.

It moves `time.time`, by which everything in holdover tells the time of day. What measures spans goes on evenly, as on
a machine whose clock is set. libfaketime was tried: it stalls processes that fork and have threads for seconds."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "stepped"


class Clock:
    """`file` is made anew, and holds how fast the clock goes and by how much it is off."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.write_bytes(struct.pack("dd", 1.0, 0.0))

    @property
    def environment(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {"PYTHONPATH": path, "HOLDOVER_CLOCK": str(self._file)}

    def step(self, seconds: float) -> None:
        """Sets the clock that many seconds ahead of the true time, at one moment for all."""
        self._set(1.0, seconds)

    def stop(self, at: float) -> None:
        """It is `at`, and stays so."""
        self._set(0.0, at)

    def _set(self, speed: float, offset: float) -> None:
        with self._file.open("rb+", buffering=0) as file:
            file.write(struct.pack("dd", speed, offset))
