"""Which promos a visitor is shown: all gates, then rank, then slots. Pure."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain, islice
from types import MappingProxyType
from typing import Literal

from .document import Promo, Text, Variant, Vocabulary
from .language import said, spoken

type GateName = Literal[
    "withheld", "jurisdiction", "excluded", "time", "language", "device", "segment", "visitors", "roll-out"
]
type Withheld = Mapping[str, str]
"""What may not be shown for reasons outside of the promo, and the sentence why, by id."""

NOTHING: Withheld = MappingProxyType({})
MOST_KINDS = 1_000
"""Of visitors, whose promos are kept ready."""
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
    """`languages`: those that serve the visitor, closest first."""

    promo: Promo
    variant: Variant | None
    languages: tuple[str, ...]

    @property
    def text(self) -> Text:
        """That of the variant where it has one."""
        text = said(self.promo.content, self.languages, Text(""))
        return said(self.variant.content, self.languages, text) if self.variant else text

    @property
    def alt(self) -> str:
        return said(self.promo.image.alt, self.languages, "") if self.promo.image else ""

    @property
    def terms(self) -> str:
        return said(self.promo.terms.short, self.languages, "") if self.promo.terms else ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """`slots`: all of the vocabulary, each with what it shows, best first. Before `next_change_at` nothing else is
    shown to the same visitor; None: never, unless promos are edited or withheld."""

    slots: Mapping[str, tuple[Shown, ...]]
    next_change_at: float | None


@dataclass(frozen=True, slots=True)
class Case:
    """What gates ask about."""

    vocabulary: Vocabulary
    visitor: Visitor
    now: float = 0.0
    withheld: Withheld = NOTHING


type Gate = Callable[[list[Promo], Case], list[Promo]]
"""Those that it lets through. A gate for one promo at a time costs a call for each: five times as long for 500."""


def resolve(
    promos: Iterable[Promo], vocabulary: Vocabulary, visitor: Visitor, now: float, withheld: Withheld = NOTHING
) -> Resolution:
    """Ids of promos are distinct. What is withheld leaves its place to the next."""
    return Resolver(promos, vocabulary, withheld)(visitor, now)


class Resolver:
    """`resolve` for many visitors. Only time and roll-out tell visitors of one kind apart: the other gates are asked
    once for each kind. That is four fifths of the work for 500 promos."""

    def __init__(self, promos: Iterable[Promo], vocabulary: Vocabulary, withheld: Withheld = NOTHING) -> None:
        self._promos, self._vocabulary, self._withheld = tuple(promos), vocabulary, withheld
        self._of_kind = lru_cache(MOST_KINDS)(self._asked)

    def __call__(self, visitor: Visitor, now: float) -> Resolution:
        case = Case(self._vocabulary, visitor, now, self._withheld)
        languages = spoken(visitor.language, self._vocabulary.languages)
        queues = self._of_kind(replace(visitor, id=""))
        slots = {}
        for name, queue in queues.items():
            best = (promo for promo in GATES["time"](queue, case) if within(promo, visitor))
            shown = islice(best, self._vocabulary.slots[name].capacity)
            slots[name] = tuple([Shown(promo, variant_of(promo, visitor), languages) for promo in shown])
        return Resolution(slots, _next_change(chain.from_iterable(queues.values()), case))

    def _asked(self, kind: Visitor) -> dict[str, list[Promo]]:
        return _queues(self._promos, Case(self._vocabulary, kind, withheld=self._withheld))


def queues(promos: Iterable[Promo], case: Case) -> dict[str, list[Promo]]:
    """By slot, all that pass every gate, best first: slots show as many of them as they take."""
    found = _queues(promos, case)
    return {name: GATES["roll-out"](GATES["time"](queue, case), case) for name, queue in found.items()}


def rank(promo: Promo) -> tuple[int, float, str]:
    """Least first: highest priority, then newest start, then id."""
    return -promo.priority, -promo.start, promo.id


def steps(promo: Promo) -> int:
    """How many of the STEPS its roll-out has taken."""
    # 16.1 * 1000 is 16100.000000000002: not rounded, a step more than 16.1 per cent.
    return round(promo.rollout * 1000)


def bucket(promo: Promo, visitor: Visitor) -> int:
    """Below STEPS, and the same at every percentage: raising that only adds visitors."""
    return _hash(promo.id, visitor.id, b"roll-out") % STEPS if visitor.id else STEPS - 1


def within(promo: Promo, visitor: Visitor) -> bool:
    """Whether the roll-out has come to the visitor."""
    return promo.rollout >= 100 or bucket(promo, visitor) < steps(promo)


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


def _queues(promos: Iterable[Promo], case: Case) -> dict[str, list[Promo]]:
    """By slot, best first, what nothing but time and roll-out may keep back. Filled before all gates are evaluated, a
    slot would stay empty where its best promo is refused and the second best has gone."""
    left = list(promos)
    for name, gate in GATES.items():
        # A roll-out costs a hash: it is asked about only where a place or the next change depends on it.
        left = left if name in ("time", "roll-out") else gate(left, case)
    found: dict[str, list[Promo]] = {name: [] for name in case.vocabulary.slots}
    for promo in sorted(left, key=rank):
        if promo.slot in found:
            found[promo.slot].append(promo)
    return found


def _next_change(promos: Iterable[Promo], case: Case) -> float | None:
    now, soonest = case.now, math.inf
    for promo in promos:
        moment = promo.start if now < promo.start < promo.end else promo.end
        if now < moment < soonest and within(promo, case.visitor):
            soonest = moment
    return soonest if soonest < math.inf else None


def _withheld(promos: list[Promo], case: Case) -> list[Promo]:
    return [promo for promo in promos if promo.id not in case.withheld] if case.withheld else promos


def _jurisdiction(promos: list[Promo], case: Case) -> list[Promo]:
    here = case.visitor.jurisdiction
    if not here or here not in case.vocabulary.jurisdictions:
        return []
    return [promo for promo in promos if here in promo.audience.jurisdictions]


def _excluded(promos: list[Promo], case: Case) -> list[Promo]:
    # A segment that is not known may be an exclusion that another system spells differently.
    return promos if case.visitor.segments <= case.vocabulary.segments - case.vocabulary.excluded else []


def _time(promos: list[Promo], case: Case) -> list[Promo]:
    now = case.now
    return [promo for promo in promos if promo.start <= now < promo.end]


def _language(promos: list[Promo], case: Case) -> list[Promo]:
    closest, *others = spoken(case.visitor.language, case.vocabulary.languages) or ("",)
    rest = frozenset(others)
    return [
        promo
        for promo in promos
        if (closest in promo.content or not rest.isdisjoint(promo.content))
        and (not (asked := promo.audience.languages) or closest in asked or not rest.isdisjoint(asked))
    ]


def _device(promos: list[Promo], case: Case) -> list[Promo]:
    has = case.visitor.device
    return [promo for promo in promos if not promo.audience.devices or has in promo.audience.devices]


def _segment(promos: list[Promo], case: Case) -> list[Promo]:
    has = case.visitor.segments
    return [promo for promo in promos if not (asked := promo.audience.segments) or not asked.isdisjoint(has)]


def _visitors(promos: list[Promo], case: Case) -> list[Promo]:
    open_to = {True: ("", "returning"), False: ("", "new"), None: ("",)}[case.visitor.returning]
    return [promo for promo in promos if promo.audience.visitors in open_to]


def _roll_out(promos: list[Promo], case: Case) -> list[Promo]:
    return [promo for promo in promos if within(promo, case.visitor)]


GATES: Mapping[GateName, Gate] = MappingProxyType(
    {
        "withheld": _withheld,
        "jurisdiction": _jurisdiction,
        "excluded": _excluded,
        "time": _time,
        "language": _language,
        "device": _device,
        "segment": _segment,
        "visitors": _visitors,
        "roll-out": _roll_out,
    }
)
"""In the order in which they are told. Each asks one thing of a visitor, and no gate depends on another."""
