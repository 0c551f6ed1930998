"""What proved a projection wrong, kept for people to look at: one folder of files each, the latest few."""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from holdover.store.base import StoreError
from holdover.store.database import make_private

MAX_KEPT = 20
_OURS = re.compile(r"[0-9]{8}T[0-9]{12}Z-.+")


def keep(folder: Path, name: str, files: Mapping[str, bytes], now: float) -> Path:
    """Writes `files` into a new folder in `folder` and returns it; `now` in Unix seconds. What holds no name of ours
    in `folder` is left alone. Raises StoreError."""
    made = folder / f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S%f}Z-{_safe(name)}"
    try:
        make_private(folder.parent)
        if folder.is_symlink():
            raise StoreError(f"{folder} is a symbolic link; holdover makes that folder itself")
        make_private(folder)
        made.mkdir(mode=0o700, exist_ok=True)
        for file, content in files.items():
            (made / _safe(file)).write_bytes(content)
        for old in sorted(path for path in folder.iterdir() if _OURS.fullmatch(path.name))[:-MAX_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be used: {error.strerror}") from error
    return made


def _safe(name: str) -> str:
    """One plain path segment."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".")[:100] or "_"
