"""Which promos a visitor is shown, and why not the others: all gates, then rank, then slots. Pure."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Literal

from .document import Promo, Slot, Text, Variant, Vocabulary
from .moment import zone_of

type GateName = Literal[
    "jurisdiction", "excluded", "time", "language", "device", "segment", "visitors", "roll-out", "capacity"
]
STEPS = 100_000
"""Of a roll-out: 0.001 per cent each."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is not known of a visitor is "" or None, and never opens a gate."""

    jurisdiction: str = ""
    language: str = ""
    device: str = ""
    segments: frozenset[str] = frozenset()
    id: str = ""
    returning: bool | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """`text` in the visitor's language: that of the variant where it has one."""

    promo: Promo
    variant: Variant | None
    text: Text


@dataclass(frozen=True, slots=True)
class Resolution:
    """`slots`: all of the vocabulary, each with what it shows, best first. Before `next_change_at` nothing else is
    shown to the same visitor; None: never, unless promos are edited."""

    slots: Mapping[str, tuple[Shown, ...]]
    next_change_at: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    gate: GateName
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Explained:
    """`outcomes`: of all gates in their order, also of those behind one that is shut. That of capacity tells of a
    promo which another gate shuts out where it would rank without that."""

    promo: Promo
    outcomes: tuple[Outcome, ...]

    @property
    def shown(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)


def resolve(promos: Iterable[Promo], vocabulary: Vocabulary, visitor: Visitor, now: float) -> Resolution:
    """Ids of promos are distinct. What may not be shown for other reasons has to be left out of `promos`: taken out
    of the result, it would leave its place empty."""
    case = _Case(vocabulary, visitor, now)
    candidates = list(_candidates(promos, case))
    queues = _queues(candidates, case)
    slots = {
        name: tuple(_shown(promo, visitor) for promo in queues[name][: slot.capacity])
        for name, slot in vocabulary.slots.items()
    }
    changes = (moment for promo in candidates for moment in (promo.start, promo.end) if moment > now)
    return Resolution(slots, min(changes, default=None))


def explain(promos: Iterable[Promo], vocabulary: Vocabulary, visitor: Visitor, now: float) -> tuple[Explained, ...]:
    """Every promo, by rank."""
    case, ranked = _Case(vocabulary, visitor, now), sorted(promos, key=rank)
    queues = _queues(_candidates(ranked, case), case)
    return tuple(
        Explained(
            promo,
            (
                *(_outcome(name, promo, case) for name in _GATES),
                _capacity(promo, vocabulary.slots.get(promo.slot), queues.get(promo.slot, [])),
            ),
        )
        for promo in ranked
    )


def rank(promo: Promo) -> tuple[int, float, str]:
    """Least first: highest priority, then newest start, then id."""
    return -promo.priority, -promo.start, promo.id


def bucket(promo: Promo, visitor: Visitor) -> int:
    """Below STEPS, and the same at every percentage: raising that only adds visitors."""
    return _hash(promo.id, visitor.id, b"roll-out") % STEPS if visitor.id else STEPS - 1


def variant_of(promo: Promo, visitor: Visitor) -> Variant | None:
    """By weight; the first for a visitor without an id."""
    if not promo.variants or not visitor.id:
        return promo.variants[0] if promo.variants else None
    bounds = list(accumulate(variant.weight for variant in promo.variants))
    # With the hash of the roll-out, 10 per cent of visitors would all be given the first of two variants.
    point = _hash(promo.id, visitor.id, b"variant") / 2**64 * bounds[-1]
    # The largest hashes round to 1: no bound is above that point.
    chosen = (variant for variant, bound in zip(promo.variants, bounds, strict=True) if point < bound)
    return next(chosen, promo.variants[-1])


def _hash(promo: str, visitor: str, purpose: bytes) -> int:
    # Ids of promos have no NUL; without it "a" and "bc" would share a hash with "ab" and "c".
    text = f"{promo}\0{visitor}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=purpose).digest())


@dataclass(frozen=True, slots=True)
class _Case:
    vocabulary: Vocabulary
    visitor: Visitor
    now: float


def _candidates(promos: Iterable[Promo], case: _Case) -> Iterator[Promo]:
    """Those that are or will be shown if there is room: time is the only thing that may keep them back."""
    gates = [refusal for name, (refusal, _) in _GATES.items() if name != "time"]
    for promo in promos:
        possible = promo.end > case.now and promo.slot in case.vocabulary.slots
        if possible and not any(refusal(promo, case) for refusal in gates):
            yield promo


def _queues(candidates: Iterable[Promo], case: _Case) -> dict[str, list[Promo]]:
    """By slot and rank, of those whose time it is. Filled before all gates are evaluated, a slot would stay empty
    where its best promo is refused and the second best has gone."""
    queues: dict[str, list[Promo]] = {name: [] for name in case.vocabulary.slots}
    for promo in sorted(candidates, key=rank):
        if promo.start <= case.now:
            queues[promo.slot].append(promo)
    return queues


def _shown(promo: Promo, visitor: Visitor) -> Shown:
    variant = variant_of(promo, visitor)
    text = promo.content[visitor.language]
    return Shown(promo, variant, variant.content.get(visitor.language, text) if variant else text)


def _outcome(name: GateName, promo: Promo, case: _Case) -> Outcome:
    refusal, passed = _GATES[name]
    refused = refusal(promo, case)
    return Outcome(name, not refused, refused or passed)


def _capacity(promo: Promo, slot: Slot | None, queue: list[Promo]) -> Outcome:
    if slot is None:
        return Outcome("capacity", False, f'there is no slot "{promo.slot}"')
    ahead = bisect_left(queue, rank(promo), key=rank)
    if ahead < slot.capacity:
        return Outcome("capacity", True, f"is number {ahead + 1} where {promo.slot} shows {slot.capacity}")
    lost = ", ".join(f'"{other.id}" ({_before(other, promo)})' for other in queue[: slot.capacity])
    return Outcome("capacity", False, f"{promo.slot} shows {slot.capacity}; lost to {lost or 'none'}")


def _before(other: Promo, promo: Promo) -> str:
    if other.priority != promo.priority:
        return f"priority {other.priority}, not {promo.priority}"
    return "same priority, newer" if other.start != promo.start else "same priority and start, first by id"


def _jurisdiction(promo: Promo, case: _Case) -> str:
    here = case.visitor.jurisdiction
    if not here or here not in case.vocabulary.jurisdictions:
        return f'"{here}" is no known jurisdiction: nothing is shown'
    return "" if here in (its := promo.audience.jurisdictions) else f"is for {_listed(its)}, not {here}"


def _excluded(_: Promo, case: _Case) -> str:
    has, known = case.visitor.segments, case.vocabulary
    if shut := has & known.excluded:
        return f"visitors in {_listed(shut)} are shown nothing"
    # It may be an exclusion that another system spells differently.
    return f"{_listed(unknown)} is no known segment: nothing is shown" if (unknown := has - known.segments) else ""


def _time(promo: Promo, case: _Case) -> str:
    if promo.start <= case.now < promo.end:
        return ""
    word, moment = ("starts", promo.start) if case.now < promo.start else ("ended", promo.end)
    return f"{word} at {datetime.fromtimestamp(moment, zone_of(promo.timezone) or UTC).isoformat()}"


def _language(promo: Promo, case: _Case) -> str:
    spoken, asked = case.visitor.language, promo.audience.languages
    if spoken not in promo.content:
        return f'has text in {_listed(promo.content)}, not in "{spoken}"'
    return f"is for those who read {_listed(asked)}, not {spoken}" if asked and spoken not in asked else ""


def _device(promo: Promo, case: _Case) -> str:
    asked, has = promo.audience.devices, case.visitor.device
    return f'is for {_listed(asked)}, not "{has}"' if asked and has not in asked else ""


def _segment(promo: Promo, case: _Case) -> str:
    asked = promo.audience.segments
    return f"is for {_listed(asked)} alone" if asked and asked.isdisjoint(case.visitor.segments) else ""


def _visitors(promo: Promo, case: _Case) -> str:
    known = {True: "returning", False: "new", None: "of unknown past"}[case.visitor.returning]
    asked = promo.audience.visitors
    return f"is for {asked} visitors, and this one is {known}" if asked not in ("", known) else ""


def _roll_out(promo: Promo, case: _Case) -> str:
    # 16.1 * 1000 is 16100.000000000002: unrounded, a step more than 16.1 per cent.
    steps = round(promo.rollout * 1000)
    if steps >= STEPS or (place := bucket(promo, case.visitor)) < steps:
        return ""
    who = f"this visitor is at {place / 1000:g} %" if case.visitor.id else "a visitor without an id comes last"
    return f"is rolled out to {promo.rollout:g} %, and {who}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "nobody"


# What refuses, or "" where it passes; and what is told then.
_GATES: Mapping[GateName, tuple[Callable[[Promo, _Case], str], str]] = {
    "jurisdiction": (_jurisdiction, "is for the visitor's jurisdiction"),
    "excluded": (_excluded, "no segment of the visitor is excluded"),
    "time": (_time, "has started and not ended"),
    "language": (_language, "is in the visitor's language"),
    "device": (_device, "is for the visitor's device"),
    "segment": (_segment, "is for everybody, or for a segment of the visitor"),
    "visitors": (_visitors, "is for new and returning visitors, or for such as this one"),
    "roll-out": (_roll_out, "the visitor is within its roll-out"),
}
