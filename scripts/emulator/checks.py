"""Entries of control documents, checked one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[str, Any], Any]


class SettingError(ValueError):
    """A control document that cannot be applied; the message names the entry."""


def parsed(document: object, checks: Mapping[str, Check], what: str) -> dict[str, Any]:
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


def amount(name: str, value: Any) -> float:
    """A number of either sign."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError(f"{name} must be a number")
    return float(value)


def one_of(*known: str) -> Check:
    def check(name: str, value: Any) -> str:
        if value not in known:
            raise SettingError(f"{name} must be one of {', '.join(known)}")
        return str(value)

    return check


def optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


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


def header_map(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SettingError(f"{name} must be an object of strings")
    return {line(f"a name in {name}", key): line(f"{name}.{key}", entry) for key, entry in value.items()}
