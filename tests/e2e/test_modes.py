"""How clients reach holdover: in the place of providers (reverse) or as an explicit proxy (regular)."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509

from scripts.rig import (
    HOST,
    PROVIDER,
    PROVIDER_DEFAULTS,
    Emulator,
    House,
    emulator,
    fetch_json,
    running,
    write_house,
)
from tests.e2e.origin import BODY, ODDS, Origin, origin, self_signed
from tests.e2e.wire import STILL, Reply, arrivals, ask, calm_window, dial, encrypted, fresh_target, trusting, tunnel

SECOND, RECORDED, FIXED, SECURE = (f"api.{name}.example" for name in ("second", "recorded", "fixed", "secure"))
PATH = "/v4/sports/soccer_epl/odds?regions=uk&markets=h2h"


@dataclass
class Street:
    """One house for several providers, and its neighbours. `foreign` is the TLS server of nobody's provider."""

    house: House
    first: Emulator
    second: Emulator
    plain: Origin
    secure: Origin
    foreign: Origin
    foreign_certificate: bytes

    @property
    def reverse(self) -> int:
        return self.house.ports["reverse"]

    @property
    def regular(self) -> int:
        return self.house.ports["regular"]


def add_provider(house: House, name: str, host: str, where: str, address: str = "") -> None:
    extra = f'address = "{address}"' if address else ""
    settings = {**PROVIDER_DEFAULTS, **house.settings, "host": host, "origin": where, "extra": extra}
    text = PROVIDER.format(**settings).replace('name = "odds"', f'name = "{name}"', 1)
    (house.config / "providers" / f"{name}.toml").write_text(text)


@pytest.fixture(scope="module")
def street(shared_provider: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("street")
    secure_tls, authority = self_signed("origin.invalid", folder)
    foreign_tls, certificate = self_signed("foreign.invalid", folder)
    window = calm_window()
    top = f'[upstream]\nca_file = "{authority}"'
    # Its foreign neighbours are on this machine.
    proxy = "workers = 1\nforeign = 'any'"
    house = write_house(folder, shared_provider.url, top, proxy=proxy, window_s=window, max_stale_s=2 * window)
    with (
        emulator(**STILL, seed=7) as second,
        origin() as plain,
        origin(secure_tls) as secure,
        origin(foreign_tls) as foreign,
    ):
        add_provider(house, "second", SECOND, second.url)
        add_provider(house, "recorded", RECORDED, f"http://127.0.0.1:{plain.port}")
        add_provider(house, "fixed", FIXED, "http://origin.invalid", f"127.0.0.1:{plain.port}")
        add_provider(house, "secure", SECURE, "https://origin.invalid", f"127.0.0.1:{secure.port}")
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        with running(house):
            yield Street(house, shared_provider, second, plain, secure, foreign, der)


def heedless() -> ssl.SSLContext:
    """TLS of a client that checks nothing."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def issuer(certificate: bytes | None) -> str:
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).issuer.rfc4514_string()


def documents(street: Street) -> dict[str, Any]:
    """What each provider says when it is asked without holdover."""
    return {
        host: fetch_json(f"{provider.url}{PATH}&apiKey=direct")
        for host, provider in ((HOST, street.first), (SECOND, street.second))
    }


def test_one_reverse_listener_stands_in_for_each_provider_by_host_over_http(street: Street):
    expected = documents(street)
    assert expected[HOST] != expected[SECOND]
    for host in (HOST, SECOND, HOST.upper(), f"{SECOND}.", f"{HOST}:80"):
        reply = ask(street.reverse, f"{PATH}&apiKey=k", host=host)
        assert (reply.status, reply.json) == (200, expected[host.lower().removesuffix(".").removesuffix(":80")])


def test_the_same_listener_speaks_tls_as_each_provider(street: Street):
    expected = documents(street)
    for host in (HOST, SECOND):
        line = encrypted(dial(street.reverse), trusting(street.house), host)
        assert "mitmproxy" in issuer(line.getpeercert(binary_form=True))
        assert ask(line, f"{PATH}&apiKey=k", host=host).json == expected[host]


def test_over_http_and_tls_it_is_one_cache(street: Street):
    target = fresh_target()
    assert ask(street.reverse, target).way == "fwd=uri-miss; stored"
    assert ask(encrypted(dial(street.reverse), trusting(street.house), HOST), target).cache.startswith("hit")
    assert ask(street.regular, f"http://{HOST}{target}").cache.startswith("hit")
    line = encrypted(tunnel(street.regular, f"{HOST}:443"), trusting(street.house), HOST)
    assert ask(line, target).cache.startswith("hit")
    assert ask(tunnel(street.regular, f"{HOST}:80"), target).cache.startswith("hit")
    assert arrivals(street.first, target) == 1


def test_two_providers_share_nothing(street: Street):
    target = fresh_target()
    replies = [ask(street.reverse, target, host=host) for host in (HOST, SECOND)]
    assert [reply.way for reply in replies] == ["fwd=uri-miss; stored"] * 2
    assert (arrivals(street.first, target), arrivals(street.second, target)) == (1, 1)


def test_tls_without_a_server_name_is_told_apart_by_host(street: Street):
    line = heedless().wrap_socket(dial(street.reverse))
    assert ask(line, f"{PATH}&apiKey=k", host=SECOND).json == documents(street)[SECOND]


def test_connect_to_a_provider_is_opened_with_a_certificate_of_the_house(street: Street):
    line = encrypted(tunnel(street.regular, f"{HOST}:443"), trusting(street.house), HOST)
    assert "mitmproxy" in issuer(line.getpeercert(binary_form=True))
    assert ask(line, f"{PATH}&apiKey=k").json == documents(street)[HOST]


def test_connect_without_a_server_name_is_opened_by_its_authority(street: Street):
    context = trusting(street.house)
    context.check_hostname = False
    line = context.wrap_socket(tunnel(street.regular, f"{HOST}:443"))
    assert ask(line, f"{PATH}&apiKey=k").json == documents(street)[HOST]


def test_connect_to_a_foreign_host_stays_between_client_and_server(street: Street):
    line = encrypted(tunnel(street.regular, f"127.0.0.1:{street.foreign.port}"), heedless(), "foreign.invalid")
    assert line.getpeercert(binary_form=True) == street.foreign_certificate
    reply = ask(line, "/private?apiKey=mine", host="foreign.invalid")
    assert (reply.status, reply.body) == (207, BODY)
    assert street.foreign.last("/private").target == "/private?apiKey=mine"


def test_plain_http_to_a_foreign_host_passes_through_the_explicit_proxy(street: Street):
    authority = f"127.0.0.1:{street.plain.port}"
    sent = b"all of it"
    target = "/anything/odds?n=foreign&apiKey=mine"
    reply = ask(street.regular, f"http://{authority}{target}", method="POST", host=authority, body=sent)
    assert (reply.status, reply.body) == (200, ODDS)
    assert "cache-status" not in reply.names
    arrival = street.plain.last("n=foreign")
    assert (arrival.method, arrival.target, arrival.body) == ("POST", target, sent)


def refused(reply: Reply, status: int) -> None:
    assert reply.status == status
    assert reply.json["message"].startswith("holdover: ")
    assert reply["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["api.unknown.example", "127.0.0.1", "xapi.the-odds-api.com", "", "a b", "[::1"])
def test_a_host_of_no_provider_is_refused_in_reverse_mode(street: Street, host: str):
    target = fresh_target()
    reply = ask(street.reverse, target, host=host)
    assert reply.status in (400, 421)
    if host.startswith(("api", "127", "xapi")):
        refused(reply, 421)
    assert arrivals(street.first, target) == 0


def test_a_host_of_no_provider_is_refused_over_tls_too(street: Street):
    line = encrypted(dial(street.reverse), heedless(), "api.unknown.example")
    refused(ask(line, fresh_target(), host="api.unknown.example"), 421)


@pytest.mark.parametrize("path", ["/v4/sports/soccer_epl/odds", "/no/route"])
def test_an_absolute_target_with_a_foreign_authority_is_refused(street: Street, path: str):
    target = f"http://127.0.0.1:{street.plain.port}{fresh_target(path)}&smuggled=1"
    refused(ask(street.reverse, target), 400)
    line = encrypted(tunnel(street.regular, f"{HOST}:443"), trusting(street.house), HOST)
    refused(ask(line, target), 400)
    refused(ask(tunnel(street.regular, f"{HOST}:80"), target), 400)
    assert not any("smuggled" in arrival.target for arrival in street.plain.arrivals)
    assert arrivals(street.first, target) == 0


def test_an_absolute_target_of_the_provider_itself_is_served(street: Street):
    reply = ask(street.reverse, f"http://{HOST}{PATH}&apiKey=k")
    assert (reply.status, reply.json) == (200, documents(street)[HOST])


@pytest.mark.parametrize("mode", ["reverse", "regular"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_what_no_route_covers_passes_through_unchanged(street: Street, mode: str, method: str):
    query = f"apiKey=mine&b=%2C%20,&a=1&a=0&n={mode}-{method}"
    target = f"/v4/account/%7Eme//x;y?{query}"
    sent = b"" if method in ("GET", "DELETE") else json.dumps({"long": "x" * 200_000}).encode()
    fields = {"Authorization": "Bearer mine", "Cookie": "a=b", "X-Own": "kept", "User-Agent": "legacy/1"}
    prefix = f"http://{RECORDED}" if mode == "regular" else ""
    port = street.house.ports[mode]
    reply = ask(port, prefix + target, method=method, host=RECORDED, headers=fields, body=sent)
    arrival = street.plain.last(query)
    assert (arrival.method, arrival.target, arrival.body) == (method, target, sent)
    assert {name: arrival[name.lower()] for name in fields} == fields
    assert arrival["host"] == f"127.0.0.1:{street.plain.port}"
    assert (reply.status, reply.body) == (207, BODY)
    assert (reply["x-twice"], reply["set-cookie"]) == ("1, 2", "session=its-own")
    assert reply["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("method", "fields"),
    [("POST", {}), ("GET", {"Authorization": "Bearer mine"}), ("GET", {"Cookie": "a=b"}), ("DELETE", {})],
)
def test_what_may_be_personal_passes_through_with_the_clients_own_key(
    street: Street, method: str, fields: dict[str, str]
):
    target = fresh_target(apiKey="mine")
    body = b"{}" if method == "POST" else b""
    for _ in range(2):
        reply = ask(street.reverse, target, method=method, host=RECORDED, headers=fields, body=body)
        assert (reply.status, reply.body) == (200, ODDS)
        assert "cache-status" not in reply.names
    found = [arrival for arrival in street.plain.arrivals if arrival.target == target]
    assert [(arrival.method, arrival.body) for arrival in found] == [(method, body)] * 2


@pytest.mark.parametrize("host", [FIXED, SECURE])
def test_a_fixed_address_holds_for_cached_and_for_passed_requests(street: Street, host: str):
    reached = street.plain if host == FIXED else street.secure
    target = fresh_target()
    replies = [ask(street.reverse, target, host=host) for _ in range(2)]
    assert [(reply.status, reply.body) for reply in replies] == [(200, ODDS)] * 2
    assert [reply.cache.split(";")[0] for reply in replies] == ["fwd=uri-miss", "hit"]
    assert reached.last(target.rpartition("&")[2]).fields[0] == ("Host", "origin.invalid")

    passed = f"/v4/elsewhere?apiKey=mine&to={host}"
    reply = ask(street.reverse, passed, method="POST", host=host, body=b"all of it")
    assert (reply.status, reply.body) == (207, BODY)
    arrival = reached.last(f"to={host}")
    assert (arrival.target, arrival["host"], arrival.body) == (passed, "origin.invalid", b"all of it")


@pytest.mark.parametrize("host", [FIXED, SECURE])
def test_a_fixed_address_holds_inside_connect_too(street: Street, host: str):
    reached = street.plain if host == FIXED else street.secure
    line = encrypted(tunnel(street.regular, f"{host}:443"), trusting(street.house), host)
    reply = ask(line, f"/v4/elsewhere?inside={host}", host=host)
    assert (reply.status, reply.body) == (207, BODY)
    assert reached.last(f"inside={host}")["host"] == "origin.invalid"
