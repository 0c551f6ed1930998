from dataclasses import replace

import pytest

from holdover.caching.dates import formatted
from holdover.caching.directives import control
from holdover.caching.freshness import age_now
from holdover.caching.invalidation import invalidated
from holdover.caching.ranges import part
from holdover.caching.validation import (
    any_of,
    conditions,
    confirms,
    in_304,
    none_match_fails,
    not_modified,
    tagged,
    tells_of_another,
    updated,
)
from holdover.exchange import Response
from tests.holdover.caching.builders import NOW, http, one

TIMES = (NOW + 9, NOW + 10)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("", {}),
        ('ETag: "a"', {"If-None-Match": '"a"'}),
        ("Last-Modified: yesterday", {"If-Modified-Since": "yesterday"}),
        ('ETag: W/"a"\nLast-Modified: x', {"If-None-Match": 'W/"a"', "If-Modified-Since": "x"}),
        ('ETag: "a\x01"\nLast-Modified: x', {"If-Modified-Since": "x"}),
        ('ETag: "a\x7f"', {}),
        ('ETag: "caf\udce9"', {}),
        ('ETag: "caf\u00e9"', {"If-None-Match": '"caf\u00e9"'}),
    ],
)
def test_what_the_origin_is_asked(says, expected):
    assert dict(conditions(one(says))) == expected


@pytest.mark.parametrize(
    ("says", "asks", "expected"),
    [
        ('ETag: "a"', 'If-None-Match: "a"', True),
        ('ETag: "a"', 'If-None-Match: W/"a"', True),
        ('ETag: W/"a"', 'If-None-Match: "a"', True),
        ('ETag: "a"', 'If-None-Match: "b" , , W/"a"', True),
        ('ETag: "a"', "If-None-Match: *", True),
        ("", "If-None-Match: *", True),
        ("", 'If-None-Match: "a"', False),
        ('ETag: "a"', "If-None-Match: a", False),
        ("ETag: a", "If-None-Match: a", True),
        ("ETag: a", 'If-None-Match: "a"', False),
        ('ETag: "a"', 'If-None-Match: "b", *', False),
        ('ETag: "a"', 'If-None-Match: w/"a"', False),
        ('ETag: "a"', "", False),
        ("Last-Modified: @-60", "If-Modified-Since: @-60", True),
        ("Last-Modified: @-60", "If-Modified-Since: @-61", False),
        ("Last-Modified: @-60", "If-Modified-Since: @0", True),
        ("Last-Modified: @-60", "If-Modified-Since: x", False),
        ("Date: @-60", "If-Modified-Since: @-60", True),
        ("Date: @-60", "If-Modified-Since: @-61", False),
        ('ETag: "a"\nLast-Modified: @-60', 'If-None-Match: "b"\nIf-Modified-Since: @0', False),
        ('ETag: "a"\nLast-Modified: @-60', 'If-None-Match: "a"\nIf-Modified-Since: @-99', True),
    ],
)
def test_whether_the_client_has_it(says, asks, expected):
    assert not_modified(one(says), http(asks)) is expected
    assert not not_modified(one(says, status=404), http(asks))


@pytest.mark.parametrize("text", [",  " * 5_000, ",\t\t" * 5_000 + '"', ' ,  "b"' * 5_000, '"' * 20_001])
def test_what_a_client_says_to_have_is_read_in_the_time_that_it_takes_to_read_it(text):
    """Each further comma once took three times as long: some thirty were the end of the process."""
    assert not none_match_fails(f'"a"{text}x', '"c"')
    assert none_match_fails(f'"a"{text}', '"a"') is (text.count('"') % 2 == 0)


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ('ETag: "a"', 'ETag: "a"', True),
        ('ETag: "a"', 'ETag: W/"a"', True),
        ('ETag: "a"', 'ETag: "b"', False),
        ('ETag: "a"', "", True),
        ("", 'ETag: "a"', True),
    ],
)
def test_which_304_is_about_it(mine, theirs, expected):
    assert confirms(one(mine), http(theirs)) is expected


def test_a_304_puts_its_fields_in_the_place_of_all_of_their_names():
    before = one("A: 1\nA: 2\nB: 1\nContent-Encoding: x\nContent-Type: t\nAge: 50\nDate: @-50")
    fields = http("a: 3\nC: 1\nContent-Encoding: y\nContent-Range: z\nContent-Type: u\nConnection: d\nD: 1\nAge: 4")
    after = updated(replace(before, stale=True), fields, control(fields), TIMES)
    told = dict(after.headers)
    assert (told["a"], told["B"], told["C"], told["Content-Encoding"], told["Content-Type"]) == (
        "3",
        "1",
        "1",
        "x",
        "u",
    )
    assert not {"A", "D", "Content-Range", "Age"} & set(told)
    assert told["Date"] == formatted(NOW + 10)
    assert told["Content-Length"] == "10"
    assert (after.body, after.stale, age_now(after, NOW + 10)) == (before.body, False, 5.0)


def test_what_is_for_one_client_now_is_kept_no_longer():
    fields = http('Cache-Control: private="a", no-cache="b"\nB: 2')
    after = updated(one("A: 1\nB: 1\nC: 1"), fields, control(fields), TIMES)
    assert {name for name, _ in after.headers} & set("ABC") == {"C"}


@pytest.mark.parametrize(
    ("head", "status", "another"),
    [
        ('ETag: "a"\nA: 2', 200, False),
        ("A: 2", 200, False),
        ('ETag: "b"', 200, True),
        ("Last-Modified: @0", 200, True),
        ("A: 2", 404, True),
        ("A: 2", 410, True),
        ("A: 2", 500, False),
        ("A: 2", 304, False),
        ("A: 2", 499, True),
        ("A: 2", 429, False),
        ("A: 2", 408, False),
    ],
)
def test_what_a_head_tells(head, status, another):
    before = one('ETag: "a"\nA: 1\nLast-Modified: @-60')
    assert tells_of_another(before, Response(status, http(head))) is another


def test_a_head_of_another_length_is_about_another():
    assert tells_of_another(one(""), Response(200, (("Content-Length", "11"),)))


def test_a_304_has_no_fields_about_a_body():
    names = {name for name, _ in in_304(http("Content-Type: x\nContent-Encoding: y\nETag: z\nVary: v"))}
    assert names == {"ETag", "Vary"}


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=3-", 206, b"3456789", "bytes 3-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("BYTES=1-2", 206, b"12", "bytes 1-2/10"),
        ("bytes=5-999", 206, b"56789", "bytes 5-9/10"),
        ("bytes= 1-2 , 99-", 206, b"12", "bytes 1-2/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=99-,50-60", 416, b"", "bytes */10"),
    ],
)
def test_a_part(asked, status, body, told):
    found = part(one('ETag: "a"'), (("Range", asked),))
    assert found is not None
    fields = dict(found.headers)
    assert (found.status, found.body, fields["Content-Range"], fields["ETag"]) == (status, body, told, '"a"')


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=1.0-2",
        "lines=1-2",
        "bytes=0-5,3-9",
        "bytes=0-9,-1",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(9)),
        "bytes=\u0660-\u0661",
        "bytes=" + "9" * 30 + "-",
    ],
)
def test_ranges_that_are_not_heeded(asked):
    assert part(one('ETag: "a"'), (("Range", asked),)) is None


def test_several_parts_are_not_larger_than_what_they_are_of_by_much():
    found = part(one("Content-Type: a/b"), (("Range", "bytes=0-0,2-3,8-"),))
    assert found is not None
    assert found.body.count(b"Content-Type: a/b") == 3
    assert dict(found.headers)["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert len(found.body) < 400


@pytest.mark.parametrize(
    ("says", "if_range", "heeded"),
    [
        ('ETag: "a"', '"a"', True),
        ('ETag: "a"', '"b"', False),
        ('ETag: W/"a"', 'W/"a"', False),
        ("Last-Modified: @-60", "@-60", True),
        ("Last-Modified: @-59", "@-59", False),
        ("Last-Modified: @-60", "@-61", False),
        ("Last-Modified: @-60", "@0", False),
        ("", "x", False),
    ],
)
def test_parts_of_what_the_client_has_a_part_of(says, if_range, heeded):
    found = part(one(says), http(f"Range: bytes=0-0\nIf-Range: {if_range}"))
    assert (found is not None) is heeded


HOSTS = {"a.test", "b.test"}


@pytest.mark.parametrize(
    ("method", "status", "says", "expected"),
    [
        ("POST", 200, "", ["/x/y?z"]),
        ("FOO", 303, "", ["/x/y?z"]),
        ("POST", 404, "", []),
        ("POST", 500, "", []),
        ("POST", 199, "", []),
        ("GET", 200, "Location: /a", []),
        ("HEAD", 200, "", []),
        ("OPTIONS", 200, "", []),
        ("TRACE", 200, "", []),
        ("get", 200, "", ["/x/y?z"]),
        ("PUT", 201, "Location: /a", ["/x/y?z", "/a"]),
        ("PUT", 201, "Location: a?b#c", ["/x/y?z", "/x/a?b"]),
        ("PUT", 201, "Content-Location: http://a.test/a", ["/x/y?z", "/a"]),
        ("PUT", 201, "Content-Location: https://B.test:81", ["/x/y?z", "/"]),
        ("PUT", 201, "Location: http://c.test/a", ["/x/y?z"]),
        ("PUT", 201, "Location: //c.test/a", ["/x/y?z"]),
        ("PUT", 201, "Location: http://[", ["/x/y?z"]),
        ("PUT", 201, "Location: mailto:a@a.test", ["/x/y?z"]),
        ("PUT", 201, "Location: /a\nContent-Location: /b", ["/x/y?z", "/a", "/b"]),
    ],
)
def test_what_an_unsafe_method_makes_invalid(method, status, says, expected):
    assert invalidated(method, status, "/x/y?z", http(says), HOSTS) == expected


@pytest.mark.parametrize(
    ("tags", "asks", "expected"),
    [
        ([], "", None),
        (['"a"'], "", '"a"'),
        (['"a"', 'W/"b"', '"a"'], "", '"a", W/"b"'),
        (["bare", '"a"', None], "", '"a"'),
        (["bare", None], "", None),
        (['"a"'], 'If-None-Match: "x"', None),
        (['"a"'], "if-modified-since: x", None),
        (['"a"'], "Range: bytes=0-", None),
        (['"a"'], "If-Range: x", None),
        (['"a"'], "Accept: x", '"a"'),
    ],
)
def test_what_is_asked_of_those_that_a_request_does_not_select(tags, asks, expected):
    stored = [one(f"ETag: {tag}" if tag else "") for tag in tags]
    assert any_of(stored, http(asks)) == ((("If-None-Match", expected),) if expected else ())


@pytest.mark.parametrize(
    ("says", "number"),
    [('ETag: "b"', 1), ('ETag: "c"', None), ("", None), ('ETag: W/"d"', None), ('ETag: W/"b"', None)],
)
def test_which_of_them_a_304_names(says, number):
    stored = [one('ETag: "a"'), one('ETag: "b"'), one('ETag: W/"d"'), one("")]
    assert tagged(stored, http(says)) is (None if number is None else stored[number])


@pytest.mark.parametrize("asked", ["bytes=0-1,2-3", "bytes=" + ",".join(f"{n}-{n}" for n in range(8))])
def test_parts_that_touch_and_as_many_as_there_may_be(asked):
    found = part(one("Content-Type: a/b"), (("Range", asked),))
    assert found is not None
    assert found.status == 206
    assert [name for name, _ in found.headers].count("Content-Type") == 1
