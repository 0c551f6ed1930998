"""What HTTP/2 can say and HTTP/1.1 cannot: none of it becomes something else on its way to the provider."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

from scripts.rig import HOST, House, running, write_house
from tests.e2e.wire import calm_window, dial, trusting
from tests.security.corpus import PASSED, get
from tests.security.provider import Provider, provider

type Fields = list[tuple[bytes, bytes]]

_numbers = count(1)
HOSTILE: dict[str, Fields] = {
    "line end in a value": [(b"x-a", b"b\r\nX-Planted: c")],
    "request in a value": [(b"x-a", b"b\r\n\r\nGET /planted HTTP/1.1\r\nHost: planted\r\n\r\n")],
    "line feed in a value": [(b"x-a", b"b\nX-Planted: c")],
    "NUL in a value": [(b"x-a", b"b\x00c")],
    "line end in a name": [(b"x-a: b\r\nx-planted", b"c")],
    "colon in a name": [(b"x-planted: a", b"b")],
    "capitals in a name": [(b"X-A", b"b")],
    "space in a name": [(b"x a", b"b")],
    "transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "connection": [(b"connection", b"x-a"), (b"x-a", b"b")],
    "length of a body that is none": [(b"content-length", b"44")],
    "two lengths": [(b"content-length", b"0"), (b"content-length", b"44")],
    "another host": [(b"host", b"planted.example")],
    "two authorities": [(b":authority", b"planted.example")],
    "a late pseudo-field": [(b"x-a", b"b"), (b":path", b"/planted")],
    "an unknown pseudo-field": [(b":planted", b"b")],
}
LINES: dict[str, tuple[bytes, bytes]] = {
    "line end in the path": (b":path", b"/v4/x/{m} HTTP/1.1\r\nX-Planted: a\r\nX-B:"),
    "space in the path": (b":path", b"/v4/x/{m} HTTP/1.1 planted"),
    "empty path": (b":path", b""),
    "absolute path": (b":path", b"http://planted.example/{m}"),
    "line end in the method": (b":method", b"GET /planted HTTP/1.1\r\nX-Planted: a\r\n\r\n"),
    "line end in the authority": (b":authority", b"planted\r\nX-Planted: a"),
    "line end in the scheme": (b":scheme", b"https\r\nX-Planted: a"),
}


@dataclass
class Place:
    house: House
    provider: Provider

    def ask(self, fields: Fields) -> tuple[int, bytes] | None:
        """Status and body; None when the stream or the connection is ended without an answer."""
        context = trusting(self.house)
        context.set_alpn_protocols(["h2"])
        line = context.wrap_socket(dial(self.house.ports["reverse"]), server_hostname=HOST)
        assert line.selected_alpn_protocol() == "h2"
        with closing(line):
            return _asked(line, fields)


def _asked(line: ssl.SSLSocket, fields: Fields) -> tuple[int, bytes] | None:
    line.settimeout(30)
    lax = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding=None)
    talk, status, body = H2Connection(lax), 0, b""
    talk.initiate_connection()
    talk.send_headers(1, fields, end_stream=True)
    line.sendall(talk.data_to_send())
    with suppress(ConnectionError):
        while data := line.recv(65_536):
            for event in talk.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                elif isinstance(event, DataReceived):
                    body += event.data
                elif isinstance(event, StreamEnded):
                    return status, body
                elif type(event).__name__ in ("StreamReset", "ConnectionTerminated"):
                    return None
            line.sendall(talk.data_to_send())
    return None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    with provider() as vendor:
        house = write_house(
            tmp_path_factory.mktemp("http2"),
            f"http://127.0.0.1:{vendor.port}",
            proxy="workers = 1\nhttp2 = true",
            window_s=window,
            max_stale_s=2 * window,
            rate_per_s=10_000,
            burst=10_000,
        )
        with running(house):
            yield Place(house, vendor)


def line_of(path: bytes) -> Fields:
    return [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", path)]


def judged(place: Place, before: int, told: tuple[int, bytes] | None) -> None:
    """At most one request, which every reader reads alike, and nothing of what was planted in it."""
    arrived = place.provider.arrivals[before:]
    assert len(arrived) <= 1
    for each in arrived:
        assert each.clean, each
        assert b"planted" not in each.head.lower(), each
    assert told is None or told[0] in (200, 400, 421, 502)
    good = place.ask(line_of(b"/v4/sports/%d/odds?regions=uk" % next(_numbers)))
    assert good is not None
    assert (good[0], b"planted" in good[1]) == (200, False)


@pytest.mark.parametrize("path", [b"/v4/sports/{m}/odds?regions=uk", b"/v4/elsewhere/{m}"], ids=["cached", "passed"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_fields(place: Place, kind: str, path: bytes):
    before = len(place.provider.arrivals)
    target = path.replace(b"{m}", b"f%d" % next(_numbers))
    judged(place, before, place.ask([*line_of(target), *HOSTILE[kind]]))


@pytest.mark.parametrize("kind", LINES)
def test_lines(place: Place, kind: str):
    before, (name, value) = len(place.provider.arrivals), LINES[kind]
    fields = dict(line_of(b"/v4/elsewhere")) | {name: value.replace(b"{m}", b"l%d" % next(_numbers))}
    judged(place, before, place.ask(list(fields.items())))


def test_trace_is_refused(place: Place):
    before = len(place.provider.arrivals)
    told = place.ask([(b":method", b"TRACE"), *line_of(b"/v4/elsewhere")[1:]])
    assert told is not None
    assert (told[0], len(place.provider.arrivals)) == (405, before)


HEADS = {
    "TRACE": (get(PASSED, method=b"TRACE"), 405),
    "NUL in a value": (get(PASSED, b"A: b\x00c"), 400),
    "bare CR in a value": (get(PASSED, b"A: b\rX-Planted: c"), 400),
    "folded field": (get(PASSED, b"A: b\r\n c"), 400),
    "too many fields": (get(PASSED, *[b"A: b"] * 300), 431),
    "a field that is too long": (get(PASSED, b"A: " + b"b" * 100_000), 431),
    "in order": (get(PASSED), 200),
}
OFFERS: dict[str, list[str]] = {"nothing": [], "HTTP/1.1": ["http/1.1"], "HTTP/2 after HTTP/1.1": ["http/1.1", "h2"]}


@pytest.mark.parametrize("cut", [0, 1, 3, 40], ids=lambda cut: f"hello cut at {cut}")
@pytest.mark.parametrize("offered", OFFERS)
def test_http_1_beside_it_is_heard_as_strictly_as_ever(place: Place, offered: str, cut: int):
    """Whatever the client's hello offers, and however that is cut."""
    for name, (raw, status) in HEADS.items():
        before = len(place.provider.arrivals)
        with closing(dial(place.house.ports["reverse"])) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            told = _said(plain, place.house, OFFERS[offered], cut, raw.replace(b"{m}", b"m"))
        assert (name, told[9:12]) == (name, str(status).encode())
        assert len(place.provider.arrivals) - before == (status == 200)


def _said(plain: socket.socket, house: House, offered: list[str], cut: int, raw: bytes) -> bytes:
    """What begins the answer to `raw`. The client's hello comes in two pieces."""
    context = trusting(house)
    if offered:
        context.set_alpn_protocols(offered)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    for piece in filter(None, (hello[:cut], hello[cut:])):
        plain.sendall(piece)
        time.sleep(0.05)
    written = False
    while True:
        try:
            tls.do_handshake()
            if not written:
                tls.write(raw)
                written = True
            plain.sendall(outgoing.read())
            return tls.read(100)
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65_536))
