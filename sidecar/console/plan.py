"""Slots over a stretch of time for one audience: what runs, when it is shown, when it loses, when a slot is empty.
Pure, and in seconds; `timeline` draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..promos.document import Promo, Slot
from ..promos.resolve import Withheld, rank
from ..promos.standing import Live
from .audience import Asked, answer, refusal

type Span = tuple[float, float]
"""From, and until: that no longer counts."""


@dataclass(frozen=True, slots=True)
class Run:
    """A promo within the stretch. `lost`: when it would be shown if there were room. `refused`: why it is not for
    this audience; it is never shown then, nor lost."""

    promo: Promo
    span: Span
    lost: tuple[Span, ...] = ()
    refused: str = ""

    @property
    def lost_s(self) -> float:
        return sum(end - start for start, end in self.lost)


@dataclass(frozen=True, slots=True)
class Lane:
    """`runs` for this audience by rank, then those that are not. `gaps`: when nothing is shown."""

    name: str
    slot: Slot
    runs: tuple[Run, ...]
    gaps: tuple[Span, ...]


def plan(live: Live, withheld: Withheld, who: Asked, stretch: Span) -> tuple[Lane, ...]:
    files = {promo.id: promo for promo in live.promos}
    refused = {told.promo.id: refusal(told) for told in answer(live, withheld, who, stretch[0]).explained}
    within = sorted((p for p in files.values() if p.start < stretch[1] and p.end > stretch[0]), key=rank)
    return tuple(
        _lane(name, slot, [p for p in within if p.slot == name], refused, stretch)
        for name, slot in live.vocabulary.slots.items()
    )


def _lane(name: str, slot: Slot, promos: Sequence[Promo], refused: Mapping[str, str], stretch: Span) -> Lane:
    """`promos` by rank."""
    theirs = [promo for promo in promos if not refused[promo.id]]
    lost: dict[str, list[Span]] = {promo.id: [] for promo in theirs}
    gaps: list[Span] = []
    moments = {moment for promo in theirs for moment in (promo.start, promo.end) if stretch[0] < moment < stretch[1]}
    bounds = [stretch[0], *sorted(moments), stretch[1]]
    for start, end in pairwise(bounds):
        running = [promo.id for promo in theirs if promo.start <= start < promo.end]
        for loser in running[slot.capacity :]:
            _extend(lost[loser], (start, end))
        if not running:
            _extend(gaps, (start, end))
    runs = [Run(promo, _within(promo, stretch), tuple(lost[promo.id])) for promo in theirs]
    others = [Run(p, _within(p, stretch), refused=refused[p.id]) for p in promos if refused[p.id]]
    return Lane(name, slot, (*runs, *others), tuple(gaps))


def _within(promo: Promo, stretch: Span) -> Span:
    return max(promo.start, stretch[0]), min(promo.end, stretch[1])


def _extend(spans: list[Span], span: Span) -> None:
    if spans and spans[-1][1] == span[0]:
        span = spans.pop()[0], span[1]
    spans.append(span)
