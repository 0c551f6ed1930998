"""Every time series of both processes, by name. Definitions: docs/architecture.md; reference: README.

Label values come from the configuration and from the closed sets below alone; whatever else a request names counts
under `_other`, so the number of series does not depend on traffic."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from holdover import __version__
from holdover.bins import Binned, Bins
from holdover.canonical import CanonicalRequest
from holdover.rules import Rules

type Outcome = Literal["fresh", "stale", "coalesced", "fetched", "bypass", "local", "promos", "failopen", "failed"]
type Trigger = Literal["client", "refresh", "retry", "forward", "probe", "shadow", "bypass", "failopen"]
type Effect = Literal["changed", "unchanged", "not_modified", "error"]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome.__value__)
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger.__value__)
EFFECTS: tuple[Effect, ...] = get_args(Effect.__value__)
CIRCUIT_STATES = ("closed", "half_open", "open")
OTHER = "_other"
CLOSED_FOR = (
    *("max_connections", "max_per_address", "max_bodies", "head_size"),
    *("head_timeout", "body_timeout", "idle_timeout", "write_timeout"),
)

LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
AGE = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 30, 60, 300)
OPERATION = (0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1)
INVALIDATION = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5)
OVERHEAD = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
PROPAGATION = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5)
LOOP_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


def status_class(status: int) -> str:
    """`2xx` and its like. mitmproxy takes any number for a status, and a server could make series without end."""
    return f"{status // 100}xx" if 100 <= status < 1000 else OTHER


class _Maker:
    """Makes families with the common prefix on one registry; `labels` are theirs, by the family's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.labels: dict[str, tuple[str, ...]] = {}

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(self._noted(name, labels), text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(self._noted(name, labels), text, labels, registry=self.registry)

    def info(self, name: str, text: str) -> Info:
        return Info(self._noted(name, ()), text, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(self._noted(name, labels), text, labels, buckets=buckets, registry=self.registry)

    def binned(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Binned:
        """A histogram that one thread observes, a value many times at once if need be."""
        return Binned(self._noted(name, labels), text, labels, buckets, self.registry)

    def _noted(self, name: str, labels: tuple[str, ...]) -> str:
        self.labels[f"holdover_{name.removesuffix('_total')}"] = labels
        return f"holdover_{name}"


class ClientMetrics:
    """What clients got."""

    def __init__(self, make: _Maker) -> None:
        self.requests = make.counter(
            "client_requests_total",
            "Client requests answered, by how.",
            "upstream",
            "route",
            "outcome",
            "code",
        )
        self.duration = make.binned(
            "client_request_duration_seconds",
            "Headers read to response ready.",
            LATENCY,
            "upstream",
            "outcome",
        )
        self.counterfactual = make.binned(
            "client_counterfactual_duration_seconds",
            "What the same request would have cost upstream: one of the last 256 fetch durations.",
            LATENCY,
            "upstream",
        )
        self.credits_saved = make.counter(
            "client_credits_saved_total",
            "Credits that clients' own calls would have cost, of those that caused none.",
            *("upstream", "route"),
        )
        self.bypasses = make.counter(
            "client_bypasses_total",
            "Client requests that went past the cache, by what of them has no canonical form.",
            *("upstream", "reason"),
        )
        self.saved = make.counter(
            "client_latency_saved_seconds_total",
            "Sum of counterfactual minus actual where positive.",
            "upstream",
        )
        self.added = make.counter(
            "client_latency_added_seconds_total",
            "Sum of actual minus counterfactual where positive.",
            "upstream",
        )
        self.served_age = make.binned(
            "served_age_seconds",
            "Age at serve (fetch: since holdover asked; header: since the provider's Date; payload: since the median "
            "time at which the provider itself last looked at a price).",
            AGE,
            *("upstream", "basis"),
        )
        self.active = make.gauge("client_requests_active", "Client requests in progress.")
        self.bytes = make.counter("client_response_bytes_total", "Body bytes to clients.", "upstream", "outcome")
        self.overhead = make.binned(
            "addon_overhead_seconds", "Own cost of answering a hit in the addon's hook.", OVERHEAD, "hook"
        )
        self._bind = cache(self._bound)
        self._bind_comparison = cache(self._bound_comparison)
        self._bind_ages = cache(self._bound_ages)
        self._bind_credits = cache(self.credits_saved.labels)

    # What follows counts `times` requests alike, once, when they are answered.

    def answered(
        self, upstream: str, route: str, outcome: Outcome, status: int, seconds: float, size: int, times: int = 1
    ) -> None:
        """`seconds` and `size`: of each, until its answer was ready and of its body."""
        requests, duration, volume = self._bind(upstream, route, outcome, status_class(status))
        requests.inc(times)
        duration.observe(seconds, times)
        volume.inc(size * times)

    def spared(self, upstream: str, route: str, credits_each: float, times: int = 1) -> None:
        """What clients' own calls would have cost."""
        self._bind_credits(upstream, route).inc(credits_each * times)

    def served(
        self, upstream: str, fetch: float, header: float | None, payload: float | None, times: int = 1
    ) -> None:
        """How old an answer was in seconds, by what tells it; None is not told."""
        ages = self._bind_ages(upstream)
        for bins, age in zip(ages, (fetch, header, payload), strict=True):
            if age is not None:
                bins.observe(age, times)

    def compared(self, upstream: str, actual: float, counterfactual: float, times: int = 1) -> None:
        """What an answer took against what it would have taken without holdover, in seconds."""
        counterfactuals, saved, added = self._bind_comparison(upstream)
        counterfactuals.observe(counterfactual, times)
        difference = counterfactual - actual
        if difference > 0:
            saved.inc(difference * times)
        else:
            added.inc(-difference * times)

    def _bound_ages(self, upstream: str) -> tuple[Bins, Bins, Bins]:
        of = self.served_age.labels
        return of(upstream, "fetch"), of(upstream, "header"), of(upstream, "payload")

    def _bound_comparison(self, upstream: str) -> tuple[Bins, Counter, Counter]:
        return (
            self.counterfactual.labels(upstream),
            self.saved.labels(upstream),
            self.added.labels(upstream),
        )

    def _bound(self, upstream: str, route: str, outcome: Outcome, code: str) -> tuple[Counter, Bins, Counter]:
        return (
            self.requests.labels(upstream, route, outcome, code),
            self.duration.labels(upstream, outcome),
            self.bytes.labels(upstream, outcome),
        )


class LaneMetrics:
    """How clients' requests went through a proxy process, and their connections."""

    def __init__(self, make: _Maker) -> None:
        self.requests = make.counter(
            "lane_requests_total",
            "Requests by way: answered at once below mitmproxy's flows (hit), after a fetch (waited), or through the "
            "flows, for these to be seen (observed) or because they are for them (passed); or to nowhere (refused): "
            "malformed, too large, or too slow.",
            "way",
        )
        self.connections = make.gauge("lane_connections", "Connections of clients that are open.")
        self.closed = make.counter(
            "lane_connections_closed_total",
            "Connections that were closed to protect the others, by why.",
            "reason",
        )
        self.handshakes = make.counter(
            "lane_tls_handshakes_total", "TLS handshakes, by how: full, resumed, or failed.", "how"
        )

    def prepare(self) -> None:
        """Makes the series."""
        for way in ("hit", "waited", "observed", "passed", "refused"):
            self.requests.labels(way)
        for reason in CLOSED_FOR:
            self.closed.labels(reason)
        for how in ("full", "resumed", "failed"):
            self.handshakes.labels(how)


class UpstreamMetrics:
    """What holdover asked of providers, and what came of it."""

    def __init__(self, make: _Maker) -> None:
        self.requests = make.counter(
            "upstream_requests_total",
            "Requests on the wire to providers, by what caused them; code is error where no answer came.",
            *("upstream", "route", "trigger", "code"),
        )
        self.duration = make.histogram(
            "upstream_request_duration_seconds", "Connect to last byte.", LATENCY, "upstream", "trigger"
        )
        self.active = make.gauge("upstream_requests_active", "Requests to the provider in flight.", "upstream")
        self.responses = make.counter(
            "upstream_responses_total", "Effect of the provider's answer on the cache.", "upstream", "effect"
        )
        self.bytes = make.counter("upstream_response_bytes_total", "Body bytes from providers.", "upstream")
        self.quota_remaining = make.gauge(
            "upstream_quota_remaining", "Quota left, as the provider last told it.", "upstream"
        )
        self.quota_used = make.gauge("upstream_quota_used", "Quota used, as the provider last told it.", "upstream")
        self.spent = make.counter(
            "upstream_credits_spent_total", "Credits that calls took.", "upstream", "route", "trigger"
        )
        self.dead = make.gauge(
            "upstream_credential_dead", "1 while the provider refuses holdover's credential.", "upstream"
        )
        self.frozen = make.gauge(
            "upstream_quota_frozen",
            "1 while no calls that cost are made, until the quota is filled again.",
            "upstream",
        )
        self.circuit = make.gauge("upstream_circuit_state", "1 for the state the circuit is in.", "upstream", "state")
        self.clock_offset = make.gauge(
            "upstream_clock_offset_seconds",
            "The provider's Date minus the local clock, smoothed.",
            "upstream",
        )

    def show_balance(self, upstream: str, remaining: float | None, used: float | None) -> None:
        """What nobody told leaves no series: unknown is not 0."""
        if remaining is not None:
            self.quota_remaining.labels(upstream).set(remaining)
        if used is not None:
            self.quota_used.labels(upstream).set(used)

    def show_account(self, upstream: str, *, dead: bool, frozen: bool) -> None:
        self.dead.labels(upstream).set(dead)
        self.frozen.labels(upstream).set(frozen)

    def show_circuit(self, upstream: str, current: str) -> None:
        for state in CIRCUIT_STATES:
            self.circuit.labels(upstream, state).set(state == current)


class RefreshMetrics:
    """How well the sidecar keeps its promise."""

    def __init__(self, make: _Maker) -> None:
        self.keys = make.gauge("refresh_keys", "Keys kept fresh.", "upstream")
        self.overdue = make.gauge(
            "refresh_overdue_seconds", "How far what is kept fresh is past its window, at most.", "upstream"
        )
        self.lag = make.histogram(
            "refresh_schedule_lag_seconds", "Start of a refresh minus due.", LATENCY, "upstream"
        )
        self.objects = make.counter(
            "refresh_objects_total",
            "Answers replaced in this process, by whether one was read.",
            "upstream",
            "use",
        )
        self.success = make.gauge(
            "refresh_last_success_timestamp_seconds", "When a refresh last succeeded.", "upstream"
        )
        self.update_delay = make.histogram(
            "update_delay_seconds",
            "Changed content visible to clients minus produced (header: Date; fetch: start of the request).",
            AGE,
            *("upstream", "basis"),
        )


class CacheMetrics:
    """The tiers and the flights."""

    def __init__(self, make: _Maker) -> None:
        self.operations = make.counter("cache_operations_total", "Cache operations.", "tier", "operation", "result")
        self.duration = make.histogram(
            "cache_operation_duration_seconds",
            "Duration of cache operations.",
            OPERATION,
            "tier",
            "operation",
        )
        self.objects = make.gauge("cache_objects", "Answers held.", "tier")
        self.bytes = make.gauge("cache_bytes", "Bytes held.", "tier")
        self.max_bytes = make.gauge("cache_max_bytes", "Most bytes that may be held.", "tier")
        self.evictions = make.counter("cache_evictions_total", "Answers dropped, by why.", "tier", "reason")
        self.invalidation_delay = make.histogram(
            "cache_invalidation_delay_seconds",
            "Provider's answer read to effect in this process.",
            INVALIDATION,
        )
        self.flight_wait = make.binned("singleflight_wait_seconds", "How long followers waited.", LATENCY, "scope")
        self.flight_waits = make.counter("singleflight_waits_total", "Followers, by how it ended.", "scope", "result")


class ProjectionMetrics:
    """Answers made from wider ones."""

    def __init__(self, make: _Maker) -> None:
        self.made = make.counter(
            "projections_total",
            "Answers made from a wider one, or not because its content did not allow it.",
            *("upstream", "route", "result"),
        )
        self.compared = make.counter(
            "shadow_comparisons_total", "Projections compared with the provider's own answer.", "upstream", "result"
        )
        self.off = make.gauge(
            "projection_switched_off", "1 for a kind that a comparison found wrong.", "upstream", "kind"
        )
        self.stretch = make.gauge(
            "refresh_stretch",
            "How much longer windows are for the credits to last; 1 is as configured.",
            "upstream",
            "phase",
        )
        self.affordable = make.gauge(
            "budget_affordable", "1 while the credits last until the quota is filled again.", "upstream"
        )
        self.generations = make.counter(
            "generations_total", "Groups of routes that became visible together.", "upstream", "group", "result"
        )

    def count(self, canonical: CanonicalRequest, result: str) -> None:
        self.made.labels(canonical.provider, canonical.route, result).inc()


class PromoMetrics:
    """What operations edit."""

    def __init__(self, make: _Maker) -> None:
        self.live = make.gauge("promos_live", "Promos that are accepted, whether or not their time has come.")
        self.killed = make.gauge("promos_killed", "Promos that are accepted and killed by kill.json.")
        self.files = make.gauge("promos_files", "Files of promos, by what of them is live.", "state")
        self.edits = make.counter("promos_edits_total", "Changes of what is accepted.")
        self.streams = make.gauge("promos_streams", "Clients that listen for changes of promos.")
        self.propagation = make.histogram(
            "promos_propagation_seconds",
            "From noticing a change of what is shown until the last client that listens was told.",
            PROPAGATION,
        )
        self.hidden = make.gauge("promos_hidden", "Promos whose time it is and whose odds hide them.", "reason")


class RuntimeMetrics:
    """The processes themselves."""

    def __init__(self, make: _Maker) -> None:
        self.degraded = make.gauge(
            "degraded", "1 while the named dependency is missing and done without.", "dependency"
        )
        self.config_reloads = make.counter("config_reloads_total", "Configuration loads.", "file", "result")
        self.config_success = make.gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was last taken over.",
            "file",
        )
        self.config = make.info("config", "The configuration in force.")
        self.loop_lag = make.histogram("event_loop_lag_seconds", "How late the event loop runs a timer.", LOOP_LAG)
        self.internal_errors = make.counter("internal_errors_total", "Exceptions at a fail-open boundary.", "where")
        self.build = make.info("build", "What runs.")
        self.build.info({"version": __version__})


class _Registry(CollectorRegistry):
    """Has what was counted elsewhere added before it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.add_up: Callable[[], None] = _nothing

    def collect(self) -> Iterable[Metric]:
        self.add_up()
        return super().collect()


def _nothing() -> None:
    """Nothing is counted elsewhere."""


class Metrics:
    """All families on one registry. Both processes make all of them, so a sum over both never lacks a series."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = _Registry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        make = _Maker(self.registry)
        self.labels = make.labels
        self.client = ClientMetrics(make)
        self.lane = LaneMetrics(make)
        self.upstream = UpstreamMetrics(make)
        self.refresh = RefreshMetrics(make)
        self.cache = CacheMetrics(make)
        self.projection = ProjectionMetrics(make)
        self.promos = PromoMetrics(make)
        self.runtime = RuntimeMetrics(make)

    def prepare(self, rules: Rules) -> None:
        """Makes the series of every configured provider, so that none is missing before its first event."""
        for provider in rules.providers:
            name = provider.name
            self.upstream.show_circuit(name, "closed")
            for effect in EFFECTS:
                self.upstream.responses.labels(name, effect)
            for route in (*provider.route_names, OTHER):
                for outcome in OUTCOMES:
                    self.client.requests.labels(name, route, outcome, "2xx")
                for trigger in TRIGGERS:
                    self.upstream.requests.labels(name, route, trigger, "2xx")
            self.refresh.keys.labels(name)
            self.client.saved.labels(name)
            self.client.added.labels(name)
        for dependency in ("sidecar", "store", "ledger"):
            self.runtime.degraded.labels(dependency)
        for result in ("ok", "error"):
            self.runtime.config_reloads.labels("config", result)
        self.lane.prepare()
        for where in ("request", "lane", "refresh", "steward", "store", "background"):
            self.runtime.internal_errors.labels(where)
