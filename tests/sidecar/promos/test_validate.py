import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.rig import ROOT
from sidecar.promos.document import Picture, Slot
from sidecar.promos.problem import SHOWN, Problem, excerpt
from sidecar.promos.scan import Place
from sidecar.promos.schema import AT_ONCE
from sidecar.promos.validate import MOST_PROBLEMS, Checked, check

PROMOS, SCHEMAS = ROOT / "config" / "promos", ROOT / "config" / "schema"
SHIPPED = {str(path.relative_to(PROMOS)): path.read_bytes() for path in PROMOS.rglob("*.json")}
VOCABULARY = {name: SHIPPED[name] for name in ("slots.json", "audiences.json")}
LENIENT = {"minimum_age": 21, "helpline": {"text": "1-800-GAMBLER", "link": "https://example.org"}, "offers": []}
RULES = {**VOCABULARY, "compliance/US-NJ.json": json.dumps(LENIENT).encode()}
SPRING = {"spring.png": Picture(1200, 400, 90_000)}
BANNER: dict[str, Any] = {
    "id": "spring",
    "kind": "banner",
    "slot": "hero",
    "content": {"en": {"title": "Spring"}, "es": {"title": "Primavera"}},
    "image": {"src": "spring.png", "alt": {"en": "A field", "es": "Un campo"}},
    "link": "/spring",
    "start": "2026-03-01T00:00",
    "end": "2026-04-01T00:00",
    "timezone": "America/New_York",
    "audience": {"jurisdictions": ["US-NJ"]},
}


def checked(*promos: dict[str, Any], **files: bytes) -> Checked:
    text = json.dumps({"promos": promos}, indent=1).encode()
    return check({**RULES, "spring.json": text, **files}, SPRING)


def told(found: Checked) -> list[tuple[str, str]]:
    return [
        (problem.pointer, f"{problem.message}; {problem.remedy}".removesuffix("; ")) for problem in found.problems
    ]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BANNER.items() if key != name}


def test_what_is_shipped_is_good_and_its_schemas_are_those_of_the_code():
    found = check(SHIPPED, {})
    assert found.problems == ()
    assert [promo.id for promos in found.campaigns.values() for promo in promos] == ["welcome-notice"]
    assert found.vocabulary.slots["hero"] == Slot("Top of the homepage", 1, frozenset(["banner"]))
    own = ROOT / "sidecar" / "promos" / "schema"
    assert {path.name: path.read_text() for path in SCHEMAS.iterdir()} == {
        p.name: p.read_text() for p in own.iterdir()
    }
    for name, data in SHIPPED.items():
        first, place = next(iter(json.loads(data).items()))
        assert first == "$schema"
        assert (PROMOS / name).parent.joinpath(place).resolve().is_file(), name


def test_editors_tell_of_every_member_what_it_is():
    def undescribed(schema: Any, at: str) -> Iterator[str]:
        for name, inner in schema.items() if isinstance(schema, dict) else enumerate(schema):
            if isinstance(inner, dict | list) and name not in ("if", "then"):
                if at.endswith("/properties") and "description" not in inner:
                    yield f"{at}/{name}"
                yield from undescribed(inner, f"{at}/{name}")

    for path in SCHEMAS.iterdir():
        assert list(undescribed(json.loads(path.read_bytes()), path.name)) == []


def test_a_promo_is_typed_and_its_times_are_absolute():
    found = checked(BANNER)
    [promo] = found.campaigns["spring.json"]
    assert (promo.start, promo.end) == (1_772_341_200.0, 1_775_016_000.0)
    assert (promo.priority, promo.rollout) == (500, 100.0)
    assert promo.audience.jurisdictions == {"US-NJ"}
    assert promo.content["es"].title == "Primavera"


CHANGES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "an unknown kind": (
        {**BANNER, "kind": "baner"},
        [
            (
                "/promos/0/kind",
                'has to be one of "banner", "carousel-item", "boosted-odds", "notice"; did you mean "banner"?',
            )
        ],
    ),
    "an unknown member": (
        {**BANNER, "prioritty": 7},
        [("/promos/0/prioritty", 'is not known here; did you mean "priority"?')],
    ),
    "a missing member": (without("slot"), [("/promos/0", "slot is missing; add slot")]),
    "what a kind needs": (without("image"), [("/promos/0", "image is missing; add image")]),
    "a language that is none": (
        {**BANNER, "content": {"english": {"title": "x"}}},
        [("/promos/0/content/english", "is not known here; languages are named such as en or en-US")],
    ),
    "a time that is none": (
        {**BANNER, "start": "tomorrow"},
        [("/promos/0/start", "is no local time; write it as 2026-11-26T12:00")],
    ),
    "a time that does not exist": (
        {**BANNER, "start": "2026-03-08T02:30"},
        [
            (
                "/promos/0/start",
                "does not exist in America/New_York: clocks are set forward then; write 2026-03-08T01:30 or "
                "2026-03-08T03:30",
            )
        ],
    ),
    "an end before the start": (
        {**BANNER, "end": "2026-02-01T00:00"},
        [("/promos/0/end", "end (2026-02-01T00:00) is not after start (2026-03-01T00:00); it would never be shown")],
    ),
    "a zone that is none": (
        {**BANNER, "timezone": "EST"},
        [("/promos/0/timezone", '"EST" is no time zone; write a name such as America/New_York or Europe/London')],
    ),
    "an unknown slot": (
        {**BANNER, "slot": "heroe"},
        [("/promos/0/slot", '"heroe" is not in slots.json; did you mean "hero"?')],
    ),
    "a slot for other kinds": (
        {**BANNER, "slot": "notices"},
        [("/promos/0/kind", 'slot "notices" takes no banner; it takes notice')],
    ),
    "an unknown jurisdiction": (
        {**BANNER, "audience": {"jurisdictions": ["US-NJ", "US-ZZ"]}},
        [("/promos/0/audience/jurisdictions/1", '"US-ZZ" is not in audiences.json; did you mean "US-PA"?')],
    ),
    "a segment that is shown nothing": (
        {**BANNER, "audience": {"jurisdictions": ["US-NJ"], "segments": ["self-excluded"]}},
        [("/promos/0/audience/segments/0", 'segment "self-excluded" is shown nothing; remove it')],
    ),
    "no image": (
        {**BANNER, "image": {**BANNER["image"], "src": "../spring.png"}},
        [("/promos/0/image/src", 'there is no file "../spring.png" beside this one')],
    ),
    "no text for those who do not see": (
        {**BANNER, "image": {"src": "spring.png", "alt": {"en": "A field"}}},
        [("/promos/0/image/alt", "has no text in es; the content is in these languages")],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_mistake_is_told_with_its_place_and_what_to_do(name: str):
    promo, expected = CHANGES[name]
    found = checked(promo)
    pairs = told(found)
    assert pairs == expected
    assert found.campaigns == {}
    [problem] = found.problems
    line = found.texts["spring.json"].splitlines()[problem.place.line - 1]
    assert excerpt(problem, found.texts["spring.json"]).splitlines()[0].endswith(line)


def test_of_a_file_that_is_no_campaign_not_every_byte_is_told():
    found = check({**RULES, "spring.json": b'{"promos": [' + b"{}," * 5000 + b"{}]}"}, {})
    assert len(found.problems) == MOST_PROBLEMS + 1
    assert found.problems[-1].remedy == "mend what is told first"
    found = check({**RULES, "kill.json": json.dumps({"promos": {f"p-{n}": "" for n in range(900)}}).encode()}, {})
    assert len(found.problems) == MOST_PROBLEMS + 1


def test_promos_are_judged_alike_wherever_in_the_file_they_stand():
    promos = [{**BANNER, "id": f"spring-{number}"} for number in range(2 * AT_ONCE + 1)]
    promos[AT_ONCE]["kind"] = promos[-1]["kind"] = "baner"
    text = json.dumps({"promo": 1, "promos": promos}, indent=1).encode()
    found = check({**RULES, "spring.json": text}, SPRING)
    pointers = [f"/promos/{number}/kind" for number in (AT_ONCE, 2 * AT_ONCE)]
    assert [problem.pointer for problem in found.problems] == ["/promo", *pointers]
    lines = text.decode().split("\n")
    assert all('"kind": "baner"' in lines[problem.place.line - 1] for problem in found.problems[1:])


@pytest.mark.parametrize("before", ["", "x" * 50, "x" * 5000])
@pytest.mark.parametrize("after", ["", "y" * 5000])
def test_of_a_long_line_an_excerpt_shows_what_is_about_the_place(before: str, after: str):
    text = f'{{"a": "\u2028",\r\n "{before}": !"{after}"\r\n}}'
    place = Place(2, len(before) + 6)
    assert excerpt(Problem("a.json", Place(1, 6), "", ""), text.replace("a", "\x1b", 1)).startswith(
        '  1 | {"�": "�",\n'
    )
    shown, caret = excerpt(Problem("a.json", place, "", ""), text).split("\n")
    assert len(shown) < SHOWN + 10
    assert shown[len(caret) - 1] == "!"


def test_all_mistakes_are_told_at_once_whatever_their_kind():
    first = {**BANNER, "kind": "baner", "end": "2026-02-01T00:00", "audience": {"jurisdictions": ["US-ZZ"]}}
    found = checked(first, {**BANNER, "id": "other", "slot": "heroe", "slots": 1})
    assert [pointer for pointer, _ in told(found)] == [
        "/promos/0/kind",
        "/promos/0/end",
        "/promos/0/audience/jurisdictions/0",
        "/promos/1/slot",
        "/promos/1/slots",
    ]


def test_a_bad_file_keeps_no_other_from_being_good():
    other = json.dumps({"promos": [{**BANNER, "id": "other"}]}).encode()
    found = checked({**BANNER, "kind": "baner"}, **{"other.json": other})
    assert list(found.campaigns) == ["other.json"]
    assert {problem.file for problem in found.problems} == {"spring.json"}


def test_an_id_stands_once_in_all_files():
    found = checked(BANNER, BANNER, **{"zz.json": json.dumps({"promos": [BANNER]}).encode()})
    assert [problem.file for problem in found.problems] == ["spring.json", "zz.json"]
    assert all('"spring" is the id of the promo in spring.json:' in problem.message for problem in found.problems)


@pytest.mark.parametrize("name", VOCABULARY)
def test_without_a_vocabulary_nothing_is_judged_and_nothing_is_good(name: str):
    for files in ({k: v for k, v in SHIPPED.items() if k != name}, {**SHIPPED, name: b"{"}):
        found = check(files, None)
        assert [problem.file for problem in found.problems] == [name]
        assert found.campaigns == {}


def edited(chance: random.Random, data: bytes) -> bytes:
    """As a slip of the hand leaves it."""
    at = chance.randrange(len(data))
    edits: list[Callable[[], bytes]] = [
        lambda: data[:at],
        lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        lambda: data[:at] + data[at + chance.randrange(1, 9) :],
        lambda: data[:at] + data[chance.randrange(len(data)) :],
        lambda: data.replace(b'"kind"', b'"slot"', 1),
        lambda: data.replace(b'"2026', chance.choice([b"2026", b'"20x6', b"null", b"[]"]), 1),
        lambda: data.replace(b"{", chance.choice([b"[", b"{{", b""]), chance.randrange(1, 4)),
    ]
    return chance.choice(edits)()


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(SHIPPED)))
def test_no_edit_escapes_as_an_exception_and_every_refusal_names_a_place(seed: int, name: str):
    chance = random.Random(seed)
    data = SHIPPED[name]
    for _ in range(chance.randrange(1, 4)):
        data = edited(chance, data) or b" "
    found = check({**SHIPPED, name: data}, {})
    for problem in found.problems:
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert problem.message
    assert found.problems or found.campaigns or name == "welcome.json"
