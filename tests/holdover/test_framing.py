"""Where bodies end, however the bytes come; and that h11, which mitmproxy reads with, finds the same end."""

from itertools import pairwise

import h11
import pytest
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given
from hypothesis import strategies as st

from holdover.framing import MAX_BESIDE_BYTES, MAX_LINE_BYTES, Body, Chunked, Passed, body_of

NEXT = b"GET /planted HTTP/1.1\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n"


def chunked() -> Body:
    return body_of(HEAD % b"Transfer-Encoding: chunked\r\n")


def fed(body: Body, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """What goes on, and what is behind the body, of `data` in pieces."""
    out = rest = b""
    for begin, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]):
        part, left = body.take(data[begin:end])
        out, rest = out + part, rest + left
    return out, rest


def read_by_h11(data: bytes) -> tuple[bytes, bytes]:
    """The content, and what is behind the body. Raises h11.ProtocolError."""
    buffer, reader, content = ReceiveBuffer(), ChunkedReader(), b""
    buffer += data
    while True:
        event = reader(buffer)
        assert event is not None, "not whole"
        if isinstance(event, h11.EndOfMessage):
            assert not event.headers
            return content, bytes(buffer)
        content += bytes(event.data)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        (b"", 0),
        (b"Content-Length: 0\r\n", 0),
        (b"content-length:\t5 \r\n", 5),
        (b"A: Content-Length: 7\r\nCONTENT-LENGTH:005\r\nX-Content-Length: 9\r\n", 5),
        (b"A: b\r\n", 0),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_body_by_its_length(fields, size, end):
    for cuts in ([], [1], [1, 2, 3, 4, 5, 6]):
        body = body_of((HEAD % fields).replace(b"\r\n", end))
        assert body.done == (size == 0)
        assert fed(body, b"hello"[:size] + NEXT, cuts) == (b"hello"[:size], NEXT)
        assert (body.done, body.broken) == (True, False)


def test_a_body_by_its_length_is_not_done_before():
    body = body_of(HEAD % b"Content-Length: 5\r\n")
    assert body.take(b"hell") == (b"hell", b"")
    assert not body.done
    assert body.take(b"") == (b"", b"")


WELL = {
    "nothing": (b"0\r\n\r\n", b"0\r\n\r\n"),
    "many zeros": (b"000\r\n\r\n", b"0\r\n\r\n"),
    "two chunks": (b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", b"5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n"),
    "zeros in front": (b"005\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "extensions": (b'5;a=b\r\nhello\r\n0 \t; c="\xe9"\r\n\r\n', b"5\r\nhello\r\n0\r\n\r\n"),
    "trailer fields": (b"5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 5\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "content that looks like chunks": (b"9\r\n0\r\n\r\n\n0\r\n\r\n0\r\n\r\n", b"9\r\n0\r\n\r\n\n0\r\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", WELL)
def test_chunks_go_on_without_what_is_beside_them(name):
    data, wanted = WELL[name]
    for cuts in ([], list(range(len(data))), *([cut] for cut in range(len(data)))):
        body = chunked()
        assert fed(body, data + NEXT, cuts) == (wanted, NEXT), cuts
        assert (body.done, body.broken) == (True, False)


def test_chunks_are_not_done_before_their_last_byte():
    for data, wanted in WELL.values():
        body = chunked()
        out, rest = fed(body, data[:-1], [])
        assert (body.done, body.broken, rest) == (False, False, b"")
        assert out + b"0\r\n\r\n" == wanted


ILL = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\nhello\r\n0\r\n\r\n",
    "other digits": b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
    "a blank behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "a blank in front": b" 5\r\nhello\r\n0\r\n\r\n",
    "a size beyond all": b"f" * 16 + b"\r\nhello",
    "a size that overflows": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "LF alone": b"5\nhello\r\n0\r\n\r\n",
    "LF behind an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "CR alone": b"5\rhello\r\n0\r\n\r\n",
    "two CR": b"5\r\r\nhello\r\n0\r\n\r\n",
    "a control in an extension": b"5;a\x0b\r\nhello\r\n0\r\n\r\n",
    "more than told": b"5\r\nhello!\r\n0\r\n\r\n",
    "less than told": b"6\r\nhello\r\n0\r\n\r\n",
    "LF behind the content": b"5\r\nhello\n0\r\n\r\n",
    "LF behind the last": b"5\r\nhello\r\n0\n\n",
    "a trailer that is none": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "a trailer that is folded": b"0\r\nA: b\r\n c\r\n\r\n",
    "a trailer with LF": b"0\r\nA: b\nC: d\r\n\r\n",
    "a trailer with a blank before the colon": b"0\r\nA : b\r\n\r\n",
    "a long line": b"5;" + b"a" * MAX_LINE_BYTES + b"\r\nhello\r\n0\r\n\r\n",
    "long lines": (b"1;" + b"a" * 4_000 + b"\r\nb\r\n") * 5 + b"0\r\n\r\n",
    "long trailers": b"0\r\n" + b"A: %b\r\n" % (b"b" * 4_000) * 5 + b"\r\n",
}


@pytest.mark.parametrize("name", ILL)
def test_chunks_that_two_may_read_differently_are_broken(name):
    data = ILL[name]
    some = range(0, len(data), max(1, len(data) // 50))
    for cuts in ([], list(range(len(data))), *([cut] for cut in some)):
        body = chunked()
        out, _ = fed(body, data + NEXT, cuts)
        assert (body.done, body.broken) == (False, True), cuts
        assert b"planted" not in out
        assert not out.endswith(b"0\r\n\r\n")
        assert body.take(NEXT) == (b"", NEXT)


@pytest.mark.parametrize("begin", [b"5;" + b"a" * MAX_LINE_BYTES, b"0\r\n" + b"a" * MAX_LINE_BYTES + b"a"])
def test_a_line_without_end_is_not_waited_for(begin):
    body = chunked()
    fed(body, begin, list(range(len(begin))))
    assert body.broken


def test_what_is_beside_the_content_has_a_bound():
    line = b"1;" + b"a" * 1_000 + b"\r\nb\r\n"
    count = MAX_BESIDE_BYTES // 1_001
    for number, broken in ((count, False), (count + 1, True)):
        body = chunked()
        fed(body, line * number, [])
        assert body.broken == broken


def test_a_large_chunk_takes_no_time_by_its_size():
    body, part = Chunked(), b"b" * 65_536
    assert body.take(b"a00000\r\n") == (b"a00000\r\n", b"")
    for _ in range(160):
        assert body.take(part) == (part, b"")
    assert body.take(b"\r\n0\r\n\r\n") == (b"\r\n0\r\n\r\n", b"")
    assert body.done


LINES = [b"5", b"0", b"005", b"a", b"5;x", b"5 ", b"+5", b"", b"A: b", b"A:b", b" c", b"hello", b"0;a=b", b"ff", b"g"]
streams = st.lists(st.sampled_from(LINES) | st.binary(max_size=6), max_size=9).flatmap(
    lambda lines: st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]).map(lambda end: end.join(lines))
)


@given(streams, st.lists(st.integers(0, 60), max_size=6))
@example(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n" + NEXT, [3, 4, 9])
@example(b"5\r\nhello\r\n0\r\nA: b\r\n\n" + NEXT, [])
def test_nothing_depends_on_the_pieces_and_h11_finds_the_same_end(data, cuts):
    whole, pieces = chunked(), chunked()
    out, rest = fed(whole, data, [])
    again = fed(pieces, data, cuts)
    assert (pieces.done, pieces.broken) == (whole.done, whole.broken)
    if whole.broken:
        return
    assert again == (out, rest)
    if whole.done:
        assert read_by_h11(out + NEXT)[1] == NEXT
        try:
            theirs = read_by_h11(data)
        except (h11.ProtocolError, AssertionError):
            return
        assert theirs == (read_by_h11(out)[0], rest)


@pytest.mark.parametrize(
    ("line", "answers", "ends"),
    [
        (b"GET /", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 "], [False, False]),
        (b"GET /", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], [True]),
        (b"POST /", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 \r\n\r\n"], [False, True]),
        (b"GET /", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 101 \r\n\r\n"], [False, True]),
        (b"CONNECT a:1", [b"HTTP/1.1 200 Connection established\r\n\r\n"], [True]),
        (b"CONNECT a:1", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 200 "], [False, False]),
        (b"CONNECTED /", [b"HTTP/1.1 200 OK\r\n\r\n"], [False]),
    ],
)
def test_which_answer_makes_something_else_of_the_connection(line, answers, ends):
    passed = Passed(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert not passed.answered
    assert [passed.ends_http(answer) for answer in answers] == ends
    assert passed.answered
