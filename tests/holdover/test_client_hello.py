import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.client_hello import ClientHello, client_hello


def hello(name: str | None = "api.odds.example", protocols: tuple[str, ...] = ()) -> bytes:
    """What OpenSSL's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("api.odds.example", "api.odds.example"),
        ("API.Odds.example", "api.odds.example"),
        ("api.odds.example.", "api.odds.example."),
        ("a_b.example", "a_b.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("y" * 63 + ".example", "y" * 63 + ".example"),
        ("no spaces.example", ""),
        ("a@b.example", ""),
        ("line\n.example", ""),
        ("line.example\n", ""),
        (None, ""),
    ],
)
def test_the_name_of_the_host_when_a_host_can_have_it(name, read):
    assert client_hello(hello(name)) == ClientHello(read)


def test_the_protocols_in_the_clients_order():
    assert client_hello(hello(protocols=("h2", "http/1.1"))) == ClientHello("api.odds.example", (b"h2", b"http/1.1"))


def test_the_record_must_be_whole_and_what_follows_does_not_matter():
    whole = hello()
    assert [client_hello(whole[:size]) for size in range(1, len(whole))] == [None] * (len(whole) - 1)
    assert client_hello(whole + b"more") == ClientHello("api.odds.example")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"G",
        b"",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x02\x01\x00",
        b"\x16\x03\x01\xff\xff",
    ],
)
def test_what_is_no_hello_is_not_waited_for(data):
    assert client_hello(data) == ClientHello()


def test_a_hello_that_goes_on_in_a_second_record_has_what_the_first_one_shows():
    whole = hello(protocols=("h2",))
    at = whole.index(b"api.odds.example") + 16
    first = whole[:3] + (at - 5).to_bytes(2) + whole[5:at]
    assert client_hello(first + b"\x16\x03\x01\x00\x01x") == ClientHello("api.odds.example")
    cut = whole[:3] + (at - 6).to_bytes(2) + whole[5 : at - 1]
    assert client_hello(cut + b"\x16\x03\x01\x00\x01x") == ClientHello()


@given(places=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6), size=st.integers(0, 600))
def test_no_damage_raises(places, size):
    data = bytearray(hello(protocols=("h2", "http/1.1")))
    for at, value in places:
        data[at % len(data)] = value
    client_hello(bytes(data[:size]))
