from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from holdover.settings import PromoSettings
from sidecar.promos.access import COOKIE, Access, Denied
from sidecar.promos.door import door
from sidecar.promos.tokens import new_token, remove_token

PROXY: dict[str, Any] = {"user_header": "X-User", "trusted_proxies": ["127.0.0.0/8"]}


def app_of(access: Access) -> web.Application:
    """Tells who writes."""

    async def who(request: web.Request) -> web.Response:
        told = access.who(request)
        return web.Response(status=told.status) if isinstance(told, Denied) else web.Response(text=told)

    async def full(_: web.Request) -> web.Response:
        raise OSError(28, "No space left on device", "history")

    app = web.Application(middlewares=[door(access)])
    app.add_routes([web.get("/who", who), web.get("/v1/promos/full", full)])
    return app


def access_of(state: Path, **settings: Any) -> Access:
    return Access(PromoSettings(**settings), "127.0.0.1:9102", state)


@pytest.mark.parametrize("ended", ["removed", "replaced"])
async def test_a_session_ends_with_the_token_that_began_it(tmp_path: Path, ended: str):
    access = access_of(tmp_path)
    cookie = access.login(new_token(tmp_path, "ops-1"))
    assert cookie is not None
    new_token(tmp_path, "ops-2")
    async with TestClient(TestServer(app_of(access)), cookies={COOKIE: cookie}) as client:
        assert await (await client.get("/who")).text() == "ops-1"
        if ended == "removed":
            remove_token(tmp_path, "ops-1")
        else:
            new_token(tmp_path, "ops-1")
        assert (await client.get("/who")).status == 401


async def test_a_name_from_a_proxy_is_one_that_can_be_shown(tmp_path: Path):
    async with TestClient(TestServer(app_of(access_of(tmp_path, **PROXY)))) as client:
        for told, name in (("ops-1", "ops-1"), ("o\u202eps", "o?ps")):
            assert await (await client.get("/who", headers={"X-User": told})).text() == name
        assert (await client.get("/who", headers=[("X-User", "ops-1"), ("X-User", "ops-2")])).status == 401
        assert (await client.get("/who")).status == 401


async def test_what_the_disk_does_not_let_be_done_is_told(tmp_path: Path):
    async with TestClient(TestServer(app_of(access_of(tmp_path)))) as client:
        answer = await client.get("/v1/promos/full")
        assert answer.status == 503
        assert (await answer.json())["message"] == "history: No space left on device; see to the disk, and try again"
