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

from .access import LOCAL
from .chronicle import Chronicle
from .decide import digest
from .durable import replace
from .folder import KILL, WORDS
from .history import Unfound
from .kill import Kills, kills_of, understood
from .pen import Drafts, Overtaken, Pen, Wrote
from .problem import Problem
from .standing import Standing
from .sweep import Unread, pictures, sweep
from .validate import Checked, check

_NAME = re.compile(r"(compliance/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.json")
_KILLED = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""What is longer could make KILL too large to be understood, which would kill everything."""
TAKEN_S = 3.0
MOST_WHY = 500
PINNED = "killed.json"

logger = logging.getLogger("holdover.promos")

_NAMES = "letters, digits, dots, hyphens and underscores, ending in .json"

type Target = tuple[Literal["everything", "slot", "promo"], str]


def is_edited(name: str) -> bool:
    """Whether such a file is written here. What is killed has a way of its own."""
    return _NAME.fullmatch(name) is not None and name != KILL


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not done, with the status of HTTP that says so. `problems`: of the content. `current`: what is there
    instead of what was edited."""

    status: Literal[403, 404, 409, 412, 422, 428, 503]
    sentence: str
    problems: tuple[Problem, ...] = ()
    current: bytes | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """`tag`: of what is there now, "" where nothing is. `note`: what is still to be done."""

    file: str
    tag: str = ""
    note: str = ""


@dataclass(slots=True)
class Desk:
    """For one event loop. `standing` is that of the watcher of the same `folder`."""

    folder: Path
    standing: Standing
    chronicle: Chronicle
    pins: Path
    """Keeps what is killed and could not be written into KILL."""
    written: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to be read."""
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, name: str) -> bytes | Refused:
        if not _NAME.fullmatch(name):
            return Refused(404, f"{name!r} is no name of a file of promos; {_NAMES}")
        found = (await self.files()).get(name)
        if found is None:
            return Refused(404, f"there is no {name}")
        return Refused(409, f"{name} {found.sentence}") if isinstance(found, Unread) else found

    async def files(self) -> Mapping[str, bytes | Unread]:
        """As they are in the folder, whatever of them is live."""
        return (await asyncio.to_thread(sweep, self.folder)).files

    async def judged(self, drafts: Mapping[str, bytes | None]) -> Checked:
        """The folder with these instead; None: without that file."""

        def look() -> Checked:
            here = {name: data for name, data in sweep(self.folder).files.items() if isinstance(data, bytes)}
            files = {name: data for name, data in {**here, **drafts}.items() if data is not None}
            return check(files, dict(pictures(self.folder, files.values())))

        return await asyncio.to_thread(look)

    async def publish(self, name: str, data: bytes | None, tag: str | None, who: str, why: str) -> Written | Refused:
        """None removes it. `tag`: of the content that was edited, "" where there was none; None: nobody told."""
        if not is_edited(name):
            return Refused(403, f"{name!r} is not written here; {_NAMES}")
        if data is None and name in WORDS:
            return Refused(403, f"without {name} nothing can be judged")
        async with self._writing:
            current = (await self.files()).get(name)
            if isinstance(current, Unread):
                return Refused(409, f"{name} {current.sentence}")
            if tag is None:
                return Refused(428, "tell which version was edited, in If-Match, or If-None-Match: * for a new file")
            if tag != digest(current) and (tag != "*" or current is None):
                return Refused(412, f"{name} was changed by somebody else meanwhile", current=current)
            if problems := await self._new_problems({name: data}):
                return Refused(422, f"{name} is not good", problems)
            try:
                await self._write({name: data}, {name: digest(current)}, who, why)
            except Overtaken:
                now = (await self.files()).get(name)
                text = now if isinstance(now, bytes) else None
                return Refused(412, f"{name} was changed by somebody else meanwhile", current=text)
        await self._taken(lambda: self.standing.settled(name) == data)
        return Written(name, digest(data))

    def told(self) -> None:
        """The watcher has read the folder."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def _taken(self, there: Callable[[], bool]) -> bool:
        """Whether the watcher has read what was written, within a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_S):
                while not there():
                    await self._told.wait()
        return there()

    async def kill(self, target: Target, who: str, why: str) -> Written | Refused:
        """Whatever else is wrong: it is in force at once, and also where it can be written nowhere."""
        what, name = target
        if what != "everything" and not _KILLED.fullmatch(name):
            return Refused(422, f"{name[:80]!r} is no name of a {what}; small letters, digits and hyphens")
        reason = _plain(why) or "no reason told"
        added = {
            "everything": Kills(everything=reason),
            "slot": Kills(slots={name: reason}),
            "promo": Kills(promos={name: reason}),
        }[what]
        if self.standing.kills | added == self.standing.kills:
            return Written(KILL, digest(self.standing.kills.encoded()))
        # Before the lock: others may wait there for the disk.
        self._pin(self.standing.pinned | added)
        async with self._writing:
            return await self._killed(lambda kills: kills | added, f"killed {what} {name}".strip(), who, why)

    async def release(self, target: Target, who: str, why: str) -> Written | Refused:
        what, name = target

        def without(kills: Kills) -> Kills:
            slots = {k: v for k, v in kills.slots.items() if (what, name) != ("slot", k)}
            promos = {k: v for k, v in kills.promos.items() if (what, name) != ("promo", k)}
            return Kills("" if what == "everything" else kills.everything, slots, promos)

        async with self._writing:
            if without(self.standing.kills) == self.standing.kills:
                return Refused(404, "that is not killed")
            self._pin(without(self.standing.pinned))
            return await self._killed(without, f"released {what} {name}".strip(), who, why, releases=True)

    async def kill_anew(self, kills: Kills, who: str, why: str) -> Written | Refused:
        """These and nothing else, as where the file is not understood."""
        self._pin(self.standing.pinned | kills)
        async with self._writing:
            return await self._killed(lambda _: kills, "killed anew", who, why)

    async def _killed(
        self, change: Callable[[Kills], Kills], done: str, who: str, why: str, *, releases: bool = False
    ) -> Written | Refused:
        """Under the lock until it was read: the next change is one of what is in force then."""
        found = (await self.files()).get(KILL)
        # What somebody has just written into the file may not have been read yet.
        written = understood(found) if isinstance(found, bytes) else None
        after, note = change(self.standing.kills | (written or Kills())), ""
        try:
            if isinstance(found, bytes) and written is None:
                kept = await asyncio.to_thread(self.chronicle.history.preserve, found)
                note = f"what stood in {KILL} was not understood; the history keeps it as {kept[:12]}"
            await self._write({KILL: after.encoded()}, {}, who, f"{done}: {_plain(why)}" if why else done)
        except OSError as error:
            logger.exception("%s could not be written", KILL)
            if releases and change(self.standing.read_kills) != self.standing.read_kills:
                return Refused(503, f"{KILL} cannot be written: {error.strerror}; nothing is released")
            return Written(KILL, digest(after.encoded()), f"{KILL} cannot be written: {error.strerror}{self._kept()}")
        if not await self._taken(lambda: self.standing.read_kills == after):
            return Written(KILL, digest(after.encoded()), note or "it was written and not read yet; see the status")
        # Who has killed meanwhile waits for the lock: that is in no file yet.
        self._pin(self.standing.pinned - after)
        self._kept()
        return Written(KILL, digest(after.encoded()), note)

    def _pin(self, kills: Kills) -> None:
        self.standing.pin(kills)
        self.written.set()

    def _kept(self) -> str:
        """What is killed here and in no file is kept in the state, for the next start; told where that fails."""
        try:
            if self.standing.pinned:
                self.pins.parent.mkdir(parents=True, exist_ok=True)
                replace(self.pins, self.standing.pinned.encoded())
            else:
                self.pins.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.pins, error.strerror)
            return f"; and {self.pins.name} cannot be either: it is in force until the sidecar stops"
        return "; it is in force all the same"

    def pin_again(self) -> None:
        """What was killed before the start, where that could be written into no file of promos."""
        try:
            self.standing.pin(kills_of(self.pins.read_bytes()))
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s cannot be read: %s", self.pins, error.strerror)

    async def roll_back(self, text: str, files: frozenset[str], who: str, why: str) -> Written | Refused:
        """To the set that `text` (number or revision) names, or some `files` of it. What is killed stays killed, and
        files of which nothing was or is live stay as they are."""
        record = await asyncio.to_thread(self.chronicle.history.find, text)
        if isinstance(record, Unfound):
            return Refused(404, record.sentence)
        then = await asyncio.to_thread(self.chronicle.history.files, record)
        async with self._writing:
            now, live = await self.files(), self.standing.accepted
            names = (then.keys() | live.keys()) - {KILL}
            if unknown := sorted(files - names):
                return Refused(404, f"record {record.number} has no {unknown[0]}")
            # What is in the folder may be held: then it is not live, and going back means that it is meant.
            drafts: dict[str, bytes | None] = {
                name: then.get(name)
                for name in sorted(files or names)
                if not then.get(name) == now.get(name) == live.get(name)
            }
            if not drafts:
                return Refused(409, "that is what is there now")
            if problems := await self._new_problems(drafts):
                return Refused(422, "what was good then is not now", problems)
            told = f"back to record {record.number}, {record.revision}"
            seen = {name: digest(now.get(name)) for name in drafts}
            try:
                await self._write(drafts, seen, who, f"{told}: {_plain(why)}" if why else told, what="rolled-back")
            except Overtaken as error:
                return Refused(412, f"{error} was changed by somebody else meanwhile; look again")
            self.standing.excuse(drafts)
        await self._taken(lambda: all(self._arrived(name, data) for name, data in drafts.items()))
        return Written(", ".join(drafts))

    def _arrived(self, name: str, data: bytes | None) -> bool:
        """What was written is live, or waits for somebody."""
        live = self.standing.accepted.get(name) == data
        return self.standing.settled(name) == data and (live or name in self.standing.waiting())

    async def approve(self, name: str, content: str, who: str, why: str) -> Written | Refused:
        """`content`: its digest, as it was told; so what was looked at is what goes live."""
        waiting = self.standing.waiting()
        if name not in waiting:
            return Refused(404, f"{name} does not wait for approval")
        if waiting[name] != content:
            return Refused(412, f"{name} was changed meanwhile; it is {waiting[name]} now")
        if who == LOCAL:
            return Refused(403, "nobody knows who approves; make tokens, or set `user_header` in `[promos]`")
        if (author := await asyncio.to_thread(self.chronicle.author, name, content)) == who:
            return Refused(403, f"{author} wrote it: somebody else has to approve it")
        add = self.chronicle.history.append
        await asyncio.to_thread(lambda: add("approved", who, _plain(why), time.time(), detail={name: content}))
        if await asyncio.to_thread(self.chronicle.is_approved, name, content):
            return Written(name, content)
        return Written(name, content, f"{author} wrote it, who may be the same person: one more has to approve it")

    async def confirm(self, names: frozenset[str], who: str) -> frozenset[str]:
        """Those of them whose removals were held."""
        taken = self.standing.confirm(names)
        if taken:
            detail, add = dict.fromkeys(sorted(taken), ""), self.chronicle.history.append
            await asyncio.to_thread(lambda: add("confirmed", who, "", time.time(), detail=detail))
        return taken

    async def _new_problems(self, drafts: Mapping[str, bytes | None]) -> tuple[Problem, ...]:
        """What would be wrong that is not now."""
        before, after = await self.judged({}), await self.judged(drafts)
        known = {(problem.file, problem.pointer, problem.message) for problem in before.problems}
        return tuple(p for p in after.problems if p.file in drafts or (p.file, p.pointer, p.message) not in known)

    async def _write(
        self, drafts: Drafts, seen: Mapping[str, str], who: str, why: str, what: Wrote = "published"
    ) -> None:
        """`seen`: digests of what was looked at. Raises Overtaken and OSError."""
        pen = Pen(self.folder, self.chronicle.history)
        await asyncio.to_thread(pen.write, drafts, seen, who, _plain(why), what)
        self.written.set()


def _plain(text: str) -> str:
    """As it can be written."""
    return text.encode("utf-8", "replace").decode()[:MOST_WHY]


def pretty(document: object) -> bytes:
    """As files of promos are written."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
