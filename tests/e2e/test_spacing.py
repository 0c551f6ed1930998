"""Requests that share the vendor's least interval, each of which needs a call of its own: fair turns."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.emulator.vendors.launch import Running
from scripts.emulator.vendors.launch import running as vendor
from scripts.rig import House, fetch_json, running, wait_for, write_house
from tests.e2e.vendors import joined
from tests.e2e.wire import Reply, ask

BASIC, WRONG = ("Basic " + base64.b64encode(pair).decode() for pair in (b"user:password", b"user:wrong"))
SPACING_S, ON_THE_WAY_S = 2.0, 1.0
"""holdover starts calls so far apart; on a busy machine two of them may draw together on their way."""
STRANGE = "leagueIds=1"
BOARD, LIVE = "/v2/odds?sportId=29", "/v2/odds?sportId=29&isLive=1"


@dataclass
class Scene:
    house: House
    upstream: Running

    def ask(self, target: str, authorization: str = BASIC) -> Reply:
        port = self.house.ports["reverse"]
        return ask(port, target, host="api.pinnacle.com", headers={"Authorization": authorization})

    def asked(self) -> list[str]:
        """What each call of the sport was for, of those that holdover makes for itself."""
        lines = [
            line for line in self.upstream.stats()["last_requests"] if "/v2/odds" in line and STRANGE not in line
        ]
        return ["live" if "isLive" in line else "board" for line in lines]

    def keys(self) -> int:
        return int(fetch_json(f"{self.house.url('admin')}/healthz")["keys"])


@pytest.fixture
def scene(tmp_path, monkeypatch) -> Iterator[Scene]:
    monkeypatch.setenv("PINNACLE_AUTHORIZATION", BASIC)
    house = write_house(tmp_path, "http://127.0.0.1:9", "max_keys = 30")
    spaced: dict[str, Any] = {"window_s": f"{SPACING_S}", "min_interval_s": f"{SPACING_S}", "max_stale_s": "10"}
    options = {"spacing_s": SPACING_S - ON_THE_WAY_S, "credential": "user:password", "snapshot_cache_s": 0}
    with vendor("pinnacle", **options) as upstream:
        house.write_profile(
            "pinnacle",
            hosts='["api.pinnacle.com"]',
            origin=f'"{upstream.url}"',
            env='"PINNACLE_AUTHORIZATION"',
            rate_per_s="1000",
            burst="1000",
            **spaced,
        )
        with running(house):
            wait_for(lambda: joined(house))
            yield Scene(house, upstream)


def test_what_cannot_be_made_from_the_board_has_its_turns(scene: Scene):
    """A client of live odds beside one of the whole board: refused until its first turn, and told when that is."""
    assert scene.ask(BOARD).status == 200
    replies = []
    while len(scene.asked()) < 7:
        assert scene.ask(BOARD).status == 200
        replies.append(scene.ask(LIVE))
        time.sleep(0.2)
    first = next(number for number, reply in enumerate(replies) if reply.status == 200)
    assert first > 0
    for refused in replies[:first]:
        assert (refused.status, "asked too recently" in refused.cache) == (503, True)
        assert 1 <= int(refused["retry-after"]) <= SPACING_S
    assert {reply.status for reply in replies[first:]} == {200}
    assert scene.asked()[:7] == ["board", "live"] * 3 + ["board"]
    live = {event["id"] for league in replies[-1].json["leagues"] for event in league["events"]}
    board = {event["id"] for league in scene.ask(BOARD).json["leagues"] for event in league["events"]}
    assert live < board
    assert scene.upstream.stats()["pinnacle"].get("too_many", 0) == 0


def test_neither_floods_nor_strangers_take_the_boards_turns(scene: Scene):
    """Requests that differ each time, and such with an account that the vendor refuses."""
    assert scene.ask(BOARD).status == 200
    number = 0
    while len(scene.asked()) < 7:
        for _ in range(5):
            assert scene.ask(f"{LIVE}&eventIds={number}").status in (200, 503)
            number += 1
        assert scene.ask(f"{LIVE}&eventIds={number}&{STRANGE}", WRONG).status == 401
        assert scene.ask(BOARD).status == 200
        time.sleep(0.2)
    assert scene.asked()[::2][:4] == ["board"] * 4
    assert number > 60
    assert scene.keys() <= 30
    assert scene.upstream.stats()["pinnacle"].get("too_many", 0) == 0
