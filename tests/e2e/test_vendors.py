"""The example profiles, in one house, in front of emulated vendors that are as awkward as the real ones."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from scripts.emulator.vendors.launch import Running
from scripts.emulator.vendors.launch import running as vendor
from scripts.rig import CREDENTIAL, House, running, wait_for, write_house
from tests.e2e.vendors import OPEN, calm, count, joined, port_of
from tests.e2e.wire import Reply, ask, calm_window
from tests.here import run

BASIC, DESK, WRONG = (
    "Basic " + base64.b64encode(pair).decode() for pair in (b"user:password", b"desk:word", b"user:wrong")
)
HOSTS = {
    "api-sports": "v3.football.api-sports.io",
    "sportsgameodds": "api.sportsgameodds.com",
    "sportradar": "api.sportradar.com",
    "pinnacle": "api.pinnacle.com",
    "betfair": "api.betfair.com",
    "generic": "odds.example",
}
LIMITS: dict[str, Any] = {"rate_per_s": "1000", "burst": "1000"}
SPACING_S, ON_THE_WAY_S = 2.0, 1.0
"""holdover starts calls so far apart; on a busy machine two of them may draw together on their way."""
PINNACLE = ["user:password", "desk:word"]
RPC = "/exchange/betting/json-rpc/v1"
FEEDS = "/oddscomparison-prematch/trial/v2/en"


@dataclass
class Scene:
    house: House
    vendors: dict[str, Running] = field(default_factory=dict)

    def ask(self, name: str, target: str, headers: dict[str, str] | None = None, **named: Any) -> Reply:
        return ask(self.house.ports["reverse"], target, host=HOSTS[name], headers=headers, **named)

    def ask_from(self, address: str, port: int, target: str) -> Reply:
        """As Pinnacle's user, with `address` as the client's own."""
        dialled = socket.create_connection(("127.0.0.1", port), 60, source_address=(address, 0))
        return ask(dialled, target, host=HOSTS["pinnacle"], headers={"Authorization": BASIC})

    def direct(self, name: str, target: str, headers: dict[str, str], **named: Any) -> Reply:
        return ask(port_of(self.vendors[name].url), target, headers=headers, **named)

    def requests(self, name: str, part: str = "") -> list[str]:
        """The last request lines that reached the vendor."""
        return [line for line in self.vendors[name].stats()["last_requests"] if part in line]

    def call(self, body: object, session: str, key: str = "live") -> Reply:
        fields = {"X-Application": key, "X-Authentication": session, "Content-Type": "application/json"}
        return self.ask("betfair", RPC, fields, method="POST", body=json.dumps(body).encode())

    def operations(self, name: str) -> int:
        return int(self.vendors["betfair"].stats()["by_operation"].get(name, 0))


def write(scene: Scene) -> None:
    """Nothing is fetched ahead but for Pinnacle and Sportradar's change log."""
    spaced = {"window_s": str(SPACING_S), "min_interval_s": str(SPACING_S)}
    still, hourly = calm(), {key: str(calm_window()) for key in ("window_s", "min_interval_s")}
    changes: dict[str, dict[str, Any]] = {
        "api-sports": {**still, "top": OPEN},
        "sportsgameodds": {**still, "top": OPEN, "idle_after_s": "600"},
        "sportradar": {
            "top": OPEN,
            "routes": {
                "change-log": {"window_s": "1", "path": f'"{FEEDS}/sport_event_markets/change_log.json"'},
                "event-markets": still,
                "books": {"window_s": "1"},
            },
        },
        "pinnacle": {"env": '"PINNACLE_AUTHORIZATION"', **spaced, "routes": {"sports": hourly, "leagues": hourly}},
        "betfair": still,
        "generic": {**still, "top": OPEN, "pace": "{ cadence_s = 20 }"},
    }
    for name, host in HOSTS.items():
        origin = f'"{scene.vendors[name].url}"'
        scene.house.write_profile(name, hosts=f'["{host}"]', origin=origin, **LIMITS, **changes[name])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    options: dict[str, dict[str, Any]] = {
        "pinnacle": {"spacing_s": SPACING_S - ON_THE_WAY_S, "credential": PINNACLE, "snapshot_cache_s": 0},
        "betfair": {"calls_per_s": 0, "credential": "live", "delayed_key": "late", "session": ["one", "two"]},
    }
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PINNACLE_AUTHORIZATION", BASIC)
        scene = Scene(write_house(tmp_path_factory.mktemp("vendors"), "http://127.0.0.1:9"))
        for name in HOSTS:
            given = {"credential": CREDENTIAL, **options.get(name, {})}
            known = "sports-game-odds" if name == "sportsgameodds" else name
            scene.vendors[name] = stack.enter_context(vendor(known, **given))
        write(scene)
        stack.enter_context(running(scene.house))
        wait_for(lambda: joined(scene.house))
        yield scene


def test_api_sports_errors_with_status_200_are_never_stored(scene: Scene):
    name, key = "api-sports", {"x-apisports-key": CREDENTIAL}
    good = "/odds?fixture=1001"
    assert scene.ask(name, good, key).cache == "fwd=uri-miss; stored"
    assert scene.ask(name, good, {"x-rapidapi-key": "another"}).cache.startswith("hit")
    wrong = "/odds?fixture=1002&nonsense=1"
    for times in (1, 2):
        reply = scene.ask(name, wrong, key)
        assert reply.status == 200
        assert reply.json["errors"] == {"nonsense": "The nonsense field do not exist."}
        assert reply.cache.startswith("fwd=uri-miss; fwd-status=200")
        assert len(scene.requests(name, "nonsense")) == times


def test_api_sports_daily_quota_freezes(scene: Scene):
    """The words of the vendor, asked for once."""
    name, key = "api-sports", {"x-apisports-key": CREDENTIAL}
    stored = scene.ask(name, "/odds?fixture=1003", key)
    scene.vendors[name].control(quota=scene.vendors[name].stats()["spent"][CREDENTIAL])
    for fixture in range(1004, 1008):
        reply = scene.ask(name, f"/odds?fixture={fixture}", key)
        assert reply.status == 200
        assert reply.json["errors"] == {"requests": "You have reached the request limit for the day"}
    assert [len(scene.requests(name, f"fixture={fixture}")) for fixture in range(1004, 1008)] == [1, 0, 0, 0]
    again = scene.ask(name, "/odds?fixture=1003", key)
    assert again.cache.startswith("hit")
    assert again.body == stored.body
    assert count(scene.house, "admin", "holdover_upstream_quota_frozen", f'upstream="{name}"') == 1


def test_sportsgameodds_spellings_are_one_key_and_objects_are_counted(scene: Scene):
    name = "sportsgameodds"
    target = "/v2/events?leagueID=NBA&limit=5"
    first = scene.ask(name, target, {"x-api-key": "mine", "X-Stainless-Retry-Count": "0"})
    assert first.cache == "fwd=uri-miss; stored"
    objects = max(1, len(first.json["data"]))
    again = [
        scene.ask(name, target, {"x-api-key": "another", "X-Stainless-Retry-Count": "2"}),
        scene.ask(name, "/v2/events/?limit=5&leagueID=NBA&apiKey=mine"),
        scene.ask(name, "/v2/events/?apiKey=mine&limit=5&leagueID=NBA", {"User-Agent": "SportsGameOdds/Python 1.3"}),
    ]
    assert [reply.cache.partition(";")[0] for reply in again] == ["hit"] * 3
    assert {reply.body for reply in again} == {first.body}
    assert len(scene.requests(name)) == 1
    assert scene.vendors[name].stats()["retry_counts"] == {}

    page = scene.ask(name, f"/v2/events?leagueID=NBA&limit=5&cursor={first.json['nextCursor']}", {"x-api-key": "k"})
    assert page.cache == "fwd=uri-miss; stored"
    assert page.body != first.body
    objects += max(1, len(page.json["data"]))
    assert scene.vendors[name].stats()["spent_total"] == objects
    spent = count(scene.house, "admin", "holdover_upstream_credits_spent_total", f'upstream="{name}"')
    assert spent == objects

    def budgeted() -> bool:
        done = run(scene.house, "budget", "--json")
        assert done.returncode == 0, done.stderr
        facts = next(one for one in json.loads(done.stdout)["providers"] if one["provider"] == name)
        accounts = facts["accounts"]
        return bool(accounts) and (accounts[0]["remaining"], accounts[0]["remaining_from"]) == (
            100_000 - objects,
            "count",
        )

    wait_for(budgeted, 60)


def markets(scene: Scene, event: str) -> Reply:
    return scene.ask("sportradar", f"{FEEDS}/sport_events/{event}/sport_event_markets.json", {"x-api-key": "k"})


def test_sportradar_only_events_that_moved_are_asked_for_before_their_window(scene: Scene):
    name = "sportradar"
    moving, *others = list(scene.vendors[name].truth())[:3]
    scene.vendors[name].control(max_age={"markets": 5})
    before = {event: markets(scene, event) for event in (moving, *others)}
    scene.vendors[name].control(move_event=moving)
    wait_for(lambda: markets(scene, moving).json["markets"] != before[moving].json["markets"], 30, 0.2)
    assert markets(scene, moving).json["markets"] == scene.vendors[name].truth()[moving]
    read = len(scene.requests(name, "change_log"))
    wait_for(lambda: len(scene.requests(name, "change_log")) >= read + 2, 30, 0.2)
    for event in others:
        assert len(scene.requests(name, event.rpartition(":")[2])) == 1
        assert markets(scene, event).body == before[event].body
    # The log names the event for five minutes, with one change. No client ever asked for it.
    assert len(scene.requests(name, moving.rpartition(":")[2])) == 2


def test_sportradar_max_age_is_the_least_time_between_two_requests(scene: Scene):
    """Of `books`, five minutes, under a window of a second."""
    name, target = "sportradar", f"{FEEDS}/books.json"
    first = scene.ask(name, target, {"x-api-key": "k"})
    assert first["cache-control"] == "public, must-revalidate, max-age=300"
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        reply = scene.ask(name, target, {"x-api-key": "k"})
        assert reply.cache.startswith("hit; ttl=")
        assert reply.body == first.body
        time.sleep(0.2)
    assert len(scene.requests(name, "books.json")) == 1


def test_sportradar_403_of_the_gateway_is_a_rate_and_not_a_dead_key(scene: Scene):
    name = "sportradar"
    stated = {"X-Mashery-Error-Code": "ERR_403_DEVELOPER_OVER_QPS", "Retry-After": "3"}
    told = {"count": 1000, "status": 403, "headers": stated, "body": "<h1>Developer Over Qps</h1>"}
    target = f"{FEEDS}/sports/sr:sport:1/schedules/2026-01-01/schedules.json"
    scene.vendors[name].control(faults=told)
    began = time.monotonic()
    reply = scene.ask(name, target, {"x-api-key": "k"})
    assert (reply.status, reply.body) == (403, b"<h1>Developer Over Qps</h1>")
    assert reply["x-mashery-error-code"] == "ERR_403_DEVELOPER_OVER_QPS"
    asked = scene.vendors[name].stats()["requests"]
    assert count(scene.house, "admin", "holdover_upstream_credential_dead", f'upstream="{name}"') == 0
    while scene.vendors[name].stats()["requests"] == asked:
        again = scene.ask(name, target, {"x-api-key": "k"})
        assert (again.status, again.body) == (403, reply.body)
        time.sleep(0.1)
    assert time.monotonic() - began >= 3
    scene.vendors[name].control(faults=[])
    wait_for(lambda: scene.ask(name, target, {"x-api-key": "k"}).status == 200, 30, 0.2)


@dataclass
class Follower:
    """A client that takes a snapshot and then what changed since, as the vendor's documentation says."""

    scene: Scene
    filters: str = ""
    path: str = "/v2/odds"
    last: int | None = None
    periods: dict[tuple[int, int, int], Any] = field(default_factory=dict)

    def poll(self) -> None:
        since = "" if self.last is None else f"&since={self.last}"
        target = f"{self.path}?sportId=29&oddsFormat=Decimal{self.filters}{since}"
        reply = self.scene.ask("pinnacle", target, {"Authorization": BASIC})
        assert reply.status == 200, (reply.status, reply.cache, reply.body)
        self.last = reply.json["last"]
        self.periods |= periods_of(reply.json)


def periods_of(board: Any) -> dict[tuple[int, int, int], Any]:
    return {
        (league["id"], event["id"], period["number"]): period
        for league in board.get("leagues", [])
        for event in league["events"]
        for period in event["periods"]
    }


def test_pinnacle_many_clients_are_one_request_per_spacing(scene: Scene):
    """Each asks since another moment and for other leagues; the vendor's 429 reaches none of them."""
    upstream = scene.vendors["pinnacle"]
    followers = [
        Follower(scene),
        Follower(scene, "&leagueIds=555"),
        Follower(scene, "&leagueIds[]=556&leagueIds[]=555"),
    ]
    began = time.monotonic()
    for step in range(24):
        if step == 12:
            told = {"code": "TOO_MANY_REQUESTS", "message": "Notice of Excessive Request Activity"}
            upstream.control(faults={"count": 1, "status": 429, "body": told})
        upstream.control(move_in={"sport": 29, "count": 2})
        followers[step % 3].poll()
        followers[0].poll()
        time.sleep(0.25)
    event = next(number for _, number, period in followers[0].periods if period == 0)
    upstream.control(withdraw={"event": event, "market": "spreads"})
    truth = periods_of(upstream.truth()["29"])

    def caught_up() -> bool:
        for follower in followers:
            follower.poll()
        return followers[0].periods == followers[2].periods == truth

    wait_for(caught_up, 30, 0.25)
    assert followers[1].periods == {place: period for place, period in truth.items() if place[0] == 555}
    assert "spreads" not in followers[0].periods[next(p for p in truth if p[1:] == (event, 0))]
    asked = scene.requests("pinnacle", "/v2/odds?")
    assert 2 <= len(asked) <= (time.monotonic() - began) / SPACING_S + 1
    assert not any("leagueIds" in line for line in asked)
    assert upstream.stats()["pinnacle"].get("too_many", 0) == 0


def test_pinnacle_version_1_is_a_board_of_its_own(scene: Scene):
    upstream, old = scene.vendors["pinnacle"], Follower(scene, path="/v1/odds")
    old.poll()
    upstream.control(move_in={"sport": 29, "count": 3})
    truth = periods_of(upstream.truth()["29"])
    for period in truth.values():
        if "teamTotal" in period:
            period["teamTotal"] = {team: lines[0] for team, lines in period["teamTotal"].items()}

    def caught_up() -> bool:
        old.poll()
        return old.periods == truth

    wait_for(caught_up, 30, 0.25)
    assert ["since=" in line for line in scene.requests("pinnacle", "/v1/odds?")[:2]] == [False, True]


def fixtures(scene: Scene, query: str = "") -> Any:
    reply = scene.ask("pinnacle", f"/v1/fixtures?sportId=29{query}", {"Authorization": BASIC})
    assert reply.status == 200, (reply.status, reply.cache, reply.body)
    return reply.json


def events_of(document: Any) -> dict[int, Any]:
    return {event["id"]: event for league in document["league"] for event in league["events"]}


def test_pinnacle_fixtures_come_to_each_client_since_its_own_last(scene: Scene):
    upstream, began = scene.vendors["pinnacle"], time.monotonic()
    first = fixtures(scene)
    waiting = max(number for number, event in events_of(first).items() if not event["liveStatus"])
    upstream.control(add_event={"sport": 29, "league": 556, "id": 99001})
    wait_for(lambda: 99001 in events_of(fixtures(scene, f"&since={first['last']}")), 30, 0.25)
    second = fixtures(scene)
    upstream.control(kick_off=waiting)
    wait_for(lambda: waiting in events_of(fixtures(scene, f"&since={second['last']}")), 30, 0.25)
    asked = scene.requests("pinnacle", "/v1/fixtures?")
    elapsed = time.monotonic() - began
    direct = scene.direct("pinnacle", "/v1/fixtures?sportId=29", {"Authorization": DESK}).json
    assert fixtures(scene)["league"] == direct["league"]
    assert events_of(fixtures(scene, f"&since={second['last']}")).keys() == {waiting}
    assert events_of(fixtures(scene, f"&since={first['last']}")).keys() == {waiting, 99001}
    live = {number for number, event in events_of(direct).items() if event["liveStatus"] == 1}
    assert waiting in live
    assert events_of(fixtures(scene, "&isLive=1")).keys() == live
    assert events_of(fixtures(scene, "&eventIds=99001&eventIds=1")).keys() == {99001}
    assert 2 <= len(asked) <= elapsed / SPACING_S + 1
    assert not any(name in line for line in scene.requests("pinnacle") for name in ("isLive", "eventIds"))


def test_pinnacle_sports_and_leagues_are_asked_for_once(scene: Scene):
    targets = ("/v2/sports", "/v2/leagues?sportId=29", "/v2/leagues?sportId=4")
    for target in targets:
        direct = scene.direct("pinnacle", target, {"Authorization": DESK})
        replies = [scene.ask("pinnacle", target, {"Authorization": BASIC}) for _ in range(3)]
        assert [reply.json for reply in replies] == [direct.json] * 3
        assert replies[-1].cache.startswith("hit; ttl=")
        assert scene.requests("pinnacle").count(f"GET {target}") == 2


def test_pinnacle_clients_are_known_by_accounts_that_the_vendor_accepts(scene: Scene):
    """Which is what a profile says that says nothing of clients."""
    upstream, target = scene.vendors["pinnacle"], "/v2/odds?sportId=4"
    stored = scene.ask("pinnacle", target, {"Authorization": BASIC})
    assert stored.status == 200
    desk = [scene.ask("pinnacle", target, {"Authorization": DESK}) for _ in range(3)]
    assert [reply.json for reply in desk] == [stored.json] * 3
    assert desk[0].way == "fwd=bypass"
    assert [reply.cache.partition(";")[0] for reply in desk[1:]] == ["hit"] * 2
    for _ in range(2):
        refused = scene.ask("pinnacle", target, {"Authorization": WRONG})
        assert (refused.status, refused.json["code"]) == (401, "INVALID_CREDENTIALS")
    assert upstream.stats()["by_status"]["401"] == 2


def test_pinnacle_one_address_stands_for_those_of_all_clients(scene: Scene):
    upstream, addresses = scene.vendors["pinnacle"], ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    upstream.control(max_ips=2)
    through, direct = scene.house.ports["reverse"], port_of(upstream.url)
    # A parameter that no profile knows: each of these requests reaches the vendor.
    passed = [scene.ask_from(address, through, "/v2/sports?unknown=1") for address in addresses]
    assert [(reply.status, "cache-status" in reply.names) for reply in passed] == [(200, False)] * 3
    assert upstream.stats()["addresses"]["user"] == 1
    refused = [scene.ask_from(address, direct, "/v1/sports") for address in addresses]
    assert [reply.status for reply in refused] == [200, 403, 403]
    assert refused[-1].json["code"] == "ACCESS_BLOCKED"
    again = scene.ask_from(addresses[-1], through, "/v2/sports?unknown=1")
    upstream.control(max_ips=0)
    assert again.status == 200


def book_call(number: object, *, turned: bool = False) -> dict[str, Any]:
    params = {"marketIds": ["PLACE"], "priceProjection": {"priceData": ["EX_TRADED", "EX_BEST_OFFERS"]}}
    members: dict[str, Any] = {
        "jsonrpc": "2.0",
        "method": "SportsAPING/v1.0/listMarketBook",
        "params": params,
        "id": number,
    }
    if turned:
        params["priceProjection"] = {"priceData": ["EX_BEST_OFFERS", "EX_TRADED", "EX_TRADED"]}
        members["params"] = {**dict(reversed(params.items())), "locale": None}
        members = dict(reversed(members.items()))
    return members


def of_market(scene: Scene, body: dict[str, Any]) -> dict[str, Any]:
    body["params"]["marketIds"] = [scene.vendors["betfair"].truth()["live"][0]["marketId"]]
    return body


def without_id(reply: Reply) -> Any:
    return {name: value for name, value in reply.json.items() if name != "id"}


def test_betfair_one_call_whatever_its_spelling_with_each_clients_own_id(scene: Scene):
    """A session that nobody knows goes to the vendor first; one that it accepted is answered from the store."""
    first = scene.call(of_market(scene, book_call(1)), "one")
    assert (first.status, first.cache) == (200, "fwd=bypass")
    assert scene.call(of_market(scene, book_call(1)), "one").cache == "fwd=uri-miss; stored"
    assert scene.operations("listMarketBook") == 2
    for number in (1, 7, "a-7", None):
        for turned in (False, True):
            reply = scene.call(of_market(scene, book_call(number, turned=turned)), "one")
            assert reply.cache.startswith("hit; ttl=")
            assert reply.json["id"] == number
            assert without_id(reply) == without_id(first)
    assert scene.operations("listMarketBook") == 2
    assert scene.call(of_market(scene, book_call(1)), "two").cache == "fwd=bypass"
    assert scene.call(of_market(scene, book_call(2)), "two").cache.startswith("hit")
    assert scene.operations("listMarketBook") == 3


def test_betfair_application_keys_have_answers_of_their_own(scene: Scene):
    told = {}
    for key in ("live", "late"):
        replies = [scene.call(of_market(scene, book_call(1)), "one", key) for _ in range(3)]
        assert replies[-1].cache.startswith("hit")
        told[key] = {reply.json["result"][0]["isMarketDataDelayed"] for reply in replies}
    assert told == {"live": {False}, "late": {True}}


def test_betfair_what_is_an_accounts_own_passes_through(scene: Scene):
    params = {"marketId": "1.1", "instructions": []}
    order = {"jsonrpc": "2.0", "method": "SportsAPING/v1.0/placeOrders", "params": params, "id": 3}
    for times in (1, 2):
        reply = scene.call(order, "one")
        assert "cache-status" not in reply.names
        assert (reply.json["id"], reply.json["result"]["errorCode"]) == (3, "PERMISSION_DENIED")
        assert scene.operations("placeOrders") == times
    batch = [of_market(scene, book_call(1)), of_market(scene, book_call(2))]
    reply = scene.call(batch, "one")
    assert "cache-status" not in reply.names
    assert [each["id"] for each in reply.json] == [1, 2]


def test_betfair_an_unknown_session_gets_the_vendors_own_refusal(scene: Scene):
    body = of_market(scene, book_call(5))
    for _ in range(3):
        scene.call(body, "one")
    assert scene.call(body, "one").cache.startswith("hit")
    for _ in range(2):
        reply = scene.call(body, "stolen")
        assert reply.status == 200
        error = reply.json["error"]["data"]["APINGException"]["errorCode"]
        assert error == "INVALID_SESSION_INFORMATION"
    assert scene.call(body, "one").cache.startswith("hit")


def test_betfair_a_refusal_has_the_clients_own_id(scene: Scene):
    reply = scene.call(of_market(scene, book_call(5)), "stolen")
    assert "error" in reply.json
    assert reply.json["id"] == 5


def test_generic_the_worked_example(scene: Scene):
    name = "generic"
    first = scene.ask(name, "/api/odds?league=north&market=winner,total", {"X-Token": "mine"})
    assert first.cache.startswith('fwd=uri-miss; stored; detail="payload-age=')
    assert first["x-tokens-cost"] != "0"
    for spelled in (
        "/api/odds/?market=total%2Cwinner&league=north&_=17",
        "/api/odds?token=theirs&league=north&market=total,winner,total",
    ):
        reply = scene.ask(name, spelled)
        assert reply.body == first.body
        assert reply.cache.startswith("hit; ttl=")
        assert "payload-age=" in reply.cache
        assert reply["x-tokens-cost"] == "0"
    assert len(scene.requests(name)) == 1
    assert scene.ask(name, "/api/odds?league=north", {"X-Token": "k"}).cache.startswith("fwd=uri-miss; stored")
    assert scene.ask(name, "/api/odds?league=north&market=winner", {"X-Token": "k"}).cache.startswith("hit")
    refused = scene.ask(name, "/api/odds?league=nowhere", {"X-Token": "k"})
    assert (refused.status, refused.json["ok"]) == (200, False)
    assert "stored" not in refused.cache
    assert scene.ask(name, "/api/odds?league=nowhere", {"X-Token": "k"}).cache.startswith("fwd=uri-miss")
    scene.vendors[name].control(
        faults={"count": 1, "status": 200, "body": {"ok": False, "error": {"code": "NO_TOKENS"}}}
    )
    calls = len(scene.requests(name))
    for league in ("south", "quiet", "south"):
        reply = scene.ask(name, f"/api/odds?league={league}", {"X-Token": "k"})
        assert (reply.status, reply.json["error"]["code"]) == (200, "NO_TOKENS")
    assert len(scene.requests(name)) == calls + 1
    assert count(scene.house, "admin", "holdover_upstream_quota_frozen", 'upstream="odds-example"') == 1
