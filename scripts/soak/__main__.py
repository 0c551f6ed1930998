"""Random faults from a seed under load; what came of each promise, and exit status 1 if one was broken."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.emulator.books import of_regions
from scripts.rig import HOST, wait_for

from . import promises, truth
from .clients import Crowd, Question, Seen
from .world import BACK_S, LIMIT_S, TROUBLES, World, pause, settled, world

SPORTS = ("soccer_epl", "basketball_nba", "americanfootball_nfl")
HONEST = frozenset({502, 503, 504})
CALM_S = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong` is empty when the promise was kept."""

    promise: str
    counted: int
    wrong: Sequence[object]


def sound(target: str, _revision: int, body: bytes) -> bool:
    """Whether a body is a board of the sport that was asked for, with bookmakers of each region and of no other."""
    sport, regions = target.split("/")[3], target.partition("regions=")[2]
    try:
        board = json.loads(body)
        found = {book["key"] for event in board for book in event["bookmakers"]}
        sports = {event["sport_key"] for event in board}
    except (ValueError, TypeError, LookupError):
        return False
    asked = [books_of(region) for region in regions.split(",")]
    return sports == {sport} and found <= frozenset().union(*asked) and all(map(found.intersection, asked))


@cache
def books_of(region: str) -> frozenset[str]:
    return of_regions(frozenset({region}))


def questions(clients: int) -> list[Question]:
    targets = [f"/v4/sports/{sport}/odds?regions={regions}" for sport in SPORTS for regions in ("us", "uk,eu")]
    return [Question(HOST, targets[n % len(targets)], 0.1) for n in range(clients)]


def soak(here: World, seed: int, seconds: float, tell: bool) -> list[str]:
    """What was done."""
    draw, log, until = random.Random(seed), list[str](), time.time() + seconds
    plays, weights = zip(*TROUBLES, strict=True)
    while time.time() < until:
        [play] = draw.choices(plays, weights)
        began = time.time()
        play(here, draw)
        log.append(play.__name__)
        if tell:
            print(f"{began - until + seconds:7.1f} s  {play.__name__.replace('_', ' ')}", flush=True)
        pause(here, draw)
        settled(here)
    return log


def verdicts(seen: list[Seen], ended: float, unlike: list[str]) -> list[Verdict]:
    heard = [one for one in seen if not one.error]
    mine = {client: [one for one in seen if one.client == client] for client in {one.client for one in seen}}
    late = [c for c, all_of in mine.items() if (promises.recovered_after(all_of, ended) or BACK_S) >= BACK_S]
    # The provider's own words pass where there is nothing good within its limit; they are told as such.
    mixed = [one for one in promises.broken(seen) if "fwd-status=200; detail=" not in one.cache]
    return [
        Verdict("every client hears something", len(seen), promises.hung(seen)),
        Verdict("no part or mixture passes for an answer", len(seen), mixed),
        Verdict("no revision goes backwards", len(seen), promises.backwards(seen)),
        Verdict(f"no odds are older than {LIMIT_S} s", len(seen), promises.too_old(seen, LIMIT_S)),
        Verdict("errors are honest: 502, 503, 504", len(heard), promises.errors(heard, HONEST)),
        Verdict(f"all have new odds {BACK_S:g} s after the last fault", len(mine), late),
        Verdict("what is served at the end is the provider's truth", len(mine), unlike),
    ]


def run(seed: int, minutes: float, clients: int, *, tell: bool) -> list[Verdict]:
    """Plays, and judges. Raises RuntimeError when holdover does not even start, or does not come back."""
    with tempfile.TemporaryDirectory(prefix="holdover-soak-") as folder, world(Path(folder)) as here:
        port, asked = here.house.ports["reverse"], questions(clients)
        with Crowd(port, asked, sound).on() as crowd:
            wait_for(lambda: {one.client for one in crowd.seen if one.good} == set(range(clients)), 30)
            played = soak(here, seed, minutes * 60, tell)
            ended = time.time()
            with suppress(TimeoutError):
                wait_for(lambda: all(back(crowd, client, ended) for client in range(clients)), BACK_S)
            time.sleep(CALM_S)
        # Nobody polls any more: odds that stand still grow old.
        unlike = asyncio.run(truth.unlike(here.provider, port, [each.target for each in asked], BACK_S))
        if tell:
            print(f"\n{len(crowd.seen)} answers to {clients} clients; {counted(played)}\n")
        return verdicts(list(crowd.seen), ended, unlike)


def back(crowd: Crowd, client: int, since: float) -> bool:
    return promises.recovered_after(crowd.of(client, since=since), since) is not None


def counted(played: Sequence[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {n}x" for name, n in Counter(played).most_common())


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of what happens when; default: 1")
    parser.add_argument("--minutes", type=float, default=10.0, help="default: 10")
    parser.add_argument("--clients", type=int, default=24, help="default: 24")
    options = parser.parse_args()
    found = run(options.seed, options.minutes, options.clients, tell=True)
    for verdict in found:
        print(f"{'kept' if not verdict.wrong else 'BROKEN':7} {verdict.promise} (of {verdict.counted})")
        for one in verdict.wrong[:5]:
            print(f"        {one}")
    return 1 if any(verdict.wrong for verdict in found) else 0


if __name__ == "__main__":
    sys.exit(main())
