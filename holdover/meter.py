"""Counts answers: how fast they were, how old, and what they saved."""

import math
import random
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from holdover.answer import Answer, Ready, Wants
from holdover.hot import HotTier
from holdover.key import Cacheable
from holdover.metrics import AGE, Metrics, Outcome
from holdover.policy import age
from holdover.tally import Tally

DRAWS = 16


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
        """One answer. `started` is `time.perf_counter()` at the request; `ready` is what the answer was made of, None
        for an error."""
        seconds = time.perf_counter() - started
        one = {wants.client: 1}
        self.count_many(cacheable, outcome, answer.status, len(answer.body), ready, now, seconds, one)

    def count_many(
        self,
        cacheable: Cacheable,
        outcome: Outcome,
        status: int,
        size: int,
        ready: Ready | None,
        now: float,
        seconds: float,
        clients: Mapping[str, int],
    ) -> None:
        """Answers that were alike, given at about `now`: `size` is each one's body, `seconds` the mean of what they
        took, `clients` how many each client got."""
        upstream, route = cacheable.provider.name, cacheable.route.name
        client, times = self._metrics.client, sum(clients.values())
        client.answered(upstream, route, outcome, status, seconds, size, times)
        if ready is None:
            return
        entry = ready.entry
        if outcome != "fetched" or entry.projected:
            client.spared(upstream, route, entry.cost, times)
            for name, its_own in clients.items():
                self._tally.saved(upstream, route, name, entry.cost, its_own)
        if entry.status == 200:
            client.served(upstream, *_ages(ready, now), times)
        # Some of the last durations, not this entry's own: slow fetches collect more waiters, which biases the sum.
        # Answers that are only passed on are never held, so there may be none.
        known = self._hot.fetch_durations(upstream) if outcome != "fetched" else ()
        for counterfactual, weight in _drawn(known or (seconds,), times):
            client.compared(upstream, seconds, counterfactual, weight)

    def next_bucket(self, ready: Ready, now: float) -> float:
        """Until when what is given from `now` on counts as of the same age; infinity for ever."""
        ages = _ages(ready, now) if ready.entry.status == 200 else ()
        bounds = [(old, bisect_right(AGE, old)) for old in ages if old is not None]
        return min((now + AGE[bound] - old for old, bound in bounds if bound < len(AGE)), default=math.inf)


def _ages(ready: Ready, now: float) -> tuple[float, float | None, float | None]:
    """In seconds: since holdover asked, since the provider's Date, since it looked at its prices itself."""
    dated, looked = ready.dated_at, ready.entry.board.typical
    return (
        age(ready.entry, now),
        None if dated is None else max(0.0, now - dated),
        None if looked is None else max(0.0, now - looked),
    )


def _drawn(known: Sequence[float], times: int) -> Iterator[tuple[float, int]]:
    """At most `DRAWS` of these values, drawn at random, with weights that are as equal as can be and add up to
    `times`."""
    draws = min(times, DRAWS)
    for number, value in enumerate(random.choices(known, k=draws)):  # noqa: S311
        yield value, (times + number) // draws
