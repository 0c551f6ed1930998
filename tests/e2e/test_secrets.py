"""Credentials, the clients' and holdover's own, stay where they belong."""

import hashlib
import http.client
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from scripts.rig import CREDENTIAL, HOST, Emulator, House, emulator, running, wait_for, write_house
from tests.e2e.wire import STILL, Reply, ask, dial, fresh_target, total

CANARY = "cAnArY0123456789"
ENCODED = "cAnArY%30123456789"
LOOKS = (CANARY, CANARY.lower(), ENCODED, ENCODED.lower())
BEARER = {"Authorization": f"Bearer {CANARY}"}


@dataclass
class Burdened:
    """A verbose house after requests of every kind that carried canaries, and all its answers."""

    house: House
    provider: Emulator
    replies: list[Reply] = field(default_factory=list)


def cached(apikey: str = CANARY, **parameters: str) -> str:
    return fresh_target(apiKey=apikey, **parameters)


def ask_in_every_way(burdened: Burdened) -> None:
    port = burdened.house.ports["reverse"]

    def send(target: str, **named: object) -> None:
        burdened.replies.append(ask(port, target, **named))  # type: ignore[arg-type]

    both = cached()
    for target in (both, both, cached(ENCODED), cached(api_key=CANARY), cached(regions="moon")):
        send(target)
    send(f"http://{HOST}{cached()}")
    send(f"http://foreign.invalid{cached()}")
    send(cached(), host=f"{CANARY}.example")
    for fields in ({"apiKey": CANARY}, {"X-Api-Key": CANARY}, BEARER, {"Cookie": f"session={CANARY}"}):
        send(cached(), headers=fields)
    send(cached() + "%zz")
    send(cached() + f"&token={CANARY}")
    send(f"/no/route?apiKey={CANARY}", headers=BEARER)
    send(f"/v4/sports/{CANARY}/odds/../odds?apiKey={CANARY}")
    send(cached(), method="POST", body=f"apiKey={CANARY}".encode(), headers=BEARER)
    with dial(port) as line:  # not HTTP
        line.sendall(f"GET {cached()} HTTP/9.9\r\n{CANARY}\r\n\r\n".encode())
        line.recv(65536)


def let_the_provider_fail(burdened: Burdened) -> None:
    """Every kind of failure, for what is fetched and for what passes. The last provider does not exist at all."""
    port, provider = burdened.house.ports["reverse"], burdened.provider
    for kind in ("reset", "truncate", "garbage", "status", "hang"):
        provider.control(fault={"kind": kind})
        burdened.replies.append(ask(port, cached()))
        if kind != "hang":  # what passes has no time limit of holdover's, and may break off
            with suppress(http.client.HTTPException):
                burdened.replies.append(ask(port, cached(), headers=BEARER))
    provider.control(fault=None)
    house = burdened.house
    origin = house.settings["origin"]
    taken_over = total(house.metrics("metrics"), "holdover_config_reloads_total", 'result="ok"')
    house.write_provider(origin="http://127.0.0.1:9")
    wait_for(lambda: total(house.metrics("metrics"), "holdover_config_reloads_total", 'result="ok"') > taken_over)
    burdened.replies.append(ask(port, cached()))
    burdened.replies.append(ask(port, cached(), headers=BEARER))
    house.write_provider(origin=origin)


@pytest.fixture(scope="module")
def burdened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burdened]:
    with emulator(**STILL) as provider:
        settings: dict[str, Any] = {
            "window_s": 5,
            "max_stale_s": 60,
            "timeout_s": 1,
            "retries": "0\nbreaker_failures = 1000",
        }
        house = write_house(tmp_path_factory.mktemp("secrets"), provider.url, "", **settings)
        with running(house, "--verbose", "up"):
            found = Burdened(house, provider)
            ask_in_every_way(found)
            let_the_provider_fail(found)
            yield found


def free_of_canaries(text: str, what: str) -> None:
    for canary in (*LOOKS, CREDENTIAL):
        place = text.find(canary)
        assert place < 0, f"{what}: ...{text[max(0, place - 200) : place + 100]}..."


def test_the_requests_were_made(burdened: Burdened):
    statuses = [reply.status for reply in burdened.replies]
    assert statuses[:4] == [200] * 4
    assert {200, 400, 421, 422, 404, 502, 504} <= set(statuses)


def test_the_provider_got_holdovers_credential_for_what_is_cached(burdened: Burdened):
    """And the client's own for what passed, which is between the two."""
    accounts = burdened.provider.stats()["by_key"]
    own, clients = (hashlib.sha256(key.encode()).hexdigest()[:12] for key in (CREDENTIAL, CANARY))
    assert accounts[own]["requests"] >= 5
    assert set(accounts) <= {own, clients}


def test_not_in_the_log(burdened: Burdened):
    log = burdened.house.log.read_text()
    assert "DEBUG" in log
    assert "passed to odds" in log
    free_of_canaries(log, "log")


@pytest.mark.parametrize("role", ["metrics", "admin"])
def test_not_in_the_metrics(burdened: Burdened, role: str):
    with build_opener(ProxyHandler({})).open(f"{burdened.house.url(role)}/metrics", timeout=30) as answer:
        free_of_canaries(answer.read().decode(), role)


def test_not_in_answers(burdened: Burdened):
    for reply in burdened.replies:
        free_of_canaries(repr(reply.fields), "fields")
        if reply.status != 404:  # the provider's own error quotes the path
            free_of_canaries(reply.body.decode(errors="replace"), "body")


def test_not_in_what_explain_prints(burdened: Burdened):
    url = f"https://{HOST}{cached()}&api_key={CANARY}"
    for arguments in ((url, "--json"), ("-H", f"Authorization: Bearer {CANARY}", f"{url}%zz")):
        done = burdened.house.run("explain", *arguments)
        assert done.returncode == 0
        assert "odds" in done.stdout
        free_of_canaries(done.stdout + done.stderr, "explain")


@pytest.mark.parametrize(
    "target", ["/healthz", "/metrics/proxy", "/console/now", "/v1/promos", "/v1/promos/status", "/v1/promos/history"]
)
def test_not_in_what_operators_are_shown(burdened: Burdened, target: str):
    reply = ask(burdened.house.ports["admin"], target, host=f"127.0.0.1:{burdened.house.ports['admin']}")
    free_of_canaries(repr(reply.fields) + reply.body.decode(errors="replace"), target)


def test_not_in_any_file(burdened: Burdened):
    """Of the store and of whatever else holdover wrote; the configuration names the variable only."""
    folders = [burdened.house.folder / name for name in ("var", "config")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "cache.db" for path in files)
    for path in files:
        free_of_canaries(path.read_bytes().decode("latin-1"), str(path))


def test_not_on_any_command_line(burdened: Burdened):
    pids = [str(burdened.house.pid(name)) for name in ("proxy", "sidecar")]
    seen = subprocess.run(["ps", "-o", "args=", "-p", ",".join(pids)], capture_output=True, text=True)
    if not seen.stdout:
        pytest.skip("ps is not installed")
    free_of_canaries(seen.stdout, "ps")


def test_two_clients_keys_lead_to_one_key(burdened: Burdened):
    target = fresh_target(apiKey="PLACE")
    port = burdened.house.ports["reverse"]
    first = ask(port, target.replace("PLACE", CANARY))
    second = ask(port, target.replace("PLACE", "another"))
    assert first.status == second.status == 200
    assert first["etag"] == second["etag"]
    assert second.cache.startswith("hit")


def test_the_socket_and_the_store_are_for_their_owner_alone(burdened: Burdened):
    var = burdened.house.folder / "var"
    for path in (var / "store", var / "run", var / "ca"):
        assert path.stat().st_mode & 0o077 == 0, path
