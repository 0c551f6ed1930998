"""When the provider last read a book: the `last_update` of every answer.

fresh: each book is read every `refresh_s` in a phase of its own, and what is read is published at once.

realistic: a cycle of 60 s that shrinks from six hours before the start to 40 s in play (exchanges twice as often;
outrights 300 s and 60 s), in a phase of its own for each event and book. A reading is published seconds later, one
in nine is missed, and in play some books stand still for many minutes. A price moves only when a reading is
published. Nothing is read after the end.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache

from .cadence import Cadence, cadence
from .catalog import Book
from .prices import Line
from .schedule import Event, World

LONGEST_LAG_S = 5
MISSED_PERCENT = 11
# In play: of every thousand seconds of an event and book, some stand still for 790.
STANDSTILL_EVERY_S, STANDSTILL_S, STANDSTILL_PERCENT = 1000, 790, 6
# One bookmaker in so many was updated later than any of its markets.
LATER_ONE_IN = 43


def read_at(world: World, event: Event, book: Book, now: float) -> int:
    """Unix seconds of the newest published reading of `book` for `event`. Never steps back."""
    return realistic_read(event, book, now) if world.ages == "realistic" else fresh_read(world, event, book, now)


def fresh_read(world: World, event: Event, book: Book, now: float) -> int:
    """In play the faster readings come on top of the usual ones, so the value never steps back."""
    cycle = world.refresh_s * (5 if event.sport.has_outrights else 1) / (2 if book.is_exchange else 1)
    phase = zlib.crc32(book.key.encode()) % 1000 / 1000
    usual = last_multiple(now, cycle, phase)
    return max(usual, last_multiple(now, cycle * 2 / 3, phase)) if event.in_play(now) else usual


def last_multiple(now: float, cycle: float, phase: float) -> int:
    return int(now - (now - phase * cycle) % cycle)


@lru_cache(maxsize=65536)
def pair_number(event_id: str, book_key: str) -> int:
    return zlib.crc32(f"{event_id}:{book_key}".encode())


def dice(pair: int, number: int, sides: int) -> int:
    """A fixed throw for a pair and a number."""
    mixed = (pair ^ (number * 0x9E3779B1)) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 15)) * 0x85EBCA6B) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 13)) % sides


def lag_of(pair: int) -> int:
    return 1 + pair % LONGEST_LAG_S


def published(pair: int, rhythm: Cadence, now: float) -> int:
    """The newest reading that was not missed and is published by now."""
    phase = pair % 1009 / 1009
    number = math.floor(rhythm.count(now - lag_of(pair)) - phase)
    while dice(pair, number, 100) < MISSED_PERCENT:
        number -= 1
    return int(rhythm.time(number + phase))


def realistic_read(event: Event, book: Book, now: float) -> int:
    pair, rhythm = pair_number(event.id, book.key), cadence(event, book)
    if now < event.commence:
        return published(pair, rhythm, now)
    before = published(pair, rhythm, event.commence)
    return max(before, published(pair, rhythm, standing(pair, min(now, event.ends))))


def standing(pair: int, now: float) -> float:
    """The time up to which a book was read: earlier than now while it stands still."""
    shift = pair % STANDSTILL_EVERY_S
    window = math.floor((now - shift) / STANDSTILL_EVERY_S)
    began = window * STANDSTILL_EVERY_S + shift
    still = dice(pair, window, 100) < STANDSTILL_PERCENT and now < began + STANDSTILL_S
    return began if still else now


def next_reading(world: World, event: Event, book: Book, now: float) -> float:
    """When a newer reading than the present one is published, a second late at most; the end when none comes."""
    read = read_at(world, event, book, now)
    step = cadence(event, book).interval(now) / 8
    later = now + step
    while read_at(world, event, book, later) <= read:
        if later >= event.ends:
            return max(now, event.ends)
        later += step
    early = later - step
    while later - early > 1:
        middle = (early + later) / 2
        if read_at(world, event, book, middle) > read:
            later = middle
        else:
            early = middle
    return later


def updated_at(world: World, line: Line, read: int) -> int:
    """A line's `last_update`: the last reading, or the move when that came later."""
    if not line.changed:
        return read
    lag = LONGEST_LAG_S + 1 + world.tick_s if world.ages == "realistic" else 0
    return max(read, int(world.at(line.changed) - lag))


def book_updated_at(world: World, event: Event, book: Book, read: int) -> int:
    """A bookmaker's own `last_update`, as far as it does not come from its markets."""
    pair = pair_number(event.id, book.key)
    later = world.ages == "realistic" and dice(pair, read, LATER_ONE_IN) == 0
    return read + 1 if later else read
