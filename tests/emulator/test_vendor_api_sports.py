"""API-Sports: refusals inside a 200, a daily quota and a rate per minute."""

import pytest

from scripts.emulator.vendors.launch import running

from .vendor_wire import FIXTURES, ask, fixture, names, wider

ODDS = "/odds?fixture=1001"


@pytest.fixture(scope="module")
def vendor():
    with running("api-sports", quota=100, rate=0, credential=["one", "two", "three", "four"]) as started:
        yield started


def key(name: str = "one") -> dict[str, str]:
    return {"x-apisports-key": name}


def test_success_has_an_empty_list_of_errors_and_four_limit_headers(vendor):
    reply = ask(vendor.url + ODDS, key())
    document = reply.json
    assert (reply.status, document["get"], document["parameters"]) == (200, "odds", {"fixture": "1001"})
    assert (document["errors"], document["results"], document["paging"]) == ([], 1, {"current": 1, "total": 1})
    assert document["response"][0]["fixture"]["id"] == 1001
    assert reply.headers["x-ratelimit-requests-limit"] == "100"
    assert int(reply.headers["x-ratelimit-requests-remaining"]) < 100
    assert {"x-ratelimit-limit", "x-ratelimit-remaining"} <= set(reply.headers)


def test_odds_can_be_narrowed_to_a_bookmaker_and_a_bet(vendor):
    [found] = ask(vendor.url + ODDS + "&bookmaker=8&bet=5", key()).json["response"]
    [whole] = [each for each in vendor.truth().values() if each["fixture"]["id"] == 1001]
    assert [(book["id"], [bet["id"] for bet in book["bets"]]) for book in found["bookmakers"]] == [(8, [5])]
    assert found["bookmakers"][0]["bets"][0] == whole["bookmakers"][1]["bets"][1]


def test_a_fixture_without_odds_is_an_empty_success(vendor):
    vendor.control(empty=[1001])
    document = ask(vendor.url + ODDS, key()).json
    vendor.control(empty=[])
    assert (document["errors"], document["results"], document["response"]) == ([], 0, [])


def test_pages(vendor):
    pages = [ask(f"{vendor.url}/odds?league=39&page={number}", key()).json for number in (1, 2)]
    assert [page["paging"] for page in pages] == [{"current": 1, "total": 2}, {"current": 2, "total": 2}]
    assert [page["results"] for page in pages] == [10, 2]


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        (ODDS, {}, "token"),
        (ODDS, {"x-apisports-key": "nine"}, "token"),
        ("/odds", key(), "required"),
        ("/odds?fixtures=1", key(), "fixtures"),
        ("/nothing", key(), "endpoint"),
    ],
)
def test_refusals_are_200_with_named_errors(vendor, path, headers, name):
    reply = ask(vendor.url + path, headers)
    assert reply.status == 200
    assert list(reply.json["errors"]) == [name]
    assert (reply.json["results"], reply.json["response"]) == (0, [])


def test_the_daily_quota_ends_as_a_200_and_returns_the_next_day(vendor):
    vendor.control(quota=2)
    replies = [ask(vendor.url + ODDS, key("two")) for _ in range(3)]
    assert [reply.headers["x-ratelimit-requests-remaining"] for reply in replies] == ["1", "0", "0"]
    assert [reply.status for reply in replies] == [200] * 3
    assert replies[2].json["errors"] == {"requests": "You have reached the request limit for the day"}
    if FIXTURES.is_dir():
        composed = fixture("composed/apisports_200_with_error.json")
        assert wider(names(replies[2].json), names(composed))
        assert replies[2].json["errors"] == composed["errors"]
    status = ask(vendor.url + "/status", key("two")).json["response"]
    assert status["requests"] == {"current": 2, "limit_day": 2}
    vendor.control(advance_s=86400)
    assert ask(vendor.url + ODDS, key("two")).json["errors"] == []
    vendor.control(quota=100)


def test_the_rate_per_minute_ends_as_a_200(vendor):
    vendor.control(rate=2)
    replies = [ask(vendor.url + ODDS, key("three")) for _ in range(3)]
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["1", "0", "0"]
    assert list(replies[2].json["errors"]) == ["rateLimit"]
    assert replies[2].status == 200
    vendor.control(advance_s=61)
    assert ask(vendor.url + ODDS, key("three")).json["errors"] == []
    vendor.control(rate=0)


def test_status_is_free(vendor):
    ask(vendor.url + ODDS, key("four"))
    for _ in range(3):
        reply = ask(vendor.url + "/status", key("four"))
    assert reply.json["response"]["requests"]["current"] == 1
    assert vendor.stats()["spent"]["four"] == 1


def test_the_update_time_may_move_without_a_price(vendor):
    before = ask(vendor.url + ODDS, key()).json["response"][0]
    vendor.control(advance_s=30, touch=True)
    after = ask(vendor.url + ODDS, key()).json["response"][0]
    assert before["update"] < after["update"]
    assert before["bookmakers"] == after["bookmakers"]
