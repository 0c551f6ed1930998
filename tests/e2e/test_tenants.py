"""Two hundred tenants through one house: nobody is ever given what another's credential, or plan, was given."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import CREDENTIAL, House, running, write_house
from tests.e2e.wire import Reply, ask, calm_window

TENANTS = 200
CALLS = 6
SPORTS = ("epl", "nba", "nfl")
SPELLINGS = ("?regions=us,uk", "?regions=uk%2Cus", "/?regions=uk,us,uk")
PROVIDER = """
name = "odds"
hosts = ["api.the-odds-api.com"]
origin = "{origin}"
{top}
[limits]
rate_per_s = 10000.0
burst = 10000
concurrency = 32
[[routes]]
name = "odds"
path = "/v4/sports/{{sport}}/odds"
lists = ["regions"]
window_s = {window}
max_stale_s = 20000
"""


def digest(credential: str) -> str:
    return hashlib.sha256(credential.encode()).hexdigest()


class Vendor(ThreadingHTTPServer):
    """Tells in every answer whose credential it was called with, by its digest because a credential is blanked, and
    which plan that has."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    calls = 0
    plans: dict[str, str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Vendor)
        self.server.calls += 1
        path, _, query = self.path.partition("?")
        told = [part.partition("=")[2] for part in query.split("&") if part.startswith("apiKey=")]
        key = told[0] if told else self.headers.get("X-Api-Key", "")
        facts = {"whose": digest(key), "plan": self.server.plans.get(key, "none"), "path": path.rstrip("/")}
        body = json.dumps([facts]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def vendor(plans: dict[str, str]) -> Iterator[Vendor]:
    with Vendor(("127.0.0.1", 0), _Handler) as server:
        server.plans = plans
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def called(house: House, tenants: list[str], seed: int) -> list[tuple[str, str, Reply]]:
    """Every tenant's calls in one random order, twelve at a time: tenant, path, answer."""
    chance = random.Random(seed)
    wanted = [(tenant, chance.choice(SPORTS), chance.choice(SPELLINGS)) for tenant in tenants * CALLS]
    chance.shuffle(wanted)

    def call(each: tuple[str, str, str]) -> tuple[str, str, Reply]:
        tenant, sport, spelling = each
        target, headers = f"/v4/sports/{sport}/odds{spelling}", {}
        if hash(tenant) % 2:
            target += f"&apiKey={tenant}"
        else:
            headers = {"X-Api-Key": tenant}
        return tenant, f"/v4/sports/{sport}/odds", ask(house.ports["reverse"], target, headers=headers)

    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(call, wanted))


@contextmanager
def housed(folder: Path, plans: dict[str, str], top: str) -> Iterator[tuple[House, Vendor]]:
    with vendor(plans) as upstream:
        origin = f"http://127.0.0.1:{upstream.server_address[1]}"
        house = write_house(folder, origin)
        path = house.config / "providers" / "odds.toml"
        path.write_text(PROVIDER.format(origin=origin, top=top, window=calm_window()))
        with running(house):
            yield house, upstream


def tenants(seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"tenant-{number:03}-{chance.randbytes(8).hex()}" for number in range(TENANTS)]


def told(reply: Reply) -> Any:
    assert reply.status == 200, reply
    [facts] = json.loads(reply.body)
    return facts


@pytest.mark.parametrize("seed", [1, 2])
def test_with_answers_of_its_own_a_tenant_gets_what_its_own_credential_got(tmp_path: Path, seed: int):
    everybody = tenants(seed)
    top = 'clients = "own"\n[credential]\nquery = "apiKey"\nalso = ["X-Api-Key"]'
    with housed(tmp_path, {}, top) as (house, upstream):
        answers = called(house, everybody, seed)
        for tenant, path, reply in answers:
            facts = told(reply)
            assert (facts["whose"], facts["path"]) == (digest(tenant), path)
        asked = len({(tenant, path) for tenant, path, _ in answers})
        shared = sum(reply.cache.startswith("hit") or "collapsed" in reply.cache for _, _, reply in answers)
        # Each of them once, but for what a proxy had begun before the sidecar was found.
        assert asked <= upstream.calls <= asked + 20
        assert shared >= len(answers) - upstream.calls


@pytest.mark.parametrize("seed", [3, 4])
def test_with_plans_a_tenant_gets_what_its_plan_gets(tmp_path: Path, seed: int):
    """Listed ones share with their plan. Who is not listed is heard by the vendor first, and shares with the rest."""
    everybody = tenants(seed)
    names = ["gold", "silver", "free", "rest"]
    plans = {tenant: names[number % 4] for number, tenant in enumerate(everybody)}
    own = {name: f"{name}-credential-of-the-house" for name in names[:3]}
    plans |= {credential: name for name, credential in own.items()} | {CREDENTIAL: "rest"}
    top = '[credential]\nenv = "RIG_CREDENTIAL"\nquery = "apiKey"\nalso = ["X-Api-Key"]\n'
    for name, credential in own.items():
        (tmp_path / f"{name}.key").write_text(credential)
        (tmp_path / f"{name}.key").chmod(0o600)
        listed = [digest(t) for t in everybody if plans[t] == name]
        top += f'[classes.{name}]\ncredentials = {json.dumps(listed)}\nfile = "{tmp_path / name}.key"\n'
    with housed(tmp_path / "house", plans, top) as (house, upstream):
        answers = called(house, everybody, seed)
        for tenant, path, reply in answers:
            facts = told(reply)
            assert (facts["plan"], facts["path"]) == (plans[tenant], path)
            if plans[tenant] != "rest":
                assert facts["whose"] == digest(own[plans[tenant]])
        strangers = sum(plans[tenant] == "rest" for tenant in everybody)
        # One call of each board and plan, and those of strangers, who come once or, at the same moment, more often.
        assert upstream.calls <= len(SPORTS) * len(names) + strangers * CALLS
        assert sum(reply.cache.startswith("hit") for *_, reply in answers) > len(answers) / 2
