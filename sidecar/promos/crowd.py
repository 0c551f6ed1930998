"""Kinds of visitors, as far as promos tell them apart. Pure."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import or_
from typing import Any

from .document import Promo, Vocabulary
from .resolve import GATES, Case, GateName, Visitor

MOST_SEGMENTS = 6
"""Of so many, all combinations are told apart. Of more: none, each alone, and all together."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Visitors of any of each; an empty set, or "", is all that the vocabulary knows. `segments`: what they may have
    of `asked`, the segments that make a difference; the others they may have or not."""

    jurisdictions: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    segments: frozenset[frozenset[str]] = frozenset()
    visits: str = ""
    asked: frozenset[str] = frozenset()

    def has(self, visitor: Visitor) -> bool:
        """For one whom the vocabulary knows: all it says of them stands there, and no segment is excluded."""
        return (
            (not self.jurisdictions or visitor.jurisdiction in self.jurisdictions)
            and (not self.languages or visitor.language in self.languages)
            and (not self.devices or visitor.device in self.devices)
            and (not self.segments or visitor.segments & self.asked in self.segments)
            and (not self.visits or visitor.returning is (self.visits == "returning"))
        )


@dataclass(frozen=True, slots=True)
class Side:
    """Promos that some visitor may be shown, best first, with the vocabulary they are judged by."""

    promos: tuple[Promo, ...]
    vocabulary: Vocabulary


type _Box = tuple[frozenset[Any], ...]
"""Of each axis which values; empty for all."""


@dataclass(frozen=True, slots=True)
class Partition:
    """`cells`: by what they pass, a bit for each promo of each side, the first lowest. `possible`: by axis, those
    that some value lets through. `sizes`: how many values."""

    cells: Mapping[int, list[_Box]]
    possible: tuple[int, ...]
    sizes: tuple[int, ...]
    asked: frozenset[str]

    def crowds(self, cells: Iterable[int]) -> tuple[Crowd, ...]:
        """Who is in any of `cells`: as few crowds as joining along one axis after the other gives."""
        boxes = [box for cell in cells for box in self.cells[cell]]
        for axis in reversed(range(len(self.sizes))):
            boxes = self._joined(boxes, axis) if len(boxes) > 1 else boxes
        return tuple(sorted((self._crowd(box) for box in boxes), key=_order))

    def _joined(self, boxes: list[_Box], axis: int) -> list[_Box]:
        values: dict[_Box, frozenset[Any]] = {}
        for box in boxes:
            rest = (*box[:axis], *box[axis + 1 :])
            values[rest] = values[rest] | box[axis] if rest in values else box[axis]
        full = self.sizes[axis]
        return [
            (*rest[:axis], frozenset() if len(found) == full else found, *rest[axis:])
            for rest, found in values.items()
        ]

    def _crowd(self, box: _Box) -> Crowd:
        jurisdictions, languages, devices, segments, visits = box
        return Crowd(jurisdictions, languages, devices, segments, "".join(visits), self.asked)


def told_apart(sides: Sequence[Side], marks: Callable[[str], int] = lambda _: 0, width: int = 0) -> Partition:
    """`marks` of a language, `width` bits, stand above those of the promos: what else tells languages apart."""
    asked = _asked(sides)
    size = sum(len(side.promos) for side in sides)
    above = (1 << width) - 1 << size
    cells: dict[int, list[_Box]] = {(1 << size) - 1 | above: [()]}
    possible, sizes = [], []
    for gates, values in _axes(sides, asked):
        classes: dict[int, set[Hashable]] = defaultdict(set)
        for value, visitor in values.items():
            extra = marks(visitor.language) << size if "language" in gates else above
            classes[_passing(sides, gates, visitor) | extra].add(value)
        cells = _split(cells, classes, len(values))
        possible.append(reduce(or_, classes, 0))
        sizes.append(len(values))
    return Partition(cells, tuple(possible), tuple(sizes), asked)


def _split(cells: Mapping[int, list[_Box]], classes: Mapping[int, set[Hashable]], size: int) -> dict[int, list[_Box]]:
    found: dict[int, list[_Box]] = defaultdict(list)
    for mask, boxes in cells.items():
        parts: dict[int, set[Hashable]] = {}
        for passing, values in classes.items():
            left = mask & passing
            parts[left] = parts[left] | values if left in parts else values
        for left, values in parts.items():
            told = frozenset() if len(values) == size else frozenset(values)
            found[left] += [(*box, told) for box in boxes]
    return found


def _axes(
    sides: Sequence[Side], asked: frozenset[str]
) -> tuple[tuple[tuple[GateName, ...], dict[Hashable, Visitor]], ...]:
    """The gates that ask about it, and the values. A gate asks about one axis alone."""
    words = [side.vocabulary for side in sides]
    return (
        (("jurisdiction",), {w: Visitor(jurisdiction=w) for each in words for w in each.jurisdictions}),
        (("language",), {w: Visitor(language=w) for each in words for w in each.languages}),
        (("device",), {w: Visitor(device=w) for each in words for w in each.devices} or {"": Visitor()}),
        (("excluded", "segment"), {some: Visitor(segments=some) for some in _combinations(asked)}),
        (("visitors",), {"new": Visitor(returning=False), "returning": Visitor(returning=True)}),
    )


def _asked(sides: Sequence[Side]) -> frozenset[str]:
    """The segments that make a difference: promos ask for them, or one side alone shows their members something."""
    shown = [side.vocabulary.segments - side.vocabulary.excluded for side in sides]
    named = {each for side in sides for promo in side.promos for each in promo.audience.segments}
    return frozenset().union(*shown) & named | shown[0] ^ shown[-1]


def _combinations(segments: Collection[str]) -> list[frozenset[str]]:
    many = len(segments)
    lengths = range(many + 1) if many <= MOST_SEGMENTS else (0, 1, many)
    return [frozenset(some) for length in lengths for some in combinations(sorted(segments), length)]


def _passing(sides: Sequence[Side], gates: Iterable[GateName], visitor: Visitor) -> int:
    found, below = 0, 0
    for side in sides:
        case, left = Case(side.vocabulary, visitor), list(side.promos)
        for name in gates:
            left = GATES[name](left, case)
        passed = {promo.id for promo in left}
        for place, promo in enumerate(side.promos, below):
            if promo.id in passed:
                found |= 1 << place
        below += len(side.promos)
    return found


def _order(crowd: Crowd) -> tuple[object, ...]:
    return (
        sorted(crowd.jurisdictions),
        sorted(crowd.languages),
        sorted(crowd.devices),
        sorted(map(sorted, crowd.segments)),
        crowd.visits,
    )
