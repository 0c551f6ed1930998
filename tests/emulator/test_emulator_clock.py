from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest

from scripts.emulator.clock import Clock

from .conftest import QUICK, Server

EPL = "/v4/sports/soccer_epl"
US = f"{EPL}/odds?regions=us&apiKey=k&dateFormat=unix"
SLOW = ("--latency-p50-ms", "0", "--rate", "0", "--speed", "0.001")


class Hand:
    """A clock moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_virtual_time_runs_at_its_speed_and_can_be_set_forward() -> None:
    real = Hand()
    clock = Clock(60, real, start=1000)
    assert clock() == 1000
    real.now += 2
    assert clock() == 1120
    clock.advance(30)
    assert clock() == 1150
    clock.run_at(0.5)
    assert clock() == 1150
    real.now += 2
    assert clock() == 1151
    clock.advance(-99)
    assert clock() == 1151


def test_the_start_is_the_real_time_unless_given() -> None:
    real = Hand()
    assert Clock(1, real)() == real.now


def test_advancing_the_world_moves_every_face_of_the_time(starting: Callable[..., Server]) -> None:
    server = starting(*SLOW, "--start", "1790000000")
    before = server.get("/_truth?sport=soccer_epl").json
    world = server.order("/_world", advance_s=90).json
    assert 1_790_000_090 <= world["now"] < 1_790_000_100
    assert world["tick"] == before["tick"] + 90
    reply = server.get(US)
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(world["now"])
    assert int(float(reply.headers["x-emulator-generated-at"])) == int(world["now"])
    assert max(book["last_update"] for event in reply.json for book in event["bookmakers"]) >= 1_790_000_080
    assert server.get("/_truth?sport=soccer_epl").json["tick"] == world["tick"]


def test_two_worlds_of_one_seed_agree_at_one_virtual_time(starting: Callable[..., Server]) -> None:
    options = (*SLOW, "--start", "1790000000", "--ages", "realistic", "--incidents", "--seed", "4", "--events", "4")
    one, other = starting(*options), starting(*options)
    one.order("/_world", advance_s=200)
    for _ in range(4):
        other.order("/_world", advance_s=50)
    assert one.get(US).body == other.get(US).body
    other.order("/_world", advance_s=100)
    assert one.get(US).body != other.get(US).body


def test_time_runs_faster_than_real(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--tick-s", "20", "--speed", "200", "--events", "2")
    first = server.get("/_world").json
    second = server.get("/_world").json
    assert second["now"] - first["now"] == pytest.approx((second["real"] - first["real"]) * 200, abs=5)
    assert second["now"] > first["now"]
    server.order("/_world", speed=0.001)
    assert server.get("/_world").json["speed"] == 0.001


@pytest.mark.parametrize("skew", [-40, 120])
def test_the_date_header_can_be_wrong(starting: Callable[..., Server], skew: int) -> None:
    server = starting(*SLOW, "--start", "1790000000", "--date-skew-s", str(skew))
    assert parsedate_to_datetime(server.get(US).headers["date"]).timestamp() == 1_790_000_000 + skew
    server.control(date_skew_s=0.0)
    assert parsedate_to_datetime(server.get(US).headers["date"]).timestamp() == 1_790_000_000


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"advance_s": -1}, "advance_s must be a number of at least 0"),
        ({"advance_s": 1e9}, "advance_s must be at most 500000 ticks"),
        ({"speed": 0}, "speed must be above 0"),
        ({"leap": 1}, "unknown order: leap"),
        ({"place": {"sport": "soccer_epl"}}, "place.in_s is missing"),
        ({"place": {"sport": "nothing", "in_s": 1}}, "place.sport is unknown or has no teams: nothing"),
        ({"place": {"sport": "rugbyleague_nrl", "in_s": 1}}, "place.sport is unknown or has no teams"),
        ({"goal": {"event": "nothing"}, "advance_s": 50}, "event is not on the board: nothing"),
        ({"suspend": {"event": "nothing", "for_s": 1}}, "event is not on the board: nothing"),
        ({"remove": {"event": "nothing"}}, "remove names no event of the board"),
        ({"remove": {}}, "remove names no event of the board"),
    ],
)
def test_a_wrong_order_changes_nothing(server: Server, order: dict[str, object], message: str) -> None:
    before = server.get("/_world").json
    reply = server.order("/_world", **order)
    assert reply.status == 400
    assert reply.json["message"].startswith(message)
    after = server.get("/_world").json
    assert after["events"] == before["events"]
    assert after["now"] - before["now"] < 40
