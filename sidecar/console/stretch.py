"""A stretch of days in a time zone: its bounds, its ticks, and where clocks change. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from ..promos.moment import zone_of
from ..promos.standing import Live
from .audience import Query, first
from .words import clock

type RangeName = Literal["day", "week", "4-weeks"]
RANGES: dict[RangeName, tuple[str, int]] = {"day": ("Day", 1), "week": ("Week", 7), "4-weeks": ("4 weeks", 28)}
_EARLIEST, _LATEST = date(1971, 1, 1), date(2900, 1, 1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `day` at midnight, for whole days. `faults`: what of the question was not understood."""

    name: RangeName
    day: date
    zone_name: str
    zone: tzinfo
    faults: tuple[str, ...] = ()

    @property
    def start(self) -> float:
        return midnight(self.day, self.zone)

    @property
    def end(self) -> float:
        return midnight(self.moved(1), self.zone)

    def moved(self, times: int) -> date:
        """The first day of the stretch that many of its lengths later."""
        return self.day + timedelta(days=RANGES[self.name][1] * times)


@dataclass(frozen=True, slots=True)
class Tick:
    """`label` "" for a line alone; `above` the month, where only days are labelled; `strong` where a day, or in four
    weeks a week, begins."""

    at: float
    label: str
    strong: bool = False
    above: str = ""


@dataclass(frozen=True, slots=True)
class ClockChange:
    at: float
    label: str


def stretch(query: Query, live: Live, now: float) -> Stretch:
    """Without a zone in the query, the one that most promos are written in; without a day, today there."""
    faults = []
    named = first(query, "zone") or usual_zone(live)
    zone = zone_of(named)
    if zone is None:
        faults.append(f'"{named}" is no time zone; write a name such as America/New_York. Times are in UTC.')
    name: RangeName = next((each for each in RANGES if each == first(query, "range")), "week")
    day = today = datetime.fromtimestamp(now, zone or UTC).date()
    if asked := first(query, "from"):
        try:
            day = date.fromisoformat(asked)
        except ValueError:
            faults.append(f'"{asked}" is no day; write it as {today.isoformat()}. This is from today.')
    if not _EARLIEST <= day <= _LATEST:
        faults.append(f"{day.isoformat()} is too far away. This is from today.")
        day = today
    return Stretch(name, day, named if zone else "UTC", zone or UTC, tuple(faults))


def usual_zone(live: Live) -> str:
    return zones_of(live)[0]


def zones_of(live: Live) -> list[str]:
    """That most promos are written in first; UTC is always among them."""
    many = Counter(promo.timezone for promo in live.promos)
    return sorted({*many, "UTC"}, key=lambda zone: (-many[zone], zone))


def midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def ticks(over: Stretch) -> Iterator[Tick]:
    day = over.day
    while (at := midnight(day, over.zone)) < over.end:
        if over.name == "4-weeks":
            above = f"{day:%b}" if day == over.day or day.day == 1 else ""
            yield Tick(at, str(day.day), day.weekday() == 0, above)
        else:
            yield Tick(at, f"{day:%a} {day.day} {day:%b}", strong=True)
            yield from _hours(at, midnight(day + timedelta(days=1), over.zone), over)
        day += timedelta(days=1)


def _hours(start: float, end: float, over: Stretch) -> Iterator[Tick]:
    """Where the local clock shows a full third hour, and in a week a twelfth; twice where the hour comes twice."""
    every = 3 if over.name == "day" else 12
    at = start + 3_600
    while at < end:
        there = datetime.fromtimestamp(at, over.zone)
        if there.hour % every == 0:
            yield Tick(at, f"{there:%H:%M}" if over.name == "day" else "")
        at += 3_600


def clock_changes(over: Stretch) -> Iterator[ClockChange]:
    """To the minute."""
    before = over.start
    while before < over.end:
        after = min(before + 3_600 * 6, over.end)
        shift = _offset_s(after, over.zone) - _offset_s(before, over.zone)
        if shift:
            at = _first_minute(before, after, over.zone)
            way = "forward" if shift > 0 else "back"
            yield ClockChange(at, f"clocks go {way} {abs(shift) / 3600:g} h, {clock(at, over.zone, at)}")
        before = after


def _first_minute(before: float, after: float, zone: tzinfo) -> float:
    """Of the offset that holds at `after`."""
    low, high = int(before // 60), int(after // 60)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle * 60, zone) == _offset_s(after, zone):
            high = middle
        else:
            low = middle
    return high * 60.0


def _offset_s(at: float, zone: tzinfo) -> float:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return offset.total_seconds() if offset else 0.0
