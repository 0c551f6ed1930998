import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.credential import Credential
from holdover.entry import Entry, encode, request_facts
from holdover.exchange import Response
from holdover.fill import Filled
from holdover.intake import Failed, Fetched, Refused
from holdover.verdict import MEANINGS
from holdover.wire import WireError, decode_credential, decode_filled, decode_request, encode_filled


def whole(kind: Any, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a dataclass, every field of which is drawn."""
    assert given.keys() == {field.name for field in fields(kind)}
    return st.builds(kind, **given)


TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
TIMES = st.floats(0, 1e10)
BODIES = st.binary(max_size=40)
STATUSES = st.integers(100, 999)
REQUESTS = whole(
    CanonicalRequest, provider=TEXT, route=TEXT, path=TEXT, query=PAIRS, headers=PAIRS, body=TEXT, partition=TEXT
)
BOARDS = whole(
    Board,
    events=st.none() | st.integers(0, 10_000),
    starts=st.lists(TIMES, max_size=3).map(tuple),
    newest=st.none() | TIMES,
    typical=st.none() | TIMES,
)
ENTRIES = whole(
    Entry,
    request=REQUESTS,
    status=STATUSES,
    headers=PAIRS,
    identity=BODIES,
    gzip=BODIES,
    revision=TEXT,
    requested_at=TIMES,
    received_at=TIMES,
    initial_age=TIMES,
    fetch_s=TIMES,
    board=BOARDS,
    cost=TIMES,
    floor_s=TIMES,
    projected=TEXT,
)
RESULTS = st.one_of(
    whole(Fetched, entry=ENTRIES, effect=st.sampled_from(["changed", "unchanged", "not_modified", None])),
    whole(
        Refused,
        response=whole(Response, status=STATUSES, headers=PAIRS, body=BODIES, interim=st.just(())),
        reason=TEXT,
        trouble=st.booleans(),
        means=st.sampled_from([*MEANINGS, None]),
        alone=st.booleans(),
    ),
    whole(
        Failed,
        reason=TEXT,
        timed_out=st.booleans(),
        retry_after=st.none() | TIMES,
        connection=st.booleans(),
        unheard=st.booleans(),
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(REQUESTS)
def test_a_request_comes_through(request):
    assert decode_request(through_json(request_facts(request))) == request


def arrived(result: Any) -> Any:
    """As the other side has it. Whether another try might work stays behind: when a result travels, all were made."""
    return replace(result, connection=False, unheard=False) if isinstance(result, Failed) else result


@given(whole(Filled, result=RESULTS, led=st.booleans(), plain=st.none()))
def test_an_answer_comes_through(filled):
    assert decode_filled(encode_filled(filled)) == replace(filled, result=arrived(filled.result))


@given(JSON)
def test_a_meaning_of_another_version_is_none(value):
    data = json.dumps({**REFUSED, "means": value}).encode() + b"\n"
    result = decode_filled(data).result
    assert isinstance(result, Refused)
    assert result.means == (value if value in MEANINGS else None)


@given(JSON | st.lists(JSON, min_size=7, max_size=7))
def test_no_other_value_is_a_request(value):
    try:
        request = decode_request(value)
    except WireError:
        return
    assert through_json(request_facts(request)) == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        [],
        ["p", "r", "/", "", "", []],
        ["p", "r", "/", [], []],
        ["p", "r", "/", "", "", [], [], []],
        ["p", "r", None, "", "", [], []],
        ["p", "r", "/", None, "", [], []],
        ["p", "r", "/", "", 1, [], []],
        ["p", "r", "/", "", "", [["x"]], []],
        ["p", "r", "/", "", "", [["x", 1]], []],
        ["p", "r", "/", "", "", ["xy"], []],
        ["p", "r", "/", "", "", {"x": "y"}, []],
        [1, "r", "/", "", "", [], []],
    ],
)
def test_requests_of_another_form(value):
    with pytest.raises(WireError):
        decode_request(value)


@given(PAIRS, PAIRS)
def test_a_credential_comes_through(query, headers):
    credential = Credential(query, headers)
    assert decode_credential(through_json([credential.query, credential.headers])) == credential


@pytest.mark.parametrize(
    "value", [None, "text", {}, [], [[]], [[], [], []], [[["x"]], []], [[], [["x", 1]]], [{"x": "y"}, []], ["xy", []]]
)
def test_credentials_of_another_form(value):
    with pytest.raises(WireError):
        decode_credential(value)


def refused(data: bytes) -> None:
    """Garbage is a WireError and nothing else."""
    try:
        decode_filled(data)
    except WireError:
        return


@given(st.binary(max_size=200))
def test_bytes_of_another_kind(data):
    refused(data)
    refused(data + b"\n")


FACTS = {"kind": "failed", "reason": "r", "timed_out": False, "retry_after": None, "led": True}
REFUSED = {
    "kind": "refused",
    "reason": "r",
    "trouble": False,
    "means": "quota",
    "alone": False,
    "status": 404,
    "headers": [],
    "led": False,
}
FETCHED = {"kind": "fetched", "effect": "changed", "led": True}


@given(st.sampled_from([FACTS, REFUSED, FETCHED]), st.data())
def test_facts_of_another_form(facts, data):
    changed = {**facts, data.draw(st.sampled_from(sorted(facts))): data.draw(JSON)}
    gone = data.draw(st.sampled_from(sorted(facts)))
    for one in (changed, {name: value for name, value in facts.items() if name != gone}, data.draw(JSON)):
        refused(json.dumps(one).encode() + b"\n" + data.draw(BODIES))


@given(RESULTS, st.data())
def test_a_cut_answer_is_no_answer(result, data):
    encoded = encode_filled(Filled(result, led=True))
    cut = data.draw(st.integers(0, len(encoded) - 1))
    refused(encoded[:cut])
    refused(encoded[cut:])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        json.dumps(FACTS).encode(),
        json.dumps({**FACTS, "kind": "else"}).encode() + b"\n",
        json.dumps({**FETCHED, "effect": "error"}).encode() + b"\n",
        json.dumps(FETCHED).encode() + b"\n",
        json.dumps(FETCHED).encode() + b"\n" + b"\x01" * 60,
        json.dumps({**REFUSED, "status": "404"}).encode() + b"\n",
        json.dumps({**REFUSED, "headers": [["a"]]}).encode() + b"\n",
        json.dumps({**REFUSED, "headers": {"a": "b"}}).encode() + b"\n",
        json.dumps({name: value for name, value in REFUSED.items() if name != "led"}).encode() + b"\n",
        b"\xff\xfe\n",
        pytest.param(b"[" * 100_000 + b"\n"),
        b"9" * 5_000 + b"\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_answers_of_another_form(data):
    with pytest.raises(WireError):
        decode_filled(data)


def test_led_is_a_truth_value():
    with pytest.raises(WireError):
        decode_filled(json.dumps({**FACTS, "led": "yes"}).encode() + b"\n")


@pytest.mark.parametrize("retry_after", [float("nan"), float("inf"), True])
def test_a_pause_is_a_finite_number_or_none(retry_after):
    data = json.dumps({**FACTS, "retry_after": retry_after}).encode() + b"\n"
    try:
        result = decode_filled(data).result
    except WireError:
        return
    assert isinstance(result, Failed)
    assert result.retry_after is None


def test_an_entry_travels_as_it_is_stored(entry_of):
    entry = entry_of(body=b"\n{}\n")
    assert encode_filled(Filled(Fetched(entry, "changed"), led=True)).endswith(b"\n" + encode(entry))
