import json
from typing import Any

import pytest

from sidecar.promos.document import Picture
from sidecar.promos.validate import check
from tests.sidecar.promos.edits import ENGLISH, GOOD, offer, told

HELPLINE = {"text": "1-800-GAMBLER", "link": "https://example.org"}
PACK: dict[str, Any] = {"minimum_age": 21, "helpline": HELPLINE, "offers": ["banner"]}
WORDS = json.loads(GOOD["audiences.json"])
AUDIENCES = json.dumps({**WORDS, "languages": ["en", "en-GB", "es", "fr"]}).encode()
REFUSED = {"texts": {"en": ["risk-free", "bet now", "can't lose"], "es": ["última oportunidad"]}, "why": "it is not"}
REQUIRED = {"texts": {"en": ["Play responsibly", "Bet with your head"]}, "why": "the law asks for it"}


def wrong(promo: dict[str, Any], *packs: dict[str, Any]) -> list[tuple[str, str]]:
    """`packs`: of US-NJ, and of US-PA."""
    names = ["US-NJ", "US-PA"][: len(packs)] or ["US-NJ"]
    rules = {f"compliance/{name}.json": json.dumps(pack).encode() for name, pack in zip(names, packs, strict=False)}
    files = {"slots.json": GOOD["slots.json"], "audiences.json": AUDIENCES, **rules}
    promo = {**promo, "audience": {"jurisdictions": names}}
    found = check({**files, "a.json": told(promo)}, {"a.png": Picture(800, 400, 9)})
    return [(problem.pointer.removeprefix("/promos/0"), problem.message) for problem in found.problems]


def banner(title: str = "Of spring", short: str = ENGLISH, language: str = "en", **other: Any) -> dict[str, Any]:
    made = offer("spring", "banner", "hero", "a.png", **other)
    made["content"] = {language: {"title": title}}
    made["image"]["alt"] = {language: "A field"}
    made["terms"]["short"] = {language: short}
    return made


def test_what_a_jurisdiction_asks_of_offers_is_told_where_it_is_missing():
    assert wrong(banner(), PACK) == []
    assert wrong(banner(short="Terms apply."), PACK) == [
        ("/terms/short/en", "does not tell the age, 21+"),
        ("/terms/short/en", "does not tell the helpline, 1-800-GAMBLER"),
    ]
    without = {name: value for name, value in banner().items() if name != "terms"}
    assert wrong(without, PACK) == [("", "terms are missing")]
    assert wrong(without, {**PACK, "offers": []}) == []


def test_it_is_told_beside_other_mistakes_but_not_of_what_has_another_shape():
    told_beside = [pointer for pointer, _ in wrong({**banner(short="21+"), "priority": "high", "end": "then"}, PACK)]
    assert told_beside == ["/end", "/terms/short/en", "/priority"]
    for member in ("kind", "content", "image", "terms", "variants"):
        pointers = {pointer for pointer, _ in wrong({**banner(short="21+"), member: [{}]}, PACK)}
        assert {pointer.split("/")[1] for pointer in pointers} == {member}


@pytest.mark.parametrize(
    ("short", "tells"),
    [
        ("21+", True),
        ("21 +", True),
        ("(21+)", True),
        ("\uff12\uff11\uff0b", True),
        ("121+", False),
        ("21", False),
        ("18+", False),
    ],
)
def test_the_age_is_told_as_it_stands(short: str, tells: bool):
    assert (wrong(banner(short=f"{short} 1-800-GAMBLER"), PACK) == []) is tells


def test_an_age_that_is_written_with_a_point_is_the_same_age():
    assert wrong(banner(), {**PACK, "minimum_age": 21.0}) == []


@pytest.mark.parametrize(
    "title",
    [
        *("RISK FREE bets", "risk\u2011free", "Risk\u2014free!", "riskfree", "r\u200bisk-free", "risk\u00adfree"),
        *(
            "\uff32\uff29\uff33\uff2b\uff0dfree",
            "rísk-free",
            "ri\ufe0fsk-free",
            "Bet\u00a0now",
            "You can\u2019t lose",
            "CAN'T LOSE.",
        ),
    ],
)
def test_what_is_refused_is_found_however_it_is_written(title: str):
    [(pointer, message)] = wrong(banner(title), {**PACK, "refused": [REFUSED]})
    assert pointer == "/content/en/title"
    assert message.startswith('says "')


@pytest.mark.parametrize(
    "title", ["A brisk freeway", "risk, then free", "Bet nowhere", "better now", "una oportunidad"]
)
def test_what_only_looks_alike_is_no_phrase(title: str):
    assert wrong(banner(title), {**PACK, "refused": [REFUSED]}) == []


def test_capitals_without_their_accents_are_the_same_words():
    pack = {**PACK, "refused": [REFUSED]}
    assert wrong(banner("ULTIMA OPORTUNIDAD", language="es"), pack) == [
        ("/content/es/title", 'says "última oportunidad"')
    ]


def test_what_is_refused_is_so_in_whatever_language_and_letters_it_is_said():
    for title, language in (
        ("Bet now", "es"),
        ("Última oportunidad", "en"),
        ("r\u0456sk-fr\u0435\u0435", "en"),
        ("Bet n\u03bfw", "en"),
    ):
        [(pointer, message)] = wrong(banner(title, language=language), {**PACK, "refused": [REFUSED]})
        assert pointer == f"/content/{language}/title"
        assert message.startswith('says "')


def test_what_is_refused_may_begin_in_the_title_and_end_in_the_text():
    made = banner("No risk")
    made["content"]["en"]["text"] = "free bets for all"
    rule = {"texts": {"en": ["risk free"]}, "why": "x"}
    assert wrong(made, {**PACK, "refused": [rule]}) == [("/content/en", 'says "risk free"')]


def test_what_is_refused_is_looked_for_in_all_that_is_read():
    variants = [{"id": "a", "weight": 1}, {"id": "b", "weight": 1, "content": {"en": {"title": "Risk-free"}}}]
    made = banner(short=f"{ENGLISH} Bet now", variants=variants)
    made["image"]["alt"]["en"] = "A sign: bet now"
    assert {pointer for pointer, _ in wrong(made, {**PACK, "refused": [REFUSED]})} == {
        "/image/alt/en",
        "/terms/short/en",
        "/variants/1/content/en/title",
    }


def test_rules_for_some_kinds_are_for_those_alone():
    for name, rule in (("refused", {**REFUSED, "texts": {"en": ["spring"]}}), ("required", REQUIRED)):
        assert wrong(banner(), {**PACK, name: [{**rule, "kinds": ["notice"]}]}) == []
        assert len(wrong(banner(), {**PACK, name: [{**rule, "kinds": ["banner"]}]})) == 1


def test_what_is_required_stands_in_every_version_that_is_shown():
    pack = {**PACK, "required": [REQUIRED]}
    missing = 'nothing says "Play responsibly" or "Bet with your head"'
    assert wrong(banner(), pack) == [("/content/en", missing)]
    assert wrong(banner("Spring. Play\u00a0RESPONSIBLY!"), pack) == []
    assert wrong(banner(short=f"{ENGLISH} Bet with your head."), pack) == []
    alone = banner()
    alone["image"]["alt"]["en"] = "Play responsibly"
    assert wrong(alone, pack) == [("/content/en", missing)]
    variants = [{"id": "a", "weight": 1}, {"id": "b", "weight": 1, "content": {"en": {"title": "Spring"}}}]
    assert wrong(banner("Play responsibly", variants=variants), pack) == [("/variants/1/content/en", missing)]
    variants[1]["content"] = {"en-GB": {"title": "Spring"}}
    assert ("/variants/1/content/en-GB", missing) in wrong(banner("Play responsibly", variants=variants), pack)


def test_a_language_in_which_the_rules_ask_for_nothing_is_no_way_around_them():
    [(_, message)] = [
        told for told in wrong(banner(language="fr"), {**PACK, "required": [REQUIRED]}) if "required" in told[1]
    ]
    assert message == "a phrase is required, and the rules have none in fr"


def test_each_jurisdiction_is_asked_and_what_two_say_alike_is_told_once():
    short = banner(short="Terms apply.")
    assert len(wrong(short, PACK, PACK)) == 2
    other = {**PACK, "minimum_age": 25}
    assert wrong(banner(), PACK, other) == [("/terms/short/en", "does not tell the age, 25+")]


@pytest.mark.parametrize("pack", [None, {"minimum_age": 21}, {**PACK, "offers": ["adverts"]}])
def test_without_good_rules_a_jurisdiction_cannot_be_named(pack: dict[str, Any] | None):
    found = wrong(banner(), *([pack] if pack else []))
    message = '"US-NJ" has no rules: compliance/US-NJ.json is missing or unusable'
    assert ("/audience/jurisdictions/0", message) in found
