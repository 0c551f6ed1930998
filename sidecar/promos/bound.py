"""Keeps boosted odds bound to the odds cache: what they say is told whenever it changes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from holdover.canonical import CanonicalRequest
from holdover.metrics import Metrics
from holdover.rules import Rules
from holdover.store.base import Store, StoreError

from .answers import Answers, Known, Wanted
from .api import Promotions
from .boost import REASONS, Reading, Refusal, judged
from .document import Boost, Promo

INTERVAL_S = 0.25
DEMAND_S = TROUBLE_S = 5.0
AHEAD_S = 120.0
"""So long before a promo starts its market is kept fresh already."""
UNREAD = Refusal("unreadable", "the odds were not read yet")
FAILED = Refusal("unreadable", "the odds cannot be judged; see the log of the sidecar")

logger = logging.getLogger("holdover.promos")


class Bound:
    """For one event loop. `asked` has a request kept fresh as if a client had asked for it just now."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        promotions: Promotions,
        metrics: Metrics,
        asked: Callable[[CanonicalRequest], Awaitable[bool]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answers = Answers(store)
        self._rules = rules
        self._promotions = promotions
        self._metrics = metrics
        self._asked = asked
        self._clock = clock
        self._known = Known()
        self._promos: dict[str, tuple[Promo, Boost]] = {}
        self._refusals: dict[tuple[str, Boost], Refusal] = {}
        self._carriers: dict[str, str] = {}
        self._next_demand = 0.0

    def configure(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules

    def use(self, promos: Iterable[Promo]) -> None:
        """Takes over what is live; call it before anybody can be shown that. What is new is hidden until its odds
        were read."""
        self._promos = {promo.id: (promo, promo.odds) for promo in promos if promo.odds is not None}
        self._tell()

    async def follow(self) -> None:
        """For ever."""
        while True:
            try:
                await self.step()
                await self.demand()
            except Exception:
                self._trouble("the odds of promos could not be looked at; trying again in a while")
                await asyncio.sleep(TROUBLE_S)
            await asyncio.sleep(INTERVAL_S)

    async def step(self) -> None:
        """Reads what changed, and tells what comes of it: when it cannot be read, that all is hidden."""
        wanted = self._wanted()
        if wanted or self._known.wanted:
            try:
                self._known = await asyncio.to_thread(self._answers.read, wanted, self._rules)
            except StoreError:
                # It is told and counted where the store is followed; what was read before becomes stale.
                logger.debug("the odds of promos are not read", exc_info=True)
            except Exception:
                self._known = Known()
                self._tell()
                raise
        self._tell()

    async def demand(self) -> None:
        """Every few seconds, has the market of each promo whose time it is kept fresh."""
        now = self._clock()
        if not self._next_demand - DEMAND_S <= now < self._next_demand:
            self._next_demand = now + DEMAND_S
            for request in self._carried():
                await self._asked(request)

    def _trouble(self, message: str) -> None:
        logger.exception(message)
        self._metrics.runtime.internal_errors.labels("promos").inc()

    def _wanted(self) -> Wanted:
        wanted: dict[str, frozenset[str]] = {}
        for promo, boost in self._promos.values():
            if promo.end > self._clock():
                wanted[boost.provider] = wanted.get(boost.provider, frozenset()) | {boost.event}
        return wanted

    def _tell(self) -> None:
        now = self._clock()
        refusals: dict[tuple[str, Boost], Refusal] = {}
        prices: dict[str, float] = {}
        for name, (promo, boost) in self._promos.items():
            if promo.end <= now:
                continue
            before = self._refusals.get((name, boost))
            match self._guarded(boost, now, before):
                case Refusal() as refusal:
                    refusals[name, boost] = before if before is not None and before == refusal else refusal
                case price:
                    prices[name] = price
        self._refusals = refusals
        self._hide({name: refusal for (name, _), refusal in refusals.items()}, prices)

    def _hide(self, refusals: dict[str, Refusal], prices: dict[str, float]) -> None:
        now = self._clock()
        running = (self._promos[name][0] for name in refusals)
        counts = Counter(refusals[promo.id].reason for promo in running if promo.start <= now < promo.end)
        for reason in REASONS:
            self._metrics.promos.hidden.labels(reason).set(counts[reason])
        self._promotions.hide({name: refusal.sentence for name, refusal in refusals.items()}, prices)

    def _guarded(self, boost: Boost, now: float, before: Refusal | None) -> Refusal | float:
        """One promo's trouble must not hide the others, nor show it."""
        try:
            return self._judged(boost, now)
        except Exception:
            if before != FAILED:
                self._trouble(f"the odds of {boost} cannot be judged")
            return FAILED

    def _judged(self, boost: Boost, now: float) -> Refusal | float:
        provider = self._rules.provider(boost.provider)
        if provider is None:
            return Refusal("unreadable", f'provider "{boost.provider}" is not configured')
        if not provider.profile.tells_offers:
            profile = provider.settings.profile
            unknown = f'prices of provider "{boost.provider}" cannot be read (profile "{profile}")'
            return Refusal("unreadable", unknown)
        if boost.event not in self._known.wanted.get(boost.provider, frozenset()):
            return UNREAD
        readings = self._known.readings.get((boost.provider, boost.event), ())
        fault = self._known.faults.get(boost.provider)
        if fault and not any(reading.listed for reading in readings):
            return Refusal("unreadable", fault)
        return judged(boost, readings, now)

    def _carried(self) -> list[CanonicalRequest]:
        """For each promo whose time it is, one cached request that tells of its market: the same as long as there is
        that one, or every spelling that clients ever used would be kept fresh."""
        now, found = self._clock(), dict[str, Reading]()
        for name, (promo, boost) in self._promos.items():
            refusal = self._refusals.get((name, boost))
            if not promo.start - AHEAD_S <= now < promo.end or (refusal and refusal.reason == "started"):
                continue
            readings = self._known.readings.get((boost.provider, boost.event), ())
            telling = {each.request.key: each for each in readings if each.carries(boost)}
            if telling:
                found[name] = telling.get(self._carriers.get(name, "")) or next(iter(telling.values()))
        self._carriers = {name: reading.request.key for name, reading in found.items()}
        return list({reading.request.key: reading.request for reading in found.values()}.values())
