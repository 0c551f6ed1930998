"""Counts of what reached a vendor's endpoints; the test endpoints are not counted."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

KEPT = 100
KEPT_BODY = 4000


class Tally:
    """`last_requests` holds request lines as sent, credentials taken out; `last_bodies` the bodies of POSTs."""

    def __init__(self) -> None:
        self._seen: WeakSet[asyncio.Transport] = WeakSet()
        self.reset()

    def reset(self) -> None:
        self.requests = 0
        self.connections = 0
        self.by_endpoint: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.by_credential: Counter[str] = Counter()
        self.by_header: Counter[str] = Counter()
        self.last_requests: deque[str] = deque(maxlen=KEPT)
        self.last_bodies: deque[str] = deque(maxlen=KEPT)

    def connection(self, transport: asyncio.Transport | None) -> None:
        """Counts a connection at its first request."""
        if transport is not None and transport not in self._seen:
            self._seen.add(transport)
            self.connections += 1

    def begin(self, endpoint: str, credential: str, line: str, fields: Iterable[str], body: bytes) -> None:
        self.requests += 1
        self.by_endpoint[endpoint] += 1
        self.by_credential[credential] += 1
        self.by_header.update({name.lower() for name in fields})
        self.last_requests.append(line)
        if body:
            self.last_bodies.append(body[:KEPT_BODY].decode(errors="replace"))

    def end(self, status: str) -> None:
        self.by_status[status] += 1

    def document(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "connections": self.connections,
            "by_endpoint": dict(self.by_endpoint),
            "by_status": dict(self.by_status),
            "by_credential": dict(self.by_credential),
            "header_fields": dict(self.by_header),
            "last_requests": list(self.last_requests),
            "last_bodies": list(self.last_bodies),
        }


def without(query: str, names: frozenset[str]) -> str:
    """A raw query string without the parameters of these names, the rest untouched."""
    return "&".join(part for part in query.split("&") if part.partition("=")[0] not in names)
