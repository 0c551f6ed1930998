"""How many proxy processes there are and what tells them apart: `worker` counts from 0."""

import os

from holdover.settings import ProxySettings, split_address


def count(proxy: ProxySettings) -> int:
    return proxy.workers or len(os.sched_getaffinity(0))


def name(worker: int) -> str:
    return f"proxy-{worker}" if worker else "proxy"


def metrics_address(proxy: ProxySettings, worker: int) -> str:
    """The first has the configured address; the port after that is the sidecar's, as a rule, so others follow it."""
    if not worker:
        return proxy.metrics
    host, _, _ = proxy.metrics.rpartition(":")
    return f"{host}:{split_address(proxy.metrics)[1] + 1 + worker}"
