"""What is stored for routes whose freshness is the origin's: in the shared store, and ready in memory."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from holdover.caching.changing import invalidated
from holdover.caching.stored import Variants, decode, encode
from holdover.metrics import Metrics
from holdover.owed import Owed, Owing
from holdover.store.base import Blobs, StoreError
from holdover.store.tries import Tries

MOST_HELD = 4096
MOST_HELD_BYTES = 67_108_864

logger = logging.getLogger("holdover.origin")


class OriginShelf:
    """Of one process, for one event loop. A store that does not answer is done without, and counted: what this
    process holds is then all there is."""

    def __init__(self, store: Blobs, disk: ThreadPoolExecutor, metrics: Metrics) -> None:
        self._store = store
        self._disk = disk
        self._metrics = metrics
        self._held: dict[str, Variants] = {}
        self._bytes = 0
        self._position = store.position()
        self._tries = Tries()
        self._owed: Owed[Variants] = Owed()

    async def get(self, empty: Variants) -> Variants:
        """All that is stored of the URI that `empty` is for, not a moment older than what any process stored."""
        self._follow()
        if (held := self._held.pop(empty.key, None)) is not None:
            # The last that goes: what is asked for once, by whoever makes targets up, does not push out the rest.
            self._held[empty.key] = held
            return held
        since = self._position
        try:
            data = await self._on_disk(partial(self._store.read, empty.key))
        except StoreError:
            self._trouble()
            return empty
        found = self._of(data, empty)
        # Who followed the store meanwhile did not know that this is read.
        if self._position == since:
            self._hold(found)
        return found

    async def change(self, empty: Variants, changed: Callable[[Variants], Variants]) -> Variants:
        """Has `changed` make something else of what is stored, for all processes; what stands afterwards."""
        stands = [empty]

        def rewritten(data: bytes | None) -> bytes | None:
            before = self._of(data, empty)
            stands[0] = changed(before)
            return data if stands[0] == before else encode(stands[0])

        if not await self._rewrite(empty.key, rewritten):
            stands[0] = changed(self._held.get(empty.key, empty))
            self._hold(stands[0])
        return stands[0]

    async def invalidate(self, empty: Variants, at: float, until: float) -> None:
        """Nothing that was asked for before `at` is given any more; from `until` on nothing would be."""
        if not await self._told(empty, at):
            self._owed.add(empty.key, Owing(empty, at, until))
            self._drop(empty.key)

    async def settle(self, now: float) -> None:
        """Tells the store what it could not be told before."""
        await self._owed.settle(self._told, now)

    async def _told(self, empty: Variants, at: float) -> bool:
        return await self._rewrite(empty.key, lambda data: encode(invalidated(_of(data, empty), at)))

    async def _rewrite(self, key: str, rewritten: Callable[[bytes | None], bytes | None]) -> bool:
        try:
            await self._on_disk(self._tries.one(partial(self._store.change, key, rewritten)))
        except StoreError:
            self._trouble()
            return False
        return True

    def _of(self, data: bytes | None, empty: Variants) -> Variants:
        """What is stored, and not invalid."""
        found, since = _of(data, empty), self._owed.since(empty.key)
        return invalidated(found, since) if since else found

    async def _on_disk[T](self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    def _follow(self) -> None:
        try:
            if self._store.position() == self._position:
                return
            changes = self._store.changes(self._position)
        except (StoreError, OSError):
            self._trouble()
            return
        self._position = changes.position
        for key in changes.keys if changes.keys is not None else list(self._held):
            self._drop(key)

    def _hold(self, variants: Variants) -> None:
        self._drop(variants.key)
        self._held[variants.key] = variants
        self._bytes += variants.size
        while len(self._held) > MOST_HELD or (self._bytes > MOST_HELD_BYTES and len(self._held) > 1):
            self._drop(next(iter(self._held)))

    def _drop(self, key: str) -> None:
        if (held := self._held.pop(key, None)) is not None:
            self._bytes -= held.size

    def _trouble(self) -> None:
        self._metrics.runtime.internal_errors.labels("store").inc()
        self._metrics.runtime.degraded.labels("store").set(1)


def _of(data: bytes | None, empty: Variants) -> Variants:
    """What is not of this format, or stands under another's key, is absent."""
    found = decode(data) if data is not None else None
    return found if found is not None and found.key == empty.key else empty
