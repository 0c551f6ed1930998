"""One reading of the folder of promos: what each file holds, and what it says lies beside it."""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .scan import MOST_BYTES

_SOURCE = re.compile(rb'"src"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Unread:
    sentence: str


type Found = bytes | Unread | None
"""None: there is no such file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading. `images`: those the files name that lie beside them. `mounts`: files that are mount points.
    `fault`: why the folder could not be read; then the rest tells nothing."""

    files: Mapping[str, bytes | Unread] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    mounts: frozenset[str] = frozenset()
    fault: str = ""


def sweep(folder: Path) -> Seen:
    """Editors' temporaries (a.json~, .a.json.swp, 4913, #a.json#, a.json___jb_tmp___) are no campaigns."""
    try:
        names = [path.name for path in folder.iterdir() if path.name.endswith(".json")]
        device = folder.stat().st_dev
    except OSError as error:
        return Seen(fault=f"the folder cannot be read: {error.strerror}; what was live stays")
    names = sorted(name for name in names if not name.startswith((".", "#", "___jb_")))
    files = {name: _read(folder / name) for name in names}
    points = _mount_points()
    mounts = frozenset(name for name in names if _is_mount(folder / name, device, points))
    return Seen(files, _images(folder, files.values()), mounts)


def _read(path: Path) -> bytes | Unread:
    try:
        # Opening a pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            return Unread("is no regular file")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        return Unread(f"cannot be read: {error.strerror}")


def _images(folder: Path, files: Iterable[bytes | Unread]) -> frozenset[str]:
    root, found = Path(os.path.realpath(folder)), set()
    for source in {s for data in files if isinstance(data, bytes) for s in _SOURCE.findall(data)}:
        try:
            name = json.loads(source)
            path = Path(os.path.realpath(root / name))
            if path.is_relative_to(root) and path.is_file():
                found.add(name)
        except (ValueError, OSError):
            continue  # no text, or no name of a file
    return frozenset(found)


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
