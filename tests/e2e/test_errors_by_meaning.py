"""What a vendor's refusals mean: a used-up quota, a dead key, a rate, errors with status 200, a page of HTML."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import CREDENTIAL, Emulator, House, emulator, running, stop, wait_for, write_house
from tests.e2e.vendors import OPEN, count, order, port_of, shapes
from tests.e2e.wire import Reply, arrivals, ask, fresh_target
from tests.here import run

MAX_STALE_S = 3
NAME = "the-odds-api"
BRISK: dict[str, Any] = {
    **dict.fromkeys(("window_s", "in_play_s", "near_s", "far_s", "empty_s", "cadence_s"), "1"),
    **dict.fromkeys(("max_stale_s", "max_stale_in_play_s"), str(MAX_STALE_S)),
    "idle_after_s": "600",
    "timeout_s": "2\nbreaker_failures = 1000",
    # The free list of sports is asked for by the probe alone.
    "routes": {"sports": {"window_s": "3600", "max_stale_s": "86400"}},
}


@dataclass
class Scene:
    house: House
    provider: Emulator

    def ask(self, target: str) -> Reply:
        return ask(self.house.ports["reverse"], target)

    def refusal(self, path: str = "/v4/sports/soccer_epl/odds?regions=uk") -> Reply:
        """What the provider itself says to holdover's key."""
        return ask(port_of(self.provider.url), f"{path}&apiKey={CREDENTIAL}")

    def calls(self) -> int:
        return sum(shapes(self.provider).values())

    def key(self) -> dict[str, Any]:
        found = order(self.provider, "keys")["keys"]
        (one,) = found.values()
        return dict(one)

    def budget(self) -> tuple[str, dict[str, Any]]:
        """In words, and the account in the machine's form."""
        text, told = run(self.house, "budget"), run(self.house, "budget", "--json")
        assert (text.returncode, told.returncode) == (0, 0), text.stderr
        (account,) = json.loads(told.stdout)["providers"][0]["accounts"]
        return text.stdout, account

    def state(self, name: str) -> float:
        """A gauge of the sidecar's: `upstream_quota_frozen` or `upstream_credential_dead`."""
        return count(self.house, "admin", f"holdover_{name}", f'upstream="{NAME}"')

    def reload(self) -> None:
        """A change of the provider's file, which has the sidecar ask anew what it believed about the key."""
        before = count(self.house, "admin", "holdover_config_reloads_total", 'result="ok"')
        self.house.write_profile(NAME, top=f"{OPEN}\nknown_for_s = {1000 + before}", **BRISK)
        wait_for(lambda: count(self.house, "admin", "holdover_config_reloads_total", 'result="ok"') > before, 30)


@contextmanager
def staged(folder: Path, **options: Any) -> Iterator[Scene]:
    with emulator(latency_p50_ms=0, rate=0, volatility=0, credential=CREDENTIAL, **options) as provider:
        house = write_house(folder, provider.url)
        house.write_profile(NAME, top=OPEN, **BRISK)
        with running(house):
            yield Scene(house, provider)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with staged(tmp_path_factory.mktemp("errors")) as scene:
        yield scene


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In which the vendor is asked: nothing is left of what another test had it say."""
    if shared.key()["deactivated"]:
        order(shared.provider, "keys", key=CREDENTIAL, deactivated=False)
        shared.reload()
    shared.provider.control(fault=None, retry_after="none", retry_after_s=2)
    wait_for(lambda: shared.ask(fresh_target()).way == "fwd=uri-miss; stored", 60, 0.2)
    return shared


def until_refused(scene: Scene, target: str, status: int) -> Reply:
    """Asks until the stored answer is too old; none that was given is older than the limit."""
    replies: list[Reply] = []

    def refused() -> bool:
        replies.append(scene.ask(target))
        return replies[-1].status != 200

    wait_for(refused, 60, 0.1)
    served = [int(reply["age"]) for reply in replies[:-1]]
    assert served
    assert max(served) <= MAX_STALE_S
    assert replies[-1].status == status
    return replies[-1]


def calls_while(scene: Scene, act: Callable[[], None]) -> int:
    before = scene.calls()
    act()
    return scene.calls() - before


def test_a_quota_that_is_used_up_is_not_asked_of_again(tmp_path: Path):
    """Stale answers to their limit, then the vendor's own 401; nothing more is asked until the quota is filled."""
    target = "/v4/sports/soccer_epl/odds?regions=uk&apiKey=k"
    with staged(tmp_path) as scene:
        assert scene.ask(target).status == 200
        order(scene.provider, "keys", key=CREDENTIAL, quota=0)
        reply = until_refused(scene, target, 401)
        own = scene.refusal()
        assert own.json["error_code"] == "OUT_OF_USAGE_CREDITS"
        assert (reply.body, reply["content-type"]) == (own.body, own["content-type"])
        spent = scene.key()["spent"]

        def insist() -> None:
            """Longer than several windows, for what is known and for what is not."""
            for _ in range(12):
                for wanted in (target, fresh_target()):
                    again = scene.ask(wanted)
                    assert (again.status, again.body) == (401, own.body)
                time.sleep(0.25)

        assert calls_while(scene, insist) == 0
        assert scene.house.process is not None
        stop(scene.house.process)
        with running(scene.house):

            def restarted() -> None:
                """The words of the refusal were forgotten: one call, refused and free, brings them."""
                for _ in range(8):
                    again = scene.ask(fresh_target())
                    assert (again.status, again.body) == (401, own.body)

            assert calls_while(scene, restarted) <= 1
            assert scene.state("upstream_quota_frozen") == 1
            wait_for(lambda: scene.budget()[1]["remaining"] <= 0, 60)
            text, account = scene.budget()
            assert "frozen: calls that cost are suspended for another" in text
            assert "overdrawn by" in text
            assert account["state"] == "frozen"
            assert scene.key()["spent"] == spent

            order(scene.provider, "keys", key=CREDENTIAL, quota=None, reset=True)
            probes = scene.provider.stats()["by_endpoint"]["sports"]
            scene.reload()
            wait_for(lambda: scene.provider.stats()["by_endpoint"]["sports"] > probes, 30, 0.2)
            wait_for(lambda: scene.budget()[1]["state"] == "normal", 30)
            assert scene.ask(target).status == 200


def test_a_dead_key_is_told_and_left_alone(scene: Scene):
    target = "/v4/sports/basketball_nba/odds?regions=uk&apiKey=k"
    assert scene.ask(target).status == 200
    order(scene.provider, "keys", key=CREDENTIAL, deactivated=True)
    reply = until_refused(scene, target, 401)
    own = scene.refusal()
    assert own.json["error_code"] == "DEACTIVATED_KEY"
    assert reply.body == own.body

    def insist() -> None:
        for _ in range(12):
            assert scene.ask(fresh_target()).body == own.body
            time.sleep(0.1)

    assert calls_while(scene, insist) == 0
    assert scene.state("upstream_credential_dead") == 1
    wait_for(lambda: scene.budget()[1]["state"] == "dead", 60)
    assert "dead: the provider says that the credential is not valid" in scene.budget()[0]

    order(scene.provider, "keys", key=CREDENTIAL, deactivated=False)
    scene.reload()
    wait_for(lambda: scene.ask(target).status == 200, 30, 0.2)
    wait_for(lambda: scene.state("upstream_credential_dead") == 0, 30)


@pytest.mark.parametrize(("form", "pause_s"), [("none", 2.0), ("seconds", 4.0), ("date", 3.0)])
def test_after_a_429_the_vendor_is_left_alone_as_long_as_it_says(scene: Scene, form: str, pause_s: float):
    """A date has whole seconds. Who asks meanwhile is told the rest of the pause."""
    scene.provider.control(fault={"kind": "frequency"}, retry_after=form, retry_after_s=4)
    before = time.monotonic()
    first = scene.ask(fresh_target())
    assert first.status == 429
    assert first.json["error_code"] == "EXCEEDED_FREQ_LIMIT"
    calls = scene.calls()
    while scene.calls() == calls:
        reply = scene.ask(fresh_target())
        assert (reply.status, reply.body) == (429, first.body)
        assert reply["retry-after"].isdecimal() or scene.calls() > calls
        time.sleep(0.1)
    assert time.monotonic() - before >= pause_s


ERROR = json.dumps({"message": "no", "error_code": "HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN"})
ILL = {
    "an error with status 200": {"kind": "status", "status": 200, "body": ERROR},
    "HTML with status 200": {"kind": "maintenance"},
    "no JSON": {"kind": "garbage"},
}


@pytest.mark.parametrize("kind", ILL)
def test_a_200_that_holds_no_odds_is_never_stored(scene: Scene, kind: str):
    known, unknown, began = fresh_target(), fresh_target(), time.monotonic()
    good = scene.ask(known)
    scene.provider.control(fault=ILL[kind])
    calls, replies = arrivals(scene.provider, known), list[Reply]()

    def asked_anew() -> bool:
        reply = scene.ask(known)
        if time.monotonic() - began < MAX_STALE_S:
            # Afterwards it may be too old to be given.
            replies.append(reply)
        return arrivals(scene.provider, known) > calls

    wait_for(asked_anew, every=0.1)
    for stale in replies:
        assert stale.cache.startswith(("hit", "fwd=stale"))
        assert [event["id"] for event in stale.json] == [event["id"] for event in good.json]
    shown = scene.ask(unknown)
    own = scene.refusal()
    assert (shown.status, shown.body) == (200, own.body)
    assert "stored" not in shown.cache
    again = scene.ask(unknown)
    assert again.cache.startswith("fwd=uri-miss")
    scene.provider.control(fault=None)
    well = scene.ask(unknown)
    assert (well.status, well.way) == (200, "fwd=uri-miss; stored")


def test_silence_is_answered_from_the_store_to_its_limit(scene: Scene):
    target = fresh_target()
    assert scene.ask(target).status == 200
    scene.provider.control(fault={"kind": "hang"})
    reply = until_refused(scene, target, 504)
    assert reply["content-type"] == "application/json"
