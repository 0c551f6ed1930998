from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from holdover.caching.stored import Variants, key_of
from holdover.metrics import Metrics
from holdover.origin import shelf as module
from holdover.origin.shelf import OriginShelf
from tests.holdover.caching.builders import one

STORED = one("Cache-Control: max-age=60")


@pytest.fixture
def disk():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def of(name: str) -> Variants:
    return Variants("p", "r", key_of("p", name))


async def test_what_is_asked_for_again_and_again_stays_in_memory(store, disk, monkeypatch):
    monkeypatch.setattr(module, "MOST_HELD", 4)
    read, reading = list[str](), store.read

    def reads(key: str) -> bytes | None:
        read.append(key)
        found: bytes | None = reading(key)
        return found

    monkeypatch.setattr(store, "read", reads)
    shelf, home = OriginShelf(store, disk, Metrics()), of("home")
    await shelf.change(home, lambda held: replace(held, stored=(STORED,)))
    for number in range(20):
        assert (await shelf.get(home)).stored == (STORED,)
        assert not (await shelf.get(of(f"made up {number}"))).stored
    assert read.count(home.key) == 1
    await shelf.get(of("made up 0"))
    assert read.count(of("made up 0").key) == 2
