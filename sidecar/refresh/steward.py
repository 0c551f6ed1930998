"""Looks after the credits of every provider: plans, budgets, probes, compares, and remembers what was learnt."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from holdover import learning
from holdover.exchange import Request
from holdover.fill import Filler
from holdover.key import Cacheable, plan
from holdover.metrics import Metrics
from holdover.providers.profile import Knowledge
from holdover.rules import Provider, Rules
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger, utc_day

from .economy import Economy, economize
from .shadow import Comparison, compare, cost
from .worker import Refresher

INTERVAL_S = 2.0
PROBE_S = 60.0
REMEMBER_S = 10.0

logger = logging.getLogger("holdover.steward")


class Steward:
    """Make it inside the event loop that runs it."""

    def __init__(
        self,
        rules: Rules,
        filler: Filler,
        refresher: Refresher,
        ledger: Ledger,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._filler = filler
        self._refresher = refresher
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._probed_at: dict[str, float] = {}
        self._economies: dict[str, Economy] = {}
        self._written: dict[str, Knowledge] = {}
        self._remember_at = 0.0
        self._compared: dict[tuple[str, str], float] = defaultdict(float)

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        self._probed_at.clear()
        self._economies.clear()

    async def run(self) -> None:
        """For ever."""
        await self._recall()
        while True:
            for provider in self._rules.providers:
                try:
                    await self._tend(provider)
                except StoreError as error:
                    logger.warning("%s", error)
                except Exception:
                    # One provider's trouble must not end the planning for all.
                    logger.exception("the credits of %s could not be looked after", provider.name)
                    self._metrics.runtime.internal_errors.labels("steward").inc()
            await self._filler.books.keep(self._clock())
            await asyncio.sleep(INTERVAL_S)

    async def _tend(self, provider: Provider) -> None:
        now = self._clock()
        account = await self._filler.books.account(provider)
        needed = account.balance.dead or account.frozen(now) or provider.name not in self._probed_at
        if provider.settings.quota.probe and needed and now >= self._probed_at.get(provider.name, 0.0) + PROBE_S:
            self._probed_at[provider.name] = now
            await self._probe(provider, provider.settings.quota.probe)
        if kept := self._refresher.kept(provider.name):
            projections = self._filler.projections
            knowledge, refused = projections.knowledge(provider), projections.refused(now)
            before = self._economies.get(provider.name)
            work = partial(economize, provider, kept, knowledge, refused, account, now, before)
            self._economies[provider.name] = economy = await asyncio.to_thread(work)
            projections.plan(provider.name, economy.plan.carriers)
            self._refresher.stretch(provider.name, economy.stretches)
            self._show(provider, economy)
            await self._remember(provider, economy, now)
        await self._compare(provider)

    async def _probe(self, provider: Provider, target: str) -> None:
        """A call that costs nothing and tells the quota in its header fields."""
        planned = plan(Request("GET", provider.settings.hosts[0], target), self._rules)
        if isinstance(planned, Cacheable):
            canonical = replace(planned.canonical, partition="")
            filled = await self._filler.fill(canonical, self._clock(), "probe")
            logger.debug("probed %s: %s", provider.name, type(filled.result).__name__)

    def _show(self, provider: Provider, economy: Economy) -> None:
        show = self._metrics.projection
        show.affordable.labels(provider.name).set(economy.allocation.affordable)
        for phase, stretch in _longest(economy).items():
            show.stretch.labels(provider.name, phase).set(stretch)

    async def _remember(self, provider: Provider, economy: Economy, now: float) -> None:
        """For `holdover budget`, and for the next start."""
        known = self._filler.projections.learnt.get(provider.name, Knowledge())
        if known != self._written.get(provider.name):
            self._written[provider.name] = known
            await self._filler.on_disk(partial(learning.write, self._ledger, provider.name, known))
        if now >= self._remember_at:
            self._remember_at = now + REMEMBER_S
            allocation = economy.allocation
            told = {"stretch": _longest(economy), "affordable": allocation.affordable, "per_day": allocation.per_day}
            state = partial(self._ledger.learn, provider.name, "governor", "state", {**told, "at": now})
            await self._filler.on_disk(state)

    async def _recall(self) -> None:
        await self._filler.recall()
        self._written = dict(self._filler.projections.learnt)
        for name, known in self._written.items():
            for kind in known.switched_off:
                self._metrics.projection.off.labels(name, kind).set(1)

    async def _compare(self, provider: Provider) -> None:
        """One of those that wait, if the day's credits for comparing allow it."""
        now = self._clock()
        waiting = self._refresher.to_compare
        narrow = next((r for r in waiting.values() if r.provider == provider.name), None)
        if narrow is None:
            return
        del waiting[narrow.key]
        carrier = self._filler.projections.carrier(narrow, now)
        day = provider.name, utc_day(now)
        if self._compared[day] + cost(provider, narrow, carrier) > provider.settings.shadow.credits_per_day:
            return
        found = await compare(self._filler, provider, narrow, now)
        if found is not None:
            self._compared[day] += found.cost
            self._metrics.projection.compared.labels(provider.name, found.finding).inc()
            await self._conclude(provider, narrow.key, found, now)

    async def _conclude(self, provider: Provider, key: str, found: Comparison, now: float) -> None:
        if found.finding == "inconclusive":
            return
        different = found.finding == "different"
        known = self._filler.projections.learnt.get(provider.name, Knowledge())
        verified = await self._filler.on_disk(
            partial(_count, self._ledger, provider, found.kinds, now, different=different)
        )
        known = replace(known, verified=(known.verified - found.kinds) | verified)
        if different:
            known = replace(known, switched_off=known.switched_off | found.kinds)
        self._filler.projections.learnt[provider.name] = self._written[provider.name] = known
        if not different:
            return
        keep = partial(self._ledger.keep, provider.name, key, _files(found), now)
        kept = await self._filler.on_disk(keep)
        for kind in found.kinds:
            self._metrics.projection.off.labels(provider.name, kind).set(1)
        logger.error(
            "projections of %s by %s differ from the provider's own answer and were switched off; see %s",
            *(provider.name, ", ".join(sorted(found.kinds)), kept),
        )


def _longest(economy: Economy) -> dict[str, float]:
    """The greatest stretch of each phase."""
    longest: dict[str, float] = {}
    for key, phase in economy.phases.items():
        longest[phase] = max(longest.get(phase, 1.0), economy.allocation.stretch(key))
    return longest


def _files(found: Comparison) -> dict[str, bytes]:
    """The counter-example: bodies, and what was asked; requests hold no credential."""
    entries = {"wide": found.wide, "projected": found.projected, "direct": found.direct}
    files = {f"{name}.json": entry.identity for name, entry in entries.items() if entry is not None}
    lines = [f"{name}: {entry.request.target}" for name, entry in entries.items() if entry is not None]
    return files | {"requests.txt": "\n".join(lines).encode()}


def _count(
    ledger: Ledger, provider: Provider, kinds: frozenset[str], now: float, *, different: bool
) -> frozenset[str]:
    """Adds the finding to each kind's record; returns the kinds that are verified by now."""
    records: dict[str, Any] = ledger.learnt(provider.name, "projection")
    verified = set()
    for kind in kinds:
        record = records.get(kind, {})
        equal = 0 if different else int(record.get("equal", 0)) + 1
        bad = int(record.get("different", 0)) + different
        good = equal >= provider.settings.shadow.verified_after
        state = "off" if different or record.get("state") == "off" else "verified" if good else ""
        ledger.learn(provider.name, "projection", kind, {"state": state, "equal": equal, "different": bad, "at": now})
        if state == "verified":
            verified.add(kind)
    return frozenset(verified)
