"""What a credential may still spend, as several processes know it."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Balance:
    """What a credential may still spend. `remaining`, `used`: credits as last told by the provider, at `told_at`;
    None when it told nothing; negative when it says so. `period_spent`: holdover's own count in `period` (a day or
    month such as "2026-11"). `frozen_until`: until when calls that cost are suspended; None when they are not,
    infinite when no end is known. `dead`: the provider says that the credential is not valid. Both are as decided at
    `decided_at`. All times in Unix seconds."""

    remaining: float | None
    used: float | None
    told_at: float
    period_spent: float = 0.0
    period: str = ""
    frozen_until: float | None = None
    dead: bool = False
    decided_at: float = 0.0

    def sound(self) -> "Balance":
        """Figures that are not finite count as not told."""
        spent = finite(self.period_spent) or 0.0
        return replace(self, remaining=finite(self.remaining), used=finite(self.used), period_spent=spent)

    def knowing(self, other: "Balance", now: float = math.inf) -> "Balance":
        """With what `other` heard from the provider after this did, but for what is after `now`: that was written
        before a clock stepped back."""
        known = self
        if self.told_at < other.told_at <= now:
            known = replace(known, remaining=other.remaining, used=other.used, told_at=other.told_at)
        if self.decided_at < other.decided_at <= now:
            frozen_until, dead, decided_at = other.frozen_until, other.dead, other.decided_at
            known = replace(known, frozen_until=frozen_until, dead=dead, decided_at=decided_at)
        return known

    def counted(self, spent: float, before: float, period: str) -> "Balance":
        """With the count of all processes: `before` in `period`, and `spent` since. Who is late with a period that
        is over, or has counted nothing, changes no count."""
        if self.period == period:
            return replace(self, period_spent=before + spent)
        over = len(period) == len(self.period) and period > self.period
        if over or not self.period:
            return replace(self, period_spent=before, period=period)
        return replace(self, period_spent=spent)


def finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
