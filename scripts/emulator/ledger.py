"""Credits and request rates per key, in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .rate import Rate


@dataclass(slots=True)
class Account:
    """`used` starts again with every month, `spent` does not. `quota` None means the quota of all. `historical` is
    whether the plan of the key includes historical odds; `refuse_next` requests get a 429.
    """

    used: int = 0
    requests: int = 0
    rate: Rate = field(default_factory=Rate)
    spent: int = 0
    quota: int | None = None
    deactivated: bool = False
    historical: bool = True
    refuse_next: int = 0

    def admit(self, now: float, rate: int, ramp_s: float = 0.0, queue: bool = False) -> float | None:
        """Counts a request; the seconds until its turn, 0 within the rate. Above it None, or its time in a queue."""
        self.requests += 1
        if self.refuse_next:
            self.refuse_next -= 1
            return None
        limit = self.rate.limit(now, rate, ramp_s)
        if not limit:
            return 0.0
        place = self.rate.place(now, limit)
        if place > now and not queue:
            return None
        self.rate.taken.append(place)
        return place - now

    def remaining(self, quota: int) -> int:
        """What is left of the key's own quota, or else of the quota of all."""
        return (quota if self.quota is None else self.quota) - self.used

    def charge(self, cost: int, quota: int) -> dict[str, str]:
        """Takes credits, below zero if need be, and returns the headers that report it."""
        self.used += cost
        self.spent += cost
        return {
            "x-requests-remaining": str(self.remaining(quota)),
            "x-requests-used": str(self.used),
            "x-requests-last": str(cost),
        }

    @property
    def has_orders(self) -> bool:
        return self.quota is not None or self.deactivated or not self.historical

    def fresh(self) -> Account:
        """The key without a past."""
        return Account(quota=self.quota, deactivated=self.deactivated, historical=self.historical)


class Ledger:
    """Accounts by fingerprint: the first 12 hex digits of the SHA-256 of the key.

    At `reset_at` (virtual unix seconds) every key gets its quota back; with `monthly` that is the first of each
    month, UTC.
    """

    def __init__(self, monthly: bool = False) -> None:
        self.accounts: dict[str, Account] = {}
        self.reset_at: float | None = None
        self.monthly = monthly
        self._by_key: dict[str, Account] = {}

    def account(self, key: str) -> Account:
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = self.accounts.setdefault(fingerprint(key), Account())
        return found

    def turn(self, now: float) -> None:
        """Begins a new month when its time has come."""
        if self.reset_at is None and self.monthly:
            self.reset_at = next_month(now)
        if self.reset_at is not None and now >= self.reset_at:
            self.begin_month()
            self.reset_at = next_month(now) if self.monthly else None

    def begin_month(self) -> None:
        for account in self.accounts.values():
            account.used = 0

    def forget(self) -> None:
        """Every key as new; what was ordered for a key stays."""
        self.accounts = {name: held.fresh() for name, held in self.accounts.items() if held.has_orders}
        self._by_key = {}

    def document(self, quota: int) -> dict[str, dict[str, int]]:
        return {
            name: {"used": held.used, "remaining": held.remaining(quota), "requests": held.requests}
            for name, held in self.accounts.items()
            if held.requests or held.used
        }

    def keys(self, quota: int) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "quota": quota if held.quota is None else held.quota,
                "used": held.used,
                "remaining": held.remaining(quota),
                "spent": held.spent,
                "deactivated": held.deactivated,
                "historical": held.historical,
                "refuse_next": held.refuse_next,
            }
            for name, held in self.accounts.items()
        }


def next_month(now: float) -> float:
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1).timestamp()


def fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
