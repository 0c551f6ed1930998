"""When events happen: pure functions of the world's settings and of the time."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace
from typing import Literal

from .catalog import DAY, SPORTS, Sport

# Seconds from the start of the world to the start of the first twelve events of a sport.
OFFSETS = (-5700, -2400, 600, 2700, 9000, 24000, 54000, 90000, 132000, 180000, 258000, 360000)
JITTER_S = 1200

Ages = Literal["fresh", "realistic"]
Pace = Literal["lively", "recorded"]


@dataclass(frozen=True, slots=True)
class World:
    """Settings of the model. `start` is unix seconds and is the time of tick 0.

    `refresh_s` is how often a book is read before the start of an event; in play it is two thirds of that,
    for exchanges one half, for outrights five times. `volatility` multiplies every chance of a price move.
    `extra_books` are generated bookmakers. See ages.py, moves.py and incidents.py for the other three.
    """

    seed: int
    start: int
    tick_s: float = 1.0
    events: int = 12
    refresh_s: float = 10.0
    volatility: float = 1.0
    extra_books: int = 0
    ages: Ages = "fresh"
    pace: Pace = "lively"
    incidents: bool = False

    def at(self, tick: int) -> float:
        """The unix time at which `tick` begins."""
        return self.start + tick * self.tick_s

    def tick(self, now: float) -> int:
        """The tick that holds at `now`; 0 before the start."""
        return max(0, int((now - self.start) / self.tick_s))


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    sport: Sport
    home: str | None
    away: str | None
    commence: int

    @property
    def ends(self) -> int:
        return self.commence + self.sport.duration_s

    def in_play(self, now: float) -> bool:
        return self.commence <= now < self.ends


def slots(world: World, sport: Sport) -> int:
    """How many events of a sport are listed at any time."""
    if not sport.teams or not sport.active:
        return 0
    return 1 if sport.has_outrights else world.events


def first_commence(world: World, sport: Sport, slot: int) -> int:
    rng = random.Random(f"{world.seed}:{sport.key}:{slot}:time")
    offset = OFFSETS[slot] if slot < len(OFFSETS) else rng.randrange(OFFSETS[-1], sport.repeat_s - DAY)
    jitter = rng.randrange(JITTER_S)
    if sport.earliest_s:
        offset = max(offset, 0) + sport.earliest_s
    return world.start + (offset - jitter if offset < 0 else offset + jitter)


def event_of(world: World, sport: Sport, slot: int, generation: int) -> Event:
    """The event of a slot; generation 0 is listed at the start, each next one `repeat_s` later."""
    name = f"{world.seed}:{sport.key}:{slot}:{generation}"
    commence = first_commence(world, sport, slot) + generation * sport.repeat_s
    home, away = (None, None) if sport.has_outrights else pairing(sport.teams, slot, generation)
    return Event(hashlib.blake2b(name.encode(), digest_size=16).hexdigest(), sport, home, away, commence)


def pairing(teams: tuple[str, ...], slot: int, generation: int) -> tuple[str, str]:
    """The distance between the two is odd and the number of teams even, so they always differ."""
    count = len(teams)
    round_ = (2 * slot) // count + generation
    home = (2 * slot) % count
    return teams[home], teams[(home + 1 + 2 * round_) % count]


def generation_at(world: World, sport: Sport, slot: int, now: float) -> int:
    """The generation listed at `now`: the first that has not ended."""
    first_end = first_commence(world, sport, slot) + sport.duration_s
    return 0 if now < first_end else 1 + int((now - first_end) // sport.repeat_s)


def listed(world: World, sport: Sport, now: float) -> list[Event]:
    """Events in play or ahead, in provider order."""
    found = [
        event_of(world, sport, slot, generation_at(world, sport, slot, now)) for slot in range(slots(world, sport))
    ]
    return sorted(found, key=order)


def finished(world: World, sport: Sport, now: float, days: int) -> list[Event]:
    """Events that ended, and began no more than `days` days ago, in provider order."""
    found = []
    for slot in range(slots(world, sport)):
        event = event_of(world, sport, slot, generation_at(world, sport, slot, now) - 1)
        if event.commence >= now - days * DAY:
            found.append(event)
    return sorted(found, key=order)


def placed(world: World, sport: Sport, number: int, commence: int, lasts_s: int | None) -> Event:
    """An event outside the programme; `number` tells those of one world apart."""
    if lasts_s is not None:
        sport = replace(sport, duration_s=lasts_s)
    name = f"{world.seed}:{sport.key}:placed:{number}"
    home, away = (None, None) if sport.has_outrights else pairing(sport.teams, number, 1)
    return Event(hashlib.blake2b(name.encode(), digest_size=16).hexdigest(), sport, home, away, commence)


def order(event: Event) -> tuple[int, str]:
    return event.commence, event.id


def active_sports() -> list[Sport]:
    return [sport for sport in SPORTS.values() if sport.active]
