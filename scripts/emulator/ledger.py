"""Credits and request rates per key, in memory."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 1.0


@dataclass(slots=True)
class Account:
    """`recent` holds the times of the admitted requests of the last second."""

    used: int = 0
    requests: int = 0
    recent: deque[float] = field(default_factory=deque)

    def admit(self, now: float, rate: int) -> bool:
        """Counts a request; False when `rate` requests were admitted in the last second. 0 is unlimited."""
        self.requests += 1
        if not rate:
            return True
        while self.recent and now - self.recent[0] >= WINDOW_S:
            self.recent.popleft()
        if len(self.recent) >= rate:
            return False
        self.recent.append(now)
        return True

    def charge(self, cost: int, quota: int) -> dict[str, str]:
        """Takes credits, below zero if need be, and returns the headers that report it."""
        self.used += cost
        return {
            "x-requests-remaining": str(quota - self.used),
            "x-requests-used": str(self.used),
            "x-requests-last": str(cost),
        }


class Ledger:
    """Accounts by fingerprint: the first 12 hex digits of the SHA-256 of the key."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._by_key: dict[str, Account] = {}

    def account(self, key: str) -> Account:
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = self.accounts.setdefault(fingerprint(key), Account())
        return found

    def document(self, quota: int) -> dict[str, dict[str, int]]:
        return {
            name: {"used": held.used, "remaining": quota - held.used, "requests": held.requests}
            for name, held in self.accounts.items()
        }


def fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
