"""What slots will show to whom: where they are empty or overbooked, and which promos nobody will ever see. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from .crowd import Crowd, Partition, Side, told_apart
from .document import Promo, Vocabulary
from .explain import listed, outranks
from .filling import Filled, Filling, Seen, joined, lifetime, side_of, spans
from .resolve import NOTHING, Withheld, steps
from .wording import quoted, seen, span, whom


@dataclass(frozen=True, slots=True)
class Stretch:
    """`shown`: all that may be shown, best first. `lost`: whose time it is, and for whom there is no room."""

    since: float
    until: float
    shown: tuple[Seen, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Of all time that was asked about, for visitors who see the same in this slot."""

    slot: str
    crowds: tuple[Crowd, ...]
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """`promos`: overbooked, those that lose; unreachable, the one. Of what is unreachable the times are its own, and
    `crowds` is empty."""

    kind: Literal["unreachable", "empty", "overbooked"]
    slot: str
    since: float
    until: float
    crowds: tuple[Crowd, ...]
    promos: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`lanes`: of all slots, and together of all visitors whom the vocabulary knows. `findings`: what is unreachable,
    then what is empty, then what is overbooked, by time."""

    lanes: tuple[Lane, ...]
    findings: tuple[Finding, ...]


def occupancy(
    promos: Sequence[Promo], vocabulary: Vocabulary, since: float, until: float, withheld: Withheld = NOTHING
) -> Occupancy:
    """Of [since, until). What is unreachable is looked for in the whole time of all that end after `since`."""
    zone = usual_zone(promos)
    sides = {name: side_of(promos, vocabulary, name, withheld) for name in vocabulary.slots}
    slots = [_Slot.of(side, name, since, until) for name, side in sides.items()]
    findings = [finding for slot in slots for finding in slot.findings(zone)]
    left = ((promo, _unshowable(promo, vocabulary, withheld)) for promo in promos if promo.end > since)
    findings += [_unreachable(promo, why) for promo, why in left if why]
    kinds = ("unreachable", "empty", "overbooked")
    ordered = sorted(findings, key=lambda each: (kinds.index(each.kind), each.since, each.slot, each.until))
    return Occupancy(tuple(lane for slot in slots for lane in slot.lanes()), tuple(ordered))


def usual_zone(promos: Sequence[Promo]) -> str:
    """The time zone that most of them are in."""
    zones = Counter(promo.timezone for promo in promos)
    return min(zones, key=lambda zone: (-zones[zone], zone), default="UTC")


type _Story = list[tuple[float, float, Filled]]


@dataclass(frozen=True, slots=True)
class _Slot:
    """`groups`: cells that pass the same of what is there within the time asked about, and what they see."""

    name: str
    since: float
    vocabulary: Vocabulary
    filling: Filling
    partition: Partition
    groups: Sequence[tuple[Sequence[int], _Story]]

    @classmethod
    def of(cls, side: Side, name: str, since: float, until: float) -> "_Slot":
        partition, moments = told_apart([side]), spans([side], since, until)
        present = reduce(or_, (live for _, _, live in moments), 0)
        groups: dict[int, list[int]] = defaultdict(list)
        for cell in partition.cells:
            groups[cell & present].append(cell)
        filling = Filling(side, side.vocabulary.slots[name].capacity)

        def story(group: int) -> _Story:
            mine = joined((begun, end, live & group) for begun, end, live in moments)
            return [(begun, end, filling.of(live)) for begun, end, live in mine]

        told = [(cells, story(group)) for group, cells in groups.items()]
        return cls(name, since, side.vocabulary, filling, partition, told)

    def lanes(self) -> Iterator[Lane]:
        for cells, story in self.groups:
            stretches = (Stretch(a, b, filled.shown, filled.lost) for a, b, filled in story)
            yield Lane(self.name, self.partition.crowds(cells), tuple(stretches))

    def findings(self, zone: str) -> Iterator[Finding]:
        yield from self._unreached()
        empty: dict[tuple[float, float, bool], list[int]] = defaultdict(list)
        full: dict[tuple[float, float, Filled], list[int]] = defaultdict(list)
        for cells, story in self.groups:
            for since, until, filled in story:
                if filled.lost:
                    full[since, until, filled] += cells
            for gap in _gaps(story):
                empty[gap] += cells
        for (since, until, perhaps), cells in empty.items():
            yield self._empty(since, until, perhaps, cells, zone)
        for (since, until, filled), cells in full.items():
            yield self._overbooked(since, until, filled, cells, zone)

    def _empty(self, since: float, until: float, perhaps: bool, cells: Sequence[int], zone: str) -> Finding:
        crowds = self.partition.crowds(cells)
        who = whom(crowds, self.vocabulary) + (" whom no roll-out has come to" if perhaps else "")
        sentence = f"{self.name} is empty for {who} {span(since, until, zone)}"
        return Finding("empty", self.name, since, until, crowds, (), sentence)

    def _overbooked(self, since: float, until: float, filled: Filled, cells: Sequence[int], zone: str) -> Finding:
        crowds = self.partition.crowds(cells)
        room = f"{self.name} has room for {self.filling.capacity} of {len(filled.lost) + len(filled.shown)}"
        who = f"for {whom(crowds, self.vocabulary)} {span(since, until, zone)}"
        sentence = f"{room} {who}: {seen(filled.shown)}, not {quoted(filled.lost)}"
        return Finding("overbooked", self.name, since, until, crowds, filled.lost, sentence)

    def _unreached(self) -> Iterator[Finding]:
        side, filling = self.filling.side, self.filling
        left = reduce(or_, (1 << place for place, promo in enumerate(side.promos) if promo.end > self.since), 0)
        left = reduce(lambda bits, filled: bits & ~filled.bits[0], filling.known.values(), left)
        moments = spans([side], *lifetime([side], self.since)) if left else []
        states = {live & cell for cell in self.partition.cells for _, _, live in moments if live & cell & left}
        taken = [filling.of(state).bits for state in states]
        left = reduce(lambda bits, each: bits & ~each[0], taken, left)
        for bit, promo in filling.each(left):
            ahead = reduce(or_, (shown for shown, lost in taken if lost & bit), 0)
            better = [f'"{other.id}" ({outranks(other, promo)})' for _, other in filling.each(ahead)]
            always = f"{self.name} shows {filling.capacity}, and whoever it is for is shown {', '.join(better)}"
            yield _unreachable(promo, _nobody(promo, bit, self.partition) or always)


def _gaps(story: _Story) -> list[tuple[float, float, bool]]:
    """When nothing is sure to be shown, and whether something may be."""
    return joined(
        (since, until, bool(each.shown)) for since, until, each in story if not any(one.sure for one in each.shown)
    )


def _unreachable(promo: Promo, why: str) -> Finding:
    sentence = f'"{promo.id}" is shown to nobody {span(promo.start, promo.end, promo.timezone)}: {why}'
    return Finding("unreachable", promo.slot, promo.start, promo.end, (), (promo.id,), sentence)


def _unshowable(promo: Promo, vocabulary: Vocabulary, withheld: Withheld) -> str:
    """Why no gate is even asked."""
    if promo.id in withheld:
        return withheld[promo.id]
    if promo.slot not in vocabulary.slots:
        return f'there is no slot "{promo.slot}"'
    if promo.end <= promo.start:
        return "it ends before it starts"
    return "" if steps(promo) > 0 else "it is rolled out to 0 %"


def _nobody(promo: Promo, bit: int, partition: Partition) -> str:
    """Why no visitor there is passes the gates."""
    whom = promo.audience
    sentences = (
        f"no jurisdiction it is for is known ({listed(whom.jurisdictions)})",
        f"it has text in {listed(promo.content)}, and is for those who read {listed(whom.languages)}",
        f"no device it is for is known ({listed(whom.devices)})",
        f"who is in {listed(whom.segments)} is shown nothing",
        f"there are no {whom.visitors} visitors",
    )
    shut = [sentence for sentence, possible in zip(sentences, partition.possible, strict=True) if not possible & bit]
    return "; ".join(shut)
