"""aiohttp's side of a connection to a provider, telling also within a body that what comes is no HTTP."""

import asyncio
from functools import partial

from aiohttp import TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import _EXC_SENTINEL


class Outspoken(ResponseHandler):
    """aiohttp tells of malformed HTTP only who waits for a head; who reads a body would wait until his time is up."""

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _EXC_SENTINEL) -> None:
        super().set_exception(exc, exc_cause)
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc, exc_cause)


def speaking[C: TCPConnector](protocol: type[Outspoken], connector: C) -> C:
    """The connector, making connections of this kind. Call it inside the event loop that uses them."""
    connector._factory = partial(protocol, asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001
    return connector
