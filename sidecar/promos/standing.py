"""What is live: of each file the last known good, judged together. Pure but for the state it holds."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .decide import START, Approved, Held, Outcome, decided, digest, resolved
from .document import Promo, Vocabulary
from .folder import KILL
from .kill import Killing, Kills, kills_of
from .problem import Problem
from .remembered import REMEMBERED, Recalled
from .sweep import Found, Seen
from .validate import doubtful

TOGETHER_S = 600.0
"""What is removed within this time counts together."""

type State = Literal["good", "kept", "held", "refused"]


@dataclass(frozen=True, slots=True)
class Status:
    """`good`: what the file says is live. `kept`: what it said before is, for its problems. `held`: the same, until
    the removal is confirmed or the content approved. `refused`: nothing of it is live. `accepted_at`: None when not
    since the start. The file "." is the folder, REMEMBERED the state of
    before the start."""

    file: str
    state: State
    accepted_at: float | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """`revision` names the accepted contents. Promos by id; every one is good by this vocabulary, also those that are
    killed: `withheld` tells why, by id."""

    revision: str
    vocabulary: Vocabulary
    promos: tuple[Promo, ...]
    kills: Kills = field(default_factory=Kills)
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """`files`: the accepted contents. `noticed_at`: when the first reading differed that led here."""

    live: Live
    statuses: tuple[Status, ...]
    files: Mapping[str, bytes]
    noticed_at: float = 0.0


class Standing:
    """What is live, and what was seen that is not yet. For one thread."""

    def __init__(self, recalled: Recalled | None = None, approved: Approved | None = None) -> None:
        recalled = recalled or Recalled()
        self._approved = approved
        self.unsettled = True
        """Whether another reading is wanted soon, to tell whether what was read last stays."""
        self._before: Seen | None = None
        self._resting = False
        self._read = Seen()
        self._noticed_at = 0.0
        self._noticing = False
        self._settled: dict[str, Found] = {}
        self._since: dict[str, float] = {}
        self._held = Held()
        self._confirmed: dict[str, Found] = {}
        self._excused = frozenset[str]()
        self._ended: dict[str, float] = {}
        self._killing = Killing(recalled.files.get(KILL))
        self._told: tuple[Live, tuple[Status, ...]] | None = None
        # Another version may judge otherwise than the one that remembered.
        start = resolved(recalled.files, {}, None)
        self._good: Mapping[str, bytes] = start.files
        lost = start.problems if recalled.files else []
        self._lost = (
            *recalled.problems,
            *(replace(p, file=REMEMBERED, place=START, message=f"{p.file}: {p.message}") for p in lost),
        )

    def begun(self, now: float) -> Change | None:
        """What was live before the start, if anything was."""
        return Change(live_of(self.accepted), (), self.accepted, now) if self._good else None

    def step(self, seen: Seen, now: float) -> Change | None:
        """None when nothing is to be told that was not told before."""
        before, self._before = self._before, seen
        self.unsettled = seen != before
        if self.unsettled or self._noticing:
            self._noticed_at, self._noticing = now, False
        elif self._resting and not self._confirmed and not self._killing.doubtful:
            return None
        self._resting = False
        absent = ""
        if not seen.fault:
            self._read = seen
            absent = self._killing.step(seen.files.get(KILL), now)
            if before is not None and not before.fault:
                self._settle(before, seen)
        if not self._good and (before is None or bool(before.fault) != bool(seen.fault)):
            return None
        outcome = self._decide(seen, now)
        fault = seen.fault if before is not None and before.fault else ""
        files = self.accepted
        live = live_of(files)
        told = live, tuple(self._statuses(outcome.problems, fault, self._kill(live, absent)))
        if told == self._told:
            return None
        self._told = told
        return Change(*told, files, self._noticed_at)

    def _decide(self, seen: Seen, now: float) -> Outcome:
        """Takes over what is to be live."""
        self._ended = {promo: at for promo, at in self._ended.items() if now - at < TOGETHER_S}
        waited = self._held
        outcome, self._held, ended = decided(
            self._good,
            self._settled,
            self._read.pictures,
            self._confirmed,
            now,
            self._approved,
            frozenset(self._ended),
        )
        if waited.unapproved - self._held.unapproved:
            self._noticed_at = now
        self._ended |= dict.fromkeys(ended, now)
        # Whatever is decided of the same again is the same: only what is held waits for a time, or for somebody.
        self._resting = not self.unsettled and outcome.files == self._good and self._held == Held()
        changed = {name for name, data in outcome.files.items() if self._good.get(name) != data}
        self._since = {n: at for n, at in self._since.items() if n in outcome.files} | dict.fromkeys(changed, now)
        self._good = outcome.files
        self._confirmed = {
            name: found
            for name, found in self._confirmed.items()
            if self._good.get(name) != found
            and (name in self._excused or found in (self._settled.get(name), seen.files.get(name)))
        }
        self._excused = frozenset()
        outcome.problems += self._imageless(outcome)
        return outcome

    def confirm(self, names: Iterable[str]) -> frozenset[str]:
        """Those of `names` whose removals are held. Counts for what they hold now: a later edit is to be confirmed
        again."""
        taken = self._held.unconfirmed.intersection(names)
        self._confirmed.update({name: self._settled.get(name) for name in taken})
        self._asked()
        return taken

    def waiting(self) -> dict[str, str]:
        """Files that wait for approval, with the `digest` of what they hold."""
        held = sorted(self._held.unapproved)
        return {name: digest(self._settled.get(name), self._good.get(name)) for name in held}

    @property
    def accepted(self) -> Mapping[str, bytes]:
        """What is live, by file, with what is killed."""
        return {**self._good, **({KILL: self.kills.encoded()} if self.kills else {})}

    @property
    def kills(self) -> Kills:
        return self._killing.kills

    @property
    def pinned(self) -> Kills:
        return self._killing.pinned

    @property
    def read_kills(self) -> Kills:
        """What the file kills, as it was read."""
        return self._killing.read

    def pin(self, kills: Kills) -> None:
        """Kills these and nothing else, besides what the file kills, from the next reading on."""
        self._killing.pinned = kills
        self._asked()

    def _asked(self) -> None:
        """Somebody wants something that no reading tells: what comes of it is noticed at the next step."""
        self._resting, self._noticing = False, True

    def settled(self, name: str) -> Found:
        """What was read last of a file and stays so."""
        return self._settled.get(name)

    def excuse(self, files: Mapping[str, Found]) -> None:
        """Removals by these contents, which are in the folder now, are meant."""
        self._confirmed.update(files)
        # A reading that began before they were written may be told only now.
        self._excused |= files.keys()
        self._asked()

    def _settle(self, before: Seen, seen: Seen) -> None:
        """What two readings in a row say. A file between truncation and write is read once; so is none at all,
        between the two renames of an editor that moves the old one away first."""
        for name in (self._settled.keys() | self._good.keys() | seen.files.keys()) - {KILL}:
            found = seen.files.get(name)
            if before.files.get(name) == found and (found is not None or name in self._good):
                self._settled[name] = found
            elif found is None and name not in self._good:
                self._settled.pop(name, None)

    def _imageless(self, outcome: Outcome) -> list[Problem]:
        """Of files that are live as they are: of others no reading tells which images there are."""
        pictures = dict(self._read.pictures)
        same = [name for name in outcome.campaigns if self._read.files.get(name) == outcome.files[name]]
        return [problem for name in same for problem in outcome.imageless(name, pictures)]

    def _kill(self, live: Live, absent: str) -> list[Problem]:
        """What is to be told of the file of kills."""
        found = self._read.files.get(KILL)
        told = [Problem(KILL, START, "", absent)] if absent else []
        if isinstance(found, bytes):
            told += doubtful(found, live.vocabulary.slots, {promo.id: None for promo in live.promos})
        if live.kills.everything:
            told.append(Problem(KILL, START, "", f"everything is killed: {live.kills.everything}"))
        return told

    def _statuses(self, problems: list[Problem], fault: str, kill: list[Problem]) -> Iterable[Status]:
        told = [*problems, *self._lost, *kill]
        told += [Problem(".", START, "", fault)] if fault else []
        held = self._held.unconfirmed | self._held.unapproved
        here = {KILL} if KILL in self._read.files else set()
        for name in sorted({*self._good, *self._settled, *here, *(p.file for p in told)}):
            own = tuple(sorted(p for p in told if p.file == name))
            wrong = any(p.file == name for p in problems)
            state: State = "refused"
            if name in held:
                state = "held"
            elif name == KILL and self._killing.doubtful:
                state = "refused"
            elif name in self._good or name in (".", KILL):
                state = "kept" if wrong or name == "." else "good"
            if own or name in self._good or name in here:
                yield Status(name, state, self._since.get(name), own)


def live_of(files: Mapping[str, bytes]) -> Live:
    """Of contents that were accepted once."""
    outcome, hashed = Outcome(dict(files)), hashlib.blake2b(digest_size=8)
    for name, data in sorted(files.items()):
        hashed.update(b"%d %b %d " % (len(name.encode()), name.encode(), len(data)) + data)
    promos = tuple(
        sorted((promo for name in outcome.campaigns for promo in outcome.promos(name)), key=lambda promo: promo.id)
    )
    kills = kills_of(files[KILL]) if KILL in files else Kills()
    vocabulary = outcome.rules.vocabulary or Vocabulary()
    return Live(hashed.hexdigest(), vocabulary, promos, kills, kills.withheld(promos))
