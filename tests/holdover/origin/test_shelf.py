import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf

import pytest

from holdover.caching.changing import added, replaced
from holdover.caching.stored import Stored, Variants, key_of
from holdover.metrics import Metrics
from holdover.origin import shelf as module
from holdover.origin.shelf import OriginShelf
from holdover.store.base import StoreError
from tests.holdover.caching.builders import one

EMPTY = Variants("origin", "all", key_of("origin", "/"))
STORED = one("Cache-Control: max-age=60")


@pytest.fixture
def shelf_of(open_store):
    """The shelf of one more process."""
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
        yield lambda store=None: OriginShelf(store or open_store(), reading, writing, Metrics())


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


class Failing:
    """What a store's `change` does, call by call: it fails, waits until `go`, or works."""

    def __init__(self, store, monkeypatch, *ways):
        self.go, self.calls = threading.Event(), 0
        self._change, self._ways = store.change, iter(ways)
        monkeypatch.setattr(store, "change", self)

    def __call__(self, *given):
        self.calls += 1
        way = next(self._ways, "works")
        if way == "fails":
            raise StoreError("locked")
        if way == "waits":
            self.go.wait()
        return self._change(*given)


def variant(name: str, at: float = 0.0) -> Stored:
    new = one("Vary: A", asked=f"A: {name}")
    return replace(new, requested_at=new.requested_at + at, received_at=new.received_at + at)


def adding(new: Stored, of: Stored | None = None) -> Callable[[Variants], Variants]:
    return lambda held: added(held, new, of, 10**6, new.received_at + 1)


def removing(old: Stored) -> Callable[[Variants], Variants]:
    return lambda held: replaced(held, old, None)


async def test_while_the_store_fails_nobody_waits_for_it(shelf_of, open_store, monkeypatch):
    store, other = open_store(), shelf_of()
    shelf, first, second = shelf_of(store), variant("1"), variant("2")
    failing = Failing(store, monkeypatch, "fails", "waits")
    try:
        assert (await shelf.change(EMPTY, adding(first))).stored == (first,)
        assert shelf.is_loose(EMPTY.key)
        assert (await asyncio.wait_for(shelf.change(EMPTY, adding(second)), 60)).stored == (second, first)
        assert (await asyncio.wait_for(shelf.get(of("read meanwhile")), 60)).stored == ()
        assert (await asyncio.wait_for(shelf.change(of("changed"), adding(first)), 60)).stored == (first,)
        assert failing.calls <= 2
        assert (await other.get(EMPTY)).stored == ()
    finally:
        failing.go.set()
    await shelf.close()
    assert (await shelf.get(EMPTY)).stored == (await other.get(EMPTY)).stored == (second, first)
    assert not shelf.is_loose(EMPTY.key)
    await shelf.change(of("waited for"), adding(first))
    assert (await other.get(of("waited for"))).stored == (first,)


@pytest.mark.parametrize("works", [False, True])
@pytest.mark.parametrize(("changed", "left"), [(adding(variant("2")), ("2", "1")), (removing(variant("1")), ())])
async def test_what_is_loose_is_changed_as_if_it_were_stored(shelf_of, open_store, monkeypatch, changed, left, works):
    """Whether or not it is known that the store works again."""
    store, other = open_store(), shelf_of()
    shelf = shelf_of(store)
    Failing(store, monkeypatch, "fails")
    await shelf.change(EMPTY, adding(variant("1")))
    if works:
        await shelf.change(of("other"), adding(variant("1")))
        await shelf.close()
    await shelf.change(EMPTY, changed)
    await shelf.close()
    for each in (shelf, other):
        assert (await each.get(EMPTY)).stored == tuple(map(variant, left))


async def test_what_another_changed_counts_more_than_what_is_loose(shelf_of, open_store, monkeypatch):
    store, other = open_store(), shelf_of()
    shelf = shelf_of(store)
    Failing(store, monkeypatch, "fails")
    await shelf.change(EMPTY, adding(variant("1")))
    await other.invalidate(EMPTY, variant("1").requested_at + 1, inf)
    await shelf.change(EMPTY, adding(variant("2", 2)))
    await shelf.close()
    for each in (shelf, other):
        assert (await each.get(EMPTY)).stored == (variant("2", 2),)


async def test_what_is_held_is_held_beside_what_is_stored(shelf_of):
    shelf, other, stored, held = shelf_of(), shelf_of(), variant("1"), variant("2")
    await other.change(EMPTY, adding(stored))
    assert (await shelf.hold(EMPTY, adding(held))).stored == (held, stored)
    assert (await shelf.get(EMPTY)).stored == (held, stored)
    assert (await other.get(EMPTY)).stored == (stored,)
    await other.change(EMPTY, removing(stored))
    assert (await shelf.get(EMPTY)).stored == ()


async def test_what_is_invalid_here_is_not_held(shelf_of, folder, lock_holder):
    shelf, old = shelf_of(), variant("1")
    with lock_holder(folder / "changes"):
        await shelf.invalidate(EMPTY, old.requested_at + 1, inf)
        assert (await shelf.hold(EMPTY, adding(old))).stored == ()
        assert (await shelf.change(EMPTY, adding(old))).stored == ()
        assert (await shelf.get(EMPTY)).stored == ()
