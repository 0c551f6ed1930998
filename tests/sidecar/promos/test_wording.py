from datetime import UTC, datetime
from itertools import combinations

import pytest

from sidecar.promos.crowd import Crowd
from sidecar.promos.document import Vocabulary
from sidecar.promos.wording import span, whom

NEW_YORK = "America/New_York"
WORDS = Vocabulary(
    jurisdictions=frozenset(["GB", "US-NJ", "US-NY", "US-PA", "US-MA", "US-OH"]), languages=frozenset(["en", "es"])
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("since", "until", "zone", "told"),
    [
        ("2026-11-29T07:00", "2026-11-29T11:00", NEW_YORK, "from Sun 2026-11-29 02:00 to 06:00 (America/New_York)"),
        ("2026-11-29T07:00", "2026-11-30T11:00", "UTC", "from Sun 2026-11-29 07:00 to Mon 2026-11-30 11:00 (UTC)"),
        (
            "2026-11-01T05:30",
            "2026-11-01T06:30",
            NEW_YORK,
            "from Sun 2026-11-01 01:30-0400 to 01:30-0500 (America/New_York)",
        ),
        ("2026-11-29T07:00", "2026-11-29T11:00", "Nowhere", "from Sun 2026-11-29 07:00 to 11:00 (UTC)"),
    ],
)
def test_times_are_told_where_they_are(since: str, until: str, zone: str, told: str):
    assert span(at(since), at(until), zone) == told


def segments(*some: str, of: str = "abc") -> Crowd:
    return Crowd(segments=frozenset(map(frozenset, some)), asked=frozenset(of))


EVERYBODY_BUT = WORDS.jurisdictions - {"GB"}


@pytest.mark.parametrize(
    ("crowds", "told"),
    [
        ([Crowd()], "everybody"),
        ([Crowd(frozenset(["US-PA", "GB"]), frozenset(["es"]), visits="new")], "GB, US-PA es new"),
        ([Crowd(EVERYBODY_BUT)], "all but GB"),
        (
            [Crowd(frozenset([each])) for each in sorted(WORDS.jurisdictions)],
            "GB; US-MA; US-NJ; and 3 more kinds of visitors",
        ),
        ([segments("")], "not in a, b, c"),
        ([segments("a", "ab", "ac", "abc")], "in a"),
        ([segments("a", "ac")], "in a not in b"),
        ([segments("", "c", "ab", "abc")], "not in a, b or in a and b"),
        ([segments("a", of="a")], "in a"),
    ],
)
def test_visitors_are_told_by_what_makes_a_difference(crowds: list[Crowd], told: str):
    assert whom(crowds, WORDS) == told


def test_segments_tell_all_of_those_meant_and_no_others():
    """All sets of combinations of three segments, read back."""
    every = [frozenset(some) for size in range(4) for some in combinations("abc", size)]
    for chosen in range(1, 2 ** len(every) - 1):
        some = frozenset(each for place, each in enumerate(every) if chosen >> place & 1)
        told = whom([Crowd(segments=some, asked=frozenset("abc"))], WORDS)
        assert frozenset(each for each in every if _meant(each, told)) == some, told


def _meant(segments: frozenset[str], told: str) -> bool:
    for term in told.split(" or "):
        has, _, lacks = term.partition("not in ")
        wanted = has.strip().removeprefix("in ").split(" and ") if has.strip() else []
        if segments.issuperset(wanted) and segments.isdisjoint(lacks.split(", ")):
            return True
    return False
