import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.streams import LONGEST_WAIT_S, Changes, wait_of


def test_a_change_has_spread_when_the_last_stream_is_told_and_when_it_asked_again():
    observed = list[float]()
    changes = Changes(observed.append)
    one, other = changes.open("web-1"), changes.open("web-2")
    assert changes.facts()["all_told_at"] is None
    assert observed == []
    changes.tell("e1", time.time() - 2)
    changes.told(one, "e1")
    assert (changes.facts()["told"], changes.facts()["all_told_at"]) == (1, None)
    changes.told(other, "e0")
    assert observed == []
    changes.told(other, "e1")
    changes.told(other, "e1")
    assert len(observed) == 1
    assert observed[0] >= 2
    changes.fetched(one.number, "e1")
    changes.fetched(99, "e1")
    facts = changes.facts()
    assert (facts["told"], facts["fetched"], facts["all_fetched_at"]) == (2, 1, None)
    assert facts["instances"]["web-1"] == {"streams": 1, "told": 1, "fetched": 1}
    changes.fetched(other.number, "e1")
    assert changes.facts()["all_fetched_at"] is not None


def test_who_goes_is_waited_for_no_more_and_who_comes_is_not_waited_for():
    observed = list[float]()
    changes = Changes(observed.append)
    slow, quick = changes.open(""), changes.open("")
    changes.tell("e1", time.time())
    late = changes.open("late")
    changes.told(quick, "e1")
    assert observed == []
    changes.close(slow)
    assert len(observed) == 1
    assert changes.facts()["told"] == 1
    changes.told(late, "e1")
    changes.close(quick)
    changes.close(late)
    assert len(observed) == 1
    assert changes.facts()["all_fetched_at"] is not None


def test_a_change_without_streams_has_spread_at_once_and_wakes_who_waits():
    changes = Changes()
    waiting = changes.next
    changes.tell("e1", time.time() + 5)
    assert waiting.is_set()
    assert not changes.next.is_set()
    assert changes.facts()["all_told_at"] is not None


def test_a_later_change_takes_the_place_of_one_that_had_not_spread():
    observed = list[float]()
    changes = Changes(observed.append)
    stream = changes.open("")
    changes.tell("e1", time.time())
    changes.tell("e2", time.time())
    changes.told(stream, "e1")
    assert observed == []
    changes.told(stream, "e2")
    assert len(observed) == 1


EVENTS = st.lists(
    st.tuples(st.sampled_from(["open", "close", "tell", "told", "fetched", "stale"]), st.integers(0, 5)), max_size=40
)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_streams_are_counted_whatever_the_order(events: list[tuple[str, int]]):
    observed = list[float]()
    changes, told = Changes(observed.append), 0
    for what, which in events:
        streams = list(changes.streams.values())
        stream = streams[which % len(streams)] if streams else None
        if what == "open":
            changes.open(str(which))
        elif what == "tell":
            told += 1
            changes.tell(f"e{told}", 0.0)
        elif stream is not None and what == "close":
            changes.close(stream)
        elif stream is not None and what == "fetched":
            changes.fetched(stream.number, changes.spread.event)
        elif stream is not None:
            changes.told(stream, changes.spread.event if what == "told" else "before")
        facts, spread = changes.facts(), changes.spread
        assert spread.untold | spread.unfetched <= changes.streams.keys()
        assert facts["streams"] == len(changes.streams) == sum(i["streams"] for i in facts["instances"].values())
        assert (facts["all_told_at"] is not None) == (told > 0 and not spread.untold)
        assert facts["fetched"] <= facts["streams"]
        assert len(observed) <= told


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=30", 30),
        ('wait="5"', 5),
        ("respond-async, Wait = 7", 7),
        ("wait=9999", LONGEST_WAIT_S),
        ("wait=-1", 0),
        ("wait=x", 0),
        ("await=3", 0),
    ],
)
def test_how_long_a_client_would_wait(prefer: str | None, seconds: float):
    assert wait_of(prefer) == seconds


def test_who_has_gone_is_not_waited_for():
    changes, ended = Changes(), set[str]()
    here, gone = changes.open("web-1"), changes.open("web-2", lambda: "web-2" in ended)
    changes.tell("r2", 1.0)
    changes.told(here, "r2")
    changes.fetched(here.number, "r2")
    assert (changes.facts()["all_told_at"], changes.facts()["streams"]) == (None, 2)
    ended.add("web-2")
    facts = changes.facts()
    assert (facts["streams"], list(facts["instances"])) == (1, ["web-1"])
    assert facts["all_told_at"] is not None
    assert facts["all_fetched_at"] is not None
    changes.close(gone)
