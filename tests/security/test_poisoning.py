"""What one client says besides what it asks for is in nobody else's answer."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from holdover.caching.invalidation import SAFE
from scripts.rig import HOST, House, running, write_house
from tests.e2e.wire import Reply, ask, calm_window, dial
from tests.security.provider import Arrival, Provider, provider

SENT = {b"host", b"user-agent", b"accept", b"accept-encoding"}
"""The only fields of holdover's requests for what is cached."""

UNKEYED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Scheme": "evil",
    "X-Forwarded-Proto": "evil",
    "X-Forwarded-For": "evil, 127.0.0.1",
    "X-Forwarded-Port": "31337",
    "X-Forwarded-Prefix": "/evil",
    "X-Host": "evil.example",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "X-HTTP-Method-Override": "EVIL",
    "X-HTTP-Method": "EVIL",
    "X-Method-Override": "EVIL",
    "Forwarded": "host=evil.example;for=evil",
    "Via": "1.1 evil",
    "Accept": "text/evil",
    "Accept-Language": "evil",
    "Accept-Charset": "evil",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
    "User-Agent": "evil<script>",
    "X-Oversized": "evil" * 4000,
    "X-Meta": "evil\tand \u00ff more",
    "Max-Forwards": "0",
    "Expect": "evil",
    "If-Range": '"evil"',
    "Prefer": "evil",
    "Upgrade-Insecure-Requests": "1",
    "Fastly-Client-Ip": "evil",
    "CDN-Loop": "evil",
    "X-Wap-Profile": "https://evil.example",
    "Content-Type": "text/evil",
}
_numbers = count(1)


@dataclass
class Place:
    house: House
    provider: Provider

    def ask(self, target: str, **named: object) -> Reply:
        return ask(self.house.ports["reverse"], target, **named)  # type: ignore[arg-type]

    def sent(self, mark: str) -> list[Arrival]:
        return self.provider.heads(f"/{mark}/".encode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    with provider() as vendor:
        where = f"http://127.0.0.1:{vendor.port}"
        settings: dict[str, Any] = {"window_s": window, "max_stale_s": 2 * window}
        settings |= {"rate_per_s": 10_000, "burst": 10_000}
        house = write_house(tmp_path_factory.mktemp("poisoned"), where, **settings)
        with running(house):
            yield Place(house, vendor)


def fresh() -> tuple[str, str]:
    """A mark, and a target with it that nobody asked for."""
    mark = f"p{next(_numbers):05d}"
    return mark, f"/v4/sports/{mark}/odds?regions=uk"


def clean(reply: Reply) -> None:
    assert reply.status == 200
    assert b"evil" not in reply.body.lower()
    assert not any("evil" in value for _, value in reply.fields)


def names(arrival: Arrival) -> set[bytes]:
    return {line.partition(b":")[0].lower() for line in arrival.head.split(b"\r\n")[1:] if line}


@pytest.mark.parametrize("name", UNKEYED)
def test_a_field_that_is_not_in_the_key_goes_no_further(place: Place, name: str):
    """The provider answers with all that it was asked, so what is stored tells what was sent."""
    mark, target = fresh()
    line = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{name}: {UNKEYED[name]}\r\nConnection: close\r\n\r\n"
    with dial(place.house.ports["reverse"]) as client:
        client.sendall(line.encode("latin-1"))
        first = b"".join(iter(lambda: client.recv(65_536), b""))
    if name == "Expect":  # nothing is known under this name but 100-continue
        assert first.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 4"))
    else:
        assert first.startswith(b"HTTP/1.1 200 "), first[:200]
        assert b"evil" not in first.lower()
    clean(place.ask(target))
    clean(place.ask(target))
    [sent] = [each for each in place.sent(mark) if names(each) == SENT]
    assert len(place.sent(mark)) <= (2 if name == "Expect" else 1)
    assert b"evil" not in sent.head.lower()


def test_all_of_them_at_once(place: Place):
    mark, target = fresh()
    fields = {name: value for name, value in UNKEYED.items() if name not in ("Expect", "X-Oversized")}
    for _ in range(2):
        clean(place.ask(target, headers=fields))
    clean(place.ask(target))
    assert [names(each) for each in place.sent(mark)] == [SENT]


def test_a_get_with_a_body_leaves_nothing_for_those_without(place: Place):
    mark, target = fresh()
    body = b"regions=evil"
    for fields in ({}, {"Content-Type": "application/x-www-form-urlencoded"}, {"X-HTTP-Method-Override": "POST"}):
        reply = place.ask(target, headers=fields, body=body)
        assert reply.status in (200, 400)
        assert "cache-status" not in reply.names or reply.status == 400
    clean(place.ask(target))
    assert place.ask(target).cache.startswith("hit")
    assert [each.body for each in place.sent(mark) if names(each) == SENT] == [b""]


def test_a_head_leaves_a_whole_answer(place: Place):
    mark, target = fresh()
    head = place.ask(target, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    whole = place.ask(target)
    assert whole.cache.startswith("hit")
    assert whole["content-length"] == str(len(whole.body)) == head["content-length"]
    assert [each.head.partition(b" ")[0] for each in place.sent(mark)] == [b"GET"]


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE", "FOO"])
def test_another_method_is_neither_answered_from_the_cache_nor_kept(place: Place, method: str):
    mark, target = fresh()
    for _ in range(2):
        reply = place.ask(target, method=method)
        assert not reply["cache-status"].startswith(("holdover; hit", "holdover; fwd=uri-miss"))
    assert all(each.head.startswith(method.encode()) for each in place.sent(mark))
    before = len(place.sent(mark))
    assert place.ask(target).way == "fwd=uri-miss; stored"
    assert not place.ask(target, method=method)["cache-status"].startswith("holdover; hit")
    # What is not known to be safe makes it invalid (RFC 9111 section 4.4).
    assert place.ask(target).cache.startswith("hit") == (method in SAFE)
    assert len(place.sent(mark)) <= before + 3


DECEPTIVE = (
    "/v4/account/{m}/profile.css",
    "/v4/account/{m}/odds.json",
    "/v4/account/{m}/..%2fsports%2fepl%2fodds",
    "/v4/account/{m}/../../sports/epl/odds",
    "/v4/sports/{m}/odds/x.css",
    "/v4/sports/{m}/odds.css",
    "/v4/sports/{m}/odds;x.json",
    "/v4/sports/{m}/odds%0a",
    "/v4/sports/{m}/odds%00.js",
    "/v4/sports/{m}/odds%23x",
    "/v4/sports/{m}/odds%3fx=1",
    "/v4/sports/{m}/odds%2f",
    "/v4/sports/{m}%2f..%2f..%2faccount/odds",
    "/v4/sports/{m}%252f..%252f..%252faccount/odds",
    "/v4//sports/{m}/odds",
    "/v4/sports/./{m}/odds",
    "/v4/sports/{m}/x/../odds",
    "/V4/sports/{m}/odds",
    "//v4/sports/{m}/odds",
    "/v4/sports/{m}/odds//",
)


@pytest.mark.parametrize("template", DECEPTIVE)
def test_what_only_looks_like_a_route_is_not_kept(place: Place, template: str):
    mark, _ = fresh()
    target = template.replace("{m}", mark) + "?regions=uk"
    for fields in ({"X-Own": "evil"}, {}):
        reply = place.ask(target, headers=fields)
        if reply.status == 200:
            assert "cache-status" not in reply.names
            # What passes is the provider's to judge, and goes to it as it came.
            assert f"GET {target} HTTP/1.1".encode() in reply.json[0]["id"].encode("latin-1")
            assert ("evil" in reply.json[0]["id"]) == bool(fields)
        else:
            assert reply.status in (400, 404)


CODINGS: tuple[Mapping[str, str], ...] = (
    {},
    {"Accept-Encoding": ""},
    {"Accept-Encoding": "gzip"},
    {"Accept-Encoding": "GZIP;q=1.0"},
    {"Accept-Encoding": "br, zstd, evil"},
    {"Accept-Encoding": "gzip;q=0"},
    {"Accept-Encoding": "gzip;q=evil"},
    {"Accept-Encoding": ",,;;==,"},
    {"Accept-Encoding": "*;q=0"},
    {"Accept-Encoding": "gzip" + ",evil" * 500},
    {"Accept-Encoding": "identity;q=0"},
    {"Accept-Encoding": '"gzip'},
)


def test_no_accept_encoding_goes_round_the_cache(place: Place):
    mark, target = fresh()
    place.ask(target)
    plain = place.ask(target)
    for fields in CODINGS:
        reply = place.ask(target, headers=fields)
        assert (reply.status, reply.cache.startswith("hit")) == (200, True)
        assert reply["content-encoding"] in ("", "gzip")
        if not reply["content-encoding"]:
            assert reply.body == plain.body
    assert len(place.sent(mark)) == 1


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=0-0",
        "bytes=" + ",".join(f"{n}-" for n in range(100)),
        "bytes=" + ",".join("0-" for _ in range(500)),
        "bytes=-1,-2,-3",
        "bytes=9999999999999999999-",
        "evil=0-1",
    ],
)
def test_ranges_multiply_nothing_and_are_not_stored(place: Place, ranges: str):
    mark, target = fresh()
    for _ in range(2):  # missing, then stored
        reply = place.ask(target, headers={"Range": ranges})
        assert reply.status in (200, 206, 416)
        assert len(reply.body) <= 2000
    whole = place.ask(target)
    assert (whole.status, whole.cache.startswith("hit")) == (200, True)
    assert whole["content-length"] == str(len(whole.body))
    assert len(whole.json) == 1
    [sent] = place.sent(mark)
    assert b"range" not in sent.head.lower()


def test_a_client_that_says_a_thousand_things_is_refused_and_the_rest_served(place: Place):
    """More header fields than the limit: the error is its own."""
    _, target = fresh()
    many = "".join(f"X-{n}: evil\r\n" for n in range(20_000))
    with dial(place.house.ports["reverse"]) as client:
        try:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{many}\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65_536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    clean(place.ask(target))


def test_ever_new_queries_make_no_new_metrics(place: Place):
    """By key nothing is counted, and credentials and values of queries are no labels."""
    for each in range(20):
        place.ask(f"/v4/sports/flood/odds?regions=uk&flood=warm{each}")
    before = [set(place.house.metrics(role)) for role in ("metrics", "admin")]
    for each in range(300):
        assert place.ask(f"/v4/sports/flood/odds?regions=uk&flood=random{each}").status == 200
    after = [set(place.house.metrics(role)) for role in ("metrics", "admin")]
    # What is counted with other words than these is a matter of timing.
    assert all(len(new - old) < 40 for old, new in zip(before, after, strict=True))
    assert not any("flood=" in name or "random" in name for names in after for name in names)
