import math
import random
from collections import Counter
from dataclasses import replace

import pytest

from holdover import meter as module
from holdover.answer import Ready, Wants
from holdover.content import Board
from holdover.exchange import Request
from holdover.hot import HotTier
from holdover.key import Cacheable, plan
from holdover.meter import DRAWS, Meter
from holdover.metrics import AGE, Metrics
from holdover.policy import age
from holdover.rules import Rules
from holdover.settings import HotSettings
from holdover.store.ledger import Usage
from holdover.tally import Tally

NOW = 1010.0
DATED = (("Date", "Thu, 01 Jan 1970 00:16:42 GMT"), ("Content-Type", "application/json"))
"""1002 seconds."""


class Desk:
    """A meter of one provider, whose fetches took `durations`."""

    def __init__(self, provider, store, entry, durations=()):
        rules = Rules([provider])
        self.metrics, self.tally = Metrics(), Tally()
        self.hot = HotTier(store, rules, HotSettings(), self.metrics)
        for number, took in enumerate(durations):
            self.hot.put(replace(entry, request=replace(entry.request, path=f"/{number}"), fetch_s=took))
        self.meter = Meter(self.metrics, self.hot, self.tally)
        self.ready = Ready(entry, provider.settings.quota)
        found = plan(Request("GET", "api.vendor.test", "/v4/sports/epl/odds"), rules)
        assert isinstance(found, Cacheable)
        self.cacheable = found

    def count(self, outcome="fresh", seconds=0.002, ready=True, clients=None, status=200, now=NOW):
        self.meter.count_many(
            self.cacheable, outcome, status, 100, self.ready if ready else None, now, seconds, clients or {"a": 1}
        )

    def value(self, name, **labels):
        return self.metrics.registry.get_sample_value(f"holdover_{name}", {"upstream": "vendor", **labels})

    def samples(self):
        """All of clients and ages that is not 0."""
        families = self.metrics.registry.collect()
        return {
            (sample.name, *sorted(sample.labels.items())): pytest.approx(sample.value)
            for family in families
            if family.name.startswith(("holdover_client", "holdover_served"))
            for sample in family.samples
            if sample.value
        }


@pytest.fixture
def entry(entry_of):
    return replace(entry_of(headers=DATED), cost=6.0, board=Board(typical=1004.0))


@pytest.fixture
def desk(provider_of, store, entry):
    return lambda *durations, entry=entry: Desk(provider_of(), store, entry, durations)


def test_many_answers_count_as_that_many_of_one(desk):
    once, often = desk(0.5), desk(0.5)
    for client in ("a", "b", "b"):
        once.count(clients={client: 1})
    often.count(clients={"a": 1, "b": 2})
    assert often.samples() == once.samples()
    assert sorted(often.tally.take(), key=repr) == sorted(once.tally.take(), key=repr)


def test_what_is_counted_of_many(desk):
    one = desk(0.5)
    one.count(clients={"a": 30, "b": 10})
    assert one.value("client_requests_total", route="odds", outcome="fresh", code="2xx") == 40
    assert one.value("client_request_duration_seconds_count", outcome="fresh") == 40
    assert one.value("client_request_duration_seconds_sum", outcome="fresh") == pytest.approx(0.08)
    assert one.value("client_response_bytes_total", outcome="fresh") == 4000
    assert one.value("client_credits_saved_total", route="odds") == 240
    assert one.value("client_counterfactual_duration_seconds_count") == 40
    assert one.value("client_latency_saved_seconds_total") == pytest.approx(40 * 0.498)
    for basis, age_s in (("fetch", 10), ("header", 8), ("payload", 6)):
        assert one.value("served_age_seconds_count", basis=basis) == 40
        assert one.value("served_age_seconds_sum", basis=basis) == pytest.approx(40 * age_s)
    assert sorted(one.tally.take(), key=repr) == [
        Usage("vendor", "odds", "a", saved=180.0, requests=30),
        Usage("vendor", "odds", "b", saved=60.0, requests=10),
    ]


@pytest.mark.parametrize("times", [1, 2, DRAWS - 1, DRAWS, DRAWS + 1, 1000, 100_003])
def test_counterfactuals_of_many_are_few_and_add_up(desk, monkeypatch, times):
    one = desk(*(number / 100 for number in range(1, 257)))
    observed: Counter[object] = Counter()
    monkeypatch.setattr(one.metrics.client, "compared", lambda *a: observed.update({a[2]: a[3], "draws": 1}))
    random.seed(7)
    one.count(clients={"a": times})
    assert observed.pop("draws") == min(times, DRAWS)
    assert sum(observed.values()) == times
    assert len(observed) > min(times, DRAWS) // 2


def test_draws_weigh_as_equal_as_can_be():
    for times in (1, 5, 16, 17, 31, 32, 1000):
        weights = [weight for _, weight in module._drawn([1.0], times)]
        assert (sum(weights), max(weights) - min(weights)) == (times, bool(times % len(weights)))


def test_without_a_fetch_to_compare_with_nothing_is_saved(desk):
    for one, outcome in ((desk(), "fresh"), (desk(0.5), "fetched")):
        one.count(outcome, clients={"a": 20})
        assert one.value("client_counterfactual_duration_seconds_sum") == pytest.approx(20 * 0.002)
        assert (one.value("client_latency_saved_seconds_total") or 0) == 0


@pytest.mark.parametrize(
    ("outcome", "projected", "saved"), [("fetched", "", None), ("fetched", "x", 6), ("stale", "", 6)]
)
def test_only_who_caused_no_call_saved_one(desk, entry, outcome, projected, saved):
    one = desk(entry=replace(entry, projected=projected))
    one.count(outcome)
    assert one.value("client_credits_saved_total", route="odds") == saved
    assert bool(one.tally.take()) == bool(saved)


def test_an_error_has_no_age_and_saves_nothing(desk):
    one = desk(0.5)
    one.count("failed", ready=False, status=502, clients={"a": 3})
    assert one.value("client_requests_total", route="odds", outcome="failed", code="5xx") == 3
    assert {name for name, *_ in one.samples()} == {
        "holdover_client_requests_total",
        *(f"holdover_client_request_duration_seconds_{part}" for part in ("bucket", "count", "sum")),
        "holdover_client_response_bytes_total",
    }
    assert one.tally.take() == []


def test_only_a_good_answer_has_an_age(desk, entry):
    one = desk(entry=replace(entry, status=404))
    one.count(status=404)
    assert one.value("served_age_seconds_count", basis="fetch") is None
    assert one.meter.next_bucket(one.ready, NOW) == math.inf


def test_one_answer_is_counted_for_its_client(desk):
    one = desk(0.5)
    answer = one.ready.answer(Wants(client="a"), NOW, "hit")
    one.meter.count(one.cacheable, "fresh", Wants(client="a"), answer, 0.0, one.ready, NOW)
    assert one.value("client_requests_total", route="odds", outcome="fresh", code="2xx") == 1
    assert one.value("client_response_bytes_total", outcome="fresh") == len(answer.body)
    assert one.tally.take() == [Usage("vendor", "odds", "a", saved=6.0, requests=1)]


@pytest.mark.parametrize("now", [1000.0, 1000.7, 1002.0, 1004.05, 1009.9, 1062.5, 1299.0])
def test_until_the_next_bucket_an_answer_counts_as_of_the_same_age(desk, now):
    """The bounds are inclusive, so an age counts as the larger one just after it."""
    one, tiny = desk(), 0.001

    def buckets(moment):
        ages = (age(one.ready.entry, moment), max(0, moment - 1002.0), max(0, moment - 1004.0))
        return [next((bound for bound in AGE if old <= bound), math.inf) for old in ages]

    until = one.meter.next_bucket(one.ready, now)
    assert now < until
    assert buckets(now + tiny) == buckets(until - tiny)
    # A clock ahead of this one's has no age before its time, but the moment is only reckoned from now.
    assert buckets(until - tiny) != buckets(until + tiny) or now < 1004.0


def test_what_is_older_than_all_buckets_stays_so(desk):
    one = desk()
    assert one.meter.next_bucket(one.ready, 1004.0 + AGE[-1] + 1) == math.inf
