"""Events that are placed, called off, interrupted or scored in, and the truth about them afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from scripts.emulator.board import prices_of
from scripts.emulator.catalog import DAY
from scripts.emulator.incidents import Action, goal, script
from scripts.emulator.moves import move_chance
from scripts.emulator.schedule import World, active_sports, listed
from scripts.emulator.timeline import Timeline

from .conftest import QUICK, START, Reply, Server, stop
from .conftest import start as started

EPL = "/v4/sports/soccer_epl"
ODDS = f"{EPL}/odds?regions=us,us2,uk,au,eu&apiKey=k&oddsFormat=american"


@pytest.fixture(scope="module")
def still_server() -> Iterator[Server]:
    """A world whose time moves only when it is told to, by whole ticks."""
    server = started(*QUICK, "--tick-s", "1", "--speed", "0.0001", "--volatility", "0", "--seed", "5")
    yield server
    stop(server)


def advance(server: Server, seconds: float) -> Reply:
    reply = server.order("/_world", advance_s=seconds)
    assert reply.status == 200
    return reply


def ids(server: Server, sport: str = "soccer_epl") -> list[str]:
    return [event["id"] for event in server.get(f"/v4/sports/{sport}/events?apiKey=k").json]


def test_a_placed_event_starts_ends_and_leaves_the_board(still_server: Server) -> None:
    before = ids(still_server)
    placed = still_server.order("/_world", place={"sport": "soccer_epl", "in_s": 5, "lasts_s": 20}).json["placed"]
    now = still_server.get("/_world").json["now"]
    assert 5 <= placed["commence_time"] - now <= 6
    assert placed["ends"] == placed["commence_time"] + 20
    assert sorted(ids(still_server)) == sorted([*before, placed["id"]])

    def found(path: str) -> dict[str, object]:
        events = still_server.get(f"{EPL}/{path}&apiKey=k&dateFormat=unix").json
        return next((event for event in events if event["id"] == placed["id"]), {})

    assert found("odds?regions=us")["commence_time"] == placed["commence_time"]
    assert found("scores?")["scores"] is None
    advance(still_server, 8)
    assert found("scores?")["scores"] is not None
    assert found("odds?regions=us")
    advance(still_server, 20)
    assert found("odds?regions=us") == {}
    assert placed["id"] not in ids(still_server)
    assert found("scores?daysFrom=1")["completed"] is True


def test_a_start_passes_in_real_time(server: Server) -> None:
    placed = server.order("/_world", place={"sport": "tennis_atp", "in_s": 1.2, "lasts_s": 2}).json["placed"]
    seen = set()
    deadline = time.monotonic() + 20
    while placed["id"] in ids(server, "tennis_atp"):
        assert time.monotonic() < deadline
        now = server.get("/_world").json["now"]
        seen.add(now >= placed["commence_time"])
    assert seen == {False, True}


def test_a_sport_can_be_emptied(still_server: Server) -> None:
    event = ids(still_server, "icehockey_nhl")[3]
    reply = still_server.order("/_world", remove={"event": event})
    assert reply.json["removed"] == [event]
    assert len(ids(still_server, "icehockey_nhl")) == 11
    reply = still_server.order("/_world", remove={"sport": "icehockey_nhl"})
    assert reply.json["events"]["icehockey_nhl"] == 0
    empty = still_server.get("/v4/sports/icehockey_nhl/odds?regions=us&apiKey=k")
    assert (empty.body, empty.headers["x-requests-last"]) == (b"[]", "0")
    advance(still_server, 10)
    assert ids(still_server, "icehockey_nhl") == []
    assert len(ids(still_server, "tennis_atp")) == 12


def h2h(server: Server, event: str) -> dict[str, list[int]]:
    (found,) = server.get(f"{ODDS}&eventIds={event}").json
    markets = ((book, market) for book in found["bookmakers"] for market in book["markets"])
    return {
        book["key"]: [outcome["price"] for outcome in market["outcomes"]]
        for book, market in markets
        if market["key"] == "h2h"
    }


def test_a_goal_moves_every_book_one_way_within_20_s(still_server: Server) -> None:
    event = ids(still_server)[0]
    before = h2h(still_server, event)
    still_server.order("/_world", goal={"event": event, "side": "home"})
    advance(still_server, 3)
    early = h2h(still_server, event)
    moved = [book for book, prices in early.items() if prices != before[book]]
    assert len(moved) < len(before)
    assert len(early) < len(before), "some books take the market off the board until they have reacted"
    advance(still_server, 18)
    after = h2h(still_server, event)
    assert after.keys() == before.keys()

    def rank(price: int) -> float:
        return 100 / (price + 100) if price > 0 else -price / (100 - price)

    for book, prices in after.items():
        assert rank(prices[0]) > rank(before[book][0])
        assert rank(prices[1]) < rank(before[book][1])


def test_a_suspended_market_vanishes_and_returns_with_a_new_last_update(still_server: Server) -> None:
    event = ids(still_server)[-1]
    (book, *_) = before = h2h(still_server, event)
    order = {"event": event, "book": book, "market": "h2h", "for_s": 30}
    reply = still_server.order("/_world", suspend=order, advance_s=0)
    assert reply.json["suspended_until"] - reply.json["suspended_at"] == 30
    advance(still_server, 2)
    assert h2h(still_server, event).keys() == before.keys() - {book}
    truth = still_server.get("/_truth?sport=soccer_epl").json["prices"][event]
    assert "h2h" not in truth.get(book, {})
    advance(still_server, 31)
    assert h2h(still_server, event) == before
    history = still_server.get(f"/_truth/history?event={event}").json
    assert [entry[2] is None for entry in history["changes"][book]["h2h"]] == [False, True, False]


def test_an_event_without_any_book_stays_unless_told(still_server: Server) -> None:
    event = ids(still_server)[-2]
    still_server.order("/_world", suspend={"event": event, "for_s": 15})
    advance(still_server, 2)
    path = f"{EPL}/odds?regions=us&apiKey=k&eventIds={event}"
    kept = still_server.get(path)
    assert (kept.json[0]["bookmakers"], kept.headers["x-requests-last"]) == ([], "1")
    still_server.control(emptied="omit")
    omitted = still_server.get(path)
    assert (omitted.body, omitted.headers["x-requests-last"]) == (b"[]", "0")
    assert event in ids(still_server)
    still_server.control(emptied="keep")
    advance(still_server, 20)


def test_the_truth_of_an_earlier_time(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--tick-s", "1", "--speed", "0.0001", "--history-s", "400")
    told = {}
    for _ in range(4):
        truth = server.get("/_truth?sport=basketball_nba").json
        told[truth["tick"]] = truth
        advance(server, 90)
    for tick, truth in told.items():
        again = server.get(f"/_truth?sport=basketball_nba&at={truth['at'] + 0.5}").json
        assert (again["tick"], again["prices"]) == (tick, truth["prices"])
        assert server.get(f"/_truth?sport=basketball_nba&tick={tick}").json["prices"] == truth["prices"]
    assert len({str(truth["prices"]) for truth in told.values()}) == 4
    advance(server, 200)
    assert server.get("/_truth?sport=basketball_nba&tick=0").status == 404
    for at in ("x", "inf", "0", str(server.get("/_world").json["now"] + 60)):
        assert server.get(f"/_truth?sport=basketball_nba&at={at}").status == 404
    assert server.get("/_truth/history?event=nothing").status == 404


def test_history_agrees_with_the_boards_that_are_held() -> None:
    world = World(2, START, events=3, incidents=True)
    timeline = Timeline(world)
    timeline.at(START + 130)
    timeline.place("soccer_epl", START + 130, 40, 10)
    timeline.at(START + 220)
    for tick in (101, 131, 160, 180, 190, 220):
        board = timeline.held(tick)
        assert board is not None
        for sport in board.sports:
            assert timeline.history.prices(sport, tick) == prices_of(board, sport)


def test_incidents_are_fixed_by_the_seed_and_touch_books_of_the_event() -> None:
    world = World(2, START, incidents=True)
    sport = next(sport for sport in active_sports() if sport.key == "soccer_epl")
    event = listed(world, sport, START)[0]
    books = ("pinnacle", "skybet", "neds")
    found = script(world, event, books)
    assert found == script(world, event, books)
    assert found != script(World(3, START, incidents=True), event, books)
    assert {action.kind for action in found.actions} == {"jump", "close", "open"}
    assert {action.book for action in found.actions} <= set(books)
    assert list(found.times) == sorted(found.times)
    assert all(5 <= ended - began <= 20 for began, ended in found.bursts)
    assert found.between(-1, event.ends + 100) == found.actions


def test_each_book_reacts_to_a_goal_in_1_to_20_s() -> None:
    actions = goal("e", tuple(f"b{n}" for n in range(200)), 1000.0, 9, random.Random(1))
    jumps: list[Action] = [action for action in actions if action.kind == "jump"]
    assert len(jumps) == 200
    assert all(1001 <= action.at <= 1020 for action in jumps)
    reopened = {action.book: action.at for action in actions if action.kind == "open"}
    assert 50 < len(reopened) < 150
    assert all(reopened[jump.book] <= jump.at + 1e-6 for jump in jumps if jump.book in reopened)


@pytest.mark.parametrize(("ahead", "share"), [(3 * DAY, 0.006), (DAY / 2, 0.039), (-60, 0.57)])
def test_recorded_chances_add_up_to_the_recording(ahead: float, share: float) -> None:
    world = World(1, START, pace="recorded", tick_s=2)
    sport = next(sport for sport in active_sports() if sport.key == "basketball_nba")
    event = listed(world, sport, START)[0]
    chance = move_chance(world, event, event.commence - ahead)
    lines, ticks = 3, 300
    assert 1 - (1 - chance) ** (lines * ticks) == pytest.approx(share, rel=0.01)


def test_bursts_raise_the_number_of_moves() -> None:
    calm, rough = (Timeline(World(6, START, events=2, incidents=incidents)) for incidents in (False, True))
    counts = [sum(len(one.at(START + second).changes) for second in range(600)) for one in (calm, rough)]
    assert counts[1] > counts[0] * 1.15


def test_what_is_placed_or_called_off_is_true_at_once_and_for_good() -> None:
    timeline = Timeline(World(2, START, tick_s=600, events=4))
    placed = timeline.place("soccer_epl", START, 1000, 60)
    gone = timeline.newest.sports["soccer_epl"][3].event
    assert placed.id in timeline.history.prices("soccer_epl", 0)
    timeline.remove(START, frozenset({gone.id}))
    assert gone.id not in timeline.history.prices("soccer_epl", 0)
    later = timeline.at(START + 2 * 3600)
    present = {found.event.id for found in later.sports["soccer_epl"]}
    assert present.isdisjoint({gone.id, placed.id})
    assert len(present) == 3
