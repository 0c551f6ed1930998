import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.diff import Difference, Member, differences, facts, lines, unified

from .test_watch import WORDS, promo

unit = settings(max_examples=400, deadline=None)


def campaign(*promos: dict[str, Any], **other: Any) -> bytes:
    return json.dumps({**other, "promos": promos}).encode()


A, B = promo("a"), promo("b")


def test_nothing_is_different_in_what_is_written_otherwise():
    before = {"x.json": campaign(A, B), **WORDS}
    after = {name: json.dumps(json.loads(data), indent=3, sort_keys=True).encode() for name, data in before.items()}
    assert before != after
    assert differences(before, after) == ()


def test_added_removed_and_changed():
    changed = {**A, "priority": 700, "link": "/there", "terms": {"link": "/terms"}}
    del changed["kind"]
    before = {"x.json": campaign(A, B)}
    found = differences(before, {"x.json": campaign(changed, promo("c"))})
    assert [(each.what, each.promo, each.file) for each in found] == [
        ("changed", "a", "x.json"),
        ("removed", "b", "x.json"),
        ("added", "c", "x.json"),
    ]
    assert lines(found) == [
        "changed a (x.json)",
        '  /kind: removed "notice"',
        '  /link: "/here" → "/there"',
        "  /priority: added 700",
        '  /terms: added {"link": "/terms"}',
        "removed b (x.json)",
        "added c (x.json)",
    ]
    assert facts(found)[0] == {
        "what": "changed",
        "promo": "a",
        "file": "x.json",
        "was_in": "",
        "members": [
            {"pointer": "/kind", "old": "notice"},
            {"pointer": "/link", "old": "/here", "new": "/there"},
            {"pointer": "/priority", "new": 700},
            {"pointer": "/terms", "new": {"link": "/terms"}},
        ],
        "text": "",
    }


def test_a_promo_that_moved_to_another_file():
    found = differences({"x.json": campaign(A, B)}, {"x.json": campaign(A), "y.json": campaign({**B, "link": "/b"})})
    assert found == (Difference("changed", "y.json", "b", "x.json", (Member("/link", "/here", "/b"),)),)
    assert lines(found) == ["changed b (y.json, was in x.json)", '  /link: "/here" → "/b"']
    # The whole file under another name.
    found = differences({"x.json": campaign(A, B)}, {"y.json": campaign(A, B)})
    assert [(each.promo, each.was_in, each.members) for each in found] == [("a", "x.json", ()), ("b", "x.json", ())]


def test_files_without_promos_and_what_else_a_campaign_says():
    before = {"x.json": campaign(A, title="one"), "empty.json": campaign(), "slots.json": WORDS["slots.json"]}
    slots = json.loads(WORDS["slots.json"])
    slots["slots"]["hero"]["capacity"] = 2
    slots["slots"]["a/b~c"] = {"kinds": []}
    after = {
        "x.json": campaign(A, title="two"),
        "slots.json": json.dumps(slots).encode(),
        "kill.json": b'{"promos": {"a": "wrong"}}',
    }
    assert lines(differences(before, after)) == [
        "removed empty.json",
        "  /promos: removed []",
        "added kill.json",
        '  /promos: added {"a": "wrong"}',
        "changed slots.json",
        '  /slots/a~1b~0c: added {"kinds": []}',
        "  /slots/hero/capacity: 1 → 2",
        "changed x.json",
        '  /title: "one" → "two"',
    ]


def test_lists():
    before = {**A, "audience": {"jurisdictions": ["US-NJ", "US-PA"]}, "variants": [{"id": "v", "weight": 1}]}
    after = {**A, "audience": {"jurisdictions": ["GB", "US-NJ"]}, "variants": [{"id": "v", "weight": 2}]}
    told_as = ['  /audience/jurisdictions: without "US-PA", with "GB"', "  /variants/0/weight: 1 → 2"]
    assert lines(differences({"x.json": campaign(before)}, {"x.json": campaign(after)}))[1:] == told_as
    longer = {**after, "variants": [*after["variants"], {"id": "w"}]}
    (found,) = differences({"x.json": campaign(after)}, {"x.json": campaign(longer)})
    assert found.members == (Member("/variants", after["variants"], longer["variants"]),)
    (found,) = differences({"x.json": b"[1, 2]"}, {"x.json": b"[2, 1]"})
    assert lines([found]) == ["changed x.json", "  all of it: the same in another order or number"]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("true", "1", False), ("[false]", "[0]", False), ("1", "1.0", True), ('"1"', "1", False), ("{}", "[]", False)],
)
def test_values_are_equal_as_json_has_it(old: str, new: str, same: bool):
    found = differences({"x.json": f'{{"a": {old}}}'.encode()}, {"x.json": f'{{"a": {new}}}'.encode()})
    assert [each.members[0].pointer for each in found] == ([] if same else ["/a"])


def test_the_order_of_promos():
    found = differences({"x.json": campaign(A, B)}, {"x.json": campaign(B, promo("c"), A)})
    assert [(each.promo, each.members) for each in found] == [
        ("", (Member("/promos", ["a", "b"], ["b", "a"]),)),
        ("c", ()),
    ]


def test_an_id_that_stands_twice_is_told_by_file():
    before = {"x.json": campaign(A), "y.json": campaign(B)}
    found = differences(before, {"x.json": campaign(A, A), "y.json": campaign(B)})
    assert [(each.what, each.file, each.promo, each.members[0].pointer) for each in found] == [
        ("changed", "x.json", "", "/promos")
    ]
    found = differences({"x.json": campaign(A), "y.json": campaign(A)}, {"x.json": campaign(A)})
    assert [(each.what, each.file, each.promo) for each in found] == [("removed", "y.json", "")]


def test_what_is_no_json_is_told_as_text():
    before = {"x.json": b'{\n "promos": []\n}\n'}
    (found,) = differences(before, {"x.json": b'{\n "promos": [\x1b[31m\xff\n}\n'})
    assert lines([found]) == [
        "changed x.json",
        "  --- x.json before",
        "  +++ x.json after",
        "  @@ -1,4 +1,4 @@",
        "   {",
        '  - "promos": []',
        '  + "promos": [\\x1b[31m\\xff',
        "   }",
        "   ",
    ]
    # A name that stands twice: the value alone would hide one of them.
    (found,) = differences({"x.json": b'{"a": 1, "a": 2}'}, {"x.json": b'{"a": 1, "a": 3}'})
    assert found.text


def test_terminals_are_told_no_commands():
    title = "a\x9b2J\u202eb\nc\ud7ff"
    (line,) = lines([Difference("added", "\x1b]0;x\x07.json", "a\nb")])
    assert line == "added a\\nb (\\x1b]0;x\\x07.json)"
    found = differences({"x.json": campaign(A)}, {"x.json": campaign({**A, "content": {"en": {"title": title}}})})
    assert all(each.isprintable() for each in lines(found))


def test_large_files_that_repeat_themselves_are_compared_in_time():
    many = b"\n".join(b"%d" % (n % 150) for n in range(100_000))
    assert unified(many, many[::-1], "x.json").startswith("x.json: 100,000 lines are ")
    assert unified(many, many, "x.json") == ""
    numbers = [json.dumps(list(range(start, start + 20_000))).encode() for start in (0, 10_000)]
    assert len(lines(differences({"x.json": numbers[0]}, {"x.json": numbers[1]}))) == 2
    ids = [campaign(*({"id": f"{n}"} for n in order)) for order in (range(8_000), range(7_999, -1, -1))]
    assert [each.promo for each in differences({"x.json": ids[0]}, {"x.json": ids[1]})] == [""]


NAMES = st.sampled_from(["promos", "id", "a", "", "a/b", "~1", "é"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 1.0, -0.0, 2, "", "0", "a", "\n"])
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
PROMOS = st.fixed_dictionaries({"id": st.sampled_from("abc")}, optional={"x": VALUES})
DOCUMENTS = VALUES | st.fixed_dictionaries({"promos": st.lists(PROMOS, max_size=4)}, optional={"x": VALUES})
SETS = st.dictionaries(st.sampled_from(["x.json", "y.json", "z.json"]), DOCUMENTS, max_size=3)


def tagged(value: Any) -> object:
    """Equal in Python when it is in JSON."""
    match value:
        case dict():
            return "object", {name: tagged(inner) for name, inner in value.items()}
        case list():
            return "array", [tagged(inner) for inner in value]
        case bool() | None:
            return "literal", str(value)
    return "other", value


def encoded(values: dict[str, Any]) -> dict[str, bytes]:
    return {name: json.dumps(value).encode() for name, value in values.items()}


@unit
@given(before=SETS, after=SETS, data=st.data())
def test_empty_when_all_values_are_equal_and_only_then(before: dict[str, Any], after: dict[str, Any], data: Any):
    if data.draw(st.booleans()):
        # Most of it the same: two random sets have little in common.
        after = {**before, **dict(list(after.items())[:1])}
    found = differences(encoded(before), encoded(after))
    assert (found == ()) == (tagged(before) == tagged(after))
    assert differences(encoded(before), {n: b"\xef\xbb\xbf " + d for n, d in encoded(before).items()}) == ()
    json.dumps(facts(found))
    back = differences(encoded(after), encoded(before))
    assert {(each.promo, each.file) for each in found if not each.promo} == {
        (each.promo, each.file) for each in back if not each.promo
    }


@unit
@given(before=SETS, after=SETS)
def test_members_say_what_was_and_is_there(before: dict[str, Any], after: dict[str, Any]):
    for each in differences(encoded(before), encoded(after)):
        for member in () if each.promo else each.members:
            for value, side in ((member.old, before), (member.new, after)):
                found: Any = side.get(each.file, {})
                for part in member.pointer.split("/")[1:]:
                    name = part.replace("~1", "/").replace("~0", "~")
                    found = found.get(name, "absent") if isinstance(found, dict) else found[int(name)]
                if member.pointer != "/promos":
                    assert repr(value) == "ABSENT" if found == "absent" else tagged(value) == tagged(found)


@unit
@given(
    before=st.dictionaries(st.text(max_size=3), st.binary(max_size=40), max_size=3),
    after=st.dictionaries(st.text(max_size=3), st.binary(max_size=40), max_size=3),
)
def test_any_bytes_are_taken(before: dict[str, bytes], after: dict[str, bytes]):
    found = differences(before, after)
    assert bool(found) == (before != after) or not any(each.text for each in found)
    assert all(line.isprintable() for line in lines(found))
    json.dumps(facts(found))


@unit
@given(data=st.data())
def test_torn_and_spoilt_campaigns_are_taken(data: st.DataObject):
    good = campaign(A, {**B, "content": {"en": {"title": "é"}}})
    at = data.draw(st.integers(0, len(good)))
    spoilt = good[:at] + data.draw(st.binary(max_size=3)) + good[at + data.draw(st.integers(0, 4)) :]
    found = differences({"x.json": good}, {"x.json": spoilt})
    assert found or json.loads(spoilt) == json.loads(good)
    lines(found)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b'"\\ud800"', b"1e999", b"\0\0", b"\xff\xfe{}"]
)
def test_what_parsers_trip_over(data: bytes):
    assert [each.what for each in differences({"x.json": b"{}"}, {"x.json": data})] == ["changed"]
