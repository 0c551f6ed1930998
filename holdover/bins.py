"""Histograms that count a value any number of times at the price of one, which prometheus_client's do not.

One thread observes, any other may collect. No lock is needed: each count only grows and is read once to be exposed,
so no bucket ever shrinks or is larger than the next, and the last is the count of all."""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Bins:
    """One series: how often a value fell into each bucket, and the sum of all."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """A bound belongs to its bucket. `times` is 0 or more."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def exposed(self) -> tuple[list[tuple[str, float]], float]:
        """Bound and number of values up to it, for each bucket; and the sum."""
        below, buckets = 0, []
        for bound, count in zip((*map(repr, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        return buckets, self._sum


class Binned(Collector):
    """A family of histograms with fixed buckets; `name` is the whole name."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...], registry: CollectorRegistry
    ) -> None:
        self._about = name, text
        self._labels = labels
        self._bounds = tuple(float(bound) for bound in bounds)
        self._series: dict[tuple[str, ...], Bins] = {}
        registry.register(self)

    def labels(self, *values: str) -> Bins:
        """The series of these values, in the order of the family's labels. ValueError for another number of them."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self._about[0]} has the labels {self._labels}, not {values}")
        return self._series.setdefault(values, Bins(self._bounds))

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        # A copy: the observing thread may add a series meanwhile, which ends an iteration over the dict itself.
        for values, series in self._series.copy().items():
            family.add_metric(values, *series.exposed())
        return [family]

    def _family(self) -> HistogramMetricFamily:
        name, text = self._about
        return HistogramMetricFamily(name, text, labels=self._labels)
