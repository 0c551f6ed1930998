"""Where clients get by holdover, and where not: it is no open proxy, and no way to its own back doors."""

import asyncio
import http.client
import os
import re
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdover.config import load
from holdover.metrics import Metrics
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from scripts.rig import CREDENTIAL, HOST, House, running, wait_for, write_house
from sidecar import app
from sidecar.app import Sidecar, admin_app
from tests.e2e.origin import ODDS, Origin, origin
from tests.e2e.wire import Reply, ask, calm_window, dial, to_the_end, tunnel

OWN = ("reverse", "regular", "metrics", "admin")
ELSEWHERE = (
    "127.0.0.1:{foreign}",
    "localhost:{foreign}",
    "127.1:{foreign}",
    "2130706433:{foreign}",
    "0x7f.0.0.1:{foreign}",
    "0.0.0.0:{foreign}",
    "[::ffff:127.0.0.1]:{foreign}",
    "169.254.169.254:80",
    "169.254.169.254:443",
    "100.100.100.200:80",
    "10.0.0.1:80",
    "192.168.1.1:443",
    "[fd00:ec2::254]:80",
    "[fe80::1]:80",
    "[::1]:{foreign}",
)


@dataclass
class Place:
    """`foreign` is a server of this machine that no provider has."""

    house: House
    provider: Origin
    foreign: Origin

    def spelled(self, authority: str) -> str:
        return authority.format(foreign=self.foreign.port, **self.house.ports)

    def untouched(self) -> bool:
        return not self.foreign.arrivals


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    with origin() as provider, origin() as foreign:
        where = f"http://127.0.0.1:{provider.port}"
        house = write_house(tmp_path_factory.mktemp("reach"), where, window_s=window, max_stale_s=2 * window)
        with running(house):
            yield Place(house, provider, foreign)


def connect(port: int, authority: str) -> tuple[int, bytes]:
    """Status and body of the answer to CONNECT."""
    with closing(dial(port)) as line:
        line.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(line, method="CONNECT")
        answer.begin()
        return answer.status, b"" if answer.status == 200 else answer.read()


def refused(reply: Reply, text: str) -> None:
    assert (reply.status, text in reply.json["message"]) == (403, True), reply


@pytest.mark.parametrize("authority", ELSEWHERE)
def test_the_explicit_proxy_leads_to_nothing_but_public_addresses(place: Place, authority: str):
    where = place.spelled(authority)
    refused(ask(place.house.ports["regular"], f"http://{where}/latest/meta-data/", host=where), "`[proxy] foreign`")
    status, body = connect(place.house.ports["regular"], where)
    assert (status, b"`[proxy] foreign`" in body) == (403, True)
    assert place.untouched()


@pytest.mark.parametrize("role", OWN)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_what_is_for_operators_is_not_reached_by_the_clients_doors(place: Place, role: str, name: str):
    """Metrics, the admin's address with the console on it, and the doors themselves."""
    where, ports = f"{name}:{place.house.ports[role]}", place.house.ports
    for target in ("/metrics", "/console/now", "/v1/promos/status"):
        refused(ask(ports["regular"], f"http://{where}{target}", host=where), "names holdover itself")
        reply = ask(ports["reverse"], target, host=where)
        assert reply.status in (400, 421), reply
        assert ask(ports["reverse"], f"http://{where}{target}").status == 400
    status, body = connect(ports["regular"], where)
    assert (status, b"names holdover itself" in body) == (403, True)


UNDER_ANY_NAME = {
    *("/metrics", "/metrics/proxy", "/healthz"),
    *("/v1/promos", "/v1/promos/events", "/v1/promos/images/{path}", "/v1/promos/openapi.json"),
    "/v1/promos/schema/{name}.schema.json",
}


async def test_under_any_name_there_is_only_what_everybody_may_know(place: Place, tmp_path: Path):
    """S27. A page of another site can give its own name this address."""
    routes, answered = await routes_of(tmp_path), set()
    for method, path in routes:
        status, fields = told(place.house.ports["admin"], method, re.sub(r"\{\w+\}", "x", path))
        assert not [name for name in fields if name.startswith("access-control-")]
        if status != 421:
            assert method in ("GET", "HEAD")
            answered.add(path)
    assert answered == UNDER_ANY_NAME
    to_come = "/v1/promos?at=2030-01-01T00:00Z"
    assert told(place.house.ports["admin"], "GET", to_come)[0] == 421
    assert ask(place.house.ports["admin"], to_come, host="localhost").status == 200
    for method, status in (("GET", 200), ("POST", 405)):
        got, fields = told(place.house.ports["metrics"], method, "/metrics")
        assert (got, [name for name in fields if name.startswith("access-control-")]) == (status, [])


async def routes_of(folder: Path) -> set[tuple[str, str]]:
    """All that the sidecar answers on its address, by method and path."""
    config = load(write_house(folder, "http://127.0.0.1:9").config, {"RIG_CREDENTIAL": CREDENTIAL})
    store, ledger = DiskStore(config.store_folder, 1 << 20, print), Ledger(config.store_folder, print)
    sidecar = Sidecar(config, store, ledger, Metrics())
    found = {(each.method, each.resource.canonical) for each in admin_app(sidecar).router.routes() if each.resource}
    await sidecar.close()
    store.close()
    ledger.close()
    return found


async def test_who_asks_the_sidecar_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "IDLE_S", 1.0)
    house = write_house(tmp_path, "http://127.0.0.1:9")
    config = load(house.config, {"RIG_CREDENTIAL": CREDENTIAL})
    store, ledger = DiskStore(config.store_folder, 1 << 20, print), Ledger(config.store_folder, print)
    sidecar = Sidecar(config, store, ledger, Metrics())
    async with app._listening(sidecar, config), asyncio.timeout(20):
        for said in (b"", b"GET /metrics HTTP/1.1\r\nHost: a", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", house.ports["admin"])
            writer.write(said)
            answer = await reader.read()
            assert (b" 200 OK" in answer) == (b"healthz" in said)
            writer.close()
    await sidecar.close()
    store.close()
    ledger.close()


def test_the_socket_is_its_owners_alone(tmp_path: Path):
    """Its folder may be there already, and umask may be wide."""
    house = write_house(tmp_path, "http://127.0.0.1:1")
    path = load(house.config, {"RIG_CREDENTIAL": CREDENTIAL}).socket
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o777)
    before = os.umask(0)
    try:
        with running(house):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_who_begins_to_ask_for_metrics_and_goes_no_further_is_let_go(place: Place):
    threads = Path(f"/proc/{place.house.pid('proxy')}/task")
    before, lines = len(list(threads.iterdir())), [dial(place.house.ports["metrics"]) for _ in range(20)]
    for line in lines:
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: a")
    assert [to_the_end(line) for line in lines] == [b""] * 20
    for line in lines:
        line.close()
    wait_for(lambda: len(list(threads.iterdir())) <= before + 2, 10)


def told(port: int, method: str, target: str) -> tuple[int, set[str]]:
    """Status and names of the fields, of an answer under the name of another site; it may go on for ever."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, target, headers={"Host": "rebound.example"})
        answer = connection.getresponse()
        return answer.status, {name.lower() for name, _ in answer.getheaders()}


@pytest.mark.parametrize("role", ["reverse", "regular"])
@pytest.mark.parametrize("target", ["/metrics", "/console/now", "/v1/promos/status", "/healthz", "/demand"])
def test_a_providers_path_is_the_providers(place: Place, role: str, target: str):
    prefix = f"http://{HOST}" if role == "regular" else ""
    reply = ask(place.house.ports[role], f"{prefix}{target}")
    assert reply.status == 207
    assert place.provider.arrivals[-1].target == target


def test_inside_a_tunnel_to_a_provider_there_is_only_that_provider(place: Place):
    where = f"127.0.0.1:{place.foreign.port}"
    for host in (where, f"127.0.0.1:{place.house.ports['admin']}", "169.254.169.254"):
        reply = ask(tunnel(place.house.ports["regular"], f"{HOST}:80"), "/metrics", host=host)
        # What is inside is the provider's, whoever the Host field names.
        assert reply.status in (207, 400, 403, 421)
        assert b"holdover_" not in reply.body
    assert place.untouched()


def test_tls_for_somebody_else_inside_a_tunnel_leads_nowhere_else(place: Place):
    """It goes to the host that CONNECT named, whatever the client's hello says; that has no public address here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    there = f"{HOST}:{place.foreign.port}"
    with closing(tunnel(place.house.ports["regular"], there)) as line, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(line, server_hostname="127.0.0.1.nip.example")
    assert place.untouched()


@pytest.mark.parametrize("role", ["reverse", "regular"])
def test_there_is_no_page_about_certificates(place: Place, role: str):
    """mitmproxy's `mitm.it`, which hands out its authority to whoever asks."""
    for target, host in (("/", "mitm.it"), ("/cert/pem", "mitm.it"), ("/", "mitm.it:80")):
        prefix = f"http://{host}" if role == "regular" else ""
        reply = ask(place.house.ports[role], f"{prefix}{target}", host=host)
        assert reply.status in (403, 421, 502)
        assert b"CERTIFICATE" not in reply.body


def test_none_means_providers_alone(tmp_path_factory: pytest.TempPathFactory):
    with origin() as provider, origin() as foreign:
        folder = tmp_path_factory.mktemp("none")
        house = write_house(folder, f"http://127.0.0.1:{provider.port}", proxy="workers = 1\nforeign = 'none'")
        with running(house, "proxy"):
            regular = house.ports["regular"]
            for where in (f"127.0.0.1:{foreign.port}", "8.8.8.8:80", "public.example:443"):
                refused(ask(regular, f"http://{where}/", host=where), "no provider's host")
                assert connect(regular, where)[0] == 403
            assert ask(regular, f"http://{HOST}/v4/sports/epl/odds?regions=uk").body == ODDS
            assert connect(regular, f"{HOST}:443")[0] == 200
            assert not foreign.arrivals


def test_redirects_are_not_followed(place: Place):
    """Neither for what is cached nor for what passes: the client gets them, and goes where it may."""
    place.provider.moved = f"http://127.0.0.1:{place.foreign.port}/secret"
    try:
        for target in ("/v4/sports/moved/odds?regions=uk", "/v4/moved/anything"):
            reply = ask(place.house.ports["reverse"], target)
            assert (reply.status, reply["location"]) == (302, place.provider.moved)
    finally:
        place.provider.moved = ""
    assert place.untouched()
