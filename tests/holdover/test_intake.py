import gzip
from email.utils import formatdate
from typing import Any

import pytest

from holdover.canonical import CanonicalRequest
from holdover.coding import UnusableBodyError
from holdover.content import revision_of
from holdover.entry import Entry
from holdover.exchange import Headers, Response, date_of
from holdover.intake import Fetched, Question, Refused, judge, told_age
from holdover.verdict import Meaning

ODDS = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds")
LIMIT = 1 << 20
JSON = ("Content-Type", "application/json")


def response(body=b"[1]", *fields, status=200, json=True, length=True):
    headers: Headers = (*((JSON,) if json else ()), *fields)
    if length:
        headers = (*headers, ("Content-Length", str(len(body))))
    return Response(status, headers, body)


@pytest.fixture
def judged(route_of, provider_of):
    """What becomes of a response to a request of 1000.0 that took a quarter of a second; `errors` are the
    provider's, other keywords the route's."""

    def build(answer, previous=None, errors=(), **route):
        provider = provider_of(route_of(**route), errors=list(errors))
        question = Question(provider, provider.routes[0].settings, ODDS, previous, 1000.0)
        return judge(question, answer, 0.25, LIMIT)

    return build


STORED: dict[str, tuple[Response, dict[str, Any]]] = {
    "plain": (response(), {}),
    "gzip": (response(gzip.compress(b"[1]"), ("Content-Encoding", "GZIP")), {}),
    "chunked": (response(b"[1]", ("Transfer-Encoding", "chunked"), length=False), {}),
    "of a JSON kind": (
        response(b"[1]", ("Content-Type", "application/problem+json; charset=utf-8"), json=False),
        {},
    ),
    "anything, where that is allowed": (response(b"<html>", json=False), {"content": "any"}),
    "max-age=0": (response(b"[1]", ("Cache-Control", "max-age=0, no-cache")), {}),
    "no-store set aside": (response(b"[1]", ("Cache-Control", "no-store")), {"override": ["no-store"]}),
    "vary": (response(b"[1]", ("Vary", "Accept-Encoding")), {}),
}


@pytest.mark.parametrize("case", STORED)
def test_what_is_stored(judged, case):
    answer, route = STORED[case]
    result = judged(answer, **route)
    assert isinstance(result, Fetched)
    assert result.effect == "changed"
    entry = result.entry
    assert (entry.request, entry.status) == (ODDS, 200)
    assert (entry.requested_at, entry.received_at, entry.fetch_s) == (1000.0, 1000.25, 0.25)
    assert entry.identity in (b"[1]", b"<html>")
    assert gzip.decompress(entry.gzip) == entry.identity
    assert entry.revision == revision_of(200, entry.identity)


REFUSED = {
    "301": (response(status=301), "status 301", False),
    "400": (response(status=400), "status 400", False),
    "an absence that must not be stored": (
        response(b"[1]", ("Cache-Control", "no-store"), status=404),
        "there is no such thing",
        False,
    ),
    "201": (response(status=201), "status 201", False),
    "204": (response(b"", status=204), "status 204", False),
    "204 as it comes": (response(b"", length=False, status=204), "status 204", False),
    "206": (response(status=206), "status 206", False),
    "304 to nothing": (response(b"", status=304), "status 304", False),
    "401": (response(status=401), "status 401", True),
    "403": (response(status=403), "status 403", True),
    "408": (response(status=408), "status 408", True),
    "429": (response(status=429), "asked too often", True),
    "500": (response(status=500), "status 500", True),
    "599": (response(status=599), "status 599", True),
    "no-store": (response(b"[1]", ("Cache-Control", "No-Store")), "Cache-Control: no-store", False),
    "private": (response(b"[1]", ("Cache-Control", 'private="x"')), "Cache-Control: private", False),
    "vary": (response(b"[1]", ("Vary", "Accept, *")), "Vary: *", False),
    "partial": (response(b"[1]", ("Content-Range", "bytes 0-2/9")), "partial content", False),
    "endless": (response(length=False), "its end is not marked", False),
    "no type": (response(json=False), "not said to be JSON", True),
    "a page": (response(b"[]", ("Content-Type", "text/html"), json=False), "not said to be JSON", True),
    "no JSON": (response(b"<html>"), "not the JSON that it is said to be", True),
    "nothing": (response(b""), "not the JSON that it is said to be", True),
    "deep JSON": (response(b"[" * 200_000), "not the JSON that it is said to be", True),
    "an error that is told to nobody else": (
        response(b"[1]", ("Cache-Control", "no-store"), status=400),
        "status 400",
        False,
    ),
    "an error that may be another for each": (response(b"[1]", ("Vary", "Origin"), status=400), "status 400", False),
    "trouble, which is everybody's": (
        response(b"[1]", ("Cache-Control", "no-store"), status=500),
        "status 500",
        True,
    ),
}
ALONE = {"an absence that must not be stored", "an error that is told to nobody else", "206", "304 to nothing"}
ALONE |= {"an error that may be another for each", "no-store", "private", "vary", "partial", "endless"}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_stored(judged, case):
    answer, reason, trouble = REFUSED[case]
    told: dict[int, Meaning] = {429: "rate", 404: "absent"}
    means = told.get(answer.status)
    assert judged(answer) == Refused(answer, reason, trouble, means, alone=case in ALONE)


@pytest.mark.parametrize("status", [404, 410, 422])
def test_an_absence_is_kept_for_a_while(judged, status):
    answer = response(gzip.compress(b"[1]"), ("Content-Encoding", "gzip"), status=status)
    result = judged(answer, negative_s=5)
    assert isinstance(result, Fetched)
    assert result.effect == "changed"
    assert (result.entry.status, result.entry.identity, result.entry.cost) == (status, b"[1]", 0.0)
    assert (result.entry.requested_at, result.entry.received_at) == (1000.0, 1000.25)
    assert result.entry.revision == revision_of(status, b"[1]")
    refused = judged(answer, negative_s=0)
    assert refused == Refused(answer, "there is no such thing", trouble=False, means="absent")


def test_a_page_of_some_gateway_is_no_absence_where_json_is_promised(judged):
    answer = response(b"<html>", ("Content-Type", "text/html"), status=404, json=False)
    assert judged(answer) == Refused(answer, "there is no such thing", trouble=False, means="absent")
    result = judged(answer, content="any")
    assert isinstance(result, Fetched)
    assert (result.entry.status, result.entry.identity) == (404, b"<html>")


NOT_SAID, NOT_TRUE = "not said to be JSON", "not the JSON that it is said to be"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"[]", None),
        ("Application/JSON ; charset=utf-8", b'{"a": 1}', None),
        ("application/problem+json", b"{}", None),
        (None, b"[]", NOT_SAID),
        ("", b"[]", NOT_SAID),
        ("text/html", b"[]", NOT_SAID),
        ("text/html; x=application/json", b"[]", NOT_SAID),
        ("application/jsonp", b"[]", NOT_SAID),
        ("application/json", b"", NOT_TRUE),
        ("application/json", b"<html>maintenance</html>", NOT_TRUE),
        ("application/json", b'[{"a": 1}', NOT_TRUE),
        ("application/json", b"\xff\xfe\xfd", NOT_TRUE),
        ("application/json", b"[" * 100_000, NOT_TRUE),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_route_that_promises_json_stores_nothing_else(judged, content_type, body, expected):
    fields = () if content_type is None else (("Content-Type", content_type),)
    answer = response(body, *fields, json=False)
    result = judged(answer)
    if expected is None:
        assert isinstance(result, Fetched)
    else:
        assert result == Refused(answer, expected, trouble=True)
    assert isinstance(judged(answer, content="any"), Fetched)


def test_header_fields_that_are_not_kept(judged):
    fields = (
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Set-Cookie", "a=b"),
        ("SET-COOKIE2", "a=b"),
        ("Age", "7"),
        ("Accept-Ranges", "bytes"),
        ("Content-Encoding", "gzip"),
        ("x-requests-last", "6"),
        ("ETag", '"1"'),
    )
    result = judged(response(gzip.compress(b"[1]"), *fields))
    assert isinstance(result, Fetched)
    assert result.entry.headers == (JSON, ("x-requests-last", "6"), ("ETag", '"1"'))
    assert result.entry.initial_age == 7


TAKING_AWAY = (("Connection", "vary, cache-control, etag"), ("Vary", "Origin"), ("Cache-Control", "must-revalidate"))


@pytest.mark.parametrize("confirmed", [False, True])
def test_what_decides_about_caching_is_kept_whatever_connection_names(judged, confirmed):
    """Without its Vary a variant would be everybody's."""
    answer = Response(304, TAKING_AWAY) if confirmed else response(b"[1]", *TAKING_AWAY)
    result = judged(answer, stored() if confirmed else None)
    assert isinstance(result, Fetched)
    assert set(TAKING_AWAY[1:]) <= set(result.entry.headers)


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("by", ["Cache-Control", "CDN-Cache-Control"])
def test_what_no_cache_names_is_for_nobody_else(judged, by, confirmed):
    fields = ((by, 'no-cache="x-user, X-Own"'), ("X-User", "alice"), ("X-Own", "1"), ("X-All", "2"))
    answer = Response(304, fields) if confirmed else response(b"[1]", *fields)
    result = judged(answer, stored((("ETag", '"1"'), ("X-Own", "0"))) if confirmed else None)
    assert isinstance(result, Fetched)
    assert {name for name, _ in result.entry.headers} & {"X-User", "X-Own", "X-All"} == {"X-All"}


def stored(headers: Headers = (("ETag", '"1"'), ("X-A", "1"), ("X-B", "2"))) -> Entry:
    return Entry(ODDS, 200, headers, b"[1]", b"zipped", revision_of(200, b"[1]"), 1.0, 2.0, 3.0, 4.0)


def test_a_304_freshens_header_fields_and_keeps_the_bodies(judged):
    previous = stored()
    fields = (("x-a", "8"), ("X-C", "9"), ("Set-Cookie", "a=b"), ("Age", "5"))
    result = judged(Response(304, fields), previous)
    assert isinstance(result, Fetched)
    assert result.effect == "not_modified"
    entry = result.entry
    assert entry.headers == (("ETag", '"1"'), ("X-B", "2"), ("x-a", "8"), ("X-C", "9"))
    assert entry.identity is previous.identity
    assert entry.gzip is previous.gzip
    assert (entry.revision, entry.status) == (previous.revision, 200)
    assert (entry.requested_at, entry.received_at, entry.initial_age, entry.fetch_s) == (1000.0, 1000.25, 5.0, 0.25)


def test_the_same_content_keeps_the_bodies_with_new_header_fields(judged):
    previous = stored()
    result = judged(response(gzip.compress(b"[1]"), ("Content-Encoding", "gzip"), ("ETag", '"2"')), previous)
    assert isinstance(result, Fetched)
    assert result.effect == "unchanged"
    entry = result.entry
    assert entry.identity is previous.identity
    assert entry.gzip is previous.gzip
    assert entry.headers == (JSON, ("ETag", '"2"'))
    assert (entry.requested_at, entry.initial_age) == (1000.0, 0.0)


def test_other_content_is_a_change(judged):
    result = judged(response(b"[2]"), stored())
    assert isinstance(result, Fetched)
    assert (result.effect, result.entry.identity) == ("changed", b"[2]")


def test_a_body_that_cannot_be_used(judged):
    with pytest.raises(UnusableBodyError, match="not asked for"):
        judged(response(b"[1]", ("Content-Encoding", "br")))
    with pytest.raises(UnusableBodyError, match="larger than 1048576"):
        judged(response(gzip.compress(bytes(LIMIT + 1)), ("Content-Encoding", "gzip")))


@pytest.mark.parametrize(
    ("value", "age"),
    [
        ("0", 0),
        ("17", 17),
        (" 17 , 3", 17),
        ("99999999999999", 2**31),
        ("-1", 0),
        ("1.5", 0),
        ("x", 0),
        ("", 0),
        ("²", 0),
    ],
)
def test_the_age_that_is_told(value, age):
    assert told_age(Response(200, (("Age", value),))) == age
    assert told_age(Response(200)) == 0


@pytest.mark.parametrize("value", ["", "today", "Thu, 99 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"])
def test_a_date_that_is_none(value):
    assert date_of((("Date", value),)) is None


def test_the_date_that_is_told():
    assert date_of((("date", formatdate(1_767_225_600, usegmt=True)),)) == 1_767_225_600
    assert date_of(()) is None


BY_BODY = [
    {"means": "quota", "pointer": "/code", "values": ["SPENT"]},
    {"means": "credential", "pointer": "/code", "values": ["BAD"]},
    {"means": "absent", "pointer": "/code", "values": ["NONE"]},
    {"means": "error", "status": [200], "pointer": "/errors"},
]


@pytest.mark.parametrize(
    ("status", "body", "reason", "trouble", "means"),
    [
        (401, b'{"code": "SPENT"}', "the quota is used up", True, "quota"),
        (401, b'{"code": "BAD"}', "the credential is not accepted", True, "credential"),
        (200, b'{"code": "SPENT"}', "the quota is used up", True, "quota"),
        (200, b'{"errors": {"token": "x"}}', "the provider tells of an error", True, "error"),
        (429, b'{"code": "SPENT"}', "the quota is used up", True, "quota"),
        (401, b'{"code": "OTHER"}', "status 401", True, None),
        (401, b"no JSON", "status 401", True, None),
    ],
)
def test_what_the_body_says_goes_before_the_status(judged, status, body, reason, trouble, means):
    for answer in (response(body, status=status), response(gzip.compress(body), ZIPPED, status=status)):
        assert judged(answer, errors=BY_BODY) == Refused(answer, reason, trouble, means)


ZIPPED = ("Content-Encoding", "gzip")


def test_an_error_inside_a_200_is_not_stored_and_an_empty_list_of_errors_is_none(judged):
    assert isinstance(judged(response(b'{"errors": []}'), errors=BY_BODY), Fetched)
    assert isinstance(judged(response(b'{"errors": {"a": 1}}'), errors=BY_BODY), Refused)


def test_an_absence_inside_a_200_is_passed_on_and_not_kept(judged):
    """Its status would make it an answer like any other, kept for a whole window."""
    answer = response(b'{"code": "NONE"}')
    assert judged(answer, errors=BY_BODY) == Refused(answer, "there is no such thing", trouble=False, means="absent")


def test_newer_timestamps_alone_are_no_change_but_are_what_clients_get(judged):
    told = {"updated": ["last_update"], "starts": "commence_time", "items": ""}
    bodies = [
        b'[{"commence_time": "2026-01-01T00:00:00Z", "last_update": "2025-12-31T23:59:%02dZ", "price": %d}]' % pair
        for pair in ((10, 2), (50, 2), (50, 3))
    ]
    first = judged(response(bodies[0]), **told)
    assert isinstance(first, Fetched)
    second = judged(response(bodies[1]), first.entry, **told)
    assert isinstance(second, Fetched)
    assert (second.effect, second.entry.revision) == ("unchanged", first.entry.revision)
    assert second.entry.identity == bodies[1]
    assert gzip.decompress(second.entry.gzip) == bodies[1]
    assert (second.entry.board.events, second.entry.board.newest) == (1, 1_767_225_590.0)
    assert second.entry.board.starts == (1_767_225_600.0,)
    third = judged(response(bodies[2]), second.entry, **told)
    assert isinstance(third, Fetched)
    assert third.effect == "changed"


def test_what_the_call_would_have_cost_stands_in_the_entry(judged):
    result = judged(response(b"[1, 2, 3]"), cost=2, cost_per_item=1.5)
    assert isinstance(result, Fetched)
    assert result.entry.cost == 4.5
    again = judged(response(b"[1, 2, 3]"), result.entry, cost=2)
    assert isinstance(again, Fetched)
    assert (again.effect, again.entry.cost) == ("unchanged", 2.0)


@pytest.mark.parametrize(
    ("told", "honoured", "floor"),
    [
        ("max-age=30", True, 30.0),
        ('public, MAX-AGE="30"', True, 30.0),
        ("max-age=30", False, 0.0),
        ("max-age=99999999", True, 86_400.0),
        ("max-age=-1", True, 0.0),
        ("s-maxage=5", True, 0.0),
        ("", True, 0.0),
    ],
)
def test_the_least_time_that_a_provider_wants(judged, told, honoured, floor):
    result = judged(response(b"[1]", ("Cache-Control", told)), honour_max_age=honoured)
    assert isinstance(result, Fetched)
    assert result.entry.floor_s == floor


def test_what_a_cache_gave_is_old_by_part_of_its_max_age_already(judged):
    for age, floor in (("20", 10.0), ("45", 0.0)):
        result = judged(response(b"[1]", ("Cache-Control", "max-age=30"), ("Age", age)), honour_max_age=True)
        assert isinstance(result, Fetched)
        assert result.entry.floor_s == floor


def test_a_confirmation_begins_the_max_age_anew(judged):
    first = judged(response(b"[1]", ("Cache-Control", "max-age=30"), ("Age", "20")), honour_max_age=True)
    assert isinstance(first, Fetched)
    for fields, floor in (((("Age", "5"),), 25.0), ((("Cache-Control", "max-age=60"),), 60.0), ((), 30.0)):
        again = judged(Response(304, fields, b""), first.entry, honour_max_age=True)
        assert isinstance(again, Fetched)
        assert (again.effect, again.entry.floor_s) == ("not_modified", floor)
