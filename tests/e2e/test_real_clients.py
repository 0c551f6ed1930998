"""Unmodified clients of three vendors, through holdover with the shipped profiles, and directly: the same parsed
results, and the quota fields that old clients cannot do without in every answer."""

import importlib.util
import json
import os
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

# Each defines ask(base) for the client's own base URL ("") or another one: what the client makes of several requests,
# and the quota fields of every answer. Called twice; both results are printed.
OBSERVED = """
import requests

quota = []
send = requests.Session.send

def observed(self, request, **given):
    answer = send(self, request, **given)
    quota.append([answer.headers.get(name) for name in %(quota)r])
    return answer

requests.Session.send = observed
"""
REQUESTS = f"""{OBSERVED}
def ask(base):
    quota.clear()
    session = requests.Session()
    session.params = {{"apiKey": "%(key)s"}}
    found = []

    def get(path, **params):
        r = session.get((base or "https://%(host)s") + "/v4/sports" + path, params=params, timeout=60)
        found.append([r.status_code, r.headers["Content-Type"], r.json()])

    get("")
    get("/soccer_epl/odds", regions="uk,eu", markets="h2h,spreads")
    get("/soccer_epl/odds/", regions="eu,uk", markets="spreads,h2h", oddsFormat="decimal")
    get("/soccer_epl/odds", regions="uk,eu", markets="h2h,spreads", dateFormat="unix")
    get("/soccer_epl/events")
    event = found[-1][2][0]["id"]
    get(f"/soccer_epl/events/{{event}}/odds", regions="uk", markets="totals")
    get("/soccer_epl/scores", daysFrom=1)
    return [found, list(quota)]
"""
THE_ODDS_API = f"""
import importlib.util
import sys
import types

# The wrapper imports these for functions that are not called here, and does not declare them.
for name, exported in (("pandas", ()), ("bs4", ("BeautifulSoup",))):
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(dict.fromkeys(exported))
{OBSERVED}
from theoddsapi import TheOddsAPI

def ask(base):
    quota.clear()
    TheOddsAPI.HOST = base or TheOddsAPI.HOST
    client = TheOddsAPI("%(key)s")
    odds = client.get_odds(sport="soccer_epl", regions="uk,eu", markets="h2h")
    event = client.get_event_odds(sport="soccer_epl", eventId=odds[0]["id"], regions="uk", markets="h2h")
    found = [client.get_sports(), odds, event, client.get_scores(sport="soccer_epl", daysFrom=1)]
    assert client.get_requests_remaining() + client.get_requests_used() >= 500_000
    assert all(int(remaining) + int(used) == 500_000 for remaining, used, _ in quota)
    return [found, list(quota)]
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
    const client = axios.create({baseURL, params: {apiKey: "%(key)s"}, timeout: 60000});
    const found = [], quota = [];
    const get = async (path, params) => {
        const answer = await client.get("/v4/sports" + path, {params});
        found.push([answer.status, answer.data]);
        quota.push(%(quota)s.map((name) => answer.headers[name]));
    };
    await get("");
    await get("/soccer_epl/odds", {regions: "uk,eu", markets: "totals,h2h"});
    await get("/soccer_epl/odds", {markets: ["h2h", "totals"].join(), regions: "eu,uk"});
    await get("/soccer_epl/events");
    return [found, quota];
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
        whole = f"import json\nimport sys\n{script % {'key': KEY, 'host': HOST, 'quota': QUOTA}}{END}"
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


def never_missing(quota: list[list[str | None]]) -> None:
    """The three fields of every answer, which add up to what the credential has a month."""
    for fields in quota:
        assert None not in fields
        remaining, used, last = (int(field or "") for field in fields)
        assert remaining + used == 500_000
        assert last >= 0


def same_odds(scene: Scene, script: str) -> None:
    """The first requests of a client nobody knows go to the vendor, all others are answered from the store."""
    first, second = scene.through(script)
    paid = scene.paid()
    third, fourth = scene.through(script)
    assert scene.paid() == paid
    documents, told = scene.directly(script, scene.odds.url)
    never_missing(told)
    assert all(documents)
    for found, quota in (first, second, third, fourth):
        assert found == documents
        assert len(quota) == len(told)
        never_missing(quota)
    for _, quota in (second, third, fourth):
        assert {last for *_, last in quota} == {"0"}


def test_requests(scene: Scene):
    same_odds(scene, REQUESTS)


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


@pytest.fixture(scope="module")
def axios(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node, and the folder of its modules. A package of Python may bring Node too."""
    places = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}"
    node, npm = shutil.which("node", path=places), shutil.which("npm", path=places)
    if node is None or npm is None:
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("axios")
    install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axios@1"]
    done = subprocess.run(
        install, cwd=folder, env={**os.environ, "PATH": places}, capture_output=True, text=True, timeout=180
    )
    if done.returncode:
        pytest.skip(f"npm cannot install axios here: {done.stderr.strip()[-200:]}")
    return node, folder / "node_modules"


def by_axios(axios: tuple[str, Path], environment: dict[str, str], options: list[str], *bases: str) -> list[Any]:
    node, modules = axios
    script = AXIOS % {"key": KEY, "quota": json.dumps(QUOTA)}
    done = subprocess.run(
        [node, *options, "-e", script, *bases],
        env={**environment, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["proxy variables", "hosts file"])
def test_axios(scene: Scene, axios: tuple[str, Path], tmp_path: Path, way: str, scheme: str):
    if way == "hosts file":
        environment, host = interposed(scene.house, tmp_path), f"{HOST}:{scene.house.ports['reverse']}"
        options = ["--require", str(tmp_path / "hosts.cjs")]
    else:
        environment, host, options = client_environment(scene.house), HOST, []
    environment["NODE_EXTRA_CA_CERTS"] = str(scene.house.ca)
    first, second = by_axios(axios, environment, options, *[f"{scheme}://{host}"] * 2)
    [(documents, told)] = by_axios(axios, interposed(scene.house, tmp_path), [], scene.odds.url)
    assert documents[1][1][0]["bookmakers"]
    for found, quota in ((documents, told), first, second):
        assert found == documents
        assert len(quota) == len(documents)
        never_missing(quota)
    assert {last for *_, last in second[1]} == {"0"}
