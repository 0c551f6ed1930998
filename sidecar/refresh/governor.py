"""How much longer windows must be for the credits to last until the quota is filled again. Pure: no clock, no I/O."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdover.phase import Phase

DAY_S = 86_400.0
LAST_S = 3600.0

_TIERS: tuple[frozenset[Phase], ...] = (
    frozenset({"in_play"}),
    # What may be in play for all that is known is not put behind what is near.
    frozenset({"near", "unknown"}),
    frozenset({"far", "empty"}),
)


@dataclass(frozen=True, slots=True)
class Need:
    """One key that is refreshed every `window_s` for `cost` credits, and at least every `limit_s`."""

    key: str
    cost: float
    window_s: float
    phase: Phase
    limit_s: float

    @property
    def full(self) -> float:
        """Credits per second at its window."""
        return self.cost / self.window_s

    @property
    def most(self) -> float:
        """The greatest stretch. What costs nothing is not stretched: it would save nothing."""
        return max(1.0, self.limit_s / self.window_s) if self.cost > 0 else 1.0

    @property
    def least(self) -> float:
        """Credits per second at its limit."""
        return self.full / self.most


@dataclass(frozen=True)
class Allocation:
    """What each key may spend. `affordable`: the credits last if windows are stretched so. `spend_until_reset` is
    None when there is no reset."""

    stretches: Mapping[str, float]
    affordable: bool
    per_day: float
    spend_until_reset: float | None

    def stretch(self, key: str) -> float:
        """By how much the window of this key is longer than it would be; 1 when credits suffice."""
        return self.stretches.get(key, 1.0)


def allocate(
    needs: Sequence[Need], remaining: float | None, reserve: float, seconds_left: float | None
) -> Allocation:
    """Shares what `remaining` holds above the `reserve` over the `seconds_left` until the reset: first what is in
    play, then what is near, then the rest, each as far as everything below it can still be kept within its limit.
    At the end what one call for each costs is left over.
    An unknown `remaining` stretches nothing; nor does one without a reset, which has no rate, until it is used up."""
    if remaining is None:
        return _allocation(needs, {}, seconds_left, affordable=True)
    left, at_least = remaining - reserve, sum(need.least for need in needs)
    if left < 0 or _rate(left, seconds_left) < at_least:
        return _allocation(needs, {need.key: need.most for need in needs}, seconds_left, affordable=False)
    spare = max(0.0, _rate(left - _held(needs, seconds_left), seconds_left) - at_least)
    stretches: dict[str, float] = {}
    for phases in _TIERS:
        tier = [need for need in needs if need.phase in phases]
        least = sum(need.least for need in tier)
        common = _common_stretch(tier, least + spare)
        given = {need.key: min(common, need.most) for need in tier}
        spare = max(0.0, spare + least - sum(need.full / given[need.key] for need in tier))
        stretches |= given
    return _allocation(needs, stretches, seconds_left, affordable=True)


def _held(needs: Sequence[Need], seconds_left: float | None) -> float:
    """Credits that are not counted on just before the reset, when what is left is no whole number of calls."""
    last_s = min(LAST_S, max((need.limit_s for need in needs), default=0.0))
    return sum(need.cost for need in needs) if seconds_left is not None and seconds_left <= last_s else 0.0


def _rate(left: float, seconds_left: float | None) -> float:
    if seconds_left is None:
        return math.inf if left > 0 else 0.0
    return left / max(1.0, seconds_left)


def _common_stretch(tier: Sequence[Need], rate: float) -> float:
    """The least stretch, common to all that have not reached their own greatest, at which the tier spends no more
    than `rate`."""
    full = sum(need.full for need in tier)
    if full <= rate:
        return 1.0
    fixed = 0.0
    for need in sorted(tier, key=lambda need: need.most):
        # All with a lesser greatest stretch have reached it; the others share what is left.
        if fixed + full / need.most <= rate:
            return max(1.0, full / (rate - fixed))
        fixed += need.least
        full -= need.full
    return math.inf


def _allocation(
    needs: Sequence[Need], stretches: Mapping[str, float], seconds_left: float | None, *, affordable: bool
) -> Allocation:
    rate = sum(need.full / stretches.get(need.key, 1.0) for need in needs)
    return Allocation(stretches, affordable, rate * DAY_S, None if seconds_left is None else rate * seconds_left)
