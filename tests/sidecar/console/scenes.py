"""Live sets for the console's tests, and the admin application of a sidecar without the rest of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from holdover.metrics import Metrics
from holdover.settings import PromoSettings
from sidecar.console.audience import Asked
from sidecar.console.edit import edit_routes
from sidecar.console.guard import guard
from sidecar.console.views import console_routes
from sidecar.promos.access import Access
from sidecar.promos.api import Promotions
from sidecar.promos.desk import Desk
from sidecar.promos.document import Audience, Promo, Slot, Text, Vocabulary
from sidecar.promos.history import History
from sidecar.promos.images import image_routes
from sidecar.promos.resolve import Visitor
from sidecar.promos.standing import Live, Standing, Status
from sidecar.promos.sweep import sweep
from sidecar.promos.validate import check
from tests.sidecar.console import gallery

ADMIN = "console.example:9102"
NOW = datetime(2026, 11, 30, 12, 20, tzinfo=gallery.ZONE).timestamp()
VOCABULARY = Vocabulary(
    slots={
        "hero": Slot("Hero", 1, frozenset(["banner"])),
        "boosts": Slot("Boosts", 2, frozenset(["boosted-odds"])),
        "notices": Slot("Notices", 2, frozenset(["notice"])),
    },
    jurisdictions=frozenset(["US-NJ", "US-PA"]),
    languages=frozenset(["en", "es"]),
    devices=frozenset(["phone", "desktop"]),
    segments=frozenset(["vip", "time-out"]),
    excluded=frozenset(["time-out"]),
)
PROMO = Promo(
    "spring",
    "banner",
    "hero",
    500,
    {"en": Text("Spring")},
    NOW - 3_600,
    NOW + 3_600,
    "America/New_York",
    Audience(frozenset(["US-NJ"])),
)
WHO = Asked(Visitor("US-NJ", "en", "phone"))


def live(*promos: Promo, vocabulary: Vocabulary = VOCABULARY) -> Live:
    return Live("r1", vocabulary, promos)


def busy(folder: Path, config: Path, now: float = NOW) -> Live:
    """What is live of the gallery, written into `folder`."""
    gallery.write(folder, config, now)
    seen = sweep(folder)
    found = check({name: data for name, data in seen.files.items() if isinstance(data, bytes)}, dict(seen.pictures))
    assert found.problems == ()
    promos = [promo for campaign in found.campaigns.values() for promo in campaign]
    return Live("busy", found.vocabulary, tuple(sorted(promos, key=lambda promo: promo.id)))


@asynccontextmanager
async def served(
    shown: Live,
    folder: Path,
    statuses: tuple[Status, ...] = (),
    hidden: Mapping[str, str] = MappingProxyType({}),
    prices: Mapping[str, float] = MappingProxyType({}),
    waiting: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[TestClient[Any, Any]]:
    promotions = Promotions(
        Metrics().promos, live=shown, statuses=statuses, hidden=hidden, prices=prices, waiting=lambda: waiting
    )
    app = web.Application(middlewares=[guard(ADMIN, ["ops.example"])])
    app.add_routes([*promotions.routes(), *image_routes(promotions, folder), *console_routes(promotions)])
    standing = Standing()
    for _ in range(2):
        standing.step(sweep(folder), NOW)
    desk = Desk(folder, standing, History(folder / "history"))
    app.add_routes(edit_routes(promotions, desk, Access(PromoSettings(), ADMIN, folder), folder / "libraries"))
    async with TestClient(TestServer(app)) as client:
        yield client
