"""What reaches a vendor and what it answers, apart from HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Asked:
    """`query` holds decoded pairs in the order sent; `headers` looks names up in any case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""

    def first(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.query if key == name), default)

    def many(self, *names: str) -> frozenset[str]:
        """Values of parameters that may be repeated, or hold a list with commas."""
        values = [value for key, value in self.query if key in names]
        return frozenset(item.strip() for value in values for item in value.split(",") if item.strip())

    @property
    def parts(self) -> list[str]:
        return self.path.strip("/").split("/")


@dataclass(frozen=True)
class Answer:
    """`document` is sent as JSON, a string as it is."""

    document: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        if isinstance(self.document, str):
            return self.document.encode()
        return compact(self.document).encode()

    def all_headers(self) -> dict[str, str]:
        kind = "text/html; charset=utf-8" if isinstance(self.document, str) else JSON
        return {"Content-Type": kind, **self.headers}


class Refused(Exception):
    """Ends the work on a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ControlError(ValueError):
    """A control document that cannot be applied; the message names the entry."""


def compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def of(kind: type, name: str, value: Any) -> Any:
    """The value if it has the kind; numbers are at least 0. Raises ControlError."""
    if kind in (int, float):
        number = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        if number and 0 <= value < math.inf:
            return value
        raise ControlError(f"{name} must be of the kind {kind.__name__}, at least 0")
    if not isinstance(value, kind):
        raise ControlError(f"{name} must be of the kind {kind.__name__}")
    return value


def entry(document: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """One member of a control object; without a default it must be there."""
    if name not in document and default is None:
        raise ControlError(f"{name} is missing")
    return of(kind, name, document.get(name, default))
