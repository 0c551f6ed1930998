import gzip
from email.utils import formatdate
from typing import Any

import pytest

from holdover.canonical import CanonicalRequest
from holdover.coding import UnusableBodyError
from holdover.content import revision_of
from holdover.entry import Entry
from holdover.exchange import Headers, Response
from holdover.intake import Fetched, Question, Refused, judge, told_age, told_date

ODDS = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds")
LIMIT = 1 << 20
JSON = ("Content-Type", "application/json")


def response(body=b"[1]", *fields, status=200, json=True, length=True):
    headers: Headers = (*((JSON,) if json else ()), *fields)
    if length:
        headers = (*headers, ("Content-Length", str(len(body))))
    return Response(status, headers, body)


@pytest.fixture
def judged(route_of):
    """What becomes of a response to a request of 1000.0 that took a quarter of a second."""

    def build(answer, previous=None, **route):
        return judge(Question(route_of(**route), ODDS, previous, 1000.0), answer, 0.25, LIMIT)

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
    "404": (response(status=404), "status 404", False),
    "422": (response(status=422), "status 422", False),
    "204": (response(b"", status=204), "status 204", False),
    "206": (response(status=206), "status 206", False),
    "304 to nothing": (response(b"", status=304), "status 304", False),
    "401": (response(status=401), "status 401", True),
    "403": (response(status=403), "status 403", True),
    "408": (response(status=408), "status 408", True),
    "429": (response(status=429), "status 429", True),
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
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_stored(judged, case):
    answer, reason, trouble = REFUSED[case]
    assert judged(answer) == Refused(answer, reason, trouble)


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
    assert told_date(Response(200, (("Date", value),))) is None


def test_the_date_that_is_told():
    assert told_date(Response(200, (("date", formatdate(1_767_225_600, usegmt=True)),))) == 1_767_225_600
    assert told_date(Response(200)) is None
