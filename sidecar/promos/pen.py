"""Writes files of promos: who and why first, and nothing over what somebody else has written meanwhile."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .decide import digest
from .durable import replace, sync
from .folder import KILL, is_pack
from .history import History
from .sweep import sweep

MODE = 0o644

logger = logging.getLogger("holdover.promos")

type Drafts = Mapping[str, bytes | None]
"""Content by file; None removes it."""
type Wrote = Literal["published", "rolled-back"]


class Overtaken(Exception):
    """Somebody else wrote the file that is named, after it was looked at."""


@dataclass(frozen=True, slots=True)
class Pen:
    folder: Path
    history: History

    def write(self, drafts: Drafts, seen: Mapping[str, str], who: str, why: str, what: Wrote) -> None:
        """`seen`: digests of what was looked at. The watcher looks for who and why as soon as it sees the files.
        Blocks. Raises Overtaken and OSError."""
        self._same(seen)
        detail = {name: digest(data) for name, data in drafts.items()}
        try:
            if what == "rolled-back":
                detail |= {f"before {name}": self._preserved(name) for name in drafts}
            self.history.append(what, who, why, time.time(), detail=detail)
        except OSError:
            # What is dangerous has to go, recorded or not.
            if drafts.keys() != {KILL}:
                raise
            logger.exception("%r, by %r, could not be recorded", why, who)
        for name, data in drafts.items():
            self._same({name: seen[name]} if name in seen else {})
            path = self.folder / name
            if data is None:
                path.unlink(missing_ok=True)
                sync(path.parent)
                continue
            if is_pack(name):
                path.parent.mkdir(exist_ok=True)
            # What a link in the folder leads to is edited; the link stays.
            replace(path.resolve() if path.is_symlink() else path, data, MODE)

    def _same(self, seen: Mapping[str, str]) -> None:
        now = sweep(self.folder).files if seen else {}
        for name, tag in seen.items():
            if digest(now.get(name)) != tag:
                raise Overtaken(name)

    def _preserved(self, name: str) -> str:
        """What is written over may be nowhere else: of what was not live there is no record."""
        try:
            return self.history.preserve((self.folder / name).read_bytes())
        except FileNotFoundError:
            return ""
