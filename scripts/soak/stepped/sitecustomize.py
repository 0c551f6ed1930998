"""Python imports this at its start when its folder is on the path: the time of day is that of a clock that somebody
else sets. HOLDOVER_CLOCK names a file of two doubles: how fast it goes, and the seconds that it is off. All see a
change at once."""

import mmap
import os
import struct
import time
from pathlib import Path

_true = time.time
_setting = struct.Struct("dd")

if _file := os.environ.get("HOLDOVER_CLOCK"):
    with Path(_file).open("rb") as _opened:
        _shared = mmap.mmap(_opened.fileno(), _setting.size, prot=mmap.PROT_READ)

    def _now() -> float:
        speed, offset = _setting.unpack_from(_shared)
        return float(speed * _true() + offset)

    time.time = _now
    time.time_ns = lambda: int(_now() * 1e9)
