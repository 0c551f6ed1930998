"""Why a visitor is shown a promo, or not: what every gate of `resolve` says, in words. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from .document import Promo, Slot, Vocabulary
from .language import spoken
from .moment import zone_of
from .resolve import GATES, NOTHING, Case, GateName, Visitor, Withheld, bucket, queues, rank


@dataclass(frozen=True, slots=True)
class Outcome:
    gate: GateName | Literal["capacity"]
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


def explain(
    promos: Iterable[Promo], vocabulary: Vocabulary, visitor: Visitor, now: float, withheld: Withheld = NOTHING
) -> tuple[Explained, ...]:
    """Every promo, by rank."""
    case, ranked = Case(vocabulary, visitor, now, withheld), sorted(promos, key=rank)
    waiting = queues(ranked, case)
    return tuple(
        Explained(
            promo,
            (
                *(_outcome(name, promo, case) for name in GATES),
                _capacity(promo, vocabulary.slots.get(promo.slot), waiting.get(promo.slot, [])),
            ),
        )
        for promo in ranked
    )


def outranks(other: Promo, promo: Promo) -> str:
    """Why `other` comes before `promo`."""
    if other.priority != promo.priority:
        return f"priority {other.priority}, not {promo.priority}"
    return "same priority, newer" if other.start != promo.start else "same priority and start, first by id"


def listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "nobody"


def _outcome(name: GateName, promo: Promo, case: Case) -> Outcome:
    passed, (refusal, good) = bool(GATES[name]([promo], case)), _SENTENCES[name]
    return Outcome(name, passed, good if passed else refusal(promo, case))


def _capacity(promo: Promo, slot: Slot | None, queue: list[Promo]) -> Outcome:
    if slot is None:
        return Outcome("capacity", False, f'there is no slot "{promo.slot}"')
    ahead = bisect_left(queue, rank(promo), key=rank)
    if ahead < slot.capacity:
        return Outcome("capacity", True, f"is number {ahead + 1} where {promo.slot} shows {slot.capacity}")
    lost = ", ".join(f'"{other.id}" ({outranks(other, promo)})' for other in queue[: slot.capacity])
    return Outcome("capacity", False, f"{promo.slot} shows {slot.capacity}; lost to {lost or 'none'}")


def _jurisdiction(promo: Promo, case: Case) -> str:
    here = case.visitor.jurisdiction
    if not here or here not in case.vocabulary.jurisdictions:
        return f'"{here}" is no known jurisdiction: nothing is shown'
    return f"is for {listed(promo.audience.jurisdictions)}, not {here}"


def _excluded(_: Promo, case: Case) -> str:
    has, known = case.visitor.segments, case.vocabulary
    if shut := has & known.excluded:
        return f"visitors in {listed(shut)} are shown nothing"
    return f"{listed(has - known.segments)} is no known segment: nothing is shown"


def _time(promo: Promo, case: Case) -> str:
    word, moment = ("starts", promo.start) if case.now < promo.start else ("ended", promo.end)
    return f"{word} at {datetime.fromtimestamp(moment, zone_of(promo.timezone) or UTC).isoformat()}"


def _language(promo: Promo, case: Case) -> str:
    asked, tag = promo.audience.languages, case.visitor.language
    if frozenset(spoken(tag, case.vocabulary.languages)).isdisjoint(promo.content):
        return f'has text in {listed(promo.content)}, not in "{tag}"'
    return f"is for those who read {listed(asked)}, not {tag}"


def _device(promo: Promo, case: Case) -> str:
    return f'is for {listed(promo.audience.devices)}, not "{case.visitor.device}"'


def _segment(promo: Promo, _: Case) -> str:
    return f"is for {listed(promo.audience.segments)} alone"


def _visitors(promo: Promo, case: Case) -> str:
    known = {True: "returning", False: "new", None: "of unknown past"}[case.visitor.returning]
    return f"is for {promo.audience.visitors} visitors, and this one is {known}"


def _roll_out(promo: Promo, case: Case) -> str:
    place = f"this visitor is at {bucket(promo, case.visitor) / 1000:g} %"
    return f"is rolled out to {promo.rollout:g} %, and " + (
        place if case.visitor.id else "a visitor without an id comes last"
    )


# What is told where a gate refuses, and where it passes.
_SENTENCES: Mapping[GateName, tuple[Callable[[Promo, Case], str], str]] = MappingProxyType(
    {
        "withheld": (lambda promo, case: case.withheld[promo.id], "nothing withholds it"),
        "jurisdiction": (_jurisdiction, "is for the visitor's jurisdiction"),
        "excluded": (_excluded, "no segment of the visitor is excluded"),
        "time": (_time, "has started and not ended"),
        "language": (_language, "is in the visitor's language"),
        "device": (_device, "is for the visitor's device"),
        "segment": (_segment, "is for everybody, or for a segment of the visitor"),
        "visitors": (_visitors, "is for new and returning visitors, or for such as this one"),
        "roll-out": (_roll_out, "the visitor is within its roll-out"),
    }
)
