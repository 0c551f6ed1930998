"""Live sets for the console's tests, and the admin application of a sidecar without the rest of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import ClientResponse, DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from holdover.metrics import Metrics
from holdover.settings import PromoSettings
from sidecar.console.audience import Asked
from sidecar.console.edit import edit_routes
from sidecar.console.frame import framed
from sidecar.console.guard import guard
from sidecar.console.login import known
from sidecar.console.views import console_routes
from sidecar.promos.access import Access
from sidecar.promos.api import Promotions
from sidecar.promos.chronicle import Chronicle
from sidecar.promos.decide import digest
from sidecar.promos.desk import PINNED, Desk, Written
from sidecar.promos.document import Audience, Promo, Slot, Text, Vocabulary
from sidecar.promos.history import History
from sidecar.promos.images import image_routes
from sidecar.promos.past import HISTORY
from sidecar.promos.record import Record
from sidecar.promos.resolve import Visitor
from sidecar.promos.standing import Live, Standing, Status
from sidecar.promos.sweep import sweep
from sidecar.promos.validate import check
from sidecar.promos.watch import watch
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
    standing = Standing()
    for _ in range(2):
        standing.step(sweep(folder), NOW)
    state = folder / "state"
    desk = Desk(folder, standing, Chronicle(folder, History(state / HISTORY)), state / PINNED)
    access = Access(PromoSettings(), "127.0.0.1:9102", state)
    frame = framed(promotions, access)
    app.add_routes([*promotions.routes(), *image_routes(promotions, folder, access)])
    app.add_routes([*console_routes(frame, desk), *edit_routes(frame, desk, folder / "libraries")])
    async with TestClient(TestServer(app)) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Staff:
    """A console at work: its browser, and what stands behind it."""

    client: TestClient[Any, Any]
    desk: Desk
    promotions: Promotions
    access: Access

    async def get(self, target: str, status: int = 200, **headers: str) -> str:
        answer = await self.client.get(target, headers=_named(headers), allow_redirects=False)
        assert answer.status == status, target
        return str(await answer.text())

    async def post(self, target: str, who: str = "local", /, **fields: str) -> ClientResponse:
        """As the form of a page made for `who`."""
        return await self.client.post(
            target, data={"token": self.access.form_token(who), **fields}, allow_redirects=False
        )

    async def publish(self, name: str, data: bytes | None, why: str = "", who: str = "ops-1") -> None:
        before = (await self.desk.files()).get(name)
        done = await self.desk.publish(name, data, digest(before), who, why)
        assert isinstance(done, Written), done
        await self.kept()

    async def kept(self) -> None:
        """What is live is in the history, too."""
        async with asyncio.timeout(30):
            while next((r.revision for r in self.records() if r.set), "") != self.promotions.live.revision:
                await asyncio.sleep(0.01)

    def records(self) -> list[Record]:
        """Newest first."""
        return list(reversed(self.desk.chronicle.history.records()))


@asynccontextmanager
async def staffed(
    folder: Path, settings: PromoSettings | None = None, admin: str = "127.0.0.1:9102"
) -> AsyncIterator[Staff]:
    """The promos of `folder` / "promos", watched, with a console. Of more than one address `settings` tells."""
    settings, state = settings or PromoSettings(), folder / "var"
    history, promotions = History(state / HISTORY), Promotions(Metrics().promos)
    chronicle = Chronicle(folder / "promos", history)
    standing = Standing(None, chronicle.is_approved if settings.approval else None)
    desk = Desk(chronicle.folder, standing, chronicle, state / PINNED)
    promotions.waiting = desk.standing.waiting
    access = Access(settings, admin, state)

    own = guard(admin, ["ops.example"])
    app = web.Application(middlewares=[own, known(access)])
    app.add_routes([*promotions.routes(), *image_routes(promotions, desk.folder, access)])
    frame = framed(promotions, access)
    app.add_routes([*console_routes(frame, desk), *edit_routes(frame, desk, folder / "libraries")])
    app.on_shutdown.append(promotions.stop)
    watching = asyncio.create_task(
        watch(desk.folder, standing, promotions.publish, chronicle.keep, nudge=desk.written, read=desk.told)
    )
    try:
        async with TestClient(TestServer(app), cookie_jar=DummyCookieJar()) as client:
            staff = Staff(client, desk, promotions, access)
            async with asyncio.timeout(30):
                while not promotions.statuses:
                    await asyncio.sleep(0.01)
            await staff.kept()
            yield staff
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): told for name, told in headers.items()}
