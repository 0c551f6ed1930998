import pytest

from holdover.exchange import HOP_BY_HOP
from holdover.passing import passed_on


def went(text: str, *, switches: bool = True) -> str:
    """Of fields as `Name: value`, one a line."""
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in text.split("\n")))
    return "\n".join(f"{name}: {value}" for name, value in passed_on(fields, switches=switches))


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {"transfer-encoding"}))
def test_what_ends_at_the_next_hop(name: str):
    assert went(f"A: 1\n{name}: x\nB: 2") == "A: 1\nB: 2"


@pytest.mark.parametrize(
    ("told", "goes"),
    [
        ("Connection: X-Own, x-OTHER\nX-Own: a\nX-Other: b\nC: d", "C: d"),
        ("Connection: X-Own\nConnection: X-Other\nX-Own: a\nX-Other: b\nC: d", "C: d"),
        ("Connection: Close, X-Own\nX-Own: a", "Connection: close"),
        ("Connection: Keep-Alive\nKeep-Alive: timeout=5", "Connection: keep-alive"),
        ("Connection: Transfer-Encoding\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Connection: Cookie, Host, content-length\nCookie: a\nHost: b\nContent-Length: 0", None),
        ("Connection: Authorization\nAuthorization: a", "Authorization: a"),
        ("Connection: Proxy-Authorization\nProxy-Authorization: a", ""),
        ("Connection: Upgrade, X-Own\nUpgrade: WebSocket\nX-Own: a", "Upgrade: WebSocket\nConnection: Upgrade"),
        ("Upgrade: websocket\nA: 1", "A: 1"),
        ("Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: a", ""),
        ("Connection: close, Upgrade\nUpgrade: h2c, a/1, b", "Upgrade: a/1, b\nConnection: close, Upgrade"),
    ],
)  # fmt: skip
def test_what_connection_names(told: str, goes: str | None):
    assert went(told) == (goes if goes is not None else told.partition("\n")[2])


def test_what_switches_nothing_tells_of_no_other_protocol():
    assert went("Connection: Upgrade\nUpgrade: h2\nA: 1", switches=False) == "A: 1"


def test_from_an_answer_connection_takes_away_what_it_names_whatever_that_is():
    fields = (("Connection", "X-User-Id, Set-Cookie"), ("X-User-Id", "7"), ("Set-Cookie", "a"))
    assert passed_on(fields, asked=False) == fields[2:]


def test_what_goes_on_in_any_case():
    fields = (("X-Key", "a"), ("Proxy-Authorization", "b"), ("Connection", "X-Key"))
    assert passed_on(fields, kept={"x-key", "proxy-authorization"}) == fields[:2]
