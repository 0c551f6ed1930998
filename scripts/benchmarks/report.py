"""Writes what docs/performance.md shows from a report: `python -m scripts.benchmarks.report FILE`, where FILE is what
`scripts/bench --json FILE` wrote. Its tables stand between marks; the chart beside it is drawn anew."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.marked import with_parts
from scripts.rig import ROOT

from . import chart
from .outcome import Must, Outcome, Result
from .table import figure, machine_line

PAGE, PICTURE = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"
CPU = "CPU per request"


@dataclass(frozen=True, slots=True)
class Pivot:
    """A table of one scenario: a row for each target, a column for each of the metrics, under these headings."""

    scenario: str
    what: str
    columns: dict[str, str]


SPREAD = {"P50": "P50", "P99": "P99", "max": "max"}
PIVOTS = (
    Pivot(
        "spike",
        "server",
        {f"latency {share}": f"latency {share}, ms" for share in SPREAD}
        | {f"age when the client asked {share}": f"age {share}, s" for share in ("P50", "max")}
        | {"upstream requests per window": "upstream requests per window"},
    ),
    Pivot(
        "cold",
        "holdover as",
        {
            "first answer, fastest burst": "first answer, s",
            "slowest answer, fastest burst": "slowest, best burst, s",
            "slowest answer, slowest burst": "slowest, worst burst, s",
            "slowest answer once it is stored": "slowest, once it is stored, s",
        },
    ),
    Pivot(
        "fleet",
        "server and fleet",
        {
            "CPU per client-second": "CPU per client-second, µs",
            "CPU per client-second / nginx": "/ nginx",
            "latency P50": "latency P50, ms",
            "latency P99": "P99, ms",
            "resident per 1,000 connections": "resident per 1,000 connections, MiB",
        },
    ),
    Pivot(
        "keys",
        "hot keys",
        {
            "proxy: CPU per hit": "proxy, CPU per hit, µs",
            "sidecar: CPU per refresh": "sidecar, CPU per refresh, µs",
            "proxy: CPU per refresh": "proxy, CPU per refresh, µs",
            "proxy: resident per 1,000 keys": "resident per 1,000 keys, MiB",
        },
    ),
    Pivot("scrape", "meanwhile", {f"latency of hits {share}": f"hits {share}, ms" for share in SPREAD}),
    Pivot(
        "memory",
        "",
        {
            "resident at 20 %": "resident after a fifth, MiB",
            "resident at 100 %": "in the end, MiB",
            "metric series at 100 %": "metric series",
            "CPU per request, start included": f"{CPU}, µs",
            "database": "database, MiB",
            "write-ahead log": "write-ahead log, MiB",
        },
    ),
    Pivot("workers", "holdover with", {CPU: f"{CPU}, µs", "requests per second": "requests per second"}),
    Pivot("layer", "way", {CPU: f"{CPU}, µs", f"{CPU} / nginx": "/ nginx", "latency P50 / nginx": "P50 / nginx"}),
)


def read(text: str) -> tuple[dict[str, Any], Outcome]:
    """Machine and outcome of a JSON report. Raises ValueError."""
    try:
        told = json.loads(text)
        results = tuple(Result(**one) for one in told["results"])
        return told["machine"], Outcome(results, tuple(Must(**one) for one in told["must"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no report of scripts/bench: {error}") from error


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first hold figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def pivot(outcome: Outcome, wanted: Pivot) -> str:
    values = {(r.target, r.metric): figure(r.value) for r in outcome.results if r.scenario == wanted.scenario}
    metrics = [name for name in wanted.columns if any(metric == name for _, metric in values)]
    targets = dict.fromkeys(target for target, metric in values if metric in metrics)
    rows = [[target, *(values.get((target, metric), "") for metric in metrics)] for target in targets]
    return grid([wanted.what, *(wanted.columns[metric] for metric in metrics)], rows)


def hits(outcome: Outcome) -> str:
    """CPU per request of each server as ratio to nginx's, and how holdover's speed and latency stand to nginx's."""
    ratios = chart.ratios(outcome)
    own = {(r.target, r.metric): r.value for r in outcome.results if r.scenario == "hit"}
    peers = list(dict.fromkeys(server for servers in ratios.values() for server in servers))
    further = {"requests per second": "requests/s", "latency P50": "P50", "latency P99": "P99"}
    head = ["hit", "nginx, µs", *peers, *(f"{name}, holdover / nginx" for name in further.values())]
    rows = []
    for case, servers in ratios.items():
        told = [own.get((f"holdover, {case}", f"{metric} / nginx")) for metric in further]
        cells = [own.get((f"nginx, {case}", CPU)), *(servers.get(peer) for peer in peers), *told]
        rows.append([case, *("" if cell is None else figure(cell) for cell in cells)])
    return grid(head, rows)


def promises(outcome: Outcome) -> str:
    rows = [[m.name, figure(m.limit), figure(m.value), "yes" if m.ok else "**no**"] for m in outcome.musts]
    return grid(["promise", "limit", "measured", "kept"], rows)


def updated(page: str, machine: dict[str, Any], outcome: Outcome) -> str:
    """The page with what stands between the marks made anew; a scenario that the report lacks leaves its table as it
    is. Raises ValueError where a mark is missing."""
    ran = {result.scenario for result in outcome.results}
    parts = {"machine": machine_line(machine), "promises": promises(outcome)}
    parts |= {wanted.scenario: pivot(outcome, wanted) for wanted in PIVOTS if wanted.scenario in ran}
    if "hit" in ran:
        parts["hit"] = hits(outcome)
    return with_parts(page, parts, PAGE.name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.report", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a report of scripts/bench --json FILE")
    options = parser.parse_args(arguments)
    try:
        machine, outcome = read(options.file.read_text(encoding="utf-8"))
        page = updated(PAGE.read_text(encoding="utf-8"), machine, outcome)
    except (OSError, ValueError) as error:
        print(f"report: {options.file}: {error}", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    if chart.ratios(outcome):
        PICTURE.write_text(chart.draw(outcome), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
