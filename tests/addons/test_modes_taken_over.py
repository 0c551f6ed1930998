"""In which of mitmproxy's modes the lane listens in its place."""

import pytest
from mitmproxy.proxy.mode_specs import ProxyMode

from addons.odds_cache import _speaks_http


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        ("regular", True),
        ("reverse:http://a.example", True),
        ("reverse:https://a.example", True),
        ("reverse:tcp://a.example:22", False),
        ("reverse:tls://a.example:993", False),
        ("socks5", True),
        ("transparent", False),
    ],
)
def test_where_clients_speak_http(mode: str, taken: bool):
    assert _speaks_http(ProxyMode.parse(mode)) is taken
