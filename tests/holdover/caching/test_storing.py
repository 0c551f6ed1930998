from dataclasses import replace

import pytest

from holdover.caching.storing import forwarded, refusal, stored
from holdover.exchange import HOP_BY_HOP, Response
from tests.holdover.caching.builders import exchanged, one

FRESH = "Cache-Control: max-age=60"


@pytest.mark.parametrize(
    ("says", "more", "why"),
    [
        (FRESH, {}, None),
        ("", {}, "nothing says how long"),
        ("ETag: x", {}, None),
        ("Last-Modified: @-1000", {}, None),
        ("Cache-Control: public", {}, "nothing says how long"),
        ("Cache-Control: max-age=0", {}, "nothing says how long"),
        ("Cache-Control: max-age=0\nETag: x", {}, None),
        ("ETag: x", {"status": 302}, "nothing says how long"),
        ("ETag: x\nSet-Cookie: a=b", {}, "nothing says how long"),
        (FRESH + "\nSet-Cookie: a=b", {}, None),
        (FRESH, {"method": "POST"}, "method POST"),
        (FRESH, {"method": "HEAD"}, "method HEAD"),
        (FRESH, {"asked": "Cache-Control: no-store"}, "the request says no-store"),
        (FRESH, {"asked": "Cache-Control: no-cache"}, None),
        (FRESH, {"asked": "Authorization: x"}, "Authorization"),
        (FRESH + ", public", {"asked": "Authorization: x"}, None),
        (FRESH + ", must-revalidate", {"asked": "authorization: x"}, None),
        (FRESH + ", s-maxage=1", {"asked": "Authorization: x"}, None),
        (FRESH + ", proxy-revalidate", {"asked": "Authorization: x"}, "Authorization"),
        (FRESH + "\nVary: Authorization", {"asked": "Authorization: x"}, "Authorization"),
        (FRESH, {"asked": "Cookie: a=b"}, "Cookie"),
        (FRESH + ", must-revalidate", {"asked": "Cookie: a=b"}, "Cookie"),
        (FRESH + ", public", {"asked": "Cookie: a=b"}, None),
        (FRESH + "\nVary: cookie", {"asked": "Cookie: a=b"}, None),
        (FRESH + "\nVary: cookie", {"asked": "Cookie: a=b\nX-Api-Key: k"}, "X-Api-Key"),
        (FRESH, {"asked": "x-api-key: k"}, "X-Api-Key"),
        (FRESH, {"asked": "Proxy-Authorization: k"}, "Proxy-Authorization"),
        (FRESH + ", no-store", {}, "Cache-Control: no-store"),
        (FRESH + ", private", {}, "Cache-Control: private"),
        (FRESH + ', private="a"', {}, None),
        (FRESH + ', private="a", private', {}, "Cache-Control: private"),
        (FRESH + ", no-store, must-understand", {}, None),
        (FRESH + ", no-store, must-understand", {"status": 599}, "must-understand with status 599"),
        (FRESH, {"status": 599}, None),
        (FRESH + "\nVary: a, *", {}, "Vary: *"),
        (FRESH + "\nVary: a, *b", {}, None),
        (FRESH, {"status": 206}, "partial content"),
        (FRESH, {"status": 416}, "partial content"),
        (FRESH, {"status": 304}, "partial content"),
        (FRESH + "\nContent-Range: bytes 0-1/2", {}, "partial content"),
        (FRESH + "\nContent-Range: BYTES */2", {}, "partial content"),
        (FRESH + "\nContent-Range:  bytes 0-1/2", {}, "partial content"),
        (FRESH + "\nContent-Range: x\nContent-Range: bytes 0-1/2", {}, "partial content"),
        (FRESH + "\nContent-Range: bytes", {}, None),
        (FRESH + "\nContent-Range: items 0-1/2", {}, None),
        (FRESH, {"status": 103}, "interim"),
        (FRESH, {"status": 101}, "interim"),
        ("CDN-Cache-Control: max-age=60\nCache-Control: no-store", {}, None),
        ("CDN-Cache-Control: no-store\n" + FRESH, {}, "Cache-Control: no-store"),
    ],
)
def test_what_may_be_stored(says, more, why):
    assert refusal(exchanged(says, **more)) == why


@pytest.mark.parametrize("directive", ["no-store", "private"])
def test_one_rule_may_be_set_aside(directive):
    found = exchanged(f"{FRESH}, {directive}")
    assert refusal(found) == f"Cache-Control: {directive}"
    assert refusal(found, [directive]) is None
    assert refusal(found, ["set-cookie"]) is not None


@pytest.mark.parametrize(
    ("headers", "status", "why"),
    [
        ((), 200, "its end is not marked"),
        ((), 204, None),
        ((("Transfer-Encoding", "gzip, chunked"),), 200, None),
        ((("Transfer-Encoding", "gzip"),), 200, "its end is not marked"),
    ],
)
def test_a_body_that_may_have_broken_off(headers, status, why):
    base = exchanged(FRESH)
    fields = (*((n, v) for n, v in base.response.headers if n != "Content-Length"), *headers)
    assert refusal(replace(base, response=Response(status, fields))) == why


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_what_is_for_the_next_hop_ends_here_in_any_case(name):
    fields = ((name.title(), "x"), (name.upper(), "y"), ("Date", "today"))
    assert forwarded(fields) == forwarded(fields, asked=True) == (("Date", "today"),)


def test_from_a_request_nothing_takes_away_who_asks():
    fields = (("Connection", "Cookie, X-User-Id, A"), ("Cookie", "a"), ("X-User-Id", "7"), ("A", "1"))
    assert forwarded(fields, asked=True) == fields[1:3]
    assert forwarded(fields) == ()


@pytest.mark.parametrize(
    ("says", "kept"),
    [
        ("A: 1\nB: 2", {"A", "B"}),
        ("Connection: a, close\nA: 1\nB: 2", {"B"}),
        ("Connection: cache-control, etag, date\nETag: x", {"ETag"}),
        (
            "Connection: cdn-cache-control, cache-control\nCDN-Cache-Control: no-cache\nCache-Control: max-age=5",
            {"CDN-Cache-Control", "Cache-Control"},
        ),
        ("Connection: X-User-Id, x-other\nConnection: close\nX-User-Id: 7\nX-Other: 1\nA: 1", {"A"}),
        ("Keep-Alive: 1\nTE: x\nTrailer: y\nUpgrade: z\nProxy-Authenticate: p\nProxy-Authorization: q\nA: 1", {"A"}),
        ("Age: 5\nA: 1", {"A"}),
        ('Cache-Control: no-cache="a, b", private="C"\nA: 1\nB: 2\nC: 3\nD: 4', {"Cache-Control", "D"}),
        ("Set-Cookie: a\nSet-Cookie2: b\nA: 1", {"A"}),
        ("Cache-Control: public\nSet-Cookie: a", {"Cache-Control"}),
        ("CDN-Cache-Control: max-age=5\nSet-Cookie: a", {"CDN-Cache-Control"}),
    ],
)
def test_which_fields_are_stored(says, kept):
    assert {name for name, _ in one(says).headers} == kept | {"Content-Length", "Date"}


def test_a_date_is_added_and_one_that_is_there_kept():
    assert dict(one("Date: nonsense").headers)["Date"] == "nonsense"
    assert dict(one("").headers)["Date"].endswith(" GMT")


def test_cookies_are_kept_where_a_route_says_so():
    assert dict(stored(exchanged("Set-Cookie: a"), ["set-cookie"]).headers)["Set-Cookie"] == "a"
