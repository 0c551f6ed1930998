import asyncio
import gc
import hashlib
import os
import time
from contextlib import AsyncExitStack, suppress

import pytest
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import ctx
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.tcp import TCPMessage
from mitmproxy.websocket import WebSocketMessage

from addons.ways_out import MOST
from scripts.rig import HOST
from tests.addons.inside import BIG, Line, foreign, inside, odds, until

both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
MB = 1 << 20


def test_mitmproxy_is_as_it_is_read_here():
    """What tells whether it stands between two requests."""
    for name in ("read_headers", "wait", "read_body", "passthrough"):
        assert callable(getattr(Http1Server, name))
    assert {"connections", "streams"} <= set(HttpLayer.__annotations__)


@both
async def test_a_large_body_is_passed_on(house, tls):
    house.vendor.read.clear()
    line = await house.dial(tls=tls)
    body = os.urandom(MB) * 24
    sending = asyncio.ensure_future(
        line.send(foreign("up", f"Content-Length: {len(body)}", method="POST", body=body))
    )
    await until(lambda: house.vendor.asked)
    await house.fill("a")
    assert (await (await house.dial()).ask(odds("a"))).way == "hit"
    house.vendor.read.set()
    reply = await line.reply()
    await sending
    assert reply.body.decode() == hashlib.sha256(body).hexdigest()
    assert (await line.ask(odds("a"))).way == "hit"


@both
async def test_a_large_answer_comes_down_as_fast_as_it_is_read(house, tls):
    await house.fill("a")
    line = await house.dial(tls=tls, limit=1024)
    size = 48 * MB
    await line.send(foreign(f"large={size}"))
    await asyncio.sleep(0.5)
    taken = house.vendor.taken
    assert taken < 24 * MB, "the rest waits for the client"
    other = await house.dial()
    assert (await other.ask(odds("a"))).way == "hit"
    reply = await line.reply()
    assert (len(reply.body), house.vendor.taken) == (size, size)
    assert (await line.ask(odds("a"))).way == "hit"


async def test_an_upload_in_chunks_is_passed_on(house):
    await house.fill("a")
    line = await house.dial()
    await line.send(foreign("chunks", "Transfer-Encoding: chunked", method="POST"))
    for number in range(5):
        await line.send(b"4\r\nab%d\r\n" % (10 + number) if number % 2 else b"3\r\nabc\r\n")
        await asyncio.sleep(0.01)
    await line.send(b"0\r\n\r\n" + odds("a"))
    assert (await line.reply()).status == 200
    assert (await line.reply()).way == "hit"


async def test_a_client_that_expects_to_be_told_to_go_on(house):
    line = await house.dial()
    await line.send(foreign("up", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    assert (await line.reply()).status == 100
    await line.send(b"12345")
    assert (await line.reply()).body.decode() == hashlib.sha256(b"12345").hexdigest()
    assert (await line.ask(odds("a"))).status == 200


@both
async def test_what_becomes_another_protocol_stays_it(house, tls):
    await house.fill("a")
    line = await house.dial(tls=tls)
    reply = await line.ask(foreign("upgrade", "Connection: Upgrade", "Upgrade: odd"))
    assert (reply.status, reply.fields["upgrade"]) == (101, "odd")
    house.change(idle_timeout_s=0.1, head_timeout_s=0.1)
    for text in (b"one", odds("a"), b"\x16\x03\x01", b"x" * 200_000):
        await line.send(text)
        assert await line.reader.readexactly(len(text)) == text.upper()
        await asyncio.sleep(0.3)
    await line.close()
    await until(lambda: not house.fast._connections)


async def test_of_what_becomes_another_protocol_nothing_is_kept(house):
    for other in ("odd", "websocket"):
        line = await house.dial()
        asked = foreign("upgrade", "Connection: Upgrade", f"Upgrade: {other}", "Sec-WebSocket-Version: 13")
        assert (await line.ask(asked)).status == 101
        for _ in range(20):
            await line.send(b"a" * 65_536)
            assert await line.reader.readexactly(65_536) == b"A" * 65_536
        assert sum(isinstance(each, TCPMessage | WebSocketMessage) for each in gc.get_objects()) <= 2
        await line.close()


async def test_in_a_tunnel_to_nobodys_provider_nothing_is_read(house):
    """mitmproxy would hold a head without end, and all that is sent ahead."""
    line = await house.dial(role="regular")
    authority = f"127.0.0.1:{house.vendor.port}"
    assert (await line.ask(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())).status == 200
    await line.send(b"GET /foreign/1 HTTP/1.1\r\nA: " + b"a" * 100_000)
    await asyncio.sleep(0.2)
    assert max((len(each) for each in gc.get_objects() if isinstance(each, ReceiveBuffer)), default=0) < 1000
    await line.send(b"\r\n\r\n")
    assert b"/foreign/1" in (await line.reply()).body


async def test_what_nobody_can_be_given_yet_is_limited_in_sum(house):
    """mitmproxy takes in what comes while it waits for the whole of a TLS hello, or for a server that is called."""
    house.change(max_bodies_bytes=MB)
    line = await house.dial(role="regular")
    authority = f"127.0.0.1:{house.vendor.port}"
    assert (await line.ask(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())).status == 200
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(0x4000 - 4)
    with suppress(ConnectionError):
        for _ in range(128):
            await line.send(record)
            record = b"\x16\x03\x01\x40\x00" + bytes(0x4000)
    assert await line.rest() == b""
    assert house.closed("max_bodies") == 1
    await until(lambda: not house.fast._connections)
    assert house.fast.bodies.total == 0


async def test_servers_of_one_client_are_let_go(tmp_path, ca_folder):
    """Each request through the explicit proxy may be for another one, and open a file for it."""
    any_host = "workers = 1\nforeign = 'any'"
    async with inside(tmp_path, ca_folder, proxy=any_host) as house, AsyncExitStack() as ends:
        line = await house.dial(role="regular")
        for number in range(3 * MOST):
            server = await asyncio.start_server(house.vendor.serve, "127.0.0.1", 0)
            await ends.enter_async_context(server)
            there = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            data = f"GET http://{there}/foreign/{number} HTTP/1.1\r\nHost: {there}\r\n\r\n"
            assert f"/foreign/{number}".encode() in (await line.ask(data.encode())).body
        [handler] = ctx.master.addons.get("proxyserver").connections.values()
        [http] = [each for each in handler.layer.context.layers if isinstance(each, HttpLayer)]
        assert max(len(handler.transports), len(http.connections)) <= MOST + 3
        assert len(handler.max_conns) <= MOST + 1
        await line.close()


async def test_a_head_without_end_is_given_up(house):
    line = await house.dial()
    reply = await line.ask(foreign("endless"))
    assert (reply.status, house.vendor.taken < 16 * MB) == (502, True)
    await until(lambda: not house.vendor.connections)


async def test_a_tunnel_goes_where_the_client_wants(house):
    line = await house.dial(role="regular")
    authority = f"127.0.0.1:{house.vendor.port}"
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    assert (await line.ask(head)).status == 200
    for number in range(3):
        assert f"/foreign/{number}".encode() in (await line.ask(foreign(str(number)))).body
    house.change(idle_timeout_s=0.1, head_timeout_s=0.1)
    await asyncio.sleep(0.4)
    assert (await line.ask(foreign("4"))).status == 200


async def test_an_explicit_proxy_answers_requests_in_absolute_form(house):
    line = await house.dial(role="regular")
    data = odds("a").replace(b"GET /", f"GET http://{HOST}/".encode(), 1)
    assert [(await line.ask(data)).way for _ in range(3)] == ["fwd=uri-miss", "hit", "hit"]
    other = (
        f"GET http://127.0.0.1:{house.vendor.port}/foreign/1 HTTP/1.1\r\nHost: 127.0.0.1:{house.vendor.port}\r\n\r\n"
    )
    assert b"/foreign/1" in (await line.ask(other.encode())).body
    assert (await line.ask(data)).way == "hit"


async def test_an_answer_of_mitmproxys_own_to_what_is_no_request(house):
    both_lengths = foreign("1", "Content-Length: 1", "Transfer-Encoding: chunked")
    for data in (both_lengths, b"GET\r\n\r\n", odds("a").replace(b"Host:", b"Host :")):
        line = await house.dial()
        await line.send(data)
        assert (await line.rest()).startswith(b"HTTP/1.1 400 ")
        line = await house.dial()
        await line.send(data + odds("a"))
        assert b"HTTP/1.1 200 " not in await line.rest(), "what is behind it may be its body"
    await until(lambda: not house.fast._connections)


async def test_the_last_request_in_mitmproxys_hands_ends_the_connection(house):
    line = await house.dial()
    assert (await line.ask(foreign("1", "Connection: close"))).status == 200
    assert await line.rest() == b""
    await until(lambda: not house.fast._connections)


async def test_a_client_that_goes_while_mitmproxy_works(house):
    house.vendor.open.clear()
    line = await house.dial()
    await line.send(foreign("slow"))
    await until(lambda: house.vendor.asked)
    await line.close()
    await until(lambda: not house.fast._connections)
    house.vendor.open.set()
    manager = house.fast._manager
    await until(lambda: not manager.connections)


async def test_mitmproxy_does_not_give_up_a_connection_that_the_lane_answers_on(house):
    await house.fill("a")
    line = await house.dial()
    assert (await line.ask(foreign("1"))).status == 200
    [handler] = house.fast._manager.connections.values()
    handler.timeout_watchdog.last_activity -= 10_000
    for _ in range(3):
        assert (await line.ask(odds("a"))).way == "hit"
        await asyncio.sleep(0.1)
    assert time.time() - handler.timeout_watchdog.last_activity < 60


async def test_the_body_of_an_answer_that_nobody_reads_holds_up_nobody(house):
    await house.fill("a", "big")
    line: Line = await house.dial(limit=1024)
    await line.send(foreign(f"large={64 * MB}") + odds("big"))
    other = await house.dial()
    for _ in range(20):
        assert (await other.ask(odds("a"))).way == "hit"
    reply = await line.reply()
    assert len(reply.body) == 64 * MB
    assert (await line.reply()).body == BIG


async def test_what_mitmproxy_has_not_read_yet_is_in_its_hands(house):
    await house.fill("a")
    line = await house.dial()
    assert (await line.ask(foreign("1"))).status == 200
    [connection] = [each for each in house.fast._connections if each._protocol is not None]
    # Both in one turn of the loop, in which mitmproxy has none.
    connection._received(foreign("2"))
    connection._received(odds("a"))
    assert [mark in (await line.reply()).body for mark in (b"/foreign/2", b"/a/")] == [True, True]


@both
async def test_a_body_that_is_too_large_for_mitmproxy_ends_the_connection(house, tls):
    ctx.options.body_size_limit = "1m"
    line = await house.dial(tls=tls)
    await line.send(foreign("large", "Transfer-Encoding: chunked", method="POST"))
    with suppress(ConnectionError):
        for _ in range(20):
            await line.send(b"100000\r\n" + bytes(MB) + b"\r\n")
    with suppress(ConnectionError):
        assert (await line.reply()).status == 413
    await line.close()
    await until(lambda: not house.fast._connections)
