"""Projections against the provider's own answers, byte for byte. In one process, without a network."""

import random
from collections import Counter

from .odds_pairs import Pair, Scene, compared, random_pair, scenes
from .outcome import Record

TARGET = "projection, in process"
SEED = 6
_MOST_TRIES = 4


def measure(record: Record, pairs: int) -> None:
    """Draws until so many projections were compared."""
    found, different = compare(pairs)
    record.result(TARGET, "pairs compared", "pairs", found["equal"] + found["different"])
    record.result(TARGET, "pairs that do not hold one another", "pairs", found["not allowed"])
    record.result(TARGET, "pairs whose content did not allow it", "pairs", found["refused"])
    for pair in different[:3]:
        record.result(TARGET, f"differs: {pair.narrow} from {pair.wide}", "pairs", 1)
    record.at_least("projections compared with the provider's own answer", pairs, found["equal"] + found["different"])
    record.exactly("projections that differ from it by any byte", 0, found["different"])


def compare(pairs: int) -> tuple[Counter[str], list[Pair]]:
    """How often which finding, and the pairs that differ."""
    rng, found, different = random.Random(SEED), Counter[str](), list[Pair]()
    for _ in range(_MOST_TRIES * pairs):
        if found["equal"] + found["different"] >= pairs:
            break
        scene: Scene = rng.choice(scenes())
        pair = random_pair(rng, scene.board)
        finding = compared(scene, pair)
        found[finding] += 1
        if finding == "different":
            different.append(pair)
    return found, different
