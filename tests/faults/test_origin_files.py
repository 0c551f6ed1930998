"""Routes whose freshness is the origin's while the store cannot be written: what comes is held in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.rig import House
from tests.e2e.scripted import Scripted, Step, asked, house_of, scripted
from tests.e2e.wire import Reply
from tests.faults.table import proves
from tests.faults.test_files import TROUBLES

FRESH = ("Cache-Control", "max-age=60")
CLIENTS = 40
PROCESSES = 3
"""Two workers and the sidecar: each calls while it knows of no other."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def house(origin: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_of(tmp_path_factory.mktemp("house"), origin, proxy="workers = 2") as running:
        yield running


@pytest.fixture(params=TROUBLES)
def mark(request: pytest.FixtureRequest, house: House) -> Iterator[str]:
    """A path, while nothing can be written."""
    with request.param(house):
        yield f"/{request.node.name}"


def all_at_once(house: House, steps: Sequence[Step], targets: Sequence[str]) -> list[Reply]:
    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(lambda step, target: asked(house, step, target), steps, targets))


@proves("cache-locked", "changes-locked", "disk-read-only")
def test_who_asks_the_same_waits_for_one_call(house, origin, mark):
    steps, targets = [Step(says=[FRESH], delay=0.3)] * CLIENTS, [mark] * CLIENTS
    first = all_at_once(house, steps, targets)
    calls = len(origin.of(mark))
    assert calls <= PROCESSES
    again = all_at_once(house, steps, targets)
    assert len(origin.of(mark)) == calls
    assert {reply.status for reply in (*first, *again)} == {200}
    assert len({reply.body for reply in (*first, *again)}) <= PROCESSES
    assert any(reply.cache.startswith("hit") for reply in again)


@proves("cache-locked", "changes-locked", "disk-read-only")
def test_what_was_asked_for_once_is_not_asked_for_again(house, origin, mark):
    steps, targets = [Step(says=[FRESH])] * CLIENTS, [f"{mark}/{number}" for number in range(CLIENTS)]
    first = all_at_once(house, steps, targets)
    assert len(origin.of(mark)) == CLIENTS
    again = all_at_once(house, steps, targets)
    assert [reply.body for reply in again] == [reply.body for reply in first]
    assert len(origin.of(mark)) == CLIENTS


def test_each_gets_his_variant(house, origin, mark):
    langs = [("en", "de", "fr", "it")[number % 4] for number in range(CLIENTS)]
    steps = [Step({"Lang": lang}, [FRESH, ("Vary", "Lang")], body=lang, delay=0.1) for lang in langs]
    for _ in range(2):
        replies = all_at_once(house, steps, [mark] * CLIENTS)
        assert [reply.body.decode() for reply in replies] == langs
    assert len(origin.of(mark)) <= 4 * PROCESSES


@pytest.mark.parametrize("says", [FRESH, ("Cache-Control", "private, max-age=60")])
def test_nobody_gets_what_is_anothers(house, origin, mark, says):
    """By who asks, or by what the origin says of it."""
    personal = says == FRESH
    fields = [{"X-App-Key": f"key {number}"} if personal else {} for number in range(CLIENTS)]
    steps = [Step(each, [says], body=f"of {number}", delay=0.1) for number, each in enumerate(fields)]
    replies = all_at_once(house, steps, [mark] * CLIENTS)
    assert [reply.body for reply in replies] == [f"of {number}".encode() for number in range(CLIENTS)]
    assert asked(house, Step(says=[FRESH], body="all"), mark).body == b"all"
