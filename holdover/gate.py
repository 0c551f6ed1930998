"""When a provider may be called: rate, circuit and the provider's own Retry-After. Pure; `now` is monotonic."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_OPEN_S = 60.0
MAX_RETRY_AFTER_S = 3600.0
LEAST_SHARE = 1 / 16
EASED_BY = 1 / 64


@dataclass(slots=True)
class Rate:
    """A token bucket: `rate` requests a second, `burst` at once after a pause. `share` of both is what the provider
    bears at the moment."""

    rate: float
    burst: int
    share: float = 1.0
    _tokens: float | None = None
    _at: float = 0.0

    def available(self, now: float) -> bool:
        """Whether a call could start now without delaying one that was promised a start."""
        return self._level(now) >= 1

    def wait(self, now: float) -> float:
        """In how many seconds the next call could start."""
        return max(0.0, (1 - self._level(now)) / (self.rate * self.share))

    def take(self, now: float) -> float:
        """Promises one start; returns in how many seconds. Promises are kept in order."""
        level = self._level(now) - 1
        self._tokens, self._at = level, now
        return max(0.0, -level / (self.rate * self.share))

    def halve(self, now: float) -> None:
        """The provider says that it is too much."""
        self._share_is(max(LEAST_SHARE, self.share / 2), now)

    def ease(self, now: float) -> None:
        """The provider bears it: a little more may be tried."""
        if self.share < 1:
            self._share_is(min(1.0, self.share + EASED_BY), now)

    def _share_is(self, share: float, now: float) -> None:
        self._tokens, self._at = self._level(now), now
        self.share = share

    def _level(self, now: float) -> float:
        most = max(1.0, self.burst * self.share)
        if self._tokens is None:
            return most
        return min(most, self._tokens + max(0.0, now - self._at) * self.rate * self.share)


@dataclass(slots=True)
class Breaker:
    """Opens after `failures` in a row; then lets one probe through after `open_s`, doubling while probes fail."""

    failures: int
    open_s: float
    _count: int = 0
    _open_until: float = 0.0
    _probing: bool = False

    def state(self, now: float) -> str:
        if self._count < self.failures:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def wait(self, now: float) -> float:
        """Seconds until a call may be tried; 0 when it may be now. While a probe is out, others wait for it."""
        match self.state(now):
            case "closed":
                return 0.0
            case "open":
                return self._open_until - now
        return self.open_s if self._probing else 0.0

    def start(self, now: float) -> None:
        self._probing = self.state(now) == "half_open"

    def success(self) -> None:
        self._count, self._probing = 0, False

    def failure(self, now: float) -> None:
        self._probing = False
        if self.state(now) == "open":
            return  # a call from before it opened; it says nothing new
        self._count += 1
        if self._count >= self.failures:
            doubled = self.open_s * 2.0 ** min(self._count - self.failures, 10)
            self._open_until = now + min(doubled, MAX_OPEN_S)

    def abandoned(self) -> None:
        """The call was cancelled before it had a result."""
        self._probing = False


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from a Retry-After field in either form (RFC 9110 section 10.2.3), at most an hour; `now` in
    Unix seconds. None when it is absent or neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S)
