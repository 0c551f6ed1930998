"""Looks after the credits of every provider: plans, budgets, probes, compares, and remembers what was learnt."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from holdover import learning
from holdover.account import Account
from holdover.exchange import Request
from holdover.fill import Filler
from holdover.key import Cacheable, plan
from holdover.metrics import Metrics
from holdover.phase import Phase
from holdover.providers.profile import Knowledge
from holdover.rules import Provider, Rules
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger, utc_day

from .economy import Economy, Overall, economize_each, overall
from .schedule import Kept
from .shadow import Comparison, comparable, compare, cost
from .worker import Refresher

INTERVAL_S = 2.0
PROBE_S = 60.0
REMEMBER_S = 10.0
MAX_PROBES = 4
"""Of one provider at a time; partitions may be many."""

_COMPARING = "shadow"
"""The calls of a comparison are no key's."""

logger = logging.getLogger("holdover.steward")


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing took on the last day on which anything was compared."""

    day: str = ""
    credits: float = 0.0


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
        self._probed_at: dict[tuple[str, str], float] = {}
        self._economies: dict[str, dict[str, Economy]] = {}
        self._shown: dict[str, set[Phase]] = {}
        self._written: dict[str, Knowledge] = {}
        self._remember_at: dict[str, float] = {}
        self._compared: dict[str, Compared] = {}

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self._rules = rules
        self._probed_at.clear()
        self._economies.clear()

    async def run(self) -> None:
        """For ever."""
        await self._recall()
        logger.debug("looking after the credits of %s", ", ".join(one.name for one in self._rules.providers))
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
        kept = self._refresher.kept(provider.name)
        accounts = await self._accounts(provider, kept)
        self._show_state(provider, accounts[""], now)
        await self._probe_some(provider, accounts, now)
        if kept:
            projections = self._filler.projections
            knowledge, refused = projections.knowledge(provider), projections.refused(now)
            before = self._economies.get(provider.name, {})
            work = partial(economize_each, provider, kept, knowledge, refused, accounts, now, before)
            self._economies[provider.name] = economies = await asyncio.to_thread(work)
            found = overall(economies.values())
            projections.plan(provider.name, found.carriers)
            self._refresher.stretch(provider.name, found.stretches)
            self._show(provider, found)
            await self._remember(provider, found, now)
        elif provider.name in self._shown:
            self._show(provider, overall(()))
        await self._compare(provider)

    def _show_state(self, provider: Provider, account: Account, now: float) -> None:
        """What stands whether or not calls are made: an alarm that nothing ends would go on, and one that a restart
        ends would be missed."""
        metrics, name = self._metrics, provider.name
        metrics.upstream.show_account(name, dead=account.balance.dead, frozen=account.frozen(now))
        metrics.upstream.show_balance(name, account.remaining(now), account.balance.used)
        metrics.refresh.overdue.labels(name).set(self._refresher.overdue(name))
        known = self._filler.projections.learnt.get(name, Knowledge())
        for kind in provider.settings.projection.kinds:
            metrics.projection.off.labels(name, kind).set(kind in known.switched_off)

    async def _accounts(self, provider: Provider, kept: Sequence[Kept]) -> dict[str, Account]:
        """By partition: of all that is kept fresh, and of holdover's own credentials."""
        names = {"", *(name for name, _ in provider.secrets), *(item.request.partition for item in kept)}
        return {name: await self._filler.books.account(provider, name) for name in sorted(names)}

    async def _probe_some(self, provider: Provider, accounts: Mapping[str, Account], now: float) -> None:
        """Those of which holdover does not know yet what they hold, or that may be well again."""
        if (target := provider.settings.quota.probe) is None:
            return
        self._probed_at = {
            at: when for at, when in self._probed_at.items() if at[0] != provider.name or at[1] in accounts
        }
        due = [name for name, account in accounts.items() if self._to_be_probed(provider, name, account, now)]
        due.sort(key=lambda name: self._probed_at.get((provider.name, name), 0.0))
        for name in due[:MAX_PROBES]:
            self._probed_at[provider.name, name] = now
        await asyncio.gather(*(self._probe(provider, target, name) for name in due[:MAX_PROBES]))

    def _to_be_probed(self, provider: Provider, partition: str, account: Account, now: float) -> bool:
        probed_at = self._probed_at.get((provider.name, partition))
        # Of a client's own credential the answer to its first question tells.
        unknown = probed_at is None and provider.own(partition) is not None
        ill = account.balance.dead or account.frozen(now)
        old = account.balance.told_at > 0 and account.told_before_reset(now)
        return unknown or ((ill or old) and now >= (probed_at or 0.0) + PROBE_S)

    async def _probe(self, provider: Provider, target: str, partition: str) -> None:
        """A call that costs nothing and tells the quota in its header fields."""
        planned = plan(Request("GET", provider.settings.hosts[0], target), self._rules)
        if isinstance(planned, Cacheable):
            canonical = replace(planned.canonical, partition=partition)
            filled = await self._filler.fill(canonical, self._clock(), "probe")
            logger.debug("probed %s: %s", provider.name, type(filled.result).__name__)

    def _show(self, provider: Provider, found: Overall) -> None:
        show = self._metrics.projection
        show.affordable.labels(provider.name).set(found.affordable)
        gone = self._shown.get(provider.name, set()) - found.longest.keys()
        self._shown[provider.name] = set(found.longest)
        for phase, stretch in {**dict.fromkeys(gone, 1.0), **found.longest}.items():
            show.stretch.labels(provider.name, phase).set(stretch)

    async def _remember(self, provider: Provider, found: Overall, now: float) -> None:
        """For `holdover budget`, and for the next start."""
        known = self._filler.projections.learnt.get(provider.name, Knowledge())
        if known != self._written.get(provider.name):
            self._written[provider.name] = known
            await self._filler.shelf.on_disk(partial(learning.write, self._ledger, provider.name, known))
        if now >= self._remember_at.get(provider.name, 0.0):
            self._remember_at[provider.name] = now + REMEMBER_S
            told = {"stretch": found.longest, "affordable": found.affordable, "per_day": found.per_day, "at": now}
            state = partial(self._ledger.learn, provider.name, "governor", "state", told)
            await self._filler.shelf.on_disk(state)

    async def _recall(self) -> None:
        await self._filler.recall()
        self._written = dict(self._filler.projections.learnt)

    async def _compare(self, provider: Provider) -> None:
        """One of those that wait, if the day's credits for comparing allow it."""
        now = self._clock()
        waiting = self._refresher.to_compare
        narrow = next((r for r in waiting.values() if r.provider == provider.name), None)
        if narrow is None:
            return
        del waiting[narrow.key]
        wider = comparable(self._filler.projections, narrow, now)
        if not wider:
            return
        # By chance: whichever went first would keep the other from ever being compared.
        carrier = random.choice(wider)  # noqa: S311
        day, most = utc_day(now), cost(provider, narrow, carrier)
        spent = await self._spent(provider.name, day)
        account = await self._filler.books.account(provider, narrow.partition)
        affordable = account.leaves(provider.settings.quota.reserve, _COMPARING, most, now)
        if spent + most > provider.settings.shadow.credits_per_day or not affordable:
            return
        # Written before, so that what a stop interrupts is not done again for free.
        await self._keep_spent(provider.name, day, spent + most)
        account.promised[_COMPARING] = most
        try:
            found = await compare(self._filler, provider, narrow, carrier)
        finally:
            del account.promised[_COMPARING]
        await self._keep_spent(provider.name, day, spent + (found.cost if found is not None else 0.0))
        if found is not None:
            self._metrics.projection.compared.labels(provider.name, found.finding).inc()
            await self._conclude(provider, narrow.key, found, now)

    async def _spent(self, provider: str, day: str) -> float:
        """Credits that comparing took on this day, by this process or one before it."""
        if provider not in self._compared:
            facts = await self._filler.shelf.on_disk(partial(self._ledger.learnt, provider, "shadow"))
            fact = facts.get("spent", {})
            self._compared[provider] = Compared(str(fact.get("day", "")), float(fact.get("credits", 0.0)))
        compared = self._compared[provider]
        return compared.credits if compared.day == day else 0.0

    async def _keep_spent(self, provider: str, day: str, credits_: float) -> None:
        self._compared[provider] = Compared(day, credits_)
        fact = {"day": day, "credits": credits_}
        await self._filler.shelf.on_disk(partial(self._ledger.learn, provider, "shadow", "spent", fact))

    async def _conclude(self, provider: Provider, key: str, found: Comparison, now: float) -> None:
        if found.finding not in ("equal", "different"):
            return
        kept = await self._filler.shelf.on_disk(partial(_count, self._ledger, provider, found, now))
        known = self._filler.projections.learnt.get(provider.name, Knowledge())
        known = replace(known, verified=kept.verified, apart=kept.apart)
        if found.finding == "different":
            known = replace(known, switched_off=known.switched_off | found.kinds)
            if found.kinds & provider.profile.by_region:
                known = replace(known, regions={})
        self._filler.projections.learnt[provider.name] = known
        if found.finding == "equal":
            return
        await self._filler.shelf.withdraw(provider.name)
        keep = partial(self._ledger.keep, provider.name, key, _files(found), now)
        folder = await self._filler.shelf.on_disk(keep)
        logger.error(
            "projections of %s by %s differ from the provider's own answer and were switched off; see %s",
            *(provider.name, ", ".join(sorted(found.kinds)), folder),
        )


def _files(found: Comparison) -> dict[str, bytes]:
    """The counter-example: bodies, and what was asked; requests hold no credential."""
    entries = {"wide": found.wide, "projected": found.projected, "direct": found.direct}
    files = {f"{name}.json": entry.identity for name, entry in entries.items() if entry is not None}
    lines = [f"{name}: {entry.request.target}" for name, entry in entries.items() if entry is not None]
    return files | {"requests.txt": "\n".join(lines).encode()}


def _count(ledger: Ledger, provider: Provider, found: Comparison, now: float) -> Knowledge:
    """Adds the finding to the records of what it is about; returns what is kept by then.

    One that is different and depends on the bookmakers of regions may be so because of any of them: what was learnt
    of regions is forgotten."""
    different, enough = found.finding == "different", provider.settings.shadow.verified_after
    records: dict[str, Any] = ledger.learnt(provider.name, "projection")
    for kind in found.kinds if different else found.evidence.kinds:
        record = records.get(kind, {})
        equal = 0 if different else int(record.get("equal", 0)) + 1
        bad = int(record.get("different", 0)) + different
        state = "off" if different or record.get("state") == "off" else "verified" if equal >= enough else ""
        ledger.learn(provider.name, "projection", kind, {"state": state, "equal": equal, "different": bad, "at": now})
    if different and found.kinds & provider.profile.by_region:
        learning.forget_regions(ledger, provider.name)
    elif not different and provider.settings.projection.learn_regions:
        for region, left_out in found.evidence.left_out.items():
            learning.found_right(ledger, provider.name, region, left_out, enough, now)
    return learning.read(ledger, provider.name)
