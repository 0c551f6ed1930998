"""What a provider's answer is good for beyond its own key, whoever had it asked."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.fill import Filler
from holdover.intake import Fetched, FetchResult
from holdover.metrics import Metrics

from .changelog import changes, concerned
from .item import Brought
from .schedule import Schedule

logger = logging.getLogger("holdover.refresh")


class Arrivals:
    """`schedules` and `changed` (whom to wake) are by provider, `running` are the tasks that a stop waits for."""

    def __init__(
        self,
        filler: Filler,
        metrics: Metrics,
        schedules: Mapping[str, Schedule],
        changed: Mapping[str, asyncio.Event],
        running: set[asyncio.Task[None]],
        clock: Callable[[], float],
    ) -> None:
        self._filler = filler
        self._metrics = metrics
        self._schedules = schedules
        self._changed = changed
        self._running = running
        self._clock = clock

    def take(self, fetched: Fetched) -> None:
        """What can be made of it is, before it is due itself: paid is paid, and at its own time it would be asked for
        once more."""
        entry = fetched.entry
        name, now = entry.request.provider, self._clock()
        self.learn(fetched)
        if (schedule := self._schedules.get(name)) is None:
            return
        schedule.learn(entry.key, Brought.of(fetched), now)
        made = self._filler.projections.made_of(entry, now)
        for request in schedule.take(made, entry.key, entry.requested_at, now):
            task = asyncio.create_task(self._remake(request, entry))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._changed[name].set()

    def learn(self, fetched: Fetched) -> None:
        """What it tells about others: events that changed, books of a region."""
        entry, rules = fetched.entry, self._filler.projections.rules
        provider = rules.provider(entry.request.provider)
        route = rules.route(entry.request.provider, entry.request.route)
        if provider is None or route is None or entry.projected:
            return
        if (log := route.settings.change_log) is not None and (schedule := self._schedules.get(provider.name)):
            told = changes(log, entry.identity)
            schedule.hurry(concerned(schedule.requests(entry.request.partition), log, told), self._clock())
        if fetched.effect == "changed":
            self._filler.projections.learn(provider, entry)

    async def _remake(self, request: CanonicalRequest, wide: Entry) -> None:
        result: FetchResult | None = None
        try:
            result = await self._filler.remake(request, wide)
        except Exception:
            logger.exception("a projection of %s/%s failed", request.provider, request.route)
            self._metrics.runtime.internal_errors.labels("refresh").inc()
        finally:
            if (schedule := self._schedules.get(request.provider)) is not None:
                if isinstance(result, Fetched):
                    schedule.finished(request.key, self._clock(), Brought.of(result))
                else:
                    schedule.postpone(request, None)
                self._changed[request.provider].set()
