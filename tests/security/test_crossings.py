"""Two hundred tenants who send credentials in every place that there is: nobody is given what another's was given."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.rig import CREDENTIAL, running, write_house
from tests.e2e.wire import Reply, ask

TENANTS = 200
CALLS = 4
SPORTS = ("epl", "nba", "nfl")
IN_QUERY = ("apiKey", "api_key", "APIKEY", "token", "secret")
LISTED = ("X-Api-Key", "Authorization", "Cookie", "X-Auth-Token", "Proxy-Authorization")
BY_PATTERN = ("x-apisports-key", "X-RapidAPI-Key", "X-App-Key", "X-Session-Token", "X-User-Id")
BY_SETTING = "X-Who"
IN_FIELDS = (*LISTED, *BY_PATTERN, BY_SETTING)
BEFORE = {"Authorization": "Bearer ", "Proxy-Authorization": "Bearer ", "Cookie": "session="}
PROVIDER = """
name = "odds"
hosts = ["api.the-odds-api.com"]
origin = "{origin}"
clients = "{clients}"
personal = ["X-Who"]
[credential]
{own}
query = "apiKey"
also = ["api_key", "X-Api-Key"]
[limits]
rate_per_s = 10000.0
burst = 10000
concurrency = 32
[[routes]]
name = "odds"
path = "/v4/sports/{{sport}}/odds"
lists = ["regions"]
window_s = 600
max_stale_s = 1200
"""

BY_HTTP = """
name = "odds"
hosts = ["api.the-odds-api.com"]
origin = "{origin}"
clients = "open"
personal = ["X-Who"]
[[routes]]
name = "odds"
path = "/**"
freshness = "origin"
max_stale_s = 1200
"""


def digest(credential: str) -> str:
    """A credential itself is blanked in answers."""
    return hashlib.sha256(credential.encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """Tells whose credentials a request had, wherever they stood."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = self.path.partition("?")[2]
        told = [value for name, _, value in (part.partition("=") for part in query.split("&")) if name != "regions"]
        told += [self.headers[name].rpartition(" ")[2].rpartition("=")[2] for name in IN_FIELDS if self.headers[name]]
        body = json.dumps([{"whose": sorted({digest(each) for each in told})}]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Set-Cookie", f"session={'-'.join(digest(each) for each in told)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


@contextmanager
def vendor() -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Call:
    target: str
    fields: dict[str, str]
    whose: frozenset[str]
    """Digests of what was sent along."""


def calls(chance: random.Random) -> list[Call]:
    """One to two credentials of a tenant's own with each, in random places; now and then none."""
    made = []
    for _ in range(TENANTS):
        own = [chance.randbytes(chance.choice((8, 16, 32))).hex() for _ in range(2)]
        for _ in range(CALLS):
            used = chance.choices(own, k=chance.choice((0, 1, 1, 1, 1, 2)))
            target, fields = (
                f"/v4/sports/{chance.choice(SPORTS)}/odds?regions={chance.choice(('us,uk', 'uk%2Cus'))}",
                {},
            )
            names = chance.sample((*IN_QUERY, *IN_FIELDS), len(used))
            for name, credential in zip(names, used, strict=True):
                if name in IN_QUERY:
                    target += f"&{name}={credential}"
                else:
                    fields[name] = BEFORE.get(name, "") + credential
            made.append(Call(target, fields, frozenset(map(digest, used))))
    chance.shuffle(made)
    return made


def told(reply: Reply) -> frozenset[str]:
    assert reply.status == 200, reply
    [facts] = reply.json
    return frozenset(facts["whose"])


@pytest.mark.parametrize(("clients", "seed"), [("known", 11), ("open", 12), ("own", 13), ("by http", 14)])
def test_nobody_gets_what_anothers_credential_got(tmp_path: Path, clients: str, seed: int):
    by_http = clients == "by http"
    house_s = digest(CREDENTIAL)
    made = calls(random.Random(seed))
    with vendor() as origin:
        house = write_house(tmp_path, origin)
        own = "" if clients == "own" else 'env = "RIG_CREDENTIAL"'
        written = (BY_HTTP if by_http else PROVIDER).format(origin=origin, clients=clients, own=own)
        (house.config / "providers" / "odds.toml").write_text(written)
        with running(house), ThreadPoolExecutor(12) as pool:
            port = house.ports["reverse"]
            replies = list(pool.map(lambda call: ask(port, call.target, headers=call.fields), made))
    for call, reply in zip(made, replies, strict=True):
        whose, shared = told(reply), "cache-status" in reply.names
        assert whose <= call.whose | {house_s}, (call, reply)
        if shared and not by_http:
            assert "set-cookie" not in reply.names
        # What is said to a proxy ends at the proxy.
        if clients == "own" and "Proxy-Authorization" not in call.fields:
            assert whose == call.whose, (call, reply)
    hits = [told(reply) for reply in replies if reply["cache-status"].startswith("holdover; hit")]
    assert hits
    if by_http:
        # Those whose credentials are in the target, or who have none.
        assert all(
            "set-cookie" not in reply.names for reply in replies if reply["cache-status"].startswith("holdover; hit")
        )
    else:
        assert clients == "own" or set(hits) == {frozenset({house_s})}
