"""What every request for `/v1/promos` passes: pages of other sites read nothing that is not for everybody, and what
goes wrong is told as JSON."""

import logging
import re

from aiohttp import ClientPayloadError, web
from aiohttp.typedefs import Handler, Middleware

from .access import Access

PREFIX = "/v1/promos"
PUBLIC = frozenset((PREFIX, f"{PREFIX}/events", f"{PREFIX}/openapi.json"))
"""What homepages and those who write them ask for, under whatever name they know the sidecar."""
_SURROGATE = re.compile("[\ud800-\udfff]")

logger = logging.getLogger("holdover.promos")


def door(access: Access) -> Middleware:
    @web.middleware
    async def passed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != PREFIX and not request.path.startswith(f"{PREFIX}/"):
            return await handler(request)
        # The parser keeps bytes that are no UTF-8 so; nothing later expects them.
        if _SURROGATE.search(request.raw_path):
            return told(400, "the address holds bytes that are no UTF-8; percent-encode it")
        if request.path not in PUBLIC and (foreign := access.foreign(request)):
            return told(foreign.status, foreign.sentence)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.content_type == "application/json":
                raise
            return _as_json(request, error)
        except ClientPayloadError as error:
            return told(400, f"the body is not what its headers say: {error}")
        except ConnectionError:
            raise
        except OSError as error:
            logger.warning("%s %r: %s", request.method, request.path, error)
            where = f"{error.filename}: " if error.filename else ""
            return told(503, f"{where}{error.strerror or error}; see to the disk, and try again")

    return passed


def told(status: int, message: str, **fields: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"Cache-Control": "no-store", **fields})


def _as_json(request: web.Request, error: web.HTTPException) -> web.Response:
    """aiohttp itself answers in plain text."""
    kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    if isinstance(error, web.HTTPMethodNotAllowed):
        return told(405, f"{request.path} is for {', '.join(sorted(error.allowed_methods))}", **kept)
    if isinstance(error, web.HTTPNotFound):
        return told(404, f"there is nothing at {request.path}; {PREFIX}/openapi.json tells what there is")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return told(413, "the body is too large")
    return told(error.status, error.text or error.reason, **kept)
