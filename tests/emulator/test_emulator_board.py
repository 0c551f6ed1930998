from __future__ import annotations

import random

import pytest

from scripts.emulator.ages import read_at, updated_at
from scripts.emulator.board import Board, EventBoard, opening, prices_of
from scripts.emulator.catalog import BOOKS, DAY, REGIONS
from scripts.emulator.moves import following, picks
from scripts.emulator.schedule import World
from scripts.emulator.timeline import HELD_TICKS, Timeline


def every_price(board: Board) -> dict[str, object]:
    return {sport: prices_of(board, sport) for sport in board.sports}


def test_the_same_seed_and_tick_give_the_same_board(world: World, board: Board) -> None:
    stepwise = opening(world)
    while stepwise.tick < board.tick:
        stepwise = following(world, stepwise)
    assert every_price(stepwise) == every_price(board)
    assert every_price(opening(World(world.seed + 1, world.start))) != every_price(opening(world))


def test_only_lines_marked_with_the_tick_moved(world: World, board: Board) -> None:
    after = following(world, board)
    changes = 0
    for old, new in zip(board.sports["soccer_epl"], after.sports["soccer_epl"], strict=True):
        for before, now in zip(old.lines, new.lines, strict=True):
            changes += before is not now
            assert (before is now) == (now.changed != after.tick)
    assert changes


def test_events_in_play_move_most_and_far_ones_least(world: World) -> None:
    board = Timeline(world).at(world.start + 100)
    in_play: list[float] = []
    near: list[float] = []
    far: list[float] = []
    for event in board.sports["basketball_nba"]:
        moved = sum(line.changed > 0 for line in event.lines) / len(event.lines)
        ahead = event.event.commence - board.at
        (in_play if ahead < 0 else near if ahead < DAY else far).append(moved)
    assert min(in_play) > max(near) > 0.1
    assert sum(near) / len(near) > 2 * sum(far) / len(far) > 0


def test_volatility_0_freezes_the_prices(world: World) -> None:
    calm = World(world.seed, world.start, volatility=0)
    assert every_price(Timeline(calm).at(world.start + 20)) == every_price(opening(calm))


def test_time_that_steps_back_keeps_the_newest_board(world: World) -> None:
    timeline = Timeline(world)
    newest = timeline.at(world.start + 10)
    assert timeline.at(world.start + 3) is newest
    assert timeline.at(world.start + 10.9) is newest


def test_the_last_120_ticks_are_held(world: World) -> None:
    timeline = Timeline(World(world.seed, world.start, events=1))
    newest = timeline.at(world.start + HELD_TICKS + 4)
    assert timeline.held(newest.tick) is newest
    assert timeline.held(newest.tick + 1) is None
    assert timeline.held(4) is None
    oldest = timeline.held(5)
    assert oldest is not None
    assert oldest.tick == 5


def test_an_event_that_ends_is_replaced_on_the_board(world: World) -> None:
    slow = World(world.seed, world.start, tick_s=600)
    timeline = Timeline(slow)
    before = [event.event for event in timeline.at(world.start).sports["soccer_epl"]]
    after = [event.event for event in timeline.at(before[0].ends + 600).sports["soccer_epl"]]
    assert before[0] not in after
    assert before[1:] == after[: len(before) - 1]
    assert after[-1].commence > world.start + 6 * DAY


@pytest.mark.parametrize("index", [0, 3, 8])
def test_last_update_advances_in_the_phase_of_each_book(world: World, board: Board, index: int) -> None:
    event = board.sports["soccer_epl"][index].event
    times = [world.start + 0.5 * step for step in range(200)]
    for book in (BOOKS["pinnacle"], BOOKS["skybet"], BOOKS["betfair_ex_uk"]):
        read = [read_at(world, event, book, now) for now in times]
        assert read == sorted(read)
        assert len(set(read)) >= 9
        assert all(0 <= now - then <= world.refresh_s + 1 for now, then in zip(times, read, strict=True))
    phases = {read_at(world, event, book, world.start + 50) for book in BOOKS.values()}
    assert len(phases) > 4


def test_reading_never_steps_back_at_the_start_of_an_event(world: World, board: Board) -> None:
    event = board.sports["soccer_epl"][2].event
    for book in BOOKS.values():
        read = [read_at(world, event, book, event.commence + step / 4) for step in range(-80, 80)]
        assert read == sorted(read)


def test_a_move_counts_as_an_update(world: World, board: Board) -> None:
    lines = [line for event in board.sports["soccer_epl"] for line in event.lines if line.changed]
    assert lines
    for line in lines:
        assert updated_at(world, line, 0) == int(world.at(line.changed)) <= board.at
        assert updated_at(world, line, int(board.at) + 9) == int(board.at) + 9


def test_spans_cover_the_lines_of_one_book_each(board: Board) -> None:
    event: EventBoard
    for event in board.sports["soccer_epl"]:
        assert [index for span in event.spans for index in range(span.first, span.end)] == list(
            range(len(event.lines))
        )
        for span in event.spans:
            assert {line.spec.book for line in event.lines[span.first : span.end]} == {span.book}
        assert len({span.book.key for span in event.spans}) == len(event.spans)


def test_each_event_has_books_and_prices_of_its_own(board: Board) -> None:
    events = board.sports["icehockey_nhl"]
    assert len({tuple(span.book.key for span in event.spans) for event in events}) == len(events)
    assert len({event.lines[0].spec.rungs for event in events}) > len(events) / 2


def test_regions_overlap_and_have_10_to_14_books() -> None:
    sizes = [sum(region in book.regions for book in BOOKS.values()) for region in REGIONS]
    assert all(10 <= size <= 14 for size in sizes)
    assert sum(sizes) > len(BOOKS)


@pytest.mark.parametrize("chance", [0.0, 0.01, 0.3, 0.99])
def test_picks_choose_each_index_with_the_chance(chance: float) -> None:
    chosen = list(picks(random.Random(4), 20_000, chance))
    assert chosen == sorted(set(chosen))
    assert all(0 <= index < 20_000 for index in chosen)
    assert len(chosen) == pytest.approx(20_000 * chance, rel=0.15)
