"""The scenarios by name, in the order in which they run, and the programs that some need."""

from collections.abc import Callable, Sequence
from typing import Protocol

from . import (
    cold,
    crowd,
    hit,
    hook,
    keys,
    kill,
    layer,
    memory,
    odds,
    poll,
    promos,
    spike,
    stress,
    tools,
    visible,
    workers,
)
from .outcome import Must, Outcome


class Scenario(Protocol):
    """Starts what it needs, measures, stops it."""

    def __call__(self, *, quick: bool) -> Outcome: ...


SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "hit": ("CPU and latency of a hit beside nginx, Varnish and a bare server", hit.run),
    "spike": ("500 clients poll a key whose window ends each second, beside nginx and Varnish", spike.run),
    "cold": ("500 open connections ask at once for a never-seen key", cold.run),
    "fleet": ("CPU per client of fleets from 100 to 10,000, beside nginx", crowd.run),
    "keys": ("cost of a hit and of a refresh with 10 to 10,000 hot keys", keys.run),
    "scrape": ("latency of hits under scrapes, pass-through traffic and half-open connections", stress.run),
    "workers": ("CPU of a hit with one worker and with two", workers.run),
    "layer": ("CPU of a hit in the explicit proxy, beside nginx", layer.run),
    "poll": ("200 clients poll 10 keys with a window of 1 s", poll.run),
    "hook": ("CPU of a hit against mitmproxy answering from a dict", hook.run),
    "kill": ("sidecar killed, cache damaged, proxy killed, under load", kill.run),
    "visible": ("time from a put until every process serves it", visible.run),
    "memory": ("a flood of distinct query strings against small limits", memory.run),
    "promos": ("time from the save of a promo until the last of 500 streams is told, and CPU", promos.run),
    "odds": ("credits, quota, projections and CPU with the profile of The Odds API", odds.run),
}
NEEDS: dict[str, tuple[str, ...]] = {
    "hit": ("nginx", "varnishd", "wrk"),
    "spike": ("nginx", "varnishd"),
    "fleet": ("nginx",),
    "scrape": ("wrk",),
    "workers": ("wrk",),
    "layer": ("nginx",),
}
"""Programs by scenario, where it needs any besides holdover."""
LONG = ("promos", "odds")
"""What `--quick` leaves out unless it is named."""


def chosen(names: Sequence[str], *, quick: bool) -> list[str]:
    """Those named, or all."""
    return list(names) or [name for name in SCENARIOS if not (quick and name in LONG)]


def unable(names: Sequence[str]) -> dict[str, list[str]]:
    """By scenario, the programs that it needs and that are not there."""
    lacking = {name: tools.missing(NEEDS.get(name, ())) for name in names}
    return {name: programs for name, programs in lacking.items() if programs}


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
