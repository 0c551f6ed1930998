"""What a scenario found: figures, and the promises that they keep or break."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scripts.rig import percentile


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `target` is what was measured, for scenarios that compare several."""

    scenario: str
    target: str
    metric: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Must:
    """A promise; the name ends in how `value` stands to `limit` when `ok`."""

    name: str
    limit: float
    value: float
    ok: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run of one or several scenarios found."""

    results: tuple[Result, ...] = ()
    musts: tuple[Must, ...] = ()

    @property
    def ok(self) -> bool:
        return all(must.ok for must in self.musts)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.results + other.results, self.musts + other.musts)


class Record:
    """Collects the outcome of one scenario."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario
        self._results: list[Result] = []
        self._musts: list[Must] = []

    def result(self, target: str, metric: str, unit: str, value: float) -> None:
        self._results.append(Result(self._scenario, target, metric, unit, value))

    def spread(self, target: str, metric: str, unit: str, values: Sequence[float]) -> None:
        """Median, 95th and 99th percentile and the largest of `values`."""
        for name, share in (("P50", 0.5), ("P95", 0.95), ("P99", 0.99)):
            self.result(target, f"{metric} {name}", unit, percentile(values, share))
        self.result(target, f"{metric} max", unit, max(values, default=0.0))

    def at_most(self, what: str, limit: float, value: float) -> None:
        self._musts.append(Must(f"{self._scenario}: {what}, at most", limit, value, value <= limit))

    def at_least(self, what: str, limit: float, value: float) -> None:
        self._musts.append(Must(f"{self._scenario}: {what}, at least", limit, value, value >= limit))

    def exactly(self, what: str, limit: float, value: float) -> None:
        self._musts.append(Must(f"{self._scenario}: {what}, exactly", limit, value, value == limit))

    def outcome(self) -> Outcome:
        return Outcome(tuple(self._results), tuple(self._musts))


def ratio_of_pairs(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """Median of the ratios of values that were taken one after the other, so that a slow phase of the machine hits
    both."""
    return statistics.median(a / b for a, b in zip(measured, baseline, strict=True))


def steps_back(seen: Sequence[int]) -> int:
    """How often a value is below one before it."""
    newest, count = seen[0] if seen else 0, 0
    for value in seen:
        count += value < newest
        newest = max(newest, value)
    return count


def document(machine: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """The JSON report."""
    return {
        "machine": machine,
        "results": [asdict(result) for result in outcome.results],
        "must": [asdict(must) for must in outcome.musts],
    }
