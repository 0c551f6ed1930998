"""Sets of promos and visitors that hypothesis draws, for what looks ahead."""

from dataclasses import replace

from hypothesis import strategies as st

from sidecar.promos.document import Audience, Promo, Slot, Text, Variant, Vocabulary
from sidecar.promos.resolve import Visitor

BANNER = frozenset(["banner"])
VOCABULARY = Vocabulary(
    slots={"hero": Slot("Hero", 1, BANNER), "boosts": Slot("Boosts", 2, BANNER)},
    jurisdictions=frozenset(["US-NJ", "US-PA", "GB"]),
    languages=frozenset(["en", "en-GB", "es"]),
    devices=frozenset(["phone", "desktop"]),
    segments=frozenset(["vip", "casino", "sports", "time-out"]),
    excluded=frozenset(["time-out"]),
)
PROMO = Promo(
    id="spring",
    kind="banner",
    slot="hero",
    priority=500,
    content={"en": Text("Spring")},
    start=0.0,
    end=10.0,
    timezone="America/New_York",
    audience=Audience(frozenset(["US-NJ"])),
)


def some(words: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(words.split()), max_size=2)


moments = st.integers(0, 8).map(float)
drafts = st.builds(
    Promo,
    id=st.sampled_from("abcdefgh"),
    kind=st.just("banner"),
    slot=st.sampled_from(["hero", "boosts"]),
    priority=st.integers(1, 3),
    content=st.sampled_from(
        [{"en": Text("x")}, {"en": Text("x"), "es": Text("y")}, {"en-GB": Text("z"), "es": Text("y")}]
    ),
    start=moments,
    end=moments,
    timezone=st.just("UTC"),
    audience=st.builds(
        Audience,
        jurisdictions=st.frozensets(st.sampled_from(sorted(VOCABULARY.jurisdictions)), min_size=1),
        languages=st.just(frozenset()) | some("en es en-GB"),
        devices=st.just(frozenset()) | some("phone desktop"),
        segments=st.just(frozenset()) | some("vip casino sports"),
        visitors=st.sampled_from(["", "", "new", "returning"]),
    ),
    rollout=st.sampled_from([100.0, 100.0, 50.0, 20.0, 0.0]),
    variants=st.sampled_from([(), (), (Variant("a", 1.0), Variant("b", 2.0, {"es": Text("w")}))]),
)
sets = st.lists(drafts, max_size=8, unique_by=lambda promo: promo.id)
vocabularies = st.sampled_from(
    [
        VOCABULARY,
        VOCABULARY,
        replace(VOCABULARY, languages=frozenset(["en", "es"])),
        replace(VOCABULARY, slots={"hero": Slot("Hero", 2, BANNER)}),
        replace(VOCABULARY, jurisdictions=frozenset(["US-NJ"])),
        replace(VOCABULARY, excluded=frozenset(["time-out", "vip"])),
        replace(VOCABULARY, segments=frozenset(["vip", "time-out"])),
    ]
)
visitors = st.builds(
    Visitor,
    st.sampled_from(sorted(VOCABULARY.jurisdictions)),
    st.sampled_from(sorted(VOCABULARY.languages)),
    st.sampled_from(sorted(VOCABULARY.devices)),
    st.frozensets(st.sampled_from(["vip", "casino", "sports"])),
    st.text(st.characters(codec="ascii"), max_size=3),
    st.booleans(),
)
withholdings = st.dictionaries(st.sampled_from("abc"), st.just("is killed"), max_size=2)


def known(visitor: Visitor, *words: Vocabulary) -> bool:
    """Whether one of the vocabularies has each of what the visitor is."""
    return (
        any(visitor.jurisdiction in each.jurisdictions for each in words)
        and any(visitor.language in each.languages for each in words)
        and visitor.segments <= frozenset[str]().union(*(each.segments - each.excluded for each in words))
    )
