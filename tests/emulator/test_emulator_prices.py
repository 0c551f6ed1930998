from __future__ import annotations

import random

import pytest

from scripts.emulator.catalog import BOOKS, SPORTS
from scripts.emulator.prices import LADDER, REACH, Line, LineSpec, decimal_price, implied, moved


@pytest.mark.parametrize(
    ("american", "decimal"),
    [
        (100, 2.0),
        (150, 2.5),
        (300, 4.0),
        (-110, 1.91),
        (-117, 1.85),
        (-150, 1.67),
        (-160, 1.63),  # 1.625: half goes up, neither to even nor to the binary neighbour
        (-2000, 1.05),
    ],
)
def test_decimal_is_rounded_half_up_at_two_places(american: int, decimal: float) -> None:
    assert decimal_price(american) == decimal


def test_the_ladder_ascends_in_value_and_has_no_minus_100() -> None:
    assert [implied(price) for price in LADDER] == sorted((implied(price) for price in LADDER), reverse=True)
    assert len(set(LADDER)) == len(LADDER)
    assert -100 not in LADDER
    assert 100 in LADDER


def line(market: str, outcomes: int) -> Line:
    names = tuple(f"outcome {number}" for number in range(outcomes))
    spec = LineSpec(BOOKS["pinnacle"], market, names, (LADDER.index(100),) * outcomes)
    return Line(spec, (0,) * outcomes)


def test_a_move_turns_the_first_two_outcomes_against_each_other_and_leaves_the_draw() -> None:
    before = line("h2h", 3)
    after = moved(before, 7, random.Random(1))
    assert after.changed == 7
    assert after.shifts[0] == -after.shifts[1] != 0
    assert after.prices()[2] == before.prices()[2]


def test_a_move_of_a_field_is_a_move_of_one_outcome() -> None:
    before = line("outrights", len(SPORTS["golf_masters_tournament_winner"].teams))
    movers = set()
    for seed in range(20):
        shifts = moved(before, 1, random.Random(seed)).shifts
        (mover,) = [index for index, shift in enumerate(shifts) if shift]
        movers.add(mover)
    assert len(movers) > 10


def test_a_walk_stays_within_reach() -> None:
    rng = random.Random(2)
    walker = line("h2h", 2)
    seen = set()
    for tick in range(3000):
        walker = moved(walker, tick, rng)
        seen.add(walker.shifts[0])
    assert max(seen) <= REACH
    assert min(seen) >= -REACH
    assert max(seen) - min(seen) > REACH


def test_laying_costs_more_than_backing() -> None:
    assert all(lay > back for back, lay in zip(line("h2h", 3).prices(), line("h2h", 3).prices(lay=True), strict=True))
