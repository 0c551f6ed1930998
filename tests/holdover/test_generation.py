import asyncio

import pytest

from holdover.generation import Generations


class Board:
    """What was published, and when it is held up."""

    def __init__(self):
        self.published = []
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, entries):
        await self.open.wait()
        self.published.append([entry.key for entry in entries])


@pytest.fixture
async def board():
    return Board()


@pytest.fixture(scope="module")
def entries(entry_of):
    return [entry_of(sport) for sport in ("epl", "nba", "mlb")]


def begin(board, entries):
    generations = Generations()
    return generations, generations.begin([entry.key for entry in entries], board.publish)


async def test_nothing_is_seen_before_the_last_has_come_and_then_all_at_once(board, entries):
    _, generation = begin(board, entries)
    for entry in entries:
        assert board.published == []
        assert not generation.done.is_set()
        generation.arrive(entry)
        await generation.leave(entry.key)
    assert board.published == [[entry.key for entry in entries]]
    assert generation.complete
    assert generation.done.is_set()


async def test_what_has_come_is_held_for_who_asks_inside(board, entries):
    generations, generation = begin(board, entries)
    first, second, _ = entries
    generation.arrive(first)
    assert generation.holds(first.key) is first
    assert generation.holds(second.key) is None
    assert generations.of(first.key) is generations.of(second.key) is generation
    assert generations.of("0" * 32) is None
    await generation.leave(first.key)
    assert generations.of(first.key) is generation, "it is not in the store yet"
    assert not generation.takes(first.key)


async def test_one_that_fails_stays_as_it_was_and_keeps_nobody_back(board, entries):
    _, generation = begin(board, entries)
    for entry in entries[1:]:
        generation.arrive(entry)
    for entry in entries:
        await generation.leave(entry.key)
    assert board.published == [[entry.key for entry in entries[1:]]]
    assert not generation.complete


async def test_when_all_fail_nothing_is_published(board, entries):
    _, generation = begin(board, entries)
    for entry in entries:
        await generation.leave(entry.key)
    assert board.published == []
    assert generation.done.is_set()
    assert not generation.complete


async def test_the_deadline_publishes_what_has_come_and_awaits_nobody(board, entries):
    generations, generation = begin(board, entries)
    first, second, third = entries
    generation.arrive(first)
    await generation.leave(first.key)
    await generation.deadline()
    assert board.published == [[first.key]]
    assert not generation.complete
    # What comes later goes its own way.
    assert not generation.takes(second.key)
    assert generation.holds(first.key) is None
    assert generations.of(second.key) is None
    generation.arrive(second)
    for entry in (second, third):
        await generation.leave(entry.key)
    assert board.published == [[first.key]]


async def test_a_deadline_after_the_end_changes_nothing(board, entries):
    _, generation = begin(board, entries)
    for entry in entries:
        generation.arrive(entry)
        await generation.leave(entry.key)
    await generation.deadline()
    assert generation.complete
    assert len(board.published) == 1


async def test_all_that_came_by_the_deadline_is_complete(board, entries):
    """Their entries are there; only the refreshes have not quite ended."""
    _, generation = begin(board, entries)
    for entry in entries:
        generation.arrive(entry)
    await generation.deadline()
    assert generation.complete
    assert board.published == [[entry.key for entry in entries]]


async def test_a_publishing_that_fails_lets_everybody_go(entries):
    async def fail(_):
        raise OSError("no room")

    generation = Generations().begin([entries[0].key], fail)
    generation.arrive(entries[0])
    with pytest.raises(OSError, match="no room"):
        await generation.leave(entries[0].key)
    assert generation.done.is_set()


async def test_done_is_not_before_the_publishing_has_ended(board, entries):
    _, generation = begin(board, entries[:1])
    board.open.clear()
    generation.arrive(entries[0])
    leaving = asyncio.create_task(generation.leave(entries[0].key))
    await asyncio.sleep(0)
    assert not generation.done.is_set()
    board.open.set()
    await leaving
    assert generation.done.is_set()
    assert board.published == [[entries[0].key]]


async def test_the_latest_state_of_a_key_is_published(board, entries, entry_of):
    _, generation = begin(board, entries[:2])
    newer = entry_of(at=1010.0)
    published = []

    async def keep(found):
        published.extend(found)

    generation.publish = keep
    generation.arrive(entries[0])
    generation.arrive(newer)
    for entry in entries[:2]:
        await generation.leave(entry.key)
    assert published == [newer]


async def test_generations_that_are_done_are_forgotten(board, entries):
    generations = Generations()
    for _ in range(5):
        generation = generations.begin([entries[0].key], board.publish)
        await generation.leave(entries[0].key)
    running = generations.begin([entries[1].key], board.publish)
    assert len(generations._open) == 1
    assert generations.of(entries[0].key) is None
    assert generations.of(entries[1].key) is running


async def test_two_at_once_do_not_mix(board, entries):
    generations = Generations()
    one = generations.begin([entries[0].key], board.publish)
    other = generations.begin([entries[1].key], board.publish)
    assert generations.of(entries[0].key) is one
    assert generations.of(entries[1].key) is other
    await one.leave(entries[0].key)
    assert generations.of(entries[1].key) is other


async def test_what_is_being_published_is_still_hidden(board, entries):
    """A client that waited for the last refresh wakes between its end and the commit."""
    generations = Generations()
    generation = generations.begin([entry.key for entry in entries[:2]], board.publish)
    board.open.clear()
    for entry in entries[:2]:
        generation.arrive(entry)
    assert generations.hiding(entries[2].key) is None
    await generation.leave(entries[0].key)
    closing = asyncio.create_task(generation.leave(entries[1].key))
    await asyncio.sleep(0)
    assert [generations.hiding(entry.key) for entry in entries] == [generation, generation, None]
    board.open.set()
    await closing
    assert [generations.hiding(entry.key) for entry in entries] == [None, None, None]
