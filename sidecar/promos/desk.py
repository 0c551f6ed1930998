"""Where promos are written from elsewhere than an editor: the API, the console, and commands. It writes the same
files that an editor does, and what they say goes live as it does there."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .access import user
from .decide import digest
from .durable import replace, sync
from .folder import KILL, WORDS, is_pack
from .history import History, Unfound
from .kill import Kills
from .objects import HistoryError
from .problem import Problem
from .record import Record, What
from .standing import Change, Standing
from .sweep import Unread, pictures, sweep
from .validate import Checked, check

_NAME = re.compile(r"(compliance/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json")
MODE = 0o644
TAKEN_S = 3.0

logger = logging.getLogger("holdover.promos")

type Target = tuple[Literal["everything", "slot", "promo"], str]


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not done, with the status of HTTP that says so. `problems`: of the content. `current`: what is there
    instead of what was edited."""

    status: Literal[403, 404, 409, 412, 422, 428]
    sentence: str
    problems: tuple[Problem, ...] = ()
    current: bytes | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """`tag`: of what is there now, "" where nothing is."""

    file: str
    tag: str = ""


@dataclass(slots=True)
class Desk:
    """For one event loop. `standing` is that of the watcher of the same `folder`."""

    folder: Path
    standing: Standing
    history: History
    written: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to be read."""
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, name: str) -> bytes | Refused:
        if not _NAME.fullmatch(name):
            return Refused(404, f"{name!r} is no name of a file of promos; small letters and digits, ending in .json")
        found = (await self._files()).get(name)
        if found is None:
            return Refused(404, f"there is no {name}")
        return Refused(409, f"{name} {found.sentence}") if isinstance(found, Unread) else found

    async def files(self) -> Mapping[str, bytes | Unread]:
        """As they are in the folder, whatever of them is live."""
        return await self._files()

    async def judged(self, drafts: Mapping[str, bytes | None]) -> Checked:
        """The folder with these instead; None: without that file."""

        def look() -> Checked:
            here = {name: data for name, data in sweep(self.folder).files.items() if isinstance(data, bytes)}
            files = {name: data for name, data in {**here, **drafts}.items() if data is not None}
            return check(files, dict(pictures(self.folder, files.values())))

        return await asyncio.to_thread(look)

    async def publish(self, name: str, data: bytes | None, tag: str | None, who: str, why: str) -> Written | Refused:
        """None removes it. `tag`: of the content that was edited, "" where there was none; None: nobody told."""
        if not _NAME.fullmatch(name) or name == KILL:
            return Refused(403, f"{name!r} is not written here; small letters and digits, ending in .json")
        if data is None and name in WORDS:
            return Refused(403, f"without {name} nothing can be judged")
        async with self._writing:
            current = (await self._files()).get(name)
            there = digest(current)
            if tag is None:
                return Refused(428, "tell which version was edited, in If-Match, or If-None-Match: * for a new file")
            if tag != there:
                held = current if isinstance(current, bytes) else None
                return Refused(412, f"{name} was changed by somebody else meanwhile", current=held)
            if problems := await self._new_problems({name: data}):
                return Refused(422, f"{name} is not good", problems)
            await self._write({name: data}, who, why)
        await self._taken(lambda: self.standing.settled(name) == data)
        return Written(name, digest(data))

    def told(self) -> None:
        """The watcher has published something."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def _taken(self, there: Callable[[], bool]) -> None:
        """When the watcher has read what was written, or after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_S):
                while not there():
                    await self._told.wait()

    async def kill(self, target: Target, who: str, why: str) -> Written | Refused:
        """Whatever else is wrong. It counts at the next reading."""
        what, name = target
        added = {
            "everything": Kills(everything=why or "no reason told"),
            "slot": Kills(slots={name: why or "no reason told"}),
            "promo": Kills(promos={name: why or "no reason told"}),
        }[what]
        return await self._killed(lambda kills: kills | added, f"killed {what} {name}".strip(), who, why)

    async def release(self, target: Target, who: str, why: str) -> Written | Refused:
        what, name = target

        def without(kills: Kills) -> Kills:
            slots = {k: v for k, v in kills.slots.items() if (what, name) != ("slot", k)}
            promos = {k: v for k, v in kills.promos.items() if (what, name) != ("promo", k)}
            return Kills("" if what == "everything" else kills.everything, slots, promos)

        return await self._killed(without, f"released {what} {name}".strip(), who, why)

    async def kill_anew(self, kills: Kills, who: str, why: str) -> Written | Refused:
        """These and nothing else, as where the file is not understood."""
        return await self._killed(lambda _: kills, "killed anew", who, why)

    async def _killed(self, change: Callable[[Kills], Kills], done: str, who: str, why: str) -> Written | Refused:
        async with self._writing:
            # Of a file that is not understood what is in force is kept, and it kills everything.
            before = self.standing.kills
            after = change(before)
            if after == before:
                return Refused(404, "that is not killed")
            await self._write({KILL: after.encoded()}, who, f"{done}: {why}" if why else done)
        await self._taken(lambda: self.standing.kills == after)
        return Written(KILL, digest(after.encoded()))

    async def roll_back(self, text: str, files: frozenset[str], who: str, why: str) -> Written | Refused:
        """To the set that `text` (number or revision) names, or some `files` of it. What is killed stays killed."""
        record = await asyncio.to_thread(self.history.find, text)
        if isinstance(record, Unfound):
            return Refused(404, record.sentence)
        then = await asyncio.to_thread(self.history.files, record)
        async with self._writing:
            now = await self._files()
            names = (then.keys() | now.keys()) - {KILL}
            drafts: dict[str, bytes | None] = {
                name: then.get(name) for name in sorted(names) if then.get(name) != now.get(name)
            }
            if unknown := sorted(files - names):
                return Refused(404, f"record {record.number} has no {unknown[0]}")
            drafts = {name: data for name, data in drafts.items() if not files or name in files}
            if not drafts:
                return Refused(409, "that is what is there now")
            if problems := await self._new_problems(drafts):
                return Refused(422, "what was good then is not now", problems)
            told = f"back to record {record.number}, {record.revision}"
            await self._write(drafts, who, f"{told}: {why}" if why else told, what="rolled-back")
            self.standing.excuse(drafts)
        await self._taken(lambda: all(self.standing.settled(name) == data for name, data in drafts.items()))
        return Written(", ".join(drafts))

    async def approve(self, name: str, content: str, who: str, why: str) -> Written | Refused:
        """`content`: its digest, as it was told; so what was looked at is what goes live."""
        waiting = self.standing.waiting()
        if name not in waiting:
            return Refused(404, f"{name} does not wait for approval")
        if waiting[name] != content:
            return Refused(412, f"{name} was changed meanwhile; it is {waiting[name]} now")
        if (author := await asyncio.to_thread(self.author, name, content)) == who:
            return Refused(403, f"{author} wrote it: somebody else has to approve it")
        await asyncio.to_thread(
            lambda: self.history.append("approved", who, why, time.time(), detail={name: content})
        )
        return Written(name, content)

    async def confirm(self, names: frozenset[str], who: str) -> frozenset[str]:
        """Those of them whose removals were held."""
        taken = self.standing.confirm(names)
        if taken:
            detail = dict.fromkeys(sorted(taken), "")
            await asyncio.to_thread(lambda: self.history.append("confirmed", who, "", time.time(), detail=detail))
        return taken

    def keep(self, change: Change) -> None:
        """What went live, for ever. Blocks. Raises OSError."""
        last = next((record for record in reversed(self.history.records()) if record.set), None)
        try:
            before = self.history.files(last) if last else {}
        except HistoryError:
            before = {}
        if change.live.revision == (last.revision if last else ""):
            return
        names = {n for n in before.keys() | change.files.keys() if before.get(n) != change.files.get(n)}
        # Where nothing is killed any more there is no such file among what is in force.
        files = {KILL: Kills().encoded(), **change.files}
        told = [self._published(name, digest(files.get(name))) for name in sorted(names)]
        who = sorted({r.who if r else self._owner(n) for n, r in zip(sorted(names), told, strict=True)})
        why = sorted({record.why for record in told if record and record.why})
        self.history.append(
            "accepted", ", ".join(who), "; ".join(why), time.time(), revision=change.live.revision, files=change.files
        )

    def note_hidden(self, before: Mapping[str, str], after: Mapping[str, str], now: float) -> None:
        """Why promos are hidden by what the odds are, by id. Blocks. Raises OSError."""
        for promo in sorted(before.keys() | after.keys()):
            if before.get(promo) != after.get(promo):
                what: What = "hidden" if promo in after else "shown"
                detail = {"promo": promo, "reason": after.get(promo, "")}
                self.history.append(what, "holdover", "", now, detail=detail)

    def author(self, name: str, content: str) -> str:
        """Who wrote what waits for approval. Blocks."""
        record = self._published(name, content)
        return record.who if record else self._owner(name)

    def _published(self, name: str, content: str) -> Record | None:
        wrote = ("published", "rolled-back")
        held = "" if content.startswith("removal of") else content
        records = (r for r in reversed(self.history.records()) if r.what in wrote and name in r.detail)
        # The last that was written here: what it says, or else an editor wrote over it.
        return next((record for record in records if record.detail[name] == held), None)

    def _owner(self, name: str) -> str:
        try:
            return user((self.folder / name).stat().st_uid)
        except OSError:
            return "somebody"

    async def _files(self) -> Mapping[str, bytes | Unread]:
        return (await asyncio.to_thread(sweep, self.folder)).files

    async def _new_problems(self, drafts: Mapping[str, bytes | None]) -> tuple[Problem, ...]:
        """What would be wrong that is not now."""
        before, after = await self.judged({}), await self.judged(drafts)
        known = {(problem.file, problem.pointer, problem.message) for problem in before.problems}
        return tuple(p for p in after.problems if p.file in drafts or (p.file, p.pointer, p.message) not in known)

    async def _write(
        self,
        drafts: Mapping[str, bytes | None],
        who: str,
        why: str,
        what: Literal["published", "rolled-back"] = "published",
    ) -> None:
        """Who and why first: the watcher looks for them as soon as it sees the files."""

        def write() -> None:
            detail = {name: digest(data) for name, data in drafts.items()}
            try:
                self.history.append(what, who, why, time.time(), detail=detail)
            except OSError:
                # What is dangerous has to go, recorded or not.
                if drafts.keys() != {KILL}:
                    raise
                logger.exception("%s, by %s, could not be recorded", why, who)
            for name, data in drafts.items():
                path = self.folder / name
                if data is None:
                    path.unlink(missing_ok=True)
                    sync(path.parent)
                    continue
                if is_pack(name):
                    path.parent.mkdir(exist_ok=True)
                # What a link in the folder leads to is edited; the link stays.
                replace(path.resolve() if path.is_symlink() else path, data, MODE)

        await asyncio.to_thread(write)
        self.written.set()


def pretty(document: object) -> bytes:
    """As files of promos are written."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
