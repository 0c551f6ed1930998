"""Every set of files that was accepted, and who did what when: kept for ever, so that a change can be seen.

In its folder are `objects/ab/cdef…`, named by the SHA-256 of what they hold and shared by all sets; `audit.jsonl`, a
line for each record, each with the hash of the line before; `head`, which line was written last."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdover import __version__

from .durable import append, replace
from .objects import Objects
from .record import DIGEST, Head, Record, What, broken, parsed, stamp

LOCK_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Unfound:
    """Nothing, or several, are named so; `sentence` tells what there is."""

    sentence: str


@dataclass(frozen=True, slots=True)
class _View:
    """The log as it was read when its file had this `key`. `rest`: what stands after the last end of a line."""

    key: tuple[int, ...] = ()
    records: tuple[Record, ...] = ()
    size: int = 0
    rest: bytes = b""


class History:
    """Of one folder, which threads and processes may share. Whatever reads or writes raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "audit.jsonl"
        self._objects = Objects(folder / "objects")
        self._view = _View()

    def append(
        self,
        what: What,
        who: str,
        why: str,
        at: float,
        *,
        revision: str = "",
        files: Mapping[str, bytes] | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> Record:
        """`files`: what is in force from now on. Raises OSError, and ValueError for a time that is in no year of four
        digits."""
        then = stamp(at)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_EX):
            self._mend(then)
            # Objects first: a stop in between leaves objects that nobody names, and no name without its object.
            told, held = dict(detail or {}), ""
            if files is not None:
                # Another version may resolve the same set otherwise.
                told, held = {"holdover": __version__, **told}, self._objects.keep_set(files)
            return self._write(what, who, why, then, revision, held, told)

    def records(self) -> tuple[Record, ...]:
        """Oldest first. What is no record is left out, and what was changed is not: ask `verify`."""
        return self._read().records

    def files(self, record: Record) -> Mapping[str, bytes]:
        """The set in force when it was written. Raises HistoryError."""
        sets = (r.set for r in reversed(self.records()) if r.set and r.number <= record.number)
        held = record.set or next(sets, "")
        return self._objects.set(held, record.number) if held else {}

    def before(self, record: Record) -> Mapping[str, bytes]:
        """The set in force until it was written. Raises HistoryError."""
        sets = (r for r in reversed(self.records()) if r.set and r.number < record.number)
        last = next(sets, None)
        return self._objects.set(last.set, last.number) if last else {}

    def changed(self, record: Record) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
        """The files that it made different, before and after; no other is read. Raises HistoryError."""
        if not record.set:
            return {}, {}
        last = next((r for r in reversed(self.records()) if r.set and r.number < record.number), None)
        return self._objects.differing((last.set, last.number) if last else None, (record.set, record.number))

    def at(self, moment: float) -> Record | None:
        """With the set that was in force then."""
        then = stamp(moment)
        return next((r for r in reversed(self.records()) if r.set and r.at <= then), None)

    def find(self, text: str) -> Record | Unfound:
        """By number, or by the beginning of a revision."""
        records = self.records()
        if text.isascii() and text.isdigit() and (named := [r for r in records if str(r.number) == text]):
            return named[0]
        named = [r for r in records if r.set and text and r.revision.startswith(text.lower())]
        several = sorted({r.revision for r in named})
        if len(several) == 1:
            return named[-1]
        if not named:
            return Unfound(f"{text!r} is no number and no beginning of a revision; see `holdover promos history`")
        return Unfound(f"{text!r} is the beginning of {', '.join(several)}; write more of it")

    def preserve(self, data: bytes) -> str:
        """Keeps what is about to be written over; returns its digest, by which `objects` has it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_EX):
            return self._objects.keep(data)

    def verify(self) -> tuple[str, ...]:
        """What is not as it was written, a sentence for each. Who may write to the folder can write all of it anew:
        only who noted the hash of a record elsewhere sees that."""
        if not self.folder.is_dir():
            return ()
        with self._locked(fcntl.LOCK_SH):
            head, data = self._head(), self._log.read_bytes() if self._log.exists() else b""
        *lines, rest = data.split(b"\n")
        torn = [f"line {len(lines) + 1} is torn; the next record moves it to audit.torn"] if rest else []
        records = [record for line in lines if (record := parsed(line))]
        sets = {record.set: record.number for record in reversed(records) if record.set}
        return *broken(lines, head), *torn, *self._objects.damaged(sets)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Not waited for without end: the holder may have been stopped."""
        file = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        try:
            while True:
                try:
                    fcntl.flock(file, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        text = f"another process has held the folder locked for {LOCK_TIMEOUT_S:g} s"
                        raise TimeoutError(error.errno, text, str(self.folder)) from error
                    time.sleep(0.002)
            yield
        finally:
            os.close(file)

    def _read(self) -> _View:
        try:
            status = self._log.stat()
            key = (status.st_ino, status.st_size, status.st_mtime_ns)
            if key != self._view.key:
                data = self._log.read_bytes()
                *lines, rest = data.split(b"\n")
                self._view = _View(key, tuple(filter(None, map(parsed, lines))), len(data), rest)
        except FileNotFoundError:
            self._view = _View()
        return self._view

    def _mend(self, then: str) -> None:
        view = self._read()
        if not view.rest:
            return
        record = parsed(view.rest)
        if record and record.whole:
            append(self._log, b"\n")
            return
        append(self.folder / "audit.torn", view.rest + b"\n")
        os.truncate(self._log, view.size - len(view.rest))
        why = f"a line that a crash tore, of {len(view.rest)} bytes, was moved to audit.torn"
        self._write("note", "holdover", why, then, "", "", {})

    def _write(
        self, what: What, who: str, why: str, then: str, revision: str, held: str, detail: Mapping[str, str]
    ) -> Record:
        view, head = self._read(), self._head() or Head()
        # After what was written, not after what is there: else the next record would hide that the end was removed.
        last = view.records[-1] if view.records and view.records[-1].number > head.number else head
        record = Record(last.number + 1, then, what, who, why, revision, held, detail, last.hash).sealed()
        append(self._log, record.line())
        status = self._log.stat()
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        self._view = _View(key, (*view.records, record), status.st_size)
        replace(self.folder / "head", f"{record.number} {record.hash}\n".encode())
        return record

    def _head(self) -> Head | None:
        try:
            number, last = (self.folder / "head").read_text("ascii").split()
            return Head(int(number), last) if DIGEST.fullmatch(last) else None
        except (FileNotFoundError, ValueError):
            return None
