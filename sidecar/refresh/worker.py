"""Runs the schedules against the clock and the providers' limits."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.credential import NOBODY
from holdover.entry import Entry
from holdover.fetch import Fetcher
from holdover.fill import Filler
from holdover.generation import Generation
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.metrics import Metrics
from holdover.rules import Provider, Rules
from holdover.spacing import Turn
from holdover.variants import is_variant

from .arrivals import Arrivals
from .changelog import logs_of
from .item import Brought
from .schedule import Due, Kept, Schedule
from .starts import Starts
from .turns import Turns

LONGEST_SLEEP_S = 1.0
SWEEP_S = 1.0
LIMITED_SLEEP_S = 0.02
LEAST_HOLD_S = 0.001
MISSING_SLEEP_S = 2.0
FINISH_S = 3.0
MAX_COMPARED = 100
MAX_FAILING = 1_000
"""Partitions that are known to fail. Of more it is not logged that they do."""

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
        self._failing: set[tuple[str, str]] = set()
        self._starts = Starts(clock)
        self._turns = Turns()
        self._next_sweep = 0.0
        self._followers: set[asyncio.Task[None]] = set()
        self._deadlines: set[asyncio.Task[None]] = set()
        self.to_compare: dict[str, CanonicalRequest] = {}
        self._arrivals = Arrivals(filler, metrics, self._schedules, self._changed, self._running, clock)
        filler.listen(self._arrived)
        filler.upstream.queue(self._turns.ahead)

    @property
    def keys(self) -> int:
        return sum(map(len, self._schedules.values()))

    def demand(self, request: CanonicalRequest) -> bool:
        """A client asked for this key just now and waits. False when it will not be kept fresh."""
        return self._demand(request, waits=True)

    def _demand(self, request: CanonicalRequest, *, waits: bool) -> bool:
        now = self._clock()
        provider = self._rules.provider(request.provider)
        if provider is None or self._filler.books.credential(provider, request.partition, NOBODY) is None:
            return False
        if self._filler.apart.holds(request.key, now):
            # Nobody would be given what a refresh brought.
            return False
        carrier = self._filler.projections.carrier(request, now)
        turn = self._filler.upstream.shared(carrier, in_line=True)
        fetched_at = now - self._counts_as(carrier, turn)
        if provider.profile.lasting(request) or (carrier.key == request.key and turn is None):
            return self._add(request, now, fetched_at)
        if carrier.key != request.key:
            self._add(carrier, now, fetched_at)
        elif waits and fetched_at < now and self._add(request, now, fetched_at):
            self._turns.once(request.key, now)
        return False

    def _counts_as(self, carrier: CanonicalRequest, turn: Turn | None) -> float:
        """How long ago what was never asked for counts as fetched, in seconds. It is due at once when others have the
        turn that it needs: from then on it waits in line."""
        route = self._filler.route(carrier)
        if turn is None or route is None or turn.left() == 0:
            return 0.0
        return max(turn.interval_s, route.window_s)

    async def asked(self, request: CanonicalRequest) -> bool:
        """A client was given this just now. A proxy may have fetched it by itself, before it found the sidecar: what
        is not kept fresh yet, and could be, is looked at, for its windows and for what may be made of it."""
        schedule = self._schedules.get(request.provider)
        if schedule is None or (request.key not in schedule and schedule.has_room(self._clock())):
            entry = await self._filler.shelf.stored(request.key)
            if entry is not None:
                self._filler.projections.note(entry)
                fetched = Fetched(entry, None)
                self.seen(fetched)
                self._arrivals.learn(fetched)
        return self._demand(request, waits=False)

    def carry_on(self, entry: Entry) -> None:
        """Takes up a key from before the last stop, if it was in demand then: it was fetched because of that."""
        provider = self._rules.provider(entry.request.provider)
        schedule = self._schedule(entry.request.provider)
        if provider is None or schedule is None:
            return
        if entry.status == 200 and provider.profile.lasting(entry.request):
            schedule.learn(entry.key, Brought.of(Fetched(entry, None)), self._clock())
            self._add(entry.request, entry.requested_at, entry.requested_at)
            self._filler.projections.note(entry)
            self._answered(entry)

    def seen(self, fetched: Fetched) -> None:
        """A client's question was answered with this."""
        entry = fetched.entry
        if (schedule := self._schedule(entry.request.provider)) is not None:
            schedule.learn(entry.key, Brought.of(fetched), self._clock())
            if fetched.effect is not None and (group := self._group(entry.request)) is not None:
                schedule.renew(group, entry.request.partition, entry.requested_at, self._clock())
            self._changed[entry.request.provider].set()

    def compare(self, requests: Iterable[CanonicalRequest]) -> None:
        """Clients were given projections for these; they are compared with the provider's own answers."""
        for request in requests:
            if len(self.to_compare) < MAX_COMPARED:
                self.to_compare[request.key] = request

    def kept(self, provider: str) -> list[Kept]:
        """What is kept fresh of a provider."""
        schedule = self._schedules.get(provider)
        return schedule.kept(self._clock()) if schedule is not None else []

    def overdue(self, provider: str) -> float:
        """By how many seconds what is kept fresh is past its window, at most."""
        schedule = self._schedules.get(provider)
        return max(0.0, schedule.overdue(self._clock())) if schedule is not None else 0.0

    def stretch(self, provider: str, stretches: Mapping[str, float]) -> None:
        """Takes over what the governor allows."""
        if (schedule := self._schedules.get(provider)) is not None:
            schedule.stretch(stretches, self._clock())
            self._changed[provider].set()

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        self._starts.clear()
        for name, schedule in list(self._schedules.items()):
            provider = rules.provider(name)
            if provider is None:
                self._workers.pop(name).cancel()
                del self._schedules[name], self._changed[name]
                continue
            routes = {route.name: route.settings for route in provider.routes}
            self._schedules[name] = schedule.moved(routes, self._clock())
            self._changed[name].set()
        self._leave_line(self._turns.clear())

    async def close(self) -> None:
        """Stops starting refreshes and gives those that run a few seconds to come to their end."""
        await _ended([*self._workers.values(), *self._followers])
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=FINISH_S)
            await _ended(late)
        # What has arrived is published.
        await _ended(self._deadlines)

    def _add(self, request: CanonicalRequest, asked_at: float, fetched_at: float, wanted_s: float = 0.0) -> bool:
        route = self._rules.route(request.provider, request.route)
        schedule = self._schedule(request.provider)
        # What varies by what clients send has few of them, and each value would be a call in every window.
        if route is None or schedule is None or is_variant(route.settings, request):
            return False
        accepted = schedule.demand(request, route.settings, asked_at, fetched_at, wanted_s=wanted_s)
        for log in logs_of(self._rules, request) if accepted else ():
            # They are asked for less often than it is refreshed, and it must not be forgotten in between.
            self._add(log, asked_at, fetched_at, route.settings.idle_after_s)
        self._changed[request.provider].set()
        return accepted

    def _schedule(self, name: str) -> Schedule | None:
        """The schedule of a configured provider, with its worker; made when first needed."""
        if name not in self._schedules and self._rules.provider(name) is not None:
            self._schedules[name] = Schedule(self._max_keys)
            self._changed[name] = asyncio.Event()
            self._workers[name] = asyncio.create_task(self._work(name))
        return self._schedules.get(name)

    async def _work(self, name: str) -> None:
        """For ever, or until the provider is no longer configured."""
        while (provider := self._rules.provider(name)) is not None:
            if (fetcher := self._filler.upstream.fetcher(name)) is None:
                # What it needs may come back.
                await asyncio.sleep(MISSING_SLEEP_S)
                continue
            schedule, now = self._schedules[name], self._clock()
            self._metrics.refresh.keys.labels(name).set(len(schedule))
            if now >= self._next_sweep or now + SWEEP_S < self._next_sweep:
                self._next_sweep = now + SWEEP_S
                self._leave_line(self._turns.idle(now))
            if self._full(provider):
                await asyncio.sleep(LIMITED_SLEEP_S)
            elif self._line_is_first(name, schedule, now) and (called := self._turns.next(name, now)) is not None:
                await self._guarded(provider, fetcher, called[1], called[0])
            elif (due := schedule.pop(now)) is not None:
                await self._guarded(provider, fetcher, due)
            else:
                await self._until_due(name, schedule)

    async def _guarded(self, provider: Provider, fetcher: Fetcher, due: Due, given: Turn | None = None) -> None:
        """One key's trouble must not end the refreshing of all."""
        try:
            await self._take_up(provider, fetcher, due, given)
        except Exception:
            logger.exception("a refresh of %s/%s could not be started", provider.name, due.request.route)
            self._metrics.runtime.internal_errors.labels("refresh").inc()
            if (schedule := self._schedules.get(provider.name)) is not None:
                self._leave(schedule, due, given, None)

    def _line_is_first(self, name: str, schedule: Schedule, now: float) -> bool:
        """What was due before a turn became free joins the line before that is given."""
        next_at = schedule.next_at()
        return next_at is None or next_at > min(now, self._turns.next_at(name, now))

    async def _take_up(self, provider: Provider, fetcher: Fetcher, due: Due, given: Turn | None = None) -> None:
        """Starts a refresh, or puts it off: while the provider cannot be called, while its partition's account has
        to wait, which does not concern others, or while others have the turn. `given`: that for which it waited."""
        account = await self._filler.books.account(provider, due.request.partition)
        turn, stored = await self._turn(due)
        schedule, now = self._schedules[provider.name], self._clock()
        if given is not None and (turn is None or turn.key != given.key):
            self._turns.ended(given, now)
            given = None
        if stored is not None and self._turns.over(due.request.key, stored.requested_at):
            self._leave(schedule, due, given, Brought(now, stored.board, changed=False))
        elif (wait := self._starts.wait(due.request, account)) > 0:
            self._put_off(due, now + max(LEAST_HOLD_S, wait), given)
        elif not fetcher.limits.ready(account):
            self._put_off(due, None, given)
            await asyncio.sleep(LIMITED_SLEEP_S)
        elif not self._affords(provider, due.request, account):
            self._leave_reserve(schedule, due, given)
        elif (group := self._group(due.request)) is not None:
            self._start_group(provider, group, schedule.group(due, now), account)
        elif turn is None or given is not None or self._turns.admit(turn, due, self._idle_after(due.request), now):
            self._start(provider, due, account, turn=turn)

    def _put_off(self, due: Due, until: float | None, given: Turn | None = None) -> None:
        now = self._clock()
        if given is not None and self._turns.hold(given, due, now, until or now):
            return
        if (schedule := self._schedules.get(due.request.provider)) is not None:
            schedule.postpone(due.request, until)

    def _answered(self, entry: Entry) -> None:
        if (turn := self._filler.upstream.shared(entry.request, entry)) is not None:
            idle_s, name = self._idle_after(entry.request), entry.request.provider
            self._leave_line(self._turns.answered(turn, name, idle_s, self._clock()))

    def _leave_line(self, dues: Iterable[Due]) -> None:
        """Those of which nobody wants to know any more are forgotten where they are put back."""
        for due in dues:
            self._put_off(due, None)

    async def _turn(self, due: Due) -> tuple[Turn | None, Entry | None]:
        """The turn that a refresh needs, with what is stored of what it asks for. None when nothing shares it, or it
        has come meanwhile."""
        carrier = self._filler.projections.carrier(due.request, self._clock())
        turn = self._filler.upstream.shared(carrier)
        if turn is None or self._group(due.request) is not None:
            return None, None
        stored = await self._filler.shelf.stored(turn.key)
        there = stored is not None and stored.requested_at >= due.at
        return None if there else self._filler.upstream.shared(carrier, stored), stored

    def _idle_after(self, request: CanonicalRequest) -> float:
        route = self._filler.route(request)
        return route.idle_after_s if route is not None else 0.0

    def _affords(self, provider: Provider, request: CanonicalRequest, account: Account) -> bool:
        """Whether the refresh leaves the reserve to clients."""
        return account.leaves(provider.settings.quota.reserve, *self._paid(provider, request), self._clock())

    def _paid(self, provider: Provider, request: CanonicalRequest) -> tuple[str, float]:
        """The key of what is asked for, and its cost. What is made of a wider answer costs what that does."""
        carrier = self._filler.projections.carrier(request, self._clock())
        route = self._rules.route(carrier.provider, carrier.route)
        return carrier.key, provider.profile.cost(route.settings, carrier, None) if route is not None else 0.0

    def _leave_reserve(self, schedule: Schedule, due: Due, given: Turn | None = None) -> None:
        self._leave(schedule, due, given, None)
        self._tell(due.request, Failed("only the reserve of credits is left"))

    def _leave(self, schedule: Schedule, due: Due, given: Turn | None, brought: Brought | None) -> None:
        """The refresh is over without a call."""
        if given is not None:
            self._turns.ended(given, self._clock())
        schedule.finished(due.request.key, self._clock(), brought)

    def _full(self, provider: Provider) -> bool:
        running = sum(task.get_name() == provider.name for task in self._running)
        return running >= provider.settings.limits.concurrency

    def _start(
        self,
        provider: Provider,
        due: Due,
        account: Account,
        generation: Generation | None = None,
        turn: Turn | None = None,
    ) -> None:
        self._starts.count(due.request, account)
        key, cost = self._paid(provider, due.request)
        account.promised[key] = cost
        task = asyncio.create_task(self._refresh(provider, due, generation, turn), name=provider.name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: account.promised.pop(key, None))

    def _start_group(self, provider: Provider, group: str, dues: list[Due], account: Account) -> None:
        generation = self._filler.shelf.begin([due.request.key for due in dues])
        # The one that was due is started in any case: it was looked whether it may.
        self._start(provider, dues[0], account, generation)
        deadline = asyncio.create_task(self._close_at_deadline(provider, group, generation))
        self._deadlines.add(deadline)
        deadline.add_done_callback(self._deadlines.discard)
        followers = asyncio.create_task(self._start_rest(provider, dues[1:], account, generation))
        self._followers.add(followers)
        followers.add_done_callback(self._followers.discard)

    async def _start_rest(
        self, provider: Provider, dues: list[Due], account: Account, generation: Generation
    ) -> None:
        """The others of a group, as fast as the limits allow. What has not begun when the generation is closed goes
        back to where it stood."""
        waiting = deque(dues)
        while waiting and not generation.done.is_set():
            fetcher = self._filler.upstream.fetcher(provider.name)
            due = waiting[0]
            if not self._affords(provider, due.request, account) and (schedule := self._schedules.get(provider.name)):
                self._leave_reserve(schedule, waiting.popleft())
                await generation.leave(due.request.key)
                continue
            ready = fetcher is not None and fetcher.limits.ready(account) and not self._full(provider)
            if ready and self._starts.wait(due.request, account) == 0:
                self._start(provider, waiting.popleft(), account, generation)
            else:
                await asyncio.sleep(LIMITED_SLEEP_S)
        if (schedule := self._schedules.get(provider.name)) is not None:
            for due in waiting:
                schedule.postpone(due.request, None)

    def _group(self, request: CanonicalRequest) -> str | None:
        route = self._rules.route(request.provider, request.route)
        return route.settings.group if route is not None else None

    async def _close_at_deadline(self, provider: Provider, group: str, generation: Generation) -> None:
        """What is late by then does not keep the others from being seen."""
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(generation.done.wait(), provider.settings.limits.timeout_s)
        finally:
            await generation.deadline()
        result = "complete" if generation.complete else "incomplete"
        self._metrics.projection.generations.labels(provider.name, group, result).inc()

    async def _until_due(self, name: str, schedule: Schedule) -> None:
        event = self._changed[name]
        event.clear()
        next_at, now = schedule.next_at(), self._clock()
        first_at = min(now + LONGEST_SLEEP_S if next_at is None else next_at, self._turns.next_at(name, now))
        pause = min(LONGEST_SLEEP_S, max(0.0, first_at - now))
        try:
            await asyncio.wait_for(event.wait(), pause)
        except TimeoutError:
            return

    async def _refresh(self, provider: Provider, due: Due, generation: Generation | None, turn: Turn | None) -> None:
        started_at = self._clock()
        self._metrics.refresh.lag.labels(provider.name).observe(max(0.0, started_at - due.at))
        brought: Brought | None = None
        try:
            if not self._filler.apart.holds(due.request.key, started_at):
                brought = await self._brought(provider, due, started_at)
        except Exception:
            logger.exception("a refresh of %s/%s failed", due.request.provider, due.request.route)
            self._metrics.runtime.internal_errors.labels("refresh").inc()
        finally:
            if turn is not None:
                self._turns.ended(turn, self._clock())
            if generation is not None:
                await generation.leave(due.request.key)
            if (schedule := self._schedules.get(provider.name)) is not None:
                if self._filler.apart.holds(due.request.key, self._clock()):
                    schedule.drop(due.request.key)
                else:
                    schedule.finished(due.request.key, self._clock(), brought)
            if (event := self._changed.get(provider.name)) is not None:
                event.set()

    async def _brought(self, provider: Provider, due: Due, started_at: float) -> Brought | None:
        filled, brought = await self._filler.fill(due.request, due.at, "refresh"), None
        match filled.result:
            case Fetched() as fetched:
                brought = Brought.of(fetched)
                self._metrics.refresh.success.labels(provider.name).set(self._clock())
            case Refused(trouble=False):
                # The provider's verdict on this key, not a failure.
                brought = Brought(started_at, Board(), changed=False)
        self._tell(due.request, None if brought is not None else filled.result)
        return brought

    def _arrived(self, fetched: Fetched) -> None:
        """A provider answered this, whoever had it asked."""
        if fetched.entry.request.provider in self._schedules:
            self._answered(fetched.entry)
        self._arrivals.take(fetched)

    def _tell(self, request: CanonicalRequest, failure: FetchResult | None) -> None:
        """Logs when a provider begins and when it ceases to fail, not every failure in between."""
        which = request.provider, request.partition
        shown = "/".join(filter(None, which))
        if isinstance(failure, Refused | Failed) and which not in self._failing:
            if len(self._failing) >= MAX_FAILING:
                # Those of which nothing is refreshed any more will not be heard of again.
                schedules = self._schedules.items()
                kept = {(name, each) for name, schedule in schedules for each in schedule.partitions()}
                self._failing &= kept
            if len(self._failing) < MAX_FAILING:
                self._failing.add(which)
                logger.warning("refreshes of %s fail: %s", shown, failure.reason)
        elif failure is None and which in self._failing:
            self._failing.discard(which)
            logger.info("refreshes of %s succeed again", shown)


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
