"""Changes of the folder of promos, and the last known good of each of its files.

The folder is read whole, several times a second. Notifications of the kernel miss the target of a symlink that lies
elsewhere, a folder that is made anew, and network file systems; reading 50 files takes a few milliseconds."""

import asyncio
import base64
import hashlib
import json
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from .document import Promo, Vocabulary
from .problem import Problem
from .scan import MOST_BYTES, Place, scan
from .validate import AUDIENCES, SLOTS, Checked, check

logger = logging.getLogger("holdover.promos")
REMEMBERED = "promos-live.json"
MOST_REMOVED = 0.3
_WORDS = (SLOTS, AUDIENCES)
_START = Place(1, 1)
_SOURCE = re.compile(rb'"src"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Unread:
    sentence: str


type Found = bytes | Unread | None
"""None: there is no such file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading. `images`: those the files name that lie beside them. `mounts`: files that are mount points.
    `fault`: why the folder could not be read; then the rest tells nothing."""

    files: Mapping[str, bytes | Unread] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    mounts: frozenset[str] = frozenset()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """`good`: what the file says is live. `kept`: what it said before is, for its problems. `held`: the same, until
    the removal is confirmed. `refused`: nothing of it is live. `accepted_at`: None when not since the start. The file
    "." is the folder, REMEMBERED the state of before the start."""

    file: str
    state: Literal["good", "kept", "held", "refused"]
    accepted_at: float | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """`revision` names the accepted contents. Promos by id; every one is good by this vocabulary."""

    revision: str
    vocabulary: Vocabulary
    promos: tuple[Promo, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """`files`: the accepted contents."""

    live: Live
    statuses: tuple[Status, ...]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Recalled:
    files: Mapping[str, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def sweep(folder: Path) -> Seen:
    """Editors' temporaries (a.json~, .a.json.swp, 4913, #a.json#, a.json___jb_tmp___) are no campaigns."""
    try:
        names = [path.name for path in folder.iterdir() if path.name.endswith(".json")]
        device = folder.stat().st_dev
    except OSError as error:
        return Seen(fault=f"the folder cannot be read: {error.strerror}; what was live stays")
    names = sorted(name for name in names if not name.startswith((".", "#", "___jb_")))
    files = {name: _read(folder / name) for name in names}
    points = _mount_points()
    mounts = frozenset(name for name in names if _is_mount(folder / name, device, points))
    return Seen(files, _images(folder, files.values()), mounts)


def _read(path: Path) -> bytes | Unread:
    try:
        # Opening a pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            return Unread("is no regular file")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        return Unread(f"cannot be read: {error.strerror}")


def _images(folder: Path, files: Iterable[bytes | Unread]) -> frozenset[str]:
    root, found = Path(os.path.realpath(folder)), set()
    for source in {s for data in files if isinstance(data, bytes) for s in _SOURCE.findall(data)}:
        try:
            name = json.loads(source)
            path = Path(os.path.realpath(root / name))
            if path.is_relative_to(root) and path.is_file():
                found.add(name)
        except (ValueError, OSError):
            continue  # no text, or no name of a file
    return frozenset(found)


def _mount_points() -> frozenset[str] | None:
    """None where the system does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    return frozenset(re.sub(r"\\([0-7]{3})", lambda o: chr(int(o[1], 8)), line.split(" ")[4]) for line in lines)


def _is_mount(path: Path, device: int, points: frozenset[str] | None) -> bool:
    """By the mount table: a file that is bound from the folder's own file system has the folder's device, and files
    on an overlay may have another without being mounted."""
    if points is not None:
        return os.path.realpath(path) in points
    try:
        return not path.is_symlink() and path.stat().st_dev != device
    except OSError:
        return False


@lru_cache(maxsize=2048)
def _alone(slots: bytes, audiences: bytes, name: str, data: bytes, images: frozenset[str] | None) -> Checked:
    """One campaign with the vocabulary. `images` None: all are there, as they were when it was accepted."""
    there: Callable[[str], bool] = (lambda _: True) if images is None else images.__contains__
    return check({SLOTS: slots, AUDIENCES: audiences, name: data}, there)


@lru_cache(maxsize=8)
def _words_of(slots: bytes | None, audiences: bytes | None) -> Checked:
    given = {SLOTS: slots, AUDIENCES: audiences}
    return check({name: data for name, data in given.items() if data is not None}, lambda _: True)


@dataclass(slots=True)
class _Outcome:
    """`files`: what is to be live. Campaigns are judged only when both vocabularies are among them."""

    files: dict[str, bytes]
    problems: list[Problem] = field(default_factory=list)

    def promos(self, name: str) -> tuple[Promo, ...]:
        return _alone(*self._words(), name, self.files[name], None).campaigns.get(name, ())

    def stale(self) -> list[Problem]:
        """What the vocabulary says against files that are live."""
        told = (_alone(*self._words(), n, d, None).problems for n, d in self.files.items() if n not in _WORDS)
        return [problem for problems in told for problem in problems]

    def judge(self, name: str, data: bytes, good: bytes | None, images: frozenset[str] | None) -> None:
        problems = _alone(*self._words(), name, data, images).problems
        self.problems += problems
        if (taken := good if problems else data) is not None:
            self.files[name] = taken

    def distinct(self, good: Mapping[str, bytes]) -> None:
        """What is live keeps its ids, whatever the names of the files."""
        while True:
            kept = [name for name, data in self.files.items() if good.get(name) == data]
            owner = {promo.id: name for name in kept if name not in _WORDS for promo in self.promos(name)}
            clashes: dict[str, Problem] = {}
            for name in sorted(self.files.keys() - {*kept, *_WORDS}):
                for number, promo in enumerate(self.promos(name)):
                    if (other := owner.setdefault(promo.id, name)) != name:
                        pointer = f"/promos/{number}/id"
                        message = f"{json.dumps(promo.id)} is the id of a promo in {other} too"
                        place = scan(self.files[name]).values[pointer]
                        clashes.setdefault(name, Problem(name, place, pointer, message, "give it another"))
            if not clashes:
                return
            self.problems += clashes.values()
            # What a file goes back to may own an id that another new file claims: all are looked at again.
            self.files = {n: d for n, d in self.files.items() if n not in clashes}
            self.files |= {name: good[name] for name in clashes if name in good}

    def _words(self) -> tuple[bytes, bytes]:
        return self.files.get(SLOTS, b""), self.files.get(AUDIENCES, b"")


def _proposed(good: Mapping[str, bytes], settled: Mapping[str, Found]) -> _Outcome:
    """Before anything is judged."""
    proposed = _Outcome({})
    for name in sorted(good.keys() | settled.keys()):
        found = settled.get(name) if name in settled else good[name]
        if isinstance(found, Unread):
            proposed.problems.append(Problem(name, _START, "", found.sentence))
        elif found is None and name in _WORDS and name in good:
            proposed.problems.append(Problem(name, _START, "", "is missing", "what it told before still holds"))
        if isinstance(found, bytes):
            proposed.files[name] = found
        elif name in good and (isinstance(found, Unread) or name in _WORDS):
            proposed.files[name] = good[name]
    return proposed


def _vocabulary(proposed: Mapping[str, bytes], good: Mapping[str, bytes]) -> _Outcome:
    found = _words_of(proposed.get(SLOTS), proposed.get(AUDIENCES))
    wrong = {problem.file for problem in found.problems}
    chosen = {name: (good if name in wrong else proposed).get(name) for name in _WORDS}
    return _Outcome({name: data for name, data in chosen.items() if data is not None}, list(found.problems))


def _resolved(proposed: Mapping[str, bytes], good: Mapping[str, bytes], images: frozenset[str] | None) -> _Outcome:
    words = _vocabulary(proposed, good)
    outcome = _campaigns(words, proposed, good, images)
    changed = [name for name in words.files if name in good and words.files[name] != good[name]]
    if changed and len(words.files) == len(_WORDS) and (stale := outcome.stale()):
        # The files that are wrong by the new words were good by the old ones: both stay until both are good together.
        against = f"{stale[0].file} is wrong by it: {stale[0].pointer}: {stale[0].message}"
        words.files.update({name: good[name] for name in changed})
        outcome = _campaigns(words, proposed, good, images)
        outcome.problems += [Problem(name, _START, "", against, "change that file first") for name in changed]
    return outcome


def _campaigns(
    words: _Outcome, proposed: Mapping[str, bytes], good: Mapping[str, bytes], images: frozenset[str] | None
) -> _Outcome:
    outcome = _Outcome(dict(words.files), list(words.problems))
    for name in sorted(proposed.keys() - {*_WORDS}):
        if len(words.files) == len(_WORDS):
            accepted = good.get(name)
            outcome.judge(name, proposed[name], accepted, None if proposed[name] == accepted else images)
        else:
            message = f"cannot be judged before {SLOTS} and {AUDIENCES} are good"
            outcome.problems.append(Problem(name, _START, "", message))
    outcome.distinct(good)
    return outcome


def _removals(before: _Outcome, after: _Outcome, now: float, excused: frozenset[str]) -> dict[str, list[str]]:
    """Ids of promos that are live at `now` and would not be, by file, where that is more than may go unasked."""
    if not before.files.keys() >= {*_WORDS}:
        return {}
    slots = _words_of(before.files[SLOTS], before.files[AUDIENCES]).vocabulary.slots
    live = [(n, p) for n in before.files if n not in _WORDS for p in before.promos(n) if p.start <= now < p.end]
    stays = {p.id: p.slot for n in after.files if n not in _WORDS for p in after.promos(n) if p.start <= now < p.end}
    single = {p.id for _, p in live if slots[p.slot].capacity == 1}
    gone = [
        (n, p.id)
        for n, p in live
        if n not in excused and (p.id not in stays or (p.id in single and stays[p.id] != p.slot))
    ]
    many = len(gone) > MOST_REMOVED * len(live)
    guarded = {name for name, promo in gone if many or promo in single}
    return {name: [promo for n, promo in gone if n == name] for name in guarded}


def _decided(
    good: Mapping[str, bytes],
    settled: Mapping[str, Found],
    images: frozenset[str],
    confirmed: Mapping[str, Found],
    now: float,
) -> tuple[_Outcome, frozenset[str]]:
    """What is to be live, and which files are held for confirmation."""
    proposed, held = _proposed(good, settled), dict[str, Problem]()
    excused = frozenset(name for name, found in confirmed.items() if settled.get(name) == found)
    while True:
        outcome = _resolved({**proposed.files, **{name: good[name] for name in held}}, good, images)
        removals = _removals(_Outcome(dict(good)), outcome, now, excused)
        if not (fresh := removals.keys() - held):
            outcome.problems += [*proposed.problems, *held.values()]
            return outcome, frozenset(held)
        for name in fresh:
            message = f"ends what is shown now: {', '.join(removals[name])}"
            held[name] = Problem(name, _START, "", message, "confirm it, or put it back")


class Standing:
    """What is live, and what was seen that is not yet. For one thread."""

    def __init__(self, recalled: Recalled | None = None) -> None:
        recalled = recalled or Recalled()
        self._before: Seen | None = None
        self._read = Seen()
        self._settled: dict[str, Found] = {}
        self._since: dict[str, float] = {}
        self._held: frozenset[str] = frozenset()
        self._confirmed: dict[str, Found] = {}
        self._told: tuple[Live, tuple[Status, ...]] | None = None
        # Another version may judge otherwise than the one that remembered.
        start = _resolved(recalled.files, {}, None)
        self._good: Mapping[str, bytes] = start.files
        lost = start.problems if recalled.files else []
        self._lost = (
            *recalled.problems,
            *(replace(p, file=REMEMBERED, place=_START, message=f"{p.file}: {p.message}") for p in lost),
        )

    def step(self, seen: Seen, now: float) -> Change | None:
        """None when nothing is to be told that was not told before."""
        before, self._before = self._before, seen
        if not seen.fault:
            self._read = seen
            if before is not None and not before.fault:
                self._settle(before, seen)
        if not self._good and (before is None or bool(before.fault) != bool(seen.fault)):
            return None
        outcome, self._held = _decided(self._good, self._settled, self._read.images, self._confirmed, now)
        changed = {name for name, data in outcome.files.items() if self._good.get(name) != data}
        self._since = {n: at for n, at in self._since.items() if n in outcome.files} | dict.fromkeys(changed, now)
        self._good = outcome.files
        self._confirmed = {
            name: found
            for name, found in self._confirmed.items()
            if self._settled.get(name) == found and self._good.get(name) != found
        }
        fault = seen.fault if before is not None and before.fault else ""
        told = _live(outcome), tuple(self._statuses(outcome.problems, fault))
        if told == self._told:
            return None
        self._told = told
        return Change(*told, dict(outcome.files))

    def confirm(self, names: Iterable[str]) -> frozenset[str]:
        """Those of `names` that are held. Counts for what they hold now: a later edit is to be confirmed again."""
        taken = self._held.intersection(names)
        self._confirmed.update({name: self._settled.get(name) for name in taken})
        return taken

    def _settle(self, before: Seen, seen: Seen) -> None:
        """What two readings in a row say. A file between truncation and write is read once; so is none at all,
        between the two renames of an editor that moves the old one away first."""
        for name in self._settled.keys() | self._good.keys() | seen.files.keys():
            found = seen.files.get(name)
            if before.files.get(name) == found and (found is not None or name in self._good):
                self._settled[name] = found
            elif found is None and name not in self._good:
                self._settled.pop(name, None)

    def _statuses(self, problems: list[Problem], fault: str) -> Iterable[Status]:
        told = [*problems, *self._lost]
        remedy = "mount its folder: of a save that renames nothing is seen here"
        told += [Problem(name, _START, "", "is mounted by itself", remedy) for name in self._read.mounts]
        told += [Problem(".", _START, "", fault)] if fault else []
        for name in sorted({*self._good, *self._settled, *(p.file for p in told)}):
            own = tuple(sorted(p for p in told if p.file == name))
            wrong = any(p.file == name for p in problems)
            state: Literal["good", "kept", "held", "refused"] = "refused"
            if name in self._good or name == ".":
                state = "held" if name in self._held else "kept" if wrong or name == "." else "good"
            if own or name in self._good:
                yield Status(name, state, self._since.get(name), own)


def _live(outcome: _Outcome) -> Live:
    digest = hashlib.blake2b(digest_size=8)
    for name, data in sorted(outcome.files.items()):
        digest.update(b"%d %b %d " % (len(name.encode()), name.encode(), len(data)) + data)
    promos = [promo for name in outcome.files if name not in _WORDS for promo in outcome.promos(name)]
    vocabulary = _words_of(outcome.files.get(SLOTS), outcome.files.get(AUDIENCES)).vocabulary
    return Live(digest.hexdigest(), vocabulary, tuple(sorted(promos, key=lambda promo: promo.id)))


def remember(state_folder: Path, live_files: Mapping[str, bytes]) -> None:
    """All in one file: of a vocabulary and its campaigns, written one by one, a stop leaves some of either age.
    Raises OSError."""
    state_folder.mkdir(parents=True, exist_ok=True)
    files = json.dumps({name: base64.b64encode(data).decode() for name, data in sorted(live_files.items())})
    text = json.dumps({"digest": _digest(files), "files": files})
    descriptor, beside = tempfile.mkstemp(prefix=f".{REMEMBERED}.", dir=state_folder)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(state_folder / REMEMBERED)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def recalled(state_folder: Path) -> Recalled:
    try:
        told = json.loads((state_folder / REMEMBERED).read_bytes())
        if told["digest"] != _digest(told["files"]):
            raise ValueError("its digest does not match")
        return Recalled({name: base64.b64decode(data) for name, data in json.loads(told["files"]).items()})
    except FileNotFoundError:
        return Recalled()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"cannot be used: {error}"
        return Recalled(problems=(Problem(REMEMBERED, _START, "", message, "what was live before is not known"),))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


async def watch(
    folder: Path,
    state_folder: Path,
    publish: Callable[[Live, tuple[Status, ...]], None],
    interval_s: float = 0.25,
    standing: Standing | None = None,
) -> None:
    """Until it is cancelled. Who is to confirm removals passes the `standing`, made of what was recalled."""
    standing = standing or Standing(await asyncio.to_thread(recalled, state_folder))
    untold: Change | None = None
    unwritten: Change | None = None
    while True:
        try:
            if change := standing.step(await asyncio.to_thread(sweep, folder), time.time()):
                untold = unwritten = change
            if untold:
                publish(untold.live, untold.statuses)
                untold = None
            if unwritten:
                await asyncio.to_thread(remember, state_folder, unwritten.files)
                unwritten = None
        except Exception:
            logger.exception("the promos of %s could not be brought up to date; trying again", folder)
        await asyncio.sleep(interval_s)
