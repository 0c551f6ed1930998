import asyncio
import socket
from functools import partial

import pytest

from holdover.origin.framed import MOST_INTERIM, Framed

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n"
TOLD = (103, (("Link", "</a>"),))
WIRES: dict[str, tuple[bytes, int, bytes, int, bool]] = {
    "whole": (HEAD + b"0123", 200, b"0123", 0, False),
    "in chunks": (HINTS + CHUNKED, 200, b"0123", 1, False),
    "empty": (HINTS + b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1, False),
    "behind interim ones": (HINTS + CONTINUE + HINTS + HEAD + b"0123", 200, b"0123", 2, False),
    "behind too many": (HINTS * 9 + HEAD + b"0123", 200, b"0123", MOST_INTERIM, False),
    "and garbage": (HEAD + b"0123garbage", 200, b"0123", 0, True),
    "and another response": (HEAD + b"0123" + HEAD + b"4567", 200, b"0123", 0, True),
    "of nothing, and garbage": (b"HTTP/1.1 204 No Content\r\n\r\ngarbage", 204, b"", 0, True),
    "with bare line ends": (HINTS.replace(b"\r", b"") + HEAD + b"0123\r\n", 200, b"0123", 1, True),
}


async def received(*exchanges: list[bytes], head: bool = False) -> list[tuple[int, bytes, int, bool]]:
    """Of each exchange on one connection: status, body, how many interim responses, whether it closes."""
    loop = asyncio.get_running_loop()
    mine, theirs = socket.socketpair()
    found = []
    with theirs:
        _, framed = await loop.create_connection(partial(Framed, loop), sock=mine)
        for pieces in exchanges:
            framed.set_response_params(skip_payload=head, read_until_eof=True, auto_decompress=False)
            for piece in pieces:
                framed.data_received(piece)
            message, payload = await framed.read()
            assert set(framed.interim) <= {TOLD}
            found.append((message.code, await payload.read(), len(framed.interim), framed.should_close))
        framed.close()
    return found


@pytest.mark.parametrize("name", WIRES)
def test_a_response_however_it_is_cut(name):
    wire, *expected = WIRES[name]
    for cut in range(len(wire) + 1):
        assert asyncio.run(received([wire[:cut], wire[cut:]])) == [tuple(expected)], cut


def test_an_answer_to_a_head_ends_with_its_head():
    for size in range(5):
        found = asyncio.run(received([HEAD + b"0123"[:size]], head=True))
        assert found == [(200, b"", 0, size > 0)]


@pytest.mark.parametrize("cut", [0, 3, len(HEAD)])
@pytest.mark.parametrize(
    ("wire", "head"),
    [
        (HEAD + b"0123", False),
        (CHUNKED, False),
        (HEAD, True),
        (HEAD.replace(b"200 OK", b"204 No Content"), False),
        (HEAD.replace(b"200 OK", b"304 Not Modified"), False),
    ],
    ids=["told", "in chunks", "to a head", "of nothing", "not modified"],
)
async def test_a_response_that_nobody_asked_for_ends_the_connection(wire, head, cut):
    """Whenever it comes: taken for the answer to the next request it would be stored under what that asked for."""
    loop = asyncio.get_running_loop()
    mine, theirs = socket.socketpair()
    with theirs:
        transport, framed = await loop.create_connection(partial(Framed, loop), sock=mine)
        framed.set_response_params(skip_payload=head, read_until_eof=True, auto_decompress=False)
        framed.data_received(wire)
        _, payload = await framed.read()
        await payload.read()
        assert (framed.should_close, transport.is_closing()) == (False, False)
        other = HEAD + b"4567"
        for piece in filter(None, (other[:cut], other[cut:])):
            framed.data_received(piece)
        assert transport.is_closing()
        assert not len(framed._buffer)


def test_the_next_request_begins_anew():
    found = asyncio.run(received([HINTS + HEAD + b"0123"], [HEAD + b"4567"]))
    assert found == [(200, b"0123", 1, False), (200, b"4567", 0, False)]
