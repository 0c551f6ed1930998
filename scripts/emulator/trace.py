"""Replays what a provider was seen to answer.

A trace is JSON lines, one entry each:

    {"at": 30, "method": "GET", "target": "/v4/sports/soccer_epl/odds?regions=us", "status": 200, "body": [...]}

From `at` virtual seconds after the start of the world, a request of that method and path that has at least the
parameters of `target` is answered with `status` (200 by default), `body` (text, or any other JSON) and `headers`.
An entry that has neither status nor body ends this: the emulator answers by itself again. The latest entry that fits
decides. Credentials, rates, delays and faults come first, as ever. `cost` is in credits; without it a 200 costs what
the same call may cost at most, and anything else nothing. A 401 or 429 has no quota headers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .checks import Check, SettingError, amount, header_map, integer, line, optional, parsed
from .control import status
from .errors import RefusedError
from .orders import raw, required
from .query import Target, query_of, target
from .render import dumps

CHECKS: dict[str, Check] = {
    "at": amount,
    "method": line,
    "target": line,
    "status": optional(status),
    "body": raw,
    "headers": header_map,
    "cost": optional(integer),
}
WITHOUT_QUOTA = (401, 429)
EMPTY = (b"", b"[]")


@dataclass(frozen=True, slots=True)
class Scene:
    """One entry. `live` means that the emulator answers by itself again."""

    at: float
    method: str
    asked: Target
    path: str
    status: int
    body: bytes
    live: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    cost: int | None = None

    def fits(self, method: str, path: str, asked: Target) -> bool:
        return (
            self.method == method
            and self.path.rstrip("/") == path.rstrip("/")
            and set(self.asked.pairs) <= set(asked.pairs)
        )

    def billed(self, path: str, asked: Target) -> int | None:
        """Credits for the request, None for an answer without quota headers."""
        if self.status in WITHOUT_QUOTA:
            return None
        if self.cost is not None or self.status != 200 or self.body in EMPTY:
            return self.cost or 0
        try:
            return query_of(path, asked).highest_cost
        except RefusedError:
            return 0


class Trace:
    """Scenes in order of time; those of one time in the order of the file."""

    def __init__(self, scenes: Sequence[Scene] = ()) -> None:
        self._scenes = sorted(scenes, key=lambda scene: scene.at)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises OSError, or SettingError naming the line."""
        scenes = []
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if text.strip():
                try:
                    scenes.append(scene(json.loads(text)))
                except ValueError as problem:
                    raise SettingError(f"{path}, line {number}: {problem}") from None
        return cls(scenes)

    def scene(self, at: float, method: str, asked: Target) -> Scene | None:
        """What is answered `at` seconds after the start, None when the emulator answers by itself."""
        path = asked.shape.partition("?")[0]
        found = next((s for s in reversed(self._scenes) if s.at <= at and s.fits(method, path, asked)), None)
        return None if found is None or found.live else found


def scene(document: object) -> Scene:
    entry = required(parsed(document, CHECKS, "entry"), "entry", "at", "target")
    path, _, query = entry["target"].partition("?")
    return Scene(
        entry["at"],
        entry.get("method", "GET").upper(),
        target(path, query),
        path,
        entry.get("status") or 200,
        body_of(entry.get("body", "")),
        "body" not in entry and entry.get("status") is None,
        entry.get("headers", {}),
        entry.get("cost"),
    )


def body_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else dumps(value)
