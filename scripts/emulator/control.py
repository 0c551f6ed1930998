"""Settings that can change while the emulator runs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

FaultKind = Literal["status", "hang", "reset", "truncate", "garbage"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Z95 = 1.6448536269514722


class SettingError(ValueError):
    """A control document that cannot be applied; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`status`, `body` and `headers` matter to the kind "status" only.

    hang: no answer until the client leaves. reset: the connection is reset without an answer.
    truncate: the body stops half way. garbage: the body is no JSON. The last two are billed.
    """

    kind: FaultKind
    status: int = 503
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Latency is lognormal; `rate` is requests per second and key, 0 for no limit; `quota` is credits."""

    latency_p50_ms: float = 150.0
    latency_p95_ms: float = 700.0
    rate: int = 30
    quota: int = 500_000
    etag: bool = False
    cache_control: str | None = None
    extra_headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    fault_share: float = 1.0

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


def changed(settings: Settings, document: object) -> Settings:
    """The settings after a control document. Raises SettingError naming the first entry that is wrong."""
    return replace(settings, **parsed(document, CHECKS, "setting"))


def parsed(document: object, checks: Mapping[str, Callable[[str, Any], Any]], what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise SettingError(f"the {what} document must be a JSON object")
    for name in document:
        if name not in checks:
            raise SettingError(f"unknown {what}: {name}; known: {', '.join(sorted(checks))}")
    return {name: checks[name](name, value) for name, value in document.items()}


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise SettingError(f"{name} must be a number of at least 0")
    return float(value)


def share(name: str, value: Any) -> float:
    if number(name, value) > 1:
        raise SettingError(f"{name} must be between 0 and 1")
    return float(value)


def integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingError(f"{name} must be an integer of at least 0")
    return value


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingError(f"{name} must be true or false")
    return value


def line(name: str, value: Any) -> str:
    if not isinstance(value, str) or any(character in value for character in "\r\n\0"):
        raise SettingError(f"{name} must be a string of one line")
    return value


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingError(f"{name} must be a string")
    return value


def optional_line(name: str, value: Any) -> str | None:
    return None if value is None else line(name, value)


def header_map(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SettingError(f"{name} must be an object of strings")
    return {line(f"a name in {name}", key): line(f"{name}.{key}", entry) for key, entry in value.items()}


def kind(name: str, value: Any) -> FaultKind:
    for known in KINDS:
        if value == known:
            return known
    raise SettingError(f"{name} must be one of {', '.join(KINDS)}")


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


FAULT_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "kind": kind,
    "status": status,
    "body": text,
    "headers": header_map,
}
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "latency_p50_ms": number,
    "latency_p95_ms": number,
    "rate": integer,
    "quota": integer,
    "etag": flag,
    "cache_control": optional_line,
    "extra_headers": header_map,
    "fault": fault,
    "fault_share": share,
}
