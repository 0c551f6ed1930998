"""What the timeline draws is what visitors are shown."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidecar.console.geometry import WIDTH, Box, chart
from sidecar.console.plan import Run, Span, plan
from sidecar.promos.document import Audience, Kind, Promo
from sidecar.promos.resolve import resolve
from tests.sidecar.console.scenes import NOW, PROMO, WHO, live

DAY = 86_400.0
STRETCH = (NOW, NOW + 7 * DAY)
KINDS: dict[str, Kind] = {"hero": "banner", "boosts": "boosted-odds", "notices": "notice"}


@st.composite
def promos(draw: st.DrawFn) -> tuple[Promo, ...]:
    times = st.integers(-30, 200).map(lambda hours: NOW + hours * 3_600.0)
    many = []
    for number in range(draw(st.integers(0, 12))):
        start, end = sorted(draw(st.lists(times, min_size=2, max_size=2, unique=True)))
        slot = draw(st.sampled_from(sorted(KINDS)))
        many.append(
            replace(
                PROMO,
                id=f"p{number}",
                slot=slot,
                kind=KINDS[slot],
                priority=draw(st.integers(0, 3)),
                start=start,
                end=end,
                audience=Audience(frozenset([draw(st.sampled_from(["US-NJ", "US-NJ", "US-PA"]))])),
            )
        )
    return tuple(many)


@given(promos(), st.integers(0, 7 * 48 - 1))
def test_marks_agree_with_what_is_shown(many: tuple[Promo, ...], half_hours: int):
    at = STRETCH[0] + half_hours * 1_800
    found = resolve(many, live().vocabulary, WHO.visitor, at)
    for lane in plan(live(*many), {}, WHO, STRETCH):
        running = [run for run in lane.runs if not run.refused and _covers((run.span,), at)]
        assert {run.promo.id for run in running if not _covers(run.lost, at)} == {
            shown.promo.id for shown in found.slots[lane.name]
        }
        assert _covers(lane.gaps, at) == (found.slots[lane.name] == ())


@given(promos())
def test_what_is_drawn_lies_within_its_lane(many: tuple[Promo, ...]):
    drawn = chart(plan(live(*many), {}, WHO, STRETCH), STRETCH, {promo.id: "A title" for promo in many})
    for row, after in zip(drawn.rows, [*(row.y for row in drawn.rows[1:]), drawn.height], strict=True):
        assert row.y + row.height == after
        bars = [Box(bar.x, bar.width) for bar in row.bars]
        for box in (*row.gaps, *bars, *(lost for bar in row.bars for lost in bar.lost)):
            assert 0 <= box.x <= WIDTH
            assert 0 <= box.width <= WIDTH - box.x + 0.011
        for bar in row.bars:
            assert bar.width > 0
            assert row.y < bar.y < row.y + row.height
        for level in {bar.y for bar in row.bars}:
            beside = sorted((bar for bar in row.bars if bar.y == level), key=lambda bar: bar.x)
            assert all(one.x + one.width <= other.x for one, other in pairwise(beside))


def test_the_shortest_bar_can_still_be_seen_at_either_end():
    ends = [(NOW - 9, NOW + 1), (STRETCH[1] - 1, STRETCH[1] + 9)]
    many = [replace(PROMO, id=f"p{n}", start=start, end=end) for n, (start, end) in enumerate(ends)]
    [hero, *_] = chart(plan(live(*many), {}, WHO, STRETCH), STRETCH, {"p0": "", "p1": ""}).rows
    assert [
        (bar.x, bar.width, bar.open_left, bar.open_right) for bar in sorted(hero.bars, key=lambda bar: bar.x)
    ] == [
        (0, 4, True, False),
        (WIDTH - 4, 4, False, True),
    ]


def test_the_loser_is_marked_for_as_long_as_it_loses():
    hour = 3_600.0
    weak = replace(PROMO, id="weak", priority=1, start=NOW, end=NOW + 9 * hour)
    strong = replace(PROMO, id="strong", start=NOW + 2 * hour, end=NOW + 4 * hour)
    [hero, *_] = plan(live(weak, strong), {}, WHO, (NOW, NOW + 10 * hour))
    assert hero.runs == (
        Run(strong, (NOW + 2 * hour, NOW + 4 * hour)),
        Run(weak, (NOW, NOW + 9 * hour), ((NOW + 2 * hour, NOW + 4 * hour),)),
    )
    assert hero.gaps == ((NOW + 9 * hour, NOW + 10 * hour),)
    [row, *_] = chart([hero], (NOW, NOW + 10 * hour), {"weak": "Weak", "strong": "Strong"}).rows
    assert row.bars[1].lost == (Box(WIDTH / 5, WIDTH / 5),)


def test_what_is_withheld_leaves_its_place():
    other = replace(PROMO, id="other", priority=1)
    [hero, *_] = plan(live(PROMO, other), {"spring": "is killed: typo"}, WHO, (NOW, NOW + 60))
    assert [(run.promo.id, run.refused, run.lost) for run in hero.runs] == [
        ("other", "", ()),
        ("spring", "is killed: typo", ()),
    ]


def _covers(spans: tuple[Span, ...], at: float) -> bool:
    return any(start <= at < end for start, end in spans)
