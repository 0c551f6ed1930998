"""The metrics of several processes of one kind as those of one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

type Series = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a sample, sorted labels."""

GAUGES: Mapping[str, Callable[[Iterable[float]], float]] = {
    # Each process has its own of it.
    **dict.fromkeys(
        (
            "process_virtual_memory_bytes",
            "process_resident_memory_bytes",
            "process_open_fds",
            "holdover_client_requests_active",
            "holdover_lane_connections",
            "holdover_upstream_requests_active",
            "holdover_cache_objects",
            "holdover_cache_bytes",
            "holdover_cache_max_bytes",
            "holdover_refresh_keys",
            "holdover_promos_streams",
        ),
        sum,
    ),
    # All see the same thing, or should: the one that is worst off counts.
    **dict.fromkeys(
        (
            "process_start_time_seconds",
            "process_max_fds",
            "holdover_upstream_quota_remaining",
            "holdover_budget_affordable",
            "holdover_refresh_last_success_timestamp_seconds",
            "holdover_config_last_reload_success_timestamp_seconds",
        ),
        min,
    ),
    **dict.fromkeys(
        (
            "python_info",
            "holdover_upstream_quota_used",
            "holdover_upstream_credential_dead",
            "holdover_upstream_quota_frozen",
            "holdover_upstream_circuit_state",
            "holdover_upstream_clock_offset_seconds",
            "holdover_refresh_overdue_seconds",
            "holdover_refresh_stretch",
            "holdover_projection_switched_off",
            "holdover_promos_live",
            "holdover_promos_killed",
            "holdover_promos_files",
            "holdover_promos_hidden",
            "holdover_degraded",
            "holdover_config_info",
            "holdover_build_info",
        ),
        max,
    ),
}
"""How a gauge's values become one, by name. Counters and histograms are added."""


@dataclass(slots=True)
class _Family:
    text: str
    kind: str
    series: dict[Series, float] = field(default_factory=dict)

    @property
    def is_gauge(self) -> bool:
        return self.kind not in ("counter", "histogram", "summary")


type _Reading = dict[str, _Family]


class Totals:
    """What was last read of each worker, and the counts of the processes that were there before: without them a sum
    would fall when one process of several is new, which Prometheus takes for a new start of all."""

    def __init__(self) -> None:
        self._last: dict[str, _Reading] = {}
        self._before: _Reading = {}

    def take(self, worker: str, exposition: str) -> None:
        """Takes over what a worker says. Raises ValueError when it is no exposition."""
        reading = _read(exposition)
        old = self._last.get(worker)
        if old is not None and _started(old) != _started(reading):
            self._keep(old)
        self._last[worker] = reading

    def known(self, worker: str) -> bool:
        return worker in self._last

    def forget_others(self, workers: Iterable[str]) -> None:
        """Those that there are no more; what they counted stays."""
        for worker in set(self._last) - set(workers):
            self._keep(self._last.pop(worker))

    def families(self, up: Iterable[str]) -> Iterator[Metric]:
        """All as one. Gauges are of the workers that are `up` alone."""
        now = [self._last[worker] for worker in up]
        everything = [self._before, *self._last.values()]
        for name in dict.fromkeys(name for reading in everything for name in reading):
            families = [reading[name] for reading in everything if name in reading]
            gauge = families[0].is_gauge
            combine = GAUGES.get(name, max) if gauge else sum
            counted = [reading[name] for reading in now if name in reading] if gauge else families
            metric = Metric(name, families[0].text, families[0].kind)
            for series in dict.fromkeys(series for family in counted for series in family.series):
                value = combine([family.series[series] for family in counted if series in family.series])
                metric.add_sample(series[0], dict(series[1]), value)
            yield metric

    def _keep(self, reading: _Reading) -> None:
        for name, family in reading.items():
            if family.is_gauge:
                continue
            kept = self._before.setdefault(name, _Family(family.text, family.kind))
            for series, value in family.series.items():
                kept.series[series] = kept.series.get(series, 0.0) + value


def _read(exposition: str) -> _Reading:
    return {
        family.name: _Family(
            family.documentation,
            family.type,
            {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in family.samples},
        )
        for family in text_string_to_metric_families(exposition)
    }


def _started(reading: _Reading) -> dict[Series, float]:
    """Tells one process from the next in its place."""
    family = reading.get("process_start_time_seconds")
    return family.series if family else {}
