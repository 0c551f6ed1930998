"""Where a proxy has an answer from that it does not hold: the sidecar, or itself while that is away."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from holdover.coding import plain
from holdover.credential import NOBODY
from holdover.fetch import decoded_size, off_loop
from holdover.fill import Filled, Filler
from holdover.hot import HotTier
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.key import Cacheable
from holdover.link import Link, LinkDown
from holdover.metrics import Metrics
from holdover.store.base import Store, StoreError

MAX_REFUSAL_BYTES = 16_777_216
_MADE_INVALID = Filled(Failed("what is stored was made invalid", retry_after=1.0), led=True)


class Source:
    """Of one proxy process."""

    def __init__(
        self,
        hot: HotTier,
        store: Store,
        link: Link,
        filler: Filler,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._hot = hot
        self._store = store
        self._link = link
        self._filler = filler
        self._metrics = metrics
        self._clock = clock

    async def obtain(self, cacheable: Cacheable, client: str, *, alone_s: float | None = None) -> Filled:
        """Held from now on, if it is stored. `alone_s`: for this client alone, who waits so long for his turn."""
        filled = await self._filled(cacheable, client, alone_s)
        if self._may_be_from_before(filled):
            # Who joined this call may have come after the change (RFC 9111 section 4.4).
            before, filled = filled, await self._filled(cacheable, client, alone_s)
            if _is_trouble(filled.result) and _was_under_way(before.result):
                return before
            if self._may_be_from_before(filled):
                return filled if _was_under_way(filled.result) else _MADE_INVALID
        if isinstance(filled.result, Fetched):
            # Whether the sidecar keeps the key fresh is known from its answer to the next report alone.
            self._hot.put(filled.result.entry)
        return filled

    def _may_be_from_before(self, filled: Filled) -> bool:
        """Whether it was asked for before a change of its target, as far as the store tells. Stored it may have been
        and have gone again, which this process heard before it held it."""
        if not isinstance(filled.result, Fetched):
            return False
        entry = filled.result.entry
        try:
            return self._hot.forbids(entry) or not self._store.stands(entry, self._clock())
        except StoreError:
            self._metrics.runtime.internal_errors.labels("store").inc()
            return False

    async def _filled(self, cacheable: Cacheable, client: str, alone_s: float | None) -> Filled:
        canonical = cacheable.canonical
        newer_than = self._hot.owed.since(canonical.resource)
        # holdover's own credential is known on the other side; a client's travels only where it is needed.
        credential = cacheable.credential if lent(cacheable) else NOBODY
        try:
            filled = await self._link.fill(canonical, newer_than, credential, client, alone_s=alone_s)
        except LinkDown:
            filled = await self._filler.fill(
                canonical, newer_than, "client", credential=credential, client=client, alone_s=alone_s
            )
        return await readable(filled)


def lent(cacheable: Cacheable) -> bool:
    """Whether the provider is called with the client's own credential."""
    return cacheable.provider.own(cacheable.canonical.partition) is None


async def readable(filled: Filled) -> Filled:
    """A refusal's coding is taken off once for all who wait, and beside the loop: 15 KB may be 15 MB."""
    if not isinstance(filled.result, Refused):
        return filled
    response = filled.result.response
    uncoded = await off_loop(decoded_size(response), partial(plain, response, MAX_REFUSAL_BYTES))
    return replace(filled, plain=uncoded)


def _was_under_way(result: FetchResult) -> bool:
    """Not what was stored."""
    return isinstance(result, Fetched) and result.effect is not None


def _is_trouble(result: FetchResult) -> bool:
    return isinstance(result, Failed) or (isinstance(result, Refused) and result.trouble)
