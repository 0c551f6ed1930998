"""Prices on the American grid, and the line one book offers on one market."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from .catalog import Book, Sport
from .schedule import Event

# Ascending in value. -100 is absent: even money is written +100.
LADDER: tuple[int, ...] = (
    *range(-2000, -1000, 100),
    *range(-1000, -500, 50),
    *range(-500, -300, 20),
    *range(-300, -150, 5),
    *range(-150, -100),
    *range(100, 150),
    *range(150, 300, 5),
    *range(300, 500, 20),
    *range(500, 1000, 50),
    *range(1000, 5001, 100),
)
STEPS = (-3, -2, -1, -1, 1, 1, 2, 3)
REACH = 25
LAY_STEPS = 2


def decimal_price(american: int) -> float:
    """1+A/100 above zero, 1+100/|A| below, rounded half up to two places."""
    value = Decimal(american) / 100 if american > 0 else Decimal(100) / -american
    return float((1 + value).quantize(Decimal("0.01"), ROUND_HALF_UP))


def implied(american: int) -> float:
    return 100 / (american + 100) if american > 0 else -american / (100 - american)


def rung(probability: float) -> int:
    """The rung of the ladder nearest to a probability."""
    return min(range(len(LADDER)), key=lambda index: abs(implied(LADDER[index]) - probability))


# Probability in thousandths -> rung.
RUNGS = tuple(rung(thousandth / 1000) for thousandth in range(1001))
EVEN_RUNG = LADDER.index(-110)


def price_at(index: int) -> int:
    return LADDER[max(0, min(index, len(LADDER) - 1))]


@dataclass(frozen=True, slots=True, eq=False)
class LineSpec:
    """The fixed part of a line: its outcomes, their points and the rungs they start from.

    `descriptions` tell outcomes of one name apart: the team or the player that each is about.
    """

    book: Book
    market: str
    names: tuple[str, ...]
    rungs: tuple[int, ...]
    points: tuple[float, ...] | None = None
    descriptions: tuple[str, ...] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names that differ from each other, such as "Arsenal Over 1.5"."""
        if len(set(self.names)) == len(self.names):
            return self.names
        points = [f"{point:g}" for point in self.points or ()] or [""] * len(self.names)
        parts = zip(self.descriptions or [""] * len(self.names), self.names, points, strict=True)
        return tuple(" ".join(filter(None, each)) for each in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A spec with its present distance, in rungs, from where it started. `changed` is a tick.

    A line that is not `open` is off the board: its market is left out of every answer.
    """

    spec: LineSpec
    shifts: tuple[int, ...]
    changed: int = 0
    open: bool = True

    def prices(self, lay: bool = False) -> tuple[int, ...]:
        """American prices in the order of the names; laying costs two rungs more than backing."""
        extra = LAY_STEPS if lay else 0
        return tuple(price_at(base + shift + extra) for base, shift in zip(self.spec.rungs, self.shifts, strict=True))


def moved(line: Line, tick: int, rng: random.Random) -> Line:
    """The line one step of its walk later. The first two outcomes move against each other, a draw stays.

    In a field of many (outrights) one outcome moves. The walk turns back at REACH rungs.
    """
    step = rng.choice(STEPS)
    shifts = list(line.shifts)
    mover = rng.randrange(len(shifts)) if line.spec.market == "outrights" else 0
    shifts[mover] += step if abs(shifts[mover] + step) <= REACH else -step
    if line.spec.market != "outrights":
        shifts[1] = -shifts[0]
    return Line(line.spec, tuple(shifts), tick, line.open)


def jumped(line: Line, steps: int, tick: int) -> Line:
    """The line after something that moves every book the same way, as far as its reach allows."""
    first = line.shifts[0]
    first += steps if abs(first + steps) <= REACH else -steps
    second = (-first,) if len(line.shifts) > 1 else ()
    return Line(line.spec, (first, *second, *line.shifts[2:]), tick, line.open)


def opening_lines(event: Event, books: tuple[Book, ...], rng: random.Random) -> tuple[Line, ...]:
    """The lines of an event before any move, grouped by book. Not every book offers every market."""
    sport = event.sport
    fair = outright_chances(sport, rng) if sport.has_outrights else head_to_head_chances(sport, rng)
    lines: list[Line] = []
    for book in books:
        margin = rng.uniform(0.005, 0.015) if book.is_exchange else rng.uniform(0.02, 0.07)
        lines += [Line(spec, (0,) * len(spec.rungs)) for spec in specs(event, book, fair, margin, rng)]
    return tuple(lines)


def specs(event: Event, book: Book, fair: list[float], margin: float, rng: random.Random) -> list[LineSpec]:
    rungs = tuple(RUNGS[min(990, round(1000 * chance * (1 + margin)))] + rng.randint(-1, 1) for chance in fair)
    if event.sport.has_outrights:
        return [LineSpec(book, "outrights", event.sport.teams, rungs)]
    teams = (event.home or "", event.away or "")
    found = [LineSpec(book, "h2h", (*teams, "Draw") if event.sport.draws else teams, rungs)]
    if rng.random() < 0.85:
        handicap = half((fair[1] - fair[0]) / 2 * event.sport.spread)
        found.append(LineSpec(book, "spreads", teams, near_even(rng), (handicap, -handicap)))
    if rng.random() < 0.9:
        total = event.sport.total + rng.choice((-0.5, 0.0, 0.0, 0.0, 0.5))
        found.append(LineSpec(book, "totals", ("Over", "Under"), near_even(rng), (total, total)))
    return found


def near_even(rng: random.Random) -> tuple[int, int]:
    lean = rng.randint(-8, 8)
    return EVEN_RUNG + lean, EVEN_RUNG - lean


def half(value: float) -> float:
    """The nearest handicap that ends in .5, so that no bet is refunded."""
    return round(value - 0.5) + 0.5


def head_to_head_chances(sport: Sport, rng: random.Random) -> list[float]:
    home = rng.uniform(0.25, 0.75)
    if not sport.draws:
        return [home, 1 - home]
    draw = rng.uniform(0.22, 0.3)
    return [home * (1 - draw), (1 - home) * (1 - draw), draw]


def outright_chances(sport: Sport, rng: random.Random) -> list[float]:
    weights = [rng.paretovariate(2.0) for _ in sport.teams]
    return [weight / sum(weights) for weight in weights]
