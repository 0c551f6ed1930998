"""Which heads are refused, and that mitmproxy reads those that are not as one request with the same body."""

import pytest
from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers

from holdover.framing import Chunked, body_of
from holdover.head import MAX_FIELDS, MAX_TARGET_BYTES, Head, read
from holdover.hygiene import early, end_of_head, fault, skip

CHUNKED = b"Transfer-Encoding: chunked"


def head(
    *fields: bytes, line: bytes = b"GET /a?b HTTP/1.1", host: bytes | None = b"Host: a.test", end: bytes = b"\r\n"
) -> bytes:
    return end.join([line, *([] if host is None else [host]), *fields, b"", b""])


FINE = {
    "plain": head(),
    "lines ended by LF": head(b"A: b", end=b"\n"),
    "small letters": head(line=b"get / HTTP/1.1"),
    "a method of its own": head(line=b"M-SEARCH / HTTP/1.1"),
    "bytes above 0x7f in a value": head(b"A: \xe9\xff"),
    "tabs and blanks in a value": head(b"A: \t b\tc  "),
    "no blank, no value": head(b"A:", b"B:c"),
    "HTTP/1.0 without Host": head(line=b"GET / HTTP/1.0", host=None),
    "absolute form": head(line=b"GET HTTP://a.test:80/b HTTP/1.1"),
    "absolute form, https": head(line=b"GET https://a.test?b HTTP/1.1"),
    "absolute form, of an address": head(line=b"GET http://[::1]:8080/ HTTP/1.1"),
    "absolute form, no path": head(line=b"GET http://a.test HTTP/1.1"),
    "OPTIONS *": head(line=b"OPTIONS * HTTP/1.1"),
    "CONNECT": head(line=b"CONNECT a.test:443 HTTP/1.1", host=b"Host: a.test:443"),
    "CONNECT to an address": head(b"Content-Length: 0", line=b"CONNECT [::1]:443 HTTP/1.1"),
    "Host with an empty port": head(host=b"Host: a.test:"),
    "Host with a port": head(host=b"Host:a.test:65535\t"),
    "Host of a container": head(host=b"Host: my_proxy-1"),
    "Host with a dot behind": head(host=b"Host: a.test."),
    "Host of an address": head(host=b"Host: [2001:db8::1]:80"),
    "length": head(b"Content-Length: 5"),
    "length with zeros": head(b"content-LENGTH: 005"),
    "chunked": head(CHUNKED),
    "Chunked": head(b"Transfer-encoding:\tChunked "),
    "as many fields as may be": head(*[b"A: b"] * (MAX_FIELDS - 1)),
    "as long a target as may be": head(line=b"GET /%b HTTP/1.1" % (b"a" * (MAX_TARGET_BYTES - 1))),
    "a long field": head(b"A: " + b"b" * 60_000),
}
REFUSED: dict[int, dict[str, bytes]] = {
    400: {
        "NUL in a value": head(b"A: b\x00"),
        "NUL in front": b"\x00" + head(),
        "CR in a value": head(b"A: b\rc"),
        "CR at the end of a value": head(b"A: b\r"),
        "bell": head(b"A: \x07"),
        "DEL": head(b"A: \x7f"),
        "vertical tab before a coding": head(b"Transfer-Encoding:\x0bchunked"),
        "folded": head(b"A: b", b" c"),
        "folded by tab": head(b"A: b", b"\tc"),
        "folded in front": head(host=b" Host: a.test"),
        "folded, by LF": head(b"A: b", b" c", end=b"\n"),
        "one line ended by LF": head(b"A: b\nC: d"),
        "one line ended by CR LF": head(b"A: b\r\nC: d", end=b"\n"),
        "head ended by LF": head()[:-2] + b"\n",
        "head of LF ended by CR LF": head(end=b"\n")[:-1] + b"\r\n",
        "nothing": b"\r\n\r\n",
        "a word": head(line=b"hello"),
        "HTTP/0.9": head(line=b"GET /"),
        "two blanks": head(line=b"GET  / HTTP/1.1"),
        "a blank in front": head(line=b" GET / HTTP/1.1"),
        "a blank behind": head(line=b"GET / HTTP/1.1 "),
        "tabs": head(line=b"GET\t/\tHTTP/1.1"),
        "a blank in the target": head(line=b"GET /a b HTTP/1.1"),
        "http": head(line=b"GET / http/1.1"),
        "HTTP/1.2": head(line=b"GET / HTTP/1.2"),
        "HTTP/1.10": head(line=b"GET / HTTP/1.10"),
        "HTTP/1": head(line=b"GET / HTTP/1"),
        "a method with a colon": head(line=b"G:T / HTTP/1.1"),
        "a target above 0x7f": head(line=b"GET /\xe9 HTTP/1.1"),
        "a fragment": head(line=b"GET /#a HTTP/1.1"),
        "a fragment in absolute form": head(line=b"GET http://a.test/#a HTTP/1.1"),
        "a fragment without a path": head(line=b"GET http://a.test#a HTTP/1.1"),
        "GET *": head(line=b"GET * HTTP/1.1"),
        "PRI *": head(line=b"PRI * HTTP/1.1"),
        "a relative target": head(line=b"GET a HTTP/1.1"),
        "an authority": head(line=b"GET a.test:80 HTTP/1.1"),
        "a backslash": head(line=b"GET \\a HTTP/1.1"),
        "another scheme": head(line=b"GET ftp://a.test/ HTTP/1.1"),
        "a user": head(line=b"GET http://a@a.test/ HTTP/1.1"),
        "no authority": head(line=b"GET http:///a HTTP/1.1"),
        "one slash": head(line=b"GET http:/a.test/ HTTP/1.1"),
        "an authority that goes on": head(line=b"GET http://a.test\\@b/ HTTP/1.1"),
        "CONNECT to a path": head(line=b"CONNECT /a HTTP/1.1"),
        "CONNECT without a port": head(line=b"CONNECT a.test HTTP/1.1"),
        "CONNECT in absolute form": head(line=b"CONNECT http://a.test:80/ HTTP/1.1"),
        "connect": head(line=b"connect http://a.test/ HTTP/1.1"),
        "CONNECT with a length": head(b"Content-Length: 5", line=b"CONNECT a.test:443 HTTP/1.1"),
        "CONNECT of chunks": head(CHUNKED, line=b"CONNECT a.test:443 HTTP/1.1"),
        "no colon": head(b"A"),
        "no name": head(b": b"),
        "a blank in a name": head(b"A b: c"),
        "a blank before the colon": head(b"A : b"),
        "a byte above 0x7f in a name": head(b"\xe9: b"),
        "no Host": head(host=None),
        "two equal Hosts": head(b"host: a.test"),
        "two Hosts of HTTP/1.0": head(b"host: a.test", line=b"GET / HTTP/1.0"),
        "an empty Host": head(host=b"Host:"),
        "a port alone": head(host=b"Host: :80"),
        "a list of Hosts": head(host=b"Host: a.test, b.test"),
        "a Host with a user": head(host=b"Host: a@a.test"),
        "a Host with a path": head(host=b"Host: a.test/"),
        "a Host of percent signs": head(host=b"Host: %61.test"),
        "a Host above 0x7f": head(host=b"Host: \xe9.test"),
        "a Host with a dot in front": head(host=b"Host: .a.test"),
        "a Host with two dots": head(host=b"Host: a..test"),
        "a Host in brackets": head(host=b"Host: [a.test]"),
        "a port beyond all": head(host=b"Host: a.test:65536"),
        "a port of letters": head(host=b"Host: a.test:http"),
        "two lengths": head(b"Content-Length: 5", b"Content-Length: 5"),
        "a list of lengths": head(b"Content-Length: 5, 5"),
        "a sign": head(b"Content-Length: +5"),
        "no length": head(b"Content-Length:"),
        "a length beyond all": head(b"Content-Length: " + b"9" * 5000),
        "other digits": head(b"Content-Length: \xb2"),
        "length and chunked": head(b"Content-Length: 5", CHUNKED),
        "chunked twice": head(CHUNKED, CHUNKED),
        "chunked, chunked": head(b"Transfer-Encoding: chunked, chunked"),
        "chunked, then gzip": head(b"Transfer-Encoding: chunked, gzip"),
        "gzip": head(b"Transfer-Encoding: gzip"),
        "no coding": head(b"Transfer-Encoding:"),
        "a coding with a parameter": head(b"Transfer-Encoding: chunked;q=1"),
        "a coding in quotes": head(b'Transfer-Encoding: "chunked"'),
        "a coding above 0x7f": head(b"Transfer-Encoding: chun\xeaed"),
        "chunked of HTTP/1.0": head(CHUNKED, line=b"POST / HTTP/1.0"),
    },
    405: {"TRACE": head(line=b"TRACE / HTTP/1.1"), "trace": head(line=b"trace / HTTP/1.1")},
    414: {
        "a long target": head(line=b"GET /%b HTTP/1.1" % (b"a" * MAX_TARGET_BYTES)),
        "a long target in absolute form": head(line=b"GET http://a.test/%b HTTP/1.1" % (b"a" * MAX_TARGET_BYTES)),
    },
    431: {"many fields": head(*[b"A: b"] * MAX_FIELDS), "many fields, by LF": head(*[b"A: b"] * 5_000, end=b"\n")},
    501: {
        "xchunked": head(b"Transfer-Encoding: xchunked"),
        "identity": head(b"Transfer-Encoding: identity"),
        "gzip, chunked": head(b"Transfer-Encoding: gzip, chunked"),
    },
    505: {
        "HTTP/2.0": head(line=b"GET / HTTP/2.0"),
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
        "HTTP/0.9 in words": head(line=b"GET / HTTP/0.9"),
    },
}


def status(data: bytes) -> int:
    found = fault(data)
    return found.status if found else 0


@pytest.mark.parametrize("name", FINE)
def test_what_is_in_order_goes_on(name):
    assert fault(FINE[name]) is None
    for at in range(1, min(len(FINE[name]), 300)):
        assert early(FINE[name][:at], 0) is None
        assert early(FINE[name][:at], at - 1) is None


@pytest.mark.parametrize(("code", "name"), [(code, name) for code, cases in REFUSED.items() for name in cases])
def test_what_is_not_is_refused(code, name):
    assert status(REFUSED[code][name]) == code
    assert read(REFUSED[code][name]) in (None, "unfinished")


TWICE = {
    "line, then control": head(b"A: \x00", line=b"GET /a b HTTP/1.1"),
    "line, then line ends": head(line=b"TRACE / HTTP/1.1").replace(b"\r\n\r\n", b"\n\r\n"),
    "line with a control, then another": head(b"A: \x00", line=b"GET /\x01 b HTTP/1.1"),
    "method, then control": head(line=b"(GET /\x00 HTTP/1.1"),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_is_wrong_first_is_told_however_it_is_cut(name):
    whole = TWICE[name]
    told = {early(whole[:at], 0) for at in range(1, len(whole))} - {None}
    assert told == {fault(whole)}


def test_a_refusal_of_a_method_names_others():
    found = fault(head(line=b"TRACE / HTTP/1.1"))
    assert found is not None
    assert "GET" in found.allow
    assert "TRACE" not in found.allow


NEVER = [b"\x80", b"\x00", b"SSH-2.0-OpenSSH_9.2\r\n", b"\rGET", b" GET", b"GET / HTTP/1.1\r\r", b"GET /\x01", b"a\n"]
NEVER += [b"G(", b"GET / HTTP/1.1\r\nA: \x07", b"PRI * HTTP/2.0\r\n", b"GET /\r\n", b"* OK IMAP4\r\n", b'{"a":']
NEVER += [b"GET / HTTP/1.1\r\nHost: a\rA: b"]


@pytest.mark.parametrize("data", NEVER)
def test_what_can_never_be_a_request_is_refused_at_once(data):
    assert early(data, 0) is not None
    assert any(early(data[:at], at - 1) for at in range(1, len(data) + 1))


@pytest.mark.parametrize("data", [b"G", b"GET", b"GET ", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"\r"])
def test_what_may_become_a_request_is_waited_for(data):
    assert early(data, 0) is None


EMPTY = [(b"\r\nG", b"G"), (b"\n\r\n\nG", b"G"), (b"\r\n", b""), (b"\r", b"\r"), (b"\rG", b"\rG"), (b"\r\n\r", b"\r")]
EMPTY += [(b"\r\r\nG", b"\r\r\nG"), (b"G\r\n", b"G\r\n"), (b" \r\n", b" \r\n")]


@pytest.mark.parametrize(("data", "left"), EMPTY)
def test_empty_lines_in_front_are_skipped(data, left):
    assert skip(data) == left


@pytest.mark.parametrize(
    ("data", "end"),
    [(b"A\r\n\r\nB", 5), (b"A\n\nB", 3), (b"A\n\r\nB", 4), (b"A\r\n\nB", 4), (b"A\r\n\r", -1), (b"A\r\n\r\r\n", -1)],
)
def test_where_a_head_ends(data, end):
    assert end_of_head(data) == end
    for start in range(max(0, end - 3)):
        assert end_of_head(data, start) == end


NAMES = [b"Host", b"content-length", b"Content-Length", b"Transfer-Encoding", b"transfer-encoding ", b"Connection"]
NAMES += [b"Upgrade", b"Expect", b"A", b"", b" A", b"Content-Length\t", b"Trailer"]
VALUES = [b"a.test", b"a.test:80", b"a.test:", b"0", b"5", b"005", b"+5", b"5, 5", b"chunked", b"gzip, chunked", b""]
VALUES += [b"identity", b"Chunked", b"\x0bchunked", b"close", b"b\rc", b"b\nTransfer-Encoding: chunked", b"b\r\n c"]
LINES = [b"GET / HTTP/1.1", b"POST http://a.test/ HTTP/1.1", b"get / HTTP/1.0", b"OPTIONS * HTTP/1.1", b"HEAD /\t x"]
LINES += [b"CONNECT a.test:80 HTTP/1.1", b"connect http://a/ HTTP/1.1", b"PUT /#a HTTP/1.1", b"TRACE / HTTP/1.1"]
fields = st.builds(
    lambda name, blank, value: name + b":" + blank + value,
    st.sampled_from(NAMES),
    st.sampled_from([b"", b" ", b"\t "]),
    st.sampled_from(VALUES) | st.binary(max_size=6),
)


@st.composite
def heads(draw):
    lines = [draw(st.sampled_from(LINES) | st.binary(max_size=12)), *draw(st.lists(fields, max_size=4))]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(1, len(lines))), b"Host: a.test")
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    return end.join([*lines, b"", b""])


@settings(max_examples=1500)
@given(heads())
@example(head(b"Content-Length: 5"))
@example(head(CHUNKED, end=b"\n"))
def test_mitmproxy_reads_what_goes_on_as_one_request_with_the_same_body_or_not_at_all(data):
    end = end_of_head(data)
    if end < 0 or fault(data[:end]) is not None:
        return
    buffer = ReceiveBuffer()
    buffer += data
    lines = buffer.maybe_extract_lines()
    assert lines
    assert len(buffer) == len(data) - end
    assert early(data[: end - 1], 0) is None
    try:
        theirs = http1.read_request_head([bytes(each) for each in lines])
        size = http1.expected_http_body_size(theirs)
        validate_headers(theirs)
    except ValueError:
        return
    body = body_of(data[:end])
    assert isinstance(body, Chunked) == (size is None)
    if size is not None:
        out, rest = body.take(bytes(size + 3))
        assert (len(out), len(rest)) == (size, 3)
    assert theirs.data.method == data.partition(b" ")[0]
    assert (theirs.method == "CONNECT") == data.startswith(b"CONNECT ")


@settings(max_examples=1500)
@given(heads())
def test_whatever_the_lane_reads_is_in_order(data):
    if isinstance(read(data), Head):
        assert fault(data[: end_of_head(data)]) is None
