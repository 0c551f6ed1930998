"""Mixes of requests for one board: what a sweep costs with the planner, which has a region table, and with one
fetch for each request."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.rig import CREDENTIAL, Emulator, House, emulator, running, write_house

from .fleet import Fleet
from .houses import folder
from .odds_house import away_from_boundaries, house_of, place
from .odds_shapes import COUNTER, FIVE, SPORTS, Shape, price, spelled
from .odds_vendor import KINDS
from .outcome import Record

WINDOW_S = 2.0
SETTLE_S = 6.0


@dataclass(frozen=True, slots=True)
class Mix:
    """`model`: credits of a sweep by the model; `limit`: the most that a sweep may take."""

    name: str
    shapes: tuple[Shape, ...]
    model: int
    limit: int


MIXES = (Mix("counter-example", COUNTER, 7, 7), Mix("five shapes, with a region table", FIVE, 6, 6))


def measure(record: Record, windows: int) -> None:
    """So many windows of both mixes, each on a sport of its own."""
    pace = dict.fromkeys(("in_play_s", "near_s", "far_s"), WINDOW_S) | {"cadence_s": 0.0}
    with folder() as root, emulator(latency_p50_ms=10, latency_p95_ms=20, rate=0, events=0, quota=10**9) as provider:
        place(provider, SPORTS[: len(MIXES)], ())
        house = house_of(write_house(root, provider.url), KINDS, pace)
        with running(house):
            spent = asyncio.run(_sweeps(house, provider, windows))
    for number, mix in enumerate(MIXES):
        _judge(record, mix, [after[number] - before[number] for before, after in pairwise(spent)])


async def _sweeps(house: House, provider: Emulator, windows: int) -> list[list[int]]:
    """Credits by mix up to the middle of each window, after the planner has seen the demand."""
    asked = [
        spelled(shape, sport, client, CREDENTIAL)
        for client in range(3)
        for mix, sport in zip(MIXES, SPORTS, strict=False)
        for shape in mix.shapes
    ]
    fleet, totals = Fleet(house.ports["reverse"], asked, len(asked), 0.5), list[list[int]]()
    async with fleet.polling():
        await asyncio.sleep(SETTLE_S)
        for _ in range(windows + 1):
            await away_from_boundaries(WINDOW_S)
            shapes = (await asyncio.to_thread(provider.stats))["by_shape"]
            totals.append([credits_of(shapes, sport) for sport in SPORTS[: len(MIXES)]])
    return totals


def credits_of(by_shape: Mapping[str, int], sport: str) -> int:
    """What the counted calls for the odds of a sport took; for a board with events."""
    return sum(price(shape) * count for shape, count in by_shape.items() if f"/{sport}/odds?" in shape)


def _judge(record: Record, mix: Mix, spent: Sequence[int]) -> None:
    """A busy machine may skip a window; what a sweep takes is the most that a window took."""
    exact = sum(price(spelled(shape, SPORTS[0], 0, "")) for shape in mix.shapes)
    record.result(mix.name, "windows", "windows", len(spent))
    record.result(mix.name, "credits of a sweep", "credits", max(spent))
    record.result(mix.name, "credits of a sweep, by the model", "credits", mix.model)
    record.result(mix.name, "credits of a sweep with one fetch for each request", "credits", exact)
    record.at_least(f"credits of all windows, {mix.name}", 1, sum(spent))
    record.at_most(f"credits of a sweep, {mix.name}", mix.limit, max(spent))
