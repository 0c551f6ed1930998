"""Pinnacle: snapshots and deltas under one limit."""

import copy
import tomllib

import pytest

from scripts.emulator.vendors.launch import Running, running
from scripts.rig import ROOT

from .vendor_wire import FIXTURES, Reply, ask, basic, fixture, names, wider

SOCCER, BASKETBALL = 29, 4
CODES = ("USD", "EUR")


@pytest.fixture(scope="module")
def shared():
    """Without limits, of the vendor's cache neither; deltas and snapshots show the present board."""
    with running("pinnacle", spacing_s=0, snapshot_cache_s=0, seed=3) as vendor:
        yield vendor


@pytest.fixture
def vendor(shared: Running):
    shared.control(spacing_s=0, snapshot_cache_s=0, max_ips=0)
    return shared


def odds(vendor: Running, query: str = "", user: str = "one", sport: int = SOCCER) -> Reply:
    return ask(f"{vendor.url}/v2/odds?sportId={sport}&oddsFormat=Decimal{query}", basic(user))


def periods(document) -> dict[tuple[int, int], dict]:
    return {
        (event["id"], period["number"]): period
        for league in document["leagues"]
        for event in league["events"]
        for period in event["periods"]
    }


def test_a_snapshot_is_the_whole_board(vendor):
    document = odds(vendor).json
    assert document == vendor.truth()["29"]
    assert document["sportId"] == SOCCER
    assert [league["id"] for league in document["leagues"]] == [555, 556]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the composed payloads are not beside the checkout")
def test_the_shapes_are_those_of_the_composed_payloads(vendor):
    assert wider(names(odds(vendor).json), names(fixture("composed/pinnacle_odds_snapshot.json")))
    vendor.control(spacing_s=120.0)
    odds(vendor, user="shape")
    assert odds(vendor, user="shape").json == fixture("composed/pinnacle_429.json")


def test_every_path_that_the_shipped_profile_routes_is_served(vendor):
    shipped = tomllib.loads((ROOT / "config" / "providers" / "examples" / "pinnacle.toml").read_text())
    paths = [route["path"] for route in shipped["routes"]]
    assert "/v2/odds" in paths
    assert {path: ask(f"{vendor.url}{path}?sportId=29", basic("one")).status for path in paths} == dict.fromkeys(
        paths, 200
    )


def test_version_1_has_one_line_of_team_totals_and_version_2_the_others_too(vendor):
    old = ask(f"{vendor.url}/v1/odds?sportId=29&oddsFormat=Decimal", basic("one")).json
    new = odds(vendor).json
    assert old != new
    for place, period in periods(new).items():
        if "teamTotal" in period:
            assert [len(lines) for lines in period["teamTotal"].values()] == [2, 2]
            period["teamTotal"] = {team: lines[0] for team, lines in period["teamTotal"].items()}
        assert periods(old)[place] == period


def test_limits_are_in_the_currency_asked_for_and_prices_are_not(vendor):
    dollars, euros = (next(iter(periods(odds(vendor, f"&toCurrencyCode={code}").json).values())) for code in CODES)
    assert [dollars["maxMoneyline"], euros["maxMoneyline"]] == [500, 450]
    assert dollars["moneyline"] == euros["moneyline"]


def test_sports_and_leagues_count_their_events(vendor):
    sports = ask(f"{vendor.url}/v2/sports", basic("one")).json["sports"]
    assert {sport["id"]: sport["name"] for sport in sports} == {SOCCER: "Soccer", BASKETBALL: "Basketball"}
    leagues = ask(f"{vendor.url}/v2/leagues?sportId=29", basic("one")).json["leagues"]
    assert [league["id"] for league in leagues] == [555, 556]
    counts = {league["id"]: len(league["events"]) for league in odds(vendor).json["leagues"]}
    assert {league["id"]: league["eventCount"] for league in leagues} == counts
    assert next(sport["eventCount"] for sport in sports if sport["id"] == SOCCER) == sum(counts.values())
    assert all(each["hasOfferings"] for each in (*sports, *leagues))


def test_a_delta_has_the_changed_periods_whole_and_nothing_when_none_changed(vendor):
    before = odds(vendor).json
    assert odds(vendor, f"&since={before['last']}").json == {
        "sportId": SOCCER,
        "last": before["last"],
        "leagues": [],
    }
    vendor.control(move_in={"sport": SOCCER})
    delta = odds(vendor, f"&since={before['last']}").json
    [(place, period)] = periods(delta).items()
    assert delta["last"] > before["last"]
    assert period == periods(vendor.truth()["29"])[place]
    assert period != periods(before)[place]
    assert set(period) == set(periods(before)[place])


def test_a_board_kept_by_deltas_is_the_board(vendor):
    board, last = periods(odds(vendor).json), odds(vendor).json["last"]
    for step in range(15):
        vendor.control(move_in={"sport": SOCCER, "count": step % 4})
        delta = odds(vendor, f"&since={last}").json
        board.update(periods(delta))
        last = delta["last"]
        assert board == periods(vendor.truth()["29"])


def test_sports_have_change_numbers_of_their_own(vendor):
    before = odds(vendor, sport=BASKETBALL).json["last"]
    vendor.control(move_in={"sport": SOCCER, "count": 3})
    assert odds(vendor, sport=BASKETBALL).json["last"] == before


def test_a_withdrawn_market_is_missing_from_its_returned_period(vendor):
    before = odds(vendor).json
    [event] = [event for (event, number) in periods(before) if number == 0][:1]
    vendor.control(withdraw={"event": event, "period": 0, "market": "spreads"})
    delta = periods(odds(vendor, f"&since={before['last']}").json)
    assert list(delta) == [(event, 0)]
    assert "spreads" not in delta[event, 0]
    assert "maxSpread" not in delta[event, 0]
    assert "moneyline" in delta[event, 0]


def test_an_event_comes_by_delta_and_goes_without_a_word_in_the_odds(vendor):
    last = odds(vendor).json["last"]
    vendor.control(add_event={"sport": SOCCER, "league": 556, "id": 99001})
    delta = odds(vendor, f"&since={last}").json
    assert set(periods(delta)) == {(99001, 0), (99001, 1)}
    fixtures = ask(f"{vendor.url}/v1/fixtures?sportId=29&since={last}", basic("one")).json
    assert [event["id"] for league in fixtures["league"] for event in league["events"]] == [99001]
    vendor.control(settle=99001)
    gone = odds(vendor, f"&since={delta['last']}").json
    assert (gone["leagues"], gone["last"] > delta["last"]) == ([], True)
    assert (99001, 0) not in periods(odds(vendor).json)
    settled = ask(f"{vendor.url}/v1/fixtures/settled?sportId=29&since={delta['last']}", basic("one")).json
    assert [event["id"] for league in settled["leagues"] for event in league["events"]] == [99001]
    assert ask(f"{vendor.url}/v1/fixtures?sportId=29&since={delta['last']}", basic("one")).json["league"] == []


@pytest.mark.parametrize(
    "query", ["&leagueIds=555&leagueIds=556", "&leagueIds=555,556", "&leagueIds=555%2C556", "&leagueIds[]=555"]
)
def test_leagues_are_repeated_or_listed(vendor, query):
    wanted = [555, 556] if "556" in query else [555]
    assert [league["id"] for league in odds(vendor, query).json["leagues"]] == wanted


def test_events_and_live_filter(vendor):
    everything = {event for event, _ in periods(odds(vendor).json)}
    one = min(everything)
    assert {event for event, _ in periods(odds(vendor, f"&eventIds={one}").json)} == {one}
    live = {event for event, _ in periods(odds(vendor, "&isLive=1").json)}
    assert live
    assert live < everything
    other = min(everything - live)
    vendor.control(kick_off=other)
    assert {event for event, _ in periods(odds(vendor, "&isLive=1").json)} == live | {other}


def test_american_is_the_format_without_a_parameter(vendor):
    decimal = periods(odds(vendor).json)
    american = periods(ask(f"{vendor.url}/v2/odds?sportId=29", basic("one")).json)
    assert decimal.keys() == american.keys()
    for place, period in american.items():
        for side, price in period["moneyline"].items():
            exact = decimal[place]["moneyline"][side]
            assert price == (round((exact - 1) * 100) if exact >= 2 else -round(100 / (exact - 1)))


def test_snapshot_and_delta_share_one_request_in_two_minutes_per_sport_and_endpoint(vendor):
    vendor.control(spacing_s=120.0)
    assert odds(vendor, user="spaced").status == 200
    for query in ("", "&since=1", "&leagueIds=555", "&isLive=1"):
        reply = odds(vendor, query, user="spaced")
        assert (reply.status, reply.json["code"]) == (429, "TOO_MANY_REQUESTS")
        assert "retry-after" not in reply.headers
    assert odds(vendor, user="spaced", sport=BASKETBALL).status == 200
    for other in ("/v1/fixtures", "/v1/odds"):
        assert [ask(f"{vendor.url}{other}?sportId=29", basic("spaced")).status for _ in range(2)] == [200, 429]
    assert odds(vendor, user="another").status == 200
    vendor.control(advance_s=100)
    assert odds(vendor, user="spaced").status == 429
    vendor.control(advance_s=21)
    assert odds(vendor, "&since=1", user="spaced").status == 200


def test_snapshots_are_cached_by_the_vendor_and_deltas_are_not(vendor):
    vendor.control(snapshot_cache_s=60.0, advance_s=61)
    first = odds(vendor).json
    vendor.control(move_in={"sport": SOCCER})
    assert odds(vendor).json == first
    assert odds(vendor, f"&since={first['last']}").json["leagues"]
    vendor.control(advance_s=61)
    assert odds(vendor).json["last"] > first["last"]


def test_an_account_has_two_addresses(vendor):
    vendor.control(max_ips=2)
    url = f"{vendor.url}/v1/sports"
    sources = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.2"]
    assert [ask(url, basic("many"), source=source).status for source in sources] == [200, 200, 403, 200]


def test_bodies_are_compressed_only_for_a_named_client(vendor):
    url, gzip = f"{vendor.url}/v1/odds?sportId=29", {"Accept-Encoding": "gzip"}
    assert "content-encoding" not in ask(url, {**basic("one"), **gzip}).headers
    named = ask(url, {**basic("one"), **gzip, "User-Agent": "desk/1"})
    assert named.headers["content-encoding"] == "gzip"


def test_a_line_is_priced_from_the_board(vendor):
    (event, number), period = next(iter(periods(vendor.truth()["29"]).items()))
    query = f"sportId=29&leagueId=555&eventId={event}&periodNumber={number}&oddsFormat=Decimal"
    url = f"{vendor.url}/v1/line?{query}&betType=MONEYLINE&team=Team1"
    line = ask(url, basic("one")).json
    assert (line["status"], line["price"]) == ("SUCCESS", period["moneyline"]["home"])
    assert ask(url.replace("Team1", "Nobody"), basic("one")).json == {"status": "NOT_EXISTS"}


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/odds?sportId=29", {}, 401, "INVALID_CREDENTIALS"),
        ("/v1/odds?sportId=29", {"Authorization": "Basic ***"}, 401, "INVALID_CREDENTIALS"),
        ("/v1/odds", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v1/odds?sportId=7", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v1/odds?sportId=29&since=x", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v1/odds?sportId=29&oddsFormat=HK", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v2/odds?sportId=29&toCurrencyCode=XXX", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v2/leagues", basic("one"), 400, "INVALID_REQUEST_DATA"),
        ("/v9/odds", basic("one"), 404, "NOT_FOUND"),
    ],
)
def test_refusals(vendor, path, headers, status, code):
    reply = ask(vendor.url + path, headers)
    assert (reply.status, reply.json["code"]) == (status, code)


def test_a_credential_list_is_of_user_and_password(vendor):
    with running("pinnacle", credential="desk:right") as closed:
        url = f"{closed.url}/v1/leagues?sportId=29"
        assert [ask(url, basic("desk", word)).status for word in ("right", "wrong")] == [200, 401]
        assert closed.stats()["by_credential"] == {"desk": 2}


def test_moves_change_nothing_but_the_moved(vendor):
    before = copy.deepcopy(vendor.truth())
    vendor.control(move=1)
    changed = [
        place
        for sport in before
        for place, period in periods(before[sport]).items()
        if period != periods(vendor.truth()[sport])[place]
    ]
    assert len(changed) == 1


@pytest.fixture
def spaced():
    with running("pinnacle", spacing_s=120, snapshot_cache_s=0, seed=3) as vendor:
        yield vendor


def test_specials_are_endpoints_of_their_own_and_tell_what_changed(spaced):
    def asked(path: str, user: str, since: int | None = None):
        query = "" if since is None else f"&since={since}"
        return ask(f"{spaced.url}/v1/{path}?sportId=29{query}", basic(user)).json

    def by_id(document):
        return {each["id"]: each for league in document["leagues"] for each in league["specials"]}

    first = asked("odds/special", "one")
    specials, named = by_id(first), by_id(asked("fixtures/special", "one"))
    assert specials.keys() == named.keys()
    for number, special in specials.items():
        contestants = [each["id"] for each in named[number]["contestants"]]
        assert [line["id"] for line in special["contestantLines"]] == contestants
    assert ask(f"{spaced.url}/v1/odds/special?sportId=29", basic("one")).status == 429
    assert asked("odds/special", "two", first["last"])["leagues"] == []
    assert by_id(asked("fixtures/special/settled", "one")) == {}
    event = spaced.truth()["29"]["leagues"][0]["events"][0]["id"]
    spaced.control(settle=event)
    assert list(by_id(asked("fixtures/special/settled", "two"))) == [10 * event + 1]
    assert by_id(asked("odds/special", "three")).keys() == specials.keys() - {10 * event + 1}
