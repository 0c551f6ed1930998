import os

import pytest

from holdover import workers
from holdover.settings import ProxySettings


def test_as_many_as_configured_or_as_there_are_cores():
    assert workers.count(ProxySettings(workers=3)) == 3
    assert workers.count(ProxySettings()) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("metrics", "worker", "expected"),
    [
        ("127.0.0.1:9101", 0, "127.0.0.1:9101"),
        ("127.0.0.1:9101", 1, "127.0.0.1:9103"),
        ("[::1]:9101", 2, "[::1]:9104"),
    ],
)
def test_metrics_leave_out_the_port_after_the_first(metrics, worker, expected):
    assert workers.metrics_address(ProxySettings(metrics=metrics), worker) == expected


def test_the_first_has_the_plain_name():
    assert [workers.name(worker) for worker in range(3)] == ["proxy", "proxy-1", "proxy-2"]
