import pytest

from holdover.apart import LASTS_S, MOST, Apart

NOW = 1_000.0


@pytest.mark.parametrize(
    ("since", "holds"), [(0.0, True), (LASTS_S - 0.001, True), (LASTS_S, False), (-0.001, False), (-3600.0, False)]
)
def test_it_ends_by_itself_whichever_way_the_clock_goes(since, holds):
    apart = Apart()
    apart.begins("a", NOW)
    assert apart.holds("a", NOW + since) is holds
    assert not apart.holds("b", NOW + since)


def test_it_is_ended():
    apart = Apart()
    apart.begins("a", NOW)
    apart.ends("a")
    apart.ends("b")
    assert not apart.holds("a", NOW)


def test_it_begins_anew():
    apart = Apart()
    apart.begins("a", NOW)
    apart.begins("a", NOW + 9)
    assert apart.holds("a", NOW + LASTS_S + 5)


def test_it_is_bounded():
    apart = Apart()
    for number in range(MOST + 1):
        apart.begins(str(number), NOW)
    assert len(apart) == 1
    assert apart.holds(str(MOST), NOW)
