"""One key that is kept fresh: what is known of it, and when it is due. Pure."""

import math
from dataclasses import dataclass

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.intake import Fetched
from holdover.route_settings import RouteSettings

from .pace import ChangeRate, due, phase_offset, window

TOLD_WITHIN_S = 1.0
"""Changes are told in whole seconds: what was fetched within that second may be older than the change."""
TOGETHER_S = 1.0
"""Boards fetched within this time count as of one generation."""
UNKNOWN = Board()


@dataclass(frozen=True, slots=True)
class Brought:
    """What a refresh brought: when it was asked for, what the board says, whether the odds had changed, how long the
    provider wants to be left alone, how old it was already (RFC 9111's Age), and whether it was made of the answer to
    a wider request."""

    asked_at: float
    board: Board
    changed: bool
    floor_s: float = 0.0
    age_s: float = 0.0
    projected: bool = False

    @classmethod
    def of(cls, fetched: Fetched) -> "Brought":
        entry = fetched.entry
        changed, projected = fetched.effect == "changed", entry.projected != ""
        return cls(entry.requested_at, entry.board, changed, entry.floor_s, entry.initial_age, projected)


@dataclass(slots=True)
class Item:
    """Times in Unix seconds. `running` from when it is given out until its refresh has ended. `wanted_s`: how long
    what depends on it is kept fresh after a client asked. `carried_at`: when the wider answer was asked for of which
    it was last made without being due itself."""

    request: CanonicalRequest
    route: RouteSettings
    asked_at: float
    fetched_at: float
    due_at: float = 0.0
    board: Board = UNKNOWN
    change_rate: ChangeRate = ChangeRate()  # noqa: RUF009
    offset_s: float | None = None
    stretch: float = 1.0
    floor_s: float = 0.0
    age_s: float = 0.0
    wanted_s: float = 0.0
    changed_at: float = 0.0
    carried_at: float = -math.inf
    known: bool = False
    running: bool = False
    failures: int = 0

    def idle(self, now: float) -> bool:
        return self.asked_at + max(self.route.idle_after_s, self.wanted_s) < now

    def next_at(self, now: float) -> float:
        at = due(
            self.route,
            self.board,
            self.fetched_at,
            now,
            change_rate=self.change_rate.value,
            phase_offset_s=self.offset_s,
            stretch=self.stretch,
            on_the_beat=not self._carried(now),
        )
        at = max(at, self.fetched_at + self.floor_s)
        told_at = self.changed_at + TOLD_WITHIN_S
        if told_at <= self.fetched_at - self.age_s:
            return at
        # A cache on the provider's side that gave an old answer will give it again for some time: the older it gets,
        # the longer the pause.
        return min(at, max(told_at, self.fetched_at + max(self.floor_s, self.route.min_interval_s, self.age_s)))

    def _carried(self, now: float) -> bool:
        """Whether it follows the wider answer rather than its own beat, on which it would be asked for, and paid,
        between two of those."""
        return self.fetched_at - self.carried_at <= self.promise(now)

    def window(self, now: float) -> float:
        return max(window(self.route, self.board, now, self.change_rate.value), self.floor_s)

    def promise(self, now: float) -> float:
        """The longest that it is shown without another look, as the governor allows."""
        return self.window(now) * self.stretch

    def behind(self, newest: float, now: float) -> bool:
        """Whether it is older than a board of `newest` beside it, and may be asked for."""
        older = self.fetched_at + TOGETHER_S < newest
        return older and self.fetched_at + self.floor_s <= now and not self.running and not self.failures

    def brought(self, new: Brought) -> None:
        self.change_rate = self.change_rate.after(new.changed)
        self.stands(new)

    def stands(self, new: Brought) -> None:
        """Takes over what there is, which says nothing of changes."""
        self.known = True
        self.fetched_at, self.board, self.floor_s, self.age_s = new.asked_at, new.board, new.floor_s, new.age_s
        self.offset_s = phase_offset(self.route, new.board, self.route.window_s, self.offset_s)
