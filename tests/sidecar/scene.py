"""A provider on loopback and a sidecar's parts in front of it: what tests of several modules share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from holdover.canonical import CanonicalRequest
from holdover.fill import Filler
from holdover.metrics import Metrics
from holdover.rules import Provider, Rules
from holdover.store.ledger import Ledger
from sidecar.refresh.steward import Steward
from sidecar.refresh.worker import Refresher
from tests.e2e.wire import calm_window


@dataclass
class Origin:
    """Answers as `says` tells from the request; `asked` are paths with the key that came along."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    says: Callable[[web.BaseRequest], Awaitable[web.Response]] | None = None

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((request.path, request.query.get("apiKey", "")))
        if self.says is not None:
            return await self.says(request)
        return web.json_response([len(self.asked)])

    def count(self, key: str, path: str = "/") -> int:
        return sum(asked.startswith(path) and with_key == key for asked, with_key in self.asked)


@dataclass
class Scene:
    rules: Rules
    filler: Filler
    refresher: Refresher
    steward: Steward
    ledger: Ledger
    metrics: Metrics

    @property
    def provider(self) -> Provider:
        return self.rules.providers[0]

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"holdover_{name}", {"upstream": "vendor", **labels})


def odds(sport: str = "epl", partition: str = "", **query: str) -> CanonicalRequest:
    return CanonicalRequest("vendor", "odds", f"/odds/{sport}", tuple(sorted(query.items())), partition=partition)


def calm() -> dict[str, int]:
    """Of a route with no boundary of its window near."""
    return {"window_s": calm_window(), "max_stale_s": 2 * calm_window()}


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
