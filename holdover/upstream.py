"""All calls of one process to providers: with which credential, on which account, not sooner than they may be."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holdover.account import Account
from holdover.books import Books
from holdover.call import Call
from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.entry import Entry
from holdover.fetch import Fetcher
from holdover.gate import Rate
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.key import Cacheable
from holdover.limits import Limits
from holdover.metrics import Trigger, UpstreamMetrics
from holdover.policy import Expired, decide
from holdover.rules import Provider, Route, Rules
from holdover.spacing import Spacing, Turn

logger = logging.getLogger("holdover.upstream")

_NOT_CONFIGURED = Failed("the configuration does not allow to call the provider")
_NO_CREDENTIAL = Failed("there is no credential to call the provider with")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who wants an answer that is not older than `newer_than` (Unix seconds), and why. `credential` is the asking
    client's, used where holdover has none of its own."""

    canonical: CanonicalRequest
    newer_than: float
    trigger: Trigger
    credential: Credential = NOBODY
    client: str = ""


class Upstream:
    """Owns the fetchers of one process. Make, use and close it inside one event loop."""

    def __init__(
        self,
        rules: Rules,
        books: Books,
        metrics: UpstreamMetrics,
        *,
        user_agent: str,
        ca_file: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._books = books
        self._metrics = metrics
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._clock = clock
        self._fetchers: dict[str, Fetcher] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._unusable: set[str] = set()
        self._strangers: dict[str, tuple[Rate, Rate]] = {}
        self._spacing = Spacing(clock)

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration; calls under way end with the old one."""
        self._rules = rules
        self._unusable.clear()
        self._strangers.clear()
        self._books.use(rules)
        for name, fetcher in list(self._fetchers.items()):
            if rules.provider(name) != fetcher.provider:
                del self._fetchers[name]
                task = asyncio.create_task(_retire(fetcher))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)

    async def close(self) -> None:
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        for fetcher in self._fetchers.values():
            await fetcher.close()

    def fetcher(self, provider: str) -> Fetcher | None:
        """The fetcher of a configured provider, made when first needed; None also when its `ca_file` went away."""
        if (fetcher := self._fetchers.get(provider)) is None and (found := self._rules.provider(provider)):
            try:
                fetcher = self._fetchers[provider] = Fetcher(
                    found, self._metrics, self._books.tally, user_agent=self._user_agent, ca_file=self._ca_file
                )
            except OSError as error:
                self._cannot_be_called(provider, error)
            else:
                self._unusable.discard(provider)
        return fetcher

    async def limits(self, provider: Provider) -> tuple[Limits, Account] | None:
        """What calls keep to that are made without a credential of holdover's, and not by these fetchers; None for a
        provider that cannot be called."""
        fetcher = self.fetcher(provider.name)
        return (fetcher.limits, await self._books.account(provider)) if fetcher is not None else None

    def queue(self, ahead: Callable[[str, str], int]) -> None:
        """Has clients' calls wait for those which `ahead` counts, by the name of a spacing and the call's key."""
        self._spacing.ahead = ahead

    def shared(
        self, canonical: CanonicalRequest, stored: Entry | None = None, *, in_line: bool = False
    ) -> Turn | None:
        """The turn of a call whose least interval others share too; None where it has its own, or none. `stored`: an
        answer to it, which tells when a call was made."""
        route = self._rules.route(canonical.provider, canonical.route)
        if route is None or not route.settings.interval_by:
            return None
        return self._spacing.turn(route, canonical, stored, in_line=in_line)

    async def ask(self, asking: Asking, provider: Provider, route: Route, previous: Entry | None) -> FetchResult:
        """The provider's answer, or `previous` while it is too soon to ask again."""
        canonical = asking.canonical
        fetcher = self.fetcher(provider.name)
        credential = self._books.credential(provider, canonical.partition, asking.credential)
        if fetcher is None or credential is None:
            return _NOT_CONFIGURED if fetcher is None else _NO_CREDENTIAL
        turn = self._spacing.turn(route, canonical, previous, in_line=asking.trigger == "client")
        if turn is not None and turn.left() > 0 and previous is not None and not self._too_old(route, previous):
            return Fetched(previous, None)
        account = await self._books.account(provider, canonical.partition)
        call = Call(route, canonical, previous, asking.trigger, credential, account, asking.client, turn)
        result = await fetcher.fetch(call)
        if isinstance(result, Fetched) and result.entry.status == 200:
            self._books.accepted(provider, canonical.partition, credential)
        elif isinstance(result, Refused) and result.means == "credential":
            self._books.refused(provider, canonical.partition, credential)
        return result

    async def direct(self, canonical: CanonicalRequest, trigger: Trigger) -> FetchResult:
        """The provider's own answer now, to holdover's own question about the provider."""
        provider = self._rules.provider(canonical.provider)
        route = self._rules.route(canonical.provider, canonical.route)
        fetcher = self.fetcher(canonical.provider)
        if provider is None or route is None or fetcher is None:
            return _NOT_CONFIGURED
        credential = self._books.credential(provider, canonical.partition, NOBODY)
        if credential is None:
            return _NO_CREDENTIAL
        account = await self._books.account(provider, canonical.partition)
        turn = self._spacing.turn(route, canonical, None, in_line=True)
        return await fetcher.fetch(Call(route, canonical, None, trigger, credential, account, turn=turn))

    async def forward(self, cacheable: Cacheable, client: str) -> FetchResult:
        """The provider's own answer to a client of whom nothing is known, asked with the client's credential. Another
        plan may hold other odds, so it is nobody else's.

        The account is a stranger's and is forgotten. All strangers together have one rate: made-up credentials must
        not get this address shut out by the provider."""
        provider, fetcher = cacheable.provider, self.fetcher(cacheable.provider.name)
        if fetcher is None:
            return _NOT_CONFIGURED
        together = self._books.pacing.of(provider.name)
        account = Account(provider.settings.quota, provider.settings.limits, together=together)
        account.rate, account.sent = self._strangers.setdefault(provider.name, (account.rate, account.sent))
        return await fetcher.fetch(
            Call(cacheable.route, cacheable.canonical, None, "forward", cacheable.credential, account, client)
        )

    def _too_old(self, route: Route, entry: Entry) -> bool:
        return decide(route.settings, entry, self._clock(), refreshing=True) == Expired(usable=False)

    def _cannot_be_called(self, provider: str, error: OSError) -> None:
        """Said once: it is tried again every time that something is due."""
        if provider not in self._unusable:
            self._unusable.add(provider)
            logger.error("%s cannot be called with this configuration: %s", provider, error)


async def _retire(fetcher: Fetcher) -> None:
    try:
        await asyncio.sleep(fetcher.longest)
    finally:
        await fetcher.close()
