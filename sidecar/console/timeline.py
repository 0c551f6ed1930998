"""What the page Timeline says: lanes drawn and as tables, in the zone that is asked for. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..promos.document import Promo
from ..promos.resolve import Withheld
from ..promos.standing import Live
from .audience import Asked
from .geometry import Chart, chart
from .now import title_of
from .plan import Lane, Run, plan
from .stretch import ClockChange, Stretch, Tick, clock_changes, ticks
from .words import clock, duration


@dataclass(frozen=True, slots=True)
class Line:
    """A promo in the table. `state` for machines: "shown", "loses" or "other"; `said` for people."""

    promo: Promo
    title: str
    start: str
    end: str
    state: str
    said: str


@dataclass(frozen=True, slots=True)
class Hole:
    slot: str
    start: str
    end: str
    length: str


@dataclass(frozen=True, slots=True)
class TimelinePage:
    chart: Chart
    ticks: tuple[Tick, ...]
    changes: tuple[ClockChange, ...]
    now_x: float | None
    lines: Mapping[str, Line]
    holes: tuple[Hole, ...]

    @property
    def crowded(self) -> int:
        """How many have no room for a while."""
        return sum(line.state == "loses" for line in self.lines.values())

    @property
    def planned(self) -> int:
        """For this audience."""
        return sum(line.state != "other" for line in self.lines.values())


def timeline_page(
    live: Live, hidden: Withheld, who: Asked, over: Stretch, now: float, *, alone: bool = False
) -> TimelinePage:
    """`hidden`: by what the odds are now; what they will be is not known, so it is told and not drawn. `alone`:
    without what is for other audiences."""
    lanes = plan(live, live.withheld, who, (over.start, over.end))
    if alone:
        lanes = tuple(
            Lane(lane.name, lane.slot, tuple(r for r in lane.runs if not r.refused), lane.gaps) for lane in lanes
        )
    lines = {run.promo.id: _line(run, hidden, who, over) for lane in lanes for run in lane.runs}
    drawn = chart(lanes, (over.start, over.end), {name: line.title for name, line in lines.items()})
    holes = tuple(_holes(lanes, over))
    now_x = drawn.x(now) if over.start <= now < over.end else None
    return TimelinePage(drawn, tuple(ticks(over)), tuple(clock_changes(over)), now_x, lines, holes)


def _line(run: Run, hidden: Withheld, who: Asked, over: Stretch) -> Line:
    promo = run.promo
    state, said = "shown", "whenever it runs"
    if run.refused:
        state, said = "other", run.refused
    elif run.lost:
        state = "loses"
        parts = "; ".join(
            f"{clock(start, over.zone, over.start)} to {clock(end, over.zone, over.start)}" for start, end in run.lost
        )
        said = f"no room for {duration(run.lost_s)}: {parts}"
    if not run.refused and promo.id in hidden:
        said += f"; held back now: {hidden[promo.id]}"
    bounds = clock(promo.start, over.zone, over.start), clock(promo.end, over.zone, over.start)
    return Line(promo, title_of(promo, who.visitor.language), *bounds, state, said)


def _holes(lanes: Sequence[Lane], over: Stretch) -> Iterator[Hole]:
    for lane in lanes:
        for start, end in lane.gaps:
            yield Hole(
                lane.name,
                clock(start, over.zone, over.start),
                clock(end, over.zone, over.start),
                duration(end - start),
            )
