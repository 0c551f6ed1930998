import time
from dataclasses import replace

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from holdover.metrics import Metrics
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
