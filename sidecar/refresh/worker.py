"""Runs the schedules against the clock and the providers' limits."""

import asyncio
import logging
import time
from collections.abc import Callable

from holdover.entry import Entry
from holdover.fill import Filler
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.key import CanonicalRequest
from holdover.metrics import Metrics
from holdover.rules import Provider, Rules

from .schedule import Due, Schedule

LONGEST_SLEEP_S = 1.0
LIMITED_SLEEP_S = 0.02
FINISH_S = 3.0

logger = logging.getLogger("holdover.refresh")


class Refresher:
    """Keeps demanded keys fresh, one worker per provider. Make, run and close it inside one event loop."""

    def __init__(
        self,
        rules: Rules,
        filler: Filler,
        metrics: Metrics,
        max_keys: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._filler = filler
        self._metrics = metrics
        self._max_keys = max_keys
        self._clock = clock
        self._schedules: dict[str, Schedule] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()

    @property
    def keys(self) -> int:
        return sum(map(len, self._schedules.values()))

    def demand(self, request: CanonicalRequest) -> bool:
        """A client asked for this key just now. False when it will not be kept fresh."""
        now = self._clock()
        return self._add(request, now, now)

    def carry_on(self, entry: Entry) -> None:
        """Takes up a key from before the last stop, if it was in demand then: it was fetched because of that."""
        self._add(entry.request, entry.requested_at, entry.requested_at)

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        for name, schedule in list(self._schedules.items()):
            provider = rules.provider(name)
            if provider is None:
                self._workers.pop(name).cancel()
                del self._schedules[name], self._changed[name]
                continue
            self._schedules[name] = schedule.moved({route.name: route.settings for route in provider.routes})
            self._changed[name].set()

    async def close(self) -> None:
        """Stops starting refreshes and gives those that run a few seconds to come to their end."""
        for worker in self._workers.values():
            worker.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=FINISH_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _add(self, request: CanonicalRequest, asked_at: float, fetched_at: float) -> bool:
        provider = self._rules.provider(request.provider)
        route = self._rules.route(request.provider, request.route)
        if provider is None or route is None:
            return False
        schedule = self._schedules.get(provider.name)
        if schedule is None:
            schedule = self._schedules[provider.name] = Schedule(self._max_keys)
            self._changed[provider.name] = asyncio.Event()
            self._workers[provider.name] = asyncio.create_task(self._work(provider.name))
        accepted = schedule.demand(request, route.settings, asked_at, fetched_at)
        self._changed[provider.name].set()
        return accepted

    async def _work(self, name: str) -> None:
        while True:
            fetcher, provider = self._filler.fetcher(name), self._rules.provider(name)
            if fetcher is None or provider is None:
                return
            schedule = self._schedules[name]
            self._metrics.refresh.keys.labels(name).set(len(schedule))
            running = sum(task.get_name() == name for task in self._running)
            if running >= provider.settings.limits.concurrency or not fetcher.ready():
                await asyncio.sleep(LIMITED_SLEEP_S)
                continue
            due = schedule.pop(self._clock())
            if due is None:
                await self._until_due(name, schedule)
                continue
            task = asyncio.create_task(self._refresh(provider, due), name=name)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            # Lets the fetch take its token before the limits are asked again.
            await asyncio.sleep(0)

    async def _until_due(self, name: str, schedule: Schedule) -> None:
        event = self._changed[name]
        event.clear()
        next_at = schedule.next_at()
        pause = LONGEST_SLEEP_S if next_at is None else min(LONGEST_SLEEP_S, max(0.0, next_at - self._clock()))
        try:
            await asyncio.wait_for(event.wait(), pause)
        except TimeoutError:
            return

    async def _refresh(self, provider: Provider, due: Due) -> None:
        started_at = self._clock()
        self._metrics.refresh.lag.labels(provider.name).observe(max(0.0, started_at - due.at))
        ok = False
        try:
            filled = await self._filler.fill(due.request, due.at, "refresh")
            # A refusal without trouble is the provider's verdict on this key, not a failure.
            ok = isinstance(filled.result, Fetched) or (
                isinstance(filled.result, Refused) and not filled.result.trouble
            )
            if isinstance(filled.result, Fetched):
                self._metrics.refresh.success.labels(provider.name).set(self._clock())
            self._tell(provider.name, None if ok else filled.result)
        except Exception:
            logger.exception("a refresh of %s/%s failed", due.request.provider, due.request.route)
            self._metrics.runtime.internal_errors.labels("refresh").inc()
        finally:
            if (schedule := self._schedules.get(provider.name)) is not None:
                schedule.finished(due.request.key, started_at, self._clock(), ok=ok)
            if (event := self._changed.get(provider.name)) is not None:
                event.set()

    def _tell(self, name: str, failure: FetchResult | None) -> None:
        """Logs when a provider begins and when it ceases to fail, not every failure in between."""
        if isinstance(failure, Refused | Failed) and name not in self._failing:
            self._failing.add(name)
            logger.warning("refreshes of %s fail: %s", name, failure.reason)
        elif failure is None and name in self._failing:
            self._failing.discard(name)
            logger.info("refreshes of %s succeed again", name)
