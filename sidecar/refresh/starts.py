"""What may be started when, by what an account allows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.gate import Rate

MAX_RATES = 10_000


@dataclass(slots=True)
class Starts:
    """By provider and partition. An account learns of a call only when it is made: by then as many refreshes as may
    run at once would wait there for one token, and keep those of other partitions from running. `clock` as in
    `Account.pause_until`."""

    clock: Callable[[], float]
    _rates: dict[tuple[str, str], Rate] = field(default_factory=dict)

    def wait(self, request: CanonicalRequest, account: Account) -> float:
        """Seconds until the account allows a refresh that delays no client."""
        started = self._rate(request, account).wait(time.monotonic())
        return max(account.pause_until - self.clock(), started)

    def count(self, request: CanonicalRequest, account: Account) -> None:
        """A refresh was started."""
        self._rate(request, account).take(time.monotonic())

    def clear(self) -> None:
        """After a change of the configuration."""
        self._rates.clear()

    def _rate(self, request: CanonicalRequest, account: Account) -> Rate:
        name, now = (request.provider, request.partition), time.monotonic()
        if len(self._rates) >= MAX_RATES and name not in self._rates:
            self._rates.clear()
        rate = self._rates.get(name)
        if rate is None or account.rate.wait(now) > rate.wait(now):
            rate = self._rates[name] = replace(account.rate)
        rate.share = account.rate.share
        return rate
