"""The least time between calls that a provider wants kept, whoever asks and whatever came of the last one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.rules import Route

MAX_SPACED = 10_000


def _nobody(_name: str, _key: str) -> int:
    """Nobody waits in line."""
    return 0


@dataclass(slots=True)
class Spacing:
    """When calls were last made, by what shares a least interval; `clock` in Unix seconds. `ahead` tells how many of
    those that share `name` have their turn before `key`."""

    clock: Callable[[], float]
    ahead: Callable[[str, str], int] = _nobody
    _made_at: dict[str, float] = field(default_factory=dict)

    def turn(
        self, route: Route, canonical: CanonicalRequest, previous: Entry | None, *, in_line: bool = False
    ) -> "Turn | None":
        """None where no interval is asked for. `previous` is what is stored: it tells of the calls of other processes
        and of those before a restart. `in_line`: those who wait already come first."""
        if not (interval_s := route.settings.min_interval_s):
            return None
        name = _spaced(route, canonical)
        if previous is not None and not previous.projected:
            self.made(name, previous.requested_at)
        return Turn(self, name, canonical.key, interval_s, in_line)

    def made(self, name: str, at: float) -> None:
        at = max(at, self._made_at.pop(name, at))
        self._made_at[name] = at
        if len(self._made_at) > MAX_SPACED:
            del self._made_at[next(iter(self._made_at))]

    def left(self, name: str, interval_s: float) -> float:
        """Seconds until the next call may be made; negative since when it may, minus infinity after none at all."""
        made_at = self._made_at.get(name, -math.inf)
        # A clock that stepped back must not shut the provider out.
        return min(interval_s, made_at + interval_s - self.clock())


@dataclass(frozen=True, slots=True)
class Turn:
    """One call's place among those that keep a distance. `name` is what they share, `key` that of the call."""

    spacing: Spacing
    name: str
    key: str
    interval_s: float
    in_line: bool = False

    def left(self) -> float:
        """Seconds until the call may be made; if it is `in_line`, as far as those who wait now tell."""
        left = max(0.0, self.spacing.left(self.name, self.interval_s))
        return left + self.interval_s * self.spacing.ahead(self.name, self.key) if self.in_line else left

    def free_for(self) -> float:
        """Since how many seconds the call may be made; negative while it may not."""
        return -self.spacing.left(self.name, self.interval_s)

    def taken(self) -> None:
        """The call is made."""
        self.spacing.made(self.name, self.spacing.clock())


def _spaced(route: Route, canonical: CanonicalRequest) -> str:
    if not route.settings.interval_by:
        return canonical.key
    query = dict(canonical.query)
    values = [query.get(name, "") for name in route.settings.interval_by]
    return repr((canonical.provider, canonical.partition, canonical.path, values))
