"""Entries that become visible together: two pages of one client never show a new board beside an old one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from holdover.entry import Entry

type Publish = Callable[[list[Entry]], Awaitable[None]]


@dataclass(slots=True)
class Generation:
    """One round of refreshes of a group. `members` are the keys that are awaited; what arrives is held until the last
    one has come or failed, or `deadline` is called. One that failed stays as it was. For one event loop."""

    members: set[str]
    publish: Publish
    complete: bool = True
    done: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[str, Entry] = field(default_factory=dict)
    _closed: bool = False

    def holds(self, key: str) -> Entry | None:
        """What arrived under `key` and nobody sees yet."""
        return None if self._closed else self._held.get(key)

    def takes(self, key: str) -> bool:
        """Whether an entry under `key` is awaited."""
        return not self._closed and key in self.members

    def concerns(self, key: str) -> bool:
        """Whether an entry under `key` is awaited, or has come."""
        return key in self.members or key in self._held

    def arrive(self, entry: Entry) -> None:
        self._held[entry.key] = entry

    async def leave(self, key: str) -> None:
        """The refresh of `key` has ended, well or not."""
        self.complete = self.complete and key in self._held
        self.members.discard(key)
        if not self.members:
            await self.close()

    async def deadline(self) -> None:
        """Publishes what has come."""
        self.complete = self.complete and self.members <= self._held.keys()
        await self.close()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._held:
                await self.publish(list(self._held.values()))
        finally:
            self.done.set()


@dataclass(slots=True)
class Generations:
    """Those under way in this process."""

    _open: list[Generation] = field(default_factory=list)

    def begin(self, keys: Iterable[str], publish: Publish) -> Generation:
        self._open = [generation for generation in self._open if not generation.done.is_set()]
        generation = Generation(set(keys), publish)
        self._open.append(generation)
        return generation

    def hiding(self, key: str) -> Generation | None:
        """The one with which `key` becomes visible; it may be at that just now."""
        return next((g for g in self._open if not g.done.is_set() and g.concerns(key)), None)

    def of(self, key: str) -> Generation | None:
        """The one that awaits an entry under `key`, or holds one."""
        return next((g for g in self._open if g.takes(key) or g.holds(key) is not None), None)
