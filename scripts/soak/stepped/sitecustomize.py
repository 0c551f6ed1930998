"""Python imports this at its start when its folder is on the path: the time of day is that of a clock that somebody
else sets. HOLDOVER_CLOCK names a file of eight bytes, the seconds that it is off. All see a step at once."""

import mmap
import os
import struct
import time
from pathlib import Path

_true = time.time
_true_ns = time.time_ns
_offset = struct.Struct("d")

if _file := os.environ.get("HOLDOVER_CLOCK"):
    with Path(_file).open("rb") as _opened:
        _shared = mmap.mmap(_opened.fileno(), _offset.size, prot=mmap.PROT_READ)

    def _off() -> float:
        value: float = _offset.unpack_from(_shared)[0]
        return value

    time.time = lambda: _true() + _off()
    time.time_ns = lambda: _true_ns() + int(_off() * 1e9)
