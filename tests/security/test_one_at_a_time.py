"""What is passed on reaches the provider whole, once, and one request after the other, in every mode."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from addons.connection import LAST_WORD_S
from addons.fast_lane import SWEEP_S
from scripts.rig import wait_for
from tests.e2e.wire import to_the_end
from tests.security.corpus import PASSED, get, post, request
from tests.security.place import Client, Place, client, new_mark

MODES = ["reverse", "explicit", "tls", "tunnel"]
CHUNKED = b"Transfer-Encoding: chunked"
MANY = 10_000_000
lane_on = pytest.mark.parametrize("place", ["with_lane"], indirect=True)


@pytest.fixture(params=MODES)
def one(request: pytest.FixtureRequest, place: Place) -> Iterator[Client]:
    yield client(place, request.param)
    place.provider.answers.set()


def named(raw: bytes, mark: str) -> bytes:
    return raw.replace(b"{m}", mark.encode())


def passed(one: Client, head: bytes, body: bytes) -> bytes:
    """What the provider got of the body, which the client sends at once."""
    mark = new_mark()
    with one.connect() as line:
        line.send(one.spelled(named(head, mark)) + body)
        reply = line.reply()
        assert reply is not None
        assert (reply.status, mark.encode() in reply.body) == (200, True)
        one.own("after" + mark)
        assert one.get("after" + mark, line=line) is not None, "in step"
    [arrival] = one.place.provider.heads(b"/" + mark.encode() + b"?")
    assert arrival.clean
    return arrival.body


def test_requests_in_one_piece_go_their_ways_in_their_order(one: Client):
    marks = [new_mark() for _ in range(6)]
    one.own(marks[1])
    one.own(marks[4])
    kinds = [post(b"Content-Length: 5", body=b"hello"), request(), get(PASSED), request(), request(), get(PASSED)]
    with one.connect() as line:
        line.send(b"".join(one.spelled(named(kind, mark)) for kind, mark in zip(kinds, marks, strict=True)))
        for mark, way in zip(marks, ["", "hit", "", "fwd=uri-miss", "hit", ""], strict=True):
            reply = line.reply()
            assert reply is not None
            assert (reply.status, mark.encode() in reply.body) == (200, True)
            assert reply.cache.removeprefix("holdover; ").partition(";")[0] == way
    for mark in marks:
        assert len(one.place.provider.heads(b"/" + mark.encode())) == 1


@lane_on
@pytest.mark.parametrize("fields", [[b"Content-Length: %d" % MANY], [CHUNKED], [CHUNKED, b"Expect: 100-continue"]])
def test_a_large_body_comes_through(one: Client, fields: list[bytes]):
    content = body = os.urandom(MANY)
    if CHUNKED in fields:
        parts = [content[begin:end] for begin, end in pairwise([0, 1, 100_001, 100_004, 1_000_000, MANY])]
        body = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nA: b\r\n\r\n"
    assert passed(one, post(*fields, body=b""), body) == content


def test_a_body_that_is_asked_for_by_100(one: Client):
    for head, body in (
        (post(b"Content-Length: 5", b"Expect: 100-continue", body=b""), b"hello"),
        (post(CHUNKED, b"Expect: 100-continue", body=b""), b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        mark = new_mark()
        with one.connect() as line:
            line.patience(30)
            line.send(one.spelled(named(head, mark)))
            assert line.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            assert one.place.provider.heads(mark.encode()) == []
            line.send(body)
            reply = line.reply()
            assert reply is not None
            assert reply.status == 200
        [arrival] = one.place.provider.heads(mark.encode())
        assert (arrival.body, arrival.clean) == (b"hello", True)


def test_trailers_and_extensions_do_not_reach_the_provider(one: Client):
    body = b"5;a=b\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: evil.invalid\r\n\r\n"
    assert passed(one, post(CHUNKED, b"Trailer: Host", body=b""), body) == b"hello"


@lane_on
def test_what_is_behind_a_request_waits_with_the_client(one: Client):
    """mitmproxy would take in any amount."""
    mark, behind = new_mark(), new_mark()
    one.own(behind)
    hit = one.spelled(named(request(b"A: " + b"b" * 4_000), behind))
    one.place.provider.answers.clear()
    with one.connect() as line:
        line.patience(20)
        line.send(one.spelled(named(get(PASSED), mark)))
        wait_for(lambda: one.place.provider.heads(mark.encode()))
        left = line.offer(memoryview(hit * 4_000), 1.0)
        assert len(left) > 1_000 * len(hit)
        one.place.provider.answers.set()
        for number in range(4_001):
            reply = line.reply()
            assert reply is not None
            assert (mark if number == 0 else behind).encode() in reply.body
            left = line.offer(left)


@lane_on
def test_a_client_that_sends_its_end_behind_its_requests_is_answered(place: Place):
    """Though mitmproxy takes the end for that of the client."""
    mark, behind = new_mark(), new_mark()
    client(place, "reverse").own(behind)
    for last, left in (
        (b"", b""),
        (request(), b""),
        (request(), b"GET / HT"),
        (post(b"Content-Length: 0", body=b""), b""),
        (post(b"Content-Length: 5", body=b"hello"), b""),
        (post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), b"GE"),
    ):
        with socket.create_connection(("127.0.0.1", place.house.ports["reverse"]), 20) as sock:
            raw = named(post(b"Content-Length: 5", body=b"hello") + request() + last, behind)
            sock.sendall(raw.replace(b"/account/" + behind.encode(), b"/account/" + mark.encode()) + left)
            sock.shutdown(socket.SHUT_WR)
            answer = to_the_end(sock)
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == (3 if last else 2)


@lane_on
@pytest.mark.parametrize("whole", [True, False])
def test_a_client_that_breaks_off_behind_its_end_is_forgotten(place: Place, whole: bool):
    """As is one that ends within a request."""

    def connections() -> float:
        return place.house.metrics("metrics")["holdover_lane_connections"]

    mark = new_mark()
    raw = named(post(b"Content-Length: 5", body=b"hello" if whole else b"he"), mark)
    wait_for(lambda: not connections())
    place.provider.answers.clear()
    try:
        with socket.create_connection(("127.0.0.1", place.house.ports["reverse"]), 20) as sock:
            sock.sendall(raw)
            if whole:
                wait_for(lambda: place.provider.heads(mark.encode()) and connections() == 1)
            sock.shutdown(socket.SHUT_WR)
            if whole:
                time.sleep(2 * SWEEP_S)
                assert connections() == 1
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                sock.settimeout(LAST_WORD_S - 1)
                assert sock.recv(1) == b""
        wait_for(lambda: not connections(), LAST_WORD_S - 1)
    finally:
        place.provider.answers.set()


def test_another_protocol_is_left_alone(one: Client):
    with one.connect() as line:
        line.patience(30)
        odd = b"\x00\x01\r\n\r\nGET\x07"
        line.send(one.spelled(named(get(PASSED, b"Connection: Upgrade", b"Upgrade: echo"), new_mark())) + odd)
        reply = line.reply()
        assert reply is not None
        assert reply.status == 101
        assert line.exactly(len(odd)) == odd
        line.send(b"\r\n" + odd * 1_000)
        assert line.exactly(2 + len(odd) * 1_000) == b"\r\n" + odd * 1_000


def test_an_upgrade_that_is_not_made_changes_nothing(one: Client):
    mark = new_mark()
    with one.connect() as line:
        line.patience(30)
        line.send(one.spelled(named(get(PASSED, b"Connection: Upgrade", b"Upgrade: other"), mark)) + b"GET /\x01")
        replies = [line.reply(), line.reply()]
        assert [reply.status for reply in replies if reply] == [200, 400]
        assert line.reply() is None


def test_a_tunnel_to_somebody_else_is_left_alone(place: Place):
    one, mark = client(place, "explicit"), new_mark()
    there = f"127.0.0.1:{place.provider.port}".encode()
    opening = request(line=b"CONNECT " + there + b" HTTP/1.1", host=b"Host: " + there)
    with one.connect() as line:
        line.patience(30)
        line.send(opening + named(get(PASSED), mark))
        replies = [line.reply(), line.reply()]
        assert [reply.status for reply in replies if reply] == [200, 200]
    assert len(place.provider.heads(mark.encode())) == 1


STATUSES = {
    "5,000 fields": (request(*[b"A: b"] * 5_000), 431, True),
    "a target of 20 KiB": (get(b"/" + b"a" * 20_480), 414, False),
    "a target of 64 KiB": (get(b"/" + b"a" * 65_536), 431, True),
    "TRACE": (get(b"/", method=b"TRACE"), 405, False),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=b""), 501, False),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, False),
    "chunks that are none": (post(CHUNKED, body=b"x\r\n"), 400, False),
    "not HTTP": (b"\x80\x90\xa0", 400, False),
    "not HTTP, in words": (b"SSH-2.0-OpenSSH_9.2\r\n", 400, False),
}


@pytest.mark.parametrize("name", STATUSES)
def test_it_is_said_why(one: Client, name: str):
    raw, status, protects = STATUSES[name]
    before = one.place.house.metrics("metrics")
    with one.connect() as line:
        line.send(one.spelled(named(raw, new_mark())))
        reply = line.reply()
        assert reply is not None
        assert (reply.status, reply.closes) == (status, True)
        assert reply.body.startswith(b'{"message": "holdover: ')
        assert line.reply() is None
    after = one.place.house.metrics("metrics")
    refused, closed = (
        'holdover_lane_requests_total{way="refused"}',
        'holdover_lane_connections_closed_total{reason="head_size"}',
    )
    assert (after[refused] - before[refused], after[closed] - before[closed]) == (1, protects)


@pytest.mark.parametrize(
    "begin", [b"GET /\x01 HTTP/1.1\r\n", post(CHUNKED, b"Expect: 100-continue", body=b"5\r\nhello!\n")]
)
def test_a_client_that_goes_on_sending_gets_the_refusal(place: Place, begin: bytes):
    """Closed with bytes unread, the connection would be reset, and the answer lost with it. mitmproxy closes at once
    what it has."""
    with socket.create_connection(("127.0.0.1", place.house.ports["reverse"]), 20) as sock:
        head, _, rest = begin.rpartition(b"hello!")
        sock.sendall(head)
        if head:
            assert sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello!" + rest if head else rest)
        for _ in range(20):
            time.sleep(0.01)
            sock.sendall(b"A: " + b"b" * 60_000 + b"\r\n")
        answer = to_the_end(sock)
        assert answer.startswith(b"HTTP/1.1 400 ")
