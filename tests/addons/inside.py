"""A whole proxy inside the test's own event loop, with a provider beside it: what it holds can be looked at, and
changed. There is no sidecar; the proxy fetches itself."""

import asyncio
import hashlib
import os
import shutil
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitmproxy import options
from mitmproxy.addons import core, next_layer, tlsconfig
from mitmproxy.master import Master

from addons.doors import Doors
from addons.fast_lane import FastLane
from addons.odds_cache import OddsCache
from addons.reach import Reach
from addons.runner import prepare
from holdover import config as configuration
from scripts.rig import CREDENTIAL, HOST, write_house

BIG = b"[" + b"1234567," * 53_000 + b"0]"
"""424 KB of JSON."""


def wire(target: str, *fields: str, method: str = "GET", host: str = HOST, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode() + body


def odds(sport: str, *fields: str, method: str = "GET") -> bytes:
    """A request that the cache answers."""
    return wire(f"/v4/sports/{sport}/odds?regions=us", *fields, method=method)


def foreign(mark: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request that the cache leaves to the provider."""
    return wire(f"/foreign/{mark}", *fields, method=method, body=body)


@dataclass
class Reply:
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def way(self) -> str:
        """`hit`, `fwd=uri-miss` and the like; empty when the provider answered itself."""
        return self.fields.get("cache-status", "").removeprefix("holdover; ").partition(";")[0]


class Line:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, *, head: bool = False) -> Reply:
        """The next answer; `head` to a HEAD."""
        async with asyncio.timeout(30):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            status = int(lines[0].split(" ")[1])
            fields = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:] if x)}
            body = b""
            if "chunked" in fields.get("transfer-encoding", ""):
                while size := int(await self.reader.readline(), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readline()
            elif not head and status not in (100, 101, 304):
                body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        return Reply(status, fields, body)

    async def ask(self, data: bytes, *, head: bool = False) -> Reply:
        await self.send(data)
        return await self.reply(head=head)

    async def rest(self) -> bytes:
        """What comes until the connection ends, in whatever way."""
        got = b""
        try:
            async with asyncio.timeout(30):
                while part := await self.reader.read(65_536):
                    got += part
        except (ConnectionError, ssl.SSLError):
            pass
        return got

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    def break_off(self) -> None:
        """As who does not even read on."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Vendor:
    """A provider. Every answer with odds names the sport and a number; it waits until `open` is set."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    read: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self._one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.connections -= 1

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.asked.append(f"{method} {target}")
        fields = dict(x.lower().split(": ", 1) for x in head.split("\r\n")[1:] if x)
        body = await self._taken(reader, fields)
        if "/odds" in target or "/slow" in target:
            await self.open.wait()
        if target.startswith("/foreign/upgrade"):
            await self._other(reader, writer, fields["upgrade"])
        elif target.startswith("/foreign/endless"):
            await self._endless(writer)
        elif target.startswith("/foreign/large"):
            await self._large(writer, int(target.rpartition("=")[2]))
        else:
            self._answer(writer, method, target, body)
            await writer.drain()

    async def _taken(self, reader: asyncio.StreamReader, fields: dict[str, str]) -> str:
        """The SHA-256 of the request's body."""
        sha, size = hashlib.sha256(), int(fields.get("content-length", 0))
        if size:
            await self.read.wait()
        while size:
            part = await reader.read(min(size, 65_536))
            if not part:
                raise ConnectionError
            size -= len(part)
            sha.update(part)
        if "transfer-encoding" in fields:
            while chunk := int(await reader.readline(), 16):
                sha.update((await reader.readexactly(chunk + 2))[:-2])
            await reader.readline()
        return sha.hexdigest()

    def _answer(self, writer: asyncio.StreamWriter, method: str, target: str, taken: str) -> None:
        body = f'["{target}", {len(self.asked)}]'.encode()
        if "/big/" in target:
            body = BIG
        if method == "POST":
            body = taken.encode()
        kind = "application/json" if "/odds" in target else "text/plain"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        writer.write(b"" if method == "HEAD" else body)

    async def _other(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        """Another protocol, that gives everything back in capital letters."""
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {name}\r\n\r\n".encode())
        while data := await reader.read(65_536):
            writer.write(data.upper())
            await writer.drain()
        raise ConnectionError

    async def _endless(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1_000):
            writer.write(b"A: %b\r\n" % (b"a" * 65_530))
            await writer.drain()
            self.taken += 65_536

    async def _large(self, writer: asyncio.StreamWriter, size: int) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 65_536):
            writer.write(bytes(65_536))
            await writer.drain()
            self.taken += 65_536


@dataclass
class Inside:
    """`ports`: of the reverse, the explicit and the SOCKS proxy."""

    vendor: Vendor
    addon: OddsCache
    ports: dict[str, int]
    ca: Path
    lines: list[Line] = field(default_factory=list)

    @property
    def fast(self) -> FastLane:
        assert self.addon.fast is not None
        return self.addon.fast

    def change(self, **settings: Any) -> None:
        """Other limits of the lane, from now on."""
        self.fast.settings = self.fast.settings.model_copy(update=settings)

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    async def dial(self, *, tls: bool = False, role: str = "reverse", limit: int = 1 << 20) -> Line:
        named: dict[str, Any] = {"ssl": self.trusting, "server_hostname": HOST} if tls else {}
        line = Line(*await asyncio.open_connection("127.0.0.1", self.ports[role], limit=limit, **named))
        self.lines.append(line)
        return line

    def raw(self, buffer: int = 0) -> socket.socket:
        """A connection without asyncio; `buffer` is what the system takes in for it."""
        sock = socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    async def connected(self, buffer: int = 0) -> socket.socket:
        sock = self.raw(buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.ports["reverse"]))
        return sock

    async def fill(self, *sports: str) -> None:
        """Has these answered from the cache from now on."""
        line = await self.dial()
        for sport in sports:
            assert (await line.ask(odds(sport))).status == 200
        await line.close()

    def ways(self) -> dict[str, float]:
        """How requests went since the start."""
        self.fast.lane.flush()
        [family] = [f for f in self.addon._metrics.registry.collect() if f.name == "holdover_lane_requests"]
        return {s.labels["way"]: s.value for s in family.samples if s.name.endswith("_total") and s.value}

    def value(self, name: str, **labels: str) -> float:
        return self.addon._metrics.registry.get_sample_value(f"holdover_{name}", labels) or 0.0

    def closed(self, reason: str) -> float:
        return self.value("lane_connections_closed_total", reason=reason)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def inside(folder: Path, ca: Path, lane: str = "observe = 0", **settings: object) -> AsyncIterator[Inside]:
    """`ca`: a folder with an authority, which takes long to make."""
    shutil.copytree(ca, folder / "var" / "ca")
    vendor = Vendor()
    vendor.open.set()
    vendor.read.set()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, limit=1 << 17)
    vendor.port = server.sockets[0].getsockname()[1]
    chosen: dict[str, Any] = {
        "window_s": 3600,
        "max_stale_s": 7200,
        "rate_per_s": 10_000,
        "burst": 10_000,
        **settings,
    }
    written = write_house(folder, f"http://127.0.0.1:{vendor.port}", f"[lane]\n{lane}\n", **chosen)
    config = configuration.load(written.config, {**os.environ, "RIG_CREDENTIAL": CREDENTIAL})
    prepared = prepare(config)
    master = Master(options.Options(confdir=str(config.ca_folder)))
    socks = socket.create_server(("127.0.0.1", 0))
    written.ports["socks5"] = socks.getsockname()[1]
    addon = OddsCache(config, doors=[*prepared.sockets, ("socks5", socks)], certificates=prepared.certificates)
    addon.reach = Reach(config)
    doors = Doors(addon.reach)
    master.addons.add(core.Core(), addon, doors, next_layer.NextLayer(), tlsconfig.TlsConfig())
    modes = [f"reverse:http://no-provider.invalid@127.0.0.1:{written.ports['reverse']}"]
    modes += [f"regular@127.0.0.1:{written.ports['regular']}"]
    master.options.update(
        mode=modes, server=False, connection_strategy="lazy", keep_host_header=True, websocket=False
    )
    running: Awaitable[None] = asyncio.ensure_future(master.run())
    try:
        await until(lambda: addon.fast is not None and len(addon.fast._listeners) == 3)
        house = Inside(vendor, addon, written.ports, written.ca)
        # It waits for another thread, which the test is not.
        addon._metrics.registry.add_up = lambda: None
        yield house
        for line in house.lines:
            await line.close()
    finally:
        master.shutdown()
        await running
        assert addon.closed is not None
        await addon.closed
        server.close()
        await asyncio.sleep(0.01)
