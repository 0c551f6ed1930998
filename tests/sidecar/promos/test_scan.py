import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.scan import DEEPEST, LONGEST_NAME, MOST_BYTES, MOST_VALUES, NotJson, Place, scan

unit = settings(max_examples=150, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**17), 10**17), st.floats(allow_nan=False), texts)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(texts.filter(lambda name: len(name) <= LONGEST_NAME), inner),
    max_leaves=30,
).filter(lambda value: "Infinity" not in json.dumps(value))


def refused(data: bytes | str) -> tuple[str, int, int]:
    with pytest.raises(NotJson) as caught:
        scan(data.encode() if isinstance(data, str) else data)
    return str(caught.value), caught.value.place.line, caught.value.place.column


@unit
@given(documents, st.sampled_from([None, 1, 4]), st.booleans())
def test_values_are_those_of_the_standard_library(document: Any, indent: int | None, escaped: bool):
    text = json.dumps(document, indent=indent, ensure_ascii=escaped)
    assert scan(text.encode()).value == json.loads(text)


def pointers(value: Any, at: str = "") -> dict[str, Any]:
    found = {at: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        found |= pointers(each, f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}")
    return found


@unit
@given(documents, st.sampled_from([None, 2]))
def test_every_value_has_its_place(document: Any, indent: int | None):
    text = json.dumps(document, indent=indent)
    scanned, lines = scan(text.encode()), text.split("\n")
    assert scanned.values.keys() == pointers(document).keys()
    for pointer, place in scanned.values.items():
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == pointers(document)[pointer]


@unit
@given(documents, st.data())
def test_no_prefix_of_an_object_is_a_document(document: Any, data: st.DataObject):
    text = json.dumps({"a": document}, indent=1)
    cut = data.draw(st.integers(0, len(text) - 1))
    _, line, column = refused(text[:cut])
    assert 1 <= line <= text[:cut].count("\n") + 1
    assert column >= 1


@unit
@given(st.binary(max_size=60))
def test_whatever_bytes_there_are_it_says_where_or_reads_them(data: bytes):
    places = list[Place]()
    try:
        scan(data)
    except NotJson as error:
        places.append(error.place)
    assert all(place >= Place(1, 1) for place in places)


def test_names_that_stand_twice_have_both_places_and_the_first_stands():
    scanned = scan(b'{\n  "a": {"x": 1},\n  "a/b": 2,\n  "a": {"y": 3}\n}')
    assert scanned.value == {"a": {"x": 1}, "a/b": 2}
    [repeated] = scanned.repeated
    assert (repeated.pointer, repeated.first, repeated.again) == ("/a", Place(2, 3), Place(4, 3))
    assert "/a/y" not in scanned.values
    assert scanned.names["/a~1b"] == Place(3, 3)


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("", "is empty", 1, 1),
        (f'{{"{"k" * (LONGEST_NAME + 1)}": 1}}', "a name of more than 100 characters", 1, 2),
        (
            f"[{'0,' * MOST_VALUES}0]",
            "here are more than 30,000 values; one campaign a file is enough",
            1,
            2 * MOST_VALUES,
        ),
        (" \n ", "is empty", 2, 2),
        ('{"a": NaN}', '"NaN" is no value; text stands in double quotes', 1, 7),
        ('{"a": -Infinity}', "is no number", 1, 7),
        ('{"a": 1e999}', "is too large a number", 1, 7),
        (
            '{"a": 01}',
            "is no number as JSON writes them (no leading zeros, a digit on both sides of the point)",
            1,
            7,
        ),
        (
            '{"a": 1.}',
            "is no number as JSON writes them (no leading zeros, a digit on both sides of the point)",
            1,
            7,
        ),
        ("{'a': 1}", "a name in double quotes is expected here", 1, 2),
        ("{\"a\": 'b'}", '"\'" is no value; text stands in double quotes', 1, 7),
        ('{"a": True}', '"True" is no value; text stands in double quotes', 1, 7),
        ('{"a" 1}', 'a colon is expected after "a"', 1, 6),
        ('{"a": 1 "b": 2}', "a comma is expected before a member in quotes, or }", 1, 9),
        ('{"a": [1 2]}', "a comma is expected before a value, or ]", 1, 10),
        ('{"a": 1,}', "a comma before }; remove it", 1, 8),
        ('{"a": [1,\n]}', "a comma before ]; remove it", 1, 9),
        ('{"a": 1}\n{}', "something stands after the end of the document; remove it", 2, 1),
        ('{"a": "b}', "a string without its closing quote", 1, 7),
        ('{"a":\n [1,\n 2', "ends before ], which closes line 2; the file may not be saved whole", 3, 3),
        ('{"a":', "ends in the middle; the file may not be saved whole", 1, 6),
        ('{"a": "\\ud800"}', "half of a character (a lone surrogate) stands in this string", 1, 7),
        ("[" * (DEEPEST + 2), f"is nested more than {DEEPEST} deep", 1, DEEPEST + 2),
    ],
)
def test_what_is_refused_is_told_with_its_place(text: str, message: str, line: int, column: int):
    assert refused(text) == (message, line, column)


def test_encodings():
    text = '{"a": "é"}'
    assert scan(text.encode("utf-8-sig")).value == {"a": "é"}
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        assert refused(text.encode(encoding))[0] == "is UTF-16 or UTF-32; save it as UTF-8"
    assert refused('{\n "a": "é"}'.encode("latin-1")) == ("holds a byte that is no UTF-8; save it as UTF-8", 2, 8)
    assert refused(b"[" + b" " * MOST_BYTES + b"]")[0].startswith("is larger than 1,048,576 bytes")


def test_a_nest_of_brackets_is_no_recursion_error():
    assert refused(b"[" * 200_000)[0] == f"is nested more than {DEEPEST} deep"
