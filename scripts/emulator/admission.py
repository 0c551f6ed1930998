"""Which requests the provider takes: keys, rates, credits and plans."""

from __future__ import annotations

from email.utils import formatdate

from .clock import Clock
from .control import Settings
from .errors import RefusedError
from .ledger import Account, Ledger
from .query import Query


class Admission:
    """`credentials` empty means that any key is valid."""

    def __init__(self, credentials: frozenset[str], ledger: Ledger, clock: Clock) -> None:
        self._credentials = credentials
        self._ledger = ledger
        self._clock = clock

    def account(self, key: str) -> Account:
        """Raises RefusedError."""
        if not key:
            raise RefusedError(401, "MISSING_KEY", "API key is missing")
        if self._credentials and key not in self._credentials:
            raise RefusedError(401, "INVALID_KEY", "API key is not valid")
        self._ledger.turn(self._clock())
        account = self._ledger.account(key)
        if account.deactivated:
            raise RefusedError(401, "DEACTIVATED_KEY", "API key has been deactivated")
        return account

    def wait_s(self, account: Account, settings: Settings) -> float:
        """How long the provider keeps a request of this account waiting. Raises RefusedError."""
        queue = settings.over_rate == "queue"
        wait_s = account.admit(self._clock.real(), settings.rate, settings.ramp_s, queue)
        if wait_s is None:
            raise too_frequent()
        return wait_s


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
