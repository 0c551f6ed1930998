import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.caching.directives import Directives, cache_control, control, targeted
from holdover.caching.structured import Other, Token, dictionary

NAMES = ("Own-Control", "CDN-Cache-Control")


@pytest.mark.parametrize(
    ("text", "told", "broken"),
    [
        ("", (), False),
        (",, ,", (), False),
        ("no-store", (("no-store", None),), False),
        ("Max-Age=5,\tNO-CACHE", (("max-age", "5"), ("no-cache", None)), False),
        ('private="A, b" , public', (("private", "A, b"), ("public", None)), False),
        ('x="a\\"b,c", y', (("x", 'a"b,c'), ("y", None)), False),
        ('x=""', (("x", ""),), False),
        ("max-age =5", (("max-age", "?"),), False),
        ("max-age= 5", (("max-age", "?"),), False),
        ("max-age=5 6", (("max-age", "?"),), False),
        ("max-age=5;a=b", (("max-age", "?"),), False),
        ("=5, public", (("public", None),), True),
        ('x="a, max-age=5', (("max-age", "5"),), True),
        ('x="a, no-store', (("no-store", None),), True),
        ('x="a no-store', (("no-store", None),), True),
        ('max-age=5, private="a', (("max-age", "5"), ("private", None)), True),
        ('"no-store"', (("no-store", None),), True),
        ("no-store x", (("no-store", None),), False),
        ('x="a,b" "c, max-age=5', (("max-age", "5"),), True),
        ('"\\",no-store,x="\\"",private', (("no-store", None), ("private", None)), True),
    ],
)
def test_what_cache_control_says(text, told, broken):
    assert cache_control((("Cache-Control", text),)) == Directives(told, broken)


def test_many_marks_that_do_not_end_are_read_in_one_go():
    """A head full of them once took the square of its length: 16 s, in which the process did nothing else."""
    began = time.process_time()
    assert cache_control((("Cache-Control", '\\",' * 20_000),)) == Directives((), broken=True)
    assert time.process_time() - began < 2


def test_lines_are_put_together():
    assert cache_control((("cache-control", "a"), ("X", "b"), ("Cache-Control", "c=d"))).told == (
        ("a", None),
        ("c", "d"),
    )
    assert cache_control(()) == Directives()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("max-age=0", 0),
        ("max-age=007", 7),
        ('max-age="7"', 7),
        ("max-age=2147483647", 2**31 - 1),
        ("max-age=2147483648", 2**31),
        ("max-age=2147483649", 2**31),
        ("max-age=99999999999", 2**31),
        ("max-age=" + "9" * 5000, 2**31),
        ("max-age=" + "0" * 50 + "3", 3),
        ("max-age=-1", -1),
        ("max-age=+1", -1),
        ("max-age=1.0", -1),
        ("max-age=1e3", -1),
        ("max-age=", -1),
        ("max-age", -1),
        ("max-age=x", -1),
        ("max-age=\u0661", -1),
        ("max-age=1, max-age=2", 1),
        ("max-age=x, max-age=2", -1),
        ("s-max-age=5", None),
    ],
)
def test_seconds_are_plain_digits_and_the_first_count(text, seconds):
    assert cache_control((("Cache-Control", text),)).seconds("max-age") == seconds


def test_what_is_about_fields_and_what_about_all():
    told = cache_control((("Cache-Control", 'private=" A , b,, ", no-cache, no-cache="c"'),))
    assert told.fields("private") == {"a", "b"}
    assert told.fields("no-cache") == {"c"}
    assert not told.unqualified("private")
    assert told.unqualified("no-cache")
    assert told.without(["private"]).told == (("no-cache", None), ("no-cache", "c"))


DICTIONARIES = {
    "a": {"a": True},
    "a=?0": {"a": False},
    "a=1, b=-2": {"a": 1, "b": -2},
    "a=1 \t,\t b": {"a": 1, "b": True},
    'a="x\\"y\\\\"': {"a": 'x"y\\'},
    "a=tok:en/x": {"a": "tok:en/x"},
    "*a-_.*=1": {"*a-_.*": 1},
    "a;b;c=1;d=?0, e=2;f": {"a": True, "e": 2},
    "a=1, a=2": {"a": 2},
    "a=999999999999999": {"a": 999999999999999},
    "": {},
    "  a  ": {"a": True},
}
MALFORMED = [
    "A",
    "a,",
    ",a",
    "a,,b",
    "a=",
    "a= 1",
    "a =1",
    "1",
    "a=1000000000000000",
    "a=1.",
    "a=1.2345",
    "a=.5",
    "a=--1",
    'a="x',
    'a="\\x"',
    'a="é"',
    "a=?2",
    "a=?",
    "a=:x",
    "a=(1",
    "a=(1(2))",
    "a=(1,2)",
    "a b",
    "a=1 b",
    "a;B",
    "a;",
    "a=@1.5",
    "a&",
    "max-age=60, &&&",
    'a=%"x',
    "\ta",
]
OTHERS = ["a=1.5", "a=:aGk=:", "a=@1", 'a=(1 "b" c;d)', "a=()", 'a=%"x%c3%bc"', "a=( 1  2 );x"]


@pytest.mark.parametrize("text", DICTIONARIES)
def test_a_dictionary(text):
    assert dictionary(text) == DICTIONARIES[text]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_dictionary(text):
    assert dictionary(text) is None


@pytest.mark.parametrize("text", OTHERS)
def test_values_that_no_directive_has(text):
    read = dictionary(text)
    assert read is not None
    assert isinstance(read["a"], Other)


def test_tokens_are_not_strings():
    read = dictionary('a=b, c="b"')
    assert read is not None
    assert (type(read["a"]), type(read["c"])) == (Token, str)


@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_anything_is_read_or_refused(text):
    dictionary(text)
    cache_control((("Cache-Control", text),))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, None),
        ({"CDN-Cache-Control": ""}, None),
        ({"CDN-Cache-Control": "max-age=5, ?"}, None),
        ({"CDN-Cache-Control": "max-age=5"}, (("max-age", "5"),)),
        ({"cdn-cache-control": "no-store;x=1"}, (("no-store", None),)),
        ({"CDN-Cache-Control": "no-store=?0, public"}, (("public", None),)),
        ({"CDN-Cache-Control": "max-age=-5, public"}, (("max-age", "?"), ("public", None))),
        ({"CDN-Cache-Control": 'max-age="5", public'}, (("max-age", "?"), ("public", None))),
        ({"CDN-Cache-Control": "s-maxage=1.5, max-age=(1)"}, (("s-maxage", "?"), ("max-age", "?"))),
        ({"CDN-Cache-Control": 'private="a, b"'}, (("private", "a, b"),)),
        ({"CDN-Cache-Control": "private=a, no-store=5"}, (("private", None), ("no-store", None))),
        ({"CDN-Cache-Control": "a", "Own-Control": "b"}, (("b", None),)),
        ({"CDN-Cache-Control": "a", "Own-Control": "B"}, (("a", None),)),
    ],
)
def test_targeted_fields(fields, told):
    headers = (*fields.items(), ("Cache-Control", "from-all"))
    assert targeted(headers, NAMES) == (None if told is None else Directives(told, targeted=True))
    assert control(headers, NAMES).told == (told or (("from-all", None),))
    assert control(headers).told == (("from-all", None),)
