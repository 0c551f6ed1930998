import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.config import load
from holdover.content import moment
from holdover.exchange import Request, Response
from holdover.key import Bypass, Cacheable, plan
from holdover.providers.odds_selection import Kind, selection
from holdover.providers.profile import Evidence, Knowledge
from holdover.providers.the_odds_api import TheOddsApi
from holdover.verdict import meaning
from scripts.rig import ROOT

CONFIG = load(ROOT / "config", {"ODDS_API_KEY": "no-credential"})
FIXTURES = ROOT.parent / "shared" / "fixtures"
HOST = "api.the-odds-api.com"
SPORT = "soccer_epl"
PATH = f"/v4/sports/{SPORT}/odds"
API = TheOddsApi()

REGIONS = {
    "us": frozenset({"draftkings", "fanduel", "pinnacle"}),
    "uk": frozenset({"skybet", "betfair_ex_uk"}),
    "eu": frozenset({"pinnacle", "betfair_ex_eu"}),
}
BOOKS = sorted(frozenset[str]().union(*REGIONS.values()))
MARKETS = ("h2h", "spreads", "totals", "outrights")
TIMES = [f"2026-11-2{day}T{hour:02}:00:00Z" for day in (3, 4) for hour in (0, 12, 18)]
IDS = [f"{number:032x}" for number in range(4)]
KINDS: list[Kind] = ["markets", "bookmakers", "regions", "events", "times", "dates", "odds", "outrights"]
EVERYTHING = Knowledge(REGIONS, {SPORT: False}, frozenset(KINDS), emptied="keep")


def request(path=PATH, **parameters):
    """As the shipped configuration makes it of a client's request; None for what is not sent."""
    parameters = {name: value for name, value in parameters.items() if value is not None}
    found = plan(Request("GET", HOST, f"{path}?{urlencode(parameters)}"), CONFIG.rules)
    assert isinstance(found, Cacheable), found
    return found.canonical


def route(name):
    found = CONFIG.rules.route("the-odds-api", name)
    assert found is not None
    return found.settings


def cost(canonical, body=None):
    return API.cost(route(canonical.route), canonical, body)


def knowing(*kinds, **changes):
    return replace(EVERYTHING, kinds=frozenset(kinds), **changes)


# The vendor, as its documentation has it: what it would answer to any request about one board.


def lists(canonical, name):
    return set(dict(canonical.query).get(name, "").split(",")) - {""}


def books_of(canonical):
    return lists(canonical, "bookmakers") or {
        book for region in lists(canonical, "regions") for book in REGIONS[region]
    }


def wants(canonical, market):
    asked = lists(canonical, "markets") or {"h2h"}
    return market in asked or (market.endswith("_lay") and market.removesuffix("_lay") in asked)


def as_decimal(american):
    cents = floor(
        100 * (1 + (Fraction(american, 100) if american > 0 else Fraction(100, -american))) + Fraction(1, 2)
    )
    return cents / 100


def direct(board, canonical, omit=False):
    """Straight from the vendor: `board` is in American odds and ISO times, with everything in it."""
    query = dict(canonical.query)
    unix, decimal = query["dateFormat"] == "unix", query["oddsFormat"] == "decimal"

    def stamp(time):
        return int(moment(time) or 0) if unix else time

    events = []
    for event in board:
        after, before = query.get("commenceTimeFrom", ""), query.get("commenceTimeTo", "9")
        ids = lists(canonical, "eventIds")
        if not after <= event["commence_time"] <= before or (ids and event["id"] not in ids):
            continue
        books = []
        for book in event["bookmakers"]:
            markets = [
                {
                    **market,
                    "last_update": stamp(market["last_update"]),
                    "outcomes": [
                        {**o, "price": as_decimal(o["price"]) if decimal else o["price"]} for o in market["outcomes"]
                    ],
                }
                for market in book["markets"]
                if wants(canonical, market["key"])
            ]
            if book["key"] in books_of(canonical) and markets:
                books.append({**book, "last_update": stamp(book["last_update"]), "markets": markets})
        if books or not omit:
            events.append({**event, "commence_time": stamp(event["commence_time"]), "bookmakers": books})
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


@st.composite
def boards(draw):
    """Every event that a vendor has of one sport."""

    def market(key):
        prices = st.integers(-2000, 2000).filter(lambda price: abs(price) >= 100)
        outcomes = [{"name": name, "price": draw(prices), "point": -0.5} for name in ("Málaga", 'A "B"')]
        return {"key": key, "last_update": draw(st.sampled_from(TIMES)), "outcomes": outcomes}

    def book(key):
        keys = draw(st.lists(st.sampled_from(MARKETS[:3]), unique=True))
        if key.startswith("betfair_ex") and "h2h" in keys:
            keys.append("h2h_lay")
        updated = draw(st.sampled_from(TIMES))
        return {"key": key, "title": key, "last_update": updated, "markets": [market(found) for found in keys]}

    return [
        {
            "id": identity,
            "commence_time": draw(st.sampled_from(TIMES)),
            "home_team": None,
            "bookmakers": [book(key) for key in draw(st.lists(st.sampled_from(BOOKS), unique=True))],
        }
        for identity in IDS[: draw(st.integers(0, 3))]
    ]


@st.composite
def parameters(draw, flags=True):
    """Of a request to `/odds` that the vendor accepts."""
    by = draw(st.sampled_from([("regions", sorted(REGIONS)), ("bookmakers", BOOKS)]))
    chosen = {by[0]: draw(st.lists(st.sampled_from(by[1]), min_size=1, unique=True))}
    for name, values in (("markets", MARKETS[:3]), ("eventIds", IDS)):
        if draw(st.booleans()):
            chosen[name] = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
    found = {name: ",".join(values) for name, values in chosen.items()}
    formats = (("dateFormat", "unix"), ("oddsFormat", "american"))
    found |= {name: value for name, value in formats if draw(st.booleans())}
    begins, ends = sorted(draw(st.lists(st.sampled_from(TIMES), min_size=2, max_size=2)))
    if draw(st.booleans()):
        found["commenceTimeFrom"] = begins
    if draw(st.booleans()):
        found["commenceTimeTo"] = ends
    if flags and draw(st.integers(0, 4)) == 0:
        found["includeLinks"] = "true"
    return found


asked = parameters(flags=False).map(lambda found: request(**found))
emptied = st.sampled_from(["keep", "omit", "refuse"])


def projected(body, wide, narrow, knowledge=EVERYTHING):
    return API.project(API.parse(body), wide, narrow, knowledge)


@given(boards(), asked, asked, emptied)
def test_a_projection_is_what_the_vendor_would_have_answered(board, one, other, emptied):
    knowledge = replace(EVERYTHING, emptied=emptied)
    omit = emptied == "omit"
    wides = {API.widened(one, knowledge), API.union(one, other, knowledge)} - {None}
    for wide in wides:
        assert wide is not None
        assert API.kinds(wide, one, knowledge) is not None
        body = projected(direct(board, wide, omit), wide, one, knowledge)
        expected = direct(board, one, omit)
        if emptied == "refuse" and body is None:
            kept = {event["id"] for event in json.loads(expected) if event["bookmakers"]}
            whole = json.loads(direct(board, replace(wide, query=narrowed(wide, one)), omit))
            assert [event for event in whole if event["bookmakers"] and event["id"] not in kept]
        else:
            assert body == expected


def narrowed(wide, narrow):
    """The query of `wide` for the events of `narrow`."""
    query = dict(wide.query)
    for name in ("eventIds", "commenceTimeFrom", "commenceTimeTo"):
        if name in dict(narrow.query):
            query[name] = dict(narrow.query)[name]
    return tuple(sorted(query.items()))


@given(boards(), asked, asked)
def test_whatever_kinds_allows_is_what_the_vendor_would_have_answered(board, wide, narrow):
    if API.kinds(wide, narrow, EVERYTHING) is not None:
        body = projected(direct(board, wide), wide, narrow)
        assert body in (direct(board, narrow), None)


@given(boards(), asked, asked, asked, st.sampled_from(["keep", "omit"]))
def test_projecting_twice_is_projecting_once(board, one, other, third, emptied):
    knowledge = replace(EVERYTHING, emptied=emptied)
    middle = API.union(one, other, knowledge)
    assume(middle)
    assert middle is not None
    wide = API.union(middle, third, knowledge) or API.widened(middle, knowledge)
    body = direct(board, wide, emptied == "omit")
    between = projected(body, wide, middle, knowledge)
    assert between is not None
    assert projected(between, middle, one, knowledge) == projected(body, wide, one, knowledge)


@given(asked, asked, st.sets(st.sampled_from(KINDS)), st.booleans())
def test_a_union_holds_both_by_kinds_that_are_on_and_costs_what_it_says(one, other, on, featured):
    knowledge = Knowledge(REGIONS, {SPORT: False} if featured else {}, frozenset(on))
    union = API.union(one, other, knowledge)
    if union is None:
        assert API.union(other, one, knowledge) is None
        return
    assert union == API.union(other, one, knowledge)
    for narrow in (one, other):
        kinds = API.kinds(union, narrow, knowledge)
        assert kinds is not None
        assert kinds <= knowledge.kinds
    markets = [lists(each, "markets") or {"h2h"} for each in (one, other)]
    regions = [lists(each, "regions") for each in (one, other)]
    books = [lists(each, "bookmakers") for each in (one, other)]
    assert cost(union) == len(set.union(*markets)) * (len(set.union(*regions)) or ceil(len(set.union(*books)) / 10))


@given(asked, st.sets(st.sampled_from(KINDS)))
def test_what_is_widened_holds_the_request_and_costs_the_same(narrow, on):
    knowledge = replace(EVERYTHING, kinds=frozenset(on))
    wide = API.widened(narrow, knowledge)
    kinds = API.kinds(wide, narrow, knowledge)
    assert kinds is not None
    assert kinds <= knowledge.kinds
    assert cost(wide) == cost(narrow)
    assert API.widened(wide, knowledge) == wide


# Kinds, one by one.

BASE = {"regions": "us", "markets": "h2h"}


@pytest.mark.parametrize(
    ("wide", "narrow", "kinds"),
    [
        ({}, {}, set()),
        ({"markets": "h2h,totals"}, {}, {"markets"}),
        ({}, {"markets": "h2h,totals"}, None),
        ({}, {"markets": "h2h_lay"}, None),
        ({"regions": "us,uk"}, {}, {"regions"}),
        ({"regions": "us,us_ex"}, {}, {"regions"}),
        ({"regions": "us,us_ex"}, {"regions": "us_ex"}, None),
        ({}, {"regions": "us,uk"}, None),
        ({"regions": "us,uk"}, {"bookmakers": "skybet"}, {"bookmakers"}),
        ({"regions": "us"}, {"bookmakers": "skybet"}, None),
        ({"regions": "us,us_ex"}, {"bookmakers": "skybet"}, {"bookmakers"}),
        ({"bookmakers": "skybet,fanduel"}, {"bookmakers": "fanduel"}, {"bookmakers"}),
        ({"bookmakers": "fanduel"}, {"bookmakers": "skybet,fanduel"}, None),
        ({"bookmakers": ",".join(BOOKS)}, {"regions": "us"}, None),
        ({}, {"eventIds": "a"}, {"events"}),
        ({"eventIds": "a,b"}, {"eventIds": "a"}, {"events"}),
        ({"eventIds": "a"}, {"eventIds": "a,b"}, None),
        ({"eventIds": "a"}, {}, None),
        ({}, {"commenceTimeFrom": TIMES[1]}, {"times"}),
        ({"commenceTimeFrom": TIMES[1]}, {}, None),
        ({"commenceTimeFrom": TIMES[1]}, {"commenceTimeFrom": TIMES[2], "commenceTimeTo": TIMES[3]}, {"times"}),
        ({"commenceTimeFrom": TIMES[2]}, {"commenceTimeFrom": TIMES[1]}, None),
        ({"commenceTimeTo": TIMES[1]}, {"commenceTimeTo": TIMES[2]}, None),
        ({}, {"dateFormat": "unix"}, {"dates"}),
        ({"dateFormat": "unix"}, {}, None),
        ({"oddsFormat": "american"}, {}, {"odds"}),
        ({}, {"oddsFormat": "american"}, None),
        ({}, {"markets": None}, {"outrights"}),
        ({"markets": "h2h,totals"}, {"markets": None}, {"outrights", "markets"}),
        ({"markets": "totals"}, {"markets": None}, None),
        ({"includeLinks": "true"}, {}, None),
        ({}, {"includeLinks": "true"}, None),
        ({"includeLinks": "true", "markets": "h2h,totals"}, {"includeLinks": "true"}, {"markets"}),
        ({"includeMultipliers": "1"}, {}, None),
        # What the vendor would refuse, it refuses itself.
        ({}, {"commenceTimeFrom": "2026-11-23"}, None),
        ({}, {"commenceTimeFrom": "2026-11-23T18:00:00+00:00"}, None),
        ({}, {"commenceTimeFrom": TIMES[3], "commenceTimeTo": TIMES[1]}, None),
        ({"markets": "h2h,totals"}, {"markets": "h2h, totals"}, None),
        ({"markets": "h2h,totals"}, {"markets": "h2h,"}, None),
        ({}, {"eventIds": "a, b"}, None),
        ({}, {"dateFormat": "UNIX"}, None),
        ({"oddsFormat": "american"}, {"oddsFormat": "hongkong"}, None),
    ],
)
def test_the_kinds_that_a_projection_needs(wide, narrow, kinds):
    if "bookmakers" in wide:
        wide = {"regions": "", **wide}
    whole, part = request(**{**BASE, **wide}), request(**{**BASE, **narrow})
    assert API.kinds(whole, part, EVERYTHING) == (None if kinds is None else frozenset(kinds))
    for kind in kinds or ():
        assert API.kinds(whole, part, knowing(*(set(KINDS) - {kind}))) is None


def test_repeated_parameters_have_no_one_meaning():
    wide, narrow = request(regions="us"), request(regions="us", eventIds="a")
    doubled = replace(narrow, query=(*narrow.query, ("eventIds", "b")))
    assert API.kinds(wide, narrow, EVERYTHING) == frozenset({"events"})
    assert API.kinds(wide, doubled, EVERYTHING) is None
    assert API.widened(doubled, EVERYTHING) == doubled
    query = (("bookmakers", "a"), ("markets", "h2h"), ("markets", "totals"), ("regions", "us"))
    assert API.query(route("odds"), PATH, query) == query


@pytest.mark.parametrize("change", [{"path": "/v4/sports/nba/odds"}, {"partition": "b"}, {"headers": (("a", "b"),)}])
def test_requests_that_differ_elsewhere_hold_nothing_of_each_other(change):
    wide, narrow = request(regions="us", markets="h2h,totals"), request(regions="us", markets="h2h")
    assert API.kinds(wide, replace(narrow, **change), EVERYTHING) is None
    assert API.union(wide, replace(narrow, **change), EVERYTHING) is None


@pytest.mark.parametrize(
    ("name", "part"), [("events", "eventIds"), ("scores", "eventIds"), ("events/1/odds", "bookmakers")]
)
def test_only_odds_are_projected(name, part):
    path = f"/v4/sports/{SPORT}/{name}"
    wide, narrow = request(path), request(path, **{part: "a"})
    assert API.kinds(wide, narrow, EVERYTHING) is None
    assert API.union(wide, narrow, EVERYTHING) is None
    assert API.kinds(wide, wide, EVERYTHING) == frozenset()
    assert API.widened(narrow, EVERYTHING) == narrow
    assert projected(b"[]", wide, narrow) is None


def test_upcoming_is_not_filtered():
    path = "/v4/sports/upcoming/odds"
    wide, narrow = request(path, regions="us", markets="h2h,totals"), request(path, regions="us", markets="h2h")
    assert API.kinds(wide, narrow, EVERYTHING) is None
    unix = request(path, regions="us", markets="h2h", eventIds="a", dateFormat="unix")
    wider = API.widened(unix, EVERYTHING)
    assert lists(wider, "eventIds") == {"a"}
    assert API.kinds(wider, unix, EVERYTHING) == frozenset({"dates", "odds"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"regions": "us"}, {"bookmakers": "fanduel"}),
        ({"regions": "us"}, {"regions": "us_ex"}),
        ({"regions": "us"}, {"regions": "us", "includeSids": "true"}),
        ({"regions": "us", "markets": "h2h"}, {"regions": "us", "commenceTimeFrom": "now"}),
    ],
)
def test_what_has_no_union(one, other):
    assert API.union(request(**one), request(**other), EVERYTHING) is None


@pytest.mark.parametrize(
    ("one", "other", "union"),
    [
        ({"markets": "h2h"}, {"markets": "totals"}, {"markets": "h2h,totals"}),
        ({"markets": None}, {"markets": "totals"}, {"markets": "h2h,totals"}),
        ({"regions": "us"}, {"regions": "uk,eu"}, {"regions": "eu,uk,us"}),
        ({"bookmakers": "b"}, {"bookmakers": "a"}, {"bookmakers": "a,b"}),
        ({"eventIds": "a"}, {"eventIds": "b"}, {"eventIds": "a,b"}),
        ({"eventIds": "a"}, {}, {}),
        (
            {"commenceTimeFrom": TIMES[1], "commenceTimeTo": TIMES[2]},
            {"commenceTimeFrom": TIMES[3], "commenceTimeTo": TIMES[4]},
            {"commenceTimeFrom": TIMES[1], "commenceTimeTo": TIMES[4]},
        ),
        ({"commenceTimeFrom": TIMES[1]}, {"commenceTimeTo": TIMES[2]}, {}),
        ({"dateFormat": "unix"}, {}, {}),
        ({"dateFormat": "unix"}, {"dateFormat": "unix", "eventIds": "a"}, {"dateFormat": "unix"}),
        ({"oddsFormat": "american"}, {}, {"oddsFormat": "american"}),
    ],
)
def test_a_union_is_the_least_that_holds_both(one, other, union):
    base = {"regions": "us", "markets": "h2h"}
    found = API.union(request(**{**base, **one}), request(**{**base, **other}), EVERYTHING)
    assert found == request(**{**base, **union})


def test_a_union_may_be_one_of_the_two():
    wide, narrow = request(regions="us", markets="h2h,totals"), request(regions="us", markets="h2h", eventIds="a")
    assert API.union(wide, narrow, knowing("markets", "events")) == wide
    assert API.union(narrow, narrow, knowing()) == narrow


def test_absent_markets_of_a_sport_with_outrights_stay_absent():
    absent, explicit = request(regions="us"), request(regions="us", markets="h2h")
    for outrights in ({}, {SPORT: True}):
        knowledge = replace(EVERYTHING, outrights=outrights)
        assert API.kinds(explicit, absent, knowledge) is None
        assert API.union(explicit, absent, knowledge) is None
        assert "markets" not in dict(API.widened(absent, knowledge).query)
    assert dict(API.widened(absent, EVERYTHING).query)["markets"] == "h2h"


# Content that decides.


def board_of(*books):
    market = {"key": "h2h", "last_update": TIMES[0], "outcomes": [{"name": "A", "price": -100000}]}
    listed = [{"key": book, "last_update": TIMES[0], "markets": [market]} for book in books]
    return json.dumps([{"id": "i", "commence_time": TIMES[1], "bookmakers": listed}]).encode()


def test_regions_are_refused_where_a_bookmaker_is_in_none_that_is_known():
    wide, narrow = request(regions="us,us_ex"), request(regions="us")
    assert json.loads(projected(board_of("fanduel"), wide, narrow) or b"")[0]["bookmakers"][0]["key"] == "fanduel"
    assert projected(board_of("fanduel", "novig"), wide, narrow) is None


def test_of_a_region_that_was_learnt_only_what_was_found_apart_is_left_out():
    wide, narrow = request(regions="us,uk"), request(regions="us")

    def kept(*books, **apart):
        knowledge = replace(EVERYTHING, apart={region: frozenset(found) for region, found in apart.items()})
        body = projected(board_of(*books), wide, narrow, knowledge)
        return None if body is None else [book["key"] for book in json.loads(body)[0]["bookmakers"]]

    assert kept("fanduel", "skybet", us=["skybet"]) == ["fanduel"]
    assert kept("fanduel", "skybet", us=[]) is None, "that it is of uk does not say that it is not of us"
    assert kept("fanduel", "skybet", "betfair_ex_uk", us=["skybet"]) is None
    assert kept("fanduel", us=[]) == ["fanduel"]
    assert kept("fanduel", "skybet", us=["fanduel", "skybet"]) == ["fanduel"], "it was learnt since"
    assert kept("fanduel", "skybet", uk=[]) == ["fanduel"], "of us all are configured"
    assert kept("fanduel", "unknown", us=["unknown"]) == ["fanduel"]


def test_of_two_regions_what_is_left_out_is_apart_from_both():
    wide, narrow = request(regions="us,uk,eu"), request(regions="us,uk")
    board = board_of("fanduel", "skybet", "betfair_ex_eu")
    for us, uk, expected in (
        ("betfair_ex_eu", "betfair_ex_eu", True),
        ("betfair_ex_eu", "", False),
        (None, "", False),
    ):
        apart = {r: frozenset({found}) for r, found in (("us", us), ("uk", uk)) if found is not None}
        body = projected(board, wide, narrow, replace(EVERYTHING, apart=apart))
        assert (body is not None) is expected
    assert projected(board, wide, narrow, replace(EVERYTHING, apart={"us": frozenset({"betfair_ex_eu"})})) is not None


def test_a_bookmaker_that_is_not_there_and_was_perhaps_not_asked_for_is_refused():
    wide = request(regions="us,us_ex")
    assert projected(board_of("fanduel", "novig"), wide, request(bookmakers="novig")) is not None
    assert projected(board_of("fanduel"), wide, request(bookmakers="novig,fanduel")) is None
    assert projected(board_of("fanduel"), wide, request(bookmakers="draftkings,fanduel")) is not None


def test_odds_without_a_decimal_form_are_refused():
    wide = request(regions="us", oddsFormat="american")
    assert projected(board_of("fanduel"), wide, request(regions="us")) is None
    assert projected(board_of("fanduel"), wide, replace(wide, query=wide.query)) is not None


@pytest.mark.parametrize("body", [b'[{"bookmakers":7}]', b'[{"bookmakers":[{"key":1}]}]', b"[" + b"[" * 5000])
def test_content_of_another_form_is_refused(body):
    wide, narrow = request(regions="us", markets="h2h,totals"), request(regions="us", markets="h2h")
    try:
        document = API.parse(body)
    except ValueError:
        return
    assert API.project(document, wide, narrow, EVERYTHING) is None


# What it shows that a projection is right.


def shown(board, wide, narrow, knowledge=EVERYTHING):
    return API.evidence(API.parse(json.dumps(board).encode()), wide, narrow, knowledge)


def quoted(name: str, *books: tuple[str, str], starts: str = TIMES[1]) -> dict[str, Any]:
    """An event; of each bookmaker its markets, in American odds."""
    listed = [
        {
            "key": book,
            "markets": [{"key": key, "outcomes": [{"name": "A", "price": 150}]} for key in markets.split(",")],
        }
        for book, markets in books
    ]
    return {"id": name, "commence_time": starts, "bookmakers": listed}


FANDUEL, SKYBET = ("fanduel", "h2h,totals"), ("skybet", "h2h,totals")
FULL = [quoted("a", FANDUEL, SKYBET), quoted("b", FANDUEL, SKYBET, starts=TIMES[4])]
WIDEST = {"regions": "us,uk", "markets": "h2h,totals", "oddsFormat": "american"}


@pytest.mark.parametrize(
    ("cut", "same", "kind"),
    [
        ({"markets": "h2h"}, [quoted("a", ("fanduel", "h2h"))], "markets"),
        ({"regions": "us"}, [quoted("a", FANDUEL)], "regions"),
        ({"regions": None, "bookmakers": "fanduel"}, [quoted("a", FANDUEL)], "bookmakers"),
        ({"eventIds": "a"}, [quoted("a", FANDUEL)], "events"),
        ({"commenceTimeTo": TIMES[2]}, [quoted("a", FANDUEL)], "times"),
        ({"dateFormat": "unix"}, [], "dates"),
        ({"oddsFormat": "decimal"}, [], "odds"),
    ],
)
def test_a_kind_is_shown_where_it_did_something_and_prices_are_left(cut, same, kind):
    wide, narrow = request(**WIDEST), request(**{**WIDEST, **cut})
    assert shown(FULL, wide, narrow).kinds == {kind}
    assert shown(same, wide, narrow).kinds == frozenset(), "it did nothing"
    bare = [{"id": "a", "commence_time": TIMES[1]}, {"id": "b", "commence_time": TIMES[4], "bookmakers": []}]
    assert shown(bare, wide, narrow).kinds == frozenset(), "no price is left"


def test_of_several_kinds_those_are_shown_that_did_something():
    wide = request(**WIDEST)
    narrow = request(**{**WIDEST, "markets": "h2h", "regions": "us", "eventIds": "a", "oddsFormat": "decimal"})
    assert shown(FULL, wide, narrow).kinds == {"markets", "regions", "events", "odds"}
    assert shown([quoted("a", FANDUEL)], wide, narrow).kinds == {"markets", "odds"}
    assert shown([quoted("a", ("fanduel", "h2h"), ("skybet", "totals"))], wide, narrow).kinds == {"odds"}
    assert shown([quoted("b", FANDUEL)], wide, narrow).kinds == frozenset()


def test_an_event_that_cannot_be_projected_shows_the_kind_that_took_it_away():
    wide, narrow = request(**WIDEST), request(**{**WIDEST, "oddsFormat": "decimal", "eventIds": "a"})
    odd = quoted("b", FANDUEL)
    odd["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = 7
    assert shown([quoted("a", FANDUEL), odd], wide, narrow).kinds == {"events", "odds"}


def test_that_a_sport_has_no_outrights_is_shown_by_any_price():
    wide, narrow = request(regions="us", markets="h2h"), request(regions="us")
    assert shown([quoted("a", ("fanduel", "h2h"))], wide, narrow).kinds == {"outrights"}
    assert shown([quoted("a")], wide, narrow).kinds == frozenset()


@pytest.mark.parametrize(
    ("cut", "board", "left_out"),
    [
        ({"regions": "us"}, FULL, {"us": {"skybet"}}),
        ({"regions": "uk"}, FULL, {"uk": {"fanduel"}}),
        ({"regions": "us"}, [quoted("a", FANDUEL, ("pinnacle", "h2h"))], {}),
        ({"regions": "us"}, [quoted("a", ("betfair_ex_uk", "h2h"))], {}),
        ({"regions": "us", "markets": "h2h"}, [quoted("a", FANDUEL, ("skybet", "totals"))], {}),
        ({"regions": "us", "eventIds": "a"}, [quoted("a", FANDUEL), quoted("b", SKYBET)], {}),
        (
            {"regions": "us", "eventIds": "a"},
            [quoted("a", FANDUEL, SKYBET), quoted("b", ("betfair_ex_uk", "h2h"))],
            {"us": {"skybet"}},
        ),
        ({"markets": "h2h"}, FULL, {}),
        ({"regions": None, "bookmakers": "fanduel"}, FULL, {}),
        ({"regions": None, "bookmakers": "fanduel,draftkings"}, FULL, {"us": set()}),
        ({"regions": None, "bookmakers": "fanduel,draftkings,betfair_ex_uk"}, FULL, {"us": set(), "uk": set()}),
        ({"regions": None, "bookmakers": "draftkings"}, FULL, {}),
    ],
)
def test_a_region_is_shown_by_what_is_left_out_for_it_or_absent_although_it_is_of_it(cut, board, left_out):
    """Never by a bookmaker that other cuts took away, nor where no price is left."""
    wide, narrow = request(**WIDEST), request(**{**WIDEST, **cut})
    assert shown(board, wide, narrow).left_out == left_out


def test_of_two_regions_none_is_shown():
    wide, narrow = request(**{**WIDEST, "regions": "us,uk,eu"}), request(**WIDEST)
    board = [quoted("a", FANDUEL, SKYBET, ("betfair_ex_eu", "h2h"))]
    assert shown(board, wide, narrow) == Evidence(frozenset({"regions"}))


def test_what_is_not_projected_shows_nothing():
    wide, narrow = request(**WIDEST), request(**{**WIDEST, "regions": "us"})
    assert shown([quoted("a", ("novig", "h2h"))], wide, narrow).kinds == frozenset(), "its region is not known"
    assert shown(FULL, narrow, wide).kinds == frozenset()
    assert API.evidence(None, wide, narrow, EVERYTHING).kinds == frozenset()


# Cost.


def event_odds(*markets):
    books = [{"key": "a", "markets": [{"key": market} for market in markets]}, {"key": "b", "markets": []}]
    return json.dumps({"id": "i", "bookmakers": books}).encode()


EVENT = f"/v4/sports/{SPORT}/events/1"
PAST = f"/v4/historical/sports/{SPORT}"


@pytest.mark.parametrize(
    ("path", "query", "body", "expected"),
    [
        (PATH, {"regions": "us"}, None, 1),
        (PATH, {"regions": "us,uk", "markets": "h2h,spreads,totals"}, None, 6),
        (PATH, {"regions": "us,uk", "markets": "h2h,spreads,totals"}, board_of("a"), 6),
        (PATH, {"regions": "us,uk", "markets": "h2h,spreads,totals"}, b" [ ] ", 0),
        (PATH, {"bookmakers": ",".join(map(str, range(10))), "regions": "us,uk,eu"}, None, 1),
        (PATH, {"bookmakers": ",".join(map(str, range(11))), "markets": "h2h,totals"}, None, 4),
        (f"{EVENT}/odds", {"regions": "us,uk", "markets": "h2h,spreads,totals"}, None, 6),
        (f"{EVENT}/odds", {"regions": "us,uk", "markets": "h2h,spreads,totals"}, event_odds("h2h", "h2h_lay"), 2),
        (f"{EVENT}/odds", {"regions": "us,uk", "markets": "h2h,h2h_lay"}, event_odds("h2h", "h2h_lay"), 4),
        (f"{EVENT}/odds", {"regions": "us", "markets": "totals"}, event_odds(), 0),
        (f"{EVENT}/odds", {"regions": "us", "markets": "totals"}, b"?", 1),
        (f"{EVENT}/markets", {"regions": "us,uk"}, None, 1),
        ("/v4/sports", {"all": "true"}, None, 0),
        (f"/v4/sports/{SPORT}/events", {}, None, 0),
        (f"/v4/sports/{SPORT}/participants", {}, None, 1),
        (f"/v4/sports/{SPORT}/scores", {}, None, 1),
        (f"/v4/sports/{SPORT}/scores", {"daysFrom": "3"}, None, 2),
        (f"/v4/sports/{SPORT}/scores", {"daysFrom": "3"}, b"[]", 0),
        (f"{PAST}/odds", {"regions": "us,uk", "markets": "h2h,totals", "date": TIMES[0]}, None, 40),
        (f"{PAST}/odds", {"regions": "us", "date": TIMES[0]}, b'{"timestamp":"t","data":[]}', 0),
        (f"{PAST}/events", {"date": TIMES[0]}, None, 1),
        (f"{PAST}/events/1/odds", {"regions": "us", "markets": "h2h,totals", "date": TIMES[0]}, None, 20),
        (
            f"{PAST}/events/1/odds",
            {"regions": "us", "markets": "h2h,totals", "date": TIMES[0]},
            b'{"timestamp":"t","data":%s}' % event_odds("totals"),
            10,
        ),
    ],
)
def test_what_a_call_costs(path, query, body, expected):
    assert cost(request(path, **query), body) == expected


# One key for one meaning. The spellings are those of the captured clients.

QUERY = {"regions": "us,uk", "markets": "h2h,spreads", "commenceTimeFrom": TIMES[0], "includeLinks": "true"}
LISTS = ("regions", "bookmakers", "markets", "eventIds")
type Speller = Callable[[dict[str, str]], str]


def escaped(query: dict[str, str]) -> str:
    return urlencode({"apiKey": "client-key", **query})


def plain(query: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe=',:')}" for name, value in {**query, "apiKey": "other-key"}.items())


def capital(query: dict[str, str]) -> str:
    return escaped({name: value.title() if value in ("true", "false") else value for name, value in query.items()})


def sample(query: dict[str, str]) -> str:
    return urlencode({"api_key": "client-key", **query})


SPELLERS = [escaped, plain, capital, sample]


def key_of(path, text):
    found = plan(Request("GET", HOST, f"{path}?{text}"), CONFIG.rules)
    assert isinstance(found, Cacheable), found
    return found.canonical.key, found.canonical.target


@given(parameters(), st.sampled_from(SPELLERS), st.sampled_from(SPELLERS), st.booleans(), st.randoms())
def test_every_spelling_of_the_captured_clients_shares_a_key(query, one, other, slash, random):
    def shuffled():
        pairs = [(name, value.split(",")) for name, value in query.items()]
        pairs = [
            (name, random.sample(values, len(values)) + (values[:1] if name in LISTS else []))
            for name, values in pairs
        ]
        return {name: ",".join(values) for name, values in random.sample(pairs, len(pairs))}

    assert key_of(PATH + "/" * slash, one(shuffled())) == key_of(PATH, other(query))


def test_the_table_of_the_captured_clients():
    spellings = [speller(QUERY) for speller in SPELLERS]
    assert len(set(spellings)) == len(SPELLERS)
    assert len({key_of(path, text) for path in (PATH, f"{PATH}/") for text in spellings}) == 1


def meaning_of(query):
    """What a request asks for, in so far as the vendor documents it."""
    kept = {name: value for name, value in query.items() if name != "regions" or "bookmakers" not in query}
    defaults = {"dateFormat": "iso", "oddsFormat": "decimal"}
    return {
        **defaults,
        **{name: frozenset(value.split(",")) if "," in value else value for name, value in kept.items()},
    }


loose = st.fixed_dictionaries(
    {},
    optional={
        "regions": st.sampled_from(["us", "uk", "us,uk", "US", "us, uk", "us,", "eu"]),
        "bookmakers": st.sampled_from(["fanduel", "Fanduel", "fanduel,skybet"]),
        "markets": st.sampled_from(["h2h", "H2H", "outrights", "h2h,spreads", "h2h,,spreads"]),
        "dateFormat": st.sampled_from(["iso", "unix", "ISO"]),
        "oddsFormat": st.sampled_from(["decimal", "american"]),
        "eventIds": st.sampled_from(IDS),
        "commenceTimeFrom": st.sampled_from(TIMES),
        "commenceTimeTo": st.sampled_from(TIMES),
        "includeLinks": st.sampled_from(["true", "false", "1", "yes"]),
        "includeSids": st.sampled_from(["true", "false"]),
        "includeMultipliers": st.sampled_from(["1", "2"]),
    },
)


@given(loose, loose, st.sampled_from(["soccer_epl", "Soccer_epl", "nba"]))
def test_requests_that_may_differ_never_share_a_key(one, other, sport):
    paths = PATH, f"/v4/sports/{sport}/odds"
    same = meaning_of(one) == meaning_of(other) and sport == "soccer_epl"
    assert (key_of(paths[0], escaped(one)) == key_of(paths[1], escaped(other))) is same


@pytest.mark.parametrize("name", sorted(QUERY))
def test_every_parameter_is_part_of_the_key(name):
    assert key_of(PATH, escaped(QUERY)) != key_of(PATH, escaped({**QUERY, name: "x"}))


def test_bookmakers_go_before_regions_on_every_route():
    for path in (PATH, f"{EVENT}/odds", f"{EVENT}/markets", f"{PAST}/odds"):
        assert request(path, bookmakers="fanduel", regions="us") == request(path, bookmakers="fanduel")


@pytest.mark.parametrize("blank", ["", " ", ",", " , "])
def test_blank_bookmakers_go_before_nothing(blank):
    """What the vendor makes of them is not documented."""
    one, other = (request(bookmakers=blank, regions=region) for region in ("us", "uk"))
    assert one.key != other.key


@pytest.mark.parametrize("route", ["odds", "event-odds", "events", "scores", "sports", "participants"])
def test_an_unknown_parameter_goes_past_the_cache(route):
    [path] = [each.path for each in CONFIG.rules.providers[0].settings.routes if each.name == route]
    target = path.format(sport=SPORT, event=IDS[0]) + "?_=1796000000"
    found = plan(Request("GET", HOST, target), CONFIG.rules)
    assert isinstance(found, Bypass)
    assert (found.reason, found.kind) == ("parameter _ is not known to the route", "parameter")


@pytest.mark.parametrize("name", ["markets", "bookmakers", "eventIds"])
def test_what_an_empty_list_means_is_the_vendors_to_say(name):
    empty = request(**{"regions": "us", name: ""})
    assert dict(empty.query) == {**dict(request(regions="us").query), name: ""}
    assert selection(empty) is None
    assert dict(request(regions="us,,uk").query)["regions"] == ",uk,us"


def test_times_do_nothing_for_what_is_upcoming():
    upcoming, times = "/v4/sports/upcoming", {"commenceTimeFrom": TIMES[0], "commenceTimeTo": TIMES[1]}
    assert request(f"{upcoming}/odds", regions="us", **times) == request(f"{upcoming}/odds", regions="us")
    assert request(f"{upcoming}/events", **times) != request(f"{upcoming}/events")
    assert request(PATH, regions="us", **times) != request(PATH, regions="us")


# The shipped configuration.


def test_every_endpoint_has_a_route():
    names = {
        "sports": "/v4/sports",
        "odds": PATH,
        "event-odds": f"{EVENT}/odds",
        "event-markets": f"{EVENT}/markets",
        "events": f"/v4/sports/{SPORT}/events",
        "scores": f"/v4/sports/{SPORT}/scores",
        "participants": f"/v4/sports/{SPORT}/participants",
        "historical-odds": f"{PAST}/odds",
        "historical-events": f"{PAST}/events",
        "historical-event-odds": f"{PAST}/events/1/odds",
    }
    assert {name: request(path).route for name, path in names.items()} == {name: name for name in names}


def test_what_is_not_verified_is_off():
    provider = CONFIG.rules.provider("the-odds-api")
    assert provider is not None
    assert not {"regions", "odds"} & set(provider.settings.projection.kinds)
    assert provider.settings.projection.emptied == "refuse"


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (401, "OUT_OF_USAGE_CREDITS", "quota"),
        (429, "OUT_OF_USAGE_CREDITS", "quota"),
        (401, "INVALID_KEY", "credential"),
        (401, "DEACTIVATED_KEY", "credential"),
        (401, "MISSING_KEY", "credential"),
        (401, "HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN", "error"),
        (401, "SOMETHING_NEW", "error"),
        (429, "EXCEEDED_FREQ_LIMIT", "rate"),
        (429, "SOMETHING_NEW", "rate"),
        (404, "EVENT_NOT_FOUND", "absent"),
        (422, "INVALID_MARKET", "absent"),
        (200, None, None),
    ],
)
def test_errors_by_code_and_then_by_status(status, code, means):
    provider = CONFIG.rules.provider("the-odds-api")
    assert provider is not None
    document = [] if code is None else {"message": "m", "error_code": code}
    assert meaning(provider.settings.errors, Response(status), json.dumps(document).encode()) == means


# Payloads composed from the vendor's documentation, beside the project.


def fixture(*parts: str) -> bytes:
    path = FIXTURES.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"the recorded payloads are not beside the checkout ({Path(*parts)})")
    return path.read_bytes()


COMPOSED = {
    "us": frozenset("draftkings fanduel betmgm betrivers bovada".split()),
    "uk": frozenset("sport888 williamhill betfair_ex_uk skybet".split()),
    "eu": frozenset("pinnacle betfair_ex_eu onexbet".split()),
}


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("us_h2h_american", {"regions": "us", "markets": "h2h", "oddsFormat": "american"}),
        ("uk_h2h_american", {"regions": "uk", "markets": "h2h", "oddsFormat": "american"}),
        ("us_h2h-spreads-totals_decimal", {"regions": "us", "markets": "h2h,spreads,totals"}),
    ],
)
def test_composed_boards_are_projections_of_the_wide_one(name, query):
    wide = request(regions="us,uk,eu", markets="h2h,spreads,totals", oddsFormat="american")
    body = fixture("composed", "toa_odds_us-uk-eu_h2h-spreads-totals_american.json")
    knowledge = replace(EVERYTHING, regions=COMPOSED, emptied="refuse")
    assert API.kinds(wide, request(**query), knowledge) is not None
    assert projected(body, wide, request(**query), knowledge) == fixture("composed", f"toa_odds_{name}.json")


def test_a_board_with_white_space_keeps_its_numbers():
    body = fixture("theoddsapi", "mgm702-odds.json")
    wide, narrow = request(bookmakers="fanduel,draftkings"), request(bookmakers="draftkings")
    found = projected(body, wide, narrow)
    assert found is not None
    assert b'"price": 1.90' in found
    whole = json.loads(body)
    for event in whole:
        event["bookmakers"] = [book for book in event["bookmakers"] if book["key"] == "draftkings"]
    assert json.loads(found) == whole


def test_composed_errors_mean_what_they_say():
    provider = CONFIG.rules.provider("the-odds-api")
    assert provider is not None
    told = json.loads(fixture("composed", "toa_errors.json"))
    rules = provider.settings.errors
    answers = {code: (Response(status), json.dumps(body).encode()) for code, (status, body) in told.items()}
    found = {code: meaning(rules, *answer) for code, answer in answers.items()}
    assert found == {
        "INVALID_KEY": "credential",
        "OUT_OF_USAGE_CREDITS": "quota",
        "EXCEEDED_FREQ_LIMIT": "rate",
        "EMPTY_OK": None,
    }


def test_a_request_of_another_vendor_is_none_of_ours():
    assert API.widened(CanonicalRequest("p", "odds", "/x"), EVERYTHING).query == ()
