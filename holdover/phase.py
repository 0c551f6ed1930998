"""What the events of a board are doing, and what the route promises then. Pure; both processes decide by it."""

from bisect import bisect_right
from typing import Literal

from holdover.content import Board
from holdover.route_settings import RouteSettings

type Phase = Literal["in_play", "near", "far", "empty", "unknown"]


def phase(board: Board | None, now: float, near_from_s: float) -> Phase:
    """`in_play`: an event has begun. `near`: the next one begins within `near_from_s`. `far`: all begin later.
    `empty`: there is none. `unknown`: nothing tells when they begin."""
    if board is None:
        return "unknown"
    if not board.starts:
        return "empty" if board.events == 0 else "unknown"
    until_first = board.starts[0] - now
    if until_first <= 0:
        return "in_play"
    return "near" if until_first <= near_from_s else "far"


def promise(route: RouteSettings, board: Board | None, now: float) -> float:
    """The longest window that the route promises now, in seconds."""
    pace = route.pace
    windows: dict[Phase, float | None] = {
        "in_play": pace.in_play_s,
        "near": pace.near_s,
        "far": pace.far_s,
        "empty": pace.empty_s,
    }
    return windows.get(phase(board, now, pace.near_from_s)) or route.window_s


def max_stale(route: RouteSettings, board: Board | None, now: float) -> float:
    """The greatest age at which the answer is still given now, in seconds."""
    pace = route.pace
    match phase(board, now, pace.near_from_s):
        case "in_play" if pace.max_stale_in_play_s is not None:
            return pace.max_stale_in_play_s
        case "empty" if pace.empty_s is not None:
            # No price can be wrong on an empty board.
            return max(route.max_stale_s, 2 * pace.empty_s)
    return route.max_stale_s


def longest_stale(route: RouteSettings) -> float:
    """The greatest age at which any answer is ever given, in seconds."""
    pace = route.pace
    return max(route.max_stale_s, pace.max_stale_in_play_s or 0.0, 2 * (pace.empty_s or 0.0), route.negative_s)


def next_start(board: Board | None, after: float) -> float | None:
    """When the first event begins that had not begun at `after`; it may have begun since."""
    if board is None:
        return None
    index = bisect_right(board.starts, after)
    return board.starts[index] if index < len(board.starts) else None
