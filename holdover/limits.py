"""How hard one process calls one provider, whatever for: rate, concurrency and circuit."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from holdover.account import Account
from holdover.gate import Breaker
from holdover.intake import Failed, Refused
from holdover.metrics import UpstreamMetrics
from holdover.rules import Provider


class Limits:
    """Of one provider, for all calls to it in this process. Make and use it inside one event loop."""

    def __init__(self, provider: Provider, metrics: UpstreamMetrics) -> None:
        limits = provider.settings.limits
        self._name = provider.name
        self._metrics = metrics
        self._timeout_s = limits.timeout_s
        self.breaker = Breaker(limits.breaker_failures, limits.breaker_open_s)
        self._slots = asyncio.Semaphore(limits.concurrency)
        # Strangers must not take the slots of holdover's own calls.
        self._strangers_slots = asyncio.Semaphore(limits.concurrency)

    def ready(self, account: Account) -> bool:
        """Whether a refresh may start now: nothing that a client waits for would be delayed by it."""
        now = time.monotonic()
        return (
            time.time() >= account.pause_until
            and self.breaker.wait(now) == 0
            and account.rate.available(now)
            and not self._slots.locked()
        )

    def left_alone(self) -> Failed | None:
        """Why the provider is not called now, while it fails."""
        if (left := self.breaker.wait(time.monotonic())) > 0:
            return Failed("the provider fails and is left alone for a moment", retry_after=left)
        return None

    @asynccontextmanager
    async def turn(
        self,
        account: Account,
        refusal: Callable[[], Refused | Failed | None],
        *,
        stranger: bool = False,
        within_s: float = math.inf,
    ) -> AsyncIterator[Refused | Failed | None]:
        """Holds one of the slots for a call whose turn it is, or tells why there is none: by `refusal`, or because it
        would not come within `within_s` seconds. Whoever calls tells what he `heard`."""
        if (left := account.rate.wait(time.monotonic())) > min(self._timeout_s, within_s):
            yield Failed("more is asked than the provider's rate limit allows", retry_after=left)
            return
        if (refused := refusal()) is not None:
            yield refused
            return
        slots = self._strangers_slots if stranger else self._slots
        if not await self._in_turn(account, slots, min(2 * self._timeout_s, within_s)):
            yield Failed("more is asked than the provider answers in time", retry_after=self._timeout_s)
            return
        try:
            # Asked again: what waited here for its turn must not go out after the pause was asked for.
            if (refused := refusal()) is None:
                self.breaker.start(time.monotonic())
            yield refused
        except BaseException:
            self.breaker.abandoned()
            raise
        finally:
            slots.release()

    def heard(self, *, trouble: bool) -> None:
        """What a call came to: whether the provider as a whole seems to fail."""
        now = time.monotonic()
        if trouble:
            self.breaker.failure(now)
        else:
            self.breaker.success()
        self._metrics.show_circuit(self._name, self.breaker.state(now))

    async def _in_turn(self, account: Account, slots: asyncio.Semaphore, longest_s: float) -> bool:
        """Whether the call's turn came in time; then it has one of the slots. What the rate allows is not always
        made so soon: the provider is slow, other processes call too, or this one is busy."""
        try:
            async with asyncio.timeout(longest_s):
                await asyncio.sleep(account.rate.take(time.monotonic()))
                await slots.acquire()
                try:
                    await _turn_to_send(account)
                except BaseException:
                    slots.release()
                    raise
        except TimeoutError:
            return False
        return True


async def _turn_to_send(account: Account) -> None:
    account.sent.share = account.rate.share
    sent, together = account.sent, account.together
    while (left := sent.wait(now := time.monotonic()) or together(sent, now)) > 0:  # noqa: ASYNC110
        await asyncio.sleep(left)
    account.sent.take(time.monotonic())
