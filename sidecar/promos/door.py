"""What every request for `/v1/promos` passes: what is not for everybody is for those who may write, and no page of
another site makes a browser ask; and what goes wrong is told as JSON."""

import json
import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from .access import Access, Denied

PREFIX = "/v1/promos"
OPEN = (f"{PREFIX}/images/", f"{PREFIX}/schema/")
PUBLIC = frozenset((PREFIX, f"{PREFIX}/events", f"{PREFIX}/openapi.json"))
"""What homepages and those who write them ask for, under whatever name they know the sidecar."""

WHO = web.RequestKey("who", str)
"""Of a request that passed: the name of who may write."""

_FIELDS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

logger = logging.getLogger("holdover.promos")


def door(access: Access) -> Middleware:
    @web.middleware
    async def passed(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != PREFIX and not request.path.startswith(f"{PREFIX}/"):
            return await handler(request)
        if (denied := _denied(access, request)) is not None:
            fields = {"WWW-Authenticate": "Bearer"} if denied.status == 401 else {}
            return told(denied.status, denied.sentence, **fields)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.content_type == "application/json":
                raise
            return _as_json(request, error)
        except web.RequestPayloadError:
            return told(400, "the body is not encoded as its headers say")
        except ConnectionError:
            raise
        except OSError as error:
            logger.warning("%s %r: %s", request.method, request.path, error)
            where = f"{error.filename}: " if error.filename else ""
            return told(503, f"{where}{error.strerror or error}; see to the disk, and try again")

    return passed


def _denied(access: Access, request: web.Request) -> Denied | None:
    """Why it is not for who asks; else the request knows who asks for what is not for everybody."""
    if request.path in PUBLIC or request.path.startswith(OPEN):
        # What will be shown some time is not for everybody yet.
        return access.foreign(request) if "at" in request.query else None
    if isinstance(who := access.who(request), Denied):
        return who
    request[WHO] = who
    return None


def brief(record: logging.LogRecord) -> bool:
    """For the log of the server: what clients send that is no HTTP, or break off, is a line and no traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
        record.msg, record.args, record.exc_info = "%s: %s", (record.getMessage(), type(error).__name__), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def bad(message: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"message": message}), content_type="application/json")


def told(status: int, message: str, **fields: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={**_FIELDS, **fields})


def _as_json(request: web.Request, error: web.HTTPException) -> web.Response:
    """aiohttp itself answers in plain text."""
    kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    if isinstance(error, web.HTTPMethodNotAllowed):
        return told(405, f"{request.path} is for {', '.join(sorted(error.allowed_methods))}", **kept)
    if request.match_info.http_exception is not None and isinstance(error, web.HTTPNotFound):
        return told(404, f"there is nothing at {request.path}; {PREFIX}/openapi.json tells what there is")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return told(413, "the body is too large")
    return told(error.status, (error.text or error.reason).strip(), **kept)
