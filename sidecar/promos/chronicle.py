"""Who did what to promos: what the history is told, and what of it decides who may approve."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .access import LOCAL, UNIX, user
from .decide import digest
from .folder import KILL
from .history import History
from .kill import Kills
from .objects import HistoryError
from .record import Record, What
from .standing import Change

_WROTE = ("published", "rolled-back")
_CHANGED = "changed"
_UNKNOWN = "somebody"


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Of the files of one `folder`. What reads or writes blocks, and raises OSError."""

    folder: Path
    history: History

    def keep(self, change: Change) -> None:
        """What went live, for ever."""
        last = next((record for record in reversed(self.history.records()) if record.set), None)
        if change.live.revision == (last.revision if last else ""):
            return
        try:
            before = self.history.files(last) if last else {}
        except HistoryError:
            before = {}
        files = change.files
        changed = sorted(name for name in before.keys() | files.keys() if before.get(name) != files.get(name))
        told = {name: self._written_here(name, _held(name, files)) for name in changed}
        who = sorted({record.who if record else self._owner(name) for name, record in told.items()})
        why = sorted({record.why for record in told.values() if record and record.why})
        detail = {_CHANGED: json.dumps(changed)}
        who_told, why_told = ", ".join(who), "; ".join(why)
        revision = change.live.revision
        self.history.append(
            "accepted", who_told, why_told, time.time(), revision=revision, files=files, detail=detail
        )

    def note_hidden(self, before: Mapping[str, str], after: Mapping[str, str], now: float) -> None:
        """Why promos are hidden by what the odds are, by id."""
        for promo in sorted(before.keys() | after.keys()):
            if before.get(promo) != after.get(promo):
                what: What = "hidden" if promo in after else "shown"
                detail = {"promo": promo, "reason": after.get(promo, "")}
                self.history.append(what, "holdover", "", now, detail=detail)

    def author(self, name: str, content: str) -> str:
        """Of what was read last: who wrote it here, or whose file it is. `content`: its `decide.digest`."""
        record = self._written_here(name, "" if content.startswith("removal of") else content)
        return record.who if record else self._owner(name)

    def is_approved(self, name: str, content: str) -> bool:
        """By somebody else than its author; where their names are of another kind, and may be those of one person, by
        two. Nothing is while the log cannot be read."""
        try:
            others = self._approvers(name, content) - {(author := self.author(name, content))}
        except OSError:
            return False
        alike = {who for who in others if _kind(who) == _kind(author)}
        return bool(alike) or any(len([o for o in others if _kind(o) == _kind(who)]) >= 2 for who in others)

    def _approvers(self, name: str, content: str) -> frozenset[str]:
        """Since something else of this file went live: who goes back to an old content has it looked at again."""
        found = set[str]()
        for record in reversed(self.history.records()):
            if record.what == "accepted" and name in changed_by(record):
                break
            if record.what == "approved" and record.detail.get(name) == content:
                found.add(record.who)
        return frozenset(found)

    def _written_here(self, name: str, held: str) -> Record | None:
        """The last that was written here, if that is what it says: else an editor wrote over it."""
        records = (r for r in reversed(self.history.records()) if r.what in _WROTE and name in r.detail)
        record = next(records, None)
        return record if record is not None and record.detail[name] == held else None

    def _owner(self, name: str) -> str:
        """Of what was removed, whose folder it was in."""
        for path in (self.folder / name, (self.folder / name).parent):
            try:
                return user(path.stat().st_uid)
            except OSError:
                continue
        return _UNKNOWN


def changed_by(record: Record) -> list[str]:
    """Files that were others from there on, of what went live."""
    told: list[str] = json.loads(record.detail.get(_CHANGED, "[]"))
    return told


def _held(name: str, files: Mapping[str, bytes]) -> str:
    """The digest of the file, "" when there is none. A set in which nothing is killed has no file of kills."""
    return digest(files.get(name, Kills().encoded() if name == KILL else None))


def _kind(who: str) -> str:
    return who if who in (LOCAL, _UNKNOWN) else UNIX if who.startswith(UNIX) else "named"
