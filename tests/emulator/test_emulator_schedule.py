from __future__ import annotations

import pytest

from scripts.emulator.catalog import DAY, HOUR, SPORTS
from scripts.emulator.schedule import (
    World,
    active_sports,
    event_of,
    finished,
    generation_at,
    listed,
    pairing,
)

EPL = SPORTS["soccer_epl"]


def test_events_span_from_play_to_days_ahead(world: World) -> None:
    offsets = [event.commence - world.start for event in listed(world, EPL, world.start)]
    assert len(offsets) == world.events
    assert -2 * HOUR <= offsets[0] < 0
    assert 0 < offsets[2] < HOUR
    assert offsets[-1] > 3 * DAY
    assert offsets == sorted(offsets)


def test_ids_are_32_hex_digits_and_depend_on_the_seed_only(world: World) -> None:
    ids = [event.id for sport in active_sports() for event in listed(world, sport, world.start)]
    again = World(world.seed, world.start + 5 * DAY)
    assert ids == [event.id for sport in active_sports() for event in listed(again, sport, again.start)]
    assert len(set(ids)) == len(ids)
    assert all(len(id_) == 32 and int(id_, 16) for id_ in ids)
    other = World(world.seed + 1, world.start)
    assert not {event.id for event in listed(other, EPL, other.start)} & set(ids)


def test_a_team_never_plays_itself() -> None:
    for sport in active_sports():
        assert len(sport.teams) % 2 == 0
        if sport.teams:
            games = [pairing(sport.teams, slot, generation) for slot in range(40) for generation in range(-2, 40)]
            assert all(home != away for home, away in games)


def test_an_event_that_ended_gives_way_to_the_next_of_its_slot(world: World) -> None:
    first = event_of(world, EPL, 0, 0)
    assert generation_at(world, EPL, 0, first.ends - 1) == 0
    assert generation_at(world, EPL, 0, first.ends) == 1
    assert first not in listed(world, EPL, first.ends)
    assert event_of(world, EPL, 0, 1) in listed(world, EPL, first.ends)
    assert first in finished(world, EPL, first.ends, 1)
    assert first not in finished(world, EPL, first.ends - 1, 1)
    assert first not in finished(world, EPL, first.commence + DAY + 1, 1)


@pytest.mark.parametrize(
    ("sport", "count"),
    [
        ("soccer_epl", 12),
        ("golf_masters_tournament_winner", 1),
        ("rugbyleague_nrl", 0),
        ("americanfootball_ncaaf", 0),
    ],
)
def test_how_many_events_a_sport_has(world: World, sport: str, count: int) -> None:
    assert len(listed(world, SPORTS[sport], world.start)) == count


def test_more_events_than_teams(world: World) -> None:
    assert len(listed(World(1, world.start, events=60), EPL, world.start)) == 60


@pytest.mark.parametrize(("now", "tick"), [(-5.0, 0), (0.0, 0), (0.49, 0), (0.5, 1), (10.2, 20)])
def test_ticks_count_from_the_start(now: float, tick: int) -> None:
    world = World(1, 1000, tick_s=0.5)
    assert world.tick(1000 + now) == tick
    assert world.at(tick) <= max(1000, 1000 + now)
