"""The accounts of one process at all providers, and the ledger that outlives it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from holdover.account import Account
from holdover.credential import NOBODY, Credential
from holdover.metrics import RuntimeMetrics
from holdover.rules import Provider
from holdover.store.base import StoreError
from holdover.store.ledger import Balance, Ledger
from holdover.tally import Tally

MAX_ACCOUNTS = 10_000

logger = logging.getLogger("holdover.books")


@dataclass(slots=True)
class Books:
    """Accounts by provider and partition, what is to be written of them, and the clients' credentials that refreshes
    may use. Make and use it inside one event loop; the ledger is touched on `disk` alone."""

    ledger: Ledger
    disk: ThreadPoolExecutor
    metrics: RuntimeMetrics
    tally: Tally = field(default_factory=Tally)
    _accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    _borrowed: dict[tuple[str, str], Credential] = field(default_factory=dict, repr=False)
    _unwritten: dict[tuple[str, str], Balance] = field(default_factory=dict)

    def forget(self, provider: str) -> None:
        """After a change of its configuration."""
        for name in [name for name in self._accounts if name[0] == provider]:
            self._let_go(name)
        for name in [name for name in self._borrowed if name[0] == provider]:
            del self._borrowed[name]

    def release(self) -> None:
        """Forgets the accounts that are written, to be read anew when they are needed."""
        self._accounts = {name: account for name, account in self._accounts.items() if account.changed}

    async def account(self, provider: Provider, partition: str = "") -> Account:
        """What is known of the credential of a partition."""
        name = provider.name, partition
        if name not in self._accounts:
            written = await self._remembered(name)
            # Somebody else may have made it while the ledger was read.
            if name not in self._accounts:
                self._make_room()
                balance = self._unwritten.get(name, written)
                lent = provider.own(partition) is None and provider.settings.clients != "own"
                account = Account(provider.settings.quota, provider.settings.limits, shared=lent)
                account.balance = balance or account.balance
                self._accounts[name] = account
        return self._accounts[name]

    def credential(self, provider: Provider, partition: str, asked_with: Credential) -> Credential | None:
        """What to call the provider with: holdover's own, the asking client's, or the last one that was accepted."""
        if (own := provider.own(partition)) is not None:
            return own
        return asked_with if asked_with != NOBODY else self._borrowed.get((provider.name, partition))

    def accepted(self, provider: Provider, partition: str, credential: Credential) -> None:
        """The provider gave an answer; refreshes may use a client's credential from now on."""
        if provider.own(partition) is None:
            self._borrowed[provider.name, partition] = credential

    def refused(self, provider: Provider, partition: str, credential: Credential) -> None:
        """The provider does not accept it, or no longer."""
        if self._borrowed.get((provider.name, partition)) == credential:
            del self._borrowed[provider.name, partition]

    async def keep(self, now: float) -> None:
        """Writes what changed into the ledger. Nothing is lost while that fails: sums go on."""
        rows = self.tally.take()
        changed = [(name, account) for name, account in self._accounts.items() if account.changed]
        self._unwritten |= {name: account.balance for name, account in changed}
        balances = dict(self._unwritten)
        if not rows and not balances:
            return
        for _, account in changed:
            account.changed = False
        recorded = not rows or await self._written(partial(self.ledger.record, rows, now))
        if not recorded:
            self.tally.put_back(rows)
        for name, balance in balances.items():
            recorded = recorded and await self._written(partial(self.ledger.tell, *name, balance))
        if recorded:
            self._unwritten = {n: b for n, b in self._unwritten.items() if balances.get(n) is not b}
        self.metrics.degraded.labels("ledger").set(not recorded)

    async def _written(self, call: Callable[[], None]) -> bool:
        try:
            await self._on_disk(call)
        except StoreError as error:
            logger.warning("%s", error)
            return False
        return True

    async def _remembered(self, name: tuple[str, str]) -> Balance | None:
        try:
            return await self._on_disk(partial(self.ledger.balance, *name))
        except StoreError as error:
            logger.warning("%s", error)
            return None

    async def _on_disk[T](self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.disk, call)

    def _make_room(self) -> None:
        """The oldest tenant goes; what is written of it stays in the ledger."""
        if len(self._accounts) >= MAX_ACCOUNTS:
            oldest = next(iter(self._accounts))
            self._let_go(oldest)
            self._borrowed.pop(oldest, None)

    def _let_go(self, name: tuple[str, str]) -> None:
        account = self._accounts.pop(name)
        if account.changed:
            self._unwritten[name] = account.balance
