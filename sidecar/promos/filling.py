"""What a slot shows of the promos whose time it is, for visitors who pass the same gates. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .crowd import Side
from .document import Promo, Vocabulary
from .resolve import GATES, STEPS, Case, Visitor, Withheld, rank, steps


@dataclass(frozen=True, slots=True)
class Seen:
    """`sure`: shown to all; else to those whom its roll-out has come to and those before it leave room."""

    id: str
    rollout: float
    sure: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """`shown`: all that may be shown, best first; `lost`: those for which there is no room. `bits` of both."""

    shown: tuple[Seen, ...]
    lost: tuple[str, ...]
    bits: tuple[int, int]


@dataclass(slots=True)
class Filling:
    """Of one slot. `known`: by the bits of those whose time it is and who pass."""

    side: Side
    capacity: int
    known: dict[int, Filled] = field(default_factory=dict)

    def of(self, live: int) -> Filled:
        found = self.known.get(live)
        if found is None:
            found = self.known[live] = self._fill(live)
        return found

    def each(self, bits: int) -> Iterator[tuple[int, Promo]]:
        while bits:
            bit = bits & -bits
            yield bit, self.side.promos[bit.bit_length() - 1]
            bits ^= bit

    def _fill(self, live: int) -> Filled:
        shown: list[Seen] = []
        bits, surely = 0, 0
        for bit, promo in self.each(live):
            # A roll-out takes no place for sure: whoever it has not come to sees the next.
            if surely >= self.capacity:
                break
            to_all = steps(promo) >= STEPS
            shown.append(Seen(promo.id, promo.rollout, to_all and len(shown) < self.capacity))
            bits |= bit
            surely += to_all
        lost = tuple(promo.id for _, promo in self.each(live & ~bits))
        return Filled(tuple(shown), lost, (bits, live & ~bits))


def side_of(promos: Sequence[Promo], vocabulary: Vocabulary, slot: str, withheld: Withheld) -> Side:
    here = [promo for promo in promos if promo.slot == slot and promo.start < promo.end and steps(promo) > 0]
    left = GATES["withheld"](here, Case(vocabulary, Visitor(), withheld=withheld))
    return Side(tuple(sorted(left, key=rank)), vocabulary)


def spans(sides: Sequence[Side], since: float, until: float) -> list[tuple[float, float, int]]:
    """From one start or end to the next, with the bits of those whose time it is."""
    live, turns = 0, defaultdict[float, int](int)
    for place, promo in enumerate(promo for side in sides for promo in side.promos):
        if promo.start <= since < promo.end:
            live |= 1 << place
        for moment in (promo.start, promo.end):
            if since < moment < until:
                turns[moment] ^= 1 << place
    found, before = [], since
    for moment in (*sorted(turns), until) if since < until else ():
        found.append((before, moment, live))
        live, before = live ^ turns.get(moment, 0), moment
    return found


def joined[T](pieces: Iterable[tuple[float, float, T]]) -> list[tuple[float, float, T]]:
    """What is adjacent and the same as one. In the order of time; never None."""
    found: list[tuple[float, float, T]] = []
    begun, end = 0.0, 0.0
    same: T | None = None
    for since, until, what in pieces:
        if since != end or what != same:
            if same is not None:
                found.append((begun, end, same))
            begun, same = since, what
        end = until
    return found if same is None else [*found, (begun, end, same)]


def lifetime(sides: Sequence[Side], since: float) -> tuple[float, float]:
    """From the first start to the last end of those that have not ended at `since`."""
    left = [promo for side in sides for promo in side.promos if promo.end > since]
    return min((p.start for p in left), default=math.inf), max((p.end for p in left), default=-math.inf)
