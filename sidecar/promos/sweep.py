"""One reading of the folder of promos: what each file holds, and what it says lies beside it."""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import imagesize

from .document import Picture
from .folder import COMPLIANCE
from .scan import MOST_BYTES

_SOURCE = re.compile(rb'"src"\s*:\s*("(?:[^"\\]|\\.){1,500}")')
"""What is longer is looked up in minutes: each of its folders, from the root."""
MOST_IMAGES = 2_000
"""Looked up at every reading, 50 µs each. Of more, the first by name."""


@dataclass(frozen=True, slots=True)
class Unread:
    sentence: str


type Found = bytes | Unread | None
"""None: there is no such file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading. `pictures`: those the files name that lie beside them. `mounts`: files that are mount points.
    `fault`: why the folder could not be read; then the rest tells nothing."""

    files: Mapping[str, bytes | Unread] = field(default_factory=dict)
    pictures: frozenset[tuple[str, Picture]] = frozenset()
    mounts: frozenset[str] = frozenset()
    fault: str = ""


def sweep(folder: Path) -> Seen:
    """Names are relative to the folder. Editors' temporaries (a.json~, .a.json.swp, 4913, #a.json#,
    a.json___jb_tmp___) are no campaigns."""
    try:
        names = _names(folder)
        device = folder.stat().st_dev
        with suppress(FileNotFoundError, NotADirectoryError):
            names += [f"{COMPLIANCE}/{name}" for name in _names(folder / COMPLIANCE)]
    except OSError as error:
        return Seen(fault=f"the folder cannot be read: {error.strerror}; what was live stays")
    files = {name: _read(folder / name) for name in sorted(names)}
    points = _mount_points()
    mounts = frozenset(name for name in names if _is_mount(folder / name, device, points))
    return Seen(files, pictures(folder, files.values()), mounts)


def _names(folder: Path) -> list[str]:
    found = (path.name for path in folder.iterdir() if path.name.endswith(".json"))
    return [name for name in found if not name.startswith((".", "#", "___jb_"))]


def _read(path: Path) -> bytes | Unread:
    try:
        # Opening a pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            return Unread("is no regular file")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        return Unread(f"cannot be read: {error.strerror}")


def pictures(folder: Path, files: Iterable[bytes | Unread]) -> frozenset[tuple[str, Picture]]:
    """Images that lie in the folder and that the files name."""
    root, found = Path(os.path.realpath(folder)), set()
    named = {source for data in files if isinstance(data, bytes) for source in _SOURCE.findall(data)}
    for source in sorted(named)[:MOST_IMAGES]:
        try:
            name = json.loads(source)
            path = Path(os.path.realpath(root / name))
            if path.is_relative_to(root) and path.is_file():
                told = path.stat()
                found.add((name, _picture(path, told.st_mtime_ns, told.st_size, told.st_ino)))
        except (ValueError, OSError):
            continue  # no text, or no name of a file
    return frozenset(found)


@lru_cache(maxsize=4096)
def _picture(path: Path, _written: int, size: int, _inode: int) -> Picture:
    """Read again when it was written."""
    try:
        width, height = imagesize.get(path)
    except Exception:
        # Of damaged headers the library raises what comes: struct.error, ValueError, ParseError.
        return Picture(0, 0, size)
    return Picture(max(width, 0), max(height, 0), size)


def _mount_points() -> frozenset[str] | None:
    """None where the system does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    return frozenset(re.sub(r"\\([0-7]{3})", lambda o: chr(int(o[1], 8)), line.split(" ")[4]) for line in lines)


def _is_mount(path: Path, device: int, points: frozenset[str] | None) -> bool:
    """By the mount table: a file that is bound from the folder's own file system has the folder's device, and files
    on an overlay may have another without being mounted."""
    if points is not None:
        return os.path.realpath(path) in points
    try:
        return not path.is_symlink() and path.stat().st_dev != device
    except OSError:
        return False
