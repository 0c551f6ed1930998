"""What holdover's knowledge of odds saves, what it costs, and that nothing wrong is served for it.

Figures named `real` are of real processes, `virtual` of the real schedule and planner under a virtual clock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import odds_clients, odds_cpu, odds_fleet, odds_mix, odds_projection, odds_quota, odds_scarce
from .odds_day import DaySize
from .odds_fleet import FLAT, TIERED, FleetSize
from .outcome import Outcome, Record

NAME = "odds"


@dataclass(frozen=True, slots=True)
class Size:
    """`windows` of each mix; `minute_s`: in which 1,000 keys a minute are refreshed; `rounds` of the large board;
    `pairs` of requests; `scarce`: until a reset at midnight. `at_once`: the mixes and the quota side by side.
    `clients`: also the tests of unmodified clients."""

    fleet: FleetSize
    windows: int
    minute_s: float
    rounds: int
    pairs: int
    scarce: DaySize
    at_once: bool = False
    clients: bool = True


_DAY = DaySize(events=2)
_HOURS = DaySize(events=2, sampled=16, begin_h=11.0, hours=3.0, steward_s=60.0)

_SCARCE = DaySize(events=2, clients=4)
_LAST_HOURS = DaySize(events=2, clients=4, begin_h=22.0, hours=2.0)

FULL = Size(FleetSize(_DAY, 24.0, (FLAT, TIERED), 40.0), 15, 60.0, 40, 10_000, _SCARCE)
QUICK = Size(
    FleetSize(_HOURS, 1.0, (), 0.0, tiers_alone=False), 3, 5.0, 6, 500, _LAST_HOURS, at_once=True, clients=False
)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    houses: tuple[Callable[[Record], None], ...] = (
        lambda record: odds_fleet.measure_slices(record, size.fleet),
        lambda record: odds_mix.measure(record, size.windows),
        odds_quota.measure,
    )
    with ThreadPoolExecutor(len(houses) if size.at_once else 1) as pool:
        total = sum(pool.map(_outcome, houses), Outcome())
    alone: list[Callable[[Record], None]] = [
        lambda record: odds_cpu.measure_refreshes(record, size.minute_s),
        lambda record: odds_cpu.measure_board(record, size.rounds),
        lambda record: odds_fleet.measure_days(record, size.fleet),
        lambda record: odds_projection.measure(record, size.pairs),
        lambda record: odds_scarce.measure(record, size.scarce),
    ]
    if size.clients:
        alone.append(odds_clients.measure)
    return sum(map(_outcome, alone), total)


def _outcome(part: Callable[[Record], None]) -> Outcome:
    record = Record(NAME)
    part(record)
    return record.outcome()
