"""The invented REST API that a profile is written for."""

import pytest

from scripts.emulator.vendors.launch import running

from .vendor_wire import ask

TOKEN = {"X-Token": "one"}
PATH = "/api/odds?league=north"


@pytest.fixture(scope="module")
def vendor():
    with running("generic", credential=["one", "two", "three", "four"], seed=2) as started:
        yield started


def test_an_answer_has_its_time_and_its_cost(vendor):
    reply = ask(vendor.url + PATH + "&market=winner,total", TOKEN)
    assert list(reply.json) == ["as_of_ts_ms", "ok", "data"]
    assert reply.headers["x-tokens-cost"] == "2"
    assert reply.headers["x-tokens-remaining"] == "9998"
    rows = {(row["event"], row["market"], row["book"]) for row in reply.json["data"]}
    assert len(rows) == len(reply.json["data"]) == 2 * 2 * 2


def test_a_league_filters_and_an_empty_one_is_no_error(vendor):
    south = ask(f"{vendor.url}/api/odds?league=south&market=total", TOKEN).json["data"]
    assert {(row["event"], row["market"]) for row in south} == {("Summit v Castle", "total")}
    empty = ask(f"{vendor.url}/api/odds?league=quiet", TOKEN).json
    assert (empty["ok"], empty["data"]) == (True, [])


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (PATH, {}, "BAD_TOKEN"),
        (PATH, {"X-Token": "nine"}, "BAD_TOKEN"),
        ("/api/odds?league=east", TOKEN, "NO_SUCH_LEAGUE"),
        (PATH + "&market=corners", TOKEN, "NO_SUCH_MARKET"),
        ("/api/none", TOKEN, "NO_SUCH_PATH"),
    ],
)
def test_refusals_are_200_with_ok_false(vendor, path, headers, code):
    reply = ask(vendor.url + path, headers)
    assert (reply.status, reply.json["ok"], reply.json["error"]["code"]) == (200, False, code)
    assert "data" not in reply.json
    assert reply.headers.get("x-tokens-cost") in (None, "0")


def test_tokens_end_and_come_back_with_the_month(vendor):
    two = {"X-Token": "two"}
    vendor.control(quota=3)
    assert ask(vendor.url + PATH, two).headers["x-tokens-remaining"] == "1"
    assert ask(vendor.url + PATH, two).headers["x-tokens-remaining"] == "-1"
    refused = ask(vendor.url + PATH, two)
    assert (refused.status, refused.json["error"]["code"]) == (200, "NO_TOKENS_LEFT")
    assert ask(vendor.url + "/api/leagues", two).json["ok"] is True
    vendor.control(advance_s=32 * 86400)
    assert ask(vendor.url + PATH, two).headers["x-tokens-remaining"] == "1"
    vendor.control(quota=10_000)


def test_the_rate_is_per_second_and_token(vendor):
    vendor.control(rate=2, freeze=True)
    replies = [ask(vendor.url + "/api/leagues", {"X-Token": "three"}) for _ in range(3)]
    other = ask(vendor.url + "/api/leagues", {"X-Token": "four"})
    vendor.control(rate=0, freeze=False)
    assert [reply.json["ok"] for reply in replies] == [True, True, False]
    assert (replies[2].status, replies[2].json["error"]["code"]) == (200, "TOO_FAST")
    assert other.json["ok"] is True


def test_a_published_board_stands_until_the_next_publication(vendor):
    vendor.control(publish_s=1000.0, freeze=True)
    first = ask(vendor.url + PATH, TOKEN).json
    vendor.control(move=40)
    second = ask(vendor.url + PATH, TOKEN).json
    vendor.control(advance_s=1000)
    third = ask(vendor.url + PATH, TOKEN).json
    before = vendor.truth()["north"]
    vendor.control(advance_s=1000)
    vendor.control(move=40)
    fourth = ask(vendor.url + PATH, TOKEN).json
    vendor.control(publish_s=0.0, freeze=False)
    assert first["as_of_ts_ms"] % 1_000_000 == 0
    assert third["as_of_ts_ms"] == first["as_of_ts_ms"] + 1_000_000
    assert first == second
    assert third["data"] != first["data"]
    assert third["data"] == fourth["data"] == before
    assert vendor.truth()["north"] != before
