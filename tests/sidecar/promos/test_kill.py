import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.folder import KILL
from sidecar.promos.kill import GRACE_S, NOT_UNDERSTOOD, Killing, Kills, kills_of
from sidecar.promos.remembered import Recalled
from sidecar.promos.standing import Standing
from sidecar.promos.sweep import Found, Seen, Unread
from sidecar.promos.validate import doubtful
from tests.sidecar.promos.edits import GOOD, NOW, Page

HERO, LINE = b'{"slots": {"hero": "wrong price"}}', b'{"promos": {"line": "typo"}}'
unit = settings(max_examples=300, deadline=None)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "why", "hero", "a/b", "~"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["everything", "slots", "promos", "$schema", "hero", "a/b~"]), inner)
    ),
    max_leaves=8,
)


def everything(data: bytes) -> bool:
    return bool(kills_of(data).everything)


def test_what_is_told_kills_with_its_reason_and_names_alone_do_too():
    assert kills_of(b'{"everything": "fire"}') == Kills("fire")
    assert kills_of(b'{"everything": true, "slots": ["hero"], "promos": {"line": null}}') == Kills(
        "no reason told", {"hero": "no reason told"}, {"line": "no reason told"}
    )
    for nothing in (b"{}", b'{"everything": false}', b'{"everything": ""}', b'{"everything": null, "slots": {}}'):
        assert not kills_of(nothing)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"slot": {}}',
        b'{"slots": "hero"}',
        b'{"promos": [1]}',
        b'{"slots": {}, "slots": {}}',
        HERO.decode().encode("utf-16"),
        b"\xff",
        b"[" * 9999,
        HERO + b" " * 1_048_576,
    ],
)
def test_what_is_not_understood_kills_everything(data: bytes):
    assert everything(data)


@unit
@given(st.binary(max_size=40) | documents.map(lambda told: json.dumps(told).encode()))
def test_no_bytes_raise_and_what_kills_less_than_everything_was_understood(data: bytes):
    kills = kills_of(data)
    assert kills.everything or isinstance(json.loads(data), dict)
    assert kills_of(kills.encoded()) == kills
    for problem in doubtful(data, {"hero": None}, {"line": None}):
        assert problem.place.line >= 1
        assert problem.message


@unit
@given(
    *[st.builds(Kills, st.sampled_from(["", "x"]), *[st.dictionaries(st.sampled_from("ab"), st.just("y"))] * 2)] * 2
)
def test_the_union_kills_what_either_kills(one: Kills, other: Kills):
    both = one | other
    assert bool(both.everything) == bool(one.everything or other.everything)
    assert both.slots.keys() == one.slots.keys() | other.slots.keys()
    assert both.promos.keys() == one.promos.keys() | other.promos.keys()


def test_a_kill_counts_at_once_a_release_when_read_twice_and_what_is_not_understood_when_it_lasts():
    killing = Killing()
    killing.step(HERO, NOW)
    assert killing.kills == kills_of(HERO)
    killing.step(LINE, NOW)
    assert killing.kills == kills_of(HERO) | kills_of(LINE)
    killing.step(LINE, NOW)
    assert killing.kills == kills_of(LINE)
    for torn in (b"", Unread("cannot be read"), b"{"):
        for later in (0.0, 0.3, GRACE_S - 0.1):
            assert "is not understood" in killing.step(torn, NOW + later)
            assert killing.kills == kills_of(LINE)
            assert killing.doubtful
    killing.step(b"{", NOW + GRACE_S)
    assert killing.kills == kills_of(LINE) | Kills(everything=NOT_UNDERSTOOD), "for who releases everything"
    for _ in range(2):
        killing.step(b"{}", NOW + 60)
    assert not killing.kills


def test_what_is_pinned_is_killed_whatever_the_file_says():
    killing = Killing()
    killing.pinned = kills_of(LINE)
    for _ in range(3):
        killing.step(HERO, NOW)
    assert (killing.kills, killing.read) == (kills_of(HERO) | kills_of(LINE), kills_of(HERO))


@unit
@given(st.lists(st.sampled_from([HERO, LINE, b"{}", b"{", None, Unread("x")]), max_size=12))
def test_nothing_is_released_by_one_reading(readings: list[Found]):
    killing, before, now = Killing(), None, NOW
    for found in readings:
        had, now = killing.kills, now + 2
        killing.step(found, now)
        if found is None or found != before:
            assert had | killing.kills == killing.kills
        if isinstance(found, bytes) and found in (HERO, LINE):
            assert killing.kills | kills_of(found) == killing.kills
        before = found


def test_a_file_that_is_gone_keeps_what_it_killed_and_says_so_also_over_a_restart():
    page = Page()
    page.read({**GOOD, KILL: HERO})
    assert page.change.live.withheld == {"top": "hero is killed: wrong price"}
    without = {**GOOD, KILL: None}
    for _ in range(3):
        page.read(without)
    [status] = [each for each in page.change.statuses if each.file == KILL]
    assert "is missing; what it killed stays killed" in str(status.problems[0])
    page.standing = Standing(Recalled(page.change.files))
    page.read(without)
    assert page.change.live.withheld.keys() == {"top"}
    page.read(GOOD)
    page.read(GOOD)
    assert page.change.live.withheld == {}


@pytest.mark.parametrize("slots", [b"{", None, Unread("cannot be read"), b'{"slots": {}}'])
def test_it_kills_whatever_else_is_wrong(slots: Found):
    page = Page()
    broken = dict.fromkeys(GOOD, b"{")
    page.read({**broken, "slots.json": slots, KILL: LINE})
    assert page.change.live.withheld == {"line": "is killed: typo"}
    page.read({**broken, "slots.json": slots, KILL: b'{"everything": "fire"}'})
    assert page.change.live.withheld.keys() == {promo.id for promo in page.first.live.promos}


def test_it_kills_what_comes_after_a_folder_that_was_never_good():
    page, standing = Page.__new__(Page), Standing()
    page.standing, page.now = standing, NOW
    for files in ({KILL: LINE}, {KILL: LINE}, {**GOOD, KILL: LINE}, {**GOOD, KILL: LINE}):
        page.read(files)
    assert page.change.live.withheld == {"line": "is killed: typo"}
    assert standing.step(Seen(fault="away"), NOW + 9) is None
    assert standing.kills == kills_of(LINE)


def test_names_with_slashes_are_told_of_and_escape_as_no_exception():
    page = Page()
    page.read({**GOOD, KILL: b'{"slots": {"a/b": "x"}, "promos": {"~": "x"}}'})
    [status] = [each for each in page.change.statuses if each.file == KILL]
    assert [problem.pointer for problem in status.problems] == ["/slots/a~1b", "/promos/~0"]
