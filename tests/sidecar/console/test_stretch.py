from datetime import UTC, date, datetime

import pytest

from sidecar.console.stretch import clock_changes, stretch, ticks
from tests.sidecar.console.scenes import NOW, PROMO, live

BACK = {"from": ["2026-10-29"], "range": ["week"], "zone": ["America/New_York"]}


def test_clocks_that_change_are_marked_and_the_day_is_longer():
    over = stretch(BACK, live(PROMO), NOW)
    assert over.end - over.start == 7 * 86_400 + 3_600
    [change] = clock_changes(over)
    assert change.label == "clocks go back 1 h, Sun 1 Nov 01:00"
    assert change.at == datetime(2026, 11, 1, 6, tzinfo=UTC).timestamp()
    spring = stretch({"from": ["2027-03-28"], "range": ["day"], "zone": ["Europe/London"]}, live(PROMO), NOW)
    assert spring.end - spring.start == 23 * 3_600
    assert [each.label for each in clock_changes(spring)] == ["clocks go forward 1 h, Sun 28 Mar 02:00"]
    assert list(clock_changes(stretch({"zone": ["UTC"]}, live(PROMO), NOW))) == []


def test_a_day_begins_at_midnight_there_also_after_clocks_changed():
    days = [tick for tick in ticks(stretch(BACK, live(PROMO), NOW)) if tick.strong]
    assert [tick.label for tick in days][2:5] == ["Sat 31 Oct", "Sun 1 Nov", "Mon 2 Nov"]
    assert days[4].at - days[3].at == 25 * 3_600


def test_four_weeks_name_each_day_and_the_months():
    shown = list(ticks(stretch({**BACK, "range": ["4-weeks"]}, live(PROMO), NOW)))
    assert [tick.label for tick in shown[:5]] == ["29", "30", "31", "1", "2"]
    assert [tick.above for tick in shown if tick.above] == ["Oct", "Nov"]
    assert len(shown) == 28


def test_without_a_question_it_is_this_week_where_most_promos_are():
    over = stretch({}, live(PROMO), NOW)
    assert (over.name, over.day, over.zone_name, over.faults) == ("week", date(2026, 11, 30), "America/New_York", ())
    assert stretch({}, live(), NOW).zone_name == "UTC"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"zone": ["Mars/Olympus"]}, '"Mars/Olympus" is no time zone; write a name such as America/New_York.'),
        ({"zone": ["EST"]}, '"EST" is no time zone'),
        ({"from": ["tomorrow"]}, '"tomorrow" is no day; write it as 2026-11-30.'),
        ({"from": ["9999-12-31"]}, "9999-12-31 is too far away."),
    ],
)
def test_what_is_not_understood_is_told(query: dict[str, list[str]], told: str):
    over = stretch(query, live(PROMO), NOW)
    assert over.faults[0].startswith(told)
    assert over.day == date(2026, 11, 30)
