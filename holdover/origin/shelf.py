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
from holdover.store.base import Blobs, Changes, StoreError
from holdover.store.tries import Tries

MOST_HELD = 4096
MOST_HELD_BYTES = 67_108_864

logger = logging.getLogger("holdover.origin")


class OriginShelf:
    """Of one process, for one event loop. A store that does not answer is done without, and counted: what this
    process holds is then all there is. `reading` and `writing` are the threads on which all that touches disks runs,
    in order: who reads does not wait for a writer that waits for a lock."""

    def __init__(
        self, store: Blobs, reading: ThreadPoolExecutor, writing: ThreadPoolExecutor, metrics: Metrics
    ) -> None:
        self._store = store
        self._reading = reading
        self._writing = writing
        self._metrics = metrics
        self._held: dict[str, Variants] = {}
        self._bytes = 0
        self._position = store.position()
        self._tries = Tries()
        self._owed: Owed[Variants] = Owed()
        self._loose: set[str] = set()
        self._failing = False
        self._behind: asyncio.Task[bool] | None = None

    async def close(self) -> None:
        if self._behind is not None:
            await asyncio.wait((self._behind,))

    async def get(self, empty: Variants) -> Variants:
        """All that is stored of the URI that `empty` is for, not a moment older than what any process stored."""
        return (await self._found(empty))[0]

    async def _found(self, empty: Variants) -> tuple[Variants, bool]:
        """Also whether nothing that was heard of meanwhile may have changed it."""
        self._follow()
        if (held := self._held.pop(empty.key, None)) is not None:
            # The last that goes: what is asked for once, by whoever makes targets up, does not push out the rest.
            self._held[empty.key] = held
            return held, True
        since = self._position
        try:
            data = await self._on_disk(self._reading, partial(self._store.read, empty.key))
        except StoreError:
            self._trouble()
            return self._of(None, empty), True
        found = self._of(data, empty)
        # Who followed the store meanwhile did not know that this is read. Who held it may hold more than is stored.
        if self._position == since and empty.key not in self._held:
            self._hold(found)
        return self._held.get(empty.key, found), self._position == since

    def is_loose(self, key: str) -> bool:
        """Whether this process holds what the store could not be told."""
        return key in self._loose

    async def change(self, empty: Variants, changed: Callable[[Variants], Variants]) -> Variants:
        """Has `changed` make something else of what is stored, for all processes; what stands afterwards. While the
        store fails that is held in this process alone, and nobody waits: what is to be changed shows, behind the back
        of who asked, whether it works again."""
        stands, since = [empty], self._position
        loose = self._held[empty.key] if empty.key in self._loose else None

        def rewritten(data: bytes | None) -> bytes | None:
            before = there = self._of(data, empty)
            if loose is not None and _is_as_it_was(self._store.changes(since), empty.key):
                # With what the store could not be told.
                before = loose
            stands[0] = changed(before)
            return data if stands[0] == there else encode(stands[0])

        if self._failing:
            if self._behind is None or self._behind.done():
                self._behind = asyncio.create_task(self._rewrite(empty.key, rewritten))
        elif await self._rewrite(empty.key, rewritten):
            return stands[0]
        return await self.hold(empty, changed)

    async def hold(self, empty: Variants, changed: Callable[[Variants], Variants]) -> Variants:
        """As `change`, but only in the memory of this process, until another changes what is stored."""
        is_current = False
        while not is_current:
            found, is_current = await self._found(empty)
        stands = changed(found)
        self._hold(stands)
        self._loose.add(empty.key)
        return stands

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
            await self._on_disk(self._writing, self._tries.one(partial(self._store.change, key, rewritten)))
        except StoreError:
            self._failing = True
            self._trouble()
            return False
        # What is held may be of before.
        self._drop(key)
        if self._failing:
            self._failing = False
            self._metrics.runtime.degraded.labels("store").set(0)
        return True

    def _of(self, data: bytes | None, empty: Variants) -> Variants:
        """What is stored, and not invalid."""
        found, since = _of(data, empty), self._owed.since(empty.key)
        return invalidated(found, since) if since else found

    async def _on_disk[T](self, thread: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, call)

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
        self._loose.discard(key)
        if (held := self._held.pop(key, None)) is not None:
            self._bytes -= held.size

    def _trouble(self) -> None:
        self._metrics.runtime.internal_errors.labels("store").inc()
        self._metrics.runtime.degraded.labels("store").set(1)


def _is_as_it_was(changes: Changes, key: str) -> bool:
    return changes.keys is not None and key not in changes.keys


def _of(data: bytes | None, empty: Variants) -> Variants:
    """What is not of this format, or stands under another's key, is absent."""
    found = decode(data) if data is not None else None
    return found if found is not None and found.key == empty.key else empty
