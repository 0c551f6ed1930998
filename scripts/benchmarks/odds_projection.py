"""Projections against the provider's own answers, byte for byte, for pairs of requests that hypothesis draws; what
differs is shrunk. In one process, without a network."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from .odds_pairs import Finding, Pair, Scene, compared, every_scene, keys_of, weighed
from .odds_strategies import pairs as drawn
from .outcome import Record

TARGET = "projection, in process"
SEED = 6
BATCH = 2000
"""Pairs that are drawn with one seed; the next batch has the next one."""
_MOST_TRIES = 4

type Case = tuple[int, Pair]
"""The number of a scene, and the requests."""
type Check = Callable[[Scene, Pair], Finding]


class DifferentError(Exception):
    """A projection is not the provider's own answer."""


def measure(record: Record, pairs: int) -> None:
    """Draws until so many projections were compared that show something."""
    found, different = compare(pairs, weighed)
    _judge(record, pairs, found, different)


def _judge(record: Record, pairs: int, found: Counter[Finding], different: list[Case]) -> None:
    made = found["equal"] + found["different"]
    record.result(TARGET, "seed of the first batch", "", SEED)
    record.result(TARGET, "pairs compared", "pairs", made)
    record.result(TARGET, "pairs that differ", "pairs", found["different"])
    record.result(TARGET, "pairs that show nothing", "pairs", found["shows nothing"])
    record.result(TARGET, "pairs whose content did not allow it", "pairs", found["refused"])
    record.result(TARGET, "pairs that do not hold one another", "pairs", found["not allowed"])
    for number, pair in different[:3]:
        record.result(TARGET, f"differs: {pair.narrow} from {pair.wide} in scene", "", number)
    record.at_least("projections compared with the provider's own answer", pairs, made)
    record.exactly("projections that differ from it by any byte", 0, found["different"])
    record.at_least("projections refused because of the content", 1, found["refused"])


def compare(pairs: int, check: Check = compared) -> tuple[Counter[Finding], list[Case]]:
    """How often which finding, until so many were compared; two spellings of one request are no pair, and no pair is
    counted twice however it is spelled. And of each batch in which pairs differ the least that does."""
    found, seen, least, size = Counter[Finding](), set[tuple[int, str, str]](), list[Case](), min(BATCH, 4 * pairs)

    def count(case: Case) -> None:
        number, pair = case
        wide, narrow = keys_of(pair)
        once = number, wide, narrow
        if wide != narrow and once not in seen and found["equal"] + found["different"] < pairs:
            seen.add(once)
            found[check(every_scene()[number], pair)] += 1

    for batch in range(-(-_MOST_TRIES * pairs // size)):
        if found["equal"] + found["different"] >= pairs:
            break
        before = found["different"]
        _each(SEED + batch, size, count)
        if found["different"] > before:
            least.append(_least(SEED + batch, size, check))
    return found, least


def _least(of: int, size: int, check: Check) -> Case:
    """Draws the batch once more, which ends in the smallest pair found that differs."""
    last: list[Case] = []

    def differs(case: Case) -> None:
        number, pair = case
        if check(every_scene()[number], pair) == "different":
            last.append(case)
            raise DifferentError

    with suppress(DifferentError):
        _each(of, size, differs)
    return last[-1]


def _each(of: int, size: int, work: Callable[[Case], None]) -> None:
    """`size` cases, always the same ones by the seed `of`."""
    fixed = settings(
        max_examples=size,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    seed(of)(fixed(given(drawn())(work)))()
