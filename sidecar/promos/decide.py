"""What is to be live, of what was read and what is live now. Pure."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .document import Picture, Promo
from .folder import AUDIENCES, SLOTS, WORDS, is_campaign, is_rule
from .problem import Problem
from .resolve import steps
from .scan import Place, scan
from .sweep import Found, Unread
from .validate import Judged, Rulebook, judge, rulebook

MOST_REMOVED = 0.3
START = Place(1, 1)

type _Pictures = frozenset[tuple[str, Picture]] | None
type Approved = Callable[[str, str], bool]
"""Whether the content of a file, by its `digest`, was approved."""


def digest(found: Found, before: bytes | None = None) -> str:
    """What approvals are bound to. That of a removal names what is removed: the same file may come again."""
    if isinstance(found, bytes):
        return hashlib.sha256(found).hexdigest()
    return f"removal of {digest(before)}" if before is not None else ""


@dataclass(frozen=True, slots=True)
class Held:
    """Files that stay as they were until somebody says otherwise: `unconfirmed` end much of what is shown,
    `unapproved` are good and nobody else has looked at them."""

    unconfirmed: frozenset[str] = frozenset()
    unapproved: frozenset[str] = frozenset()


@lru_cache(maxsize=8)
def _rules_of(*files: tuple[str, bytes]) -> Rulebook:
    return rulebook(dict(files))


@lru_cache(maxsize=4096)
def _judged(name: str, data: bytes, rules: Rulebook, pictures: frozenset[tuple[str, Picture]] | None) -> Judged:
    return judge(name, data, rules, None if pictures is None else dict(pictures))


@dataclass
class Outcome:
    """`files`: what is to be live; the rules among them stay as they are."""

    files: dict[str, bytes]
    problems: list[Problem] = field(default_factory=list)
    rules: Rulebook = field(init=False)

    def __post_init__(self) -> None:
        self.rules = _rules_of(*sorted((name, data) for name, data in self.files.items() if is_rule(name)))

    @property
    def campaigns(self) -> list[str]:
        return list(filter(is_campaign, self.files))

    def promos(self, name: str) -> tuple[Promo, ...]:
        return _judged(name, self.files[name], self.rules, None).promos

    def stale(self) -> list[Problem]:
        """What the rules say against files that are live."""
        told = (_judged(name, self.files[name], self.rules, None).problems for name in self.campaigns)
        return [problem for problems in told for problem in problems]

    def imageless(self, name: str, pictures: Mapping[str, Picture]) -> tuple[Problem, ...]:
        """What has become wrong with the images of a file since it was accepted."""
        named = {promo.image.src for promo in self.promos(name) if promo.image}
        here = frozenset((source, pictures[source]) for source in named if source in pictures)
        local = any(not source.startswith("https://") for source in named)
        return _judged(name, self.files[name], self.rules, here).problems if local else ()

    def judge(self, name: str, data: bytes, good: bytes | None, pictures: _Pictures) -> None:
        problems = _judged(name, data, self.rules, pictures).problems
        self.problems += problems
        if (taken := good if problems else data) is not None:
            self.files[name] = taken

    def distinct(self, good: Mapping[str, bytes]) -> None:
        """What is live keeps its ids, whatever the names of the files."""
        while True:
            kept = [name for name, data in self.files.items() if good.get(name) == data]
            owner = {promo.id: name for name in filter(is_campaign, kept) for promo in self.promos(name)}
            clashes: dict[str, Problem] = {}
            for name in sorted(set(self.campaigns) - {*kept}):
                for number, promo in enumerate(self.promos(name)):
                    if (other := owner.setdefault(promo.id, name)) != name and name not in clashes:
                        pointer = f"/promos/{number}/id"
                        message = f"{json.dumps(promo.id)} is the id of a promo in {other} too"
                        place = scan(self.files[name]).values[pointer]
                        clashes[name] = Problem(name, place, pointer, message, "give it another")
            if not clashes:
                return
            self.problems += clashes.values()
            # What a file goes back to may own an id that another new file claims: all are looked at again.
            self.files = {n: d for n, d in self.files.items() if n not in clashes}
            self.files |= {name: good[name] for name in clashes if name in good}


def _proposed(good: Mapping[str, bytes], settled: Mapping[str, Found]) -> Outcome:
    """Before anything is judged."""
    files, problems = dict[str, bytes](), list[Problem]()
    for name in sorted(good.keys() | settled.keys()):
        found = settled.get(name) if name in settled else good[name]
        if isinstance(found, Unread):
            problems.append(Problem(name, START, "", found.sentence))
        elif found is None and name in WORDS and name in good:
            problems.append(Problem(name, START, "", "is missing", "what it told before still holds"))
        if isinstance(found, bytes):
            files[name] = found
        elif name in good and (isinstance(found, Unread) or name in WORDS):
            files[name] = good[name]
    return Outcome(files, problems)


def _ruled(proposed: Mapping[str, bytes], good: Mapping[str, bytes]) -> Outcome:
    """The rules alone. A file of them that is wrong goes back to what it was."""
    files = {name: data for name, data in proposed.items() if is_rule(name)}
    problems: list[Problem] = []
    while True:
        told = Outcome(files).rules.problems
        problems += [problem for problem in told if problem not in problems]
        wrong = {problem.file for problem in told if files.get(problem.file) != good.get(problem.file)}
        if not wrong:
            return Outcome(files, problems)
        kept = {name: good[name] for name in wrong if name in good}
        files = {name: data for name, data in files.items() if name not in wrong} | kept


def resolved(proposed: Mapping[str, bytes], good: Mapping[str, bytes], pictures: _Pictures) -> Outcome:
    rules = _ruled(proposed, good)
    outcome = _campaigns(rules, proposed, good, pictures)
    before = {name: data for name, data in good.items() if is_rule(name)}
    changed = {name for name in before.keys() | rules.files.keys() if before.get(name) != rules.files.get(name)}
    if before.keys() >= {*WORDS} and changed and (stale := outcome.stale()):
        # The files that are wrong by the new rules were good by the old ones: both stay until both are good together.
        against = f"{stale[0].file} is wrong by it: {stale[0].pointer}: {stale[0].message}"
        outcome = _campaigns(Outcome(before, rules.problems), proposed, good, pictures)
        outcome.problems += [Problem(name, START, "", against, "change that file first") for name in sorted(changed)]
    return outcome


def _campaigns(
    rules: Outcome, proposed: Mapping[str, bytes], good: Mapping[str, bytes], pictures: _Pictures
) -> Outcome:
    outcome = Outcome(dict(rules.files), list(rules.problems))
    judged = outcome.rules.vocabulary is not None
    for name in sorted(filter(is_campaign, proposed)):
        if judged:
            accepted = good.get(name)
            outcome.judge(name, proposed[name], accepted, None if proposed[name] == accepted else pictures)
        else:
            message = f"cannot be judged before {SLOTS} and {AUDIENCES} are good"
            outcome.problems.append(Problem(name, START, "", message))
    outcome.distinct(good)
    return outcome


def _removals(
    before: Outcome, after: Outcome, now: float, excused: frozenset[str], lately: frozenset[str]
) -> tuple[dict[str, list[str]], frozenset[str]]:
    """Ids of promos that are live at `now` and would not be: by file, where that is more than may go unasked, and
    those that may."""
    known = before.rules.vocabulary
    if known is None:
        return {}, frozenset()
    live = [(n, p) for n in before.campaigns for p in before.promos(n) if _is_on(p, now)]
    stays = {p.id: p for n in after.campaigns for p in after.promos(n) if _is_on(p, now)}
    single = {p.id for _, p in live if known.slots[p.slot].capacity == 1}
    gone = [(n, p.id) for n, p in live if n not in excused and not _stays(p, stays.get(p.id), p.id in single)]
    # One by one, ten minutes would be enough to remove all of them unasked.
    earlier = len(lately - {p.id for _, p in live} - stays.keys())
    many = len(gone) + earlier > MOST_REMOVED * (len(live) + earlier)
    guarded = {name for name, promo in gone if many or promo in single}
    unasked = frozenset(promo for name, promo in gone if name not in guarded)
    return {name: [promo for n, promo in gone if n == name] for name in guarded}, unasked


def _is_on(promo: Promo, now: float) -> bool:
    return promo.start <= now < promo.end and steps(promo) > 0


def _stays(before: Promo, after: Promo | None, single: bool) -> bool:
    """Whether some of those for whom it is still have it, and in its slot where that has no other."""
    if after is None or (single and after.slot != before.slot):
        return False
    old, new = before.audience, after.audience
    words = (
        (old.jurisdictions, new.jurisdictions),
        (old.languages, new.languages),
        (old.devices, new.devices),
        (old.segments, new.segments),
        (frozenset(filter(None, [old.visitors])), frozenset(filter(None, [new.visitors]))),
        (frozenset(before.content), frozenset(after.content)),
    )
    return not any(these and those and these.isdisjoint(those) for these, those in words)


def decided(
    good: Mapping[str, bytes],
    settled: Mapping[str, Found],
    pictures: frozenset[tuple[str, Picture]],
    confirmed: Mapping[str, Found],
    now: float,
    approved: Approved | None = None,
    lately: frozenset[str] = frozenset(),
) -> tuple[Outcome, Held, frozenset[str]]:
    """`good` is what is live now, `confirmed` what was held and may happen. `approved` None: nothing has to be.
    `lately`: ids of promos that were removed unasked not long ago; returned are those that are now."""
    proposed, told = _proposed(good, settled), list[Problem]()
    excused = frozenset(name for name, found in confirmed.items() if settled.get(name) == found)
    unconfirmed, unapproved = set[str](), set[str]()
    while True:
        held = unconfirmed | unapproved
        files = {name: data for name, data in proposed.files.items() if name not in held}
        outcome = resolved({**files, **{name: good[name] for name in held if name in good}}, good, pictures)
        if approved is not None and (fresh := _unapproved(outcome, good, settled, approved) - held):
            unapproved |= fresh
            for name in sorted(fresh):
                message = f"waits for approval: {digest(settled.get(name), good.get(name))}"
                remedy = f"`holdover promos approve {name}`, by somebody else than who wrote it"
                told.append(Problem(name, START, "", message, remedy))
            continue
        removals, unasked = _removals(Outcome(dict(good)), outcome, now, excused, lately)
        if not (ending := removals.keys() - held):
            outcome.problems += [*proposed.problems, *told]
            return outcome, Held(frozenset(unconfirmed), frozenset(unapproved)), unasked
        unconfirmed |= ending
        for name in sorted(ending):
            message = f"ends what is shown now: {', '.join(removals[name])}"
            told.append(Problem(name, START, "", message, "confirm it, or put it back"))


def _unapproved(
    outcome: Outcome, good: Mapping[str, bytes], settled: Mapping[str, Found], approved: Approved
) -> frozenset[str]:
    changed = (name for name in outcome.files.keys() | good.keys() if outcome.files.get(name) != good.get(name))
    return frozenset(n for n in changed if not approved(n, digest(settled.get(n), good.get(n))))
