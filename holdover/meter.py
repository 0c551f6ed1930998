"""Counts answers: how fast they were, how old, and what they saved."""

import math
import random
import time
from bisect import bisect_left

from holdover.answer import Answer, Ready, Wants
from holdover.hot import HotTier
from holdover.key import Cacheable
from holdover.metrics import AGE, Metrics, Outcome
from holdover.policy import age
from holdover.tally import Tally


class Meter:
    """Of one proxy process."""

    def __init__(self, metrics: Metrics, hot: HotTier, tally: Tally) -> None:
        self._metrics = metrics
        self._hot = hot
        self._tally = tally

    def count(
        self,
        cacheable: Cacheable,
        outcome: Outcome,
        wants: Wants,
        answer: Answer,
        started: float,
        ready: Ready | None,
        now: float,
    ) -> None:
        """`started` is `time.perf_counter()` at the request; `ready` is what the answer was made of, None for an
        error."""
        upstream = cacheable.provider.name
        client = self._metrics.client
        seconds = time.perf_counter() - started
        client.answered(upstream, cacheable.route.name, outcome, answer.status, seconds, len(answer.body))
        if ready is None:
            return
        entry = ready.entry
        if outcome != "fetched" or entry.projected:
            client.credits_saved.labels(upstream, cacheable.route.name).inc(entry.cost)
            self._tally.saved(upstream, cacheable.route.name, wants.client, entry.cost)
        dated, looked = ready.dated_at, entry.board.typical
        if entry.status == 200:
            client.served(
                upstream,
                age(entry, now),
                None if dated is None else max(0.0, now - dated),
                None if looked is None else max(0.0, now - looked),
            )
        # One of the last durations, not this entry's own: slow fetches collect more waiters, which biases the sum.
        durations = self._hot.fetch_durations(upstream)
        # Answers that are only passed on are never held, so there may be none.
        known = durations if outcome != "fetched" else ()
        counterfactual = random.choice(known) if known else seconds  # noqa: S311
        client.compared(upstream, seconds, counterfactual)

    def count_many(self, cacheable, outcome, status, size, ready, now, seconds, clients) -> None:  # type: ignore
        times = sum(clients.values())
        for c, n in clients.items():
            for _ in range(n):
                self.count(
                    cacheable,
                    outcome,
                    Wants(client=c),
                    Answer(status, (), b"x" * size),
                    time.perf_counter() - seconds,
                    ready,
                    now,
                )

    def next_bucket(self, ready: Ready, now: float) -> float:
        """When one of the ages that are counted of this answer leaves its bucket."""
        entry = ready.entry
        bases = (entry.requested_at - entry.initial_age, ready.dated_at, entry.board.typical)
        return min(_leaves_bucket(basis, now) for basis in bases if basis is not None)


def _leaves_bucket(basis: float, now: float) -> float:
    index = bisect_left(AGE, now - basis)
    moment = basis + AGE[index] if index < len(AGE) else math.inf
    # The bucket's end belongs to it.
    return math.nextafter(moment, math.inf)
