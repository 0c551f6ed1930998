import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf

import pytest

from holdover.caching.stored import Variants, key_of
from holdover.metrics import Metrics
from holdover.origin import shelf as module
from holdover.origin.shelf import OriginShelf
from tests.holdover.caching.builders import one

EMPTY = Variants("origin", "all", key_of("origin", "/"))
STORED = one("Cache-Control: max-age=60")


@pytest.fixture
def shelf_of(open_store):
    """The shelf of one more process."""
    with ThreadPoolExecutor(1) as disk:
        yield lambda store=None: OriginShelf(store or open_store(), disk, Metrics())


def of(name: str) -> Variants:
    return Variants("p", "r", key_of("p", name))


async def test_what_is_asked_for_again_and_again_stays_in_memory(shelf_of, store, monkeypatch):
    monkeypatch.setattr(module, "MOST_HELD", 4)
    read, reading = list[str](), store.read

    def reads(key: str) -> bytes | None:
        read.append(key)
        found: bytes | None = reading(key)
        return found

    monkeypatch.setattr(store, "read", reads)
    shelf, home = shelf_of(store), of("home")
    await shelf.change(home, lambda held: replace(held, stored=(STORED,)))
    for number in range(20):
        assert (await shelf.get(home)).stored == (STORED,)
        assert not (await shelf.get(of(f"made up {number}"))).stored
    assert read.count(home.key) == 1
    await shelf.get(of("made up 0"))
    assert read.count(of("made up 0").key) == 2


async def test_what_the_store_cannot_let_go_of_is_not_given(shelf_of, folder, lock_holder):
    shelf, other, now = shelf_of(), shelf_of(), time.time()
    old, new = (replace(one(""), requested_at=at, received_at=at) for at in (now - 1, now + 1))
    await other.change(EMPTY, lambda held: replace(held, stored=(old,)))
    assert (await shelf.get(EMPTY)).stored == (old,)
    with lock_holder(folder / "changes"):
        await shelf.invalidate(EMPTY, now, inf)
        assert (await shelf.get(EMPTY)).stored == ()
        assert (await other.get(EMPTY)).stored == (old,)
        await shelf.settle(now)
    await other.change(EMPTY, lambda held: replace(held, stored=(new, *held.stored)))
    assert (await shelf.get(EMPTY)).stored == (new,)
    await shelf.settle(now)
    assert (await other.get(EMPTY)).stored == (new,)
    assert (await other.get(EMPTY)).invalid_until == now
