"""The report for people: tables by rich on a terminal, aligned text in a pipe."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .outcome import Outcome

RESULT_COLUMNS = ("scenario", "target", "metric", "value", "unit", "/ nginx")
MUST_COLUMNS = ("must", "limit", "value", "")
_NUMBERS = ("limit", "value", "/ nginx")
_RATIO = " / nginx"

type Rows = Sequence[tuple[str, ...]]


def figure(value: float) -> str:
    """Whole numbers as they are, others with three digits that matter."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine_line(machine: dict[str, Any]) -> str:
    """The machine in one line."""
    programs = "".join(f"{name} {number}, " for name, number in machine.get("programs", {}).items())
    load = " ".join(f"{value:.2f}" for value in machine["load_average"])
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}, "
        f"mitmproxy {machine['mitmproxy']}, {programs}load average {load}"
    )


def result_rows(outcome: Outcome) -> Rows:
    """A figure and its ratio to nginx's stand in one row."""
    ratios = {(r.scenario, r.target, r.metric): figure(r.value) for r in outcome.results if r.metric.endswith(_RATIO)}
    return [
        (
            r.scenario,
            r.target,
            r.metric,
            figure(r.value),
            r.unit,
            ratios.get((r.scenario, r.target, f"{r.metric}{_RATIO}"), ""),
        )
        for r in outcome.results
        if not r.metric.endswith(_RATIO)
    ]


def must_rows(outcome: Outcome) -> Rows:
    return [(m.name, figure(m.limit), figure(m.value), "ok" if m.ok else "BROKEN") for m in outcome.musts]


def plain(columns: tuple[str, ...], rows: Rows) -> str:
    """Aligned text, numbers to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    right = [name in _NUMBERS for name in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if on_right else cell.ljust(width)
            for cell, width, on_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def show(machine: dict[str, Any], outcome: Outcome) -> None:
    """Prints the report."""
    console = Console()
    console.print(machine_line(machine), highlight=False, soft_wrap=True)
    for columns, rows in ((RESULT_COLUMNS, result_rows(outcome)), (MUST_COLUMNS, must_rows(outcome))):
        if console.is_terminal:
            console.print(_rich(columns, rows))
        else:
            print(f"\n{plain(columns, rows)}")


def _rich(columns: tuple[str, ...], rows: Rows) -> Table:
    table = Table()
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    previous = ""
    for row in rows:
        if columns is RESULT_COLUMNS and previous not in ("", row[0]):
            table.add_section()
        previous = row[0]
        table.add_row(*row, style="red" if row[-1] == "BROKEN" else None)
    return table
