"""Real clients, unmodified, through holdover: their different spellings of one request share one key."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import HOST, Emulator, House, client_environment
from tests.e2e.hosts import interposed
from tests.e2e.wire import ask

SPORT = "icehockey_nhl"
PATH = f"/v4/sports/{SPORT}/odds"
SHAPE = f"{PATH}?dateFormat=iso&markets=h2h,totals&oddsFormat=decimal&regions=eu,uk"

# Each defines ask(base), which gives status, Cache-Status (None where the client hides it) and document.
CLIENTS = {
    "requests.get": f"""
import requests

def ask(base):
    params = {{"apiKey": "of-requests", "regions": "uk,eu", "markets": "h2h,totals"}}
    r = requests.get(base + "{PATH}", params=params, timeout=60)
    return r.status_code, r.headers["Cache-Status"], r.json()
""",
    "requests.Session": f"""
import requests

session = requests.Session()
session.params = {{"api_key": "of-session"}}

def ask(base):
    session.get(base + "{PATH}/?markets=totals,h2h&regions=eu,uk", timeout=60).raise_for_status()
    r = session.get(base + "{PATH}?regions=eu,uk&markets=totals,h2h&oddsFormat=decimal", timeout=60)
    return r.status_code, r.headers["Cache-Status"], r.json()
""",
    "httpx.get": f"""
import httpx

def ask(base):
    params = {{"markets": "h2h,totals", "regions": "uk,eu", "apiKey": "of-httpx", "includeLinks": "false"}}
    r = httpx.get(base + "{PATH}", params=params, timeout=60)
    return r.status_code, r.headers["cache-status"], r.json()
""",
    "httpx.Client": f"""
import httpx

def ask(base):
    with httpx.Client(base_url=base, params={{"api_key": "of-client"}}, timeout=60) as client:
        r = client.get("{PATH}/", params={{"dateFormat": "iso", "regions": "eu,uk", "markets": "h2h,totals"}})
        return r.status_code, r.headers["cache-status"], r.json()
""",
    "aiohttp": f"""
import aiohttp
import asyncio

async def fetch(base):
    params = {{"regions": "uk,eu,uk", "markets": "totals,h2h", "apiKey": "of-aiohttp"}}
    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(trust_env=True, timeout=timeout) as session:
        async with session.get(base + "{PATH}", params=params) as r:
            return r.status, r.headers["Cache-Status"], await r.json()

def ask(base):
    return asyncio.run(fetch(base))
""",
    "urllib": f"""
import json
import urllib.parse
import urllib.request

def ask(base):
    query = urllib.parse.urlencode({{"regions": "eu,uk", "markets": "h2h,totals", "apiKey": "of-urllib"}})
    with urllib.request.urlopen(base + "{PATH}/?" + query, timeout=60) as r:
        return r.status, r.headers["Cache-Status"], json.load(r)
""",
    "theoddsapi": f"""
import importlib.util
import sys
import types

# The wrapper imports these for functions that are not called here, and does not declare them.
for name, exported in (("pandas", ()), ("bs4", ("BeautifulSoup",))):
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(exported))

from theoddsapi import TheOddsAPI

def ask(base):
    client = TheOddsAPI("of-the-wrapper")
    if base == TheOddsAPI.HOST:
        # Two requests: what is left is told before what is used, and calls may come in between.
        assert client.get_requests_remaining() + client.get_requests_used() >= 500_000
    TheOddsAPI.HOST = base
    return 200, None, client.get_odds(sport="{SPORT}", regions="uk,eu", markets="h2h,totals")
""",
}
END = """
import sys
print(json_module.dumps([ask(base) for base in sys.argv[1:]]))
"""
QUERIES = (
    "regions=uk,eu&markets=h2h,totals&apiKey=k",
    "regions=uk%2Ceu&markets=h2h%2ctotals&apiKey=k",
    "apiKey=k&markets=totals,h2h&regions=eu,uk",
    "api_key=k&regions=uk,eu&markets=h2h,totals",
    "APIKEY=k&regions=uk,eu&markets=h2h,totals",
    "regions=uk,eu&markets=h2h,totals",
    "regions=uk,eu,eu&markets=h2h,totals,h2h&apiKey=k",
    "regions=uk,eu&markets=h2h,totals&apiKey=k&oddsFormat=decimal&dateFormat=iso",
    "regions=uk,eu&markets=h2h,totals&apiKey=k&includeLinks=true&_=1700000000",
    "&regions=uk,eu&&markets=h2h,totals&apiKey=k&",
    "%72egions=%75k,eu&markets=h2h,totals&apiKey=k",
)


@pytest.fixture(scope="module")
def document(house: House) -> Any:
    """What the provider says; from here on every request for it is a hit."""
    return ask(house.ports["reverse"], f"{PATH}?regions=uk,eu&markets=h2h,totals&apiKey=first").json


def shapes(provider: Emulator) -> dict[str, int]:
    """The requests about the sport of these tests that reached the provider."""
    found: dict[str, int] = provider.stats()["by_shape"]
    return {shape: times for shape, times in found.items() if SPORT in shape}


def run(command: Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(client: str, environment: dict[str, str], *bases: str) -> list[list[Any]]:
    """What the client answers for each base URL, in a process of its own."""
    script = f"import json as json_module\n{CLIENTS[client]}{END}"
    answers: list[list[Any]] = json.loads(run([sys.executable, "-c", script, *bases], environment))
    assert len(answers) == len(bases)
    return answers


def check(answers: Sequence[Sequence[Any]], document: Any, provider: Emulator) -> None:
    for status, cache, found in answers:
        assert status == 200
        assert cache is None or cache.startswith("holdover; hit; ttl=")
        assert found == document
    assert shapes(provider) == {SHAPE: 1}


@pytest.mark.parametrize("client", CLIENTS)
def test_python_client_by_hosts_file(client: str, house: House, provider: Emulator, document: Any, tmp_path: Path):
    answers = python(client, interposed(house, tmp_path), f"http://{HOST}", f"https://{HOST}")
    check(answers, document, provider)


@pytest.mark.parametrize("client", CLIENTS)
def test_python_client_by_proxy_variables(client: str, house: House, provider: Emulator, document: Any):
    answers = python(client, client_environment(house), f"http://{HOST}", f"https://{HOST}")
    check(answers, document, provider)


@pytest.fixture(scope="module")
def curl() -> list[str]:
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl is not installed")
    return [found, "-sS", "--compressed", "--max-time", "60", "-w", "\n%{http_code}"]


def by_curl(command: list[str], environment: dict[str, str]) -> list[Any]:
    document, _, status = run(command, environment).rpartition("\n")
    return [int(status), None, json.loads(document)]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_by_hosts_file(
    curl: list[str], version: str, house: House, provider: Emulator, document: Any, tmp_path: Path
):
    port = house.ports["reverse"]
    led = [*curl, version, "--connect-to", f"{HOST}::127.0.0.1:{port}"]
    query = "apiKey=of-curl&markets=h2h,totals&regions=eu,uk&includeSids=true"
    environment = interposed(house, tmp_path)
    answers = [by_curl([*led, f"{scheme}://{HOST}{PATH}?{query}"], environment) for scheme in ("http", "https")]
    check(answers, document, provider)


def test_curl_by_proxy_variables(curl: list[str], house: House, provider: Emulator, document: Any):
    query = "apiKey=of-curl&markets=h2h%2Ctotals&regions=uk%2Ceu"
    environment = client_environment(house)
    answers = [by_curl([*curl, f"{scheme}://{HOST}{PATH}/?{query}"], environment) for scheme in ("http", "https")]
    check(answers, document, provider)


def test_the_fetch_of_node_by_hosts_file(house: House, provider: Emulator, document: Any, tmp_path: Path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    environment = interposed(house, tmp_path)
    script = """
    const url = new URL(process.argv[1]);
    url.search = new URLSearchParams({apiKey: "of-node", markets: "totals,h2h", regions: "uk,eu"});
    fetch(url).then(async (answer) => {
        const document = await answer.json();
        console.log(JSON.stringify([answer.status, answer.headers.get("cache-status"), document]));
    });
    """
    if int(run([node, "-p", "process.versions.node.split('.')[0]"], environment)) < 18:
        pytest.skip("this node is older than its fetch")
    url = f"http://{HOST}:{house.ports['reverse']}{PATH}"
    answer = run([node, "--require", str(tmp_path / "hosts.cjs"), "-e", script, url], environment)
    check([json.loads(answer)], document, provider)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("query", QUERIES)
def test_spellings_of_one_request_share_one_key(
    query: str, slash: str, house: House, provider: Emulator, document: Any
):
    reply = ask(house.ports["reverse"], f"{PATH}{slash}?{query}")
    check([(reply.status, reply["cache-status"], reply.json)], document, provider)


@pytest.mark.parametrize(
    "query",
    [
        "regions=uk&markets=h2h,totals",
        "regions=uk,eu&markets=h2h",
        "regions=uk,eu&markets=h2h,totals&oddsFormat=american",
        "regions=uk,eu&markets=h2h,totals&dateFormat=unix",
        "regions=uk,eu&markets=h2h,totals&commenceTimeFrom=2020-01-01T00:00:00Z",
    ],
)
def test_another_request_has_another_key(query: str, house: House, provider: Emulator):
    target = f"/v4/sports/basketball_nba/odds?apiKey=k&{query}"
    ask(house.ports["reverse"], "/v4/sports/basketball_nba/odds?apiKey=k&regions=uk,eu&markets=h2h,totals")
    reply = ask(house.ports["reverse"], target)
    assert reply.status == 200
    assert reply.way == "fwd=uri-miss; stored"
