"""Boards of one group become visible together: whoever reads both never sees a new one and then an old one, whichever
proxy of the machine answers."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from scripts.rig import Emulator, House, emulator, free_ports, running, wait_for, write_house
from tests.e2e.vendors import OPEN, count
from tests.e2e.wire import Reply, ask

WINDOW_S = 2
SPORTS = ("soccer_epl", "basketball_nba")
READERS = 2


class Second(House):
    """Another proxy beside the house's own: the same store, the same sidecar."""

    def __post_init__(self) -> None:
        self.log = self.folder / "second.log"

    @property
    def config(self):
        return self.folder / "second"


@dataclass
class Scene:
    house: House
    second: House
    provider: Emulator
    queries: tuple[str, ...]

    @property
    def all(self) -> range:
        """The numbers of everything there is to read."""
        return range(4 * len(self.queries))

    def read(self, number: int) -> Reply:
        """One of the boards through one of the proxies; all combinations in turn."""
        house = (self.house, self.second)[(number // 2 + number) % 2]
        query = self.queries[number // 4 % len(self.queries)]
        target = f"/v4/sports/{SPORTS[number % 2]}/odds?apiKey=k&regions=uk{query}"
        return ask(house.ports["reverse"], target)

    def watched(self, seconds: float, first: int = 0) -> list[Reply]:
        """What a reader gets who asks far more often than answers of one moment are apart."""
        replies, until = list[Reply](), time.monotonic() + seconds
        while time.monotonic() < until:
            replies.append(self.read(first + len(replies)))
            time.sleep(0.01)
        return replies

    def generations(self, result: str) -> float:
        labels = 'group="boards"', f'result="{result}"'
        return count(self.house, "admin", "holdover_generations_total", *labels)


def beside(house: House) -> Second:
    roles = ("reverse", "regular", "metrics")
    ports = dict(zip(roles, free_ports(len(roles)), strict=True))
    second = Second(house.folder, {**house.ports, **ports}, house.settings)
    shutil.copytree(house.config, second.config)
    text = (second.config / "holdover.toml").read_text()
    for role in roles:
        text = text.replace(str(house.ports[role]), str(ports[role]))
    (second.config / "holdover.toml").write_text(text)
    return second


def shipped(house: House) -> None:
    """The shipped profile with its projections, windows as short as those of the generic one."""
    names = ("window_s", "in_play_s", "near_s", "far_s", "empty_s", "cadence_s")
    changes = dict.fromkeys(names, str(WINDOW_S)) | dict.fromkeys(("max_stale_s", "max_stale_in_play_s"), "60")
    changes["timeout_s"] = "10\nretries = 0"
    house.write_profile("the-odds-api", top=OPEN, routes={"odds": {"group": '"boards"'}}, **changes)


@pytest.fixture(scope="module", params=["generic", "the-odds-api"])
def scene(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Two answers of one moment are hundreds of milliseconds apart, and far less than a window. With the shipped
    profile there are narrower answers, too, which are made of the wider ones. The quota lasts for all of a month."""
    settings: dict[str, Any] = {
        "window_s": WINDOW_S,
        "max_stale_s": 60,
        "retries": 0,
        "route_extra": 'group = "boards"',
        "extra": "",
    }
    with emulator(latency_p50_ms=200, latency_p95_ms=400, rate=0, quota=10**9) as provider:
        house = write_house(tmp_path_factory.mktemp("groups"), provider.url, **settings)
        queries: tuple[str, ...] = ("",)
        if request.param != "generic":
            shipped(house)
            queries = ("&markets=h2h,totals", "&markets=totals")
        second = beside(house)
        with running(house), running(second, "proxy", ready="the proxy is ready"):
            scene = Scene(house, second, provider, queries)
            for number in scene.all:
                assert scene.read(number).status == 200
            yield scene


def moment(reply: Reply) -> int:
    """Of which round of refreshes an answer is."""
    return int(float(reply["x-emulator-generated-at"]) // WINDOW_S)


def settled(scene: Scene) -> None:
    """Until both boards are of rounds that the sidecar began."""
    done = scene.generations("complete")
    wait_for(lambda: scene.generations("complete") >= done + 2, 60, 0.1)


def test_no_reader_sees_an_old_board_after_a_new_one(scene: Scene):
    settled(scene)
    with ThreadPoolExecutor(READERS) as pool:
        sequences = list(pool.map(lambda first: scene.watched(5 * WINDOW_S, first), range(READERS)))
    made = sum("projected=markets" in reply.cache for replies in sequences for reply in replies)
    assert bool(made) is (len(scene.queries) > 1)
    for replies in sequences:
        assert {reply.status for reply in replies} == {200}
        rounds = [moment(reply) for reply in replies]
        assert len(set(rounds)) >= 3
        assert all(earlier <= later for earlier, later in pairwise(rounds))


def test_a_board_that_fails_does_not_hold_up_the_other(scene: Scene):
    """It stays as it was until it is asked for again; nobody is told of the failure."""
    settled(scene)
    incomplete = scene.generations("incomplete")
    before = max(moment(scene.read(number)) for number in scene.all)
    scene.provider.control(fault={"kind": "status", "status": 503, "next": 1})
    replies = list[Reply]()

    def moved_on() -> bool:
        replies.extend(scene.read(number) for number in scene.all)
        return scene.generations("incomplete") > incomplete and moment(replies[-1]) > before

    wait_for(moved_on, 60)
    scene.provider.control(fault=None)
    assert {reply.status for reply in replies} == {200}
    assert max(int(reply["age"]) for reply in replies) <= 3 * WINDOW_S
    settled(scene)
    rounds = [moment(reply) for reply in scene.watched(2 * WINDOW_S)]
    assert all(earlier <= later for earlier, later in pairwise(rounds))
