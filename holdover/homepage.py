"""Answers old URLs of a homepage's promos with what the sidecar shows that audience."""

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import urlencode

from holdover.answer import Answer, Wants
from holdover.flight import Flights
from holdover.key import ForPromos
from holdover.link import Link, LinkDown
from holdover.promo_answer import Shaped, ShapeError, shaped

REUSE_S = 0.25
"""An edit takes half a second to be live; with this it is seen at the old URL within one."""
_MOST_KEPT = 1024
_LONGEST_KEPT = 1024

logger = logging.getLogger("holdover.promos")


class Homepage:
    """Of one proxy process. `clock` is monotonic."""

    def __init__(self, link: Link, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._clock = clock
        self._flights: Flights[Shaped] = Flights()
        self._kept: dict[str, tuple[float, Shaped]] = {}
        self._failing: dict[str, str] = {}

    async def close(self) -> None:
        await self._flights.settle()

    def use(self) -> None:
        """After the configuration changed."""
        self._kept.clear()

    async def answer(self, asked: ForPromos, wants: Wants) -> Answer | None:
        """None: the homepage's own origin has to answer. That is logged once, until it can be answered again."""
        route = f"{asked.provider.name}/{asked.route.name}"
        key = f"{route}?{urlencode(asked.audience)}"
        until, kept = self._kept.get(key, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept.answer(wants, again=True)
        task, _ = self._flights.join(key, lambda: self._ask(asked, key))
        try:
            found = await asyncio.shield(task)
        except (LinkDown, ShapeError) as error:
            why = str(error) or "the sidecar does not answer"
            if self._failing.get(route) != why:
                self._failing[route] = why
                logger.warning("%s is answered by its origin, not with promos: %s", route, why)
            return None
        if self._failing.pop(route, None):
            logger.info("%s is answered with promos again", route)
        return found.answer(wants, again=False)

    async def _ask(self, asked: ForPromos, key: str) -> Shaped:
        """Raises LinkDown, ShapeError."""
        told = await self._link.promos(asked.audience)
        found = shaped(asked.route.settings, told)
        # Within a second of a change the sidecar says max-age=0.
        if len(key) <= _LONGEST_KEPT and "max-age=0" not in told.cache_control:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._clock() + REUSE_S, found
        return found
