"""Pairs of requests, and whether a projection of the one's answer is the other's answer, byte for byte."""

from dataclasses import dataclass, replace
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

type Finding = Literal["equal", "shows nothing", "different", "not allowed", "refused"]


@dataclass(frozen=True, slots=True)
class Scene:
    """One board, and what the provider does with events that have no bookmaker left. `known`: whether holdover is
    configured to know that; as shipped it is not, and refuses what depends on it."""

    world: World
    board: Board
    omit: bool
    known: bool = True


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
def every_scene() -> tuple[Scene, ...]:
    """`scenes`, and the same with the shipped `emptied`."""
    return (*scenes(), *(replace(scene, known=False) for scene in scenes()))


@cache
def _projections(emptied: str) -> Projections:
    kinds = [*KINDS, "odds", "outrights"]
    rules = shipped_rules({"kinds": kinds, "emptied": emptied, "regions": region_table()})
    outrights = {key: sport.has_outrights for key, sport in SPORTS.items()}
    return Projections(rules, {NAME: Knowledge(outrights=outrights, verified=frozenset({"odds"}))})


def _emptied(scene: Scene) -> str:
    if not scene.known:
        return "refuse"
    return "omit" if scene.omit else "keep"


def keys_of(pair: Pair) -> tuple[str, str]:
    """One key stands for all spellings of a request."""
    rules: Rules = _projections("keep").rules
    return planned(rules, pair.wide).canonical.key, planned(rules, pair.narrow).canonical.key


def compared(scene: Scene, pair: Pair) -> Finding:
    """`not allowed`: the requests do not hold one another. `refused`: the content did not allow it. What is equal
    may show nothing."""
    projections = _projections(_emptied(scene))
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


def weighed(scene: Scene, pair: Pair) -> Finding:
    """As `compared`; but an equal answer shows nothing if it has no bookmaker, or is the wide one as it is."""
    finding = compared(scene, pair)
    if finding != "equal":
        return finding
    rules = _projections("keep").rules
    wide, narrow = (
        told(scene.world, scene.board, planned(rules, one).canonical.target, omit=scene.omit).body
        for one in (pair.wide, pair.narrow)
    )
    return "shows nothing" if narrow == wide or b'"bookmakers":[{' not in narrow else "equal"
