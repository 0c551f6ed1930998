"""What is live: of each file the last known good, judged together. Pure but for the state it holds."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from .document import Promo, Vocabulary
from .problem import Problem
from .remembered import REMEMBERED, Recalled
from .scan import Place, scan
from .sweep import Found, Seen, Unread
from .validate import AUDIENCES, SLOTS, Checked, check

MOST_REMOVED = 0.3
_WORDS = (SLOTS, AUDIENCES)
_START = Place(1, 1)


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


def live_of(files: Mapping[str, bytes]) -> Live:
    """Of contents that were accepted once."""
    return _live(_Outcome(dict(files)))


def _live(outcome: _Outcome) -> Live:
    digest = hashlib.blake2b(digest_size=8)
    for name, data in sorted(outcome.files.items()):
        digest.update(b"%d %b %d " % (len(name.encode()), name.encode(), len(data)) + data)
    promos = [promo for name in outcome.files if name not in _WORDS for promo in outcome.promos(name)]
    vocabulary = _words_of(outcome.files.get(SLOTS), outcome.files.get(AUDIENCES)).vocabulary
    return Live(digest.hexdigest(), vocabulary, tuple(sorted(promos, key=lambda promo: promo.id)))
