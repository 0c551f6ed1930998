"""Random pairs of requests, and whether a projection of the one's answer is the other's answer, byte for byte."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import quote

from holdover.entry import Entry
from holdover.projection import Projections
from holdover.providers.profile import Knowledge
from holdover.rules import Rules
from scripts.emulator.board import Board
from scripts.emulator.catalog import BOOKS, FEATURED, REGIONS, SPORTS
from scripts.emulator.render import iso
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

from .odds_vendor import KINDS, NAME, planned, region_table, shipped_rules, told

START = 1_795_000_000
FLAGS = ("includeLinks", "includeSids", "includeBetLimits")
SPORTS_ASKED = ("soccer_epl", "basketball_nba", "golf_masters_tournament_winner", "upcoming", "rugbyleague_nrl")

type Finding = Literal["equal", "different", "not allowed", "refused"]
type Parameters = dict[str, str]


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


def random_pair(rng: random.Random, board: Board) -> Pair:
    """Most often the second asks for a part of what the first asks for; sometimes for anything."""
    sport = rng.choice(SPORTS_ASKED)
    wide = dict(_parameters(rng, sport, board))
    other = dict(_parameters(rng, sport, board))
    narrow = other if rng.random() < 0.05 else dict(_narrowed(rng, wide, other))
    return Pair(_spelled(rng, sport, wide), _spelled(rng, sport, narrow))


def _parameters(rng: random.Random, sport: str, board: Board) -> Iterator[tuple[str, str]]:
    offered = SPORTS[sport].markets if sport in SPORTS else FEATURED
    if rng.random() < 0.9:
        yield "markets", _some(rng, offered)
    if rng.random() < 0.75:
        yield "regions", _some(rng, REGIONS)
    else:
        yield "bookmakers", _some(rng, rng.sample(list(BOOKS), 14))
    if rng.random() < 0.1:
        yield "eventIds", _some(rng, [*_ids(board, sport), "0" * 32])
    yield from _times(rng, board, sport, 0.1)
    if rng.random() < 0.15:
        yield rng.choice(FLAGS), rng.choice(("true", "false"))
    if rng.random() < 0.4:
        yield "oddsFormat", rng.choice(("american", "american", "decimal"))
    if rng.random() < 0.2:
        yield "dateFormat", "iso"


def _narrowed(rng: random.Random, wide: Parameters, other: Parameters) -> Iterator[tuple[str, str]]:
    """A part of the wide request; what filters events may come from another one."""
    for name, value in wide.items():
        if name in ("markets", "eventIds", "bookmakers") and rng.random() < 0.6:
            yield name, _some(rng, value.split(","))
        elif name == "regions" and rng.random() < 0.6:
            some = _some(rng, value.split(","))
            within = [key for key, book in BOOKS.items() if set(book.regions) & set(value.split(","))]
            yield ("regions", some) if rng.random() < 0.6 else ("bookmakers", _some(rng, within))
        elif name != "oddsFormat" or rng.random() < 0.6:
            yield name, value
    for name in ("eventIds", "commenceTimeFrom", "commenceTimeTo"):
        if name in other and name not in wide:
            yield name, other[name]
    if rng.random() < 0.3 and wide.get("dateFormat", "iso") == "iso":
        yield "dateFormat", "unix"


def _times(rng: random.Random, board: Board, sport: str, share: float) -> Iterator[tuple[str, str]]:
    """At, or a second beside, the start of an event: both ends are inclusive."""
    starts = sorted(found.event.commence for found in board.sports.get(sport, ()))
    if not starts or rng.random() >= 2 * share:
        return
    begin, end = sorted(rng.choice(starts) + rng.choice((-1, 0, 1)) for _ in range(2))
    kinds = rng.choice((("From",), ("To",), ("From", "To")))
    for kind, moment in (("From", begin), ("To", end)):
        if kind in kinds:
            yield f"commenceTime{kind}", iso(moment)


def _ids(board: Board, sport: str) -> list[str]:
    return [found.event.id for found in board.sports.get(sport, ())]


def _some(rng: random.Random, values: Sequence[str]) -> str:
    chosen = rng.sample(list(values), rng.randint(1, len(values)))
    return ",".join(chosen)


def _spelled(rng: random.Random, sport: str, parameters: Parameters) -> str:
    """As one of the clients of the field would write it."""
    pairs = [*parameters.items(), (rng.choice(("apiKey", "api_key")), "client")]
    rng.shuffle(pairs)
    safe = rng.choice(("", ",:"))
    query = "&".join(f"{name}={quote(value, safe=safe)}" for name, value in pairs)
    return f"/v4/sports/{sport}/odds{rng.choice(('', '/'))}?{query}"
