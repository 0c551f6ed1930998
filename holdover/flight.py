"""One call per key: who comes while it runs shares its result.

The call runs in a task of its own, so a waiter that goes away (its client hung up) takes nobody with it; when the
last waiter has gone the call goes on, because its result fills the cache. An exception reaches every waiter."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Flights[T]:
    """The calls that are under way in this process."""

    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def join(self, key: str, call: Callable[[], Awaitable[T]]) -> tuple[asyncio.Task[T], bool]:
        """The task for `key` and whether this caller started it. Await it through `asyncio.shield`."""
        flying = self._flying.get(key)
        # One that has ended is taken out by its callback, a turn of the loop later: what it brought may be too old
        # for who comes now.
        if flying is not None and not flying.done():
            return flying, False
        task: asyncio.Task[T] = asyncio.ensure_future(_run(call))
        # Whoever waited has the exception; when nobody did, it is nobody's.
        task.add_done_callback(_look_at)
        if not task.done():  # an eager task factory may have run it to its end already
            self._flying[key] = task
            task.add_done_callback(lambda ended: self._forget(key, ended))
        return task, True

    def _forget(self, key: str, ended: asyncio.Task[T]) -> None:
        if self._flying.get(key) is ended:
            del self._flying[key]

    async def settle(self) -> None:
        """Cancels what still flies and waits for it to end."""
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _look_at(done: asyncio.Task[Any]) -> None:
    if not done.cancelled():
        done.exception()


async def _run[T](call: Callable[[], Awaitable[T]]) -> T:
    return await call()
