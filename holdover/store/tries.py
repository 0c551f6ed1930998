"""Calls to a store that may be locked by somebody else."""

import math
import time
from collections.abc import Callable

from holdover.store.base import StoreError


class Tries:
    """Of one store, whose calls are made by one thread in their order. What had to wait for a call that failed is not
    tried: so a lock costs its time-out once, and not each of those who wait in turn."""

    def __init__(self) -> None:
        self._failed_at = -math.inf

    def one[T](self, call: Callable[[], T]) -> Callable[[], T]:
        """To be called by that thread. Raises StoreError."""
        queued = time.monotonic()

        def tried() -> T:
            if queued < self._failed_at:
                raise StoreError("the store failed while this waited for it")
            try:
                return call()
            except StoreError:
                self._failed_at = time.monotonic()
                raise

        return tried
