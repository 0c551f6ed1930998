"""The scenarios by name, in the order in which they run."""

from collections.abc import Callable
from typing import Protocol

from . import cold, hook, kill, memory, odds, poll, promos, visible
from .outcome import Must, Outcome


class Scenario(Protocol):
    """Starts what it needs, measures, stops it."""

    def __call__(self, *, quick: bool) -> Outcome: ...


SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "poll": ("200 clients poll 10 keys with a window of 1 s", poll.run),
    "cold": ("500 open connections ask at once for a never-seen key", cold.run),
    "hook": ("CPU of a hit against mitmproxy answering from a dict", hook.run),
    "kill": ("sidecar killed, cache damaged, proxy killed, under load", kill.run),
    "visible": ("time from a put until every process serves it", visible.run),
    "memory": ("a flood of distinct query strings against small limits", memory.run),
    "promos": ("time from the save of a promo until the last of 500 streams is told, and CPU", promos.run),
    "odds": ("credits, quota, projections and CPU with the profile of The Odds API", odds.run),
}


def run(names: list[str], *, quick: bool, say: Callable[[str], object]) -> Outcome:
    """Runs the named scenarios. One that cannot run at all is a broken promise; the others still run."""
    total = Outcome()
    for name in names:
        text, scenario = SCENARIOS[name]
        say(f"{name}: {text}")
        try:
            total += scenario(quick=quick)
        except Exception as error:
            say(f"{name} did not come to its end: {type(error).__name__}: {error}")
            total += Outcome((), (Must(f"{name}: scenarios that did not end, exactly", 0, 1, ok=False),))
    return total
