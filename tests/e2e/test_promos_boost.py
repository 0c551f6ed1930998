"""Boosted odds on the homepage while their market moves at the provider."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import DIRECT, ROOT, Emulator, House, emulator, fetch_json, running, wait_for, write_house
from tests.e2e.wire import ask
from tests.here import run

SPORT = "soccer_epl"
BOARD = f"/v4/sports/{SPORT}/odds?regions=uk&markets=h2h&apiKey=client"
IDLE_S = 5
SECONDS = 40


@dataclass
class Scene:
    provider: Emulator
    house: House

    def place(self, in_s: float) -> dict[str, Any]:
        """A new event at the provider, as its board tells of it."""
        placed = self.world(place={"sport": SPORT, "in_s": in_s})["placed"]
        return dict(next(each for each in self.board() if each["id"] == placed["id"]))

    def world(self, **order: object) -> dict[str, Any]:
        return dict(fetch_json(f"{self.provider.url}/_world", order))

    def board(self) -> list[dict[str, Any]]:
        return list(fetch_json(f"{self.provider.url}{BOARD}"))

    def poll(self) -> None:
        """As a legacy client does, once."""
        assert ask(self.house.ports["reverse"], BOARD).status == 200

    def save(self, name: str, event: dict[str, Any], **odds: Any) -> None:
        now = datetime.now(UTC)
        promo = {
            "id": name,
            "kind": "boosted-odds",
            "slot": "boosts",
            "content": {"en": {"title": name}},
            "terms": {"short": {"en": "21+. One bet each. 1-800-GAMBLER."}, "link": "/terms"},
            "start": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
            "end": (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S"),
            "timezone": "UTC",
            "audience": {"jurisdictions": ["US-NJ"]},
            "odds": {
                "provider": "odds",
                "event": event["id"],
                "market": "h2h",
                "selection": event["home_team"],
                "price": 900.5,
                **odds,
            },
        }
        path: Path = self.house.config / "promos" / f"{name}.json"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"$schema": "../schema/promo.schema.json", "promos": [promo]}))
        beside.replace(path)

    def hidden(self, name: str) -> str:
        """Why; "" if it may be shown."""
        status = dict(fetch_json(f"{self.house.url('admin')}/v1/promos/status"))
        if {each["state"] for each in status["files"] if each["file"] == f"{name}.json"} != {"good"}:
            return "not accepted"
        return next((each["reason"] for each in status["hidden"] if each["id"] == name), "")

    def shown(self) -> dict[str, Any]:
        """What a visitor's homepage has of boosted odds, by id."""
        target = "/v1/promos?jurisdiction=US-NJ&language=en"
        return {each["id"]: each for each in fetch_json(self.house.url("admin") + target)["slots"]["boosts"]}

    def explained(self, name: str) -> str:
        """Why a visitor is not shown it; "" if it is shown."""
        target = "/v1/promos/explain?jurisdiction=US-NJ&language=en"
        told = fetch_json(self.house.url("admin") + target)["promos"]
        [gates] = [each["gates"] for each in told if each["id"] == name]
        return "; ".join(gate["why"] for gate in gates if not gate["passed"])

    def count(self, reason: str) -> float:
        return self.house.metrics("admin")[f'holdover_promos_hidden{{reason="{reason}"}}']


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with emulator(latency_p50_ms=0, rate=0, tick_s=0.5) as provider:
        settings: dict[str, Any] = {
            "extra": 'profile = "the-odds-api"',
            "route_extra": 'updated = ["last_update"]\nstarts = "commence_time"',
            "idle_after_s": IDLE_S,
        }
        house = write_house(tmp_path_factory.mktemp("boost"), provider.url, **settings)
        shutil.copytree(ROOT / "config" / "promos", house.config / "promos")
        with running(house):
            yield Scene(provider, house)


def best(event: dict[str, Any]) -> float:
    """The best price of the home team."""
    return max(
        float(outcome["price"])
        for bookmaker in event["bookmakers"]
        for market in bookmaker["markets"]
        for outcome in market["outcomes"]
        if (market["key"], outcome["name"]) == ("h2h", event["home_team"])
    )


def test_shown_suspended_and_shown_again_while_no_client_polls(scene: Scene):
    event = scene.place(3600)
    scene.save("boost", event)
    wait_for(lambda: "is in no cached answer of odds" in scene.hidden("boost"), SECONDS)
    scene.poll()
    wait_for(lambda: scene.hidden("boost") == "" and "boost" in scene.shown(), SECONDS)
    odds = scene.shown()["boost"]["odds"]
    assert odds == {
        "event": event["id"],
        "market": "h2h",
        "selection": event["home_team"],
        "price": 900.5,
        "was": odds["was"],
    }
    assert 1 < odds["was"] < 900

    with (
        ThreadPoolExecutor(1) as pool,
        DIRECT.open(f"{scene.house.url('admin')}/v1/promos/events", timeout=SECONDS) as stream,
    ):
        assert next_event(stream)
        told = pool.submit(next_event, stream)
        # Longer than a key is kept fresh that nobody asks for.
        scene.world(suspend={"event": event["id"], "market": "h2h", "in_s": 1.5 * IDLE_S, "for_s": 6})
        wait_for(lambda: scene.hidden("boost"), SECONDS)
        assert scene.hidden("boost").startswith("the market is suspended, since 20")
        assert scene.count("suspended") == 1
        assert "boost" not in scene.shown()
        assert told.result(60), "streams are told"
    wait_for(lambda: scene.hidden("boost") == "", SECONDS)
    assert scene.count("suspended") == 0
    assert "boost" in scene.shown()


def next_event(stream: Any) -> str:
    while not (line := stream.readline().decode()).startswith("data: "):
        assert line
    return str(line)


def test_the_price_moves_with_the_answer_that_a_homepage_must_not_keep(scene: Scene):
    event = scene.place(3600)
    scene.save("moving", event)
    scene.poll()
    wait_for(lambda: "moving" in scene.shown(), SECONDS)
    url = f"{scene.house.url('admin')}/v1/promos?jurisdiction=US-NJ&language=en"
    with DIRECT.open(url, timeout=30) as answer:
        assert answer.headers["Cache-Control"] == "private, no-cache"
        tag = answer.headers["ETag"]
    before = scene.shown()["moving"]["odds"]["was"]
    scene.world(goal={"event": event["id"], "side": "home"})
    wait_for(lambda: scene.shown()["moving"]["odds"]["was"] != before, SECONDS)
    with DIRECT.open(urllib.request.Request(url, headers={"If-None-Match": tag}), timeout=30) as answer:
        assert answer.status == 200


def test_a_price_that_is_as_good_hides_the_boost(scene: Scene):
    event = scene.place(3600)
    scene.save("better", event, price=1.001)
    scene.poll()
    wait_for(lambda: "already as good as the boost (1.001)" in scene.hidden("better"), SECONDS)
    assert scene.count("better") == 1
    assert "already as good as the boost (1.001)" in scene.explained("better")
    bookmaker = event["bookmakers"][0]["key"]
    scene.save("better", event, bookmaker=bookmaker)
    wait_for(lambda: scene.hidden("better") == "", SECONDS)
    scene.save("better", event, bookmaker="nobody")
    wait_for(lambda: 'tells of bookmaker "nobody"' in scene.hidden("better"), SECONDS)
    scene.save("better", event, market="spreads")
    wait_for(lambda: 'tells of market "spreads"' in scene.hidden("better"), SECONDS)


def test_from_its_start_on_an_event_is_not_boosted(scene: Scene):
    event = scene.place(15)
    scene.save("starting", event)
    scene.poll()
    wait_for(lambda: scene.hidden("starting") == "", 13)
    wait_for(lambda: "the event is past its start, since" in scene.hidden("starting"), SECONDS)
    assert scene.count("started") == 1


def test_a_price_that_the_provider_does_not_confirm_becomes_stale(scene: Scene):
    event = scene.place(3600)
    scene.save("aging", event, max_age_s=6)
    scene.poll()
    wait_for(lambda: scene.hidden("aging") == "", SECONDS)
    try:
        scene.provider.control(fault={"kind": "status", "status": 503})
        wait_for(lambda: scene.hidden("aging").startswith("the price is older than 6 s, since 20"), SECONDS)
        assert scene.count("stale") >= 1
    finally:
        scene.provider.control(fault=None)
    wait_for(lambda: scene.hidden("aging") == "", SECONDS)


def test_an_event_that_the_provider_takes_off_is_gone(scene: Scene):
    event = scene.place(3600)
    scene.save("leaving", event)
    scene.poll()
    wait_for(lambda: scene.hidden("leaving") == "", SECONDS)
    scene.world(remove={"event": event["id"]})
    wait_for(lambda: "is in no cached answer" in scene.hidden("leaving"), SECONDS)


def test_other_providers_are_refused_in_a_sentence(scene: Scene):
    scene.save("foreign", scene.board()[0], provider="elsewhere")
    wait_for(lambda: scene.hidden("foreign") == 'provider "elsewhere" is not configured', SECONDS)
    told = run(scene.house, "promos", "status")
    assert 'foreign: hidden: provider "elsewhere" is not configured' in told.stdout.splitlines()
