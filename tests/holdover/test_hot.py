import itertools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdover.hot import HotTier
from holdover.metrics import Metrics
from holdover.rules import Rules
from holdover.settings import HotSettings
from holdover.store.base import StoreError
from holdover.store.disk import DiskStore

NOW = 2000.0


@pytest.fixture
def stores(tmp_path):
    """The store of this process and that of another one, on one folder."""
    pair = [DiskStore(tmp_path / "store", 1 << 26) for _ in range(2)]
    yield pair
    for store in pair:
        store.close()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def tier(stores, metrics, provider_of):
    """Makes the tier; every lookup looks for changes, because the monotonic clock of these tests leaps."""
    leaps = itertools.count()

    def build(store=stores[0], **limits: Any):
        rules = Rules([provider_of(quota={"last": "x-requests-last"})])
        hot = HotSettings.model_validate({"max_entries": 100, **limits})
        return HotTier(store, rules, hot, metrics, clock=lambda: NOW, monotonic=lambda: float(next(leaps)))

    return build


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"holdover_{name}", labels) or 0.0


def test_a_key_that_nobody_has(tier):
    hot = tier()
    assert hot.get("0" * 32) is None
    assert hot.load("0" * 32) is None
    assert (len(hot), hot.size) == (0, 0)


def test_get_does_not_look_in_the_store_and_load_does(tier, stores, entry_of):
    hot, entry = tier(), entry_of()
    stores[1].put(entry, NOW)
    assert hot.get(entry.key) is None
    assert hot.load(entry.key).entry == entry
    assert hot.get(entry.key).entry == entry
    assert (len(hot), hot.size) == (1, hot.get(entry.key).size)


def test_a_put_of_another_process_is_served_by_the_next_lookup(tier, stores, entry_of):
    hot = tier()
    for number in range(3):
        entry = stores[1].put(entry_of(at=1000.0 + number, body=b"[%d]" % number), NOW)
        assert hot.load(entry.key).entry == entry
        assert hot.size == hot.get(entry.key).size
    assert len(hot) == 1


def test_between_two_checks_a_lookup_asks_nothing(stores, metrics, provider_of, entry_of):
    now = [0.0]
    hot: Any = HotTier(stores[0], Rules([provider_of()]), HotSettings(), metrics, monotonic=lambda: now[0])
    old = stores[1].put(entry_of(at=1000.0), NOW)
    hot.load(old.key)
    new = stores[1].put(entry_of(at=1001.0), NOW)
    assert hot.get(old.key).entry == old
    now[0] = 0.0051
    assert hot.get(old.key).entry == new


def test_a_hit_reads_nothing_from_the_store(tier, stores, entry_of):
    hot = tier()
    entry = stores[1].put(entry_of(), NOW)
    ready = hot.load(entry.key)
    stores[0].get = None  # would fail
    assert hot.get(entry.key) is ready
    assert hot.load(entry.key) is ready


def test_a_delete_of_another_process_is_followed(tier, stores, metrics, entry_of):
    hot = tier()
    entry, kept = (stores[1].put(entry_of(sport), NOW) for sport in ("epl", "nba"))
    for one in (entry, kept):
        hot.load(one.key)
    stores[1].delete(entry.key)
    assert hot.get(entry.key) is None
    assert hot.load(entry.key) is None
    assert hot.get(kept.key).entry == kept
    assert hot.size == hot.get(kept.key).size
    assert value(metrics, "cache_evictions_total", tier="memory", reason="purge") == 1


def test_an_entry_of_a_provider_that_is_gone_is_not_held(tier, entry_of, provider_of):
    hot, entry = tier(), entry_of()
    hot.use(Rules([provider_of(name="other")]), HotSettings())
    assert hot.put(entry) is None
    assert len(hot) == 0


def test_what_a_kind_of_projection_made_that_is_off_is_not_held(stores, tier, entry_of, provider_of):
    made = replace(entry_of(), projected="markets+dates")
    hot = tier()
    assert hot.put(made) is None
    stores[1].put(made, NOW)
    assert hot.load(made.key) is None
    kinds = {"kinds": ["markets", "dates", "events"]}
    hot.use(Rules([provider_of(projection=kinds)]), HotSettings())
    assert hot.load(made.key) is not None


def test_it_never_goes_back_in_time(tier, entry_of):
    hot = tier()
    new, old, overlapping = entry_of(at=1010.0), entry_of(at=1000.0), entry_of(at=1010.25)
    for entry in (new, old, overlapping):
        ready = hot.put(entry)
        assert ready is not None
        assert ready.entry == new
    assert hot.get(new.key).entry == new


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 20), st.sampled_from(["store", "hot"])), max_size=8))
def test_what_a_client_sees_was_asked_for_ever_later(tmp_path_factory, provider_of, entry_of, fetches):
    """Answers of overlapping fetches arrive by either way, in the order of their arrival."""
    leaps = itertools.count()
    folder = tmp_path_factory.mktemp("hot")
    here, there = DiskStore(folder, 1 << 24), DiskStore(folder, 1 << 24)
    hot: Any = HotTier(
        here, Rules([provider_of()]), HotSettings(), Metrics(), clock=lambda: 100.0, monotonic=lambda: next(leaps)
    )
    seen = -1.0
    for at, took, way in sorted(fetches, key=lambda fetch: fetch[0] + fetch[1]):
        entry = entry_of(at=at, took=took)
        standing = there.put(entry, 100.0)
        if way == "hot":
            hot.put(standing)
        ready = hot.load(entry.key)
        assert ready.entry.requested_at >= seen
        assert ready.entry == standing
        seen = ready.entry.requested_at
    here.close()
    there.close()


def test_a_late_answer_does_not_hide_that_the_store_has_a_newer_one(tier, stores, entry_of):
    """The sidecar's reply with the old entry is still on its way when the refreshed one is stored and announced."""
    hot = tier()
    old = stores[1].put(entry_of("epl", at=1000.0), NOW)
    hot.load(old.key)
    new = stores[1].put(entry_of("epl", at=1010.0), NOW)
    hot.get("0" * 32)  # another client's request notices the change
    hot.put(old)
    assert hot.get(old.key).entry == new


def test_notes_outlive_a_new_answer(tier, entry_of):
    hot = tier()
    old = hot.put(entry_of(at=1000.0))
    old.reported_at, old.kept = 6.0, 3
    new = hot.put(entry_of(at=1001.0))
    assert (new.reported_at, new.kept, new.served, new.outdated) == (6.0, 3, False, False)


def test_the_number_of_entries_is_bounded(tier, metrics, entry_of):
    hot = tier(max_entries=10)
    for number in range(50):
        hot.put(entry_of(f"s{number}"))
    assert len(hot) == 10
    assert hot.get(entry_of("s49").key) is not None
    assert value(metrics, "cache_evictions_total", tier="memory", reason="size") == 40


def test_the_bytes_are_bounded(tier, entry_of):
    hot = tier(max_bytes=65_536)
    for number in range(50):
        hot.put(entry_of(f"s{number}", body=bytes(5_000)))
        assert hot.size <= 65_536
    assert hot.size == sum(hot.get(entry_of(f"s{n}").key).size for n in range(50) if hot.get(entry_of(f"s{n}").key))
    hot.put(entry_of("s49", at=1100.0, body=b""))
    assert hot.size < 65_536


def test_what_was_served_gets_a_second_chance(tier, entry_of):
    hot = tier(max_entries=10)
    served = hot.put(entry_of("served"))
    served.served = True
    for number in range(12):
        hot.put(entry_of(f"s{number}"))
    assert hot.get(served.entry.key) is not None
    for number in range(12, 30):
        hot.put(entry_of(f"s{number}"))
    assert hot.get(served.entry.key) is None, "one chance, unless it is served again"


def test_eviction_ends_when_everything_was_served(tier, entry_of):
    hot = tier(max_entries=100)
    for number in range(100):
        hot.put(entry_of(f"s{number}")).served = True
    hot.put(entry_of("new"))
    assert len(hot) == 100
    assert hot.get(entry_of("new").key) is not None


def begin_anew(folder: Path, stores: list[DiskStore]) -> None:
    for path in folder.glob("c*"):
        path.unlink()
    assert [store.follow() for store in stores] == [True, True]


def test_it_keeps_what_it_has_when_the_store_is_begun_anew(tier, stores, entry_of):
    hot = tier()
    entry = stores[1].put(entry_of(), NOW)
    ready = hot.load(entry.key)
    begin_anew(stores[0].folder, stores)
    assert stores[0].get(entry.key) is None
    assert hot.get(entry.key) is ready
    assert hot.get(entry.key) is ready
    new = stores[1].put(entry_of(at=1010.0), NOW)
    assert hot.get(entry.key).entry == new


def test_a_purge_after_that_is_still_a_purge(tier, stores, entry_of):
    hot = tier()
    entry = stores[1].put(entry_of(), NOW)
    hot.load(entry.key)
    begin_anew(stores[0].folder, stores)
    hot.get("0" * 32)  # notices it
    new = stores[1].put(entry_of(at=1010.0), NOW)
    hot.put(new)
    stores[1].delete(new.key)
    assert hot.get(new.key) is None


def test_a_purge_after_a_changed_configuration_is_still_a_purge(tier, stores, entry_of, provider_of):
    hot = tier()
    entry = stores[1].put(entry_of(), NOW)
    hot.load(entry.key)
    begin_anew(stores[0].folder, stores)
    hot.get("0" * 32)  # notices it
    hot.use(Rules([provider_of()]), HotSettings())
    stores[1].put(entry, NOW)
    assert hot.load(entry.key).entry == entry
    stores[1].delete(entry.key)
    assert hot.get(entry.key) is None


def test_more_changes_than_the_ring_holds_lose_nothing(tier, stores, entry_of):
    hot = tier()
    entries = [stores[1].put(entry_of(f"s{number}"), NOW) for number in range(5)]
    for entry in entries:
        hot.load(entry.key)
    changed = stores[1].put(entry_of("s0", at=1010.0), NOW)
    changes = stores[1]._changes
    for number in range(3000):
        with changes.lock(1.0):
            changes.announce(f"{number:032x}")
    assert hot.get(changed.key).entry == changed
    assert [hot.get(entry.key).entry for entry in entries[1:]] == entries[1:]


def test_a_purge_of_more_keys_than_the_ring_holds_is_still_a_purge(tier, stores, entry_of):
    hot = tier()
    entry = stores[1].put(entry_of("epl"), NOW)
    hot.load(entry.key)
    stores[1].delete(entry.key)
    changes = stores[1]._changes
    for number in range(3000):
        with changes.lock(1.0):
            changes.announce(f"{number:032x}")
    assert hot.get(entry.key) is None


@pytest.mark.parametrize("method", ["position", "changes", "get"])
def test_a_store_that_does_not_answer_costs_no_hit(tier, stores, metrics, entry_of, method):
    hot = tier()
    old = stores[1].put(entry_of(at=1000.0), NOW)
    hot.load(old.key)
    new = stores[1].put(entry_of(at=1010.0), NOW)

    def fail(*_, **__):
        raise StoreError("busy")

    with suppress(StoreError):
        setattr(stores[0], method, fail)
        assert hot.get(old.key).entry == old
        assert hot.load(entry_of("absent").key) is None or method != "get"
    assert value(metrics, "degraded", dependency="store") == 1
    delattr(stores[0], method)
    assert hot.get(old.key).entry == new


def test_durations_are_those_of_the_last_answers(tier, entry_of):
    hot = tier()
    assert list(hot.fetch_durations("vendor")) == []
    for number in range(300):
        hot.put(entry_of(at=1000.0 + number, took=number / 1000))
    assert len(hot.fetch_durations("vendor")) == 256
    assert hot.fetch_durations("vendor")[-1] == pytest.approx(0.299)


def test_metrics_of_a_replaced_answer(tier, metrics, entry_of):
    hot = tier()
    hot.put(entry_of(at=1000.0, body=b"[1]")).served = True
    dated = ("Date", "Thu, 01 Jan 1970 00:16:41 GMT")
    hot.put(entry_of(at=1001.0, body=b"[2]", headers=(dated,)))
    hot.put(entry_of(at=1002.0, body=b"[2]", headers=(dated,)))
    assert value(metrics, "refresh_objects_total", upstream="vendor", use="read") == 1
    assert value(metrics, "refresh_objects_total", upstream="vendor", use="unread") == 1
    for basis in ("fetch", "header"):
        assert value(metrics, "update_delay_seconds_count", upstream="vendor", basis=basis) == 1
    assert value(metrics, "cache_invalidation_delay_seconds_count") == 2


def test_what_is_older_than_a_change_that_the_store_does_not_know_of_is_not_given(tier, stores, entry_of):
    hot, old, other = tier(), entry_of(), entry_of("nba")
    stores[1].put_all([old, other], NOW)
    held, stays = hot.load(old.key), hot.load(other.key)
    hot.forbid(old.request, at=1500.0, until=3000.0)
    assert held.outdated
    assert hot.get(old.key) is hot.load(old.key) is hot.put(old) is None
    assert hot.get(other.key) is stays
    new = replace(old, requested_at=1500.0, received_at=1501.0)
    assert hot.put(new).entry == hot.get(old.key).entry == new
