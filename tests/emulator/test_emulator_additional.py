"""Markets beyond the featured ones: one event at a time, billed by what is returned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scripts.emulator.additional import ADDITIONAL, EVERY_MARKET, followers, offered_by, with_additional
from scripts.emulator.answers import Answer, compose
from scripts.emulator.board import Board, EventBoard, prices_of
from scripts.emulator.catalog import BOOKS, FEATURED
from scripts.emulator.errors import RefusedError
from scripts.emulator.prices import implied, jumped
from scripts.emulator.query import Query, endpoint, parse, target
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

from .conftest import START, Server

Ask = Callable[[str], Answer]
SPORTS = ("soccer_epl", "americanfootball_nfl", "basketball_nba", "baseball_mlb", "icehockey_nhl", "tennis_atp")
EPL = "/v4/sports/soccer_epl"


def query(url: str) -> Query:
    path, _, text = url.partition("?")
    where = endpoint(path)
    assert where is not None
    return parse(where, target(path, text).pairs)


def event_path(board: Board, sport: str, index: int = 1) -> str:
    return f"/v4/sports/{sport}/events/{board.sports[sport][index].event.id}"


def markets_of(document: Any) -> set[str]:
    return {market["key"] for book in document["bookmakers"] for market in book["markets"]}


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


@pytest.mark.parametrize("sport", SPORTS)
def test_every_market_of_a_sport_is_answered_for_one_event(ask: Ask, board: Board, sport: str) -> None:
    event = board.sports[sport][1].event
    own = set(offered_by(event))
    answer = ask(f"{event_path(board, sport)}/odds?regions=us,uk,eu&markets={','.join(own)}")
    assert own >= {"alternate_spreads", "team_totals", "h2h_h1"}
    assert markets_of(read(answer)) == own
    assert answer.cost == 3 * len(own)


def test_what_a_sport_does_not_offer_is_neither_returned_nor_billed(ask: Ask, board: Board) -> None:
    path = f"{event_path(board, 'soccer_epl')}/odds?regions=us,uk&markets="
    answer = ask(path + "h2h,btts,player_pass_tds,batter_home_runs")
    assert markets_of(read(answer)) == {"h2h", "h2h_lay", "btts"}
    assert answer.cost == 4
    nothing = ask(path + "player_pass_tds")
    assert (read(nothing)["bookmakers"], nothing.cost) == ([], 0)


def test_a_book_lacks_some_markets_and_is_billed_for_what_it_has(ask: Ask, board: Board) -> None:
    event = board.sports["basketball_nba"][2]
    asked = "player_points,player_rebounds,player_assists,team_totals"
    costs = set()
    for book in event.books:
        answer = ask(f"{event_path(board, 'basketball_nba', 2)}/odds?bookmakers={book}&markets={asked}")
        assert answer.cost == len(markets_of(read(answer)))
        costs.add(answer.cost)
    assert len(costs) > 2
    exchange = ask(f"{event_path(board, 'basketball_nba', 2)}/odds?bookmakers=betfair_ex_uk&markets={asked}")
    assert exchange.cost == 0


@pytest.mark.parametrize("path", [f"{EPL}/odds", "/v4/sports/upcoming/odds", "/v4/historical/sports/soccer_epl/odds"])
@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ("h2h,btts", "Markets not supported by this endpoint: btts"),
        ("team_totals,alternate_spreads", "Markets not supported by this endpoint: alternate_spreads, team_totals"),
        ("h2h_lay", "Markets not supported by this endpoint: h2h_lay"),
        ("both_teams_to_score", "Invalid markets: both_teams_to_score"),
    ],
)
def test_a_board_is_refused_the_markets_of_one_event(path: str, markets: str, message: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        query(f"{path}?regions=us&date=2026-01-01T00:00:00Z&markets={markets}")
    assert (refusal.value.status, refusal.value.code, refusal.value.message) == (422, "INVALID_MARKET", message)


def test_one_event_is_refused_unknown_markets(ask: Ask, board: Board) -> None:
    path = event_path(board, "soccer_epl")
    for markets, code in (("btts,corners", "INVALID_MARKET"), ("outrights", "INVALID_MARKET_COMBO")):
        with pytest.raises(RefusedError) as refusal:
            ask(f"{path}/odds?regions=us&markets={markets}")
        assert (refusal.value.status, refusal.value.code) == (422, code)


def outcomes(document: Any, market: str) -> list[list[dict[str, Any]]]:
    return [held["outcomes"] for book in document["bookmakers"] for held in book["markets"] if held["key"] == market]


@pytest.mark.parametrize(
    ("sport", "market", "names", "fields"),
    [
        ("soccer_epl", "btts", {"Yes", "No"}, {"name", "price"}),
        ("soccer_epl", "draw_no_bet", None, {"name", "price"}),
        ("soccer_epl", "alternate_spreads", None, {"name", "price", "point"}),
        ("soccer_epl", "alternate_totals", {"Over", "Under"}, {"name", "price", "point"}),
        ("soccer_epl", "team_totals", {"Over", "Under"}, {"name", "description", "price", "point"}),
        ("soccer_epl", "player_goal_scorer_anytime", {"Yes"}, {"name", "description", "price"}),
        ("basketball_nba", "player_points", {"Over", "Under"}, {"name", "description", "price", "point"}),
        ("basketball_nba", "spreads_h1", None, {"name", "price", "point"}),
    ],
)
def test_the_fields_of_outcomes(
    ask: Ask, board: Board, sport: str, market: str, names: set[str] | None, fields: set[str]
) -> None:
    document = read(ask(f"{event_path(board, sport)}/odds?regions=us,eu&markets={market}"))
    found = outcomes(document, market)
    assert len(found) > 5
    for each in found:
        assert {outcome["name"] for outcome in each} == (names or {document["home_team"], document["away_team"]})
        assert all(set(outcome) == fields for outcome in each)
        assert len({tuple(outcome[name] for name in fields - {"price"}) for outcome in each}) == len(each)


def test_a_harder_bet_pays_more(ask: Ask, board: Board) -> None:
    path = f"{event_path(board, 'basketball_nba')}/odds?regions=us&markets=alternate_spreads,alternate_totals"
    document = read(ask(path))
    for market, name, harder in (
        ("alternate_spreads", document["home_team"], -1),
        ("alternate_totals", "Over", 1),
        ("alternate_totals", "Under", -1),
    ):
        for each in outcomes(document, market):
            prices = {outcome["point"]: outcome["price"] for outcome in each if outcome["name"] == name}
            ranked = [prices[point] for point in sorted(prices, key=lambda point: point * harder)]
            assert ranked == sorted(ranked)
            assert ranked[0] < ranked[-1]


def sum_of_chances(line_prices: tuple[int, ...]) -> float:
    return sum(implied(price) for price in line_prices)


def test_the_chances_of_a_complete_market_add_up(board: Board) -> None:
    found: EventBoard
    for found in (*board.sports["soccer_epl"], *board.sports["icehockey_nhl"]):
        for line in with_additional(found.event, found.lines):
            if line.spec.market in ("btts", "draw_no_bet", "h2h_3_way", "h2h_h1", "totals_h1"):
                assert 0.97 < sum_of_chances(line.prices()) < 1.2, line.spec


def test_additional_markets_move_close_and_open_with_the_one_they_follow(board: Board) -> None:
    found = board.sports["soccer_epl"][0]
    base = next(line for line in found.lines if line.spec.market == "totals" and followers(found.event, line))
    before = {line.spec.market: line for line in followers(found.event, base)}
    later = jumped(base, 5, tick=31)
    after = {line.spec.market: line for line in followers(found.event, later)}
    assert before.keys() == after.keys()
    for market, line in after.items():
        assert line.changed == 31
        assert line.prices()[0] != before[market].prices()[0]
    assert not any(line.open for line in followers(found.event, replace(base, open=False)))


def test_featured_markets_come_first_and_stay_as_they_were(ask: Ask, board: Board) -> None:
    path = f"{event_path(board, 'icehockey_nhl')}/odds?regions=us,eu,au&markets="
    wide = read(ask(path + ",".join((*FEATURED, *(ADDITIONAL & set(EVERY_MARKET))))))
    for book in wide["bookmakers"]:
        keys = [market["key"] in (*FEATURED, "h2h_lay") for market in book["markets"]]
        assert keys == sorted(keys, reverse=True)
        book["markets"] = [market for market in book["markets"] if market["key"] in (*FEATURED, "h2h_lay")]
    assert wide == read(ask(path + "h2h,spreads,totals"))


def test_sids_of_one_market_differ(ask: Ask, board: Board) -> None:
    found = board.sports["soccer_epl"][1]
    for book in found.books[:10]:
        asked = (
            f"{EPL}/events/{found.event.id}/odds?bookmakers={book}&markets=player_shots_on_target,alternate_totals"
        )
        sids = re.findall(rb'"sid":"(\w+)"', ask(f"{asked}&includeSids=true").body)
        assert len(set(sids)) == len(sids)


def test_the_same_world_has_the_same_additional_markets() -> None:
    bodies = set()
    for _ in range(2):
        world = World(6, START, events=2)
        board = Timeline(world).at(START + 20)
        path = f"{event_path(board, 'baseball_mlb')}/odds?regions=us&markets=pitcher_strikeouts,team_totals"
        bodies.add(compose(world, board, query(path)).body)
        followers.cache_clear()
    assert len(bodies) == 1
    assert b"description" in bodies.pop()


def test_served_additional_prices_equal_the_truth(server: Server) -> None:
    server.order("/_world", speed=0.0001)
    event = server.get(f"{EPL}/events?apiKey=k").json[2]["id"]
    markets = "team_totals,btts,alternate_spreads"
    reply = server.get(f"{EPL}/events/{event}/odds?regions=us,eu&markets={markets}&oddsFormat=american&apiKey=k")
    assert reply.headers["x-requests-last"] == "6"
    plain = server.get("/_truth?sport=soccer_epl").json
    truth = server.get("/_truth?sport=soccer_epl&additional=true").json
    older = server.get(f"/_truth?sport=soccer_epl&additional=true&tick={plain['tick'] - 1}").json["prices"][event]
    assert truth["prices"][event].keys() == plain["prices"][event].keys() == older.keys()
    for key, held in plain["prices"][event].items():
        assert truth["prices"][event][key].items() >= held.items()
        assert not ADDITIONAL & set(held)
        assert older[key].keys() == truth["prices"][event][key].keys()
    checked = 0
    for book in reply.json["bookmakers"]:
        for market in book["markets"]:
            told = list(truth["prices"][event][book["key"]][market["key"]].values())
            assert [outcome["price"] for outcome in market["outcomes"]] == told
            checked += len(told)
    assert checked > 100
    server.order("/_world", speed=1)


def test_prices_of_a_board_know_every_outcome_by_a_name_of_its_own(board: Board) -> None:
    truth = prices_of(board, "soccer_epl", additional=True)
    found = board.sports["soccer_epl"][1]
    line = next(
        line
        for line in with_additional(found.event, found.lines)
        if line.spec.market == "team_totals" and line.spec.book is not BOOKS["betfair_ex_uk"]
    )
    labels = truth[found.event.id][line.spec.book.key]["team_totals"]
    assert len(labels) == 4
    assert all(label.startswith((str(found.event.home), str(found.event.away))) for label in labels)
