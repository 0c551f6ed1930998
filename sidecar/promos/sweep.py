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

PIECE_BYTES = 65_536
_SOURCE = re.compile(rb'"src"\s*:\s*("(?!https://)(?:[^"\\]|\\.){1,500}")')
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
    """One reading. `pictures`: those the files name that lie beside them. `fault`: why the folder could not be read;
    then the rest tells nothing."""

    files: Mapping[str, bytes | Unread] = field(default_factory=dict)
    pictures: frozenset[tuple[str, Picture]] = frozenset()
    fault: str = ""


def sweep(folder: Path) -> Seen:
    """Names are relative to the folder. Editors' temporaries (a.json~, .a.json.swp, 4913, #a.json#,
    a.json___jb_tmp___) are no campaigns."""
    try:
        found = _campaigns(folder)
        with suppress(FileNotFoundError, NotADirectoryError):
            found |= {f"{COMPLIANCE}/{name}": real for name, real in _campaigns(folder / COMPLIANCE).items()}
        device = folder.stat().st_dev
    except OSError as error:
        return Seen(fault=f"the folder cannot be read: {error.strerror}; what was live stays")
    points = _mount_points()
    files: dict[str, bytes | Unread] = {}
    for name, real in sorted(found.items()):
        shown = os.fsencode(name).decode(errors="replace")
        if shown != name:
            files[shown] = Unread("has a name that is no UTF-8; rename it")
        elif real in points if points is not None else _is_mount(folder / name, device):
            files[name] = Unread("is mounted by itself: no save that renames is seen there; mount its folder")
        else:
            files[name] = _read(f"{folder}/{name}")
    return Seen(files, pictures(folder, files.values()))


def _campaigns(folder: Path) -> dict[str, str]:
    """Names, and where links lead. Nothing is asked about each file that is no link: there are hundreds, four times
    a second."""
    root = os.path.realpath(folder)
    with os.scandir(folder) as entries:
        return {
            entry.name: os.path.realpath(entry.path) if entry.is_symlink() else f"{root}/{entry.name}"
            for entry in entries
            if entry.name.endswith(".json") and not entry.name.startswith((".", "#", "___jb_"))
        }


def _read(path: str) -> bytes | Unread:
    try:
        # Without it, opening a pipe waits for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(file) if stat.S_ISREG(os.fstat(file).st_mode) else Unread("is no regular file")
        finally:
            os.close(file)
    except OSError as error:
        return Unread(f"cannot be read: {error.strerror}")


def _content(file: int) -> bytes:
    """In pieces: to ask for a mebibyte is to allocate one."""
    parts, left = [], MOST_BYTES + 1
    while left and (part := os.read(file, min(left, PIECE_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def pictures(folder: Path, files: Iterable[bytes | Unread]) -> frozenset[tuple[str, Picture]]:
    """Images that lie in the folder and that the files name."""
    root, found = Path(os.path.realpath(folder)), set()
    named = {source for data in files if isinstance(data, bytes) for source in _SOURCE.findall(data)}
    for source in sorted(named)[:MOST_IMAGES]:
        try:
            name = json.loads(source)
            path = Path(os.path.realpath(root / name))
            if path.is_relative_to(root) and stat.S_ISREG((told := path.stat()).st_mode):
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


def _is_mount(path: Path, device: int) -> bool:
    """Where there is no mount table. With one it is not asked: a file that is bound from the folder's own file system
    has the folder's device, and files on an overlay may have another without being mounted."""
    try:
        return not path.is_symlink() and path.stat().st_dev != device
    except OSError:
        return False
