"""Who gets stored answers: clients with a key that the vendor is known to accept, everybody, or each its own."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import CREDENTIAL, DIRECT, Emulator, House, emulator, running, stop
from tests.e2e.vendors import CALM_PACE, OPEN, calm, port_of, stood_in
from tests.e2e.wire import STILL, Reply, ask, fresh_target

GOOD, OTHER, WRONG = "good-foreign-key-0001", "good-foreign-key-0002", "wrong-foreign-key-0003"
KEYS = {"credential": [CREDENTIAL, GOOD, OTHER]}


@dataclass
class Scene:
    house: House
    provider: Emulator

    def ask(self, target: str, **named: Any) -> Reply:
        return ask(self.house.ports["reverse"], target, **named)

    def direct(self, target: str) -> Reply:
        return ask(port_of(self.provider.url), target)

    def calls(self) -> Counter[str]:
        """Paid requests by key."""
        accounts = self.provider.stats()["by_key"]
        names = {hashlib.sha256(key.encode()).hexdigest()[:12]: key for key in (CREDENTIAL, GOOD, OTHER)}
        return Counter({names[name]: account["used"] for name, account in accounts.items() if account["used"]})


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The shipped profile as it is: `clients = "known"`."""
    folder = tmp_path_factory.mktemp("known")
    with (
        emulator(**STILL, **KEYS) as provider,
        stood_in(folder, provider.url, "the-odds-api", verbose=True, **calm(*CALM_PACE)) as house,
    ):
        yield Scene(house, provider)


def target(key: str, base: str) -> str:
    return base.replace("apiKey=client", f"apiKey={key}")


def test_a_wrong_key_gets_the_vendors_own_401_every_time(known: Scene):
    base = fresh_target()
    wrong = target(WRONG, base)
    own = known.direct(wrong)
    assert (own.status, own.json["error_code"]) == (401, "INVALID_KEY")
    before = known.calls()
    for stored in (False, True):
        if stored:
            assert known.ask(target(CREDENTIAL, base)).status == 200
            assert known.ask(target(CREDENTIAL, base)).cache.startswith("hit")
        for _ in range(2):
            reply = known.ask(wrong)
            assert (reply.status, reply.body) == (401, own.body)
            assert reply["content-type"] == own["content-type"]
    assert known.ask(target(CREDENTIAL, base)).cache.startswith("hit")
    assert set(known.calls() - before) <= {CREDENTIAL}


def test_no_key_at_all_gets_the_vendors_own_401(known: Scene):
    base = fresh_target()
    assert known.ask(target(CREDENTIAL, base)).status == 200
    for bare in (base.replace("&apiKey=client", ""), target("", base)):
        own = known.direct(bare)
        assert (own.status, own.json["error_code"]) == (401, "MISSING_KEY")
        reply = known.ask(bare)
        assert (reply.status, reply.body) == (401, own.body)


def test_a_good_foreign_key_is_forwarded_once_and_then_gets_hits(known: Scene):
    """Whatever its first request was, and after a restart too."""
    stored, before = fresh_target(), known.calls()
    documents = [known.ask(target(CREDENTIAL, stored)).body for _ in range(2)]
    first = known.ask(target(GOOD, stored))
    assert first.way == "fwd=bypass"
    assert (known.calls() - before)[GOOD] == 1
    for again in (target(GOOD, stored), stored.replace("apiKey=client", f"api_key={GOOD}")):
        assert known.ask(again).cache.startswith("hit; ttl=")
    assert known.ask(target(GOOD, stored)).body == documents[-1] == first.body

    free_of_secrets(known, CREDENTIAL, GOOD, WRONG)
    assert known.house.process is not None
    stop(known.house.process)
    with running(known.house, "--verbose", "up"):
        reply = known.ask(target(GOOD, stored))
        assert reply.cache.startswith("hit; ttl=")
        assert reply.body == documents[-1]
        assert known.ask(target(WRONG, stored)).status == 401
        assert (known.calls() - before)[GOOD] == 1
        other = known.ask(target(OTHER, stored))
        assert (other.status, other.way) == (200, "fwd=bypass")
        free_of_secrets(known, CREDENTIAL, GOOD, OTHER, WRONG)


def free_of_secrets(scene: Scene, *keys: str) -> None:
    """The log, every file of the store and the ledger, and both processes' metrics."""
    house = scene.house
    found = {str(path): path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}
    assert any(name.endswith("cache.db") for name in found)
    assert any("ledger" in name for name in found)
    assert b"DEBUG" in found[str(house.log)]
    for role in ("metrics", "admin"):
        with DIRECT.open(f"{house.url(role)}/metrics", timeout=30) as answer:
            found[role] = answer.read()
    for name, content in found.items():
        for key in keys:
            assert key.encode() not in content, name


def test_open_to_everybody_who_reaches_it(tmp_path: Path):
    with (
        emulator(**STILL, **KEYS) as provider,
        stood_in(tmp_path, provider.url, "the-odds-api", top=OPEN, **calm(*CALM_PACE)) as house,
    ):
        scene, base = Scene(house, provider), fresh_target()
        bare = base.replace("&apiKey=client", "")
        replies = [scene.ask(one) for one in (target(WRONG, base), target(GOOD, base), bare)]
        assert [reply.status for reply in replies] == [200] * 3
        assert [reply.cache.partition(";")[0] for reply in replies] == ["fwd=uri-miss", "hit", "hit"]
        assert scene.calls() == {CREDENTIAL: 1}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Without a credential of holdover's."""
    changes: dict[str, Any] = {"top": 'clients = "own"', "env": None, **calm(*CALM_PACE)}
    folder = tmp_path_factory.mktemp("own")
    with (
        emulator(**STILL, **KEYS) as provider,
        stood_in(folder, provider.url, "the-odds-api", verbose=True, **changes) as house,
    ):
        yield Scene(house, provider)


def test_each_tenant_has_answers_and_calls_of_its_own(own: Scene):
    base = fresh_target()
    for key in (GOOD, OTHER):
        assert own.ask(target(key, base)).way == "fwd=uri-miss; stored"
        assert own.ask(target(key, base)).cache.startswith("hit")
    assert own.calls() == {GOOD: 1, OTHER: 1}
    narrow = target(OTHER, base).replace("markets=h2h", "markets=totals")
    assert own.ask(narrow).way == "fwd=uri-miss; stored"
    assert own.calls() == {GOOD: 1, OTHER: 2}
    reply = own.ask(target(WRONG, base))
    assert (reply.status, reply.body) == (401, own.direct(target(WRONG, base)).body)
    assert own.ask(target(GOOD, base)).cache.startswith("hit")
    free_of_secrets(own, GOOD, OTHER, WRONG)


def test_a_tenant_without_a_key_gets_the_vendors_own_401(own: Scene):
    bare = fresh_target().replace("&apiKey=client", "")
    reply = own.ask(bare)
    assert (reply.status, reply.body) == (401, own.direct(bare).body)
