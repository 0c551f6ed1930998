"""The accounts of one process at all providers, and the ledger that outlives it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from holdover.account import Account
from holdover.credential import NOBODY, Credential
from holdover.metrics import RuntimeMetrics
from holdover.rules import Provider
from holdover.store.balance import Balance
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger
from holdover.tally import Tally

MAX_ACCOUNTS = 10_000

logger = logging.getLogger("holdover.books")


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """What is to be written of an account; `spent` is what this process counted and the ledger does not know yet."""

    balance: Balance
    spent: float

    def after(self, earlier: "_Unwritten | None") -> "_Unwritten":
        """With what was counted before it in the same period; what a period took that is over matters no more."""
        if earlier is None or earlier.balance.period != self.balance.period:
            return self
        return replace(self, spent=self.spent + earlier.spent)


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
    _unwritten: dict[tuple[str, str], _Unwritten] = field(default_factory=dict)

    def forget(self, provider: str) -> None:
        """After a change of its configuration."""
        for name in [name for name in self._accounts if name[0] == provider]:
            self._let_go(name)
        for name in [name for name in self._borrowed if name[0] == provider]:
            del self._borrowed[name]

    def release(self, now: float) -> None:
        """Forgets the accounts that are written, to be read anew when they are needed. A pause that a provider asked
        for is not written."""
        self._accounts = {
            name: account for name, account in self._accounts.items() if account.changed or account.pause_until > now
        }

    async def account(self, provider: Provider, partition: str = "") -> Account:
        """What is known of the credential of a partition."""
        name = provider.name, partition
        if name not in self._accounts:
            written = await self._remembered(name)
            # Somebody else may have made it while the ledger was read.
            if name not in self._accounts:
                self._make_room()
                unwritten = self._unwritten.get(name)
                balance = unwritten.balance if unwritten is not None else written
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
        for name, account in self._accounts.items():
            if account.changed:
                self._to_write(name, account)
        if not rows and not self._unwritten:
            return
        recorded = not rows or await self._written(partial(self.ledger.record, rows, now))
        if not recorded:
            self.tally.put_back(rows)
        for name in list(self._unwritten):
            recorded = recorded and await self._tell(name, now)
        self.metrics.degraded.labels("ledger").set(not recorded)

    def _to_write(self, name: tuple[str, str], account: Account) -> None:
        self._unwritten[name] = _Unwritten(account.balance, account.take_untold()).after(self._unwritten.get(name))
        account.changed = False

    async def _tell(self, name: tuple[str, str], now: float) -> bool:
        # Taken away first: what is to be written of the same account meanwhile must not count this again.
        told = self._unwritten.pop(name)
        stands: list[Balance] = []
        tell = partial(self.ledger.tell, *name, told.balance, told.spent, now)
        if not await self._written(lambda: stands.append(tell())):
            later = self._unwritten.get(name)
            self._unwritten[name] = later.after(told) if later is not None else told
            return False
        if (account := self._accounts.get(name)) is not None:
            account.standing(stands[0], now)
        return True

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
            self._to_write(name, account)
