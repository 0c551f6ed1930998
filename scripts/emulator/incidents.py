"""What happens to an event besides its usual price moves: goals, bursts and suspensions.

All of it is fixed by the seed and the event. A goal moves every line of a book after that book's reaction of 1
to 20 s; half of the books take their h2h market off the board until then.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .catalog import HOUR
from .schedule import Event, World

GOAL_EVERY_S, BURST_EVERY_S = 1500, 240
SUSPENSION_EVERY_S = 600
GOAL_STEPS = 9
BURST_FACTOR = 8
WATCHED_S = 6 * HOUR


@dataclass(frozen=True, slots=True)
class Action:
    """One change to the lines of an event at a virtual time. `book` or `market` None means every one."""

    at: float
    event_id: str
    kind: Literal["jump", "close", "open"]
    book: str | None = None
    market: str | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that is going to happen to one event, in order of time."""

    actions: tuple[Action, ...]
    times: tuple[float, ...]
    bursts: tuple[tuple[float, float], ...]

    def between(self, after: float, until: float) -> tuple[Action, ...]:
        return self.actions[bisect_right(self.times, after) : bisect_right(self.times, until)]

    def bursting(self, now: float) -> bool:
        return any(began <= now < ended for began, ended in self.bursts)


def script(world: World, event: Event, books: tuple[str, ...]) -> Script:
    rng = random.Random(f"{world.seed}:{event.id}:incidents")
    actions = [
        action
        for at in moments(rng, goal_gap(event), event.commence, event.ends)
        for action in goal(event.id, books, at, rng.choice((-1, 1)) * GOAL_STEPS, rng)
    ]
    began = max(world.start, event.commence - WATCHED_S)
    for at in moments(rng, SUSPENSION_EVERY_S, began, event.ends):
        actions += suspension(event.id, rng.choice(books), rng.choice(event.sport.markets), at, rng.uniform(20, 90))
    actions.sort(key=lambda action: action.at)
    bursts = tuple((at, at + rng.uniform(5, 20)) for at in moments(rng, BURST_EVERY_S, event.commence, event.ends))
    return Script(tuple(actions), tuple(action.at for action in actions), bursts)


def goal_gap(event: Event) -> float:
    """Goals are for sports that count them one by one; the others have next to none."""
    return GOAL_EVERY_S if event.sport.total < 10 else 1e9


def moments(rng: random.Random, gap: float, began: float, ended: float) -> Iterator[float]:
    at = began + rng.expovariate(1 / gap)
    while at < ended:
        yield at
        at += rng.expovariate(1 / gap)


def goal(event_id: str, books: tuple[str, ...], at: float, steps: int, rng: random.Random) -> list[Action]:
    actions = []
    for book in books:
        reaction = rng.uniform(1, 19)
        if rng.random() < 0.5:
            actions += suspension(event_id, book, "h2h", at + min(0.9, reaction), reaction - 0.9)
        actions.append(Action(at + reaction, event_id, "jump", book, steps=steps))
    return sorted(actions, key=lambda action: action.at)


def suspension(event_id: str, book: str | None, market: str | None, at: float, seconds: float) -> list[Action]:
    return [
        Action(at, event_id, "close", book, market),
        Action(at + max(seconds, 0), event_id, "open", book, market),
    ]
