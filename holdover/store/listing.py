"""The entries in the shared store, for who must not change it: opened as a cache it would be mended, trimmed and set
up. The table is diskcache's, the rows are those that `holdover.store.disk` writes."""

from collections.abc import Iterator
from pathlib import Path

from holdover.entry import Entry, decode
from holdover.store.readonly import ReadOnly

FILE = "cache.db"
_AT_ONCE = 64
_SELECT = (
    "SELECT rowid, key, value FROM Cache WHERE rowid > ? AND raw = 1 AND typeof(key) = 'text' AND mode = 1 "
    "AND typeof(value) = 'blob' ORDER BY rowid LIMIT ?"
)


def entries(folder: Path) -> Iterator[Entry]:
    """All readable ones, in the order in which their keys were first stored. Raises StoreError."""
    database = ReadOnly(folder / FILE, lambda _: None)
    last = 0
    while rows := database.read(_SELECT, (last, _AT_ONCE)):
        for last, key, value in rows:  # noqa: B007
            if (entry := decode(value)) is not None and entry.key == key:
                yield entry
