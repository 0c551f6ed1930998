"""How often a key is refreshed, and when next. Pure: no clock, no I/O.

Windows of a route are its promise, or that halved once or more. Halves keep a common beat: a multiple of the longer
window is one of the shorter, so keys still change together, and a window that changes costs no more than one short
gap. Multiples of a window that changed by a little each time would fall anywhere, on average half a window apart."""

import math
from dataclasses import dataclass

from holdover.content import Board
from holdover.phase import next_start, phase, promise
from holdover.route_settings import RouteSettings

_WEIGHT = 0.2
_FEWEST = 4
_PUBLISHING_S = 1.5
"""How long after the provider looked its answer is sure to show it."""
_LATE = 0.1
"""An offset may be later than learnt by this share of its period: late is a little older, early a whole period."""


@dataclass(frozen=True, slots=True)
class ChangeRate:
    """The share of refreshes that brought a change: a moving average in which the latest weigh most."""

    average: float = 0.0
    seen: int = 0

    def after(self, changed: bool) -> "ChangeRate":
        weight = max(_WEIGHT, 1 / (self.seen + 1))
        return ChangeRate(self.average + weight * (changed - self.average), self.seen + 1)

    @property
    def value(self) -> float | None:
        """None until enough was seen to tell."""
        return self.average if self.seen >= _FEWEST else None


def window(route: RouteSettings, board: Board | None, now: float, change_rate: float | None) -> float:
    """Seconds between refreshes: the promise, halved the more often the more refreshes bring a change, but never
    below the provider's cadence. Without a cadence, or a rate, it is the promise. Locked to the provider's
    publishing it is a whole number of cadences.

    Far from every start it is not halved: something of a large board changes in nearly every look, though within a
    quarter of an hour only one quote in 170 does."""
    longest, cadence_s = promise(route, board, now), route.pace.cadence_s
    floor = max(cadence_s, route.min_interval_s)
    if cadence_s == 0 or longest <= floor:
        return max(longest, floor)
    is_far = phase(board, now, route.pace.near_from_s) == "far"
    halvings = 0 if is_far else int(math.log2(longest / floor))
    chosen = longest / 2.0 ** min(halvings, int((change_rate or 0.0) * (halvings + 1)))
    return max(floor, chosen // cadence_s * cadence_s if route.pace.phase_lock else chosen)


def phase_offset(route: RouteSettings, board: Board, window_s: float, learnt: float | None) -> float | None:
    """Where in its period the provider has published, in seconds, given what was `learnt` before and the board that
    came now; None while that is not known. One that is a little earlier than `learnt` is no reason to move."""
    if not route.pace.phase_lock or board.newest is None:
        return learnt
    period = route.pace.cadence_s or window_s
    offset = (board.newest + _PUBLISHING_S) % period
    if learnt is not None and (learnt - offset) % period <= _LATE * period:
        return learnt % period
    return offset


def due(
    route: RouteSettings,
    board: Board | None,
    fetched_at: float,
    now: float,
    *,
    change_rate: float | None = None,
    phase_offset_s: float | None = None,
    stretch: float = 1.0,
    on_the_beat: bool = True,
) -> float:
    """When a key that was asked for at `fetched_at` is refreshed next (Unix seconds). An event that has begun since
    makes it due at its start, whatever the window."""

    def under(moment: float) -> float:
        window_s = window(route, board, moment, change_rate)
        if stretch > 1.0 or not on_the_beat:
            # Only so is the gap what the governor counted on.
            return fetched_at + window_s * stretch
        return _on_the_beat(fetched_at, window_s, route.pace.cadence_s, phase_offset_s)

    at = under(now)
    start = next_start(board, fetched_at)
    if start is not None:
        near = start - route.pace.near_from_s
        if now < near < at:
            at = min(at, max(near, under((near + start) / 2)))
        at = min(at, start)
    return max(at, fetched_at + route.min_interval_s)


def _on_the_beat(fetched_at: float, window_s: float, cadence_s: float, offset_s: float | None) -> float:
    """The last moment of the beat within a window: a multiple of the window, or the provider's own publishing. Never
    sooner than half the cadence, which only happens on the way onto the beat."""
    period, offset = (window_s, 0.0) if offset_s is None else (cadence_s or window_s, offset_s)
    at = offset + math.floor((fetched_at + window_s - offset) / period) * period
    if at <= fetched_at:
        at = fetched_at + window_s
    return max(at, fetched_at + cadence_s / 2)
