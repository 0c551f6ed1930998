from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.crowd import Side, told_apart
from sidecar.promos.document import Promo, Text, Vocabulary
from sidecar.promos.filling import Seen
from sidecar.promos.outlook import Finding, Occupancy, occupancy
from sidecar.promos.resolve import Visitor, resolve
from tests.sidecar.promos.sets import PROMO, VOCABULARY, known, moments, sets, visitors, vocabularies, withholdings

unit = settings(max_examples=150, deadline=None)
DAY = 86_400.0
SUNDAY = datetime(2026, 11, 29, 5, tzinfo=UTC).timestamp()
"""Midnight in New York."""


def shown(promos: list[Promo], words: Vocabulary, visitor: Visitor, at: float, withheld: Mapping[str, str]):
    found = resolve(promos, words, visitor, at, withheld)
    return {slot: [each.promo.id for each in some] for slot, some in found.slots.items()}


def found(told: Occupancy, kind: str) -> list[Finding]:
    return [finding for finding in told.findings if finding.kind == kind]


def sentences(told: Occupancy, kind: str) -> list[str]:
    return [finding.sentence for finding in found(told, kind)]


@unit
@given(sets, vocabularies, visitors, withholdings, moments, moments, st.floats(0, 8))
def test_lanes_show_what_visitors_are_shown(
    promos: list[Promo],
    words: Vocabulary,
    visitor: Visitor,
    withheld: dict[str, str],
    since: float,
    until: float,
    at: float,
):
    told = occupancy(promos, words, since, until, withheld)
    real = shown(promos, words, visitor, at, withheld)
    for slot in words.slots if known(visitor, words) else ():
        [lane] = [lane for lane in told.lanes if lane.slot == slot and any(each.has(visitor) for each in lane.crowds)]
        stretches = [stretch for stretch in lane.stretches if stretch.since <= at < stretch.until]
        assert len(stretches) == (since <= at < until)
        for stretch in stretches:
            sure = [each.id for each in stretch.shown if each.sure]
            assert [name for name in real[slot] if name in sure] == sure
            assert [each.id for each in stretch.shown if each.id in real[slot]] == real[slot]
            assert not {*stretch.lost} & {*real[slot]}
            full = [each for each in told.findings if _is_about(each, "overbooked", slot, visitor, at)]
            assert [each.promos for each in full] == ([stretch.lost] if stretch.lost else [])
            empty = [each for each in told.findings if _is_about(each, "empty", slot, visitor, at)]
            assert len(empty) == (not sure)


def _is_about(finding: Finding, kind: str, slot: str, visitor: Visitor, at: float) -> bool:
    return (
        (finding.kind, finding.slot) == (kind, slot)
        and finding.since <= at < finding.until
        and any(each.has(visitor) for each in finding.crowds)
    )


@unit
@given(sets, vocabularies, visitors, withholdings, moments, moments)
def test_what_is_unreachable_is_shown_to_nobody_and_all_else_to_somebody(
    promos: list[Promo],
    words: Vocabulary,
    visitor: Visitor,
    withheld: dict[str, str],
    since: float,
    at: float,
):
    told = occupancy(promos, words, since, since + 1, withheld)
    never = {name for finding in found(told, "unreachable") for name in finding.promos}
    assert never.isdisjoint(name for names in shown(promos, words, visitor, at, withheld).values() for name in names)
    always = occupancy(promos, words, 0, 9, withheld)
    ever = {each.id for lane in always.lanes for stretch in lane.stretches for each in stretch.shown}
    assert never == {promo.id for promo in promos if promo.end > since} - ever


@unit
@given(sets, visitors, st.frozensets(st.sampled_from(["vip", "casino", "sports"])))
def test_each_visitor_is_of_one_kind_and_a_kind_is_shown_the_same(
    promos: list[Promo], visitor: Visitor, segments: frozenset[str]
):
    promos = [replace(promo, rollout=100.0) for promo in promos]
    partition = told_apart([Side(tuple(promos), VOCABULARY)])
    kinds = [partition.crowds([cell]) for cell in partition.cells]
    other = replace(visitor, segments=segments, id="other")
    mine, its = ([kind for kind in kinds if any(crowd.has(each) for crowd in kind)] for each in (visitor, other))
    assert len(mine) == len(its) == 1
    if mine == its:
        for at in range(9):
            assert shown(promos, VOCABULARY, visitor, at, {}) == shown(promos, VOCABULARY, other, at, {})


def test_an_empty_slot_is_told_in_words_and_adjacent_times_are_one():
    everywhere = replace(PROMO, audience=replace(PROMO.audience, jurisdictions=VOCABULARY.jurisdictions))
    both = {"en": Text("Spring"), "es": Text("Primavera")}
    hours = lambda a, b: {"start": SUNDAY + a * 3600, "end": SUNDAY + b * 3600}  # noqa: E731
    promos = [
        replace(everywhere, id="night", content=both, **hours(0, 2)),
        replace(everywhere, id="day", content=both, **hours(6, 24)),
        replace(everywhere, id="english", **hours(2, 4)),
        replace(everywhere, id="english too", **hours(4, 6)),
        replace(PROMO, id="spanish", content=both, **hours(2, 6)),
        replace(everywhere, id="boost", slot="boosts", content=both, **hours(0, 24)),
    ]
    told = occupancy(promos, VOCABULARY, SUNDAY, SUNDAY + DAY)
    assert sentences(told, "empty") == [
        "hero is empty for GB, US-PA es from Sun 2026-11-29 02:00 to 06:00 (America/New_York)"
    ]
    assert not sentences(told, "unreachable")


def test_what_is_shown_between_two_gaps_is_no_gap():
    told = occupancy([replace(PROMO, start=3.0, end=5.0)], VOCABULARY, 0, 10)
    mine = [
        each for each in found(told, "empty") if each.slot == "hero" and any(one.has(HERE) for one in each.crowds)
    ]
    assert [(each.since, each.until) for each in mine] == [(0, 3), (5, 10)]


def test_what_is_overbooked_tells_who_loses():
    promos = [
        replace(PROMO, id=name, priority=priority, start=SUNDAY, end=SUNDAY + days * DAY)
        for name, priority, days in (("best", 900, 1.0), ("second", 800, 2.0), ("last", 700, 3.0))
    ]
    told = occupancy(promos, VOCABULARY, SUNDAY, SUNDAY + 7 * DAY)
    day = "for US-NJ en, en-GB from Sun 2026-11-29 00:00 to Mon 2026-11-30 00:00 (America/New_York)"
    first, second = found(told, "overbooked")
    assert first.sentence == f'hero has room for 1 of 3 {day}: "best", not "second", "last"'
    assert first.promos == ("second", "last")
    assert second.promos == ("last",)
    assert not sentences(told, "unreachable"), "each has a day of its own"


def test_a_roll_out_takes_no_place_for_sure_and_keeps_nobody_from_being_empty():
    promos = [replace(PROMO, id="some", priority=900, rollout=10.0), PROMO]
    told = occupancy(promos, VOCABULARY, 0, 10)
    [lane] = [lane for lane in told.lanes if lane.slot == "hero" and any(each.has(HERE) for each in lane.crowds)]
    [stretch] = lane.stretches
    assert stretch.shown == (Seen("some", 10.0, False), Seen("spring", 100.0, False))
    assert not found(told, "overbooked")
    told = occupancy(promos[:1], VOCABULARY, 0, 10)
    assert any("for US-NJ en, en-GB whom no roll-out has come to" in each for each in sentences(told, "empty"))


HERE = Visitor("US-NJ", "en", "phone", frozenset(), "v1", False)

UNREACHABLE: dict[str, tuple[list[Promo], str]] = {
    "outranked": (
        [replace(PROMO, id="best", priority=900, start=-5), replace(PROMO, id="better", start=2.0, end=4.0)],
        'hero shows 1, and whoever it is for is shown "best" (priority 900, not 500)',
    ),
    "no such slot": ([replace(PROMO, slot="heros")], 'there is no slot "heros"'),
    "never rolled out": ([replace(PROMO, rollout=0.0)], "it is rolled out to 0 %"),
    "no text": (
        [replace(PROMO, audience=replace(PROMO.audience, languages=frozenset(["es"])))],
        "it has text in en, and is for those who read es",
    ),
    "nowhere": (
        [replace(PROMO, audience=replace(PROMO.audience, jurisdictions=frozenset(["XX"])))],
        "no jurisdiction it is for is known (XX)",
    ),
    "no such device": (
        [replace(PROMO, audience=replace(PROMO.audience, devices=frozenset(["tv"])))],
        "no device it is for is known (tv)",
    ),
    "excluded": (
        [replace(PROMO, audience=replace(PROMO.audience, segments=frozenset(["time-out"])))],
        "who is in time-out is shown nothing",
    ),
    "over before it starts": ([replace(PROMO, start=12.0)], "it ends before it starts"),
}


@pytest.mark.parametrize(("promos", "why"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_nobody_sees_is_told_with_the_reason(promos: list[Promo], why: str):
    [finding] = found(occupancy(promos, VOCABULARY, 0, 1), "unreachable")
    assert finding.promos == (promos[-1].id,)
    assert finding.sentence.endswith(f": {why}")


def test_what_is_withheld_is_told_with_its_reason():
    told = occupancy([PROMO], VOCABULARY, 0, 1, {"spring": "its market is suspended"})
    [sentence] = sentences(told, "unreachable")
    assert sentence.endswith(": its market is suspended")


def test_what_was_seen_before_is_not_unreachable():
    best = replace(PROMO, id="best", priority=900, start=5.0)
    assert not found(occupancy([PROMO, best], VOCABULARY, 5, 10), "unreachable")
    assert found(occupancy([replace(PROMO, start=5.0), best], VOCABULARY, 5, 10), "unreachable")


def test_many_segments_are_told_apart_alone_and_together():
    words = replace(VOCABULARY, segments=frozenset("abcdefghijklmnopqrstuvwxyz"), excluded=frozenset())
    promos = [
        replace(PROMO, id=name, audience=replace(PROMO.audience, segments=frozenset([name]))) for name in "abcdefghij"
    ]
    told = occupancy(promos, words, 0, 10)
    assert not found(told, "unreachable")
    assert max(len(finding.promos) for finding in found(told, "overbooked")) == 9
