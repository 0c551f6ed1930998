"""SportsGameOdds: pages by cursor, objects per month, requests per minute; and its own client."""

import importlib
import importlib.util
import re

import pytest

from scripts.emulator.vendors.launch import running

from .vendor_wire import ask

HAS_CLIENT = importlib.util.find_spec("sports_odds_api") is not None
real_client = pytest.mark.skipif(not HAS_CLIENT, reason="the vendor's client (sports-odds-api) is not installed")


@pytest.fixture(scope="module")
def vendor():
    with running("sports-game-odds", rate=0, quota=0, events=3) as started:
        yield started


def key(name: str = "one") -> dict[str, str]:
    return {"x-api-key": name}


def test_pages_follow_the_cursor_to_the_end(vendor):
    seen, cursor = [], ""
    while cursor is not None:
        reply = ask(f"{vendor.url}/v2/events?limit=4&cursor={cursor}", key()).json
        assert set(reply) == {"success", "data", "nextCursor"}
        seen += [event["eventID"] for event in reply["data"]]
        cursor = reply["nextCursor"]
    assert seen == list(vendor.truth())
    assert len(seen) == 9


def test_a_slash_at_the_end_and_the_place_of_the_key_change_nothing(vendor):
    replies = [
        ask(f"{vendor.url}/v2/events?limit=2", key()),
        ask(f"{vendor.url}/v2/events/?limit=2", key()),
        ask(f"{vendor.url}/v2/events/?limit=2&apiKey=one"),
    ]
    assert [reply.status for reply in replies] == [200] * 3
    assert replies[0].json == replies[1].json == replies[2].json
    assert vendor.stats()["key_placements"]["query"] == 1


def test_filters(vendor):
    document = ask(f"{vendor.url}/v2/events?leagueID=NBA&bookmakerID=fanduel&oddID=points-home-game-ml-home", key())
    assert {event["leagueID"] for event in document.json["data"]} == {"NBA"}
    for event in document.json["data"]:
        assert list(event["odds"]) == ["points-home-game-ml-home"]
        assert list(event["odds"]["points-home-game-ml-home"]["byBookmaker"]) == ["fanduel"]
    two = ask(f"{vendor.url}/v2/events?eventIDs=NBA_0001%2CNFL_0002", key()).json["data"]
    assert [event["eventID"] for event in two] == ["NBA_0001", "NFL_0002"]
    live = ask(f"{vendor.url}/v2/events?live=true", key()).json["data"]
    assert [event["status"]["live"] for event in live] == [True] * 3


def test_objects_are_counted_at_least_one_each_and_end(vendor):
    def events(query: str) -> int:
        return ask(f"{vendor.url}/v2/events?{query}", key("objects")).status

    vendor.control(quota=5)
    assert [events("limit=3"), events("eventID=none")] == [200, 200]
    assert vendor.stats()["spent"]["objects"] == 4
    assert [events("limit=3"), events("limit=1")] == [200, 429]
    assert vendor.stats()["spent"]["objects"] == 7
    usage = ask(f"{vendor.url}/v2/account/usage/", key("objects")).json["data"]
    assert usage["rateLimits"]["per-month"] == {"max-entities": 5, "current-entities": 7}
    vendor.control(advance_s=32 * 86400)
    assert events("limit=1") == 200
    vendor.control(quota=0)


def test_the_rate_per_minute_is_refused_with_a_time(vendor):
    vendor.control(rate=2)
    replies = [ask(f"{vendor.url}/v2/sports", key("fast")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].json["success"] is False
    assert 1 <= int(replies[2].headers["retry-after"]) <= 60
    vendor.control(advance_s=int(replies[2].headers["retry-after"]))
    assert ask(f"{vendor.url}/v2/sports", key("fast")).status == 200
    vendor.control(rate=0)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v2/events", {}, 401),
        ("/v2/events?limit=0", key(), 400),
        ("/v2/events?cursor=%21", key(), 400),
        ("/v2/none", key(), 404),
    ],
)
def test_refusals(vendor, path, headers, status):
    reply = ask(vendor.url + path, headers)
    assert (reply.status, reply.json["success"]) == (status, False)


def test_retry_counts_are_counted(vendor):
    vendor.reset()
    for count in ("0", "1", "1"):
        ask(f"{vendor.url}/v2/sports", {**key(), "X-Stainless-Retry-Count": count})
    assert vendor.stats()["retry_counts"] == {"0": 1, "1": 2}


def test_prices_are_american_as_text_and_a_move_is_dated(vendor):
    def quotes() -> dict[tuple[str, ...], tuple[str, str]]:
        return {
            (event, name, book): (quoted["odds"], quoted["lastUpdatedAt"])
            for event, document in vendor.truth().items()
            for name, odd in document["odds"].items()
            for book, quoted in odd["byBookmaker"].items()
        }

    before = quotes()
    vendor.control(advance_s=10)
    vendor.control(move=1)
    after = quotes()
    assert all(re.fullmatch(r"[+-][1-9]\d\d+", odds) for odds, _ in after.values())
    [moved] = [place for place in after if after[place] != before[place]]
    assert after[moved][0] != before[moved][0]
    assert after[moved][1] > before[moved][1]


@real_client
@pytest.mark.parametrize("placement", ["api_key_header", "api_key_param"])
def test_the_vendors_client_reads_the_board(vendor, placement):
    sports_odds_api = importlib.import_module("sports_odds_api")

    with sports_odds_api.SportsGameOdds(base_url=f"{vendor.url}/v2", **{placement: "one"}) as client:
        events = list(client.events.get(limit=4))
        sports = client.sports.get()
        usage = client.account.get_usage()
    truth = vendor.truth()
    assert [event.event_id for event in events] == list(truth)
    for event in events:
        for name, odd in event.odds.items():
            for book, quoted in odd.by_bookmaker.items():
                assert quoted.odds == truth[event.event_id]["odds"][name]["byBookmaker"][book]["odds"]
    assert {sport.sport_id for sport in sports} == {event["sportID"] for event in truth.values()}
    assert usage.rate_limits.per_month.max_entities == "unlimited"


@real_client
def test_the_vendors_client_tries_again_and_says_so(vendor):
    sports_odds_api = importlib.import_module("sports_odds_api")

    vendor.reset()
    vendor.control(faults={"count": 2, "status": 429, "headers": {"Retry-After": "1"}, "body": {"success": False}})
    with sports_odds_api.SportsGameOdds(base_url=f"{vendor.url}/v2", api_key_header="one") as client:
        assert client.events.get(limit=1).data
    stats = vendor.stats()
    assert stats["by_status"] == {"429": 2, "200": 1}
    assert [line.partition("?")[0] for line in stats["last_requests"]] == ["GET /v2/events/"] * 3
