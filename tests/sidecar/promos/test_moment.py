from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.moment import Unclear, absolute, instant, zone_of

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-26T12:00", "2026-11-26T17:00"),
        ("2026-07-04T00:00:30", "2026-07-04T04:00:30"),
        ("2026-11-26T12:00-05:00", "2026-11-26T17:00"),
        ("2026-11-01T01:30-04:00", "2026-11-01T05:30"),
        ("2026-11-01T01:30-05:00", "2026-11-01T06:30"),
    ],
)
def test_local_times_are_instants(text: str, utc: str):
    assert instant(text, NEW_YORK) == at(utc)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "2027-03-14T02:30",
            "does not exist in America/New_York: clocks are set forward then",
            "write 2027-03-14T01:30 or 2027-03-14T03:30",
        ),
        (
            "2026-11-01T01:30",
            "comes twice in America/New_York: clocks are set back then",
            "write 2026-11-01T01:30-04:00 for the first or 2026-11-01T01:30-05:00 for the second",
        ),
        (
            "2026-11-26T12:00-04:00",
            "has another offset than America/New_York has then",
            "write 2026-11-26T11:00-05:00, or leave the offset out",
        ),
        (
            "2027-03-14T02:30-05:00",
            "has another offset than America/New_York has then",
            "write 2027-03-14T03:30-04:00, or leave the offset out",
        ),
    ],
)
def test_what_clocks_make_unclear_is_refused_with_what_to_write(text: str, message: str, remedy: str):
    assert instant(text, NEW_YORK) == Unclear(message, remedy)


def test_no_time():
    found = instant("2026-13-01T00:00", NEW_YORK)
    assert isinstance(found, Unclear)
    assert found.message.startswith("is no time: ")


zones = st.sampled_from(
    ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC"]
).map(ZoneInfo)


@settings(max_examples=500, deadline=None)
@given(zones, st.integers(1_580_000_000, 2_050_000_000))
def test_a_time_that_is_taken_is_shown_as_it_was_written(zone: ZoneInfo, moment: int):
    local = datetime.fromtimestamp(moment, UTC).replace(second=0, tzinfo=None)
    found = instant(local.isoformat(timespec="minutes"), zone)
    if isinstance(found, Unclear):
        offsets = {(local + timedelta(hours=h)).replace(tzinfo=zone).utcoffset() for h in (-3, 0, 3)}
        assert len(offsets) > 1, "only clock changes make times unclear"
    else:
        assert datetime.fromtimestamp(found, zone).replace(tzinfo=None) == local
        with_offset = datetime.fromtimestamp(found, zone).isoformat(timespec="minutes")
        assert instant(with_offset, zone) == found


def test_zones():
    assert zone_of("Europe/London") == ZoneInfo("Europe/London")
    assert zone_of("UTC") == ZoneInfo("UTC")
    for name in ("EST", "GMT+1", "America/Nowhere", "../etc/passwd", "/etc/localtime", ""):
        assert zone_of(name) is None


def test_absolute_times_tell_their_offset():
    assert absolute("2026-11-26T12:00-05:00") == absolute("2026-11-26T17:00Z") == at("2026-11-26T17:00")
    for text, message in (("tomorrow", "is no time"), ("2026-11-26T12:00", "has no offset")):
        found = absolute(text)
        assert isinstance(found, Unclear)
        assert (found.message, found.remedy.split(",")[0]) == (message, "write it as 2026-11-26T12:00-05:00")


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "1969-12-31T23:59", "3000-01-01T00:00", "9999-12-31T23:59"])
def test_what_is_too_far_away_is_refused(text: str):
    far = Unclear("is too far away", "write a year from 1970 to 2999")
    for zone in ("America/New_York", "Asia/Tokyo", "UTC"):
        assert instant(text, ZoneInfo(zone)) == far
    assert absolute(f"{text}+14:00") == far
    assert isinstance(instant("2999-12-31T23:59", NEW_YORK), float)
