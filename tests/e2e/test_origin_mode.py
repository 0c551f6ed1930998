"""Routes whose freshness is the origin's: a shared cache by RFC 9111, seen from both of its ends."""

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from holdover.config import load
from holdover.rules import TURNING
from scripts.rig import House, wait_for
from tests.e2e.scripted import HOST, SCRIPT, Scripted, Step, asked, house_of, played, script_of, scripted
from tests.e2e.wire import ask, dial
from tests.here import run

OLD = -7_200
_numbers = count(1)


@pytest.fixture(scope="module")
def origin() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def house(origin: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_of(tmp_path_factory.mktemp("house"), origin) as running:
        yield running


def cc(value: str) -> tuple[str, str | int]:
    return "Cache-Control", value


def once_more(says: Sequence[tuple[str, str | int]], came: bool, /, **first: Any) -> list[Step]:
    """Two equal requests, the second with or without a call."""
    return [Step(says=says, came=True, **first), Step(says=says, came=came)]


FRESH = cc("max-age=60")
type Told = tuple[str, str | int]
TAG: Told = ("ETag", '"one"')
HOUR: Told = ("Last-Modified", -36_000)

LIFETIMES: dict[str, tuple[list[tuple[str, str | int]], bool]] = {
    "nothing": ([], True),
    "max-age": ([FRESH], False),
    "max-age of nothing": ([cc("max-age=0")], True),
    "max-age in any case": ([cc("MaX-aGe=60")], False),
    "max-age quoted": ([cc('max-age="60"')], False),
    "max-age in single quotes": ([cc("max-age='60'")], True),
    "max-age with a fraction": ([cc("max-age=60.5")], True),
    "max-age negative": ([cc("max-age=-60")], True),
    "max-age with a word behind it": ([cc("max-age=60s")], True),
    "max-age with spaces": ([cc("max-age = 60")], True),
    "max-age empty": ([cc("max-age=")], True),
    "max-age without argument": ([cc("max-age")], True),
    "max-age too large": ([cc("max-age=99999999999999999999")], False),
    "max-age at the edge": ([cc("max-age=2147483648")], False),
    "max-age inside of an extension": ([cc('foo="max-age=60"')], True),
    "max-age inside of one with a comma": ([cc('foo="a, max-age=60"')], True),
    "max-age behind an extension": ([cc('foo="a, b", max-age=60')], False),
    "max-age before an extension": ([cc("max-age=60, foo=bar")], False),
    "max-age behind empty members": ([cc(", ,max-age=60,,")], False),
    "quotes that do not end": ([cc('foo="a, max-age=60')], True),
    "two lines": ([cc("public"), cc("max-age=60")], False),
    "twice, the first fresh": ([cc("max-age=60, max-age=0")], False),
    "twice, the first stale": ([cc("max-age=0, max-age=60")], True),
    "s-maxage above max-age": ([cc("max-age=0, s-maxage=60")], False),
    "s-maxage below max-age": ([cc("max-age=60, s-maxage=0")], True),
    "s-maxage that is none": ([cc("max-age=60, s-maxage=x")], True),
    "max-age above Expires": ([FRESH, ("Expires", OLD)], False),
    "max-age below Expires": ([cc("max-age=0"), ("Expires", 3600)], True),
    "Expires": ([("Expires", 3600)], False),
    "Expires in the past": ([("Expires", OLD)], True),
    "Expires as 0": ([("Expires", "0")], True),
    "Expires of no date": ([("Expires", "soon")], True),
    "Expires without a weekday": ([("Expires", "18 Aug 2050 02:01:18 GMT")], True),
    "Expires with a hour of one digit": ([("Expires", "Thu, 18 Aug 2050 2:01:18 GMT")], True),
    "Expires in another zone": ([("Expires", "Thu, 18 Aug 2050 02:01:18 AEST")], True),
    "Expires with an offset": ([("Expires", "Thu, 18 Aug 2050 02:01:18 +0000")], True),
    "Expires in UTC": ([("Expires", "Thu, 18 Aug 2050 02:01:18 UTC")], True),
    "Expires of RFC 850": ([("Expires", "Thursday, 18-Aug-50 02:01:18 GMT")], False),
    "Expires of asctime": ([("Expires", "Thu Aug 18 02:01:18 2050")], False),
    "Expires on the 31st of June": ([("Expires", "Thu, 31 Jun 2050 02:01:18 GMT")], True),
    "Expires against a Date of the past": ([("Date", OLD), ("Expires", OLD + 3600)], True),
    "Expires and a Date both ahead": ([("Date", 3600), ("Expires", 3600)], True),
    "Age below max-age": ([cc("max-age=3600"), ("Age", "60")], False),
    "Age above max-age": ([cc("max-age=3600"), ("Age", "7200")], True),
    "Age of two values": ([cc("max-age=3600"), ("Age", "7200, 0")], True),
    "Age in two lines": ([cc("max-age=3600"), ("Age", "7200"), ("Age", "0")], True),
    "Age too large": ([cc("max-age=3600"), ("Age", "99999999999999")], True),
    "Age negative": ([cc("max-age=3600"), ("Age", "-7200")], False),
    "Age with a fraction": ([cc("max-age=3600"), ("Age", "7200.5")], False),
    "Age with a parameter": ([cc("max-age=3600"), ("Age", "7200;a=1")], False),
    "Age against Expires": ([("Expires", 3600), ("Age", "7200")], True),
    "Date long ago": ([cc("max-age=3600"), ("Date", OLD)], True),
    "a guess": ([HOUR], False),
    "a guess where Expires says no": ([HOUR, ("Expires", "0")], True),
    "no guess of a change just now": ([("Last-Modified", 0)], True),
    "no guess of a change to come": ([("Last-Modified", 3600)], True),
    "no guess with cookies": ([HOUR, ("Set-Cookie", "a=b")], True),
    "no-store": ([cc("no-store")], True),
    "no-store beside max-age": ([cc("max-age=60, no-store")], True),
    "no-store in any case": ([cc("max-age=60, No-StOrE")], True),
    "no-store on a line of its own": ([FRESH, cc("no-store")], True),
    "no-store behind broken quotes": ([cc('max-age=60, foo="a, no-store')], True),
    "private": ([cc("max-age=60, private")], True),
    "private with a field": ([cc('max-age=60, private="set-cookie"')], False),
    "no-cache": ([cc("max-age=60, no-cache")], True),
    "no-cache with a field": ([cc('max-age=60, no-cache="a"')], False),
    "no-cache with a field and without": ([cc('max-age=60, no-cache="a", no-cache')], True),
    "must-understand with no-store": ([cc("max-age=60, no-store, must-understand")], False),
    "an extension": ([cc("max-age=60, hello")], False),
    "Pragma in an answer says nothing": ([FRESH, ("Pragma", "no-cache")], False),
    "Vary: *": ([FRESH, ("Vary", "*")], True),
    "Vary with * behind": ([FRESH, ("Vary", "Accept, *")], True),
    "Vary with * before": ([FRESH, ("Vary", "*, Accept")], True),
    "Vary with * on a line of its own": ([FRESH, ("Vary", "Accept"), ("Vary", "*")], True),
    "Vary with empty members": ([FRESH, ("Vary", ",,Accept,")], False),
    "cookies with a lifetime": ([FRESH, ("Set-Cookie", "a=b")], False),
    "targeted": ([("CDN-Cache-Control", "max-age=60")], False),
    "targeted above no-store": ([("CDN-Cache-Control", "max-age=60"), cc("no-store")], False),
    "targeted below max-age": ([("CDN-Cache-Control", "max-age=0"), cc("max-age=60")], True),
    "targeted above Expires": ([("CDN-Cache-Control", "max-age=60"), ("Expires", "0")], False),
    "targeted no-store": ([("CDN-Cache-Control", "no-store"), FRESH], True),
    "targeted private": ([("CDN-Cache-Control", "private"), FRESH], True),
    "targeted no-cache": ([("CDN-Cache-Control", "no-cache"), FRESH], True),
    "targeted without a lifetime": ([("CDN-Cache-Control", "public"), FRESH], True),
    "targeted and malformed": ([("CDN-Cache-Control", "max-age=60, &&&"), cc("no-store")], True),
    "targeted, malformed, beside a lifetime": ([("CDN-Cache-Control", "no-store, &&&"), FRESH], False),
    "targeted and empty": ([("CDN-Cache-Control", ""), FRESH], False),
    "targeted of a wrong type": ([("CDN-Cache-Control", 'max-age="60"'), FRESH], True),
    "targeted with a parameter": ([("CDN-Cache-Control", "max-age=60;a=b"), cc("no-store")], False),
    "targeted of a wrong type, where a guess is possible": ([("CDN-Cache-Control", 'max-age="60"'), HOUR], True),
    "targeted in capitals is malformed": ([("CDN-Cache-Control", "Max-Age=60"), cc("no-store")], True),
    "targeted with Age above": ([("CDN-Cache-Control", "max-age=60"), ("Age", "90")], True),
    "our own before that of all": (
        [("Holdover-Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store")],
        False,
    ),
}


@pytest.mark.parametrize("name", LIFETIMES)
def test_how_long_an_answer_is_given_again(house, origin, name):
    says, came = LIFETIMES[name]
    first, second = played(house, origin, once_more(says, came))
    assert second.cache.startswith("hit; ttl=") != came
    assert (first.body == second.body) != came


@pytest.mark.parametrize("guessed", [True, False])
@pytest.mark.parametrize(
    "status",
    [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 451, 499, 500, 501, 502, 503, 504, 599],
)
def test_every_status_is_kept_for_as_long_as_it_says(house, origin, status, guessed):
    """RFC 9110 section 15.1 lists those of which a lifetime may be guessed."""
    came = guessed and status not in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)
    replies = played(house, origin, once_more([HOUR if guessed else FRESH], came, status=status))
    assert replies[0].status == status
    assert came or replies[1].status == status


@pytest.mark.parametrize(
    ("says", "came"),
    [("", True), ("public, ", False), ("s-maxage=60, ", False), ("must-revalidate, ", False), ("private, ", True)],
)
def test_what_was_asked_with_a_credential_is_shared_if_the_answer_says_so(house, origin, says, came):
    """RFC 9111 section 3.5."""
    fresh = cc(f"{says}max-age=60")
    played(house, origin, [Step({"Authorization": "Bearer a"}, [fresh], came=True), Step(says=[fresh], came=came)])


VARYING: dict[str, tuple[str, list[tuple[Mapping[str, str], bool]]]] = {
    "alike": ("Foo", [({"Foo": "1"}, True), ({"Foo": "1"}, False)]),
    "unlike": ("Foo", [({"Foo": "1"}, True), ({"Foo": "2"}, True)]),
    "the second is absent": ("Foo", [({"Foo": "1"}, True), ({}, True)]),
    "the first is absent": ("Foo", [({}, True), ({"Foo": "1"}, True)]),
    "absent and empty differ": ("Foo", [({}, True), ({"Foo": ""}, True)]),
    "both absent": ("Foo", [({}, True), ({}, False)]),
    "both variants are kept": (
        "Foo",
        [({"Foo": "1"}, True), ({"Foo": "2"}, True), ({"Foo": "1"}, False), ({"Foo": "2"}, False)],
    ),
    "of three fields": (
        "Foo, Bar, Baz",
        [
            ({"Foo": "1", "Bar": "2", "Baz": "3"}, True),
            ({"Foo": "1", "Bar": "2", "Baz": "3"}, False),
            ({"Foo": "1", "Bar": "2", "Baz": "4"}, True),
            ({"Baz": "3", "Bar": "2", "Foo": "1"}, False),
        ],
    ),
    "names in any case": ("fOO", [({"Foo": "1"}, True), ({"FOO": "1"}, False), ({"foo": "2"}, True)]),
    "a field that it does not name": ("Foo", [({"Foo": "1", "Bar": "1"}, True), ({"Foo": "1", "Bar": "2"}, False)]),
    "spaces around commas": ("Foo", [({"Foo": "1, 2"}, True), ({"Foo": "1,2"}, False), ({"Foo": "1 2"}, True)]),
    "languages in any case": (
        "Accept-Language",
        [({"Accept-Language": "en-GB"}, True), ({"Accept-Language": "EN-gb"}, False)],
    ),
    "other values are with case": ("Foo", [({"Foo": "a"}, True), ({"Foo": "A"}, True)]),
    "cookies": ("Cookie", [({"Cookie": "a=1"}, True), ({"Cookie": "a=2"}, True), ({"Cookie": "a=1"}, False)]),
}


@pytest.mark.parametrize("name", VARYING)
def test_vary_selects(house, origin, name):
    vary, steps = VARYING[name]
    played(house, origin, [Step(sends, [FRESH, ("Vary", vary)], came=came) for sends, came in steps])


def test_a_miss_of_a_variant_says_so(house, origin):
    vary = [FRESH, ("Vary", "Foo")]
    played(
        house, origin, [Step({"Foo": "1"}, vary, way="fwd=uri-miss"), Step({"Foo": "2"}, vary, way="fwd=vary-miss")]
    )


def test_what_no_longer_varies_is_for_everybody(house, origin):
    steps = [
        Step({"Foo": "1"}, [cc("max-age=1"), ("Vary", "Foo")]),
        Step({"Foo": "1"}, [FRESH], wait=1.2, came=True),
        Step({"Foo": "2"}, came=False),
    ]
    played(house, origin, steps)


REQUESTS: dict[str, tuple[list[tuple[str, str | int]], Mapping[str, str], bool]] = {
    "no-cache": ([FRESH], {"Cache-Control": "no-cache"}, True),
    "Pragma": ([FRESH], {"Pragma": "no-cache"}, True),
    "Pragma beside Cache-Control": ([FRESH], {"Pragma": "no-cache", "Cache-Control": "max-age=60"}, False),
    "max-age=0": ([FRESH], {"Cache-Control": "max-age=0"}, True),
    "max-age below its age": ([FRESH, ("Age", "30")], {"Cache-Control": "max-age=10"}, True),
    "max-age above its age": ([FRESH, ("Age", "30")], {"Cache-Control": "max-age=40"}, False),
    "min-fresh above": ([FRESH], {"Cache-Control": "min-fresh=90"}, True),
    "min-fresh below": ([FRESH], {"Cache-Control": "min-fresh=30"}, False),
    "min-fresh with age": ([FRESH, ("Age", "50")], {"Cache-Control": "min-fresh=30"}, True),
    "max-stale": ([FRESH, ("Age", "90")], {"Cache-Control": "max-stale"}, False),
    "max-stale above": ([FRESH, ("Age", "90")], {"Cache-Control": "max-stale=60"}, False),
    "max-stale below": ([FRESH, ("Age", "90")], {"Cache-Control": "max-stale=10"}, True),
    "max-stale, forbidden": (
        [cc("max-age=60, must-revalidate"), ("Age", "90")],
        {"Cache-Control": "max-stale"},
        True,
    ),
    "max-stale, proxies": ([cc("max-age=60, proxy-revalidate"), ("Age", "90")], {"Cache-Control": "max-stale"}, True),
    "max-stale, s-maxage": ([cc("s-maxage=60"), ("Age", "90")], {"Cache-Control": "max-stale"}, True),
    "no-store": ([FRESH], {"Cache-Control": "no-store"}, False),
    "only-if-cached": ([FRESH], {"Cache-Control": "only-if-cached"}, False),
    "nonsense": ([FRESH], {"Cache-Control": "max-age=x, what"}, False),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_request_may_ask(house, origin, name):
    says, sends, came = REQUESTS[name]
    played(house, origin, [Step(says=says), Step(sends, says, came=came)])


def test_only_if_cached_without_anything_is_a_504(house, origin):
    played(house, origin, [Step({"Cache-Control": "only-if-cached"}, [FRESH], came=False, answer=504)])


def test_what_was_asked_with_no_store_is_not_stored(house, origin):
    played(house, origin, [Step({"Cache-Control": "no-store"}, [FRESH], came=True), Step(says=[FRESH], came=True)])


END_TO_END = (
    "Test-Header X-Test Content-Foo Content-Language Content-Location Content-MD5 Content-Security-Policy "
    "Content-Type Content-Encoding Clear-Site-Data ETag Expires Last-Modified Public-Key-Pins X-Frame-Options "
    "X-XSS-Protection Access-Control-Allow-Origin Link Location Server Strict-Transport-Security Cache-Status Via"
).split()
VALUES: dict[str, str | int] = {"ETag": '"x"', "Expires": 7200, "Last-Modified": -60, "Cache-Status": "other; hit"}
BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Upgrade",
]


@pytest.mark.parametrize("name", END_TO_END)
def test_every_field_is_stored(house, origin, name):
    value = VALUES.get(name, "a value")
    first, second = played(house, origin, once_more([FRESH, (name, value)], False))
    lower = name.lower()
    if lower == "cache-status":
        assert second[lower].startswith("other; hit, holdover; hit")
    else:
        assert first[lower] == second[lower] != ""


@pytest.mark.parametrize("also", [[("X-Long", "a" * 30_000)], [(f"X-{number}", "a") for number in range(500)]])
def test_long_and_many_fields_are_stored(house, origin, monkeypatch, also):
    monkeypatch.setattr(http.client, "_MAXHEADERS", 1_000)
    for reply in played(house, origin, once_more([FRESH, *also], False)):
        assert all(reply[name.lower()] == value for name, value in also)


@pytest.mark.parametrize("name", BY_HOP)
def test_a_field_of_a_hop_is_neither_stored_nor_passed_on(house, origin, name):
    for reply in played(house, origin, once_more([FRESH, (name, "a")], False)):
        assert reply[name.lower()] in ("", "close", "keep-alive")


def test_what_connection_names_is_not_stored_but_cannot_take_away_what_caches_need(house, origin):
    says = [cc("no-store, max-age=60"), ("Connection", "a, cache-control"), ("A", "1"), ("B", "2")]
    for reply in played(house, origin, once_more(says, True)):
        assert (reply["a"], reply["b"]) == ("", "2")


def test_fields_for_one_client_are_not_for_the_next(house, origin):
    says = [cc('max-age=60, no-cache="a, b", private="c"'), ("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]
    first, second = played(house, origin, once_more(says, False))
    assert [first[name] for name in "abcd"] == ["1", "2", "3", "4"]
    assert [second[name] for name in "abcd"] == ["", "", "", "4"]


@pytest.mark.parametrize("also", ["", "public, ", "s-maxage=60, "])
def test_cookies_are_not_given_to_the_next(house, origin, also):
    first, second = played(house, origin, once_more([cc(f"{also}max-age=60"), ("Set-Cookie", "a=1")], False))
    assert first["set-cookie"] == "a=1"
    assert "set-cookie" not in second.names


WHO = [
    {name: "alice"}
    for name in (
        *("Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "x-apisports-key", "X-RapidAPI-Key"),
        *("X-App-Key", "X-Session-Token", "X-Who"),
    )
]


@pytest.mark.parametrize("who", WHO, ids=lambda who: next(iter(who)))
def test_what_was_asked_by_somebody_is_nobody_elses(house, origin, who):
    played(house, origin, [Step(who, [FRESH], body="alice"), Step(says=[FRESH], body="all", came=True, gives="all")])


@pytest.mark.parametrize("who", WHO, ids=lambda who: next(iter(who)))
def test_what_is_fetched_behind_a_clients_back_is_without_what_tells_who_asks(house, origin, who):
    mark = f"/unsent{next(_numbers)}"
    says = [cc("max-age=1, stale-while-revalidate=60")]
    asked(house, Step(says=says), mark)
    time.sleep(1.2)
    asked(house, Step({**who, "X-Other": "sent"}, says), mark)
    wait_for(lambda: len(origin.of(mark)) > 1)
    refresh = origin.of(mark)[1]
    assert (refresh["x-other"], *(refresh[name] for name in who)) == ("sent", *(None for _ in who))


@pytest.mark.parametrize("who", WHO, ids=lambda who: next(iter(who)))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_confirms_it_for_somebody_does_not_for_others(house, origin, who, method):
    """Neither what it says nor that it is fresh again."""
    steps = [
        Step(says=[cc("max-age=1"), TAG], body="good"),
        Step(
            *(who, [FRESH, TAG, ("X-User", "alice")]),
            status=304 if method == "GET" else 200,
            method=method,
            body="good",
            wait=1.2,
        ),
        Step(says=[FRESH, TAG], body="other", came=True, gives="other"),
    ]
    assert "x-user" not in played(house, origin, steps)[-1].names


def test_a_head_that_is_for_one_alone_changes_nothing_for_others(house, origin):
    for directive in ("private", "no-store"):
        steps = [
            Step(says=[cc("max-age=1"), TAG], body="good"),
            Step(
                says=[cc(f"max-age=60, {directive}"), TAG, ("X-User", "alice")], method="HEAD", body="good", wait=1.2
            ),
            Step(says=[FRESH, TAG], status=304, came=True, answer=200, gives="good"),
        ]
        last = played(house, origin, steps)[-1]
        assert ("x-user" in last.names, last["cache-control"]) == (False, "max-age=60")


def test_a_304_may_say_by_what_it_varies(house, origin):
    says = [FRESH, TAG, ("Vary", "Lang")]
    steps = [
        Step({"Lang": "en"}, [cc("max-age=1"), TAG], body="en"),
        Step({"Lang": "en"}, says, status=304, wait=1.2, came=True, answer=200, gives="en"),
        Step({"Lang": "de"}, says[::2], body="de", came=True, gives="de"),
        Step({"Lang": "en"}, came=False, gives="en"),
    ]
    played(house, origin, steps)


@pytest.mark.parametrize(
    ("sends", "kept"),
    [
        ({"Accept": "text/event-stream"}, False),
        ({"Connection": "Upgrade", "Upgrade": "websocket"}, False),
        ({"Connection": "Upgrade", "Upgrade": "h2c"}, True),
    ],
)
def test_what_may_go_on_without_end_is_passed_on(house, origin, sends, kept):
    saw = {} if kept else {name.lower(): value for name, value in sends.items() if name != "Connection"}
    first, second = played(house, origin, [Step(sends, [FRESH], came=True, saw=saw), Step(sends, [FRESH])])
    assert ("cache-status" in first.names, second["cache-status"].startswith("holdover; hit")) == (kept, kept)


def test_age_and_date(house, origin):
    says = [("Date", -5), FRESH, ("Age", "10")]
    began = time.monotonic()
    first, second = played(house, origin, [Step(says=says), Step(wait=1.1, came=False)])
    took = time.monotonic() - began
    assert 10 <= int(first["age"]) <= 10 + took
    assert 11 <= int(second["age"]) <= 10 + took
    assert first["date"] == second["date"]


@pytest.mark.parametrize("status", [200, 404])
def test_a_validator_is_asked_with_and_a_304_confirms(house, origin, status):
    says = [cc("max-age=1"), TAG, HOUR, ("A", "1"), ("B", "1")]
    confirmed = Step(
        says=[cc("max-age=60"), TAG, ("A", "2")],
        status=304,
        wait=1.2,
        came=True,
        answer=status,
        saw={"if-none-match": '"one"'},
        gets={"a": "2", "b": "1"},
        way="fwd=stale; fwd-status=304",
    )
    first, second, third = played(
        house, origin, [Step(says=says, status=status), confirmed, Step(came=False, gets={"a": "2", "b": "1"})]
    )
    assert first.body == second.body == third.body
    assert third["content-length"] == first["content-length"]


def test_what_a_304_does_not_change(house, origin):
    says = [cc("max-age=0"), TAG, ("Content-Encoding", "x-a"), ("Content-Range-Not", "x")]
    new = [cc("max-age=60"), TAG, ("Content-Encoding", "x-b"), ("Content-Length", "9999"), ("Age", "5")]
    first, second, third = played(house, origin, [Step(says=says), Step(says=new, status=304), Step(came=False)])
    assert first.body == second.body == third.body
    assert third["content-encoding"] == "x-a"
    assert int(third["age"]) >= 5


def test_what_a_cache_before_the_origin_confirmed_is_as_old_as_it_says(house, origin):
    says = [FRESH, TAG, ("Age", "30")]
    steps = [
        Step(says=[cc("max-age=0"), TAG]),
        Step(says=says, status=304, answer=200, gets={"age": "30"}),
        Step(
            {"If-None-Match": '"one"', "Cache-Control": "no-cache"}, says, status=304, answer=304, gets={"age": "30"}
        ),
    ]
    played(house, origin, steps)


def test_by_last_modified_alone(house, origin):
    says = [cc("max-age=0"), ("Last-Modified", "Mon, 02 Nov 2015 10:00:00 GMT")]
    played(
        house,
        origin,
        [
            Step(says=says),
            Step(
                says=says,
                status=304,
                came=True,
                answer=200,
                saw={"if-modified-since": "Mon, 02 Nov 2015 10:00:00 GMT", "if-none-match": None},
            ),
        ],
    )


@pytest.mark.parametrize("tag", ['"caf\xe9"', '"a\x01b"', '"a\x7fb"'])
def test_a_validator_that_cannot_be_sent_is_none(house, origin, tag):
    """Each further call failed."""
    steps = [
        Step(says=[cc("max-age=1"), ("ETag", tag)]),
        Step(says=[FRESH, ("ETag", tag)], body="new", wait=1.2, came=True, saw={"if-none-match": None}, gives="new"),
        Step(came=False, gives="new"),
        Step({"Foo": "1"}, [FRESH, ("ETag", tag), ("Vary", "Foo")], query="?", came=True),
        Step({"Foo": "2"}, [FRESH, ("ETag", tag), ("Vary", "Foo")], query="?", came=True),
        Step({"Foo": "2"}, query="?", came=False),
    ]
    played(house, origin, steps)


def test_a_304_about_another_is_asked_again_without_condition(house, origin):
    mark = f"/other{next(_numbers)}"
    asked(house, Step(says=[cc("max-age=0"), TAG]), mark)
    asked(house, Step(says=[FRESH, ("ETag", '"two"')], status=304), mark)
    assert [one["if-none-match"] for one in origin.of(mark)] == [None, '"one"', None]


@pytest.mark.parametrize(
    ("stored", "sends", "expected"),
    [
        (TAG, {"If-None-Match": '"one"'}, 304),
        (TAG, {"If-None-Match": 'W/"one"'}, 304),
        (("ETag", 'W/"one"'), {"If-None-Match": '"one"'}, 304),
        (TAG, {"If-None-Match": '"zero", "one"'}, 304),
        (TAG, {"If-None-Match": '"one", "zero"'}, 304),
        (TAG, {"If-None-Match": "*"}, 304),
        (TAG, {"If-None-Match": '"two"'}, 200),
        (TAG, {"If-None-Match": '"a,"one""'}, 200),
        (("ETag", '"a, b"'), {"If-None-Match": '"x", "a, b"'}, 304),
        (("ETag", '"a\\b"'), {"If-None-Match": '"a\\b"'}, 304),
        (("ETag", "bare"), {"If-None-Match": "bare"}, 304),
        (
            ("Last-Modified", "Mon, 02 Nov 2015 10:00:00 GMT"),
            {"If-Modified-Since": "Mon, 02 Nov 2015 10:00:00 GMT"},
            304,
        ),
        (
            ("Last-Modified", "Mon, 02 Nov 2015 10:00:00 GMT"),
            {"If-Modified-Since": "Mon, 02 Nov 2015 09:59:59 GMT"},
            200,
        ),
        (("Last-Modified", "Mon, 02 Nov 2015 10:00:00 GMT"), {"If-Modified-Since": "2050"}, 200),
        (("A", "1"), {"If-Modified-Since": "Thu, 18 Aug 2050 02:01:18 GMT"}, 304),
        (("A", "1"), {"If-Modified-Since": "Mon, 02 Nov 2015 10:00:00 GMT"}, 200),
        (TAG, {"If-None-Match": '"two"', "If-Modified-Since": "Thu, 18 Aug 2050 02:01:18 GMT"}, 200),
        (TAG, {"If-None-Match": '"one"', "If-Modified-Since": "Mon, 02 Nov 1970 10:00:00 GMT"}, 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_clients_may_ask_under_conditions(house, origin, stored, sends, expected, method):
    says = [FRESH, stored, ("Content-Type", "text/plain")]
    _, reply = played(house, origin, [Step(says=says), Step(sends, came=False, answer=expected, method=method)])
    if expected == 304:
        assert reply.body == b""
        assert not reply.names & {"content-type", "content-length"}


def test_conditions_that_nothing_stored_can_judge_go_to_the_origin(house, origin):
    sends = {"If-None-Match": '"theirs"'}
    played(
        house,
        origin,
        [
            Step(sends, [TAG, FRESH], status=304, came=True, saw={"if-none-match": '"theirs"'}, answer=304),
            Step(came=True),
        ],
    )


def test_a_client_with_conditions_gets_what_validation_brought(house, origin):
    stale = [cc("max-age=0"), TAG]
    own = {"If-None-Match": '"one"'}
    steps = [
        Step(says=stale),
        Step(own, stale, status=304, came=True, saw=own, answer=304),
        Step({"If-None-Match": '"two"'}, stale, status=304, came=True, saw=own, answer=200),
        Step({"If-None-Match": '"three"'}, [FRESH, ("ETag", '"three"')], came=True, saw=own, answer=304),
    ]
    played(house, origin, steps)


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since"])
def test_conditions_for_origins_are_theirs(house, origin, name):
    played(
        house,
        origin,
        [Step(says=[FRESH, TAG]), Step({name: '"one"'}, [TAG], status=412, came=True, answer=412), Step(came=False)],
    )


@pytest.mark.parametrize(
    ("says", "came"),
    [
        ("max-age=1", True),
        ("max-age=1, stale-while-revalidate=60", False),
        ("max-age=1, stale-while-revalidate=0", True),
        ("max-age=1, stale-while-revalidate=60, must-revalidate", True),
        ("s-maxage=1, stale-while-revalidate=60", True),
    ],
)
def test_stale_while_revalidate(house, origin, says, came):
    mark = f"/swr{next(_numbers)}"
    asked(house, Step(says=[cc(says)], body="old"), mark)
    time.sleep(1.2)
    with ThreadPoolExecutor(5) as pool:
        # Who is given the old one is, however late he comes, while the new one is on its way.
        step = Step(says=[FRESH], body="new", delay=0.4 if came else 2.0)
        replies = list(pool.map(lambda _: asked(house, step, mark), range(5)))
    assert {reply.body for reply in replies} == {b"new" if came else b"old"}
    wait_for(lambda: asked(house, Step(), mark).body == b"new")
    assert len(origin.of(mark)) == 2


ERRORS: dict[str, tuple[str, Mapping[str, str], Mapping[str, Any], int]] = {
    "no answer": ("max-age=1", {}, {"fault": "close"}, 200),
    "no answer, forbidden": ("max-age=1, must-revalidate", {}, {"fault": "close"}, 504),
    "no answer, forbidden to proxies": ("max-age=1, proxy-revalidate", {}, {"fault": "close"}, 504),
    "no answer, s-maxage": ("s-maxage=1", {}, {"fault": "close"}, 504),
    "no answer, no-cache": ("max-age=60, no-cache", {}, {"fault": "close"}, 504),
    "a broken answer": ("max-age=1", {}, {"fault": "short"}, 200),
    "an error": ("max-age=1", {}, {"status": 503}, 503),
    "an error and permission": ("max-age=1, stale-if-error=60", {}, {"status": 503}, 200),
    "another": ("max-age=1, stale-if-error=60", {}, {"status": 500}, 200),
    "an error and too little permission": ("max-age=1, stale-if-error=1", {}, {"status": 503}, 503),
    "a client's permission": ("max-age=1", {"Cache-Control": "stale-if-error=60"}, {"status": 503}, 200),
    "an error, forbidden": ("max-age=1, stale-if-error=60, must-revalidate", {}, {"status": 503}, 503),
    "an absence": ("max-age=1, stale-if-error=60", {}, {"status": 404}, 404),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_given_in_the_place_of_an_error(house, origin, name):
    says, sends, trouble, expected = ERRORS[name]
    steps = [Step(says=[cc(says), TAG], body="good"), Step(sends, wait=2.1, came=True, answer=expected, **trouble)]
    first, second = played(house, origin, steps)
    assert (second.body == first.body) == (expected == 200)


def test_an_error_does_not_take_the_place_of_what_is_good(house, origin):
    says = [cc("max-age=1, stale-if-error=60"), TAG]
    steps = [
        Step(says=says, body="good"),
        Step(says=[FRESH], status=503, wait=1.2, came=True, gives="good"),
        Step(says=[FRESH], body="better", came=True, gives="better"),
    ]
    played(house, origin, steps)


def test_what_is_not_stored_any_more_is_not_given_any_more(house, origin):
    steps = [
        Step(says=[cc("max-age=1")]),
        Step(says=[cc("no-store")], wait=1.2, came=True),
        Step(fault="close", answer=502),
    ]
    played(house, origin, steps)


@pytest.mark.parametrize("status", [408, 429])
def test_that_somebody_asks_too_often_does_not_take_away_what_is_good(house, origin, status):
    steps = [
        Step(says=[cc("max-age=1, stale-if-error=60"), TAG], body="good"),
        Step(status=status, wait=1.2, came=True, answer=status),
        Step(fault="close", saw={"if-none-match": '"one"'}, answer=200, gives="good"),
    ]
    played(house, origin, steps)


@pytest.mark.parametrize("status", [200, 304])
def test_what_one_client_is_told_does_not_take_away_what_all_were_told(house, origin, status):
    mine = [cc("private, max-age=60"), TAG]
    steps = [
        Step(says=[FRESH, TAG], body="good"),
        Step({"Cache-Control": "no-cache", "Cookie": "a=b"}, mine, status=status, came=True, answer=200),
        Step(came=False, gives="good"),
    ]
    played(house, origin, steps)


def test_what_is_newer_than_what_is_stored_and_not_to_be_stored_has_that_validated(house, origin):
    """Who was given it would see the old one again."""
    steps = [
        Step(says=[FRESH, TAG], body="good"),
        Step({"Cache-Control": "no-cache, no-store"}, [FRESH, TAG], body="newer", came=True, gives="newer"),
        Step(fault="close", saw={"if-none-match": '"one"'}, answer=200, gives="good"),
        Step(says=[FRESH], body="newer", came=True, gives="newer"),
    ]
    played(house, origin, steps)


def test_what_a_client_asks_of_caches_is_not_asked_for_all(house, origin):
    """Its refresh is stored."""
    mark = f"/asking{next(_numbers)}"
    asked(house, Step(says=[cc("max-age=1, stale-while-revalidate=60")], body="old"), mark)
    time.sleep(1.2)
    origin.scripts[mark] = script_of(Step(says=[FRESH], body="new"))
    own = {"Cache-Control": "no-store, max-age=600", "Pragma": "x"}
    assert asked(house, Step(own, [FRESH], body="new"), mark).body == b"old"
    wait_for(lambda: asked(house, Step(says=[FRESH], body="newer"), mark).body == b"new")
    assert [one["cache-control"] for one in origin.of(mark)] == [None, None]


UNSAFE = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO"]


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize(("status", "came"), [(200, True), (204, True), (303, True), (404, False), (503, False)])
def test_an_unsafe_method_makes_what_is_stored_invalid(house, origin, method, status, came):
    steps = [Step(says=[FRESH]), Step(method=method, status=status, came=True, answer=status), Step(came=came)]
    played(house, origin, steps)


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints\r\nLink: </a>"])
def test_and_if_its_answer_has_others_before_it(house, origin, interim):
    """mitmproxy took the first for all of it, and left the client waiting."""
    changes = Step(method="POST", interim=f"HTTP/1.1 {interim}\r\n\r\n" * 2, body="done", answer=200, gives="done")
    played(house, origin, [Step(says=[FRESH]), changes, changes, Step(came=True)])


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_one_does_not(house, origin, method):
    sends = {"Cache-Control": "no-store"}
    played(house, origin, [Step(says=[FRESH]), Step(sends, method=method), Step(came=False)])


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("value", "came"),
    [
        ("{path}", True),
        (f"http://{HOST}{{path}}", True),
        ("../{name}/there", True),
        ("http://other.test{path}", False),
        ("//other.test{path}", False),
        ("http://[", False),
        ("/elsewhere", False),
    ],
)
def test_and_what_it_names_on_the_same_origin(house, origin, field, value, came):
    name = f"named{next(_numbers)}"
    there = f"/{name}/there"
    asked(house, Step(says=[FRESH]), there)
    asked(
        house, Step(method="POST", status=201, says=[(field, value.format(path=there, name=name))]), f"/{name}/post"
    )
    asked(house, Step(says=[FRESH]), there)
    assert len(origin.of(there)) == 1 + came


def test_and_if_its_answer_is_too_large_to_be_held(house, origin):
    mark = f"/large{next(_numbers)}"
    targets = [mark, f"{mark}/location", f"{mark}/content"]
    says = list(zip(("Location", "Content-Location"), targets[1:], strict=True))
    for target in targets:
        asked(house, Step(says=[FRESH]), target)
    told = asked(house, Step(method="POST", status=201, says=says, body="x", times=1_100_000), mark)
    assert (told.status, len(told.body)) == (201, 1_100_000)
    for target in targets:
        asked(house, Step(says=[FRESH]), target)
    assert [one.method for one in origin.of(mark)].count("POST") == 1
    assert len(origin.of(mark)) == 7


def test_the_answer_to_a_method_is_never_stored(house, origin):
    for method in ("POST", "PUT", "OPTIONS", "FOO"):
        again = Step(says=[FRESH], method=method, came=True)
        played(house, origin, [again, again, Step(says=[FRESH], came=True)])


def test_what_was_under_way_at_an_invalidation_is_not_stored(house, origin):
    mark = f"/race{next(_numbers)}"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(asked, house, Step(says=[FRESH], body="before", delay=0.6), mark)
        wait_for(lambda: len(origin.of(mark)) == 1)
        assert asked(house, Step(method="POST"), mark).status == 200
        assert slow.result().body == b"before"
    assert asked(house, Step(says=[FRESH], body="after"), mark).body == b"after"


DIGITS = "0123456789"
PARTS: dict[str, tuple[Mapping[str, str], int, str, str | None]] = {
    "the first": ({"Range": "bytes=0-0"}, 206, "0", "bytes 0-0/10"),
    "some": ({"Range": "bytes=2-4"}, 206, "234", "bytes 2-4/10"),
    "to the end": ({"Range": "bytes=7-"}, 206, "789", "bytes 7-9/10"),
    "from the end": ({"Range": "bytes=-3"}, 206, "789", "bytes 7-9/10"),
    "more than there is": ({"Range": "bytes=5-99"}, 206, "56789", "bytes 5-9/10"),
    "from more than there is": ({"Range": "bytes=-99"}, 206, DIGITS, "bytes 0-9/10"),
    "beyond": ({"Range": "bytes=10-"}, 416, "", "bytes */10"),
    "nothing of the end": ({"Range": "bytes=-0"}, 416, "", "bytes */10"),
    "turned round": ({"Range": "bytes=4-2"}, 200, DIGITS, None),
    "another unit": ({"Range": "lines=1-2"}, 200, DIGITS, None),
    "nonsense": ({"Range": "bytes=a-b"}, 200, DIGITS, None),
    "overlapping": ({"Range": "bytes=0-4,2-6"}, 200, DIGITS, None),
    "too many": ({"Range": "bytes=" + ",".join(["0-0"] * 100)}, 200, DIGITS, None),
    "if it is that one": ({"Range": "bytes=0-0", "If-Range": '"one"'}, 206, "0", "bytes 0-0/10"),
    "if it were another": ({"Range": "bytes=0-0", "If-Range": '"two"'}, 200, DIGITS, None),
    "if it is a weak one": ({"Range": "bytes=0-0", "If-Range": 'W/"one"'}, 200, DIGITS, None),
    "if it is of that date": (
        {"Range": "bytes=0-0", "If-Range": "Mon, 02 Nov 2015 10:00:00 GMT"},
        206,
        "0",
        "bytes 0-0/10",
    ),
    "if it were older": ({"Range": "bytes=0-0", "If-Range": "Mon, 02 Nov 2015 10:00:01 GMT"}, 200, DIGITS, None),
    "but not modified": ({"Range": "bytes=0-0", "If-None-Match": '"one"'}, 304, "", None),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_what_is_stored(house, origin, name):
    sends, status, gives, told = PARTS[name]
    says = [FRESH, TAG, ("Last-Modified", "Mon, 02 Nov 2015 10:00:00 GMT")]
    played(
        house,
        origin,
        [
            Step(says=says, body=DIGITS),
            Step(sends, came=False, answer=status, gives=gives, gets={"content-range": told}),
        ],
    )


def test_several_parts(house, origin):
    says = [FRESH, ("Content-Type", "text/plain")]
    sends = {"Range": "bytes=0-1, 8-"}
    _, reply = played(house, origin, [Step(says=says, body=DIGITS), Step(sends, came=False, answer=206)])
    media_type, _, boundary = reply["content-type"].partition("; boundary=")
    assert media_type == "multipart/byteranges"
    pieces = reply.body.decode().split(f"--{boundary}")
    assert [piece.partition("\r\n\r\n")[2] for piece in pieces[1:-1]] == ["01\r\n", "89\r\n"]
    assert "Content-Range: bytes 8-9/10" in pieces[2]


def test_a_part_that_the_origin_gave_is_never_the_whole(house, origin):
    partial = [FRESH, ("Content-Range", "bytes 0-1/10")]
    steps = [
        Step({"Range": "bytes=0-1"}, partial, status=206, body="01", came=True, answer=206),
        Step(says=[FRESH], body=DIGITS, came=True, gives=DIGITS),
    ]
    played(house, origin, steps)
    played(house, origin, [Step(says=partial, status=206, body="01"), Step(says=partial, came=True)])
    played(house, origin, [Step(says=partial, body="01"), Step(says=partial, came=True)])


@pytest.mark.parametrize("fault", ["short", "unmarked"])
def test_what_may_have_broken_off_is_not_stored(house, origin, fault):
    step = Step(says=[FRESH], fault=fault, came=True, answer=502 if fault == "short" else 200)
    played(house, origin, [step, step])


def test_chunks_are_put_together(house, origin):
    says = [FRESH, ("Transfer-Encoding", "chunked")]
    played(
        house,
        origin,
        [
            Step(says=says, body=DIGITS, gives=DIGITS),
            Step(came=False, gives=DIGITS, gets={"content-length": "10", "transfer-encoding": None}),
        ],
    )
    broken = Step(says=says, body=DIGITS, fault="short", came=True, answer=502)
    played(house, origin, [broken, broken])


def test_an_interim_answer_is_not_the_answer(house, origin):
    hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nCache-Control: max-age=60\r\n\r\n"
    played(
        house,
        origin,
        [
            Step(says=[FRESH], interim=hints, body=DIGITS, answer=200, gives=DIGITS),
            Step(came=False, gives=DIGITS, gets={"link": None}),
        ],
    )


@pytest.mark.parametrize("agent", ["curl/8.5.0", "node"])
def test_an_interim_answer_goes_to_who_knows_what_it_is(house, origin, agent):
    hints = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: x\r\n\r\n"
    step = Step(says=[FRESH, ("X", "y")], interim=hints, body=DIGITS, sends={"User-Agent": agent})
    for number, interim in enumerate([True, False]):
        with dial(house.ports["reverse"]) as client:
            target = f"/{agent.partition('/')[0]}-told-before"
            lines = f"Host: {HOST}\r\nUser-Agent: {agent}\r\n{SCRIPT}: {script_of(step)}\r\nConnection: close\r\n"
            client.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
            with client.makefile("rb") as answer:
                *before, head, body = answer.read().decode().split("\r\n\r\n")
        told = ["HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints\r\nLink: </a>"]
        assert before == (told if interim else []), number
        assert (head.partition("\r\n")[0], body) == ("HTTP/1.1 200 OK", DIGITS)
        assert "X: y" in head
        assert "Link" not in head


@pytest.mark.parametrize("status", [99, 101])
def test_what_is_no_final_answer_is_none(house, origin, status):
    """101 would make a tunnel of the client's connection that it did not ask for."""
    says = [FRESH, ("Connection", "upgrade"), ("Upgrade", "x")]
    bad = Step(says=says, status=status, body="a", answer=502, came=True, way="fwd=uri-miss; detail")
    played(house, origin, [bad, Step(says=[FRESH], body="b", gives="b", came=True)])


def test_what_comes_behind_a_whole_answer_is_no_answer(house, origin):
    short = Step(says=[FRESH, ("Content-Length", "4")], body=DIGITS, answer=200, gives="0123", came=True)
    played(house, origin, [short, Step(came=False, gives="0123")])
    played(house, origin, [Step(says=[FRESH, ("Content-Length", "0")], body=DIGITS, answer=200, gives="", came=True)])
    played(house, origin, [Step(says=[FRESH], came=True, gives=DIGITS, body=DIGITS)])


def test_head_is_answered_from_what_is_stored_and_not_stored_itself(house, origin):
    head = Step(says=[FRESH], method="HEAD", came=True)
    played(
        house,
        origin,
        [
            head,
            Step(says=[FRESH], came=True, body=DIGITS),
            Step(method="HEAD", came=False, gives="", gets={"content-length": "10"}),
        ],
    )


HEADS: dict[str, tuple[list[tuple[str, str | int]], int, bool]] = {
    "the same": ([cc("max-age=60"), TAG], 200, False),
    "of another tag": ([cc("max-age=60"), ("ETag", '"two"')], 200, True),
    "of another length": ([cc("max-age=60"), TAG, ("Content-Length", "11")], 200, True),
    "gone": ([cc("max-age=60")], 410, True),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_tells_of_what_is_stored(house, origin, name):
    says, status, came = HEADS[name]
    steps = [
        Step(says=[cc("max-age=1"), TAG], body=DIGITS),
        Step(says=says, status=status, method="HEAD", wait=1.2, body=DIGITS, came=True),
        Step(came=came),
    ]
    played(house, origin, steps)


def test_each_query_is_another_thing(house, origin):
    for first, second in (
        ("?a=1", "?a=2"),
        ("", "?a"),
        ("?", ""),
        ("?a=1&b=2", "?b=2&a=1"),
        ("?%61=1", "?a=1"),
        ("?a;b", "?a&b"),
    ):
        played(
            house,
            origin,
            [
                Step(says=[FRESH], query=first, came=True),
                Step(says=[FRESH], query=second, came=True),
                Step(query=first, came=False),
                Step(query=second, came=False),
            ],
        )


def test_what_the_client_sends_goes_on_but_what_is_for_the_hop(house, origin):
    sends = {
        "User-Agent": "me",
        "Accept": "a/b",
        "Accept-Encoding": "x",
        "Cookie": "a=b",
        "Authorization": "c",
        "X": "y",
        "Connection": "Named, close",
        "Named": "1",
        "TE": "trailers",
        "Proxy-Authorization": "d",
    }
    gone = ("Named", "TE", "Proxy-Authorization")
    saw = {name: None if name in gone else value for name, value in sends.items() if name != "Connection"}
    played(house, origin, [Step(sends, came=True, saw=saw)])
    played(house, origin, [Step(came=True, saw=dict.fromkeys(("user-agent", "accept", "accept-encoding")))])


def test_all_who_ask_for_what_may_be_shared_cost_one_request(house, origin):
    mark = f"/shared{next(_numbers)}"
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: asked(house, Step(says=[FRESH], delay=0.5), mark), range(20)))
    assert len(origin.of(mark)) == 1
    assert len({reply.body for reply in replies}) == 1
    # Who came late had it from the store.
    assert sum("collapsed" in reply.cache or reply.cache.startswith("hit") for reply in replies) == 19
    assert any("collapsed" in reply.cache for reply in replies)


def herd(house: House, target: str, size: int, **variants: Mapping[str, str]) -> None:
    """As many clients at once; each variant is answered with its name."""
    steps = [
        Step(sends, [FRESH, ("Vary", "Lang, Accept-Encoding")], body=name, delay=0.5)
        for name, sends in variants.items()
    ]
    asks = [steps[number % len(steps)] for number in range(size)]
    with ThreadPoolExecutor(size) as pool:
        replies = list(pool.map(lambda step: asked(house, step, target), asks))
    assert [reply.body.decode() for reply in replies] == [step.body for step in asks]


def test_who_asks_for_a_variant_waits_for_that_one(house, origin):
    mark, two = f"/herd{next(_numbers)}", {"german": {"Lang": "de"}, "english": {"Lang": "en"}}
    herd(house, mark, 50, **two)
    assert sorted(str(one["lang"]) for one in origin.of(mark)) == ["de", "en"]
    herd(house, mark, 50, **two)
    assert len(origin.of(mark)) == 2
    herd(house, f"{mark}/more", 50, none={}, old={"Lang": "la", "Accept-Encoding": "x"}, **two)
    assert len(origin.of(f"{mark}/more")) == 4


@pytest.mark.parametrize("says", [[cc("no-store")], [cc("private, max-age=60")], [FRESH, ("Vary", "*")], []])
def test_who_waited_for_what_may_not_be_shared_asks_at_once(house, origin, says):
    mark = f"/unshared{next(_numbers)}"
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: asked(house, Step(says=says, delay=0.5), mark), range(20)))
    assert len(origin.of(mark)) == 20
    assert len({reply.body for reply in replies}) == 20
    assert time.monotonic() - began < 20 * 0.5, "one after the other"


def test_an_origin_in_trouble_is_asked_once_by_all_who_wait(house, origin):
    # As long as even the last of them may take to get there.
    mark, step = f"/trouble{next(_numbers)}", Step(status=503, delay=1.5)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: asked(house, step, mark), range(20)))
        assert (len(origin.of(mark)), {reply.status for reply in replies}) == (1, {503})
        # And so are those who come later.
        list(pool.map(lambda _: asked(house, step, mark), range(20)))
    assert len(origin.of(mark)) == 2


def test_what_trouble_sets_for_who_asked_is_not_for_who_waited(house, origin):
    """One session for all of them, for one."""
    mark, step = f"/session{next(_numbers)}", Step(says=[("Set-Cookie", "sid=1")], status=503, delay=1.5)
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: asked(house, step, mark), range(10)))
    assert len(origin.of(mark)) == 1
    assert sorted(reply["set-cookie"] for reply in replies) == [*[""] * 9, "sid=1"]


def test_each_client_with_a_credential_asks_for_itself(house, origin):
    mark = f"/own{next(_numbers)}"
    with ThreadPoolExecutor(8) as pool:
        own = [Step({"Authorization": str(number)}, [FRESH], delay=0.3) for number in range(8)]
        replies = list(pool.map(lambda step: asked(house, step, mark), own))
    assert len({reply.body for reply in replies}) == len(origin.of(mark)) == 8


def test_a_body_of_a_get_goes_past_what_is_stored(house, origin):
    target = f"/fat{next(_numbers)}"
    asked(house, Step(says=[FRESH], body="lean"), target)
    fat = ask(house.ports["reverse"], target, host=HOST, body=b"fat")
    assert fat.cache.startswith("fwd=bypass")
    assert [one.body for one in origin.of(target)] == [b"", b"fat"]
    assert asked(house, Step(), target).body == b"lean"


def test_the_next_one_has_it_before_the_first_has_all(house, origin):
    target, step = f"/large{next(_numbers)}", Step(says=[FRESH], body="x", times=1_000_000)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", house.ports["reverse"]))
        slow.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{SCRIPT}: {script_of(step)}\r\n\r\n".encode())
        assert slow.recv(10) == b"HTTP/1.1 2"
        assert asked(house, Step(), target).cache.startswith("hit")
    assert len(origin.of(target)) == 1


def test_several_processes_are_one_cache(origin, tmp_path):
    with house_of(tmp_path, origin, proxy="workers = 2") as house:
        shared = Step(says=[cc("max-age=1, stale-while-revalidate=60")], delay=0.4)
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: asked(house, shared, "/workers"), range(20)))
            assert len(origin.of("/workers")) == 1
            time.sleep(1.2)
            fresh = Step(says=[FRESH], delay=0.4, body="fresh")
            assert {r.status for r in pool.map(lambda _: asked(house, fresh, "/workers"), range(20))} == {200}
            wait_for(lambda: asked(house, fresh, "/workers").body == b"fresh")
        assert len(origin.of("/workers")) == 2
        asked(house, Step(method="POST"), "/workers")
        for _ in range(10):
            assert asked(house, Step(says=[FRESH], body="anew"), "/workers").body == b"anew"
        assert [one.method for one in origin.of("/workers")] == ["GET", "GET", "POST", "GET"]
        herd(house, "/varying", 50, german={"Lang": "de"}, english={"Lang": "en"})
        assert len(origin.of("/varying")) == 2


def test_without_a_sidecar_the_proxy_does_it_alone(origin, tmp_path):
    with house_of(tmp_path, origin) as house:
        os.kill(house.pid("sidecar"), signal.SIGSTOP)
        try:
            step = Step(says=[FRESH], delay=0.3)
            with ThreadPoolExecutor(10) as pool:
                replies = list(pool.map(lambda _: asked(house, step, "/no-sidecar"), range(10)))
            assert {reply.status for reply in replies} == {200}
            assert asked(house, step, "/no-sidecar").cache.startswith("hit")
            assert len(origin.of("/no-sidecar")) <= 2
        finally:
            os.kill(house.pid("sidecar"), signal.SIGCONT)


def test_bytes_that_are_no_text_go_to_the_origin_as_they_are(house, origin):
    target = f"/bytes{next(_numbers)}"
    with dial(house.ports["reverse"]) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nX: \xff\r\n\r\n".encode("latin-1"))
        assert line.recv(100).startswith(b"HTTP/1.1 200 ")
    assert origin.of(target)[0]["x"] == "\xff"


def test_what_is_too_large_to_be_held_is_passed_on(house, origin):
    mark, step = f"/huge{next(_numbers)}", Step(says=[FRESH], body="x", times=1_100_000)
    for _ in range(2):
        assert len(asked(house, step, mark).body) == 1_100_000
    assert len(origin.of(mark)) == 3  # the first time it was only found out


def test_what_is_stored_can_be_explained_and_purged(house, origin):
    step = Step(says=[FRESH])
    for what in ("key", "route"):
        target = f"/purged{next(_numbers)}"
        asked(house, step, target)
        told = run(house, "explain", f"http://{HOST}{target}").stdout
        key = next(line.split()[-1] for line in told.splitlines() if line.split()[:1] == ["key"])
        assert run(house, "purge", key if what == "key" else "origin/all").returncode == 0
        asked(house, step, target)
        assert len(origin.of(target)) == 2


def test_one_variant_may_be_the_answer_to_another_request(house, origin):
    says, other = [FRESH, TAG, ("Vary", "Foo")], [FRESH, ("ETag", '"two"'), ("Vary", "Foo")]
    asks: dict[str, str | None] = {"if-none-match": '"one"'}
    steps = [
        Step({"Foo": "1"}, says, body="same", came=True),
        Step({"Foo": "2"}, says, status=304, came=True, saw=asks, answer=200, gives="same", way="fwd=vary-miss"),
        Step({"Foo": "2"}, came=False, gives="same"),
        Step({"Foo": "3"}, other, body="other", came=True, saw=asks, gives="other"),
        Step({"Foo": "4"}, other, status=304, came=True, gives="other"),
        Step({"Foo": "1"}, came=False, gives="same"),
    ]
    played(house, origin, steps)


@pytest.mark.parametrize("name", sorted(TURNING))
def test_what_turns_a_request_into_another_is_not_asked_for_all(house, origin, name):
    played(house, origin, [Step({name: "evil.test"}, [FRESH], came=True, saw={name: None})])
    played(house, origin, [Step({name: "evil.test"}, method="POST", came=True, saw={name: "evil.test"})])


def test_who_waits_while_the_origin_fails_gets_what_is_stored(house, origin):
    mark = f"/failing{next(_numbers)}"
    asked(house, Step(says=[cc("max-age=1, stale-if-error=60")], body="good"), mark)
    time.sleep(1.2)
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: asked(house, Step(status=503, delay=1.5), mark), range(10)))
    assert {reply.body for reply in replies} == {b"good"}
    assert len(origin.of(mark)) == 2


def test_no_credential_of_a_client_is_on_the_disk(house, origin):
    says = [cc("public, max-age=60"), ("Vary", "Authorization, Cookie, X-Api-Key, X-App-Key, X-Who, X-Foo")]
    names = ("Authorization", "Cookie", "X-Api-Key", "X-App-Key", "X-Who", "X-Foo")
    secrets = {name: f"canary-{name}" for name in names}
    played(
        house,
        origin,
        [
            Step(secrets, says, query="?apiKey=canary-four", came=True),
            Step(secrets, says, query="?apiKey=canary-four", came=False),
        ],
    )
    config = load(house.config, {})
    files = [*config.cache_folder.rglob("*"), *house.folder.rglob("*")]
    for path in files:
        if path.is_file() and not path.is_symlink():
            assert b"canary-" not in path.read_bytes(), path


def test_a_304_may_take_back_what_was_stored(house, origin):
    says = [cc("max-age=0"), TAG]
    steps = [
        Step(says=says, body="good"),
        Step(says=[cc("no-store"), TAG], status=304, came=True, answer=200, gives="good"),
        Step(says=says, came=True, saw={"if-none-match": None}),
    ]
    _, taken, _ = played(house, origin, steps)
    assert "stored" not in taken.cache
