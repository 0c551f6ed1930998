"""What an order to a running emulator may say."""

from __future__ import annotations

from typing import Any

from .checks import Check, SettingError, amount, flag, integer, line, number, one_of, optional

MOST_TICKS = 500_000


def positive(name: str, value: Any) -> float:
    if number(name, value) == 0:
        raise SettingError(f"{name} must be above 0")
    return float(value)


def raw(_name: str, value: Any) -> Any:
    return value


WORLD: dict[str, Check] = dict.fromkeys(("place", "remove", "goal", "suspend"), raw) | {
    "advance_s": number,
    "speed": positive,
}
PLACE: dict[str, Check] = {"sport": line, "in_s": amount, "lasts_s": optional(integer)}
REMOVE: dict[str, Check] = {"sport": line, "event": line}
GOAL: dict[str, Check] = {"event": line, "in_s": number, "side": one_of("home", "away")}
SUSPEND: dict[str, Check] = {"event": line, "book": line, "market": line, "in_s": number, "for_s": number}
KEYS: dict[str, Check] = {
    "key": line,
    "quota": optional(integer),
    "used": integer,
    "deactivated": flag,
    "historical": flag,
    "refuse_next": integer,
    "reset": flag,
    "reset_at": optional(number),
    "reset_in_s": number,
}
OF_A_KEY = ("quota", "used", "deactivated", "historical", "refuse_next")
BLACKOUT: dict[str, Check] = {"for_s": number, "mode": one_of("refuse", "silent")}


def required(fields: dict[str, Any], what: str, *names: str) -> dict[str, Any]:
    for name in names:
        if name not in fields:
            raise SettingError(f"{what}.{name} is missing")
    return fields
