"""The OpenAPI document of `/v1/promos`, and the JSON Schemas that it refers to: data of this package."""

import hashlib
from functools import cache
from importlib.resources import files

from aiohttp import web

from holdover.answer import etag_matches

SCHEMAS = ("promo", "slots", "audiences", "compliance", "kill")
_KEPT = "public, max-age=300"


def described() -> list[web.RouteDef]:
    return [
        web.get("/v1/promos/openapi.json", _openapi),
        web.get(f"/v1/promos/schema/{{name:{'|'.join(SCHEMAS)}}}.schema.json", _schema),
    ]


async def _openapi(request: web.Request) -> web.Response:
    return _answer(request, "openapi.json")


async def _schema(request: web.Request) -> web.Response:
    return _answer(request, f"schema/{request.match_info['name']}.schema.json")


@cache
def _data(path: str) -> tuple[bytes, str]:
    """With its tag."""
    data = (files(__package__) / path).read_bytes()
    return data, f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'


def _answer(request: web.Request, path: str) -> web.Response:
    data, tag = _data(path)
    headers = {"ETag": tag, "Cache-Control": _KEPT}
    if (told := request.headers.get("If-None-Match")) is not None and etag_matches(told, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type="application/json", headers=headers)
