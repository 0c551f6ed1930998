"""A provider that speaks HTTP wrongly, in every way at once: each fault befalls a provider of its own, under load.

One house has as many providers as there are faults. All are good, then each has its fault for longer than answers
live, then all are good again; the tests judge what clients saw."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdover.entry import Entry
from holdover.store.disk import DiskStore
from scripts.fault_origin import faults
from scripts.fault_origin.faults import FAULTS
from scripts.fault_origin.launch import fault_origin
from scripts.fault_origin.sources import sound
from scripts.rig import HOST, PROVIDER, PROVIDER_DEFAULTS, House, busy, percentile, running, wait_for, write_house
from scripts.soak import promises
from scripts.soak.clients import Connection, Crowd, Question, Seen
from tests.faults.load import ask
from tests.faults.table import FORGOTTEN, KEPT, Row, proves
from tests.faults.table import PROVIDER as ROWS

LIMIT_S, TIMEOUT_S = 5, 3
FAULT_S = LIMIT_S + 4
EACH = 2
WORDS = {"wrong-type": faults.PAGE, "not-json": faults.NOT_JSON, "error-in-200": faults.ERROR}


@dataclass
class Played:
    """What each client saw by fault; `cold`: one answer for a key that was never asked for before the fault."""

    seen: dict[str, list[Seen]]
    cold: dict[str, Seen]
    stored: list[Entry]
    counts: dict[str, int]
    began: float
    ended: float


def named(fault: str) -> str:
    return f"{fault}.faults.test"


def one_provider_each(house: House, url: str) -> None:
    (house.config / "providers" / "odds.toml").unlink()
    errors = '[[errors]]\nmeans = "error"\npointer = "/error_code"\n'
    settings = {"origin": url, "timeout_s": TIMEOUT_S, "retries": 0, "max_stale_s": LIMIT_S, "extra": errors}
    for fault in FAULTS:
        text = PROVIDER.format(**{**PROVIDER_DEFAULTS, **settings, "host": named(fault)})
        text = text.replace('name = "odds"', f'name = "{fault}"', 1)
        (house.config / "providers" / f"{fault}.toml").write_text(text)


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Played:
    folder: Path = tmp_path_factory.mktemp("faulty")
    clients = {fault: range(EACH * n, EACH * (n + 1)) for n, fault in enumerate(FAULTS)}
    questions = [Question(named(fault), f"/v4/sports/{fault}/odds", 0.5) for fault in FAULTS for _ in range(EACH)]
    with fault_origin() as origin:
        house = write_house(folder, origin.url)
        one_provider_each(house, origin.url)
        with running(house), Crowd(house.ports["reverse"], questions, sound).on() as crowd:
            # Seen twice with some time between: the sidecar keeps all of them fresh.
            for _ in range(2):
                now = time.time()
                wait_for(lambda now=now: all(recovered(crowd.of(*mine), now) for mine in clients.values()))
            origin.play({f"/{fault}/": fault for fault in FAULTS})
            began = time.time()
            cold = asyncio.run(ask_all(crowd))
            time.sleep(max(0.0, began + FAULT_S - time.time()))
            stored = list(DiskStore(house.folder / "var" / "store", 2**30).entries())
            counts = origin.stats()["by_fault"]
            origin.play({})
            ended = time.time()
            wait_for(lambda: all(recovered(crowd.of(*mine), ended) for mine in clients.values()))
    seen = {fault: crowd.of(*mine) for fault, mine in clients.items()}
    return Played(seen, cold, stored, counts, began, ended)


def recovered(seen: list[Seen], since: float) -> bool:
    return promises.recovered_after(seen, since) is not None


async def ask_all(crowd: Crowd) -> dict[str, Seen]:
    some = asyncio.Semaphore(8)

    async def ask(fault: str) -> Seen:
        question = Question(named(fault), f"/v4/sports/{fault}/odds?regions=uk")
        connection = Connection(crowd.port)
        async with some:
            seen = await crowd.ask(-1, question, connection)
        connection.close()
        return seen

    return dict(zip(NEW, await asyncio.gather(*map(ask, NEW)), strict=True))


# What comes late is no answer to a request that is sent even later; one that was sent meanwhile cannot tell.
NEW = [fault for fault in FAULTS if fault != "smuggled-late"]
EVERY = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


@EVERY
@proves(*FAULTS)
def test_clients(played: Played, row: Row):
    seen = played.seen[row.name]
    assert played.counts[row.name] >= 2
    assert promises.hung(seen) == []
    assert promises.backwards(seen) == []
    assert promises.too_old(seen, LIMIT_S) == []
    # While the circuit is open nobody asks the provider, and 503 with Retry-After says so.
    assert promises.errors(seen, row.statuses and row.statuses | {503}) == []
    unwhole = promises.broken(seen)
    assert {one.body for one in unwhole} <= {WORDS.get(row.name)}
    assert all('fwd-status=200; detail="' in one.cache for one in unwhole)
    # Within the limit a good answer is better than any words of the provider's. Made after it was asked for.
    newest = max(one.generated_at for one in seen if one.good and one.generated_at < played.began)
    first = min((one.at for one in (*unwhole, *promises.errors(seen))), default=played.ended)
    assert first - newest > LIMIT_S - TIMEOUT_S
    assert percentile([one.at - one.asked_at for one in seen], 0.95) < TIMEOUT_S + busy()


@EVERY
def test_back_in_time(played: Played, row: Row):
    after = promises.recovered_after(played.seen[row.name], played.ended)
    assert after is not None
    assert after < row.back_s * busy()


@EVERY
def test_who_comes_new_gets_the_truth_at_once(played: Played, row: Row):
    if row.name not in NEW:
        pytest.skip("nobody can tell then")
    cold = played.cold[row.name]
    assert promises.hung([cold]) == []
    assert cold.status in (row.statuses or {200})
    assert cold.whole or cold.body == WORDS[row.name]


@EVERY
def test_nothing_wrong_is_stored(played: Played, row: Row):
    stored = [entry for entry in played.stored if entry.request.provider == row.name]
    revisions = [int(dict(entry.headers)["X-Emulator-Revision"]) for entry in stored]
    targets = [f"{e.request.path}?regions={dict(e.request.query).get('regions', '')}" for e in stored]
    bodies = [entry.identity for entry in stored]
    assert all(map(sound, targets, revisions, bodies))
    # The new key has an entry only where the fault did no harm.
    entries = {"the good answer": 1 + (row.name in NEW), KEPT: 1, FORGOTTEN: 0}
    assert len(stored) == entries[row.stored]


ORIGIN_MODE = '[limits]\nretries = 0\n[[routes]]\nname = "all"\npath = "/**"\nfreshness = "origin"\n'
# What such a route gives on: as HTTP these are answers, by their announced length or by their end.
GIVEN_ON = {"length-too-short", "close-delimited-and-cut", "broken-gzip", "gzip-bomb"}


@pytest.fixture(scope="module")
def by_origin(tmp_path_factory) -> Iterator[House]:
    """The time-out is longer than this machine stands still."""
    with fault_origin() as origin:
        house = write_house(tmp_path_factory.mktemp("by-origin"), origin.url)
        provider = f'name = "odds"\nhosts = ["{HOST}"]\norigin = "{origin.url}"\nclients = "open"\n'
        (house.config / "providers" / "odds.toml").write_text(provider + ORIGIN_MODE)
        with running(house):
            yield house


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.statuses == {502} and row.name not in GIVEN_ON])
def test_what_is_no_http_is_an_error_at_once_with_freshness_by_origin_too(by_origin: House, name: str):
    """Not a time-out."""
    seen = ask(by_origin.ports["reverse"], f"/fault-{name}/odds")
    assert (seen.status, "detail=" in seen.cache) == (502, True), seen


def test_every_fault_has_its_row():
    assert {row.name for row in ROWS} == set(FAULTS)
