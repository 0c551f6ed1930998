import re
import shutil
import subprocess

import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from holdover.metrics import CIRCUIT_STATES, EFFECTS, OUTCOMES, TRIGGERS, Metrics
from holdover.rules import Rules

PROVIDERS, ROUTES = 5, 4


@pytest.fixture(scope="module")
def metrics(provider_of, route_of):
    """As after a start with as many providers and routes as the budget allows for."""
    routes = [route_of(name=f"route-{number}", path=f"/r{number}") for number in range(ROUTES)]
    made = Metrics()
    made.prepare(Rules([provider_of(*routes, name=f"vendor-{n}", hosts=[f"v{n}.test"]) for n in range(PROVIDERS)]))
    return made


def families(metrics: Metrics) -> dict[str, Metric]:
    return {
        family.name: family for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
    }


def test_every_family_says_what_it_counts(metrics):
    silent = [name for name, family in families(metrics).items() if not family.documentation.strip()]
    assert silent == []
    assert "holdover_client_requests" in families(metrics)


def test_every_family_of_ours_has_the_prefix(metrics):
    foreign = {name for name in families(metrics) if not name.startswith("holdover_")}
    assert all(re.match(r"process_|python_", name) for name in foreign), foreign


def test_the_series_of_every_provider_are_there_before_the_first_event(metrics):
    found = families(metrics)

    def labels(name: str) -> set[tuple[tuple[str, str], ...]]:
        return {tuple(sorted(sample.labels.items())) for sample in found[name].samples}

    for vendor in (f"vendor-{n}" for n in range(PROVIDERS)):
        for route in [*(f"route-{n}" for n in range(ROUTES)), "_other"]:
            for outcome in OUTCOMES:
                wanted = {"upstream": vendor, "route": route, "outcome": outcome, "code": "2xx"}
                assert tuple(sorted(wanted.items())) in labels("holdover_client_requests")
            for trigger in TRIGGERS:
                wanted = {"upstream": vendor, "route": route, "trigger": trigger, "code": "2xx"}
                assert tuple(sorted(wanted.items())) in labels("holdover_upstream_requests")
        for effect in EFFECTS:
            assert (("effect", effect), ("upstream", vendor)) in labels("holdover_upstream_responses")
        for name in ("client_latency_saved_seconds", "client_latency_added_seconds", "refresh_keys"):
            assert (("upstream", vendor),) in labels(f"holdover_{name}")
        states = {sample.labels["state"]: sample.value for sample in found["holdover_upstream_circuit_state"].samples
                  if sample.labels["upstream"] == vendor}  # fmt: skip
        assert states == {state: float(state == "closed") for state in CIRCUIT_STATES}
    for dependency in ("sidecar", "store", "ledger"):
        assert metrics.registry.get_sample_value("holdover_degraded", {"dependency": dependency}) == 0


def credits_move(metrics: Metrics, vendor: str) -> None:
    """All that a day can bring of credits and projections."""
    for route in (f"route-{n}" for n in range(ROUTES)):
        metrics.client.credits_saved.labels(vendor, route).inc()
        for trigger in ("client", "refresh", "forward"):
            metrics.upstream.spent.labels(vendor, route, trigger).inc()
        for result in ("made", "refused"):
            metrics.projection.made.labels(vendor, route, result).inc()
    metrics.upstream.show_balance(vendor, 94.0, 6.0)
    metrics.upstream.show_account(vendor, dead=False, frozen=True)
    metrics.projection.affordable.labels(vendor).set(1)
    for phase in ("in_play", "near", "far", "empty"):
        metrics.projection.stretch.labels(vendor, phase).set(1)


def test_the_exposition_stays_within_its_budget_when_everything_has_happened(metrics):
    """Every line costs about 20 microseconds at each scrape. All that a day can bring: every outcome, trigger and
    effect for every provider, refusals and failures on every route."""
    client, upstream, cache = metrics.client, metrics.upstream, metrics.cache
    for vendor in (f"vendor-{n}" for n in range(PROVIDERS)):
        for route in (f"route-{n}" for n in range(ROUTES)):
            for status, outcome in ((200, "fresh"), (200, "stale"), (200, "coalesced"), (200, "fetched"),
                                    (200, "bypass"), (502, "failed"), (404, "fetched"), (304, "fresh")):  # fmt: skip
                client.answered(vendor, route, outcome, status, 0.1, 10)
            for trigger, code in (("client", "4xx"), ("client", "error"), ("refresh", "5xx"), ("refresh", "error")):
                upstream.requests.labels(vendor, route, trigger, code).inc()
        client.compared(vendor, 0.1, 0.2)
        client.served(vendor, 1.0, 1.0, 1.0)
        credits_move(metrics, vendor)
        for trigger in ("client", "refresh", "retry"):
            upstream.duration.labels(vendor, trigger).observe(0.1)
        metrics.refresh.lag.labels(vendor).observe(0.1)
        metrics.refresh.update_delay.labels(vendor, "fetch").observe(0.1)
    for tier in ("memory", "disk"):
        cache.operations.labels(tier, "get", "hit").inc()
        cache.duration.labels(tier, "get").observe(0.1)
    cache.flight_wait.labels("node").observe(0.1)
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert len(lines) <= 3_000


def test_no_series_depends_on_what_a_request_names(metrics):
    client = metrics.client
    before = len(generate_latest(metrics.registry).splitlines())
    for status in range(200, 300):
        client.answered("vendor-0", "_other", "bypass", status, 0.1, 10)
    after = len(generate_latest(metrics.registry).splitlines())
    assert after - before <= 40


def test_time_saved_and_time_added_are_counted_apart():
    metrics = Metrics()
    for actual, counterfactual, times in ((0.25, 1.0, 2), (1.0, 0.5, 3), (0.5, 0.5, 1)):
        metrics.client.compared("v", actual, counterfactual, times)
    value = metrics.registry.get_sample_value
    assert value("holdover_client_latency_saved_seconds_total", {"upstream": "v"}) == 1.5
    assert value("holdover_client_latency_added_seconds_total", {"upstream": "v"}) == 1.5
    assert value("holdover_client_counterfactual_duration_seconds_count", {"upstream": "v"}) == 6


def test_an_age_that_nobody_tells_is_not_counted():
    metrics = Metrics()
    metrics.client.served("v", 1.0, None, None)
    metrics.client.served("v", 2.0, 3.0, 5.0)
    value = metrics.registry.get_sample_value
    for basis, count, total in (("fetch", 2, 3.0), ("header", 1, 3.0), ("payload", 1, 5.0)):
        labels = {"upstream": "v", "basis": basis}
        assert value("holdover_served_age_seconds_count", labels) == count
        assert value("holdover_served_age_seconds_sum", labels) == total


def test_a_balance_that_nobody_told_has_no_series():
    metrics = Metrics()
    metrics.upstream.show_balance("v", None, 3.0)
    value = metrics.registry.get_sample_value
    assert value("holdover_upstream_quota_remaining", {"upstream": "v"}) is None
    assert value("holdover_upstream_quota_used", {"upstream": "v"}) == 3.0
    metrics.upstream.show_balance("v", -7.0, None)
    assert value("holdover_upstream_quota_remaining", {"upstream": "v"}) == -7.0
    assert value("holdover_upstream_quota_used", {"upstream": "v"}) == 3.0


@pytest.mark.parametrize(("dead", "frozen"), [(True, False), (False, True)])
def test_the_account_is_shown_as_it_is(dead, frozen):
    metrics = Metrics()
    metrics.upstream.show_account("v", dead=not dead, frozen=not frozen)
    metrics.upstream.show_account("v", dead=dead, frozen=frozen)
    value = metrics.registry.get_sample_value
    assert value("holdover_upstream_credential_dead", {"upstream": "v"}) == dead
    assert value("holdover_upstream_quota_frozen", {"upstream": "v"}) == frozen


def test_one_answer_is_counted_once_in_each_family():
    metrics = Metrics()
    metrics.client.answered("v", "odds", "fresh", 304, 0.002, 7)
    value = metrics.registry.get_sample_value
    labels = {"upstream": "v", "outcome": "fresh"}
    assert value("holdover_client_requests_total", {**labels, "route": "odds", "code": "3xx"}) == 1
    assert value("holdover_client_request_duration_seconds_sum", labels) == 0.002
    assert value("holdover_client_response_bytes_total", labels) == 7


@pytest.mark.parametrize("state", CIRCUIT_STATES)
def test_the_circuit_is_in_one_state(state):
    metrics = Metrics()
    for one in (*CIRCUIT_STATES, state):
        metrics.upstream.show_circuit("v", one)
    for one in CIRCUIT_STATES:
        labels = {"upstream": "v", "state": one}
        assert metrics.registry.get_sample_value("holdover_upstream_circuit_state", labels) == (one == state)


def test_two_of_them_do_not_share_anything():
    one, other = Metrics(), Metrics()
    one.client.active.inc()
    assert other.registry.get_sample_value("holdover_client_requests_active") == 0
    assert "_created" not in generate_latest(one.registry).decode()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package: prometheus)")
def test_promtool_finds_nothing_to_say(metrics):
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True
    )
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_what_is_no_status_makes_no_series():
    metrics = Metrics()
    for status in (200, 299, 1_000, 99, 0, -1, 10**6, 10**9):
        metrics.client.answered("vendor", "odds", "bypass", status, 0.1, 1)
    [family] = [each for each in metrics.registry.collect() if each.name == "holdover_client_requests"]
    assert {(each.labels["code"], each.value) for each in family.samples} == {("2xx", 2.0), ("_other", 6.0)}
