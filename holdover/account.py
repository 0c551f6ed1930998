"""What a provider last told about one credential: its quota, whether it is still good, and how long to wait.

Times are Unix seconds: they outlive the process. Pure but for the state it holds."""

import asyncio
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from holdover.exchange import Headers, Response, header
from holdover.gate import Rate
from holdover.provider_settings import LimitSettings, QuotaSettings
from holdover.store.balance import Balance
from holdover.store.pacing import Together
from holdover.verdict import Meaning

MAX_FREEZE_S = 31 * 86_400.0
DEAD_CHECK_S = 60.0
LISTEN_S = 60.0
RETRY_FROZEN_S = 300.0
MOST_KEPT_BYTES = 65_536
"""Of what a provider says in the place of an answer. Each tenant has one, and each of some keys."""

_UNKNOWN = Balance(None, None, 0.0)


def _nobody_else(_rate: Rate, _now: float) -> float:
    """No other process makes calls on it."""
    return 0.0


@dataclass(slots=True)
class Account:
    """One credential at one provider. `shared`: calls are made with several clients' credentials, of which one may be
    bad. `balance` is what is remembered over restarts; `pause_until` is the provider's Retry-After; `last_refusal` is
    its own answer to the call after which no more were made; `overdrawn`: it goes on answering, and billing, when
    nothing is left; `promised`: credits by the key of what is about to be asked for, or is; `calls` that are under
    way; `together` promises starts of this and other processes; `hearing` is held by the call that goes out to hear
    how the provider refuses."""

    quota: QuotaSettings
    limits: LimitSettings
    shared: bool = False
    balance: Balance = _UNKNOWN
    pause_until: float = 0.0
    paused_with: Response | None = None
    last_refusal: Response | None = None
    check_at: float = 0.0
    slowed_at: float = -math.inf
    heard_at: float = -math.inf
    frozen_at: float = -math.inf
    overdrawn: bool = False
    untold: float = 0.0
    changed: bool = False
    promised: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    together: Together = _nobody_else
    hearing: asyncio.Lock = field(default_factory=asyncio.Lock)
    rate: Rate = field(init=False)
    sent: Rate = field(init=False)
    """Of what is really sent: calls that could not start as promised, because all slots were taken or the process was
    busy, would go out all at once when they can."""

    def __post_init__(self) -> None:
        self.rate = Rate(self.limits.rate_per_s, self.limits.burst)
        self.sent = Rate(self.limits.rate_per_s, self.limits.burst)

    def under(self, quota: QuotaSettings, limits: LimitSettings, *, shared: bool) -> None:
        """Takes over a changed configuration: what is remembered over restarts stays, all else begins anew. The
        account is the same, so calls under way settle on it."""
        fresh = Account(quota, limits, shared, self.balance)
        self.quota, self.limits, self.shared = fresh.quota, fresh.limits, fresh.shared
        self.rate, self.sent = fresh.rate, fresh.sent
        self.pause_until, self.paused_with, self.last_refusal = 0.0, None, None
        self.check_at, self.slowed_at, self.heard_at = fresh.check_at, fresh.slowed_at, fresh.heard_at
        self.overdrawn = False

    def remaining(self, now: float) -> float | None:
        """Credits left: as told, or by what is told or counted as used where a limit is configured; None when nobody
        knows. What was told before a reset says nothing of what there is after it."""
        balance, limit = self.balance, self.quota.limit
        told = not self.told_before_reset(now)
        if told and (balance.remaining is not None or limit is None):
            return balance.remaining
        if limit is None:
            return None
        if told and balance.used is not None:
            return limit - balance.used
        return limit - (balance.period_spent if balance.period == _period(self.quota.resets, now) else 0.0)

    def told_before_reset(self, now: float) -> bool:
        """Whether the quota was filled again, by the calendar, since the provider told of it."""
        resets = self.quota.resets
        return _period(resets, self.balance.told_at) != _period(resets, now)

    def leaves(self, reserve: float, key: str, cost: float, now: float) -> bool:
        """Whether asking for `key` at this cost leaves at least `reserve` credits when all is paid that is promised,
        as far as anybody knows. What is promised already costs no more."""
        left = self.remaining(now)
        if cost <= 0 or left is None or key in self.promised:
            return True
        return left - sum(self.promised.values()) - cost >= reserve

    def suspended(self, now: float, cost: float) -> str | None:
        """Why a call of this cost is not made now; None when it may be."""
        # A dead credential is tried once a minute: being refused costs nothing, and somebody may have renewed it.
        if self.balance.dead and now < self.check_at:
            return "the credential is not accepted"
        if self.frozen(now) and cost > 0 and now < self._tried_at():
            return "the quota is used up"
        return None

    def _tried_at(self) -> float:
        """When a frozen account without a probe is tried again: clocks differ, and days begin at other hours.
        What holdover counts itself is not tried."""
        own_count = self.quota.limit is not None
        if self.quota.probe is not None or own_count or self.overdrawn or self.frozen_at == -math.inf:
            return math.inf
        return self.frozen_at + RETRY_FROZEN_S

    def frozen(self, now: float) -> bool:
        return self.balance.frozen_until is not None and now < self.balance.frozen_until

    def may_hear(self, now: float) -> bool:
        """Whether a call may go out to hear how the provider refuses, as none did lately."""
        return self.quota.limit is None and not self.overdrawn and now >= self.heard_at + LISTEN_S

    def told(self, headers: Headers, now: float, asked_at: float | None = None) -> None:
        """Takes the quota from the header of an answer to what was asked at `asked_at`. A missing or malformed field
        tells nothing."""
        remaining = _number(header(headers, self.quota.remaining)) if self.quota.remaining else None
        used = _number(header(headers, self.quota.used)) if self.quota.used else None
        if remaining is None and used is None:
            return
        balance = self.balance
        # No field tells of a reset: what is used falls, or there is more left than when calls were suspended.
        fell = used is not None and balance.used is not None and used < balance.used
        more = remaining is not None and remaining > max(0.0, balance.remaining or 0.0)
        # An answer to what was asked before does not undo it, though it comes later.
        later = asked_at is None or asked_at >= self.frozen_at
        if balance.frozen_until is not None and later and (fell or more):
            balance = replace(balance, frozen_until=None, decided_at=now)
        # What is not told anew stays, but for what was left before a reset.
        left = remaining if remaining is not None or fell or self.told_before_reset(now) else balance.remaining
        if not later and left is not None and balance.remaining is not None:
            left = min(left, balance.remaining)
        used = balance.used if used is None else used
        self._now_is(replace(balance, remaining=left, used=used, told_at=now))
        if remaining is not None and remaining <= 0:
            self.freeze(now)

    def spent(self, cost: float, now: float) -> None:
        """Counts what a call took."""
        period = _period(self.quota.resets, now)
        before, untold = 0.0, 0.0
        if self.balance.period == period:
            before, untold = self.balance.period_spent, self.untold
        self.untold = untold + cost
        self._now_is(replace(self.balance, period_spent=before + cost, period=period))
        if self.quota.limit is not None and self.quota.remaining is None and before + cost >= self.quota.limit:
            self.freeze(now)

    def take_untold(self) -> float:
        """What was counted since this was last asked; others add it to what they count."""
        untold, self.untold = self.untold, 0.0
        return untold

    def standing(self, stands: Balance, now: float = math.inf) -> None:
        """Takes over what all processes have counted and heard, up to what was last told."""
        balance = self.balance.knowing(stands, now)
        if (balance.dead, balance.frozen_until) != (self.balance.dead, self.balance.frozen_until):
            # What the provider said to this process was said of another state.
            self.last_refusal = None
        if stands.period == balance.period:
            balance = replace(balance, period_spent=stands.period_spent + self.untold)
        self.balance = balance

    def refused(self, means: Meaning | None, response: Response, now: float) -> None:
        """Takes notice of what an error means for further calls."""
        if means == "quota":
            self.freeze(now)
            self.frozen_at = now
            self.last_refusal = kept(response)
        elif means == "credential" and not self.shared:
            self.last_refusal = kept(response)
            self.check_at = now + DEAD_CHECK_S
            self._now_is(replace(self.balance, dead=True, decided_at=now))

    def accepted(self, now: float, asked_at: float = math.inf, *, paid: bool = False) -> None:
        """The provider gave an answer to what was asked at `asked_at`: whatever was wrong with the credential is
        over, and with the quota too if it `paid` for the answer."""
        # What was asked before the freeze may have been paid with the last credits.
        if paid and self.balance.frozen_until is not None and asked_at > self.frozen_at:
            if self.balance.remaining is None or self.balance.remaining > 0:
                self._now_is(replace(self.balance, frozen_until=None, decided_at=now))
            else:
                self.overdrawn = True
        if self.balance.dead:
            self._now_is(replace(self.balance, dead=False, decided_at=now))
        if self.balance.frozen_until is None:
            self.last_refusal = None

    def freeze(self, now: float) -> None:
        """No more calls that cost until the quota is filled again."""
        if self.balance.frozen_until is None or self.balance.frozen_until <= now:
            left = seconds_to_reset(self.quota.resets, now)
            # What the provider said to something else is not its word on this.
            self.last_refusal = None
            # Nor did a call from before hear it.
            self.heard_at = -math.inf
            self.frozen_at = now
            self.overdrawn = False
            until = now + (MAX_FREEZE_S if left is None else left)
            self._now_is(replace(self.balance, frozen_until=until, decided_at=now))

    def _now_is(self, balance: Balance) -> None:
        self.changed = self.changed or balance != self.balance
        self.balance = balance


def kept(response: Response) -> Response | None:
    """To be given again; None for what is too long. Then clients get holdover's own words."""
    return response if len(response.body) <= MOST_KEPT_BYTES else None


def seconds_to_reset(resets: str, now: float) -> float | None:
    """Until the quota is filled again: midnight UTC, or the first of the month; None when it never is."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match resets:
        case "daily":
            return today.timestamp() + 86_400 - now
        case "monthly":
            year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
            return today.replace(year=year, month=month, day=1).timestamp() - now
    return None


def _period(resets: str, now: float) -> str:
    form = {"daily": "%Y-%m-%d", "monthly": "%Y-%m"}.get(resets, "")
    return datetime.fromtimestamp(now, UTC).strftime(form) if form else "ever"


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
