import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.head import MAX_BODY_BYTES, Head, read

HOST = "api.vendor.test"
TARGET = "/v4/sports/epl/odds?regions=us%2Cuk&all=True"
BODY = b'[{"jsonrpc": "2.0", "method": "SportsAPING/v1.0/listMarketBook", "params": {}, "id": 1}]'
PLAIN = f"GET {TARGET} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def wire(*fields, method="GET", target=TARGET, host=HOST, body=b"", version="HTTP/1.1"):
    lines = [f"{method} {target} {version}", *([f"Host: {host}"] if host is not None else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


# What common HTTP clients of the named versions send beside Host, in their order.
CLIENTS = {
    "requests 2.34": [
        "User-Agent: python-requests/2.34.2",
        "Accept-Encoding: gzip, deflate, br",
        "Accept: */*",
        "Connection: keep-alive",
    ],
    "httpx 0.28": [
        "Accept: */*",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: keep-alive",
        "User-Agent: python-httpx/0.28.1",
    ],
    "aiohttp 3.14": ["Accept: */*", "Accept-Encoding: gzip, deflate, br", "User-Agent: Python/3.13 aiohttp/3.14.5"],
    "urllib 3.13": ["Accept-Encoding: identity", "User-Agent: Python-urllib/3.13", "Connection: close"],
    "Node 20 fetch": [
        "connection: keep-alive",
        "accept: */*",
        "accept-language: *",
        "sec-fetch-mode: cors",
        "user-agent: node",
        "accept-encoding: gzip, deflate",
    ],
    "axios 1": [
        "Accept: application/json, text/plain, */*",
        "User-Agent: axios/1.21.1",
        "Accept-Encoding: gzip, compress, deflate, br",
        "Connection: keep-alive",
    ],
    "curl 7.88": ["User-Agent: curl/7.88.1", "Accept: */*"],
    "Java 17 HttpClient": [
        "Connection: Upgrade, HTTP2-Settings",
        "Content-Length: 0",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Upgrade: h2c",
        "User-Agent: Java-http-client/17.0.18",
    ],
    "Java 17 HttpURLConnection": [
        "User-Agent: Java/17.0.18",
        "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "Connection: keep-alive",
    ],
    "SportsGameOdds 1.3": [
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: keep-alive",
        "User-Agent: SportsGameOdds/Python 1.3.0",
        "X-Stainless-Async: false",
        "x-stainless-retry-count: 0",
        "x-stainless-read-timeout: 60",
        "X-Api-Key: k",
    ],
    "lower case, no space": ["accept:*/*", "accept-encoding:\tgzip \t", "x-empty:"],
}


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_clients_send_is_read(name, method):
    data = wire(*CLIENTS[name], method=method)
    head = read(data, "192.0.2.1")
    assert isinstance(head, Head)
    request = head.request
    assert (request.method, request.host, request.target) == (method, HOST, TARGET)
    assert (request.body, request.client, head.length) == (b"", "192.0.2.1", len(data))
    assert head.close == (name == "urllib 3.13")
    sent = [tuple(part.strip(" \t") for part in line.split(":", 1)) for line in CLIENTS[name]]
    assert request.headers == (("Host", HOST), *sent)


def test_a_post_with_a_json_body_is_read_with_it():
    fields = [
        "User-Agent: betfairlightweight/2.24.0",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        "X-Application: key",
        "X-Authentication: session",
        "content-type: application/json",
        f"Content-Length: {len(BODY)}",
    ]
    data = wire(*fields, method="POST", target="/exchange/betting/json-rpc/v1", body=BODY)
    head = read(data + PLAIN)
    assert isinstance(head, Head)
    assert (head.request.body, head.length, head.close) == (BODY, len(data), False)


@pytest.mark.parametrize(
    ("host", "read_as"),
    [
        ("API.Vendor.TEST", "api.vendor.test"),
        ("api.vendor.test:8080", "api.vendor.test"),
        ("api.vendor.test.", "api.vendor.test."),
        ("127.0.0.1:80", "127.0.0.1"),
        ("api.vendor.test:", "api.vendor.test"),
        ("localhost", "localhost"),
    ],
)
def test_the_host_is_read_without_its_port(host, read_as):
    head = read(wire(host=host))
    assert isinstance(head, Head)
    assert head.request.host == read_as


@pytest.mark.parametrize("authority", [HOST, "API.VENDOR.test", f"{HOST}:80", f"{HOST}:8080"])
def test_a_target_in_absolute_form_that_names_the_same_host_is_its_path(authority):
    head = read(wire(target=f"http://{authority}{TARGET}"))
    assert isinstance(head, Head)
    assert (head.request.host, head.request.target) == (HOST, TARGET)


FRAMING = {
    "Content-Length and Transfer-Encoding": ["Content-Length: 3", "Transfer-Encoding: chunked"],
    "Transfer-Encoding and Content-Length": ["Transfer-Encoding: chunked", "Content-Length: 3"],
    "lengths that differ": ["Content-Length: 3", "Content-Length: 4"],
    "lengths that are equal": ["Content-Length: 3", "Content-Length: 3"],
    "a list of lengths": ["Content-Length: 3, 3"],
    "a length with a sign": ["Content-Length: +3"],
    "a negative length": ["Content-Length: -3"],
    "a length in hexadecimal": ["Content-Length: 0x3"],
    "a length with an underscore": ["Content-Length: 1_0"],
    "a length with leading zeros": ["Content-Length: 003"],
    "no length at all in its field": ["Content-Length:"],
    "a length in other digits": ["Content-Length: \xb2"],
    "chunked": ["Transfer-Encoding: chunked"],
    "a space before the colon": ["Transfer-Encoding : chunked"],
    "another coding": ["Transfer-Encoding: xchunked"],
    "identity behind chunked": ["Transfer-Encoding: chunked, identity"],
    "Transfer-Encoding twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "a vertical tab before the coding": ["Transfer-Encoding: \x0bchunked"],
    "a folded coding": ["Transfer-Encoding:", " chunked"],
    "a trailer": ["Trailer: Expires"],
    "TE": ["TE: trailers"],
    "an expectation": ["Content-Length: 3", "Expect: 100-continue"],
}
FIELDS = {
    "a folded field": ["X-One: 1", " more"],
    "a field that begins with a space": [" X-One: 1"],
    "a space in the name": ["X One: 1"],
    "no colon": ["X-One"],
    "no name": [": 1"],
    "a bare carriage return": ["X-One: 1\rX-Two: 2"],
    "a bare line feed": ["X-One: 1\nX-Two: 2"],
    "a NUL": ["X-One: \x00"],
    "a control character": ["X-One: \x01"],
    "DEL": ["X-One: \x7f"],
    "a byte beyond ASCII": ["X-One: \xff"],
    "another Host": ["Host: evil.test"],
    "the same Host again": [f"Host: {HOST}"],
    "another Host, spelled another way": ["hOST: evil.test"],
    "Host named by Connection": ["Connection: Host"],
    "an unknown option": ["Connection: keep-alive, x-one"],
    "a websocket": ["Connection: Upgrade", "Upgrade: websocket"],
    "HTTP/2 over TLS": ["Connection: Upgrade", "Upgrade: h2"],
    "several upgrades": ["Connection: Upgrade", "Upgrade: h2c, websocket"],
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", [*FRAMING, *FIELDS])
def test_what_servers_read_in_different_ways_is_not_read_here(case, method):
    fields = (FRAMING | FIELDS)[case]
    for data in (wire(*fields, method=method), wire(*fields, method=method, body=b"0\r\n\r\n")):
        assert read(data) is None
        assert read(data + PLAIN) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        *(f"{HOST}{end}" for end in (",evil.test", " evil.test", "/x", "::", ":99999", ":port", ":80:80")),
        f"user@{HOST}",
        "[::1]",
        "-",
        "a_b.test",
        "a..test",
        "%61pi.vendor.test",
        "\xe4.test",
        None,
    ],
)
def test_a_host_that_is_none_is_not_read(host):
    assert read(wire(host=host)) is None


@pytest.mark.parametrize(
    "line",
    [
        f"GET {TARGET}",
        f"GET {TARGET} HTTP/0.9",
        f"GET {TARGET} HTTP/1.0",
        f"GET {TARGET} HTTP/1.2",
        f"GET {TARGET} HTTP/2.0",
        f"GET {TARGET} http/1.1",
        f"GET {TARGET} HTTP/1.1 ",
        f"GET  {TARGET} HTTP/1.1",
        f"GET\t{TARGET} HTTP/1.1",
        f" GET {TARGET} HTTP/1.1",
        f"get {TARGET} HTTP/1.1",
        f"PUT {TARGET} HTTP/1.1",
        f"TRACE {TARGET} HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        f"CONNECT {HOST}:443 HTTP/1.1",
        "GET /a#fragment HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\xff HTTP/1.1",
        "GET a HTTP/1.1",
        f"GET http://evil.test{TARGET} HTTP/1.1",
        f"GET http://user@{HOST}{TARGET} HTTP/1.1",
        f"GET http://{HOST}:99999{TARGET} HTTP/1.1",
        f"GET http://{HOST}:{TARGET} HTTP/1.1",
        f"GET http://{HOST} HTTP/1.1",
        f"GET http:/{TARGET} HTTP/1.1",
        f"GET HTTP://{HOST}{TARGET} HTTP/1.1",
        f"GET https://{HOST}{TARGET} HTTP/1.1",
        f"GET //{HOST} HTTP/1.1\nHost: x",
        f"\r\nGET {TARGET} HTTP/1.1",
        f"GET {TARGET} HTTP/1.1\r",
    ],
)
def test_a_first_line_that_is_not_plain_is_not_read(line):
    assert read(f"{line}\r\nHost: {HOST}\r\n\r\n".encode("latin-1")) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_where_none_belongs_is_not_read(method):
    assert read(wire("Content-Length: 3", method=method, body=b"abc")) is None
    assert isinstance(read(wire("Content-Length: 0", method=method)), Head)


@pytest.mark.parametrize("end", ["\n\n", "\n\r\n"])
def test_a_head_that_ends_with_bare_line_feeds_is_not_waited_for(end):
    assert read(f"GET / HTTP/1.1\nHost: {HOST}{end}".encode()) is None


def test_a_body_is_as_long_as_fits():
    assert read(wire(f"Content-Length: {MAX_BODY_BYTES + 1}", method="POST")) is None
    assert read(wire(f"Content-Length: {MAX_BODY_BYTES}", method="POST")) == "unfinished"
    head = read(wire(f"Content-Length: {MAX_BODY_BYTES}", method="POST", body=bytes(MAX_BODY_BYTES)))
    assert isinstance(head, Head)
    assert len(head.request.body) == MAX_BODY_BYTES


@pytest.mark.parametrize("name", CLIENTS)
def test_a_request_is_unfinished_until_it_is_whole(name):
    for data in (wire(*CLIENTS[name]), wire("Content-Length: 90", method="POST", body=b"\n\n" * 45)):
        assert [read(data[:end]) for end in range(len(data))] == ["unfinished"] * len(data)
        whole = read(data)
        assert isinstance(whole, Head)
        # What follows belongs to others.
        assert [read(data + PLAIN[:end]) for end in range(len(PLAIN))] == [whole] * len(PLAIN)


@given(st.binary(max_size=200), st.integers(0, len(PLAIN)), st.integers(0, len(PLAIN)))
def test_whatever_is_read_is_plain(noise, begin, end):
    """Bytes of any kind in the place of a part of a good request."""
    data = PLAIN[: min(begin, end)] + noise + PLAIN[max(begin, end) :]
    head = read(data)
    if not isinstance(head, Head):
        return
    block = data[: head.length - len(head.request.body)]
    assert block.endswith(b"\r\n\r\n")
    assert re.fullmatch(rb"[\t\r\n -~]*", block)
    assert block.count(b"\n") == block.count(b"\r") == block.count(b"\r\n") == len(head.request.headers) + 2
    hosts = [value for name, value in head.request.headers if name.lower() == "host"]
    assert [host.partition(":")[0].lower() for host in hosts] == [head.request.host]
