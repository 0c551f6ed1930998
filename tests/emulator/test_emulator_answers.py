from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from scripts.emulator.answers import UPCOMING_AHEAD, Answer, Memo, compose
from scripts.emulator.board import Board, prices_of
from scripts.emulator.catalog import BOOKS, FEATURED, HOUR
from scripts.emulator.errors import RefusedError
from scripts.emulator.moves import following
from scripts.emulator.prices import decimal_price
from scripts.emulator.query import Endpoint, endpoint, parse
from scripts.emulator.render import iso
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

Ask = Callable[[str], Answer]
EPL = "/v4/sports/soccer_epl"
GOLF = "/v4/sports/golf_masters_tournament_winner"
ALL = "markets=h2h,spreads,totals"
EVERYWHERE = f"regions=us,us2,uk,eu,au&{ALL}"


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


def projected(events: Any, books: set[str], markets: set[str]) -> Any:
    """What the rules of projection make of a wider answer."""
    result = []
    for event in events:
        kept = []
        for book in event["bookmakers"]:
            held = [market for market in book["markets"] if market["key"] in markets]
            if book["key"] in books and held:
                kept.append({**book, "markets": held})
        result.append({**event, "bookmakers": kept})
    return result


def test_served_american_prices_equal_the_truth(ask: Ask, board: Board) -> None:
    served = {
        event["id"]: {
            book["key"]: {
                market["key"]: {outcome["name"]: outcome["price"] for outcome in market["outcomes"]}
                for market in book["markets"]
            }
            for book in event["bookmakers"]
        }
        for event in read(ask(f"{EPL}/odds?{EVERYWHERE}&oddsFormat=american"))
    }
    assert served == prices_of(board, "soccer_epl")
    assert len(served) == 12


def test_a_narrow_answer_is_the_projection_of_a_wide_one(ask: Ask) -> None:
    wide = read(ask(f"{EPL}/odds?{EVERYWHERE}"))
    uk = {key for key, book in BOOKS.items() if "uk" in book.regions}
    assert read(ask(f"{EPL}/odds?regions=uk")) == projected(wide, uk, {"h2h", "h2h_lay"})
    assert read(ask(f"{EPL}/odds?regions=uk&markets=totals")) == projected(wide, uk, {"totals"})
    assert read(ask(f"{EPL}/odds?bookmakers=tab,pinnacle&{ALL}")) == projected(
        wide, {"pinnacle", "tab"}, {*FEATURED, "h2h_lay"}
    )


def test_lay_prices_come_with_h2h_on_the_two_exchanges_only(ask: Ask) -> None:
    def layers(url: str) -> set[str]:
        return {
            book["key"]
            for event in read(ask(url))
            for book in event["bookmakers"]
            for market in book["markets"]
            if market["key"].endswith("_lay")
        }

    assert layers(f"{EPL}/odds?{EVERYWHERE}") == {"betfair_ex_uk", "betfair_ex_eu"}
    assert layers(f"{EPL}/odds?regions=uk,eu&markets=spreads,totals") == set()
    assert layers(f"{GOLF}/odds?regions=uk,eu") <= {"betfair_ex_uk", "betfair_ex_eu"}


def test_decimal_prices_derive_from_american_and_always_have_a_point(ask: Ask) -> None:
    pattern = rb'"price":([-0-9.]+)'
    american = re.findall(pattern, ask(f"{EPL}/odds?{EVERYWHERE}&oddsFormat=american").body)
    decimal = re.findall(pattern, ask(f"{EPL}/odds?{EVERYWHERE}").body)
    assert [float(text) for text in decimal] == [decimal_price(int(text)) for text in american]
    assert all(b"." in text for text in decimal)
    assert any(text.endswith(b".0") for text in decimal)
    assert not any(b"." in text for text in american)


def test_unix_times_are_the_iso_times(ask: Ask) -> None:
    pattern = rb'"(?:commence_time|last_update)":"?([-0-9TZ:]+)"?'
    for path in (f"{EPL}/odds?regions=us&", f"{EPL}/scores?daysFrom=3&", f"{EPL}/events?"):
        as_iso = re.findall(pattern, ask(path).body)
        as_unix = re.findall(pattern, ask(f"{path}dateFormat=unix").body)
        assert as_iso
        assert as_iso == [iso(int(text)).encode() for text in as_unix]
    assert datetime.fromisoformat(as_iso[0].decode()).timestamp() == int(as_unix[0])


def test_a_bookmaker_is_never_updated_before_its_markets(ask: Ask) -> None:
    for market in FEATURED:
        for event in read(ask(f"{EPL}/odds?regions=us,uk&markets={market}&dateFormat=unix")):
            for book in event["bookmakers"]:
                assert book["last_update"] >= max(held["last_update"] for held in book["markets"])


def test_events_come_in_order_of_time(ask: Ask) -> None:
    for path in (f"{EPL}/odds?regions=us", f"{EPL}/events?", "/v4/sports/upcoming/odds?regions=us"):
        times = [event["commence_time"] for event in read(ask(path))]
        assert times == sorted(times)
        assert len(times) > 8


def test_event_ids_and_times_filter_inclusively(ask: Ask) -> None:
    events = read(ask(f"{EPL}/events"))
    ids, times = [event["id"] for event in events], [event["commence_time"] for event in events]

    def found(text: str) -> list[str]:
        return [event["id"] for event in read(ask(f"{EPL}/odds?regions=us&{text}"))]

    assert found(f"eventIds={ids[4]},{ids[1]}") == [ids[1], ids[4]]
    assert found(f"commenceTimeFrom={times[3]}&commenceTimeTo={times[5]}") == ids[3:6]
    assert found("eventIds=unknown") == []
    assert [event["id"] for event in read(ask(f"{EPL}/scores?eventIds={ids[2]}"))] == [ids[2]]


@pytest.mark.parametrize(
    ("url", "cost"),
    [
        (f"{EPL}/odds?regions=us,uk&{ALL}", 6),
        (f"{EPL}/odds?regions=us&eventIds=unknown", 0),
        ("/v4/sports/rugbyleague_nrl/odds?regions=us", 0),
        ("/v4/sports/americanfootball_ncaaf/odds?regions=us", 0),
        (f"{EPL}/scores", 1),
        (f"{EPL}/scores?daysFrom=2", 2),
        (f"{EPL}/events", 0),
        ("/v4/sports", 0),
        ("/v4/sports/upcoming/odds?regions=eu", 1),
        (f"{GOLF}/odds?regions=eu,uk", 2),
    ],
)
def test_costs_of_answers(ask: Ask, url: str, cost: int) -> None:
    assert ask(url).cost == cost
    assert (ask(url).cost > 0) <= (ask(url).body != b"[]")


def test_odds_of_one_event(ask: Ask) -> None:
    whole = read(ask(f"{EPL}/odds?regions=us&{ALL}"))[3]
    one = read(ask(f"{EPL}/events/{whole['id']}/odds?regions=us&{ALL}"))
    assert all("last_update" not in book for book in one["bookmakers"])
    for book in whole["bookmakers"]:
        del book["last_update"]
    assert one == whole


def test_odds_of_one_event_cost_the_markets_returned(ask: Ask, board: Board) -> None:
    event, bare = next(
        (event, span) for event in board.sports["soccer_epl"] for span in event.spans if span.end - span.first == 1
    )
    path = f"{EPL}/events/{event.event.id}/odds"
    assert ask(f"{path}?bookmakers={bare.book.key}&{ALL}").cost == 1
    assert ask(f"{path}?bookmakers={bare.book.key}&markets=spreads").cost == 0
    assert ask(f"{path}?regions=us,eu&{ALL}").cost == 6


@pytest.mark.parametrize("path", [f"{EPL}/events/unknown/odds", "/v4/sports/tennis_atp/events/{epl}/odds"])
def test_an_event_that_is_not_listed(ask: Ask, board: Board, path: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        ask(path.format(epl=board.sports["soccer_epl"][0].event.id) + "?regions=us")
    assert (refusal.value.status, refusal.value.code) == (404, "EVENT_NOT_FOUND")


def test_upcoming_is_everything_in_play_and_the_next_eight(ask: Ask, board: Board) -> None:
    events = read(ask("/v4/sports/upcoming/odds?regions=us&dateFormat=unix"))
    ahead = [event for event in events if event["commence_time"] > board.at]
    assert len(ahead) == UPCOMING_AHEAD
    assert len(events) > len(ahead)
    assert len({event["sport_key"] for event in events}) > 2


def test_upcoming_leaves_outrights_out_even_in_play(world: World) -> None:
    slow = World(world.seed, world.start, tick_s=12 * HOUR)
    later = Timeline(slow).at(world.start + 96 * HOUR)
    assert later.sports[GOLF.rpartition("/")[2]][0].event.in_play(later.at)
    query = parse(Endpoint("odds", "upcoming"), (("regions", "us"),))
    sports = {event["sport_key"] for event in json.loads(compose(slow, later, query).body)}
    assert sports
    assert GOLF.rpartition("/")[2] not in sports


def test_outrights_have_no_teams(ask: Ask) -> None:
    (event,) = read(ask(f"{GOLF}/odds?regions=eu"))
    assert (event["home_team"], event["away_team"]) == (None, None)
    markets = [market for book in event["bookmakers"] for market in book["markets"]]
    assert {len(market["outcomes"]) for market in markets} == {40}
    assert {market["key"] for market in markets} <= {"outrights", "outrights_lay"}


def test_scores_are_text_once_started_and_null_before(ask: Ask, board: Board) -> None:
    events = read(ask(f"{EPL}/scores?daysFrom=3&dateFormat=unix"))
    assert [event["completed"] for event in events].count(True) >= 1
    assert not any(event["completed"] for event in read(ask(f"{EPL}/scores")))
    for event in events:
        if event["commence_time"] > board.at:
            assert (event["scores"], event["last_update"]) == (None, None)
        else:
            assert [score["name"] for score in event["scores"]] == [event["home_team"], event["away_team"]]
            assert all(score["score"].isdigit() for score in event["scores"])
            assert event["last_update"] <= board.at


def test_sports_are_those_in_season_unless_all_are_asked_for(ask: Ask) -> None:
    in_season, every = read(ask("/v4/sports")), read(ask("/v4/sports?all=true"))
    assert all(sport["active"] for sport in in_season)
    assert [sport["key"] for sport in every if not sport["active"]] == ["americanfootball_ncaaf"]
    assert {sport["key"] for sport in in_season if sport["has_outrights"]} == {GOLF.rpartition("/")[2]}


def test_the_size_of_a_usual_answer(ask: Ask) -> None:
    answer = ask(f"{EPL}/odds?regions=us,uk,eu&{ALL}")
    assert 100_000 < len(answer.body) < 250_000
    assert len(answer.compressed) < len(answer.body) / 10


def test_answers_are_kept_for_one_tick(world: World, board: Board) -> None:
    where = endpoint(f"{EPL}/odds")
    assert where is not None
    query = parse(where, (("regions", "us"),))
    memo = Memo(world)
    first = memo.answer(board, query)
    assert memo.answer(board, query) is first
    assert memo.answer(following(world, board), query) is not first
