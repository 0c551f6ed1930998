"""What a change made invalid while the store could not be told (RFC 9111 section 4.4): it is in force in this
process, and the store is told again and again, until it knows or nothing so old would be given anyway."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MOST = 4096

logger = logging.getLogger("holdover.store")


@dataclass(frozen=True, slots=True)
class Owing[T]:
    """Nothing of `what` that was asked for before `at` may be given; from `until` on nothing would be (Unix
    seconds)."""

    what: T
    at: float
    until: float


class Owed[T]:
    """Of one process, by resource or key. What is too much to be remembered one by one is in force for all."""

    def __init__(self) -> None:
        self._owing: dict[str, Owing[T]] = {}
        self._for_all = 0.0

    def add(self, name: str, owing: Owing[T]) -> None:
        if not self._owing:
            logger.warning(
                "the cache cannot be written, so it keeps what a request made invalid: this process does not "
                "give it, and deletes it as soon as it can; others may give it until then. Look for a full or "
                "read-only disk, or for a process that was stopped while it wrote"
            )
        self._owing[name] = owing
        if len(self._owing) > MOST:
            self._for_all = max(self._for_all, self._owing.pop(next(iter(self._owing))).at)

    def since(self, name: str) -> float:
        """When this was changed (Unix seconds), as far as the store does not know; 0 when it was not."""
        owing = self._owing.get(name)
        return max(self._for_all, owing.at if owing is not None else 0.0)

    async def settle(self, tell: Callable[[T, float], Awaitable[bool]], now: float) -> None:
        """Tells the store, until it says no."""
        for name, owing in list(self._owing.items()):
            if now < owing.until and not await tell(owing.what, owing.at):
                return
            # It may have been changed again meanwhile.
            if self._owing.get(name) is owing:
                del self._owing[name]
                if not self._owing:
                    logger.warning("what was made invalid has been deleted from the cache")
