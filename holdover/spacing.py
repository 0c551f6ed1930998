"""The least time between calls that a provider wants kept, whoever asks and whatever came of the last one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.rules import Route

MAX_SPACED = 10_000


@dataclass(slots=True)
class Spacing:
    """When calls were last made, by what shares a least interval; `clock` in Unix seconds."""

    clock: Callable[[], float]
    _made_at: dict[str, float] = field(default_factory=dict)

    def turn(self, route: Route, canonical: CanonicalRequest, previous: Entry | None) -> "Turn | None":
        """None where no interval is asked for. `previous` is what is stored: it tells of the calls of other processes
        and of those before a restart."""
        if not (interval_s := route.settings.min_interval_s):
            return None
        name = _spaced(route, canonical)
        if previous is not None and not previous.projected:
            self.made(name, previous.requested_at)
        return Turn(self, name, interval_s)

    def made(self, name: str, at: float) -> None:
        at = max(at, self._made_at.pop(name, at))
        self._made_at[name] = at
        if len(self._made_at) > MAX_SPACED:
            del self._made_at[next(iter(self._made_at))]

    def left(self, name: str, interval_s: float) -> float:
        """Seconds until the next call may be made."""
        made_at = self._made_at.get(name)
        # A clock that stepped back must not shut the provider out.
        return 0.0 if made_at is None else min(interval_s, max(0.0, made_at + interval_s - self.clock()))


@dataclass(frozen=True, slots=True)
class Turn:
    """One call's place among those that keep a distance."""

    spacing: Spacing
    name: str
    interval_s: float

    def left(self) -> float:
        """Seconds until the call may be made."""
        return self.spacing.left(self.name, self.interval_s)

    def taken(self) -> None:
        """The call is made."""
        self.spacing.made(self.name, self.spacing.clock())


def _spaced(route: Route, canonical: CanonicalRequest) -> str:
    if not route.settings.interval_by:
        return canonical.key
    query = dict(canonical.query)
    values = [query.get(name, "") for name in route.settings.interval_by]
    return repr((canonical.provider, canonical.partition, canonical.path, values))
