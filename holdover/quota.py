"""What providers said last of their quotas: answers from the cache tell that, not what was left when they came."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_TOLD = 10_000
"""Accounts. Those go of which nothing was told for the longest: their answers tell what they came with."""


@dataclass(frozen=True, slots=True)
class Told:
    """The credits of one account, as the provider told them `at` (Unix seconds); None for what it did not tell."""

    provider: str
    partition: str
    at: float
    remaining: float | None
    used: float | None


@dataclass(slots=True)
class Quotas:
    """Of the accounts that this process has heard of, in whatever process the provider was called."""

    _told: dict[tuple[str, str], Told] = field(default_factory=dict)

    def take(self, told: Iterable[Told], now: float) -> bool:
        """The latest stands, but for what is after `now`: it was told before a clock stepped back. Whether anything
        is another than before."""
        changed = False
        for each in told:
            known = self._told.get((each.provider, each.partition))
            if known is None or not each.at < known.at <= now:
                # Last again: those told of lately stay.
                self._told.pop((each.provider, each.partition), None)
                self._told[each.provider, each.partition] = each
                changed = changed or each != known
            if len(self._told) > MAX_TOLD:
                del self._told[next(iter(self._told))]
        return changed

    def of(self, provider: str, partition: str) -> Told | None:
        return self._told.get((provider, partition))


def figure(value: float) -> bytes:
    """As providers write it: clients read it as a whole number where it is one."""
    return b"%d" % value if value == math.floor(value) else repr(value).encode()
