import json
import re
from dataclasses import replace
from typing import Any

import pytest

from holdover.answer import Answer, Ready, Wants, etag_matches, local, paid_answer, verbatim
from holdover.exchange import Response
from holdover.provider_settings import QuotaSettings
from holdover.quota import Told

QUOTA = QuotaSettings(last="X-Requests-Last")
HEADERS = (
    ("Content-Type", "application/json"),
    ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("X-Requests-last", "6"),
    ("x-requests-remaining", "94"),
)
NOW = 1003.75


def fields_of(answer: Answer) -> dict[str, str]:
    """Values by lower-case name; no field of these answers stands twice unless joined here."""
    found: dict[str, list[str]] = {}
    for name, value in answer.fields:
        found.setdefault(name.decode().lower(), []).append(value.decode())
    return {name: ", ".join(values) for name, values in found.items()}


BARE = r'(?:-?\d{1,15}|[A-Za-z*][\w!#$%&\'*+.^`|~:/-]*|"(?:[ !#-\[\]-~]|\\["\\])*")'
STATUS = re.compile(rf"holdover((?:; ?[a-z*][a-z0-9_.*-]*(?:={BARE})?)+)", re.ASCII)
FORWARDED = {"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}


def status_of(answer: Answer) -> dict[str, Any]:
    """Parameters of the Cache-Status field, which must have the form of RFC 9211: one member, hit or fwd."""
    value = fields_of(answer)["cache-status"]
    assert STATUS.fullmatch(value), value
    pairs = re.findall(rf"; ?([a-z*][a-z0-9_.*-]*)(?:=({BARE}))?", value)
    parameters = {name: found or True for name, found in pairs}
    assert len(parameters) == len(pairs), value
    assert not {"hit", "fwd"} <= set(parameters), value
    assert parameters.get("fwd", "miss") in FORWARDED
    return parameters


def test_a_hit(entry_of):
    ready = Ready(entry_of(headers=HEADERS, body=b'{"a":1}', initial_age=2.0), QUOTA)
    assert not ready.served
    answer = ready.answer(Wants(), NOW, "hit; ttl=6")
    assert ready.served
    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert fields_of(answer) == {
        "content-type": "application/json",
        "date": "Thu, 01 Jan 2026 00:00:00 GMT",
        "x-requests-last": "0",
        "x-requests-remaining": "94",
        "etag": f'W/"{ready.entry.revision}"',
        "vary": "Accept-Encoding",
        "content-length": "7",
        "age": "5",
        "cache-status": "holdover; hit; ttl=6",
    }
    assert status_of(answer) == {"hit": True, "ttl": "6"}


def test_gzip_only_for_those_who_want_it(entry_of):
    entry = entry_of(headers=HEADERS, body=b"[1,2,3]")
    ready = Ready(entry, QUOTA)
    for answer in (ready.answer(Wants(gzip=True), NOW, "hit"), paid_answer(entry, Wants(gzip=True), "fwd=miss")):
        assert answer.body == entry.gzip
        assert fields_of(answer)["content-encoding"] == "gzip"
        assert fields_of(answer)["content-length"] == str(len(entry.gzip))
    assert "content-encoding" not in fields_of(ready.answer(Wants(), NOW, "hit"))
    assert 0 <= ready.size - len(entry.identity) - len(entry.gzip) < 1_000


def test_what_is_held_beside_the_bodies_counts_too(entry_of):
    """A small answer to a long question, or one with long fields."""
    short = entry_of()
    long = replace(short, request=replace(short.request, query=(("flood", "x" * 16_000),)))
    fields = replace(short, headers=(("X-Long", "y" * 8_000),))
    assert Ready(long, QUOTA).size - Ready(short, QUOTA).size > 15_900
    assert Ready(fields, QUOTA).size - Ready(short, QUOTA).size >= 3 * 8_000 - 1_000


def test_head_has_the_fields_of_get_and_no_body(entry_of):
    ready = Ready(entry_of(headers=HEADERS), QUOTA)
    get, head = (ready.answer(Wants(gzip=True, head=head), NOW, "hit") for head in (False, True))
    assert (head.status, head.fields, head.body) == (get.status, get.fields, b"")
    assert paid_answer(ready.entry, Wants(head=True), "fwd=miss").body == b""


@pytest.mark.parametrize("wants", [Wants(if_none_match="*"), Wants(if_none_match="*", gzip=True, head=True)])
def test_not_modified(entry_of, wants):
    answer = Ready(entry_of(headers=HEADERS), QUOTA).answer(wants, NOW, "hit")
    fields = fields_of(answer)
    assert (answer.status, answer.body) == (304, b"")
    assert not {"content-length", "content-encoding", "content-type"} & set(fields)
    # RFC 9110 section 15.4.5: what a 200 would have had of these. The quota fields are there for legacy clients.
    assert {"date", "etag", "vary", "age", "cache-status", "x-requests-last"} <= set(fields)


def test_another_etag_gets_the_whole_answer(entry_of):
    ready = Ready(entry_of(), QUOTA)
    assert ready.answer(Wants(if_none_match='"other"'), NOW, "hit").status == 200
    assert ready.answer(Wants(if_none_match=ready.etag), NOW, "hit").status == 304


@pytest.mark.parametrize(
    ("if_none_match", "etag", "expected"),
    [
        ('"a"', 'W/"a"', True),
        ('W/"a"', 'W/"a"', True),
        ('W/"a"', '"a"', True),
        ("*", 'W/"a"', True),
        (' "x" ,W/"a"', 'W/"a"', True),
        ('"x", "y"', 'W/"a"', False),
        ('"A"', 'W/"a"', False),
        ("a", 'W/"a"', False),
        ("", 'W/"a"', False),
        (",,", 'W/"a"', False),
        ('"*"', 'W/"a"', False),
        ('w/"a"', 'W/"a"', False),
        pytest.param(
            '"a,b"',
            'W/"a,b"',
            True,
        ),
        pytest.param(
            '"x", W/"a, b"',
            'W/"a, b"',
            True,
        ),
        pytest.param(
            '"x,"a",y"',
            'W/"a"',
            False,
        ),
    ],
)
def test_etag_comparison_is_weak_and_by_whole_tags(if_none_match, etag, expected):
    assert etag_matches(if_none_match, etag) is expected


@pytest.mark.parametrize(
    "own",
    ['"v1"', 'W/"v1"', "v1", "", "W/v1", None],
)
def test_the_etag_is_the_revision_and_weak_because_it_stands_for_both_codings(entry_of, own):
    entry = entry_of(headers=() if own is None else (("ETAG", own),))
    ready = Ready(entry, QUOTA)
    assert ready.etag == f'W/"{entry.revision}"'
    for answer in (ready.answer(Wants(), NOW, "hit"), paid_answer(entry, Wants(), "fwd=miss")):
        assert [value.decode() for name, value in answer.fields if name.lower() == b"etag"] == [ready.etag]


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ((), "Accept-Encoding"),
        (("Origin",), "Origin, Accept-Encoding"),
        (("accept-encoding",), "accept-encoding"),
        (("Origin, Accept-Encoding",), "Origin, Accept-Encoding"),
    ],
)
def test_vary_names_the_coding_once(entry_of, vary, expected):
    answer = Ready(entry_of(headers=tuple(("Vary", value) for value in vary)), QUOTA).answer(Wants(), NOW, "hit")
    assert fields_of(answer)["vary"] == expected


def test_who_caused_the_fetch_is_told_its_cost(entry_of):
    entry = entry_of(headers=HEADERS)
    answer = paid_answer(entry, Wants(), "fwd=uri-miss; stored")
    assert (answer.status, answer.body) == (200, entry.identity)
    assert paid_answer(entry, Wants(if_none_match="*"), "fwd=uri-miss; stored").status == 304
    assert fields_of(answer)["x-requests-last"] == "6"
    assert status_of(answer) == {"fwd": "uri-miss", "stored": True}


@pytest.mark.parametrize("quota", [QuotaSettings(), QuotaSettings(remaining="x-requests-remaining")])
def test_without_a_declared_cost_field_all_fields_stay(entry_of, quota):
    assert fields_of(Ready(entry_of(headers=HEADERS), quota).answer(Wants(), NOW, "hit"))["x-requests-last"] == "6"


@pytest.mark.parametrize(
    ("at", "remaining", "used", "expected"),
    [
        (NOW, 12.0, 488.5, ("12", "488.5", "0")),
        (NOW, -5.0, None, ("-5", "6", "0")),
        (NOW, 4_900_000.0, 1e20, ("4900000", "100000000000000000000", "0")),
        (1000.0, 12.0, 488.0, ("94", "6", "0")),
    ],
)
def test_a_hit_tells_the_quota_that_was_told_last(entry_of, at, remaining, used, expected):
    """The fourth was told before the answer came, which tells newer figures itself."""
    names = ("x-requests-remaining", "X-Requests-Used", "x-requests-last")
    quota = QuotaSettings(remaining="X-Requests-Remaining", used="x-requests-used", last="x-requests-last")
    ready = Ready(entry_of(headers=(*zip(names, ("94", "6", "3"), strict=True),)), quota)
    before = fields_of(ready.answer(Wants(), NOW, "hit"))
    assert [before[name.lower()] for name in names] == ["94", "6", "0"]
    told = Told("vendor", "", at, remaining, used)
    for wants in (Wants(), Wants(gzip=True), Wants(if_none_match="*")):
        fields = fields_of(ready.answer(wants, NOW, "hit", told))
        assert tuple(fields[name.lower()] for name in names) == expected
    bare = Ready(entry_of(headers=()), quota).answer(Wants(), NOW, "hit", told)
    assert "x-requests-used" not in fields_of(bare)


def test_field_values_go_out_byte_by_byte_as_they_came(entry_of):
    entry = entry_of(headers=(("X-Name", "caf\udce9"), ("X-Other", "caf\u00e9")))
    for answer in (Ready(entry, QUOTA).answer(Wants(), NOW, "hit"), paid_answer(entry, Wants(), "fwd=miss")):
        assert (b"X-Name", b"caf\xe9") in answer.fields
        assert (b"X-Other", "caf\u00e9".encode()) in answer.fields


def test_a_clock_that_stepped_back_makes_no_negative_age(entry_of):
    assert fields_of(Ready(entry_of(at=1000), QUOTA).answer(Wants(), 10.0, "hit"))["age"] == "0"


def test_verbatim():
    response = Response(
        429,
        (
            ("Content-Type", "text/plain"),
            ("content-length", "999"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close, X-Hop, cache-control"),
            ("X-Hop", "1"),
            ("Content-Encoding", "gzip"),
            ("Cache-Control", "private"),
            ("Retry-After", "3"),
        ),
        b"\x1f\x8b",
    )
    answer = verbatim(response, 'fwd=uri-miss; fwd-status=429; detail="status 429"', Wants(gzip=True))
    assert (answer.status, answer.body) == (429, b"\x1f\x8b")
    assert fields_of(answer) == {
        "content-type": "text/plain",
        "content-encoding": "gzip",
        "cache-control": "private",
        "retry-after": "3",
        "content-length": "2",
        "cache-status": 'holdover; fwd=uri-miss; fwd-status=429; detail="status 429"',
    }
    assert status_of(answer)["fwd-status"] == "429"
    head = verbatim(response, "fwd=miss", Wants(gzip=True, head=True))
    assert (head.body, fields_of(head)["content-length"]) == (b"", "2")


@pytest.mark.parametrize(
    ("retry_after", "expected"), [(None, None), (0.0, "1"), (0.2, "1"), (2.4, "2"), (90.0, "90")]
)
def test_an_answer_of_our_own(retry_after, expected):
    answer = local(503, "the provider asked for a pause", retry_after=retry_after)
    fields = fields_of(answer)
    assert json.loads(answer.body) == {"message": "holdover: the provider asked for a pause"}
    assert fields.get("retry-after") == expected
    assert (fields["content-length"], fields["cache-control"]) == (str(len(answer.body)), "no-store")
    assert status_of(answer) == {"detail": '"the provider asked for a pause"'}


@pytest.mark.parametrize("message", ['a coding (br"x)', "a\\b", "caf\u00e9", "caf\udce9", "a\r\nb"])
def test_cache_status_keeps_its_form_whatever_the_message(message):
    assert "detail" in status_of(local(502, message))
