"""Tells who waits that the promos were edited: the revision alone, and whoever cares asks again."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

HEARTBEAT_S = 15.0
"""Proxies between give up silent connections after a minute."""
MOST_STREAMS = 5_000
LONGEST_WAIT_S = 60.0
_WAIT = re.compile(r"\bwait\s*=\s*\"?([0-9]{1,6})", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class Changes:
    """For one event loop. Take `next` before looking at what may change: a change in between is then not missed."""

    next: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False
    streams: int = 0

    def tell(self) -> None:
        told, self.next = self.next, asyncio.Event()
        told.set()

    def stop(self) -> None:
        self.stopped = True
        self.tell()


def wait_of(prefer: str | None) -> float:
    """Seconds for which a client would rather wait than be told that nothing changed (RFC 7240 section 4.3)."""
    found = _WAIT.search(prefer or "")
    return min(float(found[1]), LONGEST_WAIT_S) if found else 0.0


async def changed(event: asyncio.Event, deadline: float) -> bool:
    """False when it is still as it was at `deadline` (`time.monotonic()`)."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            await event.wait()
    except TimeoutError:
        return False
    return True


type Told = tuple[str, int]
"""The revision, and a number that grows with each change for other reasons than edits."""


async def stream(request: web.Request, changes: Changes, state: Callable[[], Told]) -> web.StreamResponse:
    """Server-sent events, until the client goes or the sidecar stops: the revision at once and at each change."""
    if changes.streams >= MOST_STREAMS:
        raise web.HTTPServiceUnavailable(text='{"message": "too many streams"}', headers={"Retry-After": "10"})
    fields = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=fields)
    changes.streams += 1
    try:
        await response.prepare(request)
        with suppress(ConnectionResetError):
            await _told(response, changes, state)
    finally:
        changes.streams -= 1
    return response


async def _told(response: web.StreamResponse, changes: Changes, state: Callable[[], Told]) -> None:
    told: Told | None = None
    while not changes.stopped:
        event, now = changes.next, state()
        data = f"event: revision\nid: {now[0]}\ndata: {json.dumps({'revision': now[0]})}\n\n"
        await response.write(b":\n\n" if now == told else data.encode())
        told = now
        await changed(event, time.monotonic() + HEARTBEAT_S)
