"""The markets beyond the featured ones, which the provider answers for one event at a time.

Their prices follow a featured market of the same book: what moves, closes or opens that one does the same to them.
Exchanges offer none of them, and other books not all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .catalog import FEATURED, LAY
from .prices import EVEN_RUNG, RUNGS, Line, LineSpec, half, implied, price_at
from .schedule import Event

OFFERED_SHARE = 0.8
PLAYERS_PER_TEAM = 3
# A handicap or total one step easier is dearer by so many rungs.
RUNGS_PER_STEP = 14
MARGIN = 0.05
ALTERNATIVES = (-2, -1, 1, 2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`follows` is the outcome of the featured market whose moves it shares, None for one that stands still.

    Either all outcomes of a market have a `point` (or a `description`), or none has.
    """

    name: str
    rung: int
    follows: int | None
    point: float | None = None
    description: str | None = None


Make = Callable[[Event, LineSpec, random.Random], list[Outcome]]


def over_under(point: float, lean: int, about: str | None = None) -> list[Outcome]:
    return [
        Outcome("Over", EVEN_RUNG - lean, 0, point, about),
        Outcome("Under", EVEN_RUNG + lean, 1, point, about),
    ]


def again(_event: Event, base: LineSpec, rng: random.Random) -> list[Outcome]:
    """The featured market over the first half of the game."""
    lean = rng.randint(-3, 3)
    rungs = (base.rungs[0] + lean, base.rungs[1] - lean, *base.rungs[2:])
    follows = (0, 1, None)
    points: Sequence[float | None] = (None, None, None)
    if base.points is not None:
        first = half(base.points[0] / 2)
        points = (first, -first if base.market == "spreads" else first)
    return [Outcome(name, rungs[at], follows[at], points[at]) for at, name in enumerate(base.names)]


def alternate_spreads(_event: Event, base: LineSpec, _rng: random.Random) -> list[Outcome]:
    assert base.points is not None
    return [
        Outcome(base.names[side], base.rungs[side] - step * RUNGS_PER_STEP, side, base.points[side] + step)
        for for_home in ALTERNATIVES
        for side, step in ((0, for_home), (1, -for_home))
    ]


def alternate_totals(_event: Event, base: LineSpec, _rng: random.Random) -> list[Outcome]:
    assert base.points is not None
    return [
        Outcome(base.names[side], base.rungs[side] + harder * RUNGS_PER_STEP, side, base.points[0] + step)
        for step in ALTERNATIVES
        for side, harder in ((0, step), (1, -step))
    ]


def team_totals(event: Event, base: LineSpec, rng: random.Random) -> list[Outcome]:
    assert base.points is not None
    point = half(base.points[0] / 2)
    return [each for team in teams(event) for each in over_under(point, rng.randint(-6, 6), team)]


def btts(_event: Event, _base: LineSpec, rng: random.Random) -> list[Outcome]:
    lean = rng.randint(-8, 8)
    return [Outcome("Yes", EVEN_RUNG - lean, 0), Outcome("No", EVEN_RUNG + lean, 1)]


def draw_no_bet(_event: Event, base: LineSpec, _rng: random.Random) -> list[Outcome]:
    home, away = head_to_head(base)
    return [Outcome(base.names[0], rung_of(home), 0), Outcome(base.names[1], rung_of(away), 1)]


def h2h_3_way(_event: Event, base: LineSpec, rng: random.Random) -> list[Outcome]:
    draw = rng.uniform(0.21, 0.25)
    home, away = (chance * (1 - draw) for chance in head_to_head(base))
    found = [Outcome(base.names[0], rung_of(home), 0), Outcome(base.names[1], rung_of(away), 1)]
    return [*found, Outcome("Draw", rung_of(draw), None)]


def head_to_head(base: LineSpec) -> tuple[float, float]:
    """The chances of the two teams when one of them wins."""
    home, away = (implied(price_at(rung)) for rung in base.rungs[:2])
    return home / (home + away), away / (home + away)


def rung_of(chance: float) -> int:
    return RUNGS[min(990, round(1000 * chance * (1 + MARGIN)))]


def player_lines(typical: float) -> Make:
    def make(event: Event, _base: LineSpec, rng: random.Random) -> list[Outcome]:
        return [
            each
            for player in players(event)
            for each in over_under(half(typical * rng.uniform(0.6, 1.4)), rng.randint(-8, 8), player)
        ]

    return make


def player_yes(event: Event, _base: LineSpec, rng: random.Random) -> list[Outcome]:
    return [Outcome("Yes", EVEN_RUNG + rng.randint(10, 80), 0, None, player) for player in players(event)]


def teams(event: Event) -> tuple[str, str]:
    return event.home or "", event.away or ""


def players(event: Event) -> list[str]:
    return [f"{team} Player {number}" for team in teams(event) for number in range(1, PLAYERS_PER_TEAM + 1)]


# market -> the featured market it follows, and its outcomes.
EVERYWHERE: dict[str, tuple[str, Make]] = {
    "alternate_spreads": ("spreads", alternate_spreads),
    "alternate_totals": ("totals", alternate_totals),
    "team_totals": ("totals", team_totals),
    "h2h_h1": ("h2h", again),
    "spreads_h1": ("spreads", again),
    "totals_h1": ("totals", again),
}
BY_GROUP: dict[str, dict[str, tuple[str, Make]]] = {
    "American Football": {
        "player_pass_tds": ("totals", player_lines(1.5)),
        "player_pass_yds": ("totals", player_lines(240)),
        "player_anytime_td": ("totals", player_yes),
    },
    "Baseball": {
        "batter_home_runs": ("totals", player_lines(0.5)),
        "pitcher_strikeouts": ("totals", player_lines(5.5)),
    },
    "Basketball": {
        "player_points": ("totals", player_lines(18)),
        "player_rebounds": ("totals", player_lines(7)),
        "player_assists": ("totals", player_lines(5)),
    },
    "Ice Hockey": {
        "h2h_3_way": ("h2h", h2h_3_way),
        "player_shots_on_goal": ("totals", player_lines(2.5)),
        "player_goal_scorer_anytime": ("totals", player_yes),
    },
    "Soccer": {
        "btts": ("totals", btts),
        "draw_no_bet": ("h2h", draw_no_bet),
        "player_goal_scorer_anytime": ("totals", player_yes),
        "player_shots_on_target": ("totals", player_lines(1.5)),
    },
    "Tennis": {},
}
ADDITIONAL = frozenset(EVERYWHERE).union(*BY_GROUP.values())
EVERY_MARKET = frozenset((*FEATURED, "outrights", *LAY.values())) | ADDITIONAL


def offered_by(event: Event) -> dict[str, tuple[str, Make]]:
    """The additional markets of the event's sport, in the order in which a book lists them."""
    special = BY_GROUP.get(event.sport.group)
    return {} if special is None else EVERYWHERE | special


def with_additional(event: Event, lines: tuple[Line, ...]) -> Iterator[Line]:
    """The featured lines and, after them, the additional ones that follow them."""
    yield from lines
    for line in lines:
        yield from followers(event, line)


def asked(event: Event, lines: tuple[Line, ...], markets: frozenset[str]) -> Iterable[Line]:
    """The lines among which those of some markets are."""
    return lines if markets.isdisjoint(ADDITIONAL) else with_additional(event, lines)


@lru_cache(maxsize=32768)
def followers(event: Event, line: Line) -> tuple[Line, ...]:
    """The lines that follow a featured one, as that one is now."""
    return tuple(
        Line(spec, tuple(0 if index is None else line.shifts[index] for index in follows), line.changed, line.open)
        for spec, follows in follower_specs(event, line.spec)
    )


@lru_cache(maxsize=32768)
def follower_specs(event: Event, base: LineSpec) -> tuple[tuple[LineSpec, tuple[int | None, ...]], ...]:
    if base.book.is_exchange:
        return ()
    found = []
    for market, (of, make) in offered_by(event).items():
        rng = random.Random(f"{event.id}:{base.book.key}:{market}")
        if of == base.market and rng.random() < OFFERED_SHARE:
            found.append(spec_of(base, market, make(event, base, rng)))
    return tuple(found)


def spec_of(base: LineSpec, market: str, outcomes: list[Outcome]) -> tuple[LineSpec, tuple[int | None, ...]]:
    spec = LineSpec(
        base.book,
        market,
        tuple(each.name for each in outcomes),
        tuple(each.rung for each in outcomes),
        tuple(each.point for each in outcomes if each.point is not None) or None,
        tuple(each.description for each in outcomes if each.description is not None) or None,
    )
    return spec, tuple(each.follows for each in outcomes)
