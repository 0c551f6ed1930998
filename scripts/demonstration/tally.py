"""From samples to numbers. Pure: no clock, no I/O."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.rig import percentile

from .fleet import Notes, Sample

_BUCKET = re.compile(r'holdover_upstream_request_duration_seconds_bucket\{le="([^"]+)",?(.*)\}')


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the provider counted: requests that reached it and credits it charged."""

    requests: int
    credits: int


@dataclass(frozen=True, slots=True)
class Tally:
    """One phase in numbers. Requests, credits and ages are those of all requests. Latencies and requests per second
    leave out the first request for each question, `first_ms` is the slowest of those."""

    seconds: float
    requests: int
    requests_per_s: float
    upstream_requests: int
    credits: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_ms: float
    served_age_p50_s: float
    served_age_p95_s: float
    served_age_max_s: float
    backwards: int
    error_kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(self.error_kinds.values())

    @property
    def dedup_ratio(self) -> float:
        """The share of the clients' requests that the provider did not see."""
        return 1 - self.upstream_requests / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole demonstration in numbers. `provider_s`: no answer took the provider longer, as holdover measured
    it."""

    seed: int
    clients: int
    questions: int
    spellings: int
    window_s: float
    provider_s: float
    direct: Tally
    through: Tally

    @property
    def promised_age_s(self) -> float:
        """The greatest age that holdover promises: the window and the provider's time to answer."""
        return self.window_s + self.provider_s

    @property
    def promise_kept(self) -> bool:
        return self.through.served_age_max_s <= self.promised_age_s


def tally(notes: Notes, seconds: float, upstream: Upstream) -> Tally:
    """Requests that are still waited for count as requests only."""
    good = [sample for sample in notes.samples if not sample.error]
    firsts = [sample.latency_s * 1000 for sample in notes.samples if sample.first]
    latencies = sorted(sample.latency_s * 1000 for sample in good if not sample.first)
    ages = sorted(sample.age_s for sample in good)
    return Tally(
        seconds=seconds,
        requests=notes.asked,
        requests_per_s=(notes.asked - len(firsts)) / seconds,
        upstream_requests=upstream.requests,
        credits=upstream.credits,
        p50_ms=percentile(latencies, 0.50),
        p95_ms=percentile(latencies, 0.95),
        p99_ms=percentile(latencies, 0.99),
        first_ms=max(firsts, default=0.0),
        served_age_p50_s=percentile(ages, 0.50),
        served_age_p95_s=percentile(ages, 0.95),
        served_age_max_s=max(ages, default=0.0),
        backwards=backwards(good),
        error_kinds=Counter(sample.error for sample in notes.samples if sample.error),
    )


def backwards(samples: Sequence[Sample]) -> int:
    """How often a client saw an older revision than the newest that it had seen of the same question. `samples` in
    the order in which they were seen."""
    newest: dict[tuple[int, int], int] = {}
    count = 0
    for sample in samples:
        name = sample.client, sample.question
        count += sample.revision < newest.get(name, sample.revision)
        newest[name] = max(sample.revision, newest.get(name, sample.revision))
    return count


def slowest_answer_s(metrics: Mapping[str, float]) -> float:
    """An upper bound of what the provider took for any answer, from the buckets of holdover's own histogram."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name, value in metrics.items():
        if found := _BUCKET.fullmatch(name):
            series.setdefault(found[2], []).append((float(found[1]), value))
    bounds = [min(bound for bound, count in buckets if count == max(buckets)[1]) for buckets in series.values()]
    return max(bounds, default=0.0)


def stats_of(document: Mapping[str, object]) -> Upstream:
    """From the emulated provider's `/_stats`."""
    requests, accounts = document["requests"], document["by_key"]
    assert isinstance(requests, int)
    assert isinstance(accounts, dict)
    return Upstream(requests, sum(account["used"] for account in accounts.values()))
