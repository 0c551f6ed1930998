"""What providers said last of their quotas: answers from the cache tell that, not what was left when they came."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


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
    """Of all accounts that this process has heard of, in whatever process the provider was called."""

    _told: dict[tuple[str, str], Told] = field(default_factory=dict)

    def take(self, told: Iterable[Told], now: float) -> bool:
        """The latest stands, but for what is after `now`: it was told before a clock stepped back. Whether anything
        is another than before."""
        changed = False
        for each in told:
            known = self._told.get((each.provider, each.partition))
            if known is None or not each.at < known.at <= now:
                self._told[each.provider, each.partition] = each
                changed = changed or each != known
        return changed

    def of(self, provider: str, partition: str) -> Told | None:
        return self._told.get((provider, partition))


def figure(value: float) -> bytes:
    """As providers write it: clients read it as a whole number where it is one."""
    return b"%d" % value if value == math.floor(value) else repr(value).encode()
