"""What an answer says of itself: read from the text, and the same as what a walk over the parsed document finds."""

import json
from datetime import UTC, datetime
from statistics import median_high
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.content import Board, board_of, count, is_json, moment, parsed, revision_of, select

NAMES = ("at", "seen")
# Texts that look like members, and letters that JSON escapes.
TEXT = st.text(st.sampled_from('at"seen:\\,{}[] \n\u00e9\u2028\U0001f600'), max_size=8) | st.sampled_from(
    ['"at":', '"at": "x"', '\\"at\\":1', "at", "seen", 'x","at":"2026-01-01T00:00:00Z']
)
TIMES = st.integers(946_684_800, 2_208_988_800).map(
    lambda at: datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
)
NUMBERS = st.integers(0, 2**31) | st.floats(0, 2e9, allow_nan=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT | TIMES
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*NAMES, "other", "a:at", "xat"]), inner, max_size=4)
    ),
    max_leaves=20,
)
DUMPS = st.sampled_from(
    [
        {},
        {"ensure_ascii": False},
        {"indent": 1},
        {"separators": (",", ":")},
        {"separators": (" ,", " : ")},
    ]
)


def written(document: object, how: dict[str, Any]) -> bytes:
    return json.dumps(document, **how).encode("utf-8", "surrogatepass")


def walk(document: object) -> list[tuple[str, object]]:
    """Every member of every object."""
    if isinstance(document, list):
        return [found for one in document for found in walk(one)]
    if not isinstance(document, dict):
        return []
    return [*document.items(), *(found for one in document.values() for found in walk(one))]


def plain(value: object) -> bool:
    """A value that the text reading takes: no list, no object, and no text with an escape in it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) == f'"{value}"'
    return not isinstance(value, list | dict)


@given(DOCUMENTS, DUMPS)
def test_the_starts_are_those_that_a_walk_finds(document, how):
    found = {moment(value) for name, value in walk(document) if name == "at" and plain(value)}
    expected = sorted(time for time in found if time is not None)
    body = written(document, {**how, "ensure_ascii": False})
    assert list(board_of(body, starts="at").starts) == pytest.approx(expected)


@given(st.lists(st.fixed_dictionaries({"at": TIMES, "seen": TIMES, "name": TEXT}), max_size=6), DUMPS)
def test_a_board_as_a_walk_finds_it(events, how):
    board = board_of(written(events, how), starts="at", updated=("seen",), items="")
    starts = sorted({datetime.fromisoformat(event["at"]).timestamp() for event in events})
    seen = [datetime.fromisoformat(event["seen"]).timestamp() for event in events]
    newest, typical = (max(seen), median_high(seen)) if seen else (None, None)
    assert board == Board(len(events), tuple(starts), newest, typical)


def without(document: Any, *, named: bool) -> Any:
    """The document without what plain members of these names hold; their names stay when `named`."""
    if isinstance(document, list):
        return [without(one, named=named) for one in document]
    if not isinstance(document, dict):
        return document
    plain_ones = {name for name, value in document.items() if name in NAMES and plain(value)}
    kept = {n: without(value, named=named) for n, value in document.items() if n not in plain_ones}
    return {n: kept.get(n) for n in document} if named else kept


@given(DOCUMENTS, DOCUMENTS, DUMPS)
def test_revisions_are_equal_when_documents_differ_in_volatile_members_alone(one, other, how):
    """And never otherwise, in one serializer's hand, where the order of members is one way of saying the same."""
    how = {**how, "ensure_ascii": False}
    equal = len({revision_of(200, written(document, how), NAMES) for document in (one, other)}) == 1
    for named in (True, False):
        same = len({written(without(document, named=named), how) for document in (one, other)}) == 1
        assert equal or not same if named else same or not equal


@given(DOCUMENTS, st.data())
def test_volatile_members_may_hold_any_time(document, data):
    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        if isinstance(value, dict):
            return {n: data.draw(TIMES) if n == "seen" and isinstance(v, str) and plain(v) else moved(v)
                    for n, v in value.items()}  # fmt: skip
        return value

    later = moved(document)
    how = {"ensure_ascii": False}
    assert revision_of(200, written(document, how), ("seen",)) == revision_of(200, written(later, how), ("seen",))


def test_a_revision_names_the_status_too_and_reads_nothing_without_volatile_members():
    body = b'{"seen": 1}'
    assert revision_of(200, body) != revision_of(404, body)
    assert revision_of(200, body) != revision_of(200, b'{"seen": 2}')
    assert revision_of(200, body, ("seen",)) == revision_of(200, b'{"seen": 2}', ("seen",))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A member that is gone, or another one's text, is a change.
        (b'[{"p": 1, "seen": 1}]', b'[{"p": 2, "seen": 1}]'),
        (b'[{"p": 1, "seen": 1}]', b'[{"p": 1, "seen": [1]}]'),
        (b'[{"p": "a", "seen": 1}, {"p": "b"}]', b'[{"p": "b", "seen": 1}, {"p": "a"}]'),
        (b'[{"xseen": 1}]', b'[{"xseen": 2}]'),
        (b'["seen", 1]', b'["seen", 2]'),
    ],
)
def test_what_is_a_change_for_all_that(one, other):
    assert revision_of(200, one, ("seen",)) != revision_of(200, other, ("seen",))


@given(DOCUMENTS, DUMPS)
def test_what_is_json_is_found_to_be(document, how):
    body = written(document, {**how, "allow_nan": False})
    assert is_json(body)
    assert parsed(body) == json.loads(body)


@given(st.binary(max_size=30) | st.text(st.sampled_from('[]{}",:1e-.\\u0a \t'), max_size=14).map(str.encode))
def test_json_is_what_a_parser_takes(body):
    try:
        json.loads(body.decode(), parse_constant=lambda _: 1 / 0)
        expected = True
    except (ValueError, ZeroDivisionError, RecursionError):
        expected = False
    # msgspec checks the end of numbers such as 1e999 itself; what the two disagree on is not stored.
    assert not is_json(body) or expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1,]", b"nul", b'"\xff"', b"[1] [2]", b"[" * 100_000, b'{"a"}'])
def test_what_is_no_json(body):
    assert not is_json(body)
    assert parsed(body) is None


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", [{"a": [{"b": 1}, {"b": 2}, {}], "x/y": {"~": 3}, "": 4}]),
        ("/a/0/b", [1]),
        ("/a/*/b", [1, 2]),
        ("/x~1y/~0", [3]),
        ("/", [4]),
        ("/a/3", []),
        ("/a/-1", []),
        ("/a/²", []),
        ("/a/b", []),
        ("/none/*", []),
        ("/a/0/b/c", []),
    ],
)
def test_pointers(pointer, expected):
    document = {"a": [{"b": 1}, {"b": 2}, {}], "x/y": {"~": 3}, "": 4}
    assert select(json.dumps(document, indent=1).encode(), pointer) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": }', b'{"a": [1}', b'{"a": nan}', b"[" * 100_000])
def test_nothing_is_found_in_what_is_no_json(body):
    assert select(body, "/a") == select(body, "/*") == []


@given(st.recursive(st.integers() | st.text(), lambda t: st.lists(t) | st.dictionaries(st.sampled_from("ab*"), t)))
def test_a_pointer_finds_what_a_walk_finds(document):
    def walk(value, names):
        if not names:
            return [value]
        if isinstance(value, dict):
            return walk(value[names[0]], names[1:]) if names[0] in value else []
        inner = value if names[0] == "*" and isinstance(value, list) else []
        return [found for one in inner for found in walk(one, names[1:])]

    text = json.dumps(document, indent=2).encode()
    for names in ("", "a", "*", "*a", "ab", "**", "a*b"):
        assert select(text, "".join(f"/{name}" for name in names)) == walk(document, names)


@pytest.mark.parametrize(
    ("body", "pointer", "expected"),
    [
        (b"[]", "", 0),
        (b"[1, {}, [2]]", "", 3),
        (b"{}", "", None),
        (b"no", "", None),
        (b'{"data": [1]}', "/data", 1),
        (b'{"data": {}}', "/data", None),
        (b'{"data": null}', "/data", None),
        (b"[" * 100_000, "", None),
        (b"[" * 100_000, "/a", None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_how_many_items_there_are(body, pointer, expected):
    assert count(body, pointer) == expected


NEW_YEAR = 1_767_225_600.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01T01:00:00+01:00", NEW_YEAR),
        ("2026-01-01T00:00:00.5Z", NEW_YEAR + 0.5),
        ("2026-01-01T00:00:00", None),
        ("soon", None),
        ("", None),
        (NEW_YEAR, NEW_YEAR),
        (1_767_225_600, NEW_YEAR),
        (1_767_225_600_000, NEW_YEAR),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_a_moment(value, expected):
    assert moment(value) == expected


def test_a_board_tells_what_it_is_asked_for_and_what_it_has():
    body = b'{"made": "2026-01-01T00:00:10Z", "games": [{"at": 1767225600}, {"at": 1767225600}, {"at": "tbd"}]}'
    assert board_of(body) == Board()
    board = board_of(body, starts="at", updated_at="/made", items="/games")
    assert board == Board(3, (NEW_YEAR,), NEW_YEAR + 10, NEW_YEAR + 10)
    assert board_of(body, updated_at="/none", items="/none") == Board()
    assert board_of(body, updated=("none",)) == Board()


def test_the_typical_look_is_not_the_newest():
    looks = [datetime.fromtimestamp(NEW_YEAR + n, UTC).isoformat() for n in (0, 1, 2, 500)]
    board = board_of(json.dumps([{"seen": look} for look in looks]).encode(), updated=("seen",))
    assert (board.newest, board.typical) == (NEW_YEAR + 500, NEW_YEAR + 2)


def test_a_name_that_ends_like_another_is_another():
    one, other = (json.dumps({'x"at': at}).encode() for at in (NEW_YEAR, NEW_YEAR + 1))
    assert revision_of(200, one, ("at",)) != revision_of(200, other, ("at",))
    assert board_of(one, starts="at") == Board()


def test_one_start_in_two_spellings_is_one_start():
    body = b'[{"at": "2026-01-01T00:00:00Z"}, {"at": "2026-01-01T00:00:00+00:00"}, {"at": 1767225600}]'
    assert board_of(body, starts="at").starts == (NEW_YEAR,)


def test_a_number_of_any_size_is_no_exception():
    body = b'{"made": 1' + b"0" * 400 + b"}"
    assert is_json(body)
    assert board_of(body, updated_at="/made") == Board()


def test_what_has_no_time_yet_hides_no_data_age():
    """Of three scores one is known: upcoming games have none."""
    body = b'[{"last_update": "2026-01-01T00:00:05Z"}, {"last_update": null}, {"last_update": null}]'
    board = board_of(body, updated=("last_update",))
    assert board.newest == board.typical == NEW_YEAR + 5
