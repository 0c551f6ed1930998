"""Unmodified clients of three vendors, through holdover with the shipped profiles, and directly: the same parsed
results, and the quota fields that old clients cannot do without in every answer."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.emulator.vendors.launch import Running
from scripts.emulator.vendors.launch import running as vendor
from scripts.rig import HOST, ROOT, Emulator, House, client_environment, emulator, running, write_house
from tests.e2e.hosts import interposed
from tests.e2e.vendors import CALM_PACE, calm
from tests.e2e.wire import STILL

RECORDINGS = ROOT.parent / "shared" / "fixtures" / "betfair"
OBJECTS, EXCHANGE = "api.sportsgameodds.com", "api.betfair.com"
QUOTA = ("x-requests-remaining", "x-requests-used", "x-requests-last")
KEY = "key-of-the-client"

# Each defines ask(base) for the client's own base URL ("") or another one; called twice, prints both results.
REQUESTS = """
import requests

def ask(base):
    params = {"apiKey": "%(key)s", "regions": "uk,eu", "markets": "h2h,spreads"}
    r = requests.get((base or "https://%(host)s") + "/v4/sports/soccer_epl/odds", params=params, timeout=60)
    r.raise_for_status()
    quota = [int(r.headers[name]) for name in ("X-Requests-Remaining", "X-Requests-Used", "X-Requests-Last")]
    return [r.json(), quota]
"""
THE_ODDS_API = """
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
    TheOddsAPI.HOST = base or TheOddsAPI.HOST
    client = TheOddsAPI("%(key)s")
    found = client.get_odds(sport="soccer_epl", regions="uk,eu", markets="h2h")
    return [found, [client.get_requests_remaining(), client.get_requests_used()]]
"""
SPORTS_ODDS_API = """
from sports_odds_api import SportsGameOdds

def ask(base):
    given = {"base_url": base + "/v2"} if base else {}
    found = []
    for placement in ("api_key_header", "api_key_param"):
        with SportsGameOdds(**{placement: "%(key)s"}, **given) as client:
            pages = [event.to_dict() for event in client.events.get(limit=4)]
            sports = [sport.to_dict() for sport in client.sports.get()]
            found.append([pages, sports])
    return [json.loads(json.dumps(found, default=str)), []]
"""
BETFAIR = """
import betfairlightweight

def ask(base):
    found = []
    for lightweight in (True, False):
        client = betfairlightweight.APIClient("user", "password", "live", lightweight=lightweight)
        client.set_session_token("open")
        client.api_uri = base + "/exchange/" if base else client.api_uri
        betting = client.betting
        each = [
            betting.list_market_book(["1.1"], price_projection={"priceData": ["EX_BEST_OFFERS"]}),
            betting.list_market_catalogue(max_results=1),
            betting.list_runner_book("1.1", 1),
        ]
        found.append(each if lightweight else [one._data for results in each for one in results])
    return [json.loads(json.dumps(found, default=str)), []]
"""
END = """
print(json.dumps([ask(base) for base in sys.argv[1:]]))
"""
AXIOS = """
const axios = require("axios");
const ask = async (baseURL) => {
    const params = {apiKey: "%(key)s", regions: "uk,eu", markets: "totals,h2h"};
    const answer = await axios.get("/v4/sports/soccer_epl/odds", {baseURL, params, timeout: 60000});
    return [answer.data, ["remaining", "used", "last"].map((name) => Number(answer.headers[`x-requests-${name}`]))];
};
(async () => {
    const found = [];
    for (const base of process.argv.slice(1)) found.push(await ask(base));
    console.log(JSON.stringify(found));
})();
"""


@dataclass
class Scene:
    house: House
    odds: Emulator
    vendors: dict[str, Running]

    def run(self, script: str, environment: dict[str, str], *bases: str) -> list[list[Any]]:
        """What the client makes of each base URL, in one process of its own."""
        whole = f"import json\nimport sys\n{script % {'key': KEY, 'host': HOST}}{END}"
        command = [sys.executable, "-c", whole, *bases]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        found: list[list[Any]] = json.loads(done.stdout)
        return found

    def through(self, script: str) -> list[list[Any]]:
        """Twice through the explicit proxy, with nothing changed in the client."""
        return self.run(script, client_environment(self.house), "", "")

    def directly(self, script: str, base: str) -> list[Any]:
        """Without any proxy."""
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        environment = {**client_environment(self.house), **dict.fromkeys(names, "")}
        return self.run(script, environment, base)[0]

    def paid(self) -> int:
        return int(sum(account["used"] for account in self.odds.stats()["by_key"].values()))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    recorded = {"recordings": RECORDINGS} if RECORDINGS.is_dir() else {}
    with ExitStack() as stack:
        odds = stack.enter_context(emulator(**STILL))
        started = {
            OBJECTS: stack.enter_context(vendor("sports-game-odds", rate=0, events=3)),
            EXCHANGE: stack.enter_context(vendor("betfair", calls_per_s=0, session="open", **recorded)),
        }
        house = write_house(tmp_path_factory.mktemp("clients"), odds.url)
        house.write_profile("the-odds-api", **calm(*CALM_PACE))
        for host, name in ((OBJECTS, "sportsgameodds"), (EXCHANGE, "betfair")):
            given: dict[str, Any] = {"hosts": f'["{host}"]', "origin": f'"{started[host].url}"', **calm()}
            house.write_profile(name, **given)
        stack.enter_context(running(house))
        yield Scene(house, odds, started)


def installed(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"the client {name} is not installed")


def same_odds(scene: Scene, script: str) -> None:
    """The first request of a client nobody knows goes to the vendor, all others are answered from the store."""
    first, second = scene.through(script)
    paid = scene.paid()
    third, fourth = scene.through(script)
    assert scene.paid() == paid
    direct = scene.directly(script, scene.odds.url)
    for document, quota in (first, second, third, fourth):
        assert document == direct[0]
        assert all(isinstance(figure, int) for figure in quota)
        assert sum(quota[:2]) == 500_000


def test_requests(scene: Scene):
    same_odds(scene, REQUESTS)
    assert scene.through(REQUESTS)[0][1][2] == 0


def test_theoddsapi(scene: Scene):
    installed("theoddsapi")
    same_odds(scene, THE_ODDS_API)


def test_sports_odds_api(scene: Scene):
    """Events by all their pages, with the key in the header and in the query."""
    installed("sports_odds_api")
    upstream = scene.vendors[OBJECTS]
    found = scene.through(SPORTS_ODDS_API)
    requests = upstream.stats()["requests"]
    found += scene.through(SPORTS_ODDS_API)
    assert upstream.stats()["requests"] == requests
    direct = scene.directly(SPORTS_ODDS_API, upstream.url)
    assert direct[0][0][0]
    assert all(each == direct for each in found)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the checkout")
def test_betfairlightweight(scene: Scene):
    installed("betfairlightweight")
    upstream = scene.vendors[EXCHANGE]
    found = scene.through(BETFAIR)
    requests = upstream.stats()["requests"]
    found += scene.through(BETFAIR)
    assert upstream.stats()["requests"] == requests
    direct = scene.directly(BETFAIR, upstream.url)
    recorded = json.loads((RECORDINGS / "list_market_book.json").read_text())["result"]
    assert direct[0][0][0] == recorded
    assert all(each == direct for each in found)


def test_axios(scene: Scene, tmp_path: Path):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is not installed")
    install = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(tmp_path), "axios@1"]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=120).returncode:
        pytest.skip("npm cannot install axios here")
    environment = {**interposed(scene.house, tmp_path), "NODE_PATH": str(tmp_path / "node_modules")}
    through = f"http://{HOST}:{scene.house.ports['reverse']}"
    bases = (through, through, scene.odds.url)
    command = [node, "--require", str(tmp_path / "hosts.cjs"), "-e", AXIOS % {"key": KEY}, *bases]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    first, second, direct = json.loads(done.stdout)
    assert first[0] == second[0] == direct[0]
    assert direct[0][0]["bookmakers"]
    assert second[1][2] == 0
    assert [sum(quota[:2]) for _, quota in (first, second, direct)] == [500_000] * 3
