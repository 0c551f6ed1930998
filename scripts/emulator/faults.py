"""Failures played on a real connection."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

GARBAGE = b'[{"id":"\xff\xfe", unfinished'
# SO_LINGER with a time of 0 makes close() send RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)


async def hang() -> None:
    """Waits until the handler is cancelled, which happens when the client leaves or the server stops."""
    await asyncio.Event().wait()


def reset(request: web.Request) -> web.Response:
    """Resets the connection; the response that aiohttp asks for has nowhere to go."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    return web.Response(status=500)


async def truncated(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Announces the whole length, sends half of the body and closes the connection."""
    body = whole.body
    assert isinstance(body, bytes)
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def garbled(whole: web.Response) -> web.Response:
    """The same status and headers around a body that is neither JSON nor UTF-8."""
    headers = {
        name: value for name, value in whole.headers.items() if name not in ("Content-Encoding", "Content-Length")
    }
    return web.Response(status=whole.status, headers=headers, body=GARBAGE)
