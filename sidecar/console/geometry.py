"""Where everything of the timeline is drawn, in pixels. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .plan import Lane, Run, Span

WIDTH = 1100.0
HEAD, ROW, BAR, PAD = 42.0, 30.0, 24.0, 8.0
_LEAST = 4.0
"""Width of the shortest bar, so that it can be seen and hit."""
_LETTER, _MARGIN = 7.2, 18.0
"""Widths of a letter of a title, and of what is around the title."""


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """`open_left`, `open_right`: it began before, or ends after, what is drawn. `label_x`: where its title stands
    beside it, for want of room; None: within."""

    run: Run
    x: float
    y: float
    width: float
    lost: tuple[Box, ...]
    open_left: bool
    open_right: bool
    label_x: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A lane. `y` from the top of the chart."""

    lane: Lane
    y: float
    height: float
    bars: tuple[Bar, ...]
    gaps: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    span: Span
    width: float
    height: float
    rows: tuple[Row, ...]

    def x(self, at: float) -> float:
        """Rounded to a hundredth, and never outside."""
        return _x(at, self.span)


def chart(lanes: Sequence[Lane], span: Span, titles: Mapping[str, str]) -> Chart:
    """`titles` by id of promo."""
    y, rows = HEAD, []
    for lane in lanes:
        rows.append(_row(lane, span, y, titles))
        y += rows[-1].height
    return Chart(span, WIDTH, y, tuple(rows))


def _row(lane: Lane, span: Span, y: float, titles: Mapping[str, str]) -> Row:
    """Bars of one level, with their titles, do not overlap; those of this audience stand above the others."""
    levels: list[list[Box]] = []
    bars = []
    for run in lane.runs:
        box = _box(run.span, span, _LEAST)
        title = len(titles[run.promo.id]) * _LETTER + _MARGIN
        beside = title > box.width and box.x + box.width + title <= WIDTH
        taken = Box(box.x, box.width + title) if beside else box
        level = next((n for n, row in enumerate(levels) if not any(_overlap(taken, o) for o in row)), len(levels))
        if level == len(levels):
            levels.append([])
        levels[level].append(taken)
        lost = tuple(_box(each, span) for each in run.lost)
        opened = run.promo.start < span[0], run.promo.end > span[1]
        label_x = box.x + box.width + _MARGIN / 3 if beside else None
        bars.append(Bar(run, box.x, y + PAD + level * ROW, box.width, lost, *opened, label_x))
    height = 2 * PAD + (max(1, len(levels)) - 1) * ROW + BAR
    return Row(lane, y, height, tuple(bars), tuple(_box(gap, span) for gap in lane.gaps))


def _overlap(one: Box, other: Box) -> bool:
    return one.x < other.x + other.width and other.x < one.x + one.width


def _box(part: Span, span: Span, least: float = 0.0) -> Box:
    x = min(_x(part[0], span), WIDTH - least)
    return Box(x, max(least, round(_x(part[1], span) - x, 2)))


def _x(at: float, span: Span) -> float:
    share = (at - span[0]) / (span[1] - span[0])
    return round(min(1.0, max(0.0, share)) * WIDTH, 2)
