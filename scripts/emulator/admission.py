"""Which requests the provider takes: keys, rates, credits and plans."""

from __future__ import annotations

import random
from email.utils import formatdate

from .clock import Clock
from .control import Settings
from .errors import RefusedError
from .ledger import Account, Ledger
from .query import Query


class Admission:
    """`credentials` empty means that any key is valid."""

    def __init__(self, credentials: frozenset[str], ledger: Ledger, clock: Clock, rng: random.Random) -> None:
        self._credentials = credentials
        self._ledger = ledger
        self._clock = clock
        self._rng = rng

    def account(self, key: str, settings: Settings) -> Account:
        """The account of a key that may ask now. Raises RefusedError."""
        if not key:
            raise RefusedError(401, "MISSING_KEY", "API key is missing")
        if self._credentials and key not in self._credentials:
            raise RefusedError(401, "INVALID_KEY", "API key is not valid")
        self._ledger.turn(self._clock())
        account = self._ledger.account(key)
        if account.deactivated:
            raise RefusedError(401, "DEACTIVATED_KEY", "API key has been deactivated")
        spurious = settings.spurious_share and self._rng.random() < settings.spurious_share
        if not account.admit(self._clock.real(), settings.rate) or spurious:
            raise too_frequent()
        return account


def check_credits(account: Account, query: Query, settings: Settings) -> None:
    """Raises RefusedError when nothing is left; the call that uses up the last credits may overdraw."""
    if query.highest_cost and account.remaining(settings.quota) <= 0:
        raise RefusedError(401, "OUT_OF_USAGE_CREDITS", "Usage quota has been reached")
    if query.historical and not account.historical:
        code = "HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN"
        raise RefusedError(401, code, "Historical odds are only available on paid usage plans")


def too_frequent() -> RefusedError:
    return RefusedError(429, "EXCEEDED_FREQ_LIMIT", "Requests are too frequent")


def retry_after(settings: Settings, date: float) -> dict[str, str]:
    match settings.retry_after:
        case "seconds":
            return {"Retry-After": str(settings.retry_after_s)}
        case "date":
            return {"Retry-After": formatdate(date + settings.retry_after_s, usegmt=True)}
    return {}
