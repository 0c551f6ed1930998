"""The provider's update interval: 60 s far from the start, from six hours before it ever shorter, 40 s in play."""

from __future__ import annotations

from itertools import pairwise

import pytest

from scripts.emulator.ages import read_at
from scripts.emulator.cadence import SHRINKS_FOR_S, Cadence, cadence
from scripts.emulator.catalog import BOOKS, SPORTS, Book
from scripts.emulator.schedule import Event, World, listed

from .conftest import START

REAL = World(3, START, ages="realistic")
BOOK, EXCHANGE = BOOKS["pinnacle"], BOOKS["betfair_ex_uk"]
EPL = listed(REAL, SPORTS["soccer_epl"], START)[-1]
GOLF = listed(REAL, SPORTS["golf_masters_tournament_winner"], START)[0]


@pytest.mark.parametrize(
    ("event", "book", "far", "half_way", "in_play"),
    [(EPL, BOOK, 60, 50, 40), (EPL, EXCHANGE, 30, 25, 20), (GOLF, BOOK, 300, 180, 60), (GOLF, EXCHANGE, 150, 90, 30)],
)
def test_the_interval_shrinks_from_six_hours_before_the_start(
    event: Event, book: Book, far: float, half_way: float, in_play: float
) -> None:
    rhythm = cadence(event, book)
    ahead = {6 * 86_400: far, 21_600: far, 10_800: half_way, 0: in_play, -3600: in_play}
    for seconds, interval in ahead.items():
        assert rhythm.interval(event.commence - seconds) == pytest.approx(interval)


@pytest.mark.parametrize("rhythm", [cadence(EPL, BOOK), cadence(GOLF, EXCHANGE)])
def test_one_reading_is_one_interval_at_every_distance(rhythm: Cadence) -> None:
    for at in range(rhythm.commence - SHRINKS_FOR_S - 4000, rhythm.commence + 4000, 97):
        assert rhythm.time(rhythm.count(at)) == pytest.approx(at, abs=1e-4)
        took = rhythm.time(rhythm.count(at) + 1) - at
        assert rhythm.interval(at + took) - 0.01 <= took <= rhythm.interval(at) + 0.01


def gaps(event: Event, first: float, seconds: int) -> list[int]:
    """The times between one last_update and the next, of every ordinary book."""
    books = [book for book in BOOKS.values() if not book.is_exchange]
    found: list[int] = []
    for book in books:
        read = sorted({read_at(REAL, event, book, first + step) for step in range(0, seconds, 5)})
        found += [late - early for early, late in pairwise(read)]
    return sorted(found)


@pytest.mark.parametrize(("hours", "interval"), [(30, 60), (6.5, 60), (4, 53), (2, 47), (0.75, 42)])
def test_what_is_served_follows_the_interval(hours: float, interval: int) -> None:
    found = gaps(EPL, EPL.commence - hours * 3600, 1800)
    assert abs(found[len(found) // 2] - interval) <= 1
