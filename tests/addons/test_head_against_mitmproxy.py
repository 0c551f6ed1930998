"""What the lane reads by itself, mitmproxy must read as the same: either may get the next request."""

from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mitmproxy.net.http import http1
from mitmproxy.net.http.url import parse_authority
from mitmproxy.net.http.validate import validate_headers

from holdover.head import Head, read

HOST = "api.vendor.test"
NAMES = ["Host", "host", "Content-Length", "content-length", "Connection", "Upgrade", "HTTP2-Settings", "Accept"]
NAMES += ["Transfer-Encoding", "X-Api-Key", "If-None-Match", "x_odd!", "Expect", "Accept-Encoding", "Cookie", "TE"]
VALUES = [HOST, HOST.upper(), f"{HOST}:80", f"{HOST}.", "evil.test", "0", "3", "03", "+3", "3, 3", "close", "Close"]
VALUES += [
    "keep-alive",
    "Upgrade, HTTP2-Settings",
    "h2c",
    "websocket",
    "chunked",
    "identity",
    "",
    "a b",
    "\ta\t",
    "*/*",
]
OPTIONAL = st.sampled_from(["", " ", "  ", "\t", " \t "])
line = st.builds(
    lambda name, before, value, after: f"{name}:{before}{value}{after}",
    st.sampled_from(NAMES),
    OPTIONAL,
    st.sampled_from(VALUES) | st.text(st.characters(codec="latin-1"), max_size=8),
    OPTIONAL,
)
target = st.sampled_from(
    [
        "/",
        "/v4/sports?a=b&a=c",
        "//x/..;/%00",
        "/?",
        "*",
        f"http://{HOST}/a",
        f"http://{HOST}:81//",
        "http://evil.test/",
    ]
)
target |= st.text(st.characters(codec="latin-1"), max_size=12).map(lambda text: f"/{text}")
method = st.sampled_from(["POST", "POST", "GET", "HEAD", "PUT", "get"])


GOOD = [f"Host: {HOST}", "Content-Length: 3", "Accept: */*"]
"""Of a request to which something is done."""


@st.composite
def requests(draw):
    fields = [*GOOD]
    for _ in range(draw(st.integers(0, 2))):
        at, end = draw(st.integers(0, 3)), draw(st.integers(0, 1))
        fields[at : at + end] = [draw(line)]
    first = f"{draw(method)} {draw(target)} {draw(st.sampled_from(['HTTP/1.1'] * 9 + ['HTTP/1.0']))}"
    end = draw(st.sampled_from(["\r\n"] * 9 + ["\n"]))
    head = end.join([first, *fields, "", ""])
    return head.encode("latin-1") + draw(st.sampled_from([b"abc", b"abc", b"", b"abcd"]))


@settings(max_examples=1500)
@given(requests())
@example(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\nabc".encode())
@example(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 003\r\n\r\nabc".encode())
@example(f"GET http://{HOST}/a?b HTTP/1.1\r\nHost:\t{HOST} \r\nConnection: close\r\n\r\n".encode())
def test_what_is_read_here_mitmproxy_reads_as_the_same(data):
    head = read(data)
    if not isinstance(head, Head):
        return
    mine = head.request
    buffer = ReceiveBuffer()
    buffer += data
    lines = buffer.maybe_extract_lines()
    assert lines
    theirs = http1.read_request_head([bytes(each) for each in lines])
    validate_headers(theirs)
    assert (theirs.method, theirs.path) == (mine.method, mine.target)
    assert theirs.http_version == "HTTP/1.1"
    assert theirs.headers.fields == tuple((name.encode(), value.encode()) for name, value in mine.headers)
    assert parse_authority((theirs.host_header or "").removesuffix(":"), check=True)[0].lower() == mine.host
    assert not theirs.authority or parse_authority(theirs.authority, check=True)[0].lower() == mine.host
    size = http1.expected_http_body_size(theirs)
    assert size == len(mine.body)
    assert len(buffer) == len(data) - head.length + size
    # The other way round one side would wait for a request that the other one has refused to read.
    assert head.close or not http1.connection_close(theirs.http_version, theirs.headers)
