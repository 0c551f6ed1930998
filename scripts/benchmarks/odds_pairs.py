"""Pairs of requests, and whether a projection of the one's answer is the other's answer, byte for byte."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from holdover.entry import Entry
from holdover.projection import Projections
from holdover.providers.profile import Knowledge
from holdover.rules import Rules
from scripts.emulator.board import Board
from scripts.emulator.catalog import SPORTS
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

from .odds_vendor import KINDS, NAME, planned, region_table, shipped_rules, told

START = 1_795_000_000
FLAGS = ("includeLinks", "includeSids", "includeBetLimits")
SPORTS_ASKED = ("soccer_epl", "basketball_nba", "golf_masters_tournament_winner", "upcoming", "rugbyleague_nrl")

type Finding = Literal["equal", "different", "not allowed", "refused"]


@dataclass(frozen=True, slots=True)
class Scene:
    """One board, and what the provider does with events that have no bookmaker left."""

    world: World
    board: Board
    omit: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two request targets as clients spell them."""

    wide: str
    narrow: str


@cache
def scenes() -> tuple[Scene, ...]:
    """Boards with events in play, suspended markets and bookmakers that are late."""
    made = []
    for seed, omit in ((1, False), (2, True), (3, False)):
        world = World(seed, START, 30.0, 5, 10.0, 1.0, 0, "realistic", "lively", incidents=True)
        timeline = Timeline(world)
        made += [Scene(world, timeline.at(START + seconds), omit) for seconds in (0, 60, 210)]
    return tuple(made)


@cache
def _projections(*, omit: bool) -> Projections:
    emptied = "omit" if omit else "keep"
    kinds = [*KINDS, "odds", "outrights"]
    rules = shipped_rules({"kinds": kinds, "emptied": emptied, "regions": region_table()})
    outrights = {key: sport.has_outrights for key, sport in SPORTS.items()}
    return Projections(rules, {NAME: Knowledge(outrights=outrights, verified=frozenset({"odds"}))})


def keys_of(pair: Pair) -> tuple[str, str]:
    """One key stands for all spellings of a request."""
    rules: Rules = _projections(omit=False).rules
    return planned(rules, pair.wide).canonical.key, planned(rules, pair.narrow).canonical.key


def compared(scene: Scene, pair: Pair) -> Finding:
    """`not allowed`: the requests do not hold one another. `refused`: the content did not allow it."""
    projections = _projections(omit=scene.omit)
    rules: Rules = projections.rules
    wide, narrow = planned(rules, pair.wide).canonical, planned(rules, pair.narrow).canonical
    provider = rules.providers[0]
    if wide.key == narrow.key or not projections.allowed(provider, wide, narrow, 0.0):
        return "not allowed"
    body = told(scene.world, scene.board, wide.target, omit=scene.omit).body
    made = projections.derive(Entry(wide, 200, (), body, b"", ""), narrow, None, -1e9)
    if made is None:
        return "refused"
    direct = told(scene.world, scene.board, pair.narrow, omit=scene.omit).body
    return "equal" if made.identity == direct else "different"
