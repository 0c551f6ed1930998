from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.document import Promo, Slot, Text, Vocabulary
from sidecar.promos.effect import Effect, effect
from sidecar.promos.filling import Seen
from sidecar.promos.resolve import Visitor, resolve
from tests.sidecar.promos.sets import (
    BANNER,
    PROMO,
    VOCABULARY,
    drafts,
    known,
    moments,
    sets,
    visitors,
    vocabularies,
    withholdings,
)

unit = settings(max_examples=200, deadline=None)
SURE = Seen("spring", 100.0, True)


def seen(promos: list[Promo], words: Vocabulary, visitor: Visitor, at: float, withheld: dict[str, str]):
    slots = resolve(promos, words, visitor, at, withheld).slots
    return {
        slot: [(each.promo.id, each.text, each.variant and each.variant.id) for each in shown]
        for slot, shown in slots.items()
        if shown
    }


@st.composite
def edits(draw: st.DrawFn) -> tuple[list[Promo], list[Promo]]:
    """A set, and what an edit makes of it: some go, some change, some are new."""
    before = draw(sets)
    after = {promo.id: promo for promo in before if draw(st.integers(0, 3))}
    for promo in draw(st.lists(drafts, max_size=2)):
        old = after.get(promo.id)
        after[promo.id] = promo if old is None or draw(st.booleans()) else replace(old, content=promo.content)
    return before, list(after.values())


@unit
@given(edits(), vocabularies, vocabularies, visitors, withholdings, moments, moments, st.floats(0, 8))
def test_every_difference_is_told(
    edit: tuple[list[Promo], list[Promo]],
    old_words: Vocabulary,
    words: Vocabulary,
    visitor: Visitor,
    withheld: dict[str, str],
    since: float,
    until: float,
    at: float,
):
    before, after = edit
    told = effect((before, old_words), (after, words), since, until, withheld)
    old, new = seen(before, old_words, visitor, at, withheld), seen(after, words, visitor, at, withheld)
    for slot in {*old_words.slots, *words.slots}:
        about = [each for each in told if each.slot == slot and _is_about(each, visitor, at)]
        assert len(about) <= 1
        if since <= at < until and old.get(slot) != new.get(slot):
            assert about
        certain = all(promo.rollout in (0, 100) for promo in (*before, *after))
        for each in about if certain and known(visitor, old_words, words) else ():
            assert [one.id for one in each.before] == [name for name, _, _ in old.get(slot, [])]
            assert [one.id for one in each.after] == [name for name, _, _ in new.get(slot, [])]
            assert each.before != each.after or each.changed


def _is_about(each: Effect, visitor: Visitor, at: float) -> bool:
    return each.since <= at < each.until and any(crowd.has(visitor) for crowd in each.crowds)


@unit
@given(sets, vocabularies, withholdings, moments, moments, st.randoms(use_true_random=False))
def test_the_same_has_no_effect(promos, words, withheld, since, until, chance):
    other = chance.sample(promos, len(promos))
    assert effect((promos, words), (other, words), since, until, withheld) == ()


def changed(after: Promo | None, words: Vocabulary = VOCABULARY) -> list[Effect]:
    return list(effect(([PROMO], VOCABULARY), ([after] if after else [], words), 0.0, 20.0))


def test_what_ends_earlier_is_told_for_the_time_between():
    [told] = changed(replace(PROMO, end=4.0))
    assert (told.since, told.until, told.before, told.after) == (4.0, 10.0, (SURE,), ())
    assert told.sentence == (
        'hero shows nothing instead of "spring" for US-NJ en, en-GB '
        "from Wed 1969-12-31 19:00 to 19:00 (America/New_York)"
    )


def test_another_text_is_told_for_those_who_read_it():
    spanish = replace(PROMO, content={"en": Text("Spring"), "es": Text("Primavera")})
    other = replace(spanish, content={"en": Text("Spring"), "es": Text("¡Primavera!")})
    [told] = effect(([spanish], VOCABULARY), ([other], VOCABULARY), 0, 10)
    assert (told.before, told.after, told.changed) == ((SURE,), (SURE,), ("spring",))
    assert [crowd.languages for crowd in told.crowds] == [frozenset(["es"])]
    assert told.sentence.startswith('hero shows "spring" changed for US-NJ es from ')


def test_what_changes_nothing_for_anybody_is_no_effect():
    assert not changed(replace(PROMO, priority=900, timezone="UTC"))
    assert not changed(PROMO, replace(VOCABULARY, slots={"hero": Slot("Top", 1, BANNER | {"notice"})}))


def test_more_of_a_roll_out_and_more_room_for_roll_outs_are_effects():
    half = replace(PROMO, rollout=50.0)
    [told] = effect(([replace(PROMO, rollout=10.0)], VOCABULARY), ([half], VOCABULARY), 0, 10)
    assert told.sentence.startswith('hero shows "spring" (to 50 %) instead of "spring" (to 10 %) for ')
    wider = replace(VOCABULARY, slots={"hero": Slot("Hero", 2, BANNER)})
    two = [half, replace(half, id="summer")]
    [told] = effect((two, VOCABULARY), (two, wider), 0, 10)
    assert told.sentence.startswith('hero has other room for "spring" (to 50 %), "summer" (to 50 %) for ')
    assert not effect((two[:1], VOCABULARY), (two[:1], wider), 0, 10)


def test_who_is_no_longer_known_sees_nothing():
    [told] = changed(PROMO, replace(VOCABULARY, excluded=frozenset(["time-out", "vip"])))
    assert told.after == ()
    assert told.crowds[0].has(Visitor("US-NJ", "en", "phone", frozenset(["vip"]), "", True))
    assert not told.crowds[0].has(Visitor("US-NJ", "en", "phone", frozenset(["casino"]), "", True))
    assert "for US-NJ en, en-GB in vip from" in told.sentence
