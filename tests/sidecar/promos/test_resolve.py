import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.document import Audience, Image, Promo, Slot, Terms, Text, Variant, Vocabulary
from sidecar.promos.explain import Explained, explain
from sidecar.promos.resolve import STEPS, Resolution, Resolver, Visitor, bucket, rank, resolve, variant_of

NOW = 1_000.0
VOCABULARY = Vocabulary(
    slots={"hero": Slot("Hero", 1, frozenset(["banner"])), "boosts": Slot("Boosts", 2, frozenset(["banner"]))},
    jurisdictions=frozenset(["US-NJ", "US-PA"]),
    languages=frozenset(["en", "es"]),
    devices=frozenset(["phone", "desktop"]),
    segments=frozenset(["vip", "casino", "time-out"]),
    excluded=frozenset(["time-out"]),
)
NEW_JERSEY = frozenset(["US-NJ"])
PROMO = Promo(
    id="spring",
    kind="banner",
    slot="hero",
    priority=500,
    content={"en": Text("Spring")},
    start=NOW - 10,
    end=NOW + 10,
    timezone="America/New_York",
    audience=Audience(NEW_JERSEY),
)
VISITOR = Visitor("US-NJ", "en", "phone", frozenset(), "v1", False)


def ids(resolution: Resolution) -> dict[str, list[str]]:
    return {slot: [each.promo.id for each in shown] for slot, shown in resolution.slots.items()}


def refusals(explained: Explained) -> dict[str, str]:
    return {outcome.gate: outcome.sentence for outcome in explained.outcomes if not outcome.passed}


def for_whom(**audience: frozenset[str] | str) -> Promo:
    return replace(PROMO, audience=replace(PROMO.audience, **audience))  # type: ignore[arg-type]


REFUSED: dict[str, tuple[Promo, Visitor, str, str]] = {
    "elsewhere": (PROMO, replace(VISITOR, jurisdiction="US-PA"), "jurisdiction", "is for US-NJ, not US-PA"),
    "nowhere": (
        PROMO,
        replace(VISITOR, jurisdiction=""),
        "jurisdiction",
        '"" is no known jurisdiction: nothing is shown',
    ),
    "an unknown jurisdiction, though the promo names it": (
        for_whom(jurisdictions=frozenset(["XX"])),
        replace(VISITOR, jurisdiction="XX"),
        "jurisdiction",
        '"XX" is no known jurisdiction: nothing is shown',
    ),
    "a promo for nobody": (
        for_whom(jurisdictions=frozenset()),
        VISITOR,
        "jurisdiction",
        "is for nobody, not US-NJ",
    ),
    "excluded": (
        PROMO,
        replace(VISITOR, segments=frozenset(["vip", "time-out"])),
        "excluded",
        "visitors in time-out are shown nothing",
    ),
    "an unknown segment": (
        PROMO,
        replace(VISITOR, segments=frozenset(["vip", "Time-Out"])),
        "excluded",
        "Time-Out is no known segment: nothing is shown",
    ),
    "too early": (replace(PROMO, start=NOW + 1), VISITOR, "time", "starts at 1969-12-31T19:16:41-05:00"),
    "too late by nothing": (replace(PROMO, end=NOW), VISITOR, "time", "ended at 1969-12-31T19:16:40-05:00"),
    "no text": (PROMO, replace(VISITOR, language="es"), "language", 'has text in en, not in "es"'),
    "a text, but for others": (
        for_whom(languages=frozenset(["es"])),
        VISITOR,
        "language",
        "is for those who read es, not en",
    ),
    "another device": (
        for_whom(devices=frozenset(["desktop"])),
        VISITOR,
        "device",
        'is for desktop, not "phone"',
    ),
    "no segment": (
        for_whom(segments=frozenset(["vip", "casino"])),
        VISITOR,
        "segment",
        "is for casino, vip alone",
    ),
    "not new": (
        for_whom(visitors="new"),
        replace(VISITOR, returning=True),
        "visitors",
        "is for new visitors, and this one is returning",
    ),
    "not known to return": (
        for_whom(visitors="returning"),
        replace(VISITOR, returning=None),
        "visitors",
        "is for returning visitors, and this one is of unknown past",
    ),
    "behind the roll-out": (
        replace(PROMO, rollout=0.0),
        VISITOR,
        "roll-out",
        f"is rolled out to 0 %, and this visitor is at {bucket(PROMO, VISITOR) / 1000:g} %",
    ),
    "no id": (
        replace(PROMO, rollout=99.999),
        replace(VISITOR, id=""),
        "roll-out",
        "is rolled out to 99.999 %, and a visitor without an id comes last",
    ),
    "no slot": (replace(PROMO, slot="heros"), VISITOR, "capacity", 'there is no slot "heros"'),
}


@pytest.mark.parametrize(("promo", "visitor", "gate", "sentence"), REFUSED.values(), ids=REFUSED)
def test_each_gate_refuses_alone_and_tells_why(promo: Promo, visitor: Visitor, gate: str, sentence: str):
    assert ids(resolve([promo], VOCABULARY, visitor, NOW)) == {"hero": [], "boosts": []}
    [explained] = explain([promo], VOCABULARY, visitor, NOW)
    assert refusals(explained) == {gate: sentence}
    assert not explained.shown


PASSED: dict[str, tuple[Promo, Visitor]] = {
    "everybody": (PROMO, VISITOR),
    "hardly known": (PROMO, Visitor("US-NJ", "en")),
    "from its start on": (replace(PROMO, start=NOW), VISITOR),
    "any of the segments": (
        for_whom(segments=frozenset(["vip", "casino"])),
        replace(VISITOR, segments=frozenset(["vip"])),
    ),
    "its language": (for_whom(languages=frozenset(["en", "es"])), VISITOR),
    "its device": (for_whom(devices=frozenset(["phone"])), VISITOR),
    "new": (for_whom(visitors="new"), VISITOR),
    "returning": (for_whom(visitors="returning"), replace(VISITOR, returning=True)),
    "an id that is no text": (replace(PROMO, rollout=99.999), replace(VISITOR, id="\ud800\udcff\0")),
}


@pytest.mark.parametrize(("promo", "visitor"), PASSED.values(), ids=PASSED)
def test_whom_it_is_for_is_shown_it(promo: Promo, visitor: Visitor):
    assert ids(resolve([promo], VOCABULARY, visitor, NOW)) == {"hero": ["spring"], "boosts": []}
    [explained] = explain([promo], VOCABULARY, visitor, NOW)
    assert explained.shown
    assert all(outcome.sentence for outcome in explained.outcomes)


def test_all_gates_are_told_in_their_order_not_only_the_first_that_is_shut():
    promo = replace(for_whom(devices=frozenset(["desktop"]), visitors="returning"), end=NOW, rollout=0.0)
    visitor = Visitor("US-PA", "es", "phone", frozenset(["time-out"]), "v1", False)
    [explained] = explain([promo], VOCABULARY, visitor, NOW)
    names = "withheld jurisdiction excluded time language device segment visitors roll-out capacity".split()
    assert [outcome.gate for outcome in explained.outcomes] == names
    assert refusals(explained).keys() == set(names) - {"withheld", "segment", "capacity"}


def test_who_is_refused_makes_room_for_the_next():
    best = replace(for_whom(devices=frozenset(["desktop"])), id="best", priority=900)
    assert ids(resolve([best, PROMO], VOCABULARY, VISITOR, NOW))["hero"] == ["spring"]
    told = {each.promo.id: each.outcomes[-1] for each in explain([best, PROMO], VOCABULARY, VISITOR, NOW)}
    assert {name: (outcome.passed, outcome.sentence) for name, outcome in told.items()} == {
        "best": (True, "is number 1 where hero shows 1"),
        "spring": (True, "is number 1 where hero shows 1"),
    }


def test_rank_is_by_priority_then_newest_then_id_and_who_loses_is_told_to_whom():
    high = replace(PROMO, id="high", slot="boosts", priority=501)
    newer = replace(PROMO, id="newer", slot="boosts", start=NOW - 5)
    a, b = (replace(PROMO, id=name, slot="boosts") for name in "ab")
    narrow = replace(VOCABULARY, slots={"boosts": replace(VOCABULARY.slots["boosts"], capacity=3)})
    promos = [b, a, newer, high]
    assert ids(resolve(promos, narrow, VISITOR, NOW)) == {"boosts": ["high", "newer", "a"]}
    explained = explain(promos, narrow, VISITOR, NOW)
    assert [each.promo.id for each in explained] == ["high", "newer", "a", "b"]
    assert refusals(explained[-1]) == {
        "capacity": 'boosts shows 3; lost to "high" (priority 501, not 500), "newer" (same priority, newer), '
        '"a" (same priority and start, first by id)'
    }


def test_what_shut_gates_keep_back_anyway_is_no_change():
    later = replace(PROMO, id="later", start=NOW + 3, end=NOW + 5)
    elsewhere = replace(for_whom(jurisdictions=frozenset(["US-PA"])), id="elsewhere", start=NOW + 1)
    over = replace(PROMO, id="over", start=NOW - 9, end=NOW - 2)
    promos = [PROMO, later, elsewhere, over]
    assert resolve(promos, VOCABULARY, VISITOR, NOW).next_change_at == NOW + 3
    assert resolve(promos, VOCABULARY, VISITOR, NOW + 3).next_change_at == NOW + 5
    assert resolve(promos, VOCABULARY, VISITOR, NOW + 10).next_change_at is None
    assert resolve(promos, VOCABULARY, Visitor(), NOW).next_change_at is None


def test_a_text_is_that_of_the_variant_where_it_has_one():
    content = {"en": Text("Spring"), "es": Text("Primavera")}
    promo = replace(PROMO, content=content, variants=(Variant("a", 1.0, {"en": Text("Now!")}), Variant("b", 1.0)))
    texts = {}
    for language in ("en", "es"):
        [shown] = resolve([promo], VOCABULARY, replace(VISITOR, language=language, id=""), NOW).slots["hero"]
        assert shown.variant == promo.variants[0], "without an id the first"
        texts[language] = shown.text.title
    assert texts == {"en": "Now!", "es": "Primavera"}


BRITISH = replace(VOCABULARY, languages=frozenset(["en", "en-GB", "es"]))


def test_who_reads_british_english_is_served_in_english_where_there_is_none():
    promo = replace(
        PROMO,
        content={"en": Text("Colors"), "es": Text("Colores")},
        image=Image("x.png", {"en": "Grays", "en-GB": "Greys"}),
        terms=Terms({"en": "Until canceled"}, "/terms"),
        variants=(Variant("a", 1.0, {"en-GB": Text("Colours!")}),),
        audience=replace(PROMO.audience, languages=frozenset(["en"])),
    )
    visitor = replace(VISITOR, language="en-gb")
    [explained] = explain([promo], BRITISH, visitor, NOW)
    [shown] = resolve([promo], BRITISH, visitor, NOW).slots["hero"]
    assert explained.shown
    assert (shown.text.title, shown.alt, shown.terms) == ("Colours!", "Greys", "Until canceled")
    [shown] = resolve([replace(promo, variants=())], BRITISH, visitor, NOW).slots["hero"]
    assert shown.text.title == "Colors"


def test_what_is_for_readers_of_british_english_is_not_for_all_who_read_english():
    promo = replace(for_whom(languages=frozenset(["en-GB"])), content={"en": Text("Colours")})
    shown = [
        ids(resolve([promo], BRITISH, replace(VISITOR, language=language), NOW))["hero"]
        for language in ("en-GB", "en", "en-AU", "es")
    ]
    assert shown == [["spring"], [], [], []]


def test_what_is_withheld_leaves_its_place_to_the_next_and_the_reason_is_told():
    best = replace(PROMO, id="best", priority=900, start=NOW - 1, end=NOW + 1)
    withheld = {"best": "is killed", "no longer there": "is killed"}
    found = resolve([best, PROMO], VOCABULARY, VISITOR, NOW, withheld)
    assert ids(found)["hero"] == ["spring"]
    assert found.next_change_at == PROMO.end, "not when it would have ended"
    told = {each.promo.id: each for each in explain([best, PROMO], VOCABULARY, VISITOR, NOW, withheld)}
    assert refusals(told["best"]) == {"withheld": "is killed"}
    assert told["spring"].shown
    assert told["spring"].outcomes[0].sentence == "nothing withholds it"


def test_shares_are_those_told_and_a_roll_out_does_not_choose_the_variant():
    promo = replace(PROMO, variants=(Variant("a", 1.0), Variant("b", 3.0)))
    visitors = [replace(VISITOR, id=f"visitor-{number}") for number in range(20_000)]
    within = [visitor for visitor in visitors if bucket(promo, visitor) < STEPS // 10]
    assert len(within) == pytest.approx(2_000, rel=0.1)
    for some in (visitors, within):
        shares = Counter(variant.id for visitor in some if (variant := variant_of(promo, visitor)))
        assert shares["b"] / len(some) == pytest.approx(0.75, abs=0.04)


def test_buckets_stay_where_they_are():
    """Another hash would show a promo that is rolled out to 10 % to other visitors after an update."""
    assert [bucket(PROMO, replace(VISITOR, id=name)) for name in ("v1", "v2", "")] == [4588, 90809, 99999]


def some(words: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(words.split()), max_size=2)


moments = st.integers(0, 8).map(float)
audiences = st.builds(
    Audience,
    jurisdictions=st.sampled_from([NEW_JERSEY, VOCABULARY.jurisdictions]),
    languages=some("en es"),
    devices=some("phone desktop"),
    segments=some("vip casino"),
    visitors=st.sampled_from(["", "", "new", "returning"]),
)
drafts = st.builds(
    Promo,
    id=st.sampled_from("abcdefghijkl"),
    kind=st.just("banner"),
    slot=st.sampled_from(["hero", "boosts"]),
    priority=st.integers(1, 3),
    content=st.sampled_from([{"en": Text("x")}, {"en": Text("x"), "es": Text("y")}]),
    start=moments,
    end=moments,
    timezone=st.just("UTC"),
    audience=st.just(Audience(NEW_JERSEY)) | audiences,
    rollout=st.sampled_from([100.0, 100.0, 50.0, 0.001]),
    variants=st.sampled_from([(), (Variant("a", 1.0), Variant("b", 2.0))]),
)
sets = st.lists(drafts.filter(lambda promo: promo.start < promo.end), max_size=12, unique_by=lambda promo: promo.id)
visitors = st.builds(
    Visitor,
    st.sampled_from(["US-NJ", "US-NJ", "US-PA", "XX", ""]),
    st.sampled_from(["en", "es", ""]),
    st.sampled_from(["phone", "desktop", ""]),
    st.frozensets(st.sampled_from(["vip", "casino"])) | some("vip time-out unheard-of"),
    st.text(max_size=3),
    st.sampled_from([True, False, None]),
)
unit = settings(max_examples=200, deadline=None)


@unit
@given(sets, visitors, moments)
def test_a_slot_shows_the_best_of_those_that_pass_as_many_as_it_takes(
    promos: list[Promo], visitor: Visitor, now: float
):
    passing = [
        each.promo
        for each in explain(promos, VOCABULARY, visitor, now)
        if all(outcome.passed for outcome in each.outcomes if outcome.gate != "capacity")
    ]
    for name, shown in resolve(promos, VOCABULARY, visitor, now).slots.items():
        capacity = VOCABULARY.slots[name].capacity
        queue = [promo for promo in passing if promo.slot == name]
        assert len(shown) == min(capacity, len(queue))
        assert [each.promo for each in shown] == sorted(queue, key=rank)[:capacity]


@unit
@given(sets, visitors, moments, st.dictionaries(st.sampled_from("abcdef"), st.just("is killed"), max_size=3))
def test_what_is_explained_is_what_is_shown(
    promos: list[Promo], visitor: Visitor, now: float, withheld: dict[str, str]
):
    explained = explain(promos, VOCABULARY, visitor, now, withheld)
    slots = resolve(promos, VOCABULARY, visitor, now, withheld).slots.values()
    shown = {each.promo.id for slot in slots for each in slot}
    assert shown.isdisjoint(withheld)
    assert {each.promo.id for each in explained if each.shown} == shown
    assert len(explained) == len(promos)


@unit
@given(sets, visitors, moments, st.randoms(use_true_random=False))
def test_no_order_of_promos_matters(promos: list[Promo], visitor: Visitor, now: float, chance: random.Random):
    other = chance.sample(promos, len(promos))
    assert resolve(promos, VOCABULARY, visitor, now) == resolve(other, VOCABULARY, visitor, now)
    assert explain(promos, VOCABULARY, visitor, now) == explain(other, VOCABULARY, visitor, now)


@unit
@given(sets, st.lists(st.tuples(visitors, moments), max_size=8), st.sampled_from([{}, {"a": "is killed"}]))
def test_who_asked_before_makes_no_difference(
    promos: list[Promo], asked: list[tuple[Visitor, float]], withheld: dict[str, str]
):
    resolver = Resolver(promos, VOCABULARY, withheld)
    for visitor, now in asked:
        assert resolver(visitor, now) == resolve(promos, VOCABULARY, visitor, now, withheld)


@unit
@given(sets, visitors, moments, st.floats(0, 10))
def test_nothing_changes_before_the_next_change(promos: list[Promo], visitor: Visitor, now: float, wait: float):
    found = resolve(promos, VOCABULARY, visitor, now)
    until = found.next_change_at
    assert until is None or until > now
    if until is None or now + wait < until:
        assert resolve(promos, VOCABULARY, visitor, now + wait) == found


@unit
@given(sets, visitors, moments)
def test_who_is_excluded_or_unknown_is_shown_nothing(promos: list[Promo], visitor: Visitor, now: float):
    nothing = Resolution({"hero": (), "boosts": ()}, None)
    for shut in (
        replace(visitor, segments=visitor.segments | {"time-out"}),
        replace(visitor, segments=visitor.segments | {"unheard-of"}),
        replace(visitor, jurisdiction="XX"),
        replace(visitor, jurisdiction=""),
    ):
        assert resolve(promos, VOCABULARY, shut, now) == nothing


@unit
@given(st.floats(0, 100), st.floats(0, 100), st.text(max_size=5), st.sampled_from("abc"))
def test_a_higher_percentage_only_adds_visitors(one: float, other: float, visitor: str, promo: str):
    low, high = (
        bool(resolve([replace(PROMO, id=promo, rollout=share)], VOCABULARY, asked, NOW).slots["hero"])
        for share in sorted([one, other])
        for asked in [replace(VISITOR, id=visitor)]
    )
    assert low <= high


def test_steps_of_a_roll_out_are_exact():
    for number in range(2_000):
        visitor = replace(VISITOR, id=f"visitor-{number}")
        place = bucket(PROMO, visitor)
        assert 0 <= place < STEPS
        for steps, shown in ((place, False), (place + 1, True)):
            promo = replace(PROMO, rollout=steps / 1000)
            assert bool(resolve([promo], VOCABULARY, visitor, NOW).slots["hero"]) is shown


def test_a_vocabulary_cannot_make_no_jurisdiction_one():
    vocabulary = replace(VOCABULARY, jurisdictions=frozenset([""]))
    promo = for_whom(jurisdictions=frozenset([""]))
    assert ids(resolve([promo], vocabulary, replace(VISITOR, jurisdiction=""), NOW))["hero"] == []
