"""The history as pages need it: what is slow is asked off the event loop, and kept."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..promos.history import History
from ..promos.objects import HistoryError
from ..promos.record import Record, digest
from .past import MOST_ENTRIES, Entry, Summary, Wanted, entry, summary

MOST_SEARCHED = 1_000
"""Records of which it is asked what they made different, to find those of a file or promo."""
MOST_KEPT = 5_000
VERIFY_S = 600.0
"""After which the objects are read again though nothing was written."""
WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Listing:
    """`older`: records beyond those that were searched."""

    entries: tuple[Entry, ...]
    found: int
    page: int
    pages: int
    older: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What is not as it was written, by the records that were there then."""

    records: int
    last: str
    at: float
    wrong: tuple[str, ...]


@dataclass(slots=True)
class Archive:
    """Blocks, but for `verified`. Raises OSError."""

    history: History
    _summaries: dict[str, Summary] = field(default_factory=dict)
    _checking: asyncio.Task[Checked] | None = None

    def listing(self, wanted: Wanted, now: float) -> Listing:
        kept = [record for record in reversed(self.history.records()) if wanted.takes(record)]
        older = 0
        if wanted.narrow:
            older = max(0, len(kept) - MOST_SEARCHED)
            kept = [record for record in kept[:MOST_SEARCHED] if wanted.has(self.summary(record))]
        pages = max(1, -(-len(kept) // MOST_ENTRIES))
        page = min(wanted.page, pages)
        here = kept[(page - 1) * MOST_ENTRIES : page * MOST_ENTRIES]
        return Listing(
            tuple(entry(record, self.summary(record), now) for record in here), len(kept), page, pages, older
        )

    def summary(self, record: Record) -> Summary:
        """Its hash names all of it, so it is asked once."""
        key = digest(record.line())
        if (found := self._summaries.get(key)) is None:
            if len(self._summaries) >= MOST_KEPT:
                self._summaries.clear()
            try:
                found = self._summaries[key] = summary(record, *self.history.changed(record))
            except HistoryError as error:
                return Summary((str(error),))
        return found

    def now(self) -> Mapping[str, bytes]:
        """What is in force. Raises HistoryError."""
        last = next((record for record in reversed(self.history.records()) if record.set), None)
        return self.history.files(last) if last else {}

    async def verified(self) -> Checked | None:
        """None while it is being looked at, which takes a while for thousands of records."""
        records = await asyncio.to_thread(self.history.records)
        last = records[-1].hash if records else ""
        old = self._checking
        if old is None or (old.done() and _stale(old.result(), len(records), last)):
            self._checking = asyncio.create_task(asyncio.to_thread(self._verify, len(records), last))
        assert self._checking is not None
        await asyncio.wait([self._checking], timeout=WAIT_S)
        return self._checking.result() if self._checking.done() else None

    def _verify(self, records: int, last: str) -> Checked:
        try:
            wrong = self.history.verify()
        except OSError as error:
            wrong = (f"it cannot be read: {error.strerror or error}",)
        return Checked(records, last, time.time(), wrong)


def _stale(told: Checked, records: int, last: str) -> bool:
    return (told.records, told.last) != (records, last) or time.time() - told.at > VERIFY_S
