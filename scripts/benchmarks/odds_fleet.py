"""What a fleet of clients costs in credits: a virtual day, and a slice of it on real processes, 30 times as fast."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scripts.rig import CREDENTIAL, Emulator, House, emulator, running, write_house

from .fleet import Fleet, Sample
from .houses import folder
from .odds_day import Counts, Day, DaySize
from .odds_house import away_from_boundaries, house_of, pace_of, place
from .odds_shapes import FIVE, LIVE, SPORTS, WHOLE, Shape, day_model, model_saving, price, saving, spelled
from .odds_vendor import KINDS, region_table, shipped_rules
from .outcome import Record

FLAT_LIMIT, TIERED_LIMIT = 95.8, 98.4
FASTER = 30.0
LATENCY_MS = 20.0
PLENTY = 10**9
PLANNED_S = 6.0
SLACK_S = 0.5
"""A call takes some 20 ms of the emulator's own, and waits for a core on a busy machine."""
PLANNED = "tiers and planner with a region table"
SHIPPED = "tiers and planner as shipped, without a region table"
"""Answers are cut by region only where a table says which bookmakers a region has; the shipped profile has none. A
sweep of the five shapes takes one fetch of 6 credits with it, three of 10 together without."""


@dataclass(frozen=True, slots=True)
class FleetSize:
    """`flat_hours`: virtual, with one window for all. `tiers_alone`: also a day of one shape in tiers, without a
    planner. `slice_s`: real seconds."""

    day: DaySize
    flat_hours: float
    slices: tuple["Slice", ...]
    slice_s: float
    clients: int = 12
    tiers_alone: bool = True


@dataclass(frozen=True, slots=True)
class Slice:
    """A run on real processes; `windows` in seconds by sport."""

    name: str
    shapes: tuple[Shape, ...]
    windows: Mapping[str, float]
    kinds: tuple[str, ...]
    limit: float


FLAT = Slice("one window, real, 30 x", (WHOLE,), dict.fromkeys(SPORTS, 60 / FASTER), (), FLAT_LIMIT)
TIERED = Slice(
    f"{PLANNED}, real, 30 x, two sports in play",
    FIVE,
    {sport: (40 if sport in LIVE else 300) / FASTER for sport in SPORTS},
    KINDS,
    TIERED_LIMIT,
)


def measure_days(record: Record, size: FleetSize) -> None:
    """In this process, with a virtual clock."""
    flat = _day(replace(size.day, hours=size.flat_hours, begin_h=0.0), {}, (), (WHOLE,))
    _judge_day(
        record, "one window, virtual hours", flat, 100 * (1 - size.day.every_s / (60 * size.clients)), FLAT_LIMIT
    )
    day, polls = size.day, size.clients / size.day.every_s
    span = day.begin_h, day.begin_h + day.hours, polls
    if size.tiers_alone:
        tiers = _day(day, None, (), (WHOLE,))
        _judge_day(record, "tiers, virtual day", tiers, day_model(6, 6, *span), TIERED_LIMIT)
    both = _day(day, None, KINDS, FIVE)
    _judge_day(record, f"{PLANNED}, virtual day", both, day_model(6, 11, *span), TIERED_LIMIT)
    shipped = Day(day, shipped_rules(), targets(FIVE, size.clients, "client")).run()
    _report_day(record, f"{SHIPPED}, virtual day", shipped, day_model(10, 11, *span))


def measure_slices(record: Record, size: FleetSize) -> None:
    """On real processes."""
    for one in size.slices:
        _slice(record, one, size)


def targets(shapes: Sequence[Shape], clients: int, credential: str) -> list[list[str]]:
    """By client: all shapes of all sports in its own spelling."""
    return [
        [spelled(shape, sport, client, credential) for sport in SPORTS for shape in shapes]
        for client in range(clients)
    ]


def _day(size: DaySize, pace: Mapping[str, object] | None, kinds: Sequence[str], shapes: Sequence[Shape]) -> Counts:
    rules = shipped_rules({"kinds": list(kinds), "regions": region_table()}, pace)
    return Day(size, rules, targets(shapes, size.clients, "client")).run()


def _report_day(record: Record, name: str, counts: Counts, model: float) -> None:
    """Without a limit for what is saved; the promise of age is everybody's."""
    record.result(name, "answers", "answers", counts.answers)
    record.result(name, "credits of the clients' own calls", "credits", counts.direct)
    record.result(name, "credits spent", "credits", counts.spent)
    record.result(name, "projections made before they were due", "projections", counts.remade)
    record.result(name, "saved", "%", saving(counts.spent, counts.direct))
    record.result(name, "saved, by the model", "%", model)
    for phase, oldest in sorted(counts.oldest.items()):
        record.result(name, f"oldest answer, {phase}", "s", oldest)
    record.exactly(f"answers older than the promise, {name}", 0, counts.late.total())


def _judge_day(record: Record, name: str, counts: Counts, model: float, limit: float) -> None:
    _report_day(record, name, counts, model)
    record.at_least(f"% of credits saved, {name}", limit, saving(counts.spent, counts.direct))


def _slice(record: Record, one: Slice, size: FleetSize) -> None:
    asked = [target for own in targets(one.shapes, size.clients, CREDENTIAL) for target in own]
    options = {
        "latency_p50_ms": LATENCY_MS,
        "latency_p95_ms": 2 * LATENCY_MS,
        "rate": 0,
        "events": 0,
        "quota": PLENTY,
    }
    with folder() as root, emulator(**options, refresh_s=1.0) as provider:
        place(provider, LIVE, [sport for sport in SPORTS if sport not in LIVE])
        house = house_of(write_house(root, provider.url), one.kinds, pace_of(one.windows, LIVE, 60 / FASTER))
        with running(house):
            spent, samples = asyncio.run(_polled(house, provider, asked, one, size.slice_s))
    _judge_slice(record, one, size, spent, samples)


async def _polled(
    house: House, provider: Emulator, asked: Sequence[str], one: Slice, seconds: float
) -> tuple[int, list[tuple[str, Sample]]]:
    """Credits spent and answers given in so many seconds, after two of the longest windows."""
    longest = max(one.windows.values())
    fleet = Fleet(house.ports["reverse"], asked, len(asked), 30 / FASTER)
    async with fleet.polling():
        await asyncio.sleep(longest + (PLANNED_S if one.kinds else 0.0))
        await away_from_boundaries(longest)
        began, before = time.monotonic(), await asyncio.to_thread(spent_by_all, provider)
        await asyncio.sleep(began + seconds - time.monotonic())
        ended, after = time.monotonic(), await asyncio.to_thread(spent_by_all, provider)
    within = [(target, s) for target, s in fleet.by_target if began <= s.started < ended]
    return after - before, within


def spent_by_all(provider: Emulator) -> int:
    """Spent so far by all keys."""
    return sum(provider.stats()["credits"].values())


def _judge_slice(
    record: Record, one: Slice, size: FleetSize, spent: int, samples: Sequence[tuple[str, Sample]]
) -> None:
    good = [(target, s) for target, s in samples if not s.failure]
    per_sport = sum(price(spelled(shape, SPORTS[0], 0, "")) for shape in one.shapes)
    # Only what was really asked counts as saved. A machine too busy to ask as often shows less than there is.
    direct = sum(price(target) for target, _ in good)
    nominal = round(size.clients * size.slice_s * FASTER / 30) * len(SPORTS)
    fetches = {sport: size.slice_s / window for sport, window in one.windows.items()}
    model = model_saving(6, per_sport, fetches, size.clients * size.slice_s)
    record.result(one.name, "answers", "answers", len(good))
    record.result(one.name, "credits of the clients' own calls", "credits", direct)
    record.result(one.name, "credits spent", "credits", spent)
    record.result(one.name, "saved", "%", saving(spent, direct))
    record.result(one.name, "saved, by the model", "%", model)
    late = understated = 0
    for target, sample in good:
        asked_at_age = sample.age - (sample.ended - sample.started)
        late += asked_at_age > one.windows[target.split("/")[3]] + SLACK_S
        understated += sample.told is not None and sample.told + 1 < asked_at_age
    record.spread(one.name, "age when the client had read it", "s", [s.age for _, s in good])
    record.at_least(f"answers (0.95 x polls), {one.name}", 0.95 * nominal * len(one.shapes), len(good))
    record.at_least(f"% of credits saved, {one.name}", one.limit, saving(spent, direct))
    record.exactly(f"answers past window and {SLACK_S:g} s, {one.name}", 0, late)
    record.exactly(f"answers whose Age understates, {one.name}", 0, understated)
    record.exactly(f"errors, {one.name}", 0, len(samples) - len(good))
