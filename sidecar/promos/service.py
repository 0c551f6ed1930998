"""All of promos in the sidecar: one folder, what is live of it, who may change it, and what is kept of that."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from aiohttp import web

from holdover.canonical import CanonicalRequest
from holdover.config import Config
from holdover.metrics import Metrics
from holdover.rules import Rules
from holdover.store.base import Store

from .access import Access
from .api import Promotions
from .bound import Bound
from .chronicle import Chronicle
from .desk import PINNED, Desk
from .history import History
from .images import image_routes
from .past import HISTORY
from .remembered import recalled, remember
from .standing import Change, Standing
from .watch import watch
from .writing import Writing

NOTED_AGAIN_S = 10.0

logger = logging.getLogger("holdover.promos")


class PromoService:
    """`asked` has a request for odds kept fresh as if a client had asked for it just now."""

    def __init__(
        self,
        config: Config,
        store: Store,
        metrics: Metrics,
        asked: Callable[[CanonicalRequest], Awaitable[bool]],
    ) -> None:
        settings = config.settings.promos
        state = config.path(settings.state)
        self._notify = settings.notify
        self._degraded = metrics.runtime.degraded.labels("promos")
        self._chronicle = Chronicle(config.path(settings.folder), History(state / HISTORY))
        approved = self._chronicle.is_approved if settings.approval else None
        self.desk = Desk(self._chronicle.folder, Standing(recalled(state), approved), self._chronicle, state / PINNED)
        self.promotions = Promotions(metrics.promos, waiting=self.desk.standing.waiting)
        self.access = Access(settings, config.settings.sidecar.admin, state)
        self._writing = Writing(self.desk, lambda: self.promotions.statuses)
        self._bound = Bound(store, config.rules, self.promotions, metrics, asked)
        self.desk.pin_again()
        # Before anybody can ask: who is answered that there are no promos may keep that for a while.
        if begun := self.desk.standing.begun(time.time()):
            self._publish(begun)

    def routes(self) -> list[web.RouteDef]:
        """`/v1/promos`, for homepages and for those who may write."""
        images = image_routes(self.promotions, self.desk.folder, self.access)
        return [*self.promotions.routes(), *self._writing.routes(), *images]

    def control(self) -> list[web.RouteDef]:
        """For the Unix socket: proxies, and commands of users of this machine."""
        return [*self.promotions.routes(), *self.promotions.control(), *self._writing.routes()]

    def configure(self, rules: Rules) -> None:
        self._bound.configure(rules)

    def followed(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for ever."""
        return self._follow(), self._bound.follow(), self._note_hidden()

    async def _follow(self) -> None:
        """What operations edit is live within half a second."""
        desk = self.desk
        await watch(
            desk.folder,
            desk.standing,
            self._publish,
            self._keep,
            nudge=desk.written,
            notified=self._notify,
            read=desk.told,
        )

    def _keep(self, change: Change) -> None:
        self._degraded.set(1)
        remember(self.access.state, change.files)
        self._chronicle.keep(change)
        self._degraded.set(0)

    def _publish(self, change: Change) -> None:
        """In this order: nobody is shown a promo before its odds are looked at. What is killed costs no credits."""
        live = change.live
        self._bound.use(promo for promo in live.promos if promo.id not in live.withheld)
        self.promotions.publish(change)

    async def _note_hidden(self) -> None:
        """What the odds hide and show again is in the history."""
        told: Mapping[str, str] = {}
        while True:
            waiting, now, hidden = self.promotions.changes.next, time.time(), self.promotions.hidden
            try:
                await asyncio.to_thread(self._chronicle.note_hidden, told, hidden, now)
                told = hidden
            except OSError as error:
                logger.warning("what the odds hide could not be written to the history: %s", error)
                await asyncio.sleep(NOTED_AGAIN_S)
                continue
            if hidden is self.promotions.hidden:
                await waiting.wait()
