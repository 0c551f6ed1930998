import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.caching.dates import formatted, parsed

NOW = 1_800_000_000.0  # 2027
WHEN = 784_111_777.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", WHEN),
        ("Sunday, 06-Nov-94 08:49:37 GMT", WHEN),
        ("Sun Nov  6 08:49:37 1994", WHEN),
        ("Sun Nov 06 08:49:37 1994", WHEN),
        ("sun, 06 NOV 1994 08:49:37 gMT", WHEN),
        ("SUNDAY, 06-nov-94 08:49:37 gmt", WHEN),
        ("SUN nOV  6 08:49:37 1994", WHEN),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800.0),
        ("Thursday, 18-Aug-77 02:01:18 GMT", parsed("Thu, 18 Aug 2077 02:01:18 GMT", NOW)),
        ("Thursday, 18-Aug-78 02:01:18 GMT", parsed("Fri, 18 Aug 1978 02:01:18 GMT", NOW)),
    ],
)
def test_the_three_forms(text, moment):
    assert moment is not None
    assert parsed(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0",
        "-1",
        "1994-11-06",
        "1994-11-06T08:49:37Z",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 utc",
        "Sun, 06 No\u017f 1994 08:49:37 GMT",
        "\u017fun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "06 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date(text):
    assert parsed(text, NOW) is None


@given(st.integers(0, 4_102_444_800))
def test_what_is_written_is_read(moment):
    assert parsed(formatted(moment), NOW) == moment
