"""The accounts of one process at all providers, and the ledger that outlives it."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import batched

from holdover.account import Account
from holdover.credential import NOBODY, Credential
from holdover.metrics import RuntimeMetrics
from holdover.quota import Told
from holdover.rules import Provider, Rules
from holdover.store.balance import Balance
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger
from holdover.store.pacing import Pacing
from holdover.tally import Tally

MAX_ACCOUNTS = 10_000
TOLD_AT_ONCE = 200
"""Accounts that are written in one transaction."""

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
    pacing: Pacing = field(init=False)
    _accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    _configured: dict[str, Provider] = field(default_factory=dict)
    _unread: set[tuple[str, str]] = field(default_factory=set)
    _borrowed: dict[tuple[str, str], Credential] = field(default_factory=dict, repr=False)
    _unwritten: dict[tuple[str, str], _Unwritten] = field(default_factory=dict)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.pacing = Pacing(self.ledger.folder)

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration. Accounts stay: calls that are under way settle on them."""
        for name, before in list(self._configured.items()):
            provider = rules.provider(name)
            if provider == before:
                continue
            for at in [at for at in self._borrowed if at[0] == name]:
                del self._borrowed[at]
            if provider is not None:
                self._configured[name] = provider
                for (_, partition), account in _of(name, self._accounts):
                    settings = provider.settings
                    account.under(settings.quota, settings.limits, shared=_lent(provider, partition))

    def release(self) -> None:
        """Others write the ledger from now on: what they know is read before an account is used again."""
        self._unread = set(self._accounts)

    async def account(self, provider: Provider, partition: str = "") -> Account:
        """What is known of the credential of a partition."""
        # A call that began under an older configuration brings an older provider.
        provider = self._configured.setdefault(provider.name, provider)
        name = provider.name, partition
        account = self._accounts.get(name)
        if account is None or name in self._unread:
            written = await self._remembered(name)
            # Somebody else may have made it while the ledger was read.
            account = self._accounts.get(name)
            if account is None:
                self._make_room()
                account = self._accounts[name] = self._opened(provider, partition, written)
            elif written is not None and name not in self._unwritten:
                account.standing(written)
            self._unread.discard(name)
        return account

    def _opened(self, provider: Provider, partition: str, written: Balance | None) -> Account:
        unwritten = self._unwritten.get((provider.name, partition))
        balance = unwritten.balance if unwritten is not None else written
        settings = provider.settings
        together = self.pacing.of(provider.name, partition)
        account = Account(settings.quota, settings.limits, shared=_lent(provider, partition), together=together)
        account.balance = balance or account.balance
        return account

    def told(self, since: float) -> Iterator[Told]:
        """What providers told of their quotas at or after `since` (Unix seconds)."""
        for (provider, partition), account in self._accounts.items():
            balance = account.balance
            if balance.told_at >= since and (balance.remaining, balance.used) != (None, None):
                yield Told(provider, partition, balance.told_at, balance.remaining, balance.used)

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
        """Writes what changed into the ledger. Nothing is lost while that fails: sums go on. Who is cancelled does
        not wait for the end of it; the next one does."""
        await asyncio.shield(asyncio.create_task(self._keep(now)))

    async def _keep(self, now: float) -> None:
        async with self._writing:
            await self._write(now)

    async def _write(self, now: float) -> None:
        rows = self.tally.take()
        for name, account in self._accounts.items():
            if account.changed:
                self._to_write(name, account)
        if not rows and not self._unwritten:
            return
        recorded = not rows or await self._written(partial(self.ledger.record, rows, now))
        if not recorded:
            self.tally.put_back(rows)
        for names in batched(list(self._unwritten), TOLD_AT_ONCE):
            recorded = recorded and await self._tell(names, now)
        self.metrics.degraded.labels("ledger").set(not recorded)

    def _to_write(self, name: tuple[str, str], account: Account) -> None:
        self._unwritten[name] = _Unwritten(account.balance, account.take_untold()).after(self._unwritten.get(name))
        account.changed = False

    async def _tell(self, names: Sequence[tuple[str, str]], now: float) -> bool:
        # Taken away first: what is to be written of the same account meanwhile must not count this again.
        told = {name: self._unwritten.pop(name) for name in names}
        stand: list[Balance] = []
        rows = {name: (each.balance, each.spent) for name, each in told.items()}
        tell = partial(self.ledger.tell_all, rows, now)
        if not await self._written(lambda: stand.extend(tell())):
            for name, each in told.items():
                later = self._unwritten.get(name)
                self._unwritten[name] = later.after(each) if later is not None else each
            return False
        for name, stands in zip(told, stand, strict=True):
            if (account := self._accounts.get(name)) is not None:
                account.standing(stands, now)
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
        """The oldest tenant goes that no call is made for; what is written of it stays in the ledger. What is not yet
        is written later, as long as the ledger keeps up: else the provider tells of it when it is next asked."""
        if len(self._accounts) >= MAX_ACCOUNTS:
            oldest = next((name for name, account in self._accounts.items() if not account.calls), None)
            if oldest is not None:
                self._borrowed.pop(oldest, None)
                account = self._accounts.pop(oldest)
                if account.changed and (len(self._unwritten) < MAX_ACCOUNTS or oldest in self._unwritten):
                    self._to_write(oldest, account)


def _lent(provider: Provider, partition: str) -> bool:
    """Whether calls are made with several clients' credentials, on one account."""
    return provider.own(partition) is None and provider.settings.clients != "own"


def _of(provider: str, accounts: dict[tuple[str, str], Account]) -> list[tuple[tuple[str, str], Account]]:
    return [(name, account) for name, account in accounts.items() if name[0] == provider]
