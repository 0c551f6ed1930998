"""The emulated provider's boards over a virtual day, with events when they are wanted."""

import math
from collections.abc import Mapping, Sequence

from holdover.phase import Phase
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

from .odds_shapes import HOUR, LIVE, SPORTS

type Programme = Mapping[str, Sequence[tuple[float, float]]]
"""By sport, when events begin, in seconds from the start of the world, and how long they last."""


def model(events: int) -> Programme:
    """As the model has it: half of the events of the sports that are in play today begin at noon, all others a day
    and a half from the start."""
    programme = {}
    for sport in SPORTS:
        today = [sport in LIVE and number < events / 2 for number in range(events)]
        programme[sport] = [((12 * HOUR + 0.01) if now else 36 * HOUR, 6 * HOUR) for now in today]
    return programme


def in_turn(begins: float, seconds: float, events: int) -> Programme:
    """Each sport is in play once in these seconds, one after the other, with half of its events; the others begin a
    day and a half after that."""
    each = seconds / len(SPORTS)
    return {
        sport: [
            (begins + number * each, each) if event < events / 2 else (begins + seconds + 36 * HOUR, 6 * HOUR)
            for event in range(events)
        ]
        for number, sport in enumerate(SPORTS)
    }


class Board:
    """Of all sports of the programme; the world moves every `tick_s`."""

    def __init__(self, start: float, tick_s: float, programme: Programme) -> None:
        self.world = World(1, int(start), tick_s, 0, 60.0, 1.0, 0, "fresh", "recorded")
        self.timeline = Timeline(self.world)
        self._begins: dict[str, list[tuple[float, float]]] = {}
        for sport, events in programme.items():
            placed = [self.timeline.place(sport, start, begins, int(lasts)) for begins, lasts in events]
            self._begins[sport] = [(event.commence, event.ends) for event in placed]

    def phase(self, sport: str, now: float, near_from_s: float) -> Phase:
        """What the sport is really doing."""
        ahead = [begin for begin, end in self._begins[sport] if end > now]
        first = min(ahead, default=math.inf) - now
        return "in_play" if first <= 0 else "near" if first <= near_from_s else "far"
