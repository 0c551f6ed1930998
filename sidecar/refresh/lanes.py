"""A queue of keys in lanes, of which any may be held while the others go on. Pure: no clock, no I/O.

Every lane keeps its own order, and a held one loses nothing of it: what waits longest comes first however often its
lane was held. All operations take logarithmic time, whatever the number of lanes."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    """`turn_at`: when its first key may come, as it stands in the order of turns; infinite when it does not."""

    keys: list[tuple[float, str]] = field(default_factory=list)
    held_until: float = 0.0
    turn_at: float = math.inf


@dataclass(slots=True)
class Lanes:
    """Keys with the moments at which they are due (Unix seconds)."""

    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _turns: list[tuple[float, str]] = field(default_factory=list)
    _pushed: int = 0

    def __len__(self) -> int:
        """How much is held: each key as often as it was pushed and has not come out, and turns."""
        return self._pushed + len(self._turns)

    def push(self, at: float, lane: str, key: str) -> None:
        """Keys may be pushed again; each comes out as often."""
        found = self._lanes.setdefault(lane, _Lane())
        heapq.heappush(found.keys, (at, key))
        self._pushed += 1
        self._line_up(lane, found)

    def keep(self, due: Mapping[str, float]) -> None:
        """Each of these keys once, when it is due: what was pushed again for another moment is left out."""
        for name, lane in list(self._lanes.items()):
            lane.keys = sorted({(at, key) for at, key in lane.keys if due.get(key) == at})
            if not lane.keys:
                del self._lanes[name]
            else:
                lane.turn_at = max(lane.keys[0][0], lane.held_until)
        self._turns = sorted((lane.turn_at, name) for name, lane in self._lanes.items())
        self._pushed = sum(len(lane.keys) for lane in self._lanes.values())

    def pop(self, now: float) -> tuple[float, str] | None:
        """The key that is due longest, of those whose lanes are not held; with when it was due."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, name = heapq.heappop(self._turns)
        lane = self._lanes[name]
        first = heapq.heappop(lane.keys)
        self._pushed -= 1
        lane.turn_at = math.inf
        if lane.keys:
            self._line_up(name, lane)
        else:
            del self._lanes[name]
        return first

    def hold(self, lane: str, until: float) -> None:
        """Nothing comes from a lane before `until`. A lane that is empty is not held."""
        if (found := self._lanes.get(lane)) is not None:
            found.held_until = until
            self._line_up(lane, found)

    def next_at(self) -> float | None:
        """When something comes next; None when there is nothing."""
        while self._turns:
            at, name = self._turns[0]
            if (lane := self._lanes.get(name)) is not None and lane.turn_at == at:
                return at
            # The lane is empty by now, or has another turn.
            heapq.heappop(self._turns)
        return None

    def clear(self) -> None:
        self._lanes.clear()
        self._turns.clear()
        self._pushed = 0

    def _line_up(self, name: str, lane: _Lane) -> None:
        at = max(lane.keys[0][0], lane.held_until)
        if at != lane.turn_at:
            lane.turn_at = at
            heapq.heappush(self._turns, (at, name))
