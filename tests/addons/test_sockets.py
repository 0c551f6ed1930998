"""Sockets for several processes: what they are, and what is told when there can be none."""

import re
import socket
from contextlib import closing

import pytest

from addons import sockets
from scripts.rig import free_ports


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_connections_are_taken_on_every_address_of_the_host(port: int, host: str):
    opened = sockets.opened(f"{host}:{port}", "here")
    for one in opened:
        with closing(one), socket.create_connection(one.getsockname()[:2]):
            one.accept()[0].close()
            assert one.getblocking() is False
            if one.family == socket.AF_INET6:
                assert one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_both_families_can_have_the_same_port(port: int):
    opened = [*sockets.opened(f"[::]:{port}", "here"), *sockets.opened(f"0.0.0.0:{port}", "here")]
    assert [one.family for one in opened] == [socket.AF_INET6, socket.AF_INET]
    for one in opened:
        one.close()


def test_a_second_listener_is_an_error_that_names_place_and_remedy(port: int):
    [one] = sockets.opened(f"127.0.0.1:{port}", "[proxy] reverse")
    with closing(one), pytest.raises(OSError) as caught:
        sockets.opened(f"127.0.0.1:{port}", "[proxy] reverse")
    assert caught.value.strerror == (
        f"the proxy cannot start: 127.0.0.1:{port} ([proxy] reverse): Address already in use; "
        "stop what listens there, or choose another address"
    )


def test_connections_of_who_listened_before_are_no_obstacle(port: int):
    [one] = sockets.opened(f"127.0.0.1:{port}", "here")
    with socket.create_connection(("127.0.0.1", port)), closing(one.accept()[0]):
        one.close()
        [again] = sockets.opened(f"127.0.0.1:{port}", "here")
        again.close()


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("192.0.2.1:{port}", "no interface of this machine has that address"),
        ("no-such-host.invalid:{port}", "choose another address"),
    ],
)
def test_an_address_that_is_not_here_is_a_sentence(port: int, address: str, remedy: str):
    with pytest.raises(OSError, match=re.escape(remedy)):
        sockets.opened(address.format(port=port), "here")


def test_a_check_leaves_the_address_free(port: int):
    sockets.check_free(f"127.0.0.1:{port}", "here")
    sockets.check_free(f"127.0.0.1:{port}", "here")
