from __future__ import annotations

import pytest

from scripts.emulator.errors import RefusedError
from scripts.emulator.query import Endpoint, Query, endpoint, parse, target

ODDS = "/v4/sports/soccer_epl/odds"


def query(url: str) -> Query:
    path, _, text = url.partition("?")
    where = endpoint(path)
    assert where is not None
    return parse(where, target(path, text).pairs)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v4/sports", Endpoint("sports")),
        ("/v4/sports/", Endpoint("sports")),
        ("/v4/sports/soccer_epl/odds/", Endpoint("odds", "soccer_epl")),
        ("/v4/sports/soccer_epl/scores", Endpoint("scores", "soccer_epl")),
        ("/v4/sports/soccer_epl/events", Endpoint("events", "soccer_epl")),
        ("/v4/sports/soccer_epl/events/ab/odds", Endpoint("event_odds", "soccer_epl", "ab")),
        ("/v4/sports/soccer_epl/odds//", None),
        ("/v4/sports/soccer_epl/players", None),
        ("/v4", None),
    ],
)
def test_endpoints(path: str, expected: Endpoint | None) -> None:
    assert endpoint(path) == expected


@pytest.mark.parametrize(
    "spelling",
    [
        f"{ODDS}?regions=us,uk&markets=h2h,totals",
        f"{ODDS}/?markets=totals%2Ch2h&regions=uk%2Cus",
        f"{ODDS}?markets=h2h,totals,h2h&regions=us,uk&oddsFormat=decimal&dateFormat=iso",
        f"{ODDS}?regions=us,uk&markets=h2h,totals&includeLinks=False&includeSids=&_=17&eventIds=",
    ],
)
def test_spellings_of_one_question_are_equal(spelling: str) -> None:
    assert query(spelling) == query(f"{ODDS}?regions=us,uk&markets=h2h,totals")


@pytest.mark.parametrize("name", ["apiKey", "api_key"])
def test_the_key_is_taken_from_either_name_and_leaves_no_trace(name: str) -> None:
    found = target("/v4/sports/", f"b=2%2C3&{name}=secret&a=1")
    assert found.key == "secret"
    assert found.shape == "/v4/sports?a=1&b=2,3"
    assert "secret" not in repr(found.pairs)


def test_defaults() -> None:
    found = query(f"{ODDS}?regions=us")
    assert found.markets == {"h2h"}
    assert (found.american, found.unix, found.event_ids) == (False, False, None)
    assert query("/v4/sports/golf_masters_tournament_winner/odds?regions=us").markets == {"outrights"}


def test_bookmakers_take_priority_over_regions() -> None:
    found = query(f"{ODDS}?regions=us,uk,eu&bookmakers=pinnacle,skybet")
    assert found.books == {"pinnacle", "skybet"}
    assert found.regions == 1


ELEVEN = "betmgm,betus,bovada,coral,draftkings,fanduel,neds,pinnacle,skybet,tab,unibet"


@pytest.mark.parametrize(
    ("url", "cost"),
    [
        (f"{ODDS}?regions=us", 1),
        (f"{ODDS}?regions=us,uk,eu&markets=h2h,spreads,totals", 9),
        (f"{ODDS}?regions=us,us&markets=h2h,h2h", 1),
        (f"{ODDS}?bookmakers={ELEVEN.rpartition(',')[0]}&markets=h2h,totals", 2),
        (f"{ODDS}?bookmakers={ELEVEN}&markets=h2h,totals", 4),
        ("/v4/sports/soccer_epl/scores", 1),
        ("/v4/sports/soccer_epl/scores?daysFrom=1", 2),
        ("/v4/sports/soccer_epl/events", 0),
        ("/v4/sports?all=true", 0),
    ],
)
def test_costs(url: str, cost: int) -> None:
    assert query(url).highest_cost == cost


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/v4/sports/soccer_nowhere/odds?regions=us", 404, "UNKNOWN_SPORT"),
        ("/v4/sports/upcoming/events", 404, "UNKNOWN_SPORT"),
        (f"{ODDS}?markets=h2h", 422, "MISSING_REGION"),
        (f"{ODDS}?regions=us,mars", 422, "INVALID_REGION"),
        (f"{ODDS}?bookmakers=pinnacle,nobody", 422, "INVALID_BOOKMAKERS"),
        (f"{ODDS}?regions=us&markets=h2h,corners", 422, "INVALID_MARKET"),
        (f"{ODDS}?regions=us&markets=H2H", 422, "INVALID_MARKET"),
        (f"{ODDS}?regions=us&markets=outrights", 422, "INVALID_MARKET_COMBO"),
        (
            "/v4/sports/golf_masters_tournament_winner/odds?regions=us&markets=h2h",
            422,
            "INVALID_MARKET_COMBO",
        ),
        (f"{ODDS}?regions=us&oddsFormat=fractional", 422, "INVALID_ODDS_FORMAT"),
        (f"{ODDS}?regions=us&dateFormat=rfc", 422, "INVALID_DATE_FORMAT"),
        (f"{ODDS}?regions=us&commenceTimeFrom=2026-01-01", 422, "INVALID_COMMENCE_TIME_FROM"),
        (f"{ODDS}?regions=us&commenceTimeTo=now", 422, "INVALID_COMMENCE_TIME_TO"),
        (
            f"{ODDS}?regions=us&commenceTimeFrom=2026-01-02T00:00:00Z&commenceTimeTo=2026-01-01T00%3A00%3A00Z",
            422,
            "INVALID_COMMENCE_TIME_RANGE",
        ),
        ("/v4/sports/soccer_epl/scores?daysFrom=4", 422, "INVALID_SCORES_DAYS_FROM"),
        ("/v4/sports?all=maybe", 422, "INVALID_ALL_SPORTS_PARAM"),
    ],
)
def test_refusals(url: str, status: int, code: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        query(url)
    document = refusal.value.document()
    assert (refusal.value.status, document["error_code"]) == (status, code)
    assert document["message"]
    assert document["details_url"].endswith("#" + code.lower().replace("_", "-"))


def test_times_are_inclusive_seconds_and_ignored_for_upcoming() -> None:
    text = "regions=us&commenceTimeFrom=1970-01-01T00:00:10Z&commenceTimeTo=1970-01-01T00%3A00%3A20Z"
    assert (query(f"{ODDS}?{text}").after, query(f"{ODDS}?{text}").before) == (10, 20)
    upcoming = query(f"/v4/sports/upcoming/odds?{text}")
    assert (upcoming.after, upcoming.before) == (None, None)
