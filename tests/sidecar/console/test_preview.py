from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from sidecar.console.preview import MOST_TURNS, moment_of, preview_page
from sidecar.promos.document import Audience, Text
from sidecar.promos.moment import Unclear
from sidecar.promos.standing import Live
from tests.sidecar.console.scenes import NOW, PROMO, WHO, live

ZONE = ZoneInfo("America/New_York")
LATER = replace(PROMO, id="later", start=NOW + 7_200, end=NOW + 9_000, content={"en": Text("Later")})
FOREIGN = replace(PROMO, id="pa", audience=Audience(frozenset(["US-PA"])), start=NOW - 9)


def titles(page_of: Live, at: float) -> list[str]:
    page = preview_page(page_of, {}, WHO, at, None, ZONE)
    return [tile.text.title for block in page.view.blocks for tile in block.tiles]


def test_it_snaps_to_what_changes_for_this_audience():
    page = preview_page(live(PROMO, LATER, FOREIGN), {}, WHO, NOW, None, ZONE)
    assert [(turn.at - NOW, turn.what) for turn in page.turns] == [
        (-3_600, "Spring starts"),
        (3_600, "Spring ends"),
        (7_200, "Later starts"),
        (9_000, "Later ends"),
    ]
    assert page.before is page.last is page.turns[0]
    assert page.after is page.turns[1]
    for turn, shown in zip(page.turns, (["Spring"], [], ["Later"], []), strict=True):
        assert titles(live(PROMO, LATER, FOREIGN), turn.at) == shown
    on_it = preview_page(live(PROMO, LATER), {}, WHO, page.turns[2].at, None, ZONE)
    assert (on_it.before, on_it.last, on_it.position) == (page.turns[1], page.turns[2], 3)


def test_two_times_or_two_sets_are_compared():
    now = live(PROMO, LATER)
    page = preview_page(now, {}, WHO, NOW + 7_200, (NOW, now), ZONE)
    assert page.versus is not None
    assert [(t.text.title, t.fresh) for b in page.versus.blocks for t in b.tiles] == [("Spring", True)]
    assert [(t.text.title, t.fresh) for b in page.view.blocks for t in b.tiles] == [("Later", True)]
    draft = live(replace(PROMO, content={"en": Text("Sprung")}), LATER)
    page = preview_page(now, {}, WHO, NOW, (NOW, draft), ZONE)
    assert page.versus is not None
    assert [(t.text.title, t.fresh) for b in page.versus.blocks for t in b.tiles] == [("Sprung", True)]
    same = preview_page(now, {}, WHO, NOW, (NOW, now), ZONE)
    assert not any(tile.fresh for block in same.view.blocks for tile in block.tiles)


def test_of_a_draft_it_snaps_also_to_what_changes_without_it():
    draft = live(replace(PROMO, end=NOW + 1_800), LATER)
    page = preview_page(draft, {}, WHO, NOW, (NOW, live(PROMO, LATER)), ZONE)
    assert [(turn.at - NOW, turn.what) for turn in page.turns] == [
        (-3_600, "Spring starts"),
        (1_800, "Spring ends"),
        (3_600, "Spring ends (live)"),
        (7_200, "Later starts"),
        (9_000, "Later ends"),
    ]
    without = preview_page(live(LATER), {}, WHO, NOW + 3_600, (NOW + 3_600, live(PROMO, LATER)), ZONE)
    assert without.last is not None
    assert (without.last.what, without.position) == ("Spring ends (live)", 2)


def test_why_not_the_others_with_what_comes_closest_first():
    twice = replace(FOREIGN, id="twice", start=NOW + 60)
    page = preview_page(live(PROMO, twice, LATER), {}, WHO, NOW, None, ZONE)
    assert [each.promo.id for each in page.gates] == ["later", "twice"]
    assert page.gates[0].why.startswith("starts at 2026-11-30T14:20")
    assert page.gates[1].why == "is for US-PA, not US-NJ"


def test_notices_stand_above_everything_and_shapes_follow_kinds():
    page = preview_page(live(PROMO), {}, WHO, NOW, None, ZONE)
    assert [(block.name, block.shape) for block in page.view.blocks] == [
        ("notices", "notices"),
        ("hero", "hero"),
        ("boosts", "boosts"),
    ]


def test_thousands_of_turns_are_cut_to_those_nearby():
    many = [replace(PROMO, id=f"p{n}", start=NOW + n * 60, end=NOW + n * 60 + 30) for n in range(MOST_TURNS)]
    page = preview_page(live(*many), {}, WHO, NOW, None, ZONE)
    assert len(page.turns) == MOST_TURNS
    assert page.turns[0].at == NOW


@pytest.mark.parametrize(
    "text", ["2026-11-30T12:20", "2026-11-30T12:20-05:00", "2026-11-30T17:20Z", "2026-11-30T12:20:00"]
)
def test_a_time_may_be_local_or_tell_its_offset(text: str):
    assert moment_of(text, "America/New_York") == NOW


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-01T01:30", "2027-03-14T02:30", "9999-12-31T23:59", "0001-01-01T00:00", "2026-13-01"]
)
def test_an_unclear_time_is_told_with_a_remedy(text: str):
    told = moment_of(text, "America/New_York")
    assert isinstance(told, Unclear)
    assert told.remedy
