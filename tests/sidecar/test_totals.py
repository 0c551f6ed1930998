"""Several expositions become one."""

import re

import pytest
from prometheus_client import Metric, generate_latest

from holdover.metrics import Metrics
from sidecar.totals import GAUGES, Totals


class Worker:
    """Metrics of a process that started at a time of its own."""

    def __init__(self, started: float = 1.0) -> None:
        self.metrics = Metrics()
        self.started = started

    def says(self) -> str:
        text = generate_latest(self.metrics.registry).decode()
        name = "process_start_time_seconds"
        return re.sub(rf"^{name} .*$", f"{name} {self.started}", text, flags=re.MULTILINE)

    def answered(self, times: int) -> None:
        for _ in range(times):
            self.metrics.client.answered("vendor", "odds", "fresh", 200, 0.003, 10)


def values(totals: Totals, *up: str) -> dict[str, float]:
    found: list[Metric] = list(totals.families(up))
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in found
        for sample in family.samples
    }


COUNT = "holdover_client_requests_total,code=2xx,outcome=fresh,route=odds,upstream=vendor"
BUCKET = "holdover_client_request_duration_seconds_bucket,le=0.005,outcome=fresh,upstream=vendor"


@pytest.fixture
def two() -> tuple[Totals, Worker, Worker]:
    totals, one, other = Totals(), Worker(), Worker(2.0)
    one.answered(3)
    other.answered(4)
    totals.take("0", one.says())
    totals.take("1", other.says())
    return totals, one, other


def test_counters_and_histograms_are_added(two):
    found = values(two[0], "0", "1")
    assert found[COUNT] == 7
    assert found[BUCKET] == 7
    assert found["holdover_client_request_duration_seconds_sum,outcome=fresh,upstream=vendor"] == pytest.approx(0.021)


def test_gauges_become_what_the_table_says(two):
    totals, one, other = two
    for worker, active, left, missing in ((one, 2, 500, 0), (other, 3, 400, 1)):
        worker.metrics.client.active.set(active)
        worker.metrics.upstream.show_balance("vendor", left, 1000 - left)
        worker.metrics.runtime.degraded.labels("sidecar").set(missing)
    totals.take("0", one.says())
    totals.take("1", other.says())
    found = values(totals, "0", "1")
    assert found["holdover_client_requests_active"] == 5
    assert found["holdover_upstream_quota_remaining,upstream=vendor"] == 400
    assert found["holdover_upstream_quota_used,upstream=vendor"] == 600
    assert found["holdover_degraded,dependency=sidecar"] == 1
    assert found["process_start_time_seconds"] == 1.0


def test_what_an_ended_process_counted_stays(two):
    totals, one, _ = two
    new = Worker(9.0)
    new.answered(1)
    totals.take("1", new.says())
    assert values(totals, "0", "1")[COUNT] == 3 + 4 + 1
    one.answered(1)
    totals.take("0", one.says())
    totals.take("1", new.says())
    assert values(totals, "0", "1")[COUNT] == 4 + 4 + 1


def test_a_worker_that_there_is_no_more_stays_counted(two):
    totals, _, _ = two
    totals.forget_others(["0"])
    assert values(totals, "0")[COUNT] == 7
    assert values(totals, "0")["process_start_time_seconds"] == 1.0
    assert not totals.known("1")


def test_gauges_of_a_worker_that_does_not_answer_do_not_count(two):
    totals, one, other = two
    one.metrics.client.active.set(2)
    other.metrics.client.active.set(3)
    totals.take("0", one.says())
    totals.take("1", other.says())
    found = values(totals, "0")
    assert (found["holdover_client_requests_active"], found[COUNT]) == (2, 7)


def test_every_gauge_is_in_the_table():
    totals = Totals()
    totals.take("0", Worker().says())
    names = {family.name for family in totals.families(["0"]) if family.type == "gauge"}
    assert names == set(GAUGES)


def test_what_is_no_exposition_is_an_error():
    with pytest.raises(ValueError, match=r".+"):
        Totals().take("0", "<html>\n")
