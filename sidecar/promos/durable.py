"""Writes that are on disk when they return. All raise OSError."""

import os
import tempfile
from pathlib import Path


def append(path: Path, data: bytes) -> None:
    """To the end of a file, which is made where there is none. A stop may leave a part of it."""
    fresh = not path.exists()
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        sync(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """A stop leaves all of it or nothing. `mode`: of the file afterwards."""
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """A new name is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
