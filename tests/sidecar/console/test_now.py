from dataclasses import replace

from sidecar.console.audience import Asked, asked
from sidecar.console.now import now_page
from sidecar.console.words import clock, duration
from sidecar.promos.document import Audience, Image, Text, Variant
from sidecar.promos.moment import zone_of
from sidecar.promos.resolve import Visitor
from tests.sidecar.console.scenes import NOW, PROMO, VOCABULARY, WHO, live

WEAK = replace(PROMO, id="weak", priority=300, start=NOW - 7_200, content={"en": Text("Weak")})


def test_why_it_is_shown_and_what_has_no_room():
    [hero, *_] = now_page(live(PROMO, WEAK), {}, WHO, NOW).places
    [card] = hero.cards
    assert (card.promo, card.why, card.left_s, card.elapsed) == (
        PROMO,
        "Wins over 1: priority 500 > 300",
        3_600,
        0.5,
    )
    assert [(other.promo.id, other.why) for other in hero.behind] == [
        ("weak", 'hero shows 1; lost to "spring" (priority 500, not 300)')
    ]


def test_ties_are_told_as_they_are_broken():
    whys = {}
    for name, start in (("older", NOW - 7_200), ("zzz", PROMO.start)):
        [hero, *_] = now_page(live(PROMO, replace(PROMO, id=name, start=start)), {}, WHO, NOW).places
        whys[name] = hero.cards[0].why
    assert whys == {
        "older": "Wins over 1: same priority, newer start",
        "zzz": "Wins over 1: same priority and start, first by id",
    }


def test_an_empty_slot_says_what_comes():
    later = replace(PROMO, id="later", start=NOW + 7_200, end=NOW + 9_000)
    elsewhere = replace(PROMO, id="pa", audience=Audience(frozenset(["US-PA"])))
    sooner = replace(elsewhere, id="sooner", start=NOW + 60)
    page = now_page(live(later, elsewhere, sooner), {}, WHO, NOW)
    [hero, boosts, _] = page.places
    assert (page.shown, page.empty, page.next_in_s) == (0, 3, 7_200)
    assert hero.coming is not None
    assert (hero.coming.promo, hero.coming.in_s, hero.elsewhere) == (later, 7_200, 1)
    assert boosts.coming is None


def test_what_is_withheld_is_told_with_the_reason_and_leaves_its_place():
    page = now_page(live(PROMO, WEAK), {"spring": "market suspended"}, WHO, NOW)
    hero = page.places[0]
    assert [card.promo.id for card in hero.cards] == ["weak"]
    assert [(other.promo.id, other.why) for other in hero.withheld] == [("spring", "market suspended")]
    assert page.withheld == 1


def test_a_roll_out_is_looked_at_from_within_and_from_outside():
    part = replace(PROMO, id="part", rollout=10.0, priority=900)
    nobody = replace(PROMO, id="nobody", rollout=0.0, priority=950)
    within = now_page(live(PROMO, part, nobody), {}, WHO, NOW).places[0]
    outside = now_page(live(PROMO, part, nobody), {}, replace(WHO, inside=False), NOW).places[0]
    assert [card.promo for card in within.cards] == [part]
    assert [card.promo for card in outside.cards] == [PROMO]


def test_variants_and_images():
    variants = (Variant("a", 1), Variant("b", 3, {"en": Text("Loud")}))
    promo = replace(PROMO, variants=variants, image=Image("my pic#1.png", {"en": "Alt"}))
    [card] = now_page(live(promo), {}, WHO, NOW).places[0].cards
    assert [(each.name, each.title, each.share) for each in card.chances] == [("a", "Spring", 25), ("b", "Loud", 75)]
    assert card.picture is not None
    assert (card.picture.src, card.picture.alt) == ("/v1/promos/images/my%20pic%231.png", "Alt")


def test_the_address_keeps_the_audience():
    visitor = Visitor("US-PA", "es", "desktop", frozenset(["vip", "time-out"]), "v 1&2", True)
    who = Asked(visitor, inside=False)
    query: dict[str, list[str]] = {}
    for pair in who.url("/x", at=None).partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        query.setdefault(name, []).append(value.replace("+", " ").replace("%26", "&"))
    assert asked(query, live()) == who
    assert asked({}, live(replace(PROMO, audience=Audience(frozenset(["US-PA"]))))).visitor.jurisdiction == "US-PA"
    assert asked({}, live(vocabulary=replace(VOCABULARY, jurisdictions=frozenset()))).visitor.jurisdiction == ""
    assert asked({"jurisdiction": ["XX"]}, live(PROMO)).visitor.jurisdiction == "XX"


def test_durations_and_clocks():
    told = [duration(each) for each in (-5, 0, 59.9, 60, 61, 3_600, 8_039, 90_000, 86_400, 3_000_000)]
    assert told == ["0 s", "0 s", "59 s", "1 min", "1 min 1 s", "1 h", "2 h 13 min", "1 d 1 h", "1 d", "34 d 17 h"]
    zone = zone_of("Asia/Tokyo")
    assert zone is not None
    assert clock(NOW, zone, NOW) == "Tue 1 Dec 02:20"
    assert clock(NOW, zone, 0) == "Tue 1 Dec 2026 02:20"
    assert clock(1e15, zone, 0).startswith("Fri 31 Dec 9999")
