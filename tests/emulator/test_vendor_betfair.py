"""Betfair: JSON-RPC single and in batches, REST, delayed keys, recordings; and a client that traders use."""

import importlib
import importlib.util
import json

import pytest

from scripts.emulator.vendors.launch import Running, running

from .vendor_wire import FIXTURES, Reply, ask, fixture, names, wider

RPC = "/exchange/betting/json-rpc/v1"
REST = "/exchange/betting/rest/v1.0"
RECORDED = FIXTURES / "betfair"
HAS_CLIENT = importlib.util.find_spec("betfairlightweight") is not None
recorded_only = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the checkout")
real_client = pytest.mark.skipif(not HAS_CLIENT, reason="the client betfairlightweight is not installed")
BEST = {"priceProjection": {"priceData": ["EX_BEST_OFFERS"]}}


@pytest.fixture(scope="module")
def vendor():
    keys = {"credential": "live", "delayed_key": "late", "session": "open"}
    with running("betfair", calls_per_s=0, seed=4, **keys) as started:
        yield started


@pytest.fixture(scope="module")
def replaying():
    with running("betfair", calls_per_s=0, recordings=RECORDED) as started:
        yield started


def headers(key: str = "live", session: str = "open") -> dict[str, str]:
    return {"X-Application": key, "X-Authentication": session, "Content-Type": "application/json"}


def call(name: str, params: dict, number: object = 1) -> dict:
    return {"jsonrpc": "2.0", "method": f"SportsAPING/v1.0/{name}", "params": params, "id": number}


def rpc(vendor: Running, body: object, **who: str) -> Reply:
    return ask(vendor.url + RPC, headers(**who), body)


def markets(vendor: Running) -> list[str]:
    return [book["marketId"] for book in vendor.truth()["live"]]


def book(vendor: Running, params: dict, key: str = "live"):
    body = call("listMarketBook", {"marketIds": markets(vendor)[:2], **params})
    return rpc(vendor, body, key=key).json["result"]


@pytest.mark.parametrize("number", [41, "a-7", None])
def test_the_id_is_echoed(vendor, number):
    reply = rpc(vendor, call("listEventTypes", {"filter": {}}, number))
    assert reply.json["id"] == number
    assert {each["eventType"]["name"]: each["marketCount"] for each in reply.json["result"]} == {
        "Soccer": 4,
        "Horse Racing": 4,
    }


def test_a_batch_is_answered_one_by_one_with_errors_among_them(vendor):
    batch = [
        call("listCompetitions", {"filter": {}}, 7),
        call("listNothing", {}, 8),
        call("listMarketBook", {}, 9),
        call("listEvents", {"filter": {"eventTypeIds": ["7"]}}, 10),
    ]
    reply = rpc(vendor, batch)
    assert [each["id"] for each in reply.json] == [7, 8, 9, 10]
    assert ["result" in each for each in reply.json] == [True, False, False, True]
    assert reply.json[1]["error"]["code"] == -32601
    assert reply.json[2]["error"]["data"]["APINGException"]["errorCode"] == "INVALID_INPUT_DATA"


def test_rest_has_the_same_results(vendor):
    params = {"filter": {"marketTypeCodes": ["WIN"]}, "maxResults": 5, "marketProjection": ["EVENT"]}
    by_rpc = rpc(vendor, call("listMarketCatalogue", params)).json["result"]
    by_rest = ask(f"{vendor.url}{REST}/listMarketCatalogue/", headers(), params)
    assert by_rest.json == by_rpc
    assert len(by_rpc) == 2
    refused = ask(f"{vendor.url}{REST}/listMarketCatalogue/", headers(), {"filter": {}})
    assert (refused.status, refused.json["faultstring"]) == (400, "ANGX-0002")


@pytest.mark.parametrize(
    ("name", "field"),
    [("listMarketTypes", "marketType"), ("listCountries", "countryCode"), ("listVenues", "venue")],
)
def test_lists_count_their_markets(vendor, name, field):
    result = rpc(vendor, call(name, {"filter": {}})).json["result"]
    assert all(set(each) == {field, "marketCount"} for each in result)
    assert sum(each["marketCount"] for each in result) == (4 if name == "listVenues" else 8)


def test_a_live_book_is_the_truth_and_a_delayed_one_is_not(vendor):
    live, late = book(vendor, BEST), book(vendor, BEST, key="late")
    assert [each["isMarketDataDelayed"] for each in live + late] == [False] * 2 + [True] * 2
    for one, other, truth in zip(live, late, vendor.truth()["live"], strict=False):
        prices = [[runner["lastPriceTraded"] for runner in each["runners"]] for each in (one, other, truth)]
        assert prices[0] == prices[2]
        assert all(first != second for first, second in zip(prices[0], prices[1], strict=True))


def test_a_delayed_key_sees_the_price_before_the_move(vendor):
    before = vendor.truth()["live"]
    vendor.control(move=1)
    after, late = vendor.truth()["live"], vendor.truth()["delayed"]
    moved = [
        (old["runners"][n]["lastPriceTraded"], shown["runners"][n]["lastPriceTraded"])
        for old, new, shown in zip(before, after, late, strict=True)
        for n in range(len(new["runners"]))
        if old["runners"][n]["lastPriceTraded"] != new["runners"][n]["lastPriceTraded"]
    ]
    assert len(moved) == 1
    assert moved[0][0] == moved[0][1]


def test_the_price_data_decide_what_a_runner_has(vendor):
    assert "ex" not in book(vendor, {})[0]["runners"][0]
    best = book(vendor, BEST)[0]["runners"][0]["ex"]
    assert (len(best["availableToBack"]), best["tradedVolume"]) == (3, [])
    deep = {"priceData": ["EX_BEST_OFFERS"], "exBestOffersOverrides": {"bestPricesDepth": 2}}
    assert len(book(vendor, {"priceProjection": deep})[0]["runners"][0]["ex"]["availableToLay"]) == 2
    whole = book(vendor, {"priceProjection": {"priceData": ["EX_ALL_OFFERS", "EX_TRADED"]}})[0]["runners"][0]["ex"]
    assert len(whole["availableToBack"]) > 3
    assert whole["tradedVolume"]


@pytest.mark.parametrize(
    ("data", "depth", "most"),
    [
        ([], 0, 100),
        (["EX_BEST_OFFERS"], 0, 40),
        (["EX_BEST_OFFERS"], 6, 20),
        (["EX_BEST_OFFERS", "EX_TRADED"], 0, 10),
        (["EX_ALL_OFFERS", "EX_TRADED"], 0, 6),
        (["SP_AVAILABLE", "SP_TRADED"], 0, 20),
    ],
)
def test_too_much_data_by_the_weights(vendor, data, depth, most):
    projection = {"priceData": data} | ({"exBestOffersOverrides": {"bestPricesDepth": depth}} if depth else {})

    def asked(count: int):
        return rpc(vendor, call("listMarketBook", {"marketIds": ["1.1"] * count, "priceProjection": projection})).json

    assert asked(most)["result"] == []
    refused = rpc_error(asked(most + 1))
    assert refused == ("ANGX-0001", "TOO_MUCH_DATA")


def rpc_error(document: dict) -> tuple[str, str]:
    error = document["error"]
    assert (error["code"], error["data"]["exceptionname"]) == (-32099, "APINGException")
    return error["message"], error["data"]["APINGException"]["errorCode"]


def test_a_catalogue_has_weights_too(vendor):
    params = {"filter": {}, "maxResults": 150, "marketProjection": ["RUNNER_METADATA", "MARKET_DESCRIPTION"]}
    assert rpc_error(rpc(vendor, call("listMarketCatalogue", params)).json)[1] == "TOO_MUCH_DATA"
    assert len(rpc(vendor, call("listMarketCatalogue", {**params, "maxResults": 100})).json["result"]) == 8


@pytest.mark.parametrize(
    ("key", "session", "code"),
    [
        ("", "open", "NO_APP_KEY"),
        ("none", "open", "INVALID_APP_KEY"),
        ("live", "", "NO_SESSION"),
        ("live", "closed", "INVALID_SESSION_INFORMATION"),
    ],
)
def test_wrong_keys_and_sessions_are_errors_in_a_200(vendor, key, session, code):
    reply = rpc(vendor, call("listEventTypes", {"filter": {}}), key=key, session=session)
    assert reply.status == 200
    assert rpc_error(reply.json)[1] == code


def test_books_of_one_market_are_limited_per_second(vendor):
    vendor.control(calls_per_s=2, advance_s=2, freeze=True)
    body = call("listMarketBook", {"marketIds": markets(vendor)[:1]})
    reply = rpc(vendor, [body] * 4)
    other = rpc(vendor, call("listMarketBook", {"marketIds": markets(vendor)[1:2]}))
    vendor.control(calls_per_s=0, freeze=False)
    assert ["result" in each for each in reply.json] == [True, True, False, False]
    assert rpc_error(reply.json[3])[1] == "TOO_MANY_REQUESTS"
    assert "result" in other.json


def test_bets_are_counted_and_refused(vendor):
    vendor.reset()
    order = {"marketId": "1.1", "instructions": [{"selectionId": 1}]}
    reply = rpc(vendor, call("placeOrders", order))
    assert (reply.json["result"]["status"], reply.json["result"]["errorCode"]) == ("FAILURE", "PERMISSION_DENIED")
    ask(f"{vendor.url}{REST}/cancelOrders/", headers(), {})
    stats = vendor.stats()
    assert stats["orders_refused"] == 2
    assert stats["by_operation"] == {"placeOrders": 1, "cancelOrders": 1}
    assert json.loads(stats["last_bodies"][0])["params"] == order


@pytest.mark.parametrize(("body", "code"), [([1], -32600), ({"id": 1}, -32600), ("text", -32600)])
def test_what_is_no_call_is_refused(vendor, body, code):
    document = rpc(vendor, body).json
    assert (document[0] if isinstance(document, list) else document)["error"]["code"] == code


@recorded_only
def test_shapes_are_those_of_the_composed_payloads(vendor):
    asked, answered = (fixture(f"composed/betfair_listMarketBook_{part}.json") for part in ("req", "res"))
    asked["params"]["marketIds"] = markets(vendor)[:1]
    assert wider(names(rpc(vendor, asked).json), names(answered))


@recorded_only
@pytest.mark.parametrize(
    ("name", "params", "file"),
    [
        ("listMarketBook", {"marketIds": ["1.1"]}, "list_market_book.json"),
        ("listMarketCatalogue", {"filter": {}, "maxResults": 1}, "list_market_catalogue.json"),
        ("listRunnerBook", {"marketId": "1.1", "selectionId": 1}, "list_runner_book.json"),
    ],
)
def test_recordings_are_answered_as_recorded(replaying, name, params, file):
    assert rpc(replaying, call(name, params, 12)).json == fixture(f"betfair/{file}") | {"id": 12}


@pytest.fixture
def trading():
    """A client of traders at a vendor's address, with a session given instead of a login."""
    betfairlightweight = importlib.import_module("betfairlightweight")

    def client(vendor: Running, lightweight: bool = False):
        made = betfairlightweight.APIClient("user", "word", app_key="live", lightweight=lightweight)
        made.set_session_token("open")
        made.api_uri = f"{vendor.url}/exchange/"
        return made

    return client


@real_client
@recorded_only
def test_a_traders_client_reads_the_recordings(replaying, trading):
    client = trading(replaying, lightweight=True)
    assert client.betting.list_market_book(["1.1"]) == fixture("betfair/list_market_book.json")["result"]
    [read] = trading(replaying).betting.list_market_book(["1.1"])
    [recorded] = fixture("betfair/list_market_book.json")["result"]
    assert read.market_id == recorded["marketId"]
    assert [runner.selection_id for runner in read.runners] == [each["selectionId"] for each in recorded["runners"]]
    [catalogue] = trading(replaying).betting.list_market_catalogue()
    assert catalogue.competition.name == "Austrian Bundesliga"
    [runner] = trading(replaying).betting.list_runner_book("1.1", 1)
    assert runner.market_id == "1.156770587"


@real_client
def test_a_traders_client_reads_the_board(vendor, trading):
    betfairlightweight = importlib.import_module("betfairlightweight")

    betting = trading(vendor).betting
    assert {each.event_type.name for each in betting.list_event_types()} == {"Soccer", "Horse Racing"}
    assert len(betting.list_competitions()) == 2
    assert sum(each.market_count for each in betting.list_events()) == 8
    assert [each.venue for each in betting.list_venues()] == ["Demo Downs"]
    every = ["EVENT", "EVENT_TYPE", "COMPETITION", "MARKET_START_TIME", "MARKET_DESCRIPTION", "RUNNER_METADATA"]
    for market in betting.list_market_catalogue(market_projection=every, max_results=20):
        [read] = betting.list_market_book([market.market_id], price_projection={"priceData": ["EX_ALL_OFFERS"]})
        assert [one.selection_id for one in read.runners] == [one.selection_id for one in market.runners]
    with pytest.raises(betfairlightweight.exceptions.APIError, match="TOO_MUCH_DATA"):
        betting.list_market_book(["1.1"] * 101)
    assert betting.place_orders("1.1", []).status == "FAILURE"
