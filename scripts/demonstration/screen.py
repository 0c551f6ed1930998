"""What people see while it runs: a live table in a terminal, else a line a second."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .tally import Tally

type Phase = Literal["direct", "through"]

TITLES: dict[Phase, str] = {"direct": "direct", "through": "through holdover"}
# box.SIMPLE_HEAD for outputs that may not take more than ASCII.
_ASCII = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)

STEPS: dict[Phase, str] = {
    "direct": "1 of 2: the clients call the provider directly",
    "through": "2 of 2: the same clients, with holdover in between",
}


class Screen(Protocol):
    """Where progress is shown; a context manager. `every_s`: how often it wants news."""

    every_s: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def say(self, text: str) -> None:
        """Something begins that has no numbers."""

    def show(self, phase: Phase, tally: Tally, elapsed: float) -> None:
        """The numbers of a phase so far."""

    def finish(self, promised_age_s: float) -> None:
        """Both phases are over."""


def screen_for(seconds: float, window_s: float, *, plain: bool) -> Screen:
    """A live table where the output is a terminal that can do it."""
    if plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Lines(seconds, window_s)
    return LiveTable(seconds, window_s)


class Lines:
    """A line for each news, and the table once at the end."""

    every_s = 1.0

    def __init__(self, seconds: float, window_s: float) -> None:
        self._seconds = seconds
        self._window_s = window_s
        self._tallies: dict[Phase, Tally] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Holds nothing."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def show(self, phase: Phase, tally: Tally, elapsed: float) -> None:
        self._tallies[phase] = tally
        print(
            f"{TITLES[phase]:<16} {elapsed:>3.0f} s  {tally.requests:>5} requests, {tally.requests_per_s:.1f}/s, "
            f"P50 {tally.p50_ms:.1f} ms, P95 {tally.p95_ms:.1f} ms, P99 {tally.p99_ms:.1f} ms, "
            f"upstream {tally.upstream_requests}, dedup {tally.dedup_ratio:.0%}, "
            f"odds at most {tally.served_age_max_s:.2f} s old, errors {tally.errors}, backwards {tally.backwards}",
            flush=True,
        )

    def finish(self, promised_age_s: float) -> None:
        console = Console(file=sys.stdout, width=80, color_system=None, force_terminal=False)
        console.print(comparison(self._tallies, self._window_s, promised_age_s, _ASCII))


class LiveTable:
    """Both phases side by side. Drawn only when there is news: a thread that draws would delay the clients."""

    every_s = 0.5

    def __init__(self, seconds: float, window_s: float) -> None:
        self._seconds = seconds
        self._window_s = window_s
        self._tallies: dict[Phase, Tally] = {}
        self._promised_age_s: float | None = None
        self._live = Live(Text("starting"), console=Console(highlight=False), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._draw(Text(text, "dim"))

    def show(self, phase: Phase, tally: Tally, elapsed: float) -> None:
        self._tallies[phase] = tally
        step = Table.grid(padding=(0, 1))
        done = min(elapsed, self._seconds)
        bar = ProgressBar(self._seconds, done, width=16, style="grey37", complete_style="cyan")
        step.add_row(Text(STEPS[phase]), bar, Text(f"{done:.0f} of {self._seconds:g} s", "dim"))
        self._draw(step)

    def finish(self, promised_age_s: float) -> None:
        self._promised_age_s = promised_age_s
        self._live.update(self._table(), refresh=True)

    def _draw(self, below: RenderableType) -> None:
        self._live.update(Group(self._table(), below), refresh=True)

    def _table(self) -> Table:
        return comparison(self._tallies, self._window_s, self._promised_age_s, box.SIMPLE_HEAD)


@dataclass(frozen=True, slots=True)
class _Row:
    """`remark` compares the second phase with the first; for a number that grows with time, once both are over."""

    label: str
    unit: str
    value: Callable[[Tally], float]
    form: str
    remark: Callable[[float, float], str] = lambda *_: ""
    grows: bool = False
    alarming: bool = False


def faster(before: float, after: float) -> str:
    """`75 times faster`; nothing to compare is an empty text."""
    if not before or not after:
        return ""
    return f"{before / after:.0f} times faster" if before >= after else f"{after / before:.1f} times slower"


def fewer(before: float, after: float) -> str:
    """`75 % fewer`; nothing to compare is an empty text."""
    if not before:
        return ""
    change = 1 - after / before
    return f"{abs(change):.0%}".replace("%", " %") + (" fewer" if change >= 0 else " more")


_ROWS = (
    _Row("latency P50", "ms", lambda t: t.p50_ms, ".1f", faster),
    _Row("latency P95", "ms", lambda t: t.p95_ms, ".1f", faster),
    _Row("latency P99", "ms", lambda t: t.p99_ms, ".1f", faster),
    _Row("requests per second", "1/s", lambda t: t.requests_per_s, ".1f"),
    _Row("client requests", "", lambda t: t.requests, ",.0f"),
    _Row("upstream requests", "", lambda t: t.upstream_requests, ",.0f", fewer, grows=True),
    _Row("credits used", "", lambda t: t.credits, ",.0f", fewer, grows=True),
    _Row("dedup ratio", "%", lambda t: t.dedup_ratio * 100, ".1f"),
    _Row("age of odds, P95", "s", lambda t: t.served_age_p95_s, ".2f"),
    _Row("age of odds, max", "s", lambda t: t.served_age_max_s, ".2f"),
    _Row("errors", "", lambda t: t.errors, ".0f", alarming=True),
    _Row("backwards", "", lambda t: t.backwards, ".0f", alarming=True),
)


def comparison(tallies: dict[Phase, Tally], window_s: float, promised_age_s: float | None, frame: box.Box) -> Table:
    """The table. A phase that has not begun has empty cells."""
    table = Table(box=frame, header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("unit", style="dim")
    table.add_column(TITLES["direct"], justify="right", min_width=7)
    table.add_column(TITLES["through"], justify="right", style="green", min_width=16)
    table.add_column("", style="dim", min_width=20)
    direct, through = tallies.get("direct"), tallies.get("through")
    over = promised_age_s is not None
    for row in _ROWS:
        remark = ""
        if direct and through and (over or not row.grows):
            remark = row.remark(row.value(direct), row.value(through))
        if row.label == "age of odds, max":
            remark = _promise(window_s, promised_age_s)
        table.add_row(row.label, row.unit, _cell(row, direct), _cell(row, through), remark)
    return table


def _cell(row: _Row, tally: Tally | None) -> Text:
    if tally is None:
        return Text("-", "dim")
    value = row.value(tally)
    return Text(f"{value:{row.form}}", "bold red" if row.alarming and value else "")


def _promise(window_s: float, promised_age_s: float | None) -> str:
    return f"window: {window_s:g} s" if promised_age_s is None else f"promise: {promised_age_s:g} s"
