"""What is kept of what was learnt, and when a region counts as verified."""

from collections.abc import Iterator

import pytest

from holdover import learning
from holdover.providers.profile import Knowledge
from holdover.store.ledger import Ledger

NOW = 1_795_435_200.0
TOLD = Knowledge({"us": frozenset({"x", "y"}), "uk": frozenset({"z"})}, {"epl": False})


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def found_right(ledger: Ledger, region: str, *left_out: str, times: int = 1) -> Knowledge:
    for _ in range(times):
        learning.found_right(ledger, "vendor", region, frozenset(left_out), 3, NOW)
    return learning.read(ledger, "vendor")


def test_what_answers_told_is_kept(ledger):
    assert learning.read(ledger, "vendor") == Knowledge()
    learning.write(ledger, "vendor", TOLD)
    assert learning.read(ledger, "vendor") == TOLD
    assert learning.read(ledger, "other") == Knowledge()


def test_a_region_is_verified_after_as_many_comparisons_of_its_own_as_it_takes(ledger):
    learning.write(ledger, "vendor", TOLD)
    assert found_right(ledger, "us", "z", times=2).apart == {}
    assert found_right(ledger, "uk", "x", times=2).apart == {}
    assert found_right(ledger, "us", "z").apart == {"us": frozenset({"z"})}
    assert learning.read(ledger, "vendor").regions == TOLD.regions
    assert learning.read(ledger, "other").apart == {}


def test_each_bookmaker_is_apart_after_as_many_comparisons_without_it(ledger):
    assert found_right(ledger, "us", "z", times=3).apart == {"us": frozenset({"z"})}
    assert found_right(ledger, "us", "z", "late", times=2).apart == {"us": frozenset({"z"})}
    assert found_right(ledger, "us", "late").apart == {"us": frozenset({"z", "late"})}
    assert found_right(ledger, "uk", times=3).apart["uk"] == frozenset()


def test_regions_are_forgotten_with_what_was_found_of_them(ledger):
    learning.write(ledger, "vendor", TOLD)
    found_right(ledger, "us", "z", times=3)
    learning.forget_regions(ledger, "vendor")
    assert learning.read(ledger, "vendor") == Knowledge(outrights={"epl": False})
    learning.write(ledger, "vendor", Knowledge({"us": frozenset({"x"})}))
    assert learning.read(ledger, "vendor").regions == {"us": frozenset({"x"})}
    assert found_right(ledger, "us", "z", times=2).apart == {}, "from the beginning"
    assert found_right(ledger, "us", "z").apart == {"us": frozenset({"z"})}
