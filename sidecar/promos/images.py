"""`GET /v1/promos/images/…`: the images of promos, out of their folder."""

import asyncio
import hashlib
import os
from pathlib import Path

from aiohttp import web

from holdover.answer import etag_matches

from .access import Access, Denied
from .api import Promotions

KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
}
MOST_BYTES = 16_777_216
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Opened by itself, an SVG is a document, and what is in it would run.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, max-age=60",
}


def image_routes(promotions: Promotions, folder: Path, access: Access) -> list[web.RouteDef]:
    """Those that no live promo names are for those who may write: a draft may name them."""

    async def image(request: web.Request) -> web.Response:
        name = request.match_info["path"]
        live = any(promo.image is not None and promo.image.src == name for promo in promotions.live.promos)
        if not live and isinstance(access.who(request), Denied):
            raise _missing(name)
        body = await asyncio.to_thread(read, folder, name)
        kind = KINDS.get(Path(name).suffix.lower())
        if body is None or kind is None:
            raise _missing(name)
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers = {**_HEADERS, "ETag": tag}
        if (told := request.headers.get("If-None-Match")) is not None and etag_matches(told, tag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers={**headers, "Content-Type": kind})

    return [web.get("/v1/promos/images/{path:.+}", image)]


def read(folder: Path, name: str) -> bytes | None:
    """A file inside of the folder, wherever links lead; None for what is none, or larger than MOST_BYTES."""
    root = Path(os.path.realpath(folder))
    try:
        path = Path(os.path.realpath(root / name))
        # Opening a pipe waits for a writer.
        if not path.is_relative_to(root) or not path.is_file():
            return None
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        return None  # ValueError: a NUL in the name
    return body if len(body) <= MOST_BYTES else None


def _missing(name: str) -> web.HTTPNotFound:
    text = f"No live promo shows an image {name!r} that lies in the folder of promos; see /v1/promos/status.\n"
    return web.HTTPNotFound(text=text, headers={"X-Content-Type-Options": "nosniff"})
