"""Where good answers come from: made here, or asked of another provider."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Protocol

from .wire import Good

LINES = 200
_FRAMING = frozenset("content-length transfer-encoding connection keep-alive".split())


class Source(Protocol):
    async def answer(self, target: str, fields: Mapping[str, str]) -> Good:
        """To GET `target`; `fields` of the request by their lower-case names. Raises OSError."""
        ...


class Rising:
    """A board whose revision goes up every `tick_s`. It stands in the body twice, first and last, so that a cut or a
    mixture shows; `target` tells whose body it is."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._started = time.time()

    async def answer(self, target: str, fields: Mapping[str, str]) -> Good:  # noqa: ARG002
        now = time.time()
        revision = 1 + int((now - self._started) / self._tick_s)
        prices = [{"outcome": number, "price": 1 + (revision * number) % 997 / 100} for number in range(LINES)]
        body = {"revision": revision, "target": whose(target), "at": now, "prices": prices, "end": revision}
        told = ("X-Emulator-Revision", str(revision)), ("X-Emulator-Generated-At", f"{now:.3f}")
        return Good(200, (("Content-Type", "application/json"), *told), json.dumps(body).encode())


def whose(target: str) -> str:
    """The path and the regions: what tells answers apart here."""
    path, _, query = target.partition("?")
    return f"{path} {re.sub(r'^.*regions=|&.*$', '', query) if 'regions=' in query else ''}"


def sound(asked: str, told_revision: int, body: bytes) -> bool:
    """Whether a body is one that `Rising` made for this target, whole, and of the revision that its head told."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    match found:
        case {"revision": int(first), "target": str(target), "prices": [*prices], "end": int(last)}:
            return first == last == told_revision and target == whose(asked) and len(prices) == LINES
    return False


class Relay:
    """Another provider at `http://host:port`, asked anew for every answer."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)

    async def answer(self, target: str, fields: Mapping[str, str]) -> Good:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            kept = {name: fields[name] for name in ("host", "accept-encoding", "if-none-match") if name in fields}
            lines = [f"GET {target} HTTP/1.1", *(f"{n}: {v}" for n, v in kept.items()), "connection: close", "", ""]
            writer.write("\r\n".join(lines).encode("latin-1"))
            answer = await reader.read()
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *told = head.decode("latin-1").split("\r\n")
        named = [(name, value.strip()) for name, _, value in (line.partition(":") for line in told)]
        return Good(int(status.split()[1]), tuple(f for f in named if f[0].lower() not in _FRAMING), body)
