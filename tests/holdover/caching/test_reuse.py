from dataclasses import replace

import pytest

from holdover.caching.directives import control
from holdover.caching.reuse import Use, Validate, asked_of, judged, usable_instead
from holdover.caching.vary import matches, nominated, selected
from tests.holdover.caching.builders import NOW, http, one

STALE, ASKED = Validate("stale"), Validate("request")


@pytest.mark.parametrize(
    ("says", "asks", "after", "verdict"),
    [
        ("max-age=60", "", 10, Use(50)),
        ("max-age=60", "", 59, Use(1)),
        ("max-age=60", "", 60, STALE),
        ("max-age=60, no-cache", "", 10, STALE),
        ('max-age=60, no-cache="a"', "", 10, Use(50)),
        ("max-age=60", "Cache-Control: no-cache", 10, ASKED),
        ("max-age=60", "Pragma: no-cache", 10, ASKED),
        ("max-age=60", "Pragma: no-cache\nCache-Control: x", 10, Use(50)),
        ("max-age=60", "Pragma: x", 10, Use(50)),
        ("max-age=60", "Cache-Control: max-age=0", 0, Use(60)),
        ("max-age=60", "Cache-Control: max-age=0", 1, ASKED),
        ("max-age=60", "Cache-Control: max-age=10", 10, Use(50)),
        ("max-age=60", "Cache-Control: max-age=x", 10, Use(50)),
        ("max-age=60", "Cache-Control: min-fresh=50", 10, Use(50)),
        ("max-age=60", "Cache-Control: min-fresh=51", 10, ASKED),
        ("max-age=60", "Cache-Control: min-fresh=x", 10, Use(50)),
        ("max-age=60", "Cache-Control: min-fresh=0", 60, STALE),
        ("max-age=60", "Cache-Control: min-fresh=5", 60, STALE),
        ("max-age=60", "Cache-Control: min-fresh=0, max-stale", 70, STALE),
        ("max-age=60", "Cache-Control: max-stale", 70, Use(-10)),
        ("max-age=60", "Cache-Control: max-stale=11", 70, Use(-10)),
        ("max-age=60", "Cache-Control: max-stale=10", 70, STALE),
        ("max-age=60", "Cache-Control: max-stale=x", 70, STALE),
        ("max-age=60, must-revalidate", "Cache-Control: max-stale", 70, STALE),
        ("max-age=60, proxy-revalidate", "Cache-Control: max-stale", 70, STALE),
        ("s-maxage=60", "Cache-Control: max-stale", 70, STALE),
        ("max-age=60", "Cache-Control: max-stale, max-age=65", 70, ASKED),
        ("max-age=60, stale-while-revalidate=11", "", 70, Use(-10, refresh=True)),
        ("max-age=60, stale-while-revalidate=10", "", 70, STALE),
        ("max-age=60, stale-while-revalidate=x", "", 70, STALE),
        ("max-age=60, stale-while-revalidate", "", 70, STALE),
        ("max-age=60, stale-while-revalidate=99, must-revalidate", "", 70, STALE),
        ("max-age=60, stale-while-revalidate=99", "Cache-Control: no-cache", 70, ASKED),
        ("max-age=60", "Cache-Control: only-if-cached", 10, Use(50)),
    ],
)
def test_whether_it_answers(says, asks, after, verdict):
    stored = one(f"Cache-Control: {says}")
    assert judged(stored, control(stored.headers), asked_of(http(asks)), NOW + after) == verdict


@pytest.mark.parametrize(
    ("says", "asks", "past", "unreached", "reached"),
    [
        ("max-age=60", "", 5, True, False),
        ("max-age=60", "", 100, True, False),
        ("max-age=60", "", 101, False, False),
        ("max-age=60", "", 0, True, False),
        ("max-age=60, stale-if-error=50", "", 49, True, True),
        ("max-age=60, stale-if-error=50", "", 51, True, False),
        ("max-age=60, stale-if-error=500", "", 200, True, True),
        ("max-age=60", "Cache-Control: stale-if-error=50", 49, True, True),
        ("max-age=60", "Cache-Control: no-cache", 5, False, False),
        ("max-age=60, must-revalidate, stale-if-error=50", "", 5, False, False),
        ("max-age=60, proxy-revalidate, stale-if-error=50", "", 5, False, False),
        ("s-maxage=60, stale-if-error=50", "", 5, False, False),
        ("max-age=60, no-cache, stale-if-error=50", "", 5, False, False),
        ("max-age=60", "Cache-Control: max-age=1", -10, True, True),
    ],
)
def test_what_takes_the_place_of_an_error(says, asks, past, unreached, reached):
    stored = one(f"Cache-Control: {says}")
    told, asked = control(stored.headers), asked_of(http(asks))
    found = [
        usable_instead(stored, told, asked, NOW + 60 + past, reached=each, longest_s=100) for each in (False, True)
    ]
    assert found == [unreached, reached]


@pytest.mark.parametrize(
    ("vary", "first", "then", "expected"),
    [
        ("", "A: 1", "A: 2", True),
        ("A", "A: 1", "a: 1", True),
        ("A", "A: 1", "A: 2", False),
        ("A", "A: 1", "", False),
        ("A", "", "A:", False),
        ("A", "", "", True),
        ("a, B", "A: 1\nB: 2", "B: 2\nA: 1", True),
        ("A, B", "A: 1\nB: 2", "A: 1\nB: 3", False),
        ("A", "A: 1\nA: 2", "A: 1, 2", True),
        ("A", "A: 1 ,\t2", "A: 1,2", True),
        ("A", "A: x", "A: X", False),
        ("Accept-Language", "Accept-Language: DE", "Accept-Language: de", True),
        ("Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: GZIP,br", True),
        ("*", "", "", False),
        ("A, *", "A: 1", "A: 1", False),
    ],
)
def test_which_request_it_is_for(vary, first, then, expected):
    stored = one(f"Vary: {vary}", asked=first)
    assert matches(stored, http(then)) is expected


def test_the_newest_of_those_that_match_is_chosen():
    plain, varying = one(""), one("Vary: A", asked="A: 1")
    newer = replace(varying, received_at=NOW + 1)
    assert selected([plain, newer], http("A: 1")) is newer
    assert selected([newer, plain], http("A: 2")) is plain
    assert selected([], http("")) is None
    assert nominated([plain, newer], http("A: 1")) == newer.selecting


def test_only_of_what_a_client_accepts_the_value_is_told():
    told = dict(one("Vary: A, B, Accept, Accept-Language", asked="A: 1\nAccept: x, y\nAccept-Language: EN").selecting)
    assert (told["accept"], told["accept-language"], told["b"]) == ("x,y", "en", None)
    assert told["a"] not in (None, "1")


@pytest.mark.parametrize(("before", "used"), [(0.9, True), (1.1, False), (3600, False)])
def test_what_is_from_the_future_is_validated_and_no_remedy(before, used):
    """The clock stepped back since: it would stay fresh for ever."""
    stored = one("Cache-Control: max-age=60")
    told, now = control(stored.headers), stored.received_at - before
    assert isinstance(judged(stored, told, asked_of(()), now), Use) is used
    assert usable_instead(stored, told, asked_of(()), now, reached=False, longest_s=9999) is used
