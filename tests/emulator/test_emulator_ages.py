from __future__ import annotations

import random

import pytest

from scripts.emulator.ages import book_updated_at, next_reading, read_at, updated_at
from scripts.emulator.board import Board, opening
from scripts.emulator.catalog import BOOKS
from scripts.emulator.moves import following
from scripts.emulator.schedule import Event, World, active_sports, listed
from scripts.emulator.timeline import Timeline

from .conftest import START

REAL = World(3, START, ages="realistic")


def events() -> list[Event]:
    return [event for sport in active_sports() if not sport.has_outrights for event in listed(REAL, sport, START)]


def sampled(first: float, last: float) -> list[float]:
    """Ages at random times between two distances from the start of the event."""
    rng = random.Random(1)
    return sorted(
        at - read_at(REAL, event, book, at)
        for event in events()
        for book in BOOKS.values()
        for at in (event.commence + rng.uniform(first, last) for _ in range(6))
    )


def test_ages_before_the_start_have_the_percentiles_of_the_recording() -> None:
    ages = sampled(-80_000, 0)
    median, ninth, last = (ages[int(share * len(ages))] for share in (0.5, 0.9, 0.99))
    assert median == pytest.approx(33, abs=5)
    assert ninth == pytest.approx(68, abs=7)
    assert last == pytest.approx(140, abs=20)
    assert ages[0] >= 1


def test_ages_in_play_have_a_long_tail() -> None:
    ages = sampled(300, 8000)
    assert ages[len(ages) // 2] == pytest.approx(29, abs=6)
    assert 500 < ages[int(0.99 * len(ages))] < 830
    assert 780 < ages[-1] < 900


@pytest.mark.parametrize("index", [0, 2, 9])
def test_a_realistic_reading_never_steps_back_not_even_at_the_start(index: int) -> None:
    event = listed(REAL, active_sports()[4], START)[index]
    for book in BOOKS.values():
        times = [event.commence + step for step in range(-400, 2400, 3)]
        read = [read_at(REAL, event, book, now) for now in times]
        assert read == sorted(read)
        own = [book_updated_at(REAL, event, book, then) for then in read]
        assert own == sorted(own)
        assert all(then <= mine <= now for then, mine, now in zip(read, own, times, strict=True))


def test_a_bookmaker_is_sometimes_later_than_its_markets() -> None:
    event = events()[5]
    later = [
        book_updated_at(REAL, event, book, read) - read
        for book in BOOKS.values()
        for read in (read_at(REAL, event, book, START + 60 * step) for step in range(60))
    ]
    assert set(later) == {0, 1}
    assert sum(later) / len(later) == pytest.approx(1 / 43, rel=0.6)


def test_the_next_reading_is_when_last_update_advances() -> None:
    for event in events()[:4]:
        for book in list(BOOKS.values())[::6]:
            now = event.commence - 33.3
            then = next_reading(REAL, event, book, now)
            assert read_at(REAL, event, book, then) > read_at(REAL, event, book, now)
            assert read_at(REAL, event, book, then - 1.1) == read_at(REAL, event, book, now)


def stepped(world: World, ticks: int) -> list[Board]:
    boards = [opening(world)]
    for _ in range(ticks):
        boards.append(following(world, boards[-1]))
    return boards


def test_realistic_prices_move_only_with_a_reading() -> None:
    world = World(3, START, events=3, ages="realistic")
    same = []
    for board in stepped(world, 150):
        for event_id, index in board.changes:
            found = board.find(event_id)
            assert found is not None
            line = found.lines[index]
            read = read_at(world, found.event, line.spec.book, board.at)
            assert read > read_at(world, found.event, line.spec.book, board.at - 2.1)
            same.append(updated_at(world, line, read) == read)
    assert len(same) > 200
    assert sum(same) / len(same) > 0.95


def test_last_update_advances_while_no_price_moves() -> None:
    world = World(3, START, ages="realistic", volatility=0)
    for event in events()[:10]:
        assert all(
            read_at(world, event, book, START + 600) > read_at(world, event, book, START + 10)
            for book in BOOKS.values()
            if not event.in_play(START)
        )


@pytest.mark.parametrize("book", ["pinnacle", "betfair_ex_uk", "neds"])
@pytest.mark.parametrize("before_s", [120.0, 30.0, 3.0, 0.4])
def test_the_next_reading_is_the_end_of_the_event_at_the_latest(book: str, before_s: float) -> None:
    for event in events()[:12]:
        now = event.ends - before_s
        then = next_reading(REAL, event, BOOKS[book], now)
        assert now < then <= event.ends
        advanced = read_at(REAL, event, BOOKS[book], then) > read_at(REAL, event, BOOKS[book], now)
        assert advanced or then == event.ends


def test_nothing_is_read_after_the_end() -> None:
    for event in events()[:6]:
        for book in BOOKS.values():
            last = read_at(REAL, event, book, event.ends - 0.001)
            assert [read_at(REAL, event, book, event.ends + later) for later in (0, 1, 5000)] == [last] * 3
            assert next_reading(REAL, event, book, event.ends + 9) == event.ends + 9


def test_a_world_runs_on_over_the_end_of_an_event() -> None:
    world = World(3, START, events=2, ages="realistic", tick_s=20)
    timeline = Timeline(world)
    (first, *_) = timeline.at(START).sports["soccer_epl"]
    assert timeline.at(first.event.ends + 100).find(first.event.id) is None
