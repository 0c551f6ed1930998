import asyncio
import os
import resource
import socket
import ssl
import struct
import time
from contextlib import suppress
from typing import Any

import pytest

from addons.connection import LINGER_S
from addons.termination import PIECE
from holdover.lane import OFTEN
from holdover.lease import Lease
from holdover.standin import StandIn
from scripts.rig import HOST
from tests.addons.inside import BIG, Line, foreign, odds, until, wire

both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


def reset(sock: socket.socket) -> None:
    """Ends a connection without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def ended(line: Line) -> bytes:
    """What comes until the connection ends, which it does without the client's doing."""
    async with asyncio.timeout(30):
        return await line.rest()


# In order.


@both
async def test_hits_misses_and_others_each_go_their_way(house, tls):
    line = await house.dial(tls=tls)
    assert (await line.ask(odds("a"))).way == "fwd=uri-miss"
    assert (await line.ask(odds("a"))).way == "hit"
    assert (await line.ask(foreign("1"))).body.startswith(b'["/foreign/1"')
    assert (await line.ask(odds("a"))).way == "hit"
    assert (await line.ask(odds("a", method="HEAD"), head=True)).way == "hit"
    assert [len(house.vendor.asked), house.vendor.asked[1]] == [2, "GET /foreign/1"]
    assert house.ways() == {"hit": 3, "waited": 1, "passed": 1}
    handshakes = house.value("lane_tls_handshakes_total", how="full")
    assert handshakes == tls


@both
async def test_what_comes_in_one_piece_is_answered_in_its_order(house, tls):
    await house.fill("a", "b")
    line = await house.dial(tls=tls)
    sports = ["a", "new", "b", "newer", "a"]
    await line.send(b"".join(odds(sport) for sport in sports) + foreign("1") + odds("a") + foreign("2") + odds("b"))
    replies = [await line.reply() for _ in range(9)]
    named = [*sports, "foreign/1", "a", "foreign/2", "b"]
    assert [f"/{name}".encode() in reply.body for name, reply in zip(named, replies, strict=True)] == [True] * 9
    assert [r.way for r in replies[:5]] == ["hit", "fwd=uri-miss", "hit", "fwd=uri-miss", "hit"]
    assert (await line.ask(odds("a"))).way == "hit"


@both
async def test_a_hit_behind_a_miss_waits_for_it(house, tls):
    await house.fill("a")
    house.vendor.open.clear()
    line = await house.dial(tls=tls)
    await line.send(odds("new"))
    await until(lambda: len(house.vendor.asked) == 2)
    await line.send(odds("a"))
    await line.send(foreign("1"))
    assert (await (await house.dial()).ask(odds("a"))).way == "hit", "others do not wait"
    house.vendor.open.set()
    assert [b"/new/" in (await line.reply()).body, b"/a/" in (await line.reply()).body] == [True, True]
    assert b"/foreign/1" in (await line.reply()).body


async def test_hundreds_of_requests_in_one_piece(house):
    await house.fill("a")
    line = await house.dial()
    kinds = [odds("a"), odds("a", "Accept-Encoding: gzip"), odds("a", "X-Not: 1")]
    await line.send(b"".join(kinds[number % 3] for number in range(600)))
    replies = [await line.reply() for _ in range(600)]
    assert {reply.way for reply in replies} == {"hit"}
    assert ["content-encoding" in reply.fields for reply in replies] == [n % 3 == 1 for n in range(600)]


async def test_a_client_that_sends_far_ahead_and_reads_at_once_gets_every_answer(house):
    """More than is held of one connection: what waits in the system is read when there is room again."""
    house.change(max_pending_bytes=4096)
    await house.fill("a")
    line = await house.dial()
    count = 4000
    sending = asyncio.ensure_future(line.send(odds("a", "X-Padding: " + "x" * 200) * count))
    for _ in range(count):
        assert (await line.reply()).way == "hit"
    await sending
    assert (await line.ask(odds("a"))).way == "hit"


@both
async def test_a_request_in_pieces_of_a_byte(house, tls):
    await house.fill("a")
    line = await house.dial(tls=tls)
    for data in (odds("a"), odds("new"), foreign("1")):
        for byte in data[:-1]:
            line.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert house.value("lane_connections_closed_total", reason="head_timeout") == 0
        reply = await line.ask(data[-1:])
        assert reply.status == 200


async def test_the_connection_changes_hands_many_times(house):
    await house.fill("a")
    line = await house.dial()
    for number in range(40):
        assert (await line.ask(odds("a"))).way == "hit"
        assert f"/foreign/{number}".encode() in (await line.ask(foreign(str(number)))).body
        if number % 3 == 0:
            both_ = odds("a") + foreign("x") + odds("a")
            await line.send(both_)
            assert [(await line.reply()).status for _ in range(3)] == [200] * 3
    assert len(house.fast._connections) == 1
    assert house.ways()["hit"] >= 54


# Ends.


@both
async def test_the_last_request_of_a_connection_ends_it(house, tls):
    await house.fill("a")
    line = await house.dial(tls=tls)
    assert (await line.ask(odds("a", "Connection: close"))).way == "hit"
    assert await ended(line) == b""
    line = await house.dial(tls=tls)
    assert (await line.ask(odds("new", "Connection: close"))).way == "fwd=uri-miss"
    assert await ended(line) == b""
    await until(lambda: not house.fast._connections)


@pytest.mark.parametrize("data", [[odds("a")], [odds("new")], [odds("new"), odds("a")], [odds("a")] * 70])
async def test_a_client_that_sends_its_end_behind_its_requests_is_answered(house, data):
    await house.fill("a")
    line = await house.dial()
    await line.send(b"".join(data))
    line.writer.write_eof()
    for _ in data:
        assert (await line.reply()).status == 200
    assert await ended(line) == b""
    await until(lambda: not house.fast._connections)


async def test_a_client_that_sends_its_end_within_a_request_is_let_go(house):
    await house.fill("a")
    for data in (odds("a")[:-5], odds("a") + odds("a")[:-5], odds("new") + odds("a")[:-5]):
        line = await house.dial()
        await line.send(data)
        line.writer.write_eof()
        got = await ended(line)
        assert got.count(b"HTTP/1.1 200") == data.count(b"\r\n\r\n")
    await until(lambda: not house.fast._connections)


async def test_close_notify_behind_a_request(house):
    await house.fill("a")
    for data in (odds("a"), odds("new")):
        sock = await house.connected()
        sock.setblocking(True)
        sock.settimeout(30)

        def talk(sock=sock, data=data):
            with house.trusting.wrap_socket(sock, server_hostname=HOST) as tls:
                tls.sendall(data)
                got = tls.recv(100)
                with suppress(ssl.SSLError, OSError):
                    while part := tls.recv(65_536):
                        got += part
                        if got.endswith(b"]"):
                            tls.unwrap()
                            break
                return got

        assert (await asyncio.to_thread(talk)).startswith(b"HTTP/1.1 200 OK\r\n")
    await until(lambda: not house.fast._connections)


async def test_a_client_that_is_gone_when_its_answer_comes(house):
    house.vendor.open.clear()
    gone = [await house.connected() for _ in range(4)]
    for number, sock in enumerate(gone):
        await asyncio.get_running_loop().sock_sendall(sock, odds(f"n{number}"))
    await until(lambda: len(house.vendor.asked) == 4)
    for number, sock in enumerate(gone):
        reset(sock) if number % 2 else sock.close()
    stays = await house.dial()
    await stays.send(odds("n0"))
    house.vendor.open.set()
    assert (await stays.reply()).status == 200
    await until(lambda: len(house.fast._connections) == 1)
    assert house.fast._addresses.total() == 1


async def test_a_client_that_goes_at_any_byte(house):
    await house.fill("a")
    data = odds("a") + foreign("slow") + odds("a")
    for end in range(0, len(data), 7):
        sock = await house.connected()
        await asyncio.get_running_loop().sock_sendall(sock, data[:end])
        if end % 2:
            await asyncio.sleep(0)
        reset(sock)
    await until(lambda: not house.fast._connections)
    assert (await (await house.dial()).ask(odds("a"))).way == "hit"
    assert house.value("internal_errors_total", where="lane") == 0


# Limits.


async def test_a_slow_reader_holds_up_nobody_and_is_let_go(house):
    await house.fill("big", "a")
    loop = asyncio.get_running_loop()
    house.change(write_timeout_s=2.0)
    slow = await house.connected(4096)
    await loop.sock_sendall(slow, odds("big") * 20)
    brisk = await house.connected(4096)
    await loop.sock_sendall(brisk, odds("big"))
    other, got, replies = await house.dial(), b"", 0

    def waits():
        return max(connection.get_write_buffer_size() for connection in house.fast._connections)

    await until(waits)
    assert waits() <= len(BIG) + 1000, "one answer at a time"
    async with asyncio.timeout(30):
        while house.closed("write_timeout") < 1:
            # Slow, but never for as long as that.
            with suppress(BlockingIOError):
                got += brisk.recv(16_384)
            assert (await other.ask(odds("a"))).way == "hit"
            replies += 1
            await asyncio.sleep(0.01)
    assert house.closed("write_timeout") == 1
    assert replies > 20
    while len(got) < len(BIG):
        got += await asyncio.wait_for(loop.sock_recv(brisk, 65_536), 30)
    assert got.endswith(BIG)
    assert (await other.ask(odds("a"))).way == "hit"
    assert len(house.fast._connections) == 2
    slow.close()
    brisk.close()


async def test_a_head_that_does_not_come_in_time_is_answered_408(house):
    house.change(head_timeout_s=0.4)
    line = await house.dial()
    start = time.monotonic()
    for byte in odds("a"):
        line.writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
        if line.reader._buffer:
            break
    assert 0.3 < time.monotonic() - start < 5
    reply = await line.reply()
    assert (reply.status, reply.fields["connection"]) == (408, "close")
    assert await ended(line) == b""
    assert house.closed("head_timeout") == 1


async def test_a_body_may_take_its_time_as_long_as_more_of_it_comes(house):
    house.change(head_timeout_s=0.4)
    line, stops = await house.dial(), await house.dial()
    for each in (line, stops):
        await each.send(foreign("up", "Content-Length: 12", method="POST"))
    for _ in range(12):
        await line.send(b"x")
        await asyncio.sleep(0.1)
    assert (await line.reply()).status == 200
    assert (await stops.reply()).status == 408
    assert house.closed("head_timeout") == 1


async def test_a_second_head_that_does_not_come_in_time_behind_a_request_of_mitmproxys(house):
    house.change(head_timeout_s=1.0)
    for begin in (foreign("1"), foreign("1") + odds("a")[:-5]):
        line = await house.dial()
        await line.send(begin)
        assert (await line.reply()).status == 200
        if begin == foreign("1"):
            await line.send(odds("a")[:-5])
        got = await ended(line)
        assert got == b"" or got.startswith(b"HTTP/1.1 408 ")
    assert house.closed("head_timeout") == 2


async def test_a_handshake_that_does_not_come_in_time_ends_the_connection(house):
    house.change(head_timeout_s=0.3)
    line = await house.dial()
    await line.send(b"\x16\x03\x01\x02\x00\x01")
    await ended(line)
    assert house.closed("head_timeout") == 1


@both
async def test_a_connection_without_requests_is_let_go(house, tls):
    await house.fill("a")
    silent, used, passed = [await house.dial(tls=tls) for _ in range(3)]
    assert (await passed.ask(foreign("1"))).status == 200
    house.change(idle_timeout_s=1.5)
    async with asyncio.timeout(30):
        while house.closed("idle_timeout") < 2:
            assert (await used.ask(odds("a"))).way == "hit"
            await asyncio.sleep(0.1)
    assert [await ended(line) for line in (silent, passed)] == [b"", b""]
    assert (await used.ask(odds("a"))).way == "hit"
    assert house.closed("idle_timeout") == 2


async def test_a_connection_whose_answer_is_waited_for_is_not_idle(house):
    house.vendor.open.clear()
    lines = [await house.dial(), await house.dial()]
    await lines[0].send(odds("new"))
    await lines[1].send(foreign("slow"))
    await until(lambda: len(house.vendor.asked) == 2)
    house.change(idle_timeout_s=0.2, head_timeout_s=0.2)
    await asyncio.sleep(0.8)
    house.vendor.open.set()
    assert [(await line.reply()).status for line in lines] == [200, 200]


@pytest.mark.parametrize("before", ["nothing", "a hit", "another"])
@pytest.mark.parametrize("whole", [True, False])
@both
async def test_a_head_that_is_too_long_is_answered_431(house, before, whole, tls):
    await house.fill("a")
    line = await house.dial(tls=tls)
    if before != "nothing":
        assert (await line.ask(odds("a") if before == "a hit" else foreign("1"))).status == 200
    data = odds("a", "X-Long: " + "x" * 150_000)
    with suppress(ConnectionError):
        await line.send(data if whole else data[:-4])
    reply = await line.reply()
    assert (reply.status, reply.fields["connection"]) == (431, "close")
    assert await ended(line) == b""
    assert house.closed("head_size") == 1


async def test_a_head_at_the_limit_is_answered(house):
    await house.fill("a")
    house.change(max_head_bytes=4096)
    line = await house.dial()
    longest = odds("a", "X-Long: " + "x" * (4096 - len(odds("a", "X-Long: "))))
    assert len(longest) == 4096
    assert (await line.ask(longest)).way == "hit"
    assert (await line.ask(longest + odds("a"))).way == "hit"
    assert (await line.reply()).way == "hit"
    assert (await line.ask(odds("a", "X-Long: " + "x" * 4096))).status == 431


async def test_a_head_without_end_behind_a_request_of_mitmproxys_is_not_taken_in(house):
    loop, sock = asyncio.get_running_loop(), await house.connected()
    house.vendor.open.clear()
    await loop.sock_sendall(sock, foreign("slow") + b"GET / HTTP/1.1\r\nX-Long: ")
    await until(lambda: house.vendor.asked)
    sent, part = 0, b"x" * 65_536
    with suppress(TimeoutError, ConnectionError):
        while sent < 100_000_000:
            await asyncio.wait_for(loop.sock_sendall(sock, part), 1)
            sent += len(part)
    assert sent < 20_000_000, "the rest is in the buffers of the system"
    house.vendor.open.set()
    got = b""
    with suppress(ConnectionError):
        while data := await asyncio.wait_for(loop.sock_recv(sock, 65_536), 10):
            got += data
    assert b"/foreign/slow" in got
    assert house.closed("head_size") == 1
    sock.close()


async def test_what_is_sent_far_ahead_of_an_answer_waits_with_the_client(house):
    house.vendor.open.clear()
    await house.fill()
    line = await house.connected()
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, odds("new"))
    await until(lambda: house.vendor.asked)
    one = odds("new", "X-Padding: " + "x" * 900)
    count = 10_000_000 // len(one)
    sending = asyncio.ensure_future(loop.sock_sendall(line, one * count))
    await asyncio.sleep(0.5)
    assert not sending.done()
    [connection] = house.fast._connections
    assert len(connection._held) <= house.fast.settings.max_pending_bytes + 65_536
    house.vendor.open.set()
    got = b""
    while got.count(b"HTTP/1.1 200") < count + 1:
        part = await asyncio.wait_for(loop.sock_recv(line, 1 << 20), 30)
        assert part
        got = got[-15:] if got.count(b"HTTP/1.1 200") == 0 else got
        got += part
    await sending
    line.close()
    await until(lambda: not house.fast._connections)


# Errors of ours.


@both
async def test_an_error_of_the_lane_leaves_the_request_to_mitmproxy(house, tls, monkeypatch, caplog):
    await house.fill("a")
    line = await house.dial(tls=tls)
    assert (await line.ask(odds("a"))).way == "hit"

    def broken(*_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(StandIn, "lease", broken)
        house.addon._standin.epoch += 1
        for data in (odds("a"), odds("a", "X-Other: 1"), odds("new")):
            reply = await line.ask(data)
            assert (reply.status, reply.way) == (200, ""), "the provider's own answer"
        await line.send(odds("a") + odds("a"))
        assert [(await line.reply()).way for _ in range(2)] == ["", ""]
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.value("internal_errors_total", where="lane") >= 4
    assert "a request left the lane because of an internal error" in caplog.text
    caplog.clear()


async def test_an_error_while_a_request_waits_leaves_it_to_mitmproxy(house, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("broken")

    line = await house.dial()
    with monkeypatch.context() as patched:
        patched.setattr("holdover.standin.StandIn.miss_for_all", broken)
        await line.send(odds("a") + odds("b") + foreign("1"))
        replies = [await line.reply() for _ in range(3)]
    assert [name in reply.body for name, reply in zip((b"/a/", b"/b/", b"/foreign/"), replies, strict=True)] == [
        True
    ] * 3
    assert caplog.text.count("broken") >= 1
    caplog.clear()


# TLS alone.


async def test_garbage_in_the_place_of_tls(house):
    for data in (b"\x16", b"\x16\x03\x01\x00\x05hello", os.urandom(3000), b"\x16" + os.urandom(3000)):
        line = await house.dial()
        await line.send(data)
        line.writer.write_eof()
        got = await ended(line)
        assert b"HTTP/1.1 200" not in got
    await until(lambda: not house.fast._connections)


async def test_garbage_after_the_handshake_ends_the_connection(house):
    await house.fill("a")
    sock = await house.connected()
    sock.setblocking(True)
    sock.settimeout(30)

    def talk():
        context = house.trusting
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65_536))
        tls.write(odds("a"))
        sock.sendall(outgoing.read() + b"\x17\x03\x03\x00\x20" + os.urandom(32))
        got = b""
        with suppress(ConnectionError):
            while part := sock.recv(65_536):
                got += part
        sock.close()
        return got

    await asyncio.to_thread(talk)
    await until(lambda: not house.fast._connections)
    assert (await (await house.dial(tls=True)).ask(odds("a"))).way == "hit"


async def test_a_large_answer_over_tls(house):
    await house.fill("big")
    line = await house.dial(tls=True)
    for _ in range(3):
        reply = await line.ask(odds("big"))
        assert (reply.way, reply.body == BIG) == ("hit", True)
    await line.send(odds("big") * 8)
    assert [(await line.reply()).body == BIG for _ in range(8)] == [True] * 8


async def test_nothing_is_left_of_many_connections(house):
    await house.fill("a")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit[0] > 1200, "this test opens many files"
    half_open = [await house.connected() for _ in range(500)]
    for number, sock in enumerate(half_open):
        if number % 2:
            await asyncio.get_running_loop().sock_sendall(sock, wire("/v4/sports")[:20])
    line = await house.dial()
    start = time.monotonic()
    for _ in range(50):
        assert (await line.ask(odds("a"))).way == "hit"
    assert time.monotonic() - start < 5
    assert len(house.fast._connections) == 501
    for sock in half_open:
        sock.close()
    await line.close()
    await until(lambda: not house.fast._connections)
    assert not house.fast.watch._watched
    assert not house.fast._addresses


async def test_a_body_that_drips_is_not_read_anew_with_each_byte(house, monkeypatch):
    taken: list[int] = []
    take = house.fast.lane.take

    def counting(data, client):
        taken.append(len(data))
        return take(data, client)

    monkeypatch.setattr(house.fast.lane, "take", counting)
    line = await house.dial()
    whole = foreign("1", "Content-Length: 40", method="POST", body=b"x" * 40)
    await line.send(whole[:-40])
    for byte in whole[-40:]:
        await line.send(bytes([byte]))
        await asyncio.sleep(0.001)
    assert (await line.reply()).status == 200
    assert len(taken) <= 4


async def test_a_body_that_does_not_come_in_time_is_let_go(house):
    house.change(head_timeout_s=0.2)
    line = await house.dial()
    await line.send(foreign("1", "Content-Length: 40", method="POST")[:] + b"x")
    assert (await line.reply()).status == 408
    assert house.closed("head_timeout") == 1


async def test_a_byte_behind_the_last_request_takes_no_answer_away(house):
    await house.fill("big")
    sock = await house.connected(buffer=4096)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, odds("big", "Connection: close"))
    await asyncio.sleep(0.1)
    await loop.sock_sendall(sock, b"\r\n")
    got = 0
    while data := await loop.sock_recv(sock, 65_536):
        got += len(data)
    sock.close()
    assert got > len(BIG)


async def test_a_connection_that_ended_leaves_the_next_with_its_number_alone(house, monkeypatch):
    line = await house.dial()
    await line.ask(foreign("1"))
    [connection] = house.fast._connections
    connection.abort()
    asked: list[int] = []
    monkeypatch.setattr(house.fast.watch, "set", lambda number, *_, **__: asked.append(number))
    connection._look()
    connection.resume_reading()
    assert asked == []


async def test_a_last_answer_is_read_as_slowly_as_any_other(house):
    await house.fill("big")
    for listener in house.fast._listeners:
        # Its connections have the same.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock = await house.connected(buffer=4096)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, odds("big", "Connection: close"))
    await until(lambda: any(one.get_write_buffer_size() for one in house.fast._connections))
    [connection] = house.fast._connections
    # Longer than one lingers behind an answer that is out.
    connection.sweep(loop.time() + LINGER_S + 1)
    got = 0
    while data := await loop.sock_recv(sock, 65_536):
        got += len(data)
    sock.close()
    assert got > len(BIG)


@pytest.mark.parametrize(("sport", "a_file"), [("a", False), ("big", True)])
async def test_an_answer_that_is_given_often_is_given_as_one_piece(house, sport, a_file):
    await house.fill(sport)
    line = await house.dial()
    first = await line.ask(odds(sport))
    copies: list[Lease] = []
    while not copies:
        # Within a second, the life of a lease.
        for _ in range(2 * OFTEN):
            reply = await line.ask(odds(sport))
            assert (reply.way, reply.body == first.body, len(reply.fields)) == ("hit", True, len(first.fields))
        leases = house.fast.lane._leases.values()
        copies = [lease for lease in leases if (lease.file is not None if a_file else len(lease.parts) == 1)]


async def test_a_file_that_the_system_takes_in_part_is_given_whole(house):
    await house.fill("big")
    line = await house.dial()
    while all(lease.file is None for lease in house.fast.lane._leases.values()):
        assert (await line.ask(odds("big"))).body == BIG
    for listener in house.fast._listeners:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    loop, got = asyncio.get_running_loop(), b""
    sock = await house.connected(buffer=4096)
    await loop.sock_sendall(sock, odds("big") + odds("big", "Connection: close"))
    while data := await loop.sock_recv(sock, 65_536):
        got += data
    sock.close()
    assert [reply[-len(BIG) :] == BIG for reply in got.split(b"HTTP/1.1 ")[1:]] == [True, True]


@pytest.mark.parametrize("last", [False, True])
async def test_of_a_large_answer_no_more_is_sealed_than_is_taken(house, monkeypatch, last):
    """Each client has sealed bytes of its own."""
    monkeypatch.setattr("addons.connection.SEALED_BYTES", PIECE)
    await house.fill("big")
    await until(lambda: not house.fast._connections)
    sock = await house.connected(4096)
    named: Any = {"ssl": house.trusting, "server_hostname": HOST, "limit": 1}
    line = Line(*await asyncio.open_connection(sock=sock, **named))
    house.lines.append(line)
    [connection] = house.fast._connections
    connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for _ in range(1 if last else 2):
        line.writer.write(odds("big", *(["Connection: close"] if last else [])))
        await until(lambda: connection._out)
        await asyncio.sleep(0.1)
        assert sum(map(len, connection._out)) < 2 * PIECE
        assert connection._unsealed
        got = b""
        while not got.endswith(BIG):
            got += await line.reader.read(65_536)
    if last:
        assert await line.rest() == b""
        await until(lambda: not house.fast._connections)
