"""Failures played on a real connection."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import hdrs, web

from .control import Fault

GARBAGE = b'[{"id":"\xff\xfe", unfinished'
MAINTENANCE = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    b"<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"
)
DRIPS = 20
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


async def spoilt(request: web.Request, whole: web.Response, fault: Fault) -> web.StreamResponse:
    """The faults that befall an answer on its way; it is billed."""
    match fault.kind:
        case "truncate":
            return await truncated(request, whole)
        case "stall":
            return await stalled(request, whole)
        case "drip":
            return await dripped(request, whole, fault.seconds)
        case "cut":
            return await cut(request, whole)
        case "wrong_length":
            return await mismeasured(request, whole)
        case "truncate_gzip":
            return half_packed(whole)
        case _:
            return garbled(whole)


async def begun(
    request: web.Request, whole: web.Response, length: int | None = None
) -> tuple[web.StreamResponse, bytes]:
    """Sends the headers of a response, with the length of its body or another one."""
    body = whole.body
    assert isinstance(body, bytes)
    started = web.StreamResponse(status=whole.status, headers=whole.headers)
    started.content_length = len(body) if length is None else length
    await started.prepare(request)
    return started, body


async def truncated(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Announces the whole length, sends half of the body and closes the connection."""
    half, body = await begun(request, whole)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


async def stalled(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Sends the headers and nothing more."""
    started, _ = await begun(request, whole)
    await started.write(b"")
    await hang()
    return started


async def dripped(request: web.Request, whole: web.Response, seconds: float) -> web.StreamResponse:
    """Sends the whole body in small pieces over so many seconds."""
    started, body = await begun(request, whole)
    size = max(1, -(-len(body) // DRIPS))
    for first in range(0, len(body), size):
        await started.write(body[first : first + size])
        await asyncio.sleep(seconds / DRIPS)
    await started.write_eof()
    return started


async def cut(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Resets the connection half way through the body."""
    started, body = await begun(request, whole)
    await started.write(body[: len(body) // 2])
    reset(request)
    return started


async def mismeasured(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Announces half the length, sends the whole body and closes the connection."""
    body = whole.body
    assert isinstance(body, bytes)
    announced = len(body) // 2
    started, _ = await begun(request, whole, announced)
    await started.write(body[:announced])
    if request.transport is not None:
        request.transport.write(body[announced:])
        request.transport.close()
    return started


def half_packed(whole: web.Response) -> web.Response:
    """Half of the body, compressed or not, under its own length."""
    body = whole.body
    assert isinstance(body, bytes)
    return web.Response(status=whole.status, headers=without_length(whole), body=body[: len(body) // 2])


def garbled(whole: web.Response) -> web.Response:
    """The same status and headers around a body that is neither JSON nor UTF-8."""
    headers = {name: value for name, value in without_length(whole).items() if name != hdrs.CONTENT_ENCODING}
    return web.Response(status=whole.status, headers=headers, body=GARBAGE)


def maintenance() -> web.Response:
    """What a load balancer in front of the provider says while the provider is away, with the wrong status."""
    return web.Response(body=MAINTENANCE, headers={hdrs.CONTENT_TYPE: "text/html"})


def without_length(whole: web.Response) -> dict[str, str]:
    return {name: value for name, value in whole.headers.items() if name != hdrs.CONTENT_LENGTH}
