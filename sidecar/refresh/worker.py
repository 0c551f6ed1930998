"""Runs the schedules against the clock and the providers' limits."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from urllib.parse import unquote

from holdover.canonical import CanonicalRequest
from holdover.content import Board, select
from holdover.credential import NOBODY
from holdover.entry import Entry
from holdover.fill import Filler
from holdover.generation import Generation
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.metrics import Metrics
from holdover.rules import Provider, Rules

from .schedule import Brought, Due, Kept, Schedule

LONGEST_SLEEP_S = 1.0
LIMITED_SLEEP_S = 0.02
FINISH_S = 3.0
MAX_COMPARED = 100

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
        self._deadlines: set[asyncio.Task[None]] = set()
        self.to_compare: dict[str, CanonicalRequest] = {}

    @property
    def keys(self) -> int:
        return sum(map(len, self._schedules.values()))

    def demand(self, request: CanonicalRequest) -> bool:
        """A client asked for this key just now. False when it will not be kept fresh."""
        now = self._clock()
        provider = self._rules.provider(request.provider)
        if provider is None or self._filler.books.credential(provider, request.partition, NOBODY) is None:
            return False
        if not provider.profile.lasting(request):
            carrier = self._filler.projections.carrier(request, now)
            if carrier.key != request.key:
                self._add(carrier, now, now)
                return False
        return self._add(request, now, now)

    def carry_on(self, entry: Entry) -> None:
        """Takes up a key from before the last stop, if it was in demand then: it was fetched because of that."""
        provider = self._rules.provider(entry.request.provider)
        if entry.status == 200 and provider is not None and provider.profile.lasting(entry.request):
            self._add(entry.request, entry.requested_at, entry.requested_at, entry.board)
            self._filler.projections.note(entry)

    def seen(self, fetched: Fetched) -> None:
        """A client's question was answered with this."""
        entry = fetched.entry
        if (schedule := self._schedules.get(entry.request.provider)) is not None:
            schedule.learn(entry.key, _brought(fetched), self._clock())
        self._learn(fetched)

    def compare(self, requests: Iterable[CanonicalRequest]) -> None:
        """Clients were given projections for these; they are compared with the provider's own answers."""
        for request in requests:
            if len(self.to_compare) < MAX_COMPARED:
                self.to_compare[request.key] = request

    def kept(self, provider: str) -> list[Kept]:
        """What is kept fresh of a provider."""
        schedule = self._schedules.get(provider)
        return schedule.kept(self._clock()) if schedule is not None else []

    def stretch(self, provider: str, stretches: Mapping[str, float]) -> None:
        """Takes over what the governor allows."""
        if (schedule := self._schedules.get(provider)) is not None:
            schedule.stretch(stretches, self._clock())
            self._changed[provider].set()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        for name, schedule in list(self._schedules.items()):
            provider = rules.provider(name)
            if provider is None:
                self._workers.pop(name).cancel()
                del self._schedules[name], self._changed[name]
                continue
            routes = {route.name: route.settings for route in provider.routes}
            self._schedules[name] = schedule.moved(routes, self._clock())
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

    def _add(self, request: CanonicalRequest, asked_at: float, fetched_at: float, board: Board | None = None) -> bool:
        provider = self._rules.provider(request.provider)
        route = self._rules.route(request.provider, request.route)
        if provider is None or route is None:
            return False
        schedule = self._schedules.get(provider.name)
        if schedule is None:
            schedule = self._schedules[provider.name] = Schedule(self._max_keys)
            self._changed[provider.name] = asyncio.Event()
            self._workers[provider.name] = asyncio.create_task(self._work(provider.name))
        accepted = schedule.demand(request, route.settings, asked_at, fetched_at, board or Board())
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
            account = await self._filler.books.account(provider)
            if running >= provider.settings.limits.concurrency or not fetcher.ready(account):
                await asyncio.sleep(LIMITED_SLEEP_S)
                continue
            due = schedule.pop(self._clock())
            if due is None:
                await self._until_due(name, schedule)
                continue
            self._start(provider, schedule.group(due, self._clock()))
            # Lets the fetch take its token before the limits are asked again.
            await asyncio.sleep(0)

    def _start(self, provider: Provider, dues: list[Due]) -> None:
        group = self._group(dues[0].request)
        generation = None
        if group is not None:
            generation = self._filler.generations.begin([due.request.key for due in dues], self._filler.publish)
            deadline = asyncio.create_task(self._close_at_deadline(provider, group, generation))
            self._deadlines.add(deadline)
            deadline.add_done_callback(self._deadlines.discard)
        for due in dues:
            task = asyncio.create_task(self._refresh(provider, due, generation), name=provider.name)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _group(self, request: CanonicalRequest) -> str | None:
        route = self._rules.route(request.provider, request.route)
        return route.settings.group if route is not None else None

    async def _close_at_deadline(self, provider: Provider, group: str, generation: Generation) -> None:
        """What is late by then does not keep the others from being seen."""
        with suppress(TimeoutError):
            await asyncio.wait_for(generation.done.wait(), provider.settings.limits.timeout_s)
        await generation.deadline()
        result = "complete" if generation.complete else "incomplete"
        self._metrics.projection.generations.labels(provider.name, group, result).inc()

    async def _until_due(self, name: str, schedule: Schedule) -> None:
        event = self._changed[name]
        event.clear()
        next_at = schedule.next_at()
        pause = LONGEST_SLEEP_S if next_at is None else min(LONGEST_SLEEP_S, max(0.0, next_at - self._clock()))
        try:
            await asyncio.wait_for(event.wait(), pause)
        except TimeoutError:
            return

    async def _refresh(self, provider: Provider, due: Due, generation: Generation | None) -> None:
        started_at = self._clock()
        self._metrics.refresh.lag.labels(provider.name).observe(max(0.0, started_at - due.at))
        brought: Brought | None = None
        try:
            filled = await self._filler.fill(due.request, due.at, "refresh")
            match filled.result:
                case Fetched() as fetched:
                    brought = _brought(fetched)
                    self._metrics.refresh.success.labels(provider.name).set(self._clock())
                    self._learn(fetched)
                case Refused(trouble=False):
                    # The provider's verdict on this key, not a failure.
                    brought = Brought(started_at, Board(), changed=False)
            self._tell(provider.name, None if brought is not None else filled.result)
        except Exception:
            logger.exception("a refresh of %s/%s failed", due.request.provider, due.request.route)
            self._metrics.runtime.internal_errors.labels("refresh").inc()
        finally:
            if generation is not None:
                await generation.leave(due.request.key)
            if (schedule := self._schedules.get(provider.name)) is not None:
                schedule.finished(due.request.key, self._clock(), brought)
            if (event := self._changed.get(provider.name)) is not None:
                event.set()

    def _learn(self, fetched: Fetched) -> None:
        """What an answer tells about others: events that changed, books of a region."""
        entry = fetched.entry
        provider = self._rules.provider(entry.request.provider)
        route = self._rules.route(entry.request.provider, entry.request.route)
        if provider is None or route is None or fetched.effect != "changed" or entry.projected:
            return
        if (log := route.settings.change_log) is not None:
            moved = {str(found) for found in select(entry.identity, log.ids)}
            schedule = self._schedules[provider.name]
            schedule.hurry([k.key for k in schedule.requests() if _concerns(k, log.routes, moved)], self._clock())
        self._filler.projections.learn(provider, entry)

    def _tell(self, name: str, failure: FetchResult | None) -> None:
        """Logs when a provider begins and when it ceases to fail, not every failure in between."""
        if isinstance(failure, Refused | Failed) and name not in self._failing:
            self._failing.add(name)
            logger.warning("refreshes of %s fail: %s", name, failure.reason)
        elif failure is None and name in self._failing:
            self._failing.discard(name)
            logger.info("refreshes of %s succeed again", name)


def _brought(fetched: Fetched) -> Brought:
    entry = fetched.entry
    return Brought(entry.requested_at, entry.board, fetched.effect == "changed", entry.floor_s)


def _concerns(request: CanonicalRequest, routes: Collection[str], moved: Collection[str]) -> bool:
    return request.route in routes and any(unquote(part) in moved for part in request.path.split("/"))
