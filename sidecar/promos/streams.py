"""Tells who waits that the promos were edited: the revision alone, and whoever cares asks again."""

import asyncio
import json
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

HEARTBEAT_S = 15.0
"""Proxies between give up silent connections after a minute."""
MOST_STREAMS = 5_000
MOST_POLLS = 5_000
LONGEST_WAIT_S = 60.0
_WAIT = re.compile(r"\bwait\s*=\s*\"?([0-9]{1,6})", re.ASCII | re.IGNORECASE)


@dataclass(slots=True, eq=False)
class Stream:
    """One client that listens. `instance`: which homepage server it says it is. `told` and `fetched`: the last event
    that was written to it, and that it asked for anew since. `gone`: whether its connection has ended, which is
    noticed otherwise at the next write alone."""

    number: int
    instance: str
    told: str = ""
    fetched: str = ""
    gone: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Spread:
    """How far the last event is: numbers of the streams that it has not reached, and since when it has reached all.
    Times are Unix seconds."""

    event: str = ""
    noticed_at: float = 0.0
    untold: set[int] = field(default_factory=set)
    unfetched: set[int] = field(default_factory=set)
    told_at: float | None = None
    fetched_at: float | None = None


@dataclass(slots=True)
class Changes:
    """For one event loop. Take `next` before looking at what may change: a change in between is then not missed.
    `observe` is called with the seconds from noticing an edit until the last stream was told."""

    observe: Callable[[float], None] = lambda _: None
    next: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False
    streams: dict[int, Stream] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread)

    def tell(self, event: str, noticed_at: float) -> None:
        """`event` names what is shown now; it is another one for every change."""
        self.spread = Spread(event, noticed_at, set(self.streams), set(self.streams))
        self._advance()
        self._wake()

    def stop(self) -> None:
        self.stopped = True
        self._wake()

    def _wake(self) -> None:
        told, self.next = self.next, asyncio.Event()
        told.set()

    def open(self, instance: str, gone: Callable[[], bool] = lambda: False) -> Stream:
        # Nobody can tell for another client that it has asked again.
        number = secrets.randbelow(10**15)
        stream = self.streams[number] = Stream(number, instance, gone=gone)
        return stream

    def close(self, stream: Stream) -> None:
        del self.streams[stream.number]
        self.spread.untold.discard(stream.number)
        self.spread.unfetched.discard(stream.number)
        self._advance()

    def told(self, stream: Stream, event: str) -> None:
        stream.told = event
        if event == self.spread.event:
            self.spread.untold.discard(stream.number)
            self._advance()

    def fetched(self, number: int, event: str) -> None:
        """A client that was told has asked again; `number` is that of its stream."""
        if (stream := self.streams.get(number)) is not None:
            stream.fetched = event
            if event == self.spread.event:
                self.spread.unfetched.discard(number)
                self._advance()

    def _advance(self) -> None:
        spread, now = self.spread, time.time()
        if not spread.event:
            return
        if spread.told_at is None and not spread.untold:
            spread.told_at = now
            self.observe(max(0.0, now - spread.noticed_at))
        if spread.fetched_at is None and not spread.unfetched:
            spread.fetched_at = now

    def facts(self) -> Mapping[str, Any]:
        """Whom the last change has reached. `told`: it was written to the connection; `fetched`: the client has asked
        again, and says so by naming its stream."""
        instances: dict[str, dict[str, int]] = defaultdict(lambda: {"streams": 0, "told": 0, "fetched": 0})
        for stream in self.streams.values():
            if stream.gone():
                self.spread.untold.discard(stream.number)
                self.spread.unfetched.discard(stream.number)
                continue
            counted = instances[stream.instance]
            counted["streams"] += 1
            counted["told"] += stream.told == self.spread.event
            counted["fetched"] += stream.fetched == self.spread.event
        self._advance()
        spread = self.spread
        return {
            "event": spread.event,
            "noticed_at": spread.noticed_at or None,
            "streams": sum(each["streams"] for each in instances.values()),
            "told": sum(each["told"] for each in instances.values()),
            "all_told_at": spread.told_at,
            "fetched": sum(each["fetched"] for each in instances.values()),
            "all_fetched_at": spread.fetched_at,
            "instances": dict(sorted(instances.items())),
        }


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


async def serve(request: web.Request, changes: Changes, now: Callable[[], tuple[str, str]]) -> web.StreamResponse:
    """Server-sent events, until the client goes or the sidecar stops: event and revision at once, and each later
    one. `now` tells both."""
    if len(changes.streams) >= MOST_STREAMS:
        raise web.HTTPServiceUnavailable(
            text='{"message": "too many streams; ask again in 10 seconds"}',
            content_type="application/json",
            headers={"Retry-After": "10"},
        )
    fields = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=fields)
    # It is shown in terminals.
    instance = "".join(filter(str.isprintable, request.query.get("instance", "")))

    def gone() -> bool:
        return request.transport is None or request.transport.is_closing()

    stream = changes.open(instance[:100], gone)
    try:
        await response.prepare(request)
        with suppress(ConnectionResetError):
            await _write(response, stream, changes, now)
    finally:
        changes.close(stream)
    return response


async def _write(
    response: web.StreamResponse, stream: Stream, changes: Changes, now: Callable[[], tuple[str, str]]
) -> None:
    told = ""
    while not changes.stopped:
        waiting, (event, revision) = changes.next, now()
        data = json.dumps({"revision": revision, "stream": stream.number})
        fresh = event != told or not told
        await response.write(f"event: revision\nid: {event}\ndata: {data}\n\n".encode() if fresh else b":\n\n")
        told = event
        changes.told(stream, event)
        await changed(waiting, time.monotonic() + HEARTBEAT_S)
