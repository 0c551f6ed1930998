from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from holdover.config import Config, load_without_providers
from holdover.metrics import Metrics
from holdover.store.disk import DiskStore
from sidecar.promos.desk import PINNED
from sidecar.promos.kill import Kills
from sidecar.promos.remembered import remember
from sidecar.promos.service import PromoService
from tests.sidecar.promos.edits import GOOD

WHO = "jurisdiction=US-NJ&language=en&device=phone"


async def first_answer(folder: Path, config: Config) -> list[str]:
    """Of a sidecar that has not read the folder yet."""
    service = PromoService(config, DiskStore(folder / "store", 1 << 20), Metrics(), lambda _: _never())
    app = web.Application()
    app.add_routes(service.routes())
    async with TestClient(TestServer(app)) as client, client.get(f"/v1/promos?{WHO}") as answer:
        slots = (await answer.json())["slots"]
    return [promo["id"] for promos in slots.values() for promo in promos]


async def _never() -> bool:
    raise AssertionError


async def test_the_first_answer_after_a_start_is_what_was_live_without_what_was_killed(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "holdover.toml").write_text("")
    config = load_without_providers(tmp_path / "config")
    state = config.path(config.settings.promos.state)
    assert await first_answer(tmp_path, config) == []
    remember(state, GOOD)
    shown = await first_answer(tmp_path, config)
    assert {"top", "line"} <= {*shown}
    (state / PINNED).write_bytes(Kills(promos={"top": "it could be written nowhere"}).encoded())
    assert await first_answer(tmp_path, config) == [each for each in shown if each != "top"]
    (state / PINNED).write_bytes(b"{")
    assert await first_answer(tmp_path, config) == [], "what is not understood kills"
