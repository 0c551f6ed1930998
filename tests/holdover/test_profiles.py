"""The shipped configuration of each vendor: it loads, and says what the vendor's answers mean and cost."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from holdover.config import files, load
from holdover.content import Board, board_of, revision_of
from holdover.exchange import Request, Response
from holdover.key import Bypass, Cacheable, plan
from holdover.phase import promise
from holdover.providers.profile import Knowledge
from holdover.route_settings import RouteSettings
from holdover.rules import Provider, Rules
from holdover.verdict import meaning
from sidecar.refresh.changelog import changes, concerned, logs_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "providers" / "examples"
COMPOSED = ROOT.parent / "shared" / "fixtures" / "composed"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.toml") if path.stem not in ("by-http", "homepage"))
"""Of vendors; a homepage has no odds, and what goes by HTTP alone is no vendor."""
ENVIRON = dict.fromkeys(
    ["API_SPORTS_KEY", "ODDS_EXAMPLE_TOKEN", "PINNACLE_AUTHORIZATION", "SPORTRADAR_KEY", "SPORTSGAMEODDS_KEY"],
    "0123456789abcdef",
)


@pytest.fixture(scope="module")
def rules(tmp_path_factory) -> Rules:
    """All examples, copied to where configuration is read."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "providers").mkdir()
    (folder / "holdover.toml").write_text('[proxy]\nreverse = ["127.0.0.1:8080"]\n')
    for path in EXAMPLES.glob("*.toml"):
        shutil.copy(path, folder / "providers")
    return load(folder, ENVIRON).rules


@pytest.fixture(scope="module")
def provider(rules: Rules) -> Callable[[str], Provider]:
    """A provider by the name of its file."""
    by_file = {path.stem: path.read_text() for path in EXAMPLES.glob("*.toml")}

    def named(file: str) -> Provider:
        return next(p for p in rules.providers if f'\nname = "{p.name}"\n' in by_file[file])

    return named


def route(provider: Provider, name: str) -> RouteSettings:
    return next(route.settings for route in provider.routes if route.name == name)


def says(provider: Provider, body: object, status=200, headers=()) -> str | None:
    answer = Response(status, (("Content-Type", "application/json"), *headers), json.dumps(body).encode())
    return meaning(provider.settings.errors, answer, answer.body)


def planned(rules: Rules, target: str, headers=(), method="GET", body=b"") -> Cacheable | Bypass:
    host, _, path = target.partition("/")
    done = plan(Request(method, host, f"/{path}", tuple(headers), body), rules)
    assert isinstance(done, Cacheable | Bypass)
    return done


def keys(rules: Rules, *targets: str) -> set[str]:
    plans = [planned(rules, target) for target in targets]
    for each in plans:
        assert isinstance(each, Cacheable), each
    return {each.canonical.key for each in plans if isinstance(each, Cacheable)}


def test_examples_are_not_loaded_where_they_are(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    assert not {path.name for path in files(tmp_path / "config")} & {f"{name}.toml" for name in NAMES}


def test_every_vendor_of_the_list_has_its_file(rules):
    assert NAMES == ["api-sports", "betfair", "generic", "pinnacle", "sportradar", "sportsgameodds"]
    assert len(rules.providers) == len([*NAMES, "by-http", "homepage"])


@pytest.mark.parametrize("name", NAMES)
def test_a_good_answer_says_nothing(provider, name):
    vendor = provider(name)
    assert says(vendor, {"data": [], "errors": [], "error": None, "ok": True}) is None
    assert says(vendor, {}, 429) == "rate"
    assert says(vendor, {}, 404) == "absent"


@pytest.mark.parametrize("name", NAMES)
def test_no_credential_is_in_a_key(provider, rules, name):
    vendor = provider(name)
    template = vendor.routes[0].settings.path.replace("{", "").replace("}", "")
    named = vendor.settings.credential
    assert named is not None
    if name != "betfair":
        bare = planned(rules, vendor.settings.hosts[0] + template)
        sent = planned(rules, vendor.settings.hosts[0] + template, [(named.header, "client-secret")])
        assert isinstance(bare, Cacheable)
        assert isinstance(sent, Cacheable)
        assert sent.canonical == bare.canonical
        assert "client-secret" in sent.credential.values


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("api-sports", [("x-rapidapi-key", "client-secret")]),
        ("sportsgameodds", "apiKey=client-secret"),
        ("sportradar", "api_key=client-secret"),
        ("generic", "token=client-secret"),
    ],
)
def test_other_places_of_a_credential_are_known(provider, rules, name, other):
    vendor = provider(name)
    target = vendor.settings.hosts[0] + vendor.routes[0].settings.path.replace("{", "").replace("}", "")
    query, fields = (other, ()) if isinstance(other, str) else ("", other)
    sent = planned(rules, f"{target}?{query}", fields)
    assert isinstance(sent, Cacheable)
    assert "client-secret" in sent.credential.values
    assert {sent.canonical.key} == keys(rules, target)


@pytest.mark.parametrize(
    "target",
    [
        "api.pinnacle.com/v2/odds?sportId=29&x=1",
        "api.pinnacle.com/v1/odds?sportId=29&x=1",
        "api.pinnacle.com/v1/fixtures?sportId=29&x=1",
        "api.pinnacle.com/v2/sports?x=1",
        "api.pinnacle.com/v2/leagues?sportId=29&x=1",
        "api.betfair.com/exchange/betting/json-rpc/v1?x=1",
    ],
)
def test_parameters_that_nobody_documented_pass_through(rules, target):
    calls = "betfair" in target
    body = (COMPOSED / "betfair_listMarketBook_req.json").read_bytes() if calls else b""
    done = planned(rules, target, (), "POST" if calls else "GET", body)
    assert isinstance(done, Bypass)
    assert done.reason == "parameter x is not known to the route"


# --- API-Sports


def test_api_sports_errors_come_with_status_200(provider):
    vendor = provider("api-sports")
    assert says(vendor, json.loads((COMPOSED / "apisports_200_with_error.json").read_text())) == "quota"
    assert says(vendor, {"errors": {"token": "Error/Missing application key."}, "response": []}) == "credential"
    assert says(vendor, {"errors": {"rateLimit": "Too many requests."}, "response": []}) == "rate"
    assert says(vendor, {"errors": {"league": "The League field is required."}, "response": []}) == "error"
    assert says(vendor, {"errors": ["anything"], "response": []}) == "error"
    assert says(vendor, {"errors": [], "response": [{}]}) is None
    assert says(vendor, {"errors": {}, "response": [{}]}) is None


# --- SportsGameOdds


def test_sports_game_odds_costs_objects(provider, rules):
    vendor = provider("sportsgameodds")
    events = route(vendor, "events")
    asked = planned(rules, "api.sportsgameodds.com/v2/events?limit=5")
    assert isinstance(asked, Cacheable)
    costs = [vendor.profile.cost(events, asked.canonical, body) for body in (
        None, b'{"data":[]}', b'{"data":[{},{},{}]}', b'{"success":false}',
    )]  # fmt: skip
    assert costs == [1, 1, 3, 1]


def test_sports_game_odds_refuses_by_status(provider):
    vendor = provider("sportsgameodds")
    assert [says(vendor, {"success": False}, status) for status in (401, 429)] == ["credential", "rate"]


def test_sports_game_odds_spellings_share_a_key(rules):
    base = "api.sportsgameodds.com/v2/events"
    spellings = (f"{base}?leagueID=NBA&limit=5", f"{base}/?limit=5&leagueID=NBA&apiKey=client-secret")
    assert len(keys(rules, *spellings)) == 1
    assert len(keys(rules, f"{base}?limit=5", f"{base}?limit=5&cursor=abc")) == 2
    retried = [("x-stainless-retry-count", "2"), ("x-api-key", "client-secret")]
    again = planned(rules, spellings[0], retried)
    assert isinstance(again, Cacheable)
    assert {again.canonical.key} == keys(rules, spellings[1])


# --- Sportradar


def test_sportradar_rate_limits(provider):
    vendor = provider("sportradar")
    for code in ("ERR_403_DEVELOPER_OVER_QPS", "ERR_403_DEVELOPER_OVER_RATE"):
        assert says(vendor, {}, 403, (("x-mashery-error-code", code),)) == "rate"
    assert says(vendor, {}, 403, (("x-mashery-error-code", "ERR_403_DEVELOPER_INACTIVE"),)) == "credential"
    assert says(vendor, {}, 401) == "credential"
    assert says(vendor, {}, 403) == "error"


def test_the_change_log_names_events_of_the_route_that_it_refreshes(provider, rules):
    vendor = provider("sportradar")
    log = route(vendor, "change-log").change_log
    assert log is not None
    document = json.loads((COMPOSED / "sportradar_change_log.json").read_text())
    event = document["changes"][0]["id"]
    base = "api.sportradar.com/oddscomparison-prematch/trial/v2/en/sport_events"
    spellings = [f"{base}/{each}/sport_event_markets.json" for each in (event, event.replace(":", "%3A"))]
    assert {each.route.name for each in (planned(rules, s) for s in spellings) if each.route} == set(log.routes)
    assert len(keys(rules, *spellings)) == 1
    times = route(vendor, "change-log").volatile
    later = {**document, "generated_at": "2026-11-23T19:01:05+00:00", "status": {"from": 1, "to": 2}}
    assert len({revision_of(200, json.dumps(each).encode(), tuple(times)) for each in (document, later)}) == 1


def test_the_change_log_of_player_props_names_them(provider, rules):
    vendor = provider("sportradar")
    log = route(vendor, "player-props-log").change_log
    assert log is not None
    base = "api.sportradar.com/oddscomparison-player-props/production/v2/en"
    asked = planned(rules, f"{base}/sport_events/sr:sport_event:72176810/players_props.json")
    assert isinstance(asked, Cacheable)
    needed = [each.path for each in logs_of(rules, asked.canonical)]
    assert needed == ["/oddscomparison-player-props/production/v2/en/players_props_changelog.json"]
    change = {"type": "sport_event", "id": "sr:sport_event:72176810", "player_props_odds_change": 1784565017}
    told = changes(log, json.dumps({"status": {"from": 1, "to": 2}, "changes": [change]}).encode())
    assert concerned([asked.canonical], log, told) == {asked.canonical.key: 1784565017}


@pytest.mark.parametrize(
    ("path", "name", "window_s"),
    [
        ("player-props/trial/v2/en/sports/sr:sport:2/schedules/2026-05-01/players_props", "daily-player-props", 900),
        ("futures/production/v2/en/competitions/sr:competition:109/futures", "competition-futures", 3600),
        ("futures/trial/v2/de/categories/sr:category:16/futures", "category-futures", 3600),
        ("liveodds/trial/v2/en/sport_events/sr:sport_event:1/sport_event_markets", "live-event-markets", 15),
        ("liveodds/trial/v2/en/sport_events/sr:sport_event:1/players_props", "live-player-props", 15),
        ("liveodds/production/v2/en/books", "books", 86_400),
    ],
)
def test_every_package_of_sportradar_has_routes(rules, path, name, window_s):
    """For JSON; pages have keys of their own."""
    target = f"api.sportradar.com/oddscomparison-{path}"
    done = planned(rules, f"{target}.json")
    assert isinstance(done, Cacheable)
    assert (done.route.name, done.route.settings.window_s) == (name, window_s)
    assert list(logs_of(rules, done.canonical)) == []
    assert len(keys(rules, f"{target}.json", f"{target}.json?start=0", f"{target}.json?start=50")) == 3
    assert isinstance(planned(rules, f"{target}.xml"), Bypass)


def test_sportradar_live_odds_are_fetched_less_often_while_they_are_far(provider):
    markets, now = route(provider("sportradar"), "live-event-markets"), 1_800_000_000.0
    assert [promise(markets, Board(starts=(now + s,)), now) for s in (-60, 3600, 86_400)] == [15, 15, 60]
    assert promise(markets, Board(), now) == 15


def test_sportradar_keeps_the_vendors_max_age(provider):
    assert all(each.settings.honour_max_age for each in provider("sportradar").routes)


def test_sportradar_tells_when_a_feed_was_made(provider):
    markets = route(provider("sportradar"), "event-markets")
    feed = {"generated_at": "2026-11-23T19:00:05+00:00", "sport_event": {"start_time": "2026-11-23T22:00:00+00:00"}}
    facts = board_of(json.dumps(feed).encode(), starts=markets.starts, updated_at=markets.updated_at)
    assert facts.newest == 1795460405.0
    assert facts.starts == (1795471200.0,)
    for each in provider("sportradar").routes:
        bodies = [json.dumps({**feed, "generated_at": f"2026-11-23T19:0{n}:05+00:00"}).encode() for n in (1, 2)]
        assert len({revision_of(200, body, tuple(each.settings.volatile)) for body in bodies}) == 1


# --- Pinnacle


def test_pinnacle_errors(provider):
    vendor = provider("pinnacle")
    assert says(vendor, json.loads((COMPOSED / "pinnacle_429.json").read_text()), 429) == "rate"
    assert says(vendor, {"code": "TOO_MANY_REQUESTS", "message": "m"}) == "rate"
    assert says(vendor, {"code": "OTHER", "message": "m"}) == "error"
    assert says(vendor, {"code": "INVALID_CREDENTIALS", "message": "m"}, 401) == "credential"
    assert says(vendor, json.loads((COMPOSED / "pinnacle_odds_delta.json").read_text())) is None


def test_pinnacle_spellings_share_a_key(rules):
    base = "api.pinnacle.com/v2/odds?sportId=29"
    spellings = [
        "leagueIds=1,2", "leagueIds=2%2C1", "leagueIds=1&leagueIds=2", "leagueIds[]=2&leagueIds[]=1",
        "leagueIds=2,1,1&isLive=0", "leagueIds%5B%5D=1&leagueIds=2&isLive=False&oddsFormat=American",
        "oddsFormat=American&leagueIds=1,2&toCurrencyCode=USD",
    ]  # fmt: skip
    assert len(keys(rules, *(f"{base}&{spelling}" for spelling in spellings))) == 1
    others = [
        "leagueIds=1",
        "eventIds=1,2",
        "leagueIds=1,2&since=5",
        "leagueIds=1,2&isLive=1",
        "leagueIds=1,2&oddsFormat=Decimal",
    ]
    assert len(keys(rules, f"{base}&{spellings[0]}", *(f"{base}&{other}" for other in others))) == 6


def test_american_odds_are_those_of_a_request_that_names_none(rules):
    """Where the description says so: of specials it names no default."""
    for path, one in (("/v1/odds", 1), ("/v2/odds", 1), ("/v1/odds/special", 2), ("/v1/odds/parlay", 2)):
        base = f"api.pinnacle.com{path}?sportId=29"
        assert len(keys(rules, base, f"{base}&oddsFormat=American")) == one


@pytest.mark.parametrize(
    ("path", "also"),
    [
        ("/v1/odds/special", "oddsFormat=Decimal&specialId=7"),
        ("/v1/odds/parlay", "oddsFormat=Decimal&isLive=1&eventIds=5"),
        ("/v1/fixtures/special", "category=1%2F4%20Totals&eventId=5&specialId=7"),
        ("/v1/fixtures/settled", "leagueIds=3"),
        ("/v1/fixtures/special/settled", "leagueIds=3"),
    ],
)
def test_what_no_board_of_pinnacle_holds_is_asked_as_it_is(rules, provider, path, also):
    """A delta among them; all that is asked for one sport keeps one distance."""
    vendor, base = provider("pinnacle"), f"api.pinnacle.com{path}?sportId=29"
    on = Knowledge(kinds=frozenset(vendor.settings.projection.kinds))
    canonicals = []
    for query in ("leagueIds=1,2", "leagueIds[]=2&leagueIds[]=1", "leagueIds=1,2&since=5", also, f"{also}&since=6"):
        done = planned(rules, f"{base}&{query}")
        assert isinstance(done, Cacheable), query
        assert vendor.profile.widened(done.canonical, on) == done.canonical
        assert vendor.profile.ask(done.canonical, b'{"last":1}') == done.canonical
        assert done.route.settings.interval_by == ["sportId"]
        canonicals.append(done.canonical)
    assert canonicals[0] == canonicals[1]
    assert len({each.key for each in canonicals}) == 4
    assert [vendor.profile.lasting(each) for each in canonicals] == [True, True, False, True, False]


@pytest.mark.parametrize("path", ["/v1/line?sportId=29", "/v2/line/parlay", "/v2/bets/straight", "/v1/odds/teaser"])
def test_what_pinnacle_is_asked_before_a_bet_passes_through(rules, path):
    done = planned(rules, f"api.pinnacle.com{path}")
    assert isinstance(done, Bypass)
    assert done.reason == "no route matches"


def test_pinnacle_is_never_asked_twice_in_two_minutes(provider):
    for each in provider("pinnacle").routes:
        assert each.settings.min_interval_s >= 120
        assert each.settings.window_s >= each.settings.min_interval_s
    assert provider("pinnacle").settings.limits.retries == 0


def test_a_delta_without_a_change_is_no_new_revision(provider, rules):
    profile, volatile = provider("pinnacle").profile, tuple(route(provider("pinnacle"), "odds-v2").volatile)
    asked = planned(rules, "api.pinnacle.com/v2/odds?sportId=29")
    assert isinstance(asked, Cacheable)
    wide = profile.widened(
        asked.canonical, Knowledge(kinds=frozenset(provider("pinnacle").settings.projection.kinds))
    )
    boards = [profile.absorb(wide, None, (COMPOSED / "pinnacle_odds_snapshot.json").read_bytes())]
    for answer in (b"", b'{"sportId":29,"last":900000150}', (COMPOSED / "pinnacle_odds_delta.json").read_bytes()):
        boards.append(profile.absorb(wide, boards[-1], answer))
    revisions = [revision_of(200, each, volatile) for each in boards]
    assert revisions[0] == revisions[1] == revisions[2] != revisions[3]


# --- Betfair


def betfair_call(rules: Rules, body: bytes, application="key-one", session="session-1") -> Cacheable | Bypass:
    fields = [("X-Application", application), ("X-Authentication", session), ("Content-Type", "application/json")]
    return planned(rules, "api.betfair.com/exchange/betting/json-rpc/v1", fields, "POST", body)


@pytest.mark.parametrize(
    ("method", "route"),
    [("listMarketBook", "json-rpc"), ("listMarketCatalogue", "catalogue"), ("listEvents", "catalogue")],
)
def test_betfair_methods_have_routes_of_their_own(rules, method, route):
    params: dict[str, object] = {"marketIds": ["1.9"]} if method == "listMarketBook" else {"filter": {}}
    call = {"jsonrpc": "2.0", "method": f"SportsAPING/v1.0/{method}", "params": params, "id": 1}
    found = betfair_call(rules, json.dumps(call).encode())
    assert isinstance(found, Cacheable)
    assert found.route.name == found.canonical.route == route


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"method": 1}', b'{"method": "listEvents"}'])
def test_what_is_no_betfair_call_is_not_cached(rules, body):
    assert isinstance(betfair_call(rules, body), Bypass)


def test_betfair_errors_come_with_status_200(provider):
    vendor = provider("betfair")

    def refused(code: str) -> str | None:
        data = {"APINGException": {"errorCode": code, "errorDetails": ""}, "exceptionname": "APINGException"}
        return says(
            vendor, {"jsonrpc": "2.0", "error": {"code": -32099, "message": "ANGX-0003", "data": data}, "id": 1}
        )

    assert (
        refused("INVALID_SESSION_INFORMATION") == refused("NO_SESSION") == refused("INVALID_APP_KEY") == "credential"
    )
    assert refused("TOO_MANY_REQUESTS") == "rate"
    assert refused("TOO_MUCH_DATA") == refused("UNEXPECTED_ERROR") == "error"
    assert says(vendor, {"jsonrpc": "2.0", "error": {"code": -32601, "message": "DSC-0021"}, "id": 1}) == "error"
    assert says(vendor, json.loads((COMPOSED / "betfair_listMarketBook_res.json").read_text())) is None


def test_betfair_application_keys_have_answers_of_their_own(rules):
    body = (COMPOSED / "betfair_listMarketBook_req.json").read_bytes()
    plans = [betfair_call(rules, body, *who) for who in (("one", "a"), ("one", "b"), ("two", "a"))]
    found = [each.canonical for each in plans if isinstance(each, Cacheable)]
    assert len(found) == 3
    assert found[0] == found[1] != found[2]
    assert [each.echo for each in plans if isinstance(each, Cacheable)] == ["41"] * 3


@pytest.mark.parametrize(
    "host", ["identitysso.betfair.com", "identitysso-cert.betfair.com", "stream-api.betfair.com"]
)
def test_betfair_logins_are_never_opened(rules, host):
    assert rules.provider_of(host) is None


def test_what_is_an_accounts_own_passes_through(rules):
    body = (COMPOSED / "betfair_listMarketBook_req.json").read_bytes().replace(b"listMarketBook", b"placeOrders")
    assert isinstance(betfair_call(rules, body), Bypass)
    assert isinstance(planned(rules, "api.betfair.com/exchange/betting/rest/v1.0/listMarketBook/"), Bypass)


# --- the made-up provider, worked example


def example(**changes) -> dict:
    event = {"event": "e1", "starts_at": "2026-11-23T22:00:00Z", "prices": [1.5, 2.8]}
    return {"as_of_ts_ms": 1795460405123, "ok": True, "error": None, "data": [event], **changes}


def test_the_example_knows_refusals_by_what_they_say(provider):
    vendor = provider("generic")
    assert says(vendor, example()) is None
    meanings = {"NO_TOKENS": "quota", "BAD_TOKEN": "credential", "SLOW_DOWN": "rate", "ELSE": "error"}
    assert {code: says(vendor, example(ok=False, error={"code": code})) for code in meanings} == meanings


def test_the_example_knows_that_nothing_changed_when_it_was_only_made_anew(provider):
    bodies = [json.dumps(example(as_of_ts_ms=at)).encode() for at in (1795460405123, 1795460465123)]
    volatile = tuple(provider("generic").routes[0].settings.volatile)
    assert len({revision_of(200, body, volatile) for body in bodies}) == 1


def test_the_example_folds_spellings(rules):
    base = "odds.example/api/odds"
    assert (
        len(keys(rules, f"{base}?league=x&market=b,a", f"{base}/?market=a%2Cb&league=x&_=99&token=client-secret"))
        == 1
    )
    assert len(keys(rules, f"{base}?league=x", f"{base}?{urlencode({'league': 'x', 'market': 'winner'})}")) == 1
    assert len(keys(rules, f"{base}?league=x", f"{base}?league=y", f"{base}?league=x&market=total")) == 3
    assert isinstance(planned(rules, f"{base}?league=x&format=us"), Bypass)


def test_the_example_knows_age_start_and_cost(provider, rules):
    vendor = provider("generic")
    odds = route(vendor, "odds")
    body = json.dumps(example()).encode()
    facts = board_of(body, starts=odds.starts, updated_at=odds.updated_at, items=odds.items)
    assert facts.events == 1
    assert facts.newest == 1795460405.123
    assert facts.starts == (1795471200.0,)
    asked = planned(rules, "odds.example/api/odds?league=x")
    assert isinstance(asked, Cacheable)
    many = json.dumps(example(data=[{}] * 30)).encode()
    assert [vendor.profile.cost(odds, asked.canonical, each) for each in (None, body, many)] == [1, 1, 3]
