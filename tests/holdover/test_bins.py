import sys
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from holdover.bins import Binned

BOUNDS = (0.00005, 0.25, 1, 5)
values = st.one_of(st.sampled_from([0.0, *BOUNDS]), st.floats(0, 10))


def made(registry: CollectorRegistry | None = None, *labels: str) -> Binned:
    return Binned("served_seconds", "How long.", labels, BOUNDS, registry or CollectorRegistry())


def exposition(*observed: tuple[float, int], theirs: bool) -> bytes:
    disable_created_metrics()
    registry = CollectorRegistry()
    if theirs:
        histogram = Histogram("served_seconds", "How long.", ["by"], buckets=BOUNDS, registry=registry).labels("a")
        for value, times in observed:
            for _ in range(times):
                histogram.observe(value)
    else:
        bins = made(registry, "by").labels("a")
        for value, times in observed:
            bins.observe(value, times)
    return generate_latest(registry)


@given(st.lists(st.tuples(values.map(lambda value: round(value * 64) / 64), st.integers(0, 5))))
def test_it_is_exposed_as_the_librarys_own_histogram_with_each_value_that_often(observed):
    """Values that binary fractions hold: sums do not depend on their order."""
    assert exposition(*observed, theirs=False) == exposition(*observed, theirs=True)


def test_it_is_exposed_as_the_librarys_own_without_any_value():
    assert exposition(theirs=False) == exposition(theirs=True)


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.00005, 0), (0.25, 1), (0.2500001, 2), (5, 3), (5.1, 4)])
def test_a_bound_belongs_to_its_bucket(value, bucket):
    bins = made().labels()
    bins.observe(value)
    buckets, total = bins.exposed()
    assert [count for _, count in buckets] == [0.0] * bucket + [1.0] * (len(BOUNDS) + 1 - bucket)
    assert total == value


def test_series_are_kept_by_all_their_labels():
    family = made(None, "upstream", "basis")
    assert family.labels("v", "fetch") is family.labels("v", "fetch")
    assert family.labels("v", "fetch") is not family.labels("v", "header")
    for wrong in (("v",), ("v", "fetch", "more")):
        with pytest.raises(ValueError, match="served_seconds has the labels"):
            family.labels(*wrong)


def test_its_names_are_taken():
    registry = CollectorRegistry()
    made(registry)
    for name in ("served_seconds", "served_seconds_bucket", "served_seconds_count", "served_seconds_sum"):
        with pytest.raises(ValueError, match="Duplicated"):
            Gauge(name, "Another.", registry=registry)


def test_scrapes_between_observations_never_see_less_than_before_nor_a_count_that_is_not_the_sum_of_buckets():
    """New series come meanwhile as well, and the interpreter changes threads as often as it can."""
    registry = CollectorRegistry()
    family, stop, seen = made(registry, "by"), threading.Event(), []

    def scrape() -> None:
        while not stop.is_set():
            [found] = text_string_to_metric_families(generate_latest(registry).decode())
            seen.append({(s.name, s.labels["by"], s.labels.get("le", "")): s.value for s in found.samples})

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=scrape)
    try:
        thread.start()
        for number in range(20_000):
            family.labels(str(number % (1 + number // 100))).observe(number % 7, 1 + number % 3)
        stop.set()
        thread.join()
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    assert len(seen) > 1
    for before, after in pairwise(seen):
        assert [key for key, value in before.items() if value > after[key]] == []
    for samples in seen:
        for (name, by, _), value in samples.items():
            if name == "served_seconds_count":
                assert value == samples["served_seconds_bucket", by, "+Inf"]
