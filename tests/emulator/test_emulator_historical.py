"""What the provider recorded: snapshots every five minutes, at ten times the price of the present."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scripts.emulator.answers import Answer, compose, historical
from scripts.emulator.board import Board
from scripts.emulator.errors import RefusedError
from scripts.emulator.query import Endpoint, Query, endpoint, parse, target
from scripts.emulator.render import iso
from scripts.emulator.schedule import World
from scripts.emulator.timeline import SNAPSHOT_S, Timeline

from .conftest import QUICK, START, Server

PAST = "/v4/historical/sports/soccer_epl"
NOW = "/v4/sports/soccer_epl"
WORLD = World(4, START, tick_s=10, events=3)
ALL = "regions=us,uk&markets=h2h,spreads,totals"


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    made = Timeline(WORLD)
    made.at(START + 5 * SNAPSHOT_S)
    return made


@pytest.fixture(scope="module")
def snapshot(timeline: Timeline) -> Board:
    return timeline.snapshots[2]


def query(url: str) -> Query:
    path, _, text = url.partition("?")
    where = endpoint(path)
    assert where is not None
    return parse(where, target(path, text).pairs)


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{PAST}/events", Endpoint("historical_events", "soccer_epl")),
        (f"{PAST}/events/ab/odds/", Endpoint("historical_event_odds", "soccer_epl", "ab")),
        (f"{PAST}/scores", None),
        (f"{PAST}/events/ab/markets", None),
    ],
)
def test_endpoints(path: str, expected: Endpoint | None) -> None:
    assert endpoint(path) == expected


def test_a_snapshot_stands_between_its_neighbours(timeline: Timeline, snapshot: Board) -> None:
    event = snapshot.sports["soccer_epl"][0].event.id
    date = iso(int(snapshot.at) + 17)
    for path in (f"odds?{ALL}", "events?", f"events/{event}/odds?{ALL}"):
        document = read(historical(timeline, query(f"{PAST}/{path}&date={date}")))
        assert list(document) == ["timestamp", "previous_timestamp", "next_timestamp", "data"]
        times = [document[name] for name in ("previous_timestamp", "timestamp", "next_timestamp")]
        assert times == [iso(int(board.at)) for board in list(timeline.snapshots)[1:4]]
        again = read(historical(timeline, query(f"{PAST}/{path}&date={document['next_timestamp']}")))
        assert again["previous_timestamp"] == document["timestamp"]


def test_the_data_are_what_was_answered_then(timeline: Timeline, snapshot: Board) -> None:
    event = snapshot.sports["soccer_epl"][1].event.id
    more = "regions=us,eu&markets=h2h,team_totals,player_pass_tds"
    for path in (f"odds?{ALL}", "events?dateFormat=unix", f"events/{event}/odds?{more}"):
        past = historical(timeline, query(f"{PAST}/{path}&date={iso(int(snapshot.at))}"))
        present = compose(WORLD, snapshot, query(f"{NOW}/{path}"))
        assert read(past)["data"] == read(present)
        assert past.cost == (1 if path.startswith("events?") else 10 * present.cost)
    newest = compose(WORLD, timeline.newest, query(f"{NOW}/odds?{ALL}"))
    assert read(newest) != read(compose(WORLD, snapshot, query(f"{NOW}/odds?{ALL}")))


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        (f"odds?{ALL}", 60),
        ("odds?bookmakers=pinnacle,skybet&markets=h2h", 10),
        ("odds?regions=us&eventIds=unknown", 0),
        ("events?", 1),
        ("events?eventIds=unknown", 0),
        ("events/{event}/odds?regions=us,uk&markets=h2h,totals,btts", 60),
        ("events/{event}/odds?regions=us,uk&markets=h2h,player_pass_tds", 20),
        ("events/{event}/odds?regions=us&markets=player_pass_tds", 0),
    ],
)
def test_costs(timeline: Timeline, snapshot: Board, path: str, cost: int) -> None:
    asked = path.format(event=snapshot.sports["soccer_epl"][0].event.id)
    found = historical(timeline, query(f"{PAST}/{asked}&date={iso(int(snapshot.at))}"))
    assert found.cost == cost <= query(f"{PAST}/{asked}&date={iso(int(snapshot.at))}").highest_cost


def test_before_the_first_snapshot_there_is_nothing(timeline: Timeline, snapshot: Board) -> None:
    event = snapshot.sports["soccer_epl"][0].event.id
    early = f"date={iso(START - 60)}"
    found = historical(timeline, query(f"{PAST}/events?{early}"))
    assert (read(found)["data"], read(found)["timestamp"], found.cost) == ([], None, 0)
    for asked in (f"{event}/odds?{ALL}&{early}", f"unknown/odds?{ALL}&date={iso(START + 60)}"):
        with pytest.raises(RefusedError) as refusal:
            historical(timeline, query(f"{PAST}/events/{asked}"))
        assert (refusal.value.status, refusal.value.code) == (404, "EVENT_NOT_FOUND")


@pytest.mark.parametrize("path", ["odds?regions=us", "events?", "events/e/odds?regions=us"])
@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("", "MISSING_HISTORICAL_TIMESTAMP"),
        ("&date=", "MISSING_HISTORICAL_TIMESTAMP"),
        ("&date=yesterday", "INVALID_HISTORICAL_TIMESTAMP"),
        ("&date=2026-02-30T00:00:00Z", "INVALID_HISTORICAL_TIMESTAMP"),
        ("&date=2026-02-03", "INVALID_HISTORICAL_TIMESTAMP"),
    ],
)
def test_the_date_is_checked(path: str, date: str, code: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        query(f"{PAST}/{path}{date}")
    assert (refusal.value.status, refusal.value.code) == (422, code)


@pytest.mark.parametrize(("date", "refused"), [("2023-05-03T05:29:59Z", True), ("2023-05-03T05:30:00Z", False)])
def test_additional_markets_are_recorded_since_may_2023(date: str, refused: bool) -> None:
    asked = f"{PAST}/events/e/odds?regions=us&date={date}&markets=h2h"
    query(asked)
    if not refused:
        assert query(f"{asked},btts").markets == {"h2h", "btts"}
        return
    with pytest.raises(RefusedError) as refusal:
        query(f"{asked},btts")
    assert (refusal.value.status, refusal.value.code) == (422, "HISTORICAL_MARKETS_UNAVAILABLE_AT_DATE")


def test_a_plan_without_history_is_refused_and_the_others_are_billed(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--tick-s", "10", "--speed", "0.0001", "--events", "2")
    event = server.get(f"{NOW}/events?apiKey=paid").json[0]["id"]
    server.order("/_world", advance_s=2 * SNAPSHOT_S)
    server.order("/_keys", key="free", historical=False)
    date = iso(int(server.get("/_world").json["now"]))
    costs = []
    for path in ("odds?regions=us", "events?", f"events/{event}/odds?regions=us&markets=h2h,team_totals"):
        refused = server.get(f"{PAST}/{path}&date={date}&apiKey=free")
        assert (refused.status, refused.json["error_code"]) == (401, "HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN")
        assert "x-requests-used" not in refused.headers
        reply = server.get(f"{PAST}/{path}&date={date}&apiKey=paid")
        assert (reply.status, bool(reply.json["data"])) == (200, True)
        costs.append(reply.headers["x-requests-last"])
    assert costs == ["10", "1", "20"]
    assert server.get("/_stats").json["by_endpoint"]["historical_event_odds"] == 2
    absent = server.get(f"{PAST}/events/none/odds?regions=us&date={date}&apiKey=paid")
    assert (absent.status, absent.json["error_code"]) == (404, "EVENT_NOT_FOUND")
    assert (absent.headers["x-requests-used"], absent.headers["x-requests-last"]) == ("31", "0")
