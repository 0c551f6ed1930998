"""Old URLs of promos, with a sidecar at the other end of a real socket."""

import asyncio
import json
import logging
from typing import Any

import pytest
from aiohttp import web

from holdover import link as links
from holdover.answer import Wants
from holdover.exchange import Request
from holdover.homepage import REUSE_S, Homepage
from holdover.key import ForPromos, plan
from holdover.link import Link
from holdover.provider_settings import ProviderSettings
from holdover.rules import Rules, compile_provider

PROMOS: list[dict[str, Any]] = [
    {
        "name": name,
        "path": f"/{name}",
        "slot": "hero",
        "answer": "list",
        "fields": {"name": "id"},
        "audience": {"jurisdiction": {"query": ["st"]}, "language": {"constant": "en"}, "visitor": {"query": ["u"]}},
    }
    for name in ("banners", "others")
]
RULES = Rules(
    [
        compile_provider(
            ProviderSettings.model_validate(
                {"name": "homepage", "hosts": ["www.test"], "origin": "https://www.test", "promos": PROMOS}
            )
        )
    ]
)


class Sidecar:
    """Tells one promo, named by the jurisdiction that it is asked about; `says` replaces that."""

    def __init__(self, path):
        self.path = path
        self.asked: list[list[tuple[str, str]]] = []
        self.says: web.Response | None = None
        self.max_age = 30
        self.open = asyncio.Event()
        self.open.set()
        self._runner: web.AppRunner | None = None

    async def start(self):
        app = web.Application()
        app.add_routes([web.get("/promos/shown", self._shown), web.post("/demand", self._demand)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def stop(self):
        if self._runner is not None:
            await self._runner.cleanup()
            self.path.unlink(missing_ok=True)
            self._runner = None

    async def _demand(self, _):
        return web.json_response({"declined": [], "told": []})

    async def _shown(self, request):
        self.asked.append(list(request.query.items()))
        await self.open.wait()
        if self.says is not None:
            says, self.says = self.says, None
            return says
        facts = {"revision": "r", "slots": {"hero": [{"id": request.query.get("jurisdiction", "")}]}}
        return web.json_response(facts, headers={"Cache-Control": f"private, max-age={self.max_age}"})


class Scene:
    def __init__(self, path):
        self.now = 100.0
        self.sidecar = Sidecar(path)
        self.link = Link(path)
        self.homepage = Homepage(self.link, clock=lambda: self.now)

    async def ask(self, query: str, wants: Wants = Wants(), path: str = "/banners") -> Any:  # noqa: B008
        """Status and what the list names; None when the origin has to answer."""
        asked = plan(Request("GET", "www.test", f"{path}?{query}"), RULES)
        assert isinstance(asked, ForPromos)
        answer = await self.homepage.answer(asked, wants)
        return answer and (answer.status, [each["name"] for each in json.loads(answer.body or b"[]")])


@pytest.fixture
async def scene(tmp_path):
    scene = Scene(tmp_path / "sock")
    await scene.sidecar.start()
    await scene.link.demand([])
    yield scene
    scene.sidecar.open.set()
    await scene.homepage.close()
    await scene.link.close()
    await scene.sidecar.stop()


async def test_the_sidecar_is_asked_in_its_own_words(scene):
    assert await scene.ask("st=US-NJ&u=a%26b&x=1") == (200, ["US-NJ"])
    assert scene.sidecar.asked == [[("jurisdiction", "US-NJ"), ("language", "en"), ("visitor", "a&b")]]


async def test_an_answer_is_used_again_for_a_quarter_of_a_second(scene):
    for query in ("st=US-NJ", "st=US-NJ&_=2", "st=US-PA", "st=US-NJ"):
        await scene.ask(query)
    assert len(scene.sidecar.asked) == 2
    assert await scene.ask("st=US-NJ", path="/others") == (200, ["US-NJ"])
    assert len(scene.sidecar.asked) == 3
    scene.now += REUSE_S
    assert await scene.ask("st=US-NJ") == (200, ["US-NJ"])
    assert len(scene.sidecar.asked) == 4
    scene.homepage.use()
    await scene.ask("st=US-NJ")
    assert len(scene.sidecar.asked) == 5


async def test_just_before_a_change_nothing_is_used_again(scene):
    scene.sidecar.max_age = 0
    await scene.ask("st=US-NJ")
    await scene.ask("st=US-NJ")
    assert len(scene.sidecar.asked) == 2


async def test_who_asks_meanwhile_shares_the_question(scene):
    scene.sidecar.open.clear()
    asking = [asyncio.ensure_future(scene.ask("st=US-NJ")) for _ in range(20)]
    while not scene.sidecar.asked:
        await asyncio.sleep(0.01)
    asking[0].cancel()
    scene.sidecar.open.set()
    assert await asyncio.gather(*asking[1:]) == [(200, ["US-NJ"])] * 19
    assert len(scene.sidecar.asked) == 1


async def test_what_is_kept_is_bounded(scene):
    for number in range(1030):
        await scene.ask(f"st=US-NJ&u={number}")
    assert len(scene.homepage._kept) <= 1024


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (lambda: web.Response(status=503, text="nothing yet"), "the sidecar says 503: nothing yet"),
        (lambda: web.json_response({"slots": {}}), "slots.json has no slot 'hero'"),
        (lambda: web.json_response([]), "the sidecar does not answer"),
        (lambda: web.json_response({"slots": {"hero": {}}}), "the sidecar does not answer"),
        (lambda: web.json_response({"slots": {"hero": [1]}}), "the sidecar does not answer"),
        (lambda: web.Response(text="{", content_type="application/json"), "the sidecar does not answer"),
        (lambda: web.Response(text="hello"), "the sidecar does not answer"),
    ],
)
async def test_the_origin_answers_when_the_sidecar_has_no_answer(scene, caplog, says, why):
    caplog.set_level(logging.INFO)
    for _ in range(3):
        scene.sidecar.says = says()
        assert await scene.ask("st=US-NJ") is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"homepage/banners is answered by its origin, not with promos: {why}")
    assert await scene.ask("st=US-NJ") == (200, ["US-NJ"])
    assert caplog.messages[1:] == ["homepage/banners is answered with promos again"]
    scene.now += 1
    scene.sidecar.says = says()
    assert await scene.ask("st=US-NJ") is None
    assert len(caplog.messages) == 3


async def test_the_origin_answers_when_there_is_no_sidecar(scene, caplog):
    await scene.sidecar.stop()
    assert await scene.ask("st=US-NJ") is None
    assert await scene.ask("st=US-PA") is None
    with pytest.raises(links.LinkDown):
        await scene.link.demand([])
    assert await scene.ask("st=US-NJ") is None
    assert len(caplog.messages) == 1


async def test_the_origin_answers_when_the_sidecar_takes_too_long(scene, monkeypatch):
    monkeypatch.setattr(links, "PROMOS_TIMEOUT_S", 0.05)
    scene.sidecar.open.clear()
    async with asyncio.timeout(30):
        assert await scene.ask("st=US-NJ") is None
    assert scene.link.up
    scene.sidecar.open.set()
    assert await scene.ask("st=US-NJ") == (200, ["US-NJ"])
