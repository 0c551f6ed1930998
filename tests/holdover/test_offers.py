"""What vendors' answers tell of single events, as promos of boosted odds ask it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.providers.american import decimal
from holdover.providers.profile import Knowledge, Offer, Profile, Quote
from holdover.providers.registry import PROFILES

COMPOSED = Path(__file__).parents[3] / "shared" / "fixtures" / "composed"
EPL = "/v4/sports/soccer_epl/odds"
BOOK = {
    "jsonrpc": "2.0",
    "method": "SportsAPING/v1.0/listMarketBook",
    "params": {"marketIds": ["1.900000001"], "priceProjection": {"priceData": ["EX_BEST_OFFERS"]}},
    "id": 1,
}


def request(profile: str, path: str = EPL, route: str = "odds", body: str = "", **query: str) -> CanonicalRequest:
    return CanonicalRequest(profile, route, path, tuple(sorted(query.items())), body=body)


def offers(asked: CanonicalRequest, body: object, *events: str) -> list[Offer]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(PROFILES[asked.provider].offers(asked, data, frozenset(events)))


def outcome(name: str, price: float | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "price": price, **more}


def event(name: str, *, bookmaker: str = "a", **markets: list[dict[str, Any]]) -> dict[str, Any]:
    told = [{"key": key, "outcomes": outcomes} for key, outcomes in markets.items()]
    return {"id": name, "commence_time": "2026-11-23T22:00:00Z", "bookmakers": [{"key": bookmaker, "markets": told}]}


def test_the_odds_api_tells_of_the_markets_that_were_asked_for():
    board = [
        event("one", h2h=[outcome("Home", 2.5), outcome("Away", 1.5)]),
        event("two", bookmaker="b", totals=[outcome("Over", 1.9, point=2.5), outcome("Under", 1.0, point=2.5)]),
    ]
    asked = request("the-odds-api", markets="h2h,totals", regions="eu")
    one, two = offers(asked, board, "one", "two", "three")
    assert (one.event, one.starts_at, one.whole) == ("one", 1_795_471_200.0, False)
    assert one.bookmakers == two.bookmakers == {"a", "b"}, "that b has nothing for one is told"
    assert one.markets == {
        "h2h": (Quote("Home", "a", 2.5), Quote("Away", "a", 1.5)),
        "h2h_lay": (),
        "totals": (),
    }
    assert two.markets["totals"] == (Quote("Over 2.5", "b", 1.9), Quote("Under 2.5", "b", 1.0, suspended=True))
    assert [each.event for each in offers(asked, board, "two")] == ["two"]


def test_the_odds_api_names_bookmakers_that_were_asked_for_and_have_nothing():
    [offer] = offers(request("the-odds-api", bookmakers="a,b"), [event("one", h2h=[])], "one")
    assert offer.bookmakers == {"a", "b"}
    assert offer.markets == {"h2h": (), "h2h_lay": ()}, "h2h is the default"


def test_the_odds_api_in_american_prices_and_of_one_event():
    body = event("one", player=[outcome("Over", -200, point=0.5, description="A. Striker"), outcome("Draw", None)])
    asked = request("the-odds-api", route="event-odds", oddsFormat="american", markets="player")
    [offer] = offers(asked, {**body, "commence_time": 1_795_471_200}, "one")
    assert offer.starts_at == 1_795_471_200.0
    assert offer.markets["player"] == (
        Quote("A. Striker Over 0.5", "a", 1.5),
        Quote("Draw", "a", 0.0, suspended=True),
    )


def test_every_price_of_a_whole_answer_is_read():
    board = json.loads((COMPOSED / "toa_odds_us_h2h-spreads-totals_decimal.json").read_bytes())
    names = [each["id"] for each in board]
    found = offers(request("the-odds-api", markets="h2h,spreads,totals", regions="us"), board, *names)
    assert [each.event for each in found] == names
    assert all(quote.price > 1 for each in found for quotes in each.markets.values() for quote in quotes)
    assert {"Over 2.5", "Under 2.5"} <= {quote.selection for quote in found[0].markets["totals"]}


@pytest.mark.parametrize("route", ["historical-odds", "scores", "events", "event-markets"])
def test_the_odds_api_tells_nothing_in_other_answers(route):
    assert offers(request("the-odds-api", route=route), [event("one", h2h=[outcome("Home", 2.5)])], "one") == []


def pinnacle(**period: Any) -> dict[str, Any]:
    told = {"lineId": 1, "number": 0, "cutoff": "2026-11-23T22:00:00Z", **period}
    return {"last": 1, "leagues": [{"id": 5, "events": [{"id": 7, "periods": [told]}]}]}


def test_pinnacle_tells_of_every_period_and_line():
    snapshot = (COMPOSED / "pinnacle_odds_snapshot.json").read_bytes()
    [offer] = offers(request("pinnacle", "/v2/odds", oddsFormat="Decimal", sportId="29"), snapshot, "70001")
    assert (offer.starts_at, offer.whole) == (1_795_471_205.0, True)
    assert offer.bookmakers == {"pinnacle"}
    assert offer.markets.keys() == {"0/moneyline", "0/spreads/-0.5", "0/totals/2.5", "1/moneyline"}
    assert offer.markets["0/totals/2.5"] == (Quote("over", "pinnacle", 1.943), Quote("under", "pinnacle", 1.952))


def test_a_stored_pinnacle_board_tells_what_its_snapshot_does():
    snapshot = (COMPOSED / "pinnacle_odds_snapshot.json").read_bytes()
    narrow, profile = request("pinnacle", "/v2/odds", oddsFormat="Decimal", sportId="29"), PROFILES["pinnacle"]
    board = profile.widened(narrow, Knowledge(kinds=profile.known_kinds))
    assert board != narrow
    stored = profile.absorb(board, None, snapshot)
    assert stored != snapshot
    assert offers(board, stored, "70001") == offers(narrow, snapshot, "70001")


@pytest.mark.parametrize(("told", "suspended"), [({"status": 1}, False), ({"status": 2}, True), ({}, True)])
def test_a_pinnacle_period_that_is_not_online_is_suspended(told, suspended):
    board = pinnacle(moneyline={"home": -200, "away": 150}, **told)
    [offer] = offers(request("pinnacle", "/v2/odds"), board, "7")
    assert offer.markets["0/moneyline"] == (
        Quote("home", "pinnacle", 1.5, suspended),
        Quote("away", "pinnacle", 2.5, suspended),
    )


def test_pinnacle_tells_nothing_in_fixtures_and_in_what_changed_alone():
    board = pinnacle(moneyline={"home": 1.5})
    assert offers(request("pinnacle", "/v1/fixtures"), board, "7") == []
    assert offers(request("pinnacle", "/v2/odds", since="1"), board, "7") == []
    assert len(offers(request("pinnacle", "/v2/odds"), board, "7", "8")) == 1


def betfair(**book: Any) -> dict[str, Any]:
    answer = json.loads((COMPOSED / "betfair_listMarketBook_res.json").read_bytes())
    answer["result"][0].update(book)
    return dict(answer)


def exchange(call: object = BOOK) -> CanonicalRequest:
    return request("betfair", "/exchange/betting/json-rpc/v1", "json-rpc", json.dumps(call))


def test_betfair_tells_the_best_price_to_back():
    [offer] = offers(exchange(), betfair(), "1.900000001")
    assert offer.markets == {"back": (Quote("11", "betfair", 2.12),)}
    assert (offer.starts_at, offer.in_play) == (None, False)


def test_a_recorded_betfair_book_is_read():
    """It was suspended in play; its prices still stood there."""
    recorded = json.loads((COMPOSED.parent / "betfair" / "list_market_book.json").read_bytes())
    books = recorded["result"] if isinstance(recorded, dict) else recorded
    [offer] = offers(exchange(), {"jsonrpc": "2.0", "result": books, "id": 1}, "1.125875153")
    assert offer.in_play
    assert len(offer.markets["back"]) == len(books[0]["runners"])
    assert offer.markets["back"][0].price == 21.0
    assert all(quote.suspended for quote in offer.markets["back"])


@pytest.mark.parametrize("status", ["SUSPENDED", "CLOSED", "INACTIVE"])
def test_a_betfair_market_that_is_not_open_is_suspended(status):
    [offer] = offers(exchange(), betfair(status=status, inplay=True), "1.900000001")
    assert offer.in_play
    assert [quote.suspended for quote in offer.markets["back"]] == [True]


def test_a_runner_that_is_out_or_that_nobody_backs_is_suspended():
    [runner] = betfair()["result"][0]["runners"]
    gone = {**runner, "status": "REMOVED"}
    alone = {**runner, "handicap": -0.5, "ex": {"availableToBack": []}}
    [offer] = offers(exchange(), betfair(runners=[gone, alone]), "1.900000001")
    assert offer.markets["back"] == (
        Quote("11", "betfair", 2.12, suspended=True),
        Quote("11 -0.5", "betfair", 0.0, suspended=True),
    )


def test_betfair_tells_nothing_late_or_without_prices():
    assert offers(exchange(), betfair(isMarketDataDelayed=True), "1.900000001") == []
    bare = {**BOOK, "params": {"marketIds": ["1.900000001"]}}
    assert offers(exchange(bare), betfair(), "1.900000001") == []
    other = {**BOOK, "method": "SportsAPING/v1.0/listMarketCatalogue"}
    assert offers(exchange(other), betfair(), "1.900000001") == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
MEMBERS = st.sampled_from(
    ("id", "bookmakers", "key", "markets", "outcomes", "name", "price", "leagues", "events", "periods", "result")
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4), max_leaves=15
)
REQUESTS = [request("the-odds-api"), request("the-odds-api", route="event-odds"), request("pinnacle", "/v2/odds")]


@pytest.mark.parametrize("asked", [*REQUESTS, exchange()], ids=lambda asked: f"{asked.provider}-{asked.route}")
@given(body=DOCUMENTS.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=40))
def test_what_is_no_answer_is_told_as_such_or_tells_nothing(asked, body):
    try:
        found = offers(asked, body, "one")
    except ValueError:
        return
    assert all(each.event == "one" for each in found)


def test_the_generic_profile_tells_nothing():
    asked = CanonicalRequest("generic", "odds", EPL)
    assert list(Profile().offers(asked, b"[]", frozenset({"one"}))) == []


@pytest.mark.parametrize(
    ("american", "expected"), [(100, 2.0), (-100, 2.0), (150, 2.5), (-200, 1.5), (99, 0.0), (0, 0.0), (1e12, 0.0)]
)
def test_american_prices(american, expected):
    assert decimal(american) == expected
