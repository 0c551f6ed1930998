from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.content import Board
from holdover.exchange import Response
from holdover.phase import longest_stale
from holdover.policy import (
    Expired,
    Fresh,
    Stale,
    age,
    decide,
    from_the_future,
    limits,
    provider_trouble,
    refusal,
    said_json,
    supersedes,
    varying,
)

WINDOW, LIMIT = 10, 60
ASKED = 1000.0


@pytest.mark.parametrize(
    ("elapsed", "initial_age", "refreshing", "expected"),
    [
        (0, 0, False, Fresh(10)),
        (9.5, 0, False, Fresh(0.5)),
        (10, 0, False, Expired(usable=True)),
        (10, 0, True, Stale(0)),
        (60, 0, True, Stale(-50)),
        (60, 0, False, Expired(usable=True)),
        (60.125, 0, True, Expired(usable=False)),
        (60.125, 0, False, Expired(usable=False)),
        # The age that the provider's side told counts against the limit, not against the window.
        (9.5, 30, True, Fresh(0.5)),
        (10, 50, True, Stale(0)),
        (10, 50, False, Expired(usable=True)),
        (10, 50.125, True, Expired(usable=False)),
        # Within its window, but older than the route promises when it came.
        (1, 59, False, Fresh(9)),
        (1, 59.125, False, Expired(usable=False)),
        (1, 59.125, True, Expired(usable=False)),
        # The clock stepped back: by less than a second it is noise, by more the age is not known.
        (-0.25, 0, False, Fresh(10.25)),
        (-0.5, 0, True, Fresh(10.5)),
        (-0.75, 0, True, Expired(usable=False)),
        (-3600, 0, True, Expired(usable=False)),
    ],
)
def test_decide_at_its_edges(route_of, entry_of, elapsed, initial_age, refreshing, expected):
    entry = entry_of(at=ASKED, took=0.5, initial_age=initial_age)
    assert decide(route_of(), entry, ASKED + elapsed, refreshing=refreshing) == expected


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.booleans())
def test_nothing_is_served_past_its_limit(route_of, entry_of, elapsed, initial_age, refreshing):
    entry = entry_of(at=ASKED, initial_age=initial_age)
    match decide(route_of(), entry, ASKED + elapsed, refreshing=refreshing):
        case Fresh(ttl):
            assert 0 < ttl <= WINDOW + 1
            assert age(entry, ASKED + elapsed) <= LIMIT
        case Stale(ttl):
            assert refreshing
            assert ttl <= 0
            assert age(entry, ASKED + elapsed) <= LIMIT
        case Expired(usable):
            assert not usable or age(entry, ASKED + elapsed) <= LIMIT


PACE = {"in_play_s": 5, "near_s": 8, "far_s": 40, "empty_s": 50, "near_from_s": 600, "max_stale_in_play_s": 12}


@pytest.mark.parametrize(
    ("board", "floor_s", "status", "expected"),
    [
        (Board(), 0, 200, (10, 60)),
        (Board(3, (900.0, 5000.0)), 0, 200, (5, 12)),
        (Board(3, (1100.0,)), 0, 200, (8, 60)),
        (Board(3, (9000.0,)), 0, 200, (40, 60)),
        (Board(3, (1100.0,)), 30, 200, (30, 60)),
        (Board(3, (9000.0,)), 30, 200, (40, 60)),
        (Board(3, (900.0,)), 30, 404, (7, 7)),
        (Board(), 0, 422, (7, 7)),
    ],
)
def test_window_and_limit_go_by_what_the_answer_holds(route_of, entry_of, board, floor_s, status, expected):
    route = route_of(starts="at", items="", negative_s=7, pace=PACE)
    entry = replace(entry_of(at=ASKED), board=board, floor_s=floor_s, status=status)
    assert limits(route, entry, ASKED) == expected
    assert limits(route, entry, ASKED)[1] <= longest_stale(route)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 60),
        ({"pace": {"empty_s": 50}}, 100),
        ({"pace": {"max_stale_in_play_s": 70}}, 70),
        ({"negative_s": 80}, 80),
    ],
)
def test_nothing_is_older_than_the_greatest_of_the_limits(route_of, changes, expected):
    assert longest_stale(route_of(starts="at", items="", **changes)) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (ASKED + 4, Fresh(3)),
        (ASKED + 7, Stale(0)),
        (ASKED + 11.5, Stale(-4.5)),
        # What is in play is not served for as long as what is not.
        (ASKED + 12.5, Expired(usable=False)),
    ],
)
def test_an_event_that_begins_ends_the_window(route_of, entry_of, now, expected):
    entry = replace(entry_of(at=ASKED), board=Board(2, (ASKED - 50, ASKED + 7)))
    route = route_of(starts="at", pace={**PACE, "in_play_s": 9})
    assert decide(route, entry, now, refreshing=True) == expected
    later = replace(entry, board=Board(2, (ASKED + 7, ASKED + 5000)))
    assert decide(route, later, ASKED + 7.5, refreshing=False) == Expired(usable=True)


@pytest.mark.parametrize(("elapsed", "expected"), [(6.5, Fresh(0.5)), (7.5, Expired(usable=False))])
def test_an_absence_is_never_served_past_its_window(route_of, entry_of, elapsed, expected):
    entry = replace(entry_of(at=ASKED), status=404)
    for refreshing in (False, True):
        assert decide(route_of(negative_s=7), entry, ASKED + elapsed, refreshing=refreshing) == expected


@pytest.mark.parametrize(("now", "expected"), [(1000.0, 5.0), (1007.25, 12.25), (900.0, 5.0)])
def test_age_never_understates_and_is_never_negative(entry_of, now, expected):
    assert age(entry_of(at=1000.0, took=3.0, initial_age=5.0), now) == expected


@pytest.mark.parametrize(("now", "expected"), [(999.5, False), (999.0, False), (998.875, True), (1100, False)])
def test_from_the_future(entry_of, now, expected):
    assert from_the_future(entry_of(at=999.5, took=0.5), now) is expected


@pytest.mark.parametrize(
    ("new", "old", "now", "expected"),
    [
        # (asked, took) of the new and of the old one
        ((10, 1), (5, 1), 11, True),
        ((6, 1), (5, 1), 11, True),
        # A asks at 0; B asks at 1, is answered from a newer state at 2; A's older answer arrives at 3.
        ((0, 3), (1, 1), 3, False),
        # The other way round the order is not known either: what stands stays.
        ((1, 2), (0, 2), 3, False),
        ((5.5, 1), (5, 1), 7, False),
        ((5, 1), (5, 1), 7, False),
        # What stands is from a time that the clock has left.
        ((10, 1), (5000, 1), 11, True),
        ((10, 1), (11, 1), 11, False),
    ],
)
def test_supersedes(entry_of, new, old, now, expected):
    one, other = (entry_of(at=at, took=took) for at, took in (new, old))
    assert supersedes(one, other, now) is expected


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 50)), min_size=1, max_size=8))
def test_what_stands_was_asked_for_ever_later(entry_of, fetches):
    """Answers of overlapping fetches, stored in the order of their arrival."""
    arrivals = sorted((entry_of(at=at, took=took) for at, took in fetches), key=lambda entry: entry.received_at)
    standing = arrivals[0]
    for entry in arrivals[1:]:
        if supersedes(entry, standing, entry.received_at):
            assert entry.requested_at >= standing.received_at
            standing = entry


LENGTH = ("Content-Length", "2")


@pytest.mark.parametrize(
    ("headers", "override", "expected"),
    [
        ([LENGTH], [], None),
        ([("Transfer-Encoding", "chunked")], [], None),
        ([("transfer-encoding", "gzip, Chunked")], [], None),
        ([], [], "its end is not marked"),
        ([("Transfer-Encoding", "gzip")], [], "its end is not marked"),
        ([LENGTH, ("Cache-Control", "no-store")], [], "Cache-Control: no-store"),
        ([LENGTH, ("cache-control", "max-age=5, No-Store")], [], "Cache-Control: no-store"),
        ([LENGTH, ("Cache-Control", "a"), ("Cache-Control", "private")], [], "Cache-Control: private"),
        ([LENGTH, ("Cache-Control", 'private="Set-Cookie"')], [], "Cache-Control: private"),
        ([LENGTH, ("Cache-Control", "no-store")], ["no-store"], None),
        ([LENGTH, ("Cache-Control", "private, no-store")], ["no-store"], "Cache-Control: private"),
        ([LENGTH, ("Cache-Control", "private, no-store")], ["no-store", "private"], None),
        ([LENGTH, ("Cache-Control", "no-cache, max-age=0, must-revalidate")], [], None),
        ([LENGTH, ("Cache-Control", 'x="no-store"')], [], None),
        ([LENGTH, ("Cache-Control", "max-age=5"), ("CDN-Cache-Control", "private")], [], "Cache-Control: private"),
        ([LENGTH, ("Holdover-Cache-Control", "no-store")], [], "Cache-Control: no-store"),
        ([LENGTH, ("CDN-Cache-Control", "no-store")], ["no-store"], None),
        ([LENGTH, ("CDN-Cache-Control", "max-age=5"), ("Cache-Control", "private")], [], None),
        ([LENGTH, ("CDN-Cache-Control", "max-age=5;;"), ("Cache-Control", "private")], [], "Cache-Control: private"),
        ([LENGTH, ("Vary", "*")], [], "Vary: *"),
        ([LENGTH, ("Vary", "Accept, *")], ["no-store", "private"], "Vary: *"),
        ([LENGTH, ("Vary", "Accept-Encoding, x-key")], [], None),
        ([LENGTH, ("Vary", "Origin, User-Agent, X-Anything")], [], None),
        ([LENGTH, ("Vary", "Origin, Range")], [], "Vary: range, which does not reach the provider"),
        ([LENGTH, ("Vary", "X-Original-URL, If-Match")], [], "Vary: if-match, which does not reach the provider"),
        ([LENGTH, ("Vary", "Content-Length")], [], "Vary: content-length, which does not reach the provider"),
        ([LENGTH, ("Vary", "Connection")], [], "Vary: connection, which does not reach the provider"),
        ([LENGTH, ("Vary", "Range")], ["vary"], None),
        ([LENGTH, ("Vary", "Origin")], ["vary"], None),
        ([LENGTH, ("Cache-Control", 'x="a, no-store')], [], "Cache-Control: no-store"),
        ([LENGTH, ("Cache-Control", "no-store, must-understand")], [], None),
        ([LENGTH, ("Content-Range", "bytes 0-1/2")], [], "partial content"),
    ],
)  # fmt: skip
def test_what_must_not_be_stored(route_of, headers, override, expected):
    for status in (200, 404):
        response = Response(status, tuple(headers), b"[]")
        assert refusal(route_of(override=override, headers=["X-Key"]), response) == expected


def test_what_selects_beside_the_key(route_of):
    told = (("Vary", "Origin, accept-ENCODING"), ("vary", "X-Key, Apikey,, Lang"))
    assert varying(route_of(headers=["X-Key"]), told, {"apikey"}) == {"origin", "lang"}
    assert varying(route_of(headers=["X-Key"], override=["vary"]), told) == frozenset()
    assert varying(route_of(), ()) == frozenset()


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/problem+json", True),
        (None, False),
        ("", False),
        ("text/html; x=application/json", False),
        ("application/jsonp", False),
    ],
)
def test_what_is_said_to_be_json(content_type, expected):
    assert said_json(content_type) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, False), (301, False), (400, False), (404, False), (410, False), (422, False)]
    + [(status, True) for status in (401, 403, 408, 429, 500, 502, 503, 504, 599)],
)
def test_which_statuses_are_trouble_of_the_provider(status, expected):
    assert provider_trouble(status) is expected
