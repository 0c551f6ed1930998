"""Houses with the shipped profile of The Odds API, its windows some seconds long instead of a minute."""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.rig import Emulator, House, fetch_json

from .odds_vendor import NAME, region_table

MARGIN = 0.5
LONG_S = 100_000


def place(provider: Emulator, in_play: Iterable[str], far: Iterable[str], events: int = 2) -> None:
    """Events on boards that are empty."""
    for sport in in_play:
        for _ in range(events):
            fetch_json(f"{provider.url}/_world", {"place": {"sport": sport, "in_s": 0, "lasts_s": LONG_S}})
    for sport in far:
        for _ in range(events):
            fetch_json(f"{provider.url}/_world", {"place": {"sport": sport, "in_s": 2 * LONG_S}})


def pace_of(windows: Mapping[str, float], live: Sequence[str], near: float) -> dict[str, float]:
    """The pace under which sports in play and others have these windows."""
    in_play = next(window for sport, window in windows.items() if sport in live)
    far = next(window for sport, window in windows.items() if sport not in live)
    # In play without a cadence the window is not halved when odds change, which the model does not know of either.
    return {"in_play_s": in_play, "far_s": far, "near_s": near, "cadence_s": 0.0}


def house_of(
    house: House,
    kinds: Iterable[str],
    pace: Mapping[str, float],
    more: Mapping[str, str] | None = None,
    odds: Mapping[str, str] | None = None,
) -> House:
    """The shipped profile with these kinds of projection, a region table and this pace; `near_s` is the window of all
    that is not known to be in play, near or far. As TOML: `more` keys wherever they stand, `odds` those of the route
    `odds`."""
    regions = ", ".join(f"{region} = {json.dumps(books)}" for region, books in region_table().items())
    changes: dict[str, Any] = {
        "kinds": f"{json.dumps(list(kinds))}\nregions = {{ {regions} }}",
        "rate_per_s": "200",
        "burst": "200",
        "idle_after_s": "600",
        "max_stale_s": "604800",
        "max_stale_in_play_s": "600",
        "window_s": f"{pace['near_s']!r}",
        **{name: f"{value!r}" for name, value in pace.items()},
        **(more or {}),
    }
    house.write_profile(NAME, routes={"odds": odds or {}}, **changes)
    return house


async def away_from_boundaries(window_s: float) -> None:
    """Sleeps until the middle between two boundaries: so many windows later there were as many boundaries."""
    now = time.time()
    middle = (math.floor(now / window_s) + MARGIN) * window_s
    await asyncio.sleep(middle - now if middle > now else middle + window_s - now)
