import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from holdover.metrics import Metrics
from sidecar.promos import api, streams
from sidecar.promos.api import Promotions
from sidecar.promos.document import Audience, Image, Promo, Slot, Terms, Text, Vocabulary
from sidecar.promos.standing import Change, Live

WORDS = Vocabulary(
    {"boosts": Slot("Boosts", 1, frozenset(["boosted-odds"]))}, frozenset(["GB"]), frozenset(["en", "en-GB"])
)
PROMO = Promo(
    id="best",
    kind="boosted-odds",
    slot="boosts",
    priority=900,
    content={"en": Text("Was 2.0, now 3.0")},
    start=0,
    end=time.time() + 1000,
    timezone="Europe/London",
    audience=Audience(frozenset(["GB"])),
    image=Image("x.png", {"en": "A ball"}),
    terms=Terms({"en": "Until the start"}, "/terms"),
)
QUERY = "jurisdiction=GB&language=en-GB"


async def test_what_is_hidden_makes_room_and_is_explained_and_texts_are_in_the_closest_language():
    promotions = Promotions(Metrics().promos)
    next_best = replace(PROMO, id="next", priority=100)
    promotions.publish(Change(Live("r1", WORDS, (PROMO, next_best)), (), {}))
    promotions.hide({"best": "its market is suspended"}, {})
    app = web.Application()
    app.add_routes(promotions.routes())
    async with TestClient(TestServer(app)) as client:
        told = await (await client.get(f"/v1/promos?{QUERY}")).json()
        [shown] = told["slots"]["boosts"]
        assert shown["id"] == "next"
        assert (shown["title"], shown["image"]["alt"], shown["terms"]["short"]) == (
            "Was 2.0, now 3.0",
            "A ball",
            "Until the start",
        )
        [best, other] = (await (await client.get(f"/v1/promos/explain?{QUERY}")).json())["promos"]
        assert [gate for gate in best["gates"] if not gate["passed"]] == [
            {"gate": "withheld", "passed": False, "why": "its market is suspended"}
        ]
        assert (best["shown"], other["shown"]) == (False, True)


async def test_who_waits_beyond_what_one_process_bears_is_answered_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "MOST_POLLS", 1)
    monkeypatch.setattr(streams, "MOST_STREAMS", 1)
    promotions = Promotions(Metrics().promos)
    promotions.publish(Change(Live("r1", WORDS, ()), (), {}))
    app = web.Application()
    app.add_routes(promotions.routes())
    async with TestClient(TestServer(app)) as client:
        waits = {"If-None-Match": (await client.get("/v1/promos")).headers["ETag"], "Prefer": "wait=60"}
        first = asyncio.create_task(client.get("/v1/promos", headers=waits))
        async with asyncio.timeout(30):
            while not promotions._polls:
                await asyncio.sleep(0.01)
        second = await client.get("/v1/promos", headers=waits)
        assert (second.status, "Preference-Applied" in second.headers) == (304, False)
        promotions.publish(Change(Live("r2", WORDS, ()), (), {}))
        assert ((await first).status, (await first).headers["Preference-Applied"]) == (200, "wait=60")
        stream = await client.get("/v1/promos/events")
        refused = await client.get("/v1/promos/events")
        assert (refused.status, refused.content_type) == (503, "application/json")
        stream.close()
        promotions.changes.stop()
