"""HTTP responses from documents and answers."""

from __future__ import annotations

from aiohttp import hdrs, web

from .answers import Answer
from .errors import RefusedError
from .render import dumps
from .trace import Scene

JSON = "application/json; charset=utf-8"


def plain(document: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=dumps(document), headers={"Content-Type": JSON, **(headers or {})})


def refused(refusal: RefusedError, headers: dict[str, str] | None = None) -> web.Response:
    return plain(refusal.document(), refusal.status, headers)


def encoded(answer: Answer, headers: dict[str, str], accepted: str) -> web.Response:
    """The answer in the encoding that an Accept-Encoding header allows; without the header not compressed."""
    if not accepts_gzip(accepted):
        return web.Response(body=answer.body, headers=headers)
    return web.Response(body=answer.compressed, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})


def as_recorded(scene: Scene, quota: dict[str, str], accepted: str) -> web.Response:
    """What a trace says, with the quota as it is now unless the trace says that too."""
    headers = {"Content-Type": JSON, "Vary": "Accept-Encoding", **quota, **scene.headers}
    response = encoded(Answer(scene.body, 0), headers, accepted)
    response.set_status(scene.status)
    return response


def accepts_gzip(header: str) -> bool:
    """Whether the header names gzip, or else anything, with a weight above 0."""
    weights = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = weight(parameter)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def weight(parameter: str) -> float:
    """The value of `q=0.5`; 1 when absent, 0 when it is no number."""
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
