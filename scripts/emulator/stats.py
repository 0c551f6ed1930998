"""Counts of what reached the provider's endpoints; the test endpoints are not counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from weakref import WeakSet

MAX_SHAPES = 5000
OTHER = "(other)"


class Stats:
    """`connections` counts the connections whose first counted request came after the last reset.

    `by_status` is counted when a request ends; a request that ends without a status counts under its fault,
    or under "cancelled" when the client left.
    """

    def __init__(self) -> None:
        self.active = 0
        self._seen: WeakSet[asyncio.Transport] = WeakSet()
        self.reset()

    def reset(self) -> None:
        """Sets every count to zero; requests that are being served stay active."""
        self.requests = 0
        self.conditional = 0
        self.not_modified = 0
        self.connections = 0
        self.max_active = self.active
        self.by_path: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_shape: Counter[str] = Counter()
        self.by_endpoint: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()

    def begin(
        self,
        path: str,
        shape: str,
        connection: asyncio.Transport | None,
        conditional: bool,
        endpoint: str = "unknown",
    ) -> None:
        self.requests += 1
        self.conditional += conditional
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        count(self.by_path, path)
        count(self.by_shape, shape)
        self.by_endpoint[endpoint] += 1
        if connection is not None and connection not in self._seen:
            self._seen.add(connection)
            self.connections += 1

    def end(self, status: str) -> None:
        self.active -= 1
        self.by_status[status] += 1
        self.not_modified += status == "304"

    def document(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "by_path": dict(self.by_path),
            "by_status": dict(self.by_status),
            "by_shape": dict(self.by_shape),
            "by_endpoint": dict(self.by_endpoint),
            "by_fault": dict(self.by_fault),
            "conditional": self.conditional,
            "not_modified": self.not_modified,
            "active": self.active,
            "max_active": self.max_active,
            "connections": self.connections,
        }


def count(counter: Counter[str], name: str) -> None:
    """Names beyond MAX_SHAPES are counted together, so that time stamps in queries cannot fill the memory."""
    counter[name if name in counter or len(counter) < MAX_SHAPES else OTHER] += 1
