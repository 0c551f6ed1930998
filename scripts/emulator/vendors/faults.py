"""Failures that a control document orders for the next answers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from .exchange import Answer, ControlError, of

KINDS: dict[str, type] = {
    "count": int,
    "status": int,
    "headers": dict,
    "path": str,
    "delay_s": float,
    "reset": bool,
}


@dataclass
class Fault:
    """For the next `count` requests whose path begins with `path`: this answer instead of the vendor's.

    Nothing is charged. Status 0 leaves the vendor's own answer, late by `delay_s`; `reset` ends the connection
    without an answer. `body` is sent as it is when it is a string, else as JSON.
    """

    count: int = 1
    status: int = 503
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/"
    delay_s: float = 0.0
    reset: bool = False

    def answer(self) -> Answer | None:
        return Answer(self.body, self.status, self.headers) if self.status else None


class Faults:
    def __init__(self) -> None:
        self.ordered: list[Fault] = []

    def order(self, value: Any) -> None:
        """Replaces what was ordered before. One object or a list of them; an empty list ends all faults."""
        documents = value if isinstance(value, list) else [value]
        self.ordered = [parsed(document) for document in documents]

    def draw(self, path: str) -> Fault | None:
        """The first that applies to the path, one of its count used up."""
        fault = next((one for one in self.ordered if one.count > 0 and path.startswith(one.path)), None)
        if fault is not None:
            fault.count -= 1
        return fault


def parsed(document: Any) -> Fault:
    known = {one.name for one in fields(Fault)}
    for name, value in of(dict, "faults", document).items():
        if name not in known:
            raise ControlError(f"unknown entry of faults: {name}; known: {', '.join(sorted(known))}")
        if name in KINDS:
            of(KINDS[name], name, value)
    fault = Fault(**document)
    if fault.status and not 200 <= fault.status <= 599:
        raise ControlError("status must be 0 or between 200 and 599")
    return fault
