"""Settings that can change while the emulator runs."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from .checks import (
    Check,
    SettingError,
    amount,
    flag,
    header_map,
    integer,
    line,
    number,
    one_of,
    optional,
    parsed,
    share,
    text,
)

FaultKind = Literal[
    "status", "hang", "reset", "truncate", "garbage",
    "stall", "drip", "cut", "truncate_gzip", "wrong_length", "maintenance", "frequency",
]  # fmt: skip
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Z95 = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Fault:
    """`status`, `body` and `headers` matter to the kind "status" only.

    hang: no answer until the client leaves. reset: the connection is reset without an answer.
    truncate: the body stops half way. garbage: the body is no JSON. The last two are billed, as are
    stall: headers, then silence; drip: the body takes `seconds`; cut: reset half way through the body;
    truncate_gzip: half of the compressed body under its own length; wrong_length: half the length announced.
    maintenance: an HTML page with status 200. frequency: 429 below the limit. Neither is billed.

    With `next` the fault ends after so many requests, with `for_s` after so many real seconds; both count from
    when it was set.
    """

    kind: FaultKind
    status: int = 503
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 5.0
    next: int | None = None
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Latency is lognormal, and grows by the size of the body over `bytes_per_s` (0: no limit).

    `rate` is requests per second and key, 0 for no limit. Above it there is a 429, or with `over_rate` "queue" an
    answer that is late by as much as is needed. A rate that grows within `ramp_s` seconds meets this below the limit
    (see rate.py); 0 for a provider that has scaled up already. `retry_after` is the form of Retry-After on 429.
    `quota` is credits. `emptied` says what becomes of an event that has none of the bookmakers asked for.
    `date_skew_s` is added to the Date header.
    """

    latency_p50_ms: float = 150.0
    latency_p95_ms: float = 700.0
    bytes_per_s: float = 0.0
    rate: int = 30
    quota: int = 500_000
    etag: bool = False
    cache_control: str | None = None
    extra_headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    fault_share: float = 1.0
    over_rate: str = "refuse"
    ramp_s: float = 0.0
    retry_after: str = "none"
    retry_after_s: int = 2
    emptied: str = "keep"
    framing: str = "sized"
    date_skew_s: float = 0.0

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def latency_s(self, rng: random.Random) -> float:
        """One delay in seconds; a 95th percentile below the median counts as the median."""
        if self.latency_p50_ms <= 0:
            return 0.0
        sigma = math.log(max(1.0, self.latency_p95_ms / self.latency_p50_ms)) / Z95
        return self.latency_p50_ms / 1000 * math.exp(sigma * rng.gauss(0, 1))

    def drawn_fault(self, rng: random.Random) -> Fault | None:
        return self.fault if self.fault and rng.random() < self.fault_share else None


class Draw:
    """Draws the fault of each request and knows when a limited one is over."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._since = 0.0
        self._drawn = 0

    def fault(self, settings: Settings, rng: random.Random, now: float) -> Fault | None:
        """A fault that was set anew, even to the same values, starts over."""
        fault = settings.fault
        if fault is not self._fault:
            self._fault, self._since, self._drawn = fault, now, 0
        if fault is None or (fault.for_s is not None and now - self._since >= fault.for_s):
            return None
        if fault.next is not None and self._drawn >= fault.next:
            return None
        drawn = settings.drawn_fault(rng)
        self._drawn += drawn is not None
        return drawn


def changed(settings: Settings, document: object) -> Settings:
    """The settings after a control document. Raises SettingError naming the first entry that is wrong."""
    return replace(settings, **parsed(document, CHECKS, "setting"))


def status(name: str, value: Any) -> int:
    if not 200 <= integer(name, value) <= 599:
        raise SettingError(f"{name} must be between 200 and 599")
    return int(value)


def fault(name: str, value: Any) -> Fault | None:
    if value is None:
        return None
    fields = parsed(value, FAULT_CHECKS, name)
    if "kind" not in fields:
        raise SettingError(f"{name}.kind is missing")
    return Fault(**fields)


FAULT_CHECKS: dict[str, Check] = {
    "kind": one_of(*KINDS),
    "status": status,
    "body": text,
    "headers": header_map,
    "seconds": number,
    "next": optional(integer),
    "for_s": optional(number),
}
CHECKS: dict[str, Check] = {
    "latency_p50_ms": number,
    "latency_p95_ms": number,
    "bytes_per_s": number,
    "rate": integer,
    "quota": integer,
    "etag": flag,
    "cache_control": optional(line),
    "extra_headers": header_map,
    "fault": fault,
    "fault_share": share,
    "over_rate": one_of("refuse", "queue"),
    "ramp_s": number,
    "retry_after": one_of("none", "seconds", "date"),
    "retry_after_s": integer,
    "emptied": one_of("keep", "omit"),
    "framing": one_of("sized", "chunked"),
    "date_skew_s": amount,
}
