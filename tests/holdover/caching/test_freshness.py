import pytest

from holdover.caching.directives import control
from holdover.caching.freshness import age_now, lifetime, told_age
from tests.holdover.caching.builders import NOW, http, one


def fresh_for(says: str, **more: object) -> float:
    stored = one(says, **more)
    return lifetime(stored, control(stored.headers, ("CDN-Cache-Control",)))


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ("", 0),
        ("Cache-Control: max-age=60", 60),
        ("Cache-Control: s-maxage=5, max-age=60", 5),
        ("Cache-Control: max-age=60\nExpires: @-60", 60),
        ("Expires: @60\nDate: @0", 60),
        ("Expires: @60", 60),
        ("Expires: @60\nDate: @30", 30),
        ("Expires: @60\nDate: @90", 0),
        ("Expires: 0", 0),
        ("Expires: @60\nExpires: 0", 60),
        ("Cache-Control: max-age=x\nExpires: @60", 0),
        ('Cache-Control: a="b, max-age=60', 0),
        ("CDN-Cache-Control: max-age=5\nCache-Control: max-age=60", 5),
        ("CDN-Cache-Control: public\nExpires: @60", 0),
        ("Last-Modified: @-1000\nDate: @0", 100),
        ("Last-Modified: @-1000\nDate: @-500", 50),
        ("Last-Modified: @-1000", 100),
        ("Last-Modified: @1000", 0),
        ("Last-Modified: @-9000000", 86_400),
        ("Last-Modified: @-1000\nExpires: 0", 0),
        ("Last-Modified: @-1000\nCache-Control: max-age=0", 0),
        ("Cache-Control: max-age=9999999999", 2**31),
    ],
)
def test_how_long_it_is_fresh(says, seconds):
    assert fresh_for(says) == seconds


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_statuses_of_which_it_may_be_guessed(status):
    assert fresh_for("Last-Modified: @-1000", status=status) == 100


@pytest.mark.parametrize("status", [201, 202, 302, 303, 307, 400, 401, 403, 451, 500, 502, 503, 504, 299, 599])
def test_and_those_of_which_not_unless_the_answer_is_public(status):
    assert fresh_for("Last-Modified: @-1000", status=status) == 0
    assert fresh_for("Last-Modified: @-1000\nCache-Control: public", status=status) == 100


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("", 0),
        ("5", 5),
        (" 5 ", 5),
        ("5, 9", 5),
        ("9, 5", 9),
        ("-5", 0),
        ("5.5", 0),
        ("x", 0),
        ("5x", 0),
        ("x5", 0),
        ("5;a=1", 0),
        ('"5"', 0),
        ("2147483649", 2**31),
        ("9" * 5000, 2**31),
        ("0" * 40 + "5", 5),
        (",5", 0),
        ("+5", 0),
    ],
)
def test_the_age_that_was_told(text, age):
    assert told_age((("Age", text),)) == age


@pytest.mark.parametrize(
    ("says", "took", "age"),
    [
        ("Date: @0", 0, 0),
        ("Date: @-5", 0, 5),
        ("Date: @-1", 0, 1),
        ("Date: @5", 0, 0),
        ("Age: 7\nDate: @-5", 0, 7),
        ("Age: 3\nDate: @-5", 0, 5),
        ("Age: 3\nDate: @-5", 4, 7),
        ("Date: @-5", 2, 5),
        ("", 2, 2),
        ("Date: x\nAge: 3", 2, 5),
    ],
)
def test_the_age_at_its_arrival_and_after(says, took, age):
    """RFC 9111 section 4.2.3."""
    stored = one(says, took=took)
    assert age_now(stored, NOW) == age
    assert age_now(stored, NOW + 10) == age + 10
    assert age_now(stored, NOW - 10) == age


def test_lengths_do_not_matter_here():
    assert http("A: b", b"")[-1] == ("Content-Length", "0")
