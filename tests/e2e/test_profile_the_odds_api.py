"""The shipped profile of The Odds API in front of the emulator: one request for many spellings and narrower requests,
revisions without timestamps, absences, starts of events, and how old an answer in play may be."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.rig import Emulator, House, emulator, wait_for
from tests.e2e.vendors import CALM_PACE, OPEN, calm, count, order, port_of, shapes, stood_in
from tests.e2e.wire import STILL, Reply, ask

QUOTA = ("x-requests-remaining", "x-requests-used", "x-requests-last")
WIDE = "/v4/sports/soccer_epl/odds?apiKey=k&regions=uk,eu&markets=h2h,totals"


@dataclass(frozen=True)
class Scene:
    house: House
    provider: Emulator

    def ask(self, target: str, **named: Any) -> Reply:
        return ask(self.house.ports["reverse"], target, **named)

    def direct(self, target: str) -> Reply:
        return ask(port_of(self.provider.url), target)

    def calls(self, part: str) -> int:
        return sum(shapes(self.provider, part).values())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Nothing changes and nothing is refreshed."""
    folder = tmp_path_factory.mktemp("the-odds-api")
    with (
        emulator(**STILL) as provider,
        stood_in(folder, provider.url, "the-odds-api", top=OPEN, **calm(*CALM_PACE)) as house,
    ):
        yield Scene(house, provider)


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Readings move every second, prices when they are told to; windows are short."""
    windows: dict[str, Any] = dict.fromkeys(("window_s", "in_play_s", "near_s", "far_s", "empty_s", "cadence_s"), "1")
    windows |= {"max_stale_in_play_s": "3", "timeout_s": "10\nbreaker_failures = 1000"}
    folder = tmp_path_factory.mktemp("brisk")
    with (
        emulator(latency_p50_ms=0, rate=0, volatility=0, tick_s=1, refresh_s=1) as provider,
        stood_in(folder, provider.url, "the-odds-api", top=OPEN, **windows) as house,
    ):
        yield Scene(house, provider)


SPELLINGS = {
    "requests": "apiKey=k&regions=us%2Cuk&markets=h2h%2Cspreads&includeLinks=True&commenceTimeFrom={time}",
    "httpx": "apiKey=k&regions=us%2Cuk&markets=h2h%2Cspreads&includeLinks=true&commenceTimeFrom={time}",
    "aiohttp and axios": "apiKey=k&regions=us,uk&markets=h2h,spreads&includeLinks=true&commenceTimeFrom={colons}",
    "the vendor's samples": "api_key=k&markets=spreads,h2h&regions=uk,us&includeLinks=True&commenceTimeFrom={time}",
    "with a slash": "commenceTimeFrom={colons}&includeLinks=true&markets=h2h,spreads&regions=uk,us,uk&apiKey=k",
}


def test_five_spellings_of_one_request_are_one_request(scene: Scene):
    times = {"time": "2026-01-01T00%3A00%3A00Z", "colons": "2026-01-01T00:00:00Z"}
    replies = []
    for name, query in SPELLINGS.items():
        slash = "/" if name == "with a slash" else ""
        replies.append(scene.ask(f"/v4/sports/basketball_nba/odds{slash}?{query.format(**times)}"))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert scene.calls("basketball_nba") == 1
    assert [reply.cache.partition(";")[0] for reply in replies[1:]] == ["hit"] * 4
    assert [reply["x-requests-last"] for reply in replies] == ["4", "0", "0", "0", "0"]


def events(scene: Scene) -> list[dict[str, str]]:
    found: list[dict[str, str]] = scene.direct(WIDE).json
    return found


NARROWER = {
    "markets=h2h": "markets",
    "markets=totals": "markets",
    "markets=h2h&eventIds={ids}": "events+markets",
    "markets=h2h,totals&eventIds=unknown": "events",
    "markets=h2h,totals&commenceTimeFrom={third}&commenceTimeTo={fifth}": "times",
    "markets=h2h,totals&commenceTimeFrom={third}": "times",
    "markets=h2h,totals&dateFormat=unix": "dates",
    "markets=totals&dateFormat=unix&commenceTimeTo={fifth}&eventIds={ids}": "dates+events+markets+times",
}


@pytest.mark.parametrize("narrow", NARROWER)
def test_a_narrower_request_is_answered_from_the_wide_one(scene: Scene, narrow: str):
    found = events(scene)
    ids = ",".join(event["id"] for event in found[1:4])
    query = narrow.format(ids=ids, third=found[2]["commence_time"], fifth=found[4]["commence_time"])
    target = f"/v4/sports/soccer_epl/odds?apiKey=k&regions=uk,eu&{query}"
    scene.ask(WIDE)
    before = scene.calls("soccer_epl")
    first, second = scene.ask(target), scene.ask(target)
    assert scene.calls("soccer_epl") == before
    direct = scene.direct(target)
    assert first.body == second.body == direct.body
    assert (first.status, first["content-type"]) == (200, direct["content-type"])
    detail = rf'detail="(payload-age=\d+ )?projected={re.escape(NARROWER[narrow])}"'
    assert re.fullmatch(f"hit; {detail}", first.cache), first.cache
    assert re.fullmatch(rf"hit; ttl=\d+; {detail}", second.cache), second.cache
    for reply in (first, second):
        assert [reply[name] for name in QUOTA][2] == "0"
        assert all(reply[name].isdecimal() for name in QUOTA)


def test_bookmakers_are_cut_from_regions_unless_that_empties_an_event(scene: Scene):
    """Whether the vendor sends an event without bookmakers is not documented, so it is asked."""
    path = "/v4/sports/icehockey_nhl/odds?apiKey=k"
    wide = scene.ask(f"{path}&regions=uk&markets=h2h")
    listed = [{book["key"] for book in event["bookmakers"]} for event in wide.json]
    assert all(listed)
    everywhere = sorted(set.intersection(*listed))
    assert everywhere
    narrow = f"{path}&bookmakers={','.join(everywhere)}&markets=h2h"
    before = scene.calls("icehockey_nhl")
    cut = scene.ask(narrow)
    assert scene.calls("icehockey_nhl") == before
    assert cut.body == scene.direct(narrow).body
    assert cut.cache.endswith('projected=bookmakers"')
    assert len(cut.json[0]["bookmakers"]) < len(listed[0])

    absent = f"{path}&bookmakers=draftkings&markets=h2h"
    before = scene.calls("icehockey_nhl")
    asked = scene.ask(absent)
    assert scene.calls("icehockey_nhl") == before + 1
    assert asked.body == scene.direct(absent).body
    assert asked.cache.startswith("fwd=uri-miss")


def test_a_wider_request_is_asked_for(scene: Scene):
    path = "/v4/sports/tennis_atp/odds?apiKey=k&regions=us"
    scene.ask(f"{path}&markets=h2h")
    wider = f"{path}&markets=h2h,spreads"
    assert scene.ask(wider).body == scene.direct(wider).body
    american = f"{path}&markets=h2h&oddsFormat=american"
    reply = scene.ask(american)
    assert reply.body == scene.direct(american).body
    assert reply.cache.startswith("fwd=uri-miss")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v4/sports/soccer_epl/odds?apiKey=k&regions=uk&markets=nonsense", 422),
        ("/v4/sports/soccer_epl/events/0123456789abcdef/odds?apiKey=k&regions=uk", 404),
    ],
)
def test_an_absence_is_remembered_and_given_as_the_vendor_says_it(scene: Scene, target: str, status: int):
    before = scene.provider.stats()["by_status"].get(str(status), 0)
    first, second = scene.ask(target), scene.ask(target)
    assert scene.provider.stats()["by_status"][str(status)] == before + 1
    direct = scene.direct(target)
    assert (first.status, first.body) == (second.status, second.body) == (status, direct.body)
    assert first["content-type"] == second["content-type"] == direct["content-type"]
    assert second.cache.startswith("hit; ttl=")
    assert second["x-requests-last"] == "0"


def test_an_event_that_begins_is_asked_for_at_once(scene: Scene):
    """Whatever is left of the window."""
    placed = order(scene.provider, "world", place={"sport": "baseball_mlb", "in_s": 5})["placed"]
    target = "/v4/sports/baseball_mlb/odds?apiKey=k&regions=us"
    first = scene.ask(target)
    assert placed["id"] in {event["id"] for event in first.json}
    assert scene.calls("baseball_mlb") == 1

    def asked_again() -> bool:
        calls = scene.calls("baseball_mlb")
        assert calls == 1 or time.time() >= placed["commence_time"]
        return calls == 2

    wait_for(asked_again, 30)
    wait_for(lambda: int(scene.ask(target)["age"]) <= time.time() - placed["commence_time"], 30)
    assert scene.calls("baseball_mlb") == 2


def test_a_parameter_that_changes_with_every_call_makes_no_keys(scene: Scene):
    """Each would be kept fresh. It goes to the vendor as it would without holdover, and is counted."""
    labels = 'upstream="the-odds-api"', 'reason="parameter"'
    counted = count(scene.house, "metrics", "holdover_client_bypasses_total", *labels)
    kept = count(scene.house, "admin", "holdover_refresh_keys")
    for number in range(3):
        reply = scene.ask(f"/v4/sports/basketball_nba/odds?apiKey=k&regions=us&_={number}")
        assert reply.status == 200
        assert "cache-status" not in dict(reply.fields)
    assert count(scene.house, "metrics", "holdover_client_bypasses_total", *labels) == counted + 3
    assert count(scene.house, "admin", "holdover_refresh_keys") == kept


def test_no_markets_means_h2h_where_the_vendor_says_that_a_sport_has_no_outrights(scene: Scene):
    """It says so in the list of sports, which is asked for at start."""
    path = "/v4/sports/rugbyleague_nrl/odds?apiKey=k&regions=us"
    sports = {sport["key"]: sport["has_outrights"] for sport in scene.direct("/v4/sports?apiKey=k").json}
    assert not sports["rugbyleague_nrl"]
    first = scene.ask(f"{path}&markets=h2h")
    before = scene.calls("rugbyleague_nrl")
    second = scene.ask(path)
    assert scene.calls("rugbyleague_nrl") == before
    assert second.body == first.body == scene.direct(path).body


def newest(reply: Reply) -> str:
    return max(str(book["last_update"]) for event in reply.json for book in event["bookmakers"])


def test_a_reading_without_a_change_of_price_keeps_the_tag_and_is_told(brisk: Scene):
    target = "/v4/sports/soccer_epl/odds?apiKey=k&regions=uk"
    first = brisk.ask(target)
    later = first

    def read_again() -> bool:
        nonlocal later
        later = brisk.ask(target)
        return newest(later) > newest(first)

    wait_for(read_again, 30, 0.2)
    assert later.body != first.body
    assert later["etag"] == first["etag"]
    known = brisk.ask(target, headers={"If-None-Match": first["etag"]})
    assert (known.status, known.body) == (304, b"")
    labels = 'upstream="the-odds-api"', 'effect="unchanged"'
    assert count(brisk.house, "admin", "holdover_upstream_responses_total", *labels) >= 1

    event = next(event["id"] for event in later.json)
    order(brisk.provider, "world", goal={"event": event})
    wait_for(lambda: brisk.ask(target)["etag"] != first["etag"], 30, 0.2)
    assert brisk.ask(target, headers={"If-None-Match": first["etag"]}).status == 200


def test_in_play_an_answer_is_given_for_seconds_only(brisk: Scene):
    """Before the start the limit is another one; and beyond it, the vendor's own words."""
    in_play = "/v4/sports/soccer_epl/odds?apiKey=k&regions=uk"
    ahead = "/v4/sports/americanfootball_nfl/odds?apiKey=k&regions=us"
    assert [brisk.ask(target).status for target in (in_play, ahead)] == [200, 200]
    brisk.provider.control(fault={"kind": "status", "status": 503, "body": '{"message": "away"}'})
    try:
        ages: list[int] = []

        def refused() -> bool:
            reply = brisk.ask(in_play)
            if reply.status == 200:
                ages.append(int(reply["age"]))
                return False
            assert (reply.status, reply.body) == (503, b'{"message": "away"}')
            return True

        wait_for(refused, 30, 0.1)
        assert ages
        assert max(ages) <= 3
        assert brisk.ask(ahead).status == 200
    finally:
        brisk.provider.control(fault=None)
    wait_for(lambda: brisk.ask(in_play).status == 200, 30, 0.2)
