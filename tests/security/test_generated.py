"""The generated requests are of many kinds, and most of them in order."""

from collections import Counter
from random import Random

from hypothesis import given

from tests.security.generated import CLIENTS, requests, spelled

PARTS = (
    *(
        b"If-None-Match: *",
        b"accept-encoding:",
        b"Connection: close",
        b"%2C",
        b"http://",
        b"Content-Length: 0",
        b"HTTP/1.0",
    ),
    *(b"\xe9", b"\x00", b"\r\n\r\nhello", b"\nC: d", b" folded", b"evil.invalid", b"0\r\n\r\n"),
)


def test_they_are_of_many_kinds():
    made = [spelled(Random(seed), ["epl"]) for seed in range(3_000)]
    assert len(set(made)) > 2_900
    methods = Counter(raw.partition(b" ")[0] for raw in made)
    assert min(methods[method] for method in (b"GET", b"HEAD", b"POST")) > 200
    assert [
        name for name, lines in CLIENTS.items() if not any(all(line in raw for line in lines) for raw in made)
    ] == []
    assert [part for part in PARTS if not any(part in raw for raw in made)] == []


@given(requests(["epl"]))
def test_the_strategy_makes_them(raw: bytes):
    assert raw.count(b"\n") >= 2
