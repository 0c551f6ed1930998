"""Homepage servers that listen for changes of promos, as a process of their own: says when the last of them knows.

python -m scripts.benchmarks.promos_listeners PORT COUNT   (a line per event: its id, and the monotonic time at which
the first and the last of the listeners had it)
"""

import asyncio
import re
import sys
import time
from collections import Counter

_EVENT = re.compile(rb"\nid: ([^\n]+)\ndata: [^\n]+\n\n")


class Listeners:
    """Counts which event has come how often."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._told = Counter[str]()
        self._first: dict[str, float] = {}

    def note(self, event: str, at: float) -> None:
        self._told[event] += 1
        first = self._first.setdefault(event, at)
        if self._told[event] == self._count:
            print(event, first, at, flush=True)


class Listener(asyncio.Protocol):
    """One connection. The sidecar must not close it."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"GET /v1/promos/events?instance=bench HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        self._data += data
        while found := _EVENT.search(self._data):
            self._data = self._data[found.end() :]
            self._listeners.note(found[1].decode(), at)

    def connection_lost(self, _: Exception | None) -> None:
        sys.exit("a stream was closed")


async def listen(port: int, count: int) -> None:
    """For ever."""
    listeners = Listeners(count)
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.create_connection(lambda: Listener(listeners), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(listen(*map(int, sys.argv[1:])))
