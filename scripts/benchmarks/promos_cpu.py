"""What the promos cost the sidecar: a visitor, a reading at rest, and a reading after an edit. In one process."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from scripts.rig import percentile
from sidecar.promos.resolve import Resolver, Visitor
from sidecar.promos.standing import Live, Standing
from sidecar.promos.sweep import sweep
from sidecar.promos.validate import check
from sidecar.promos.watch import watch

from .houses import folder
from .outcome import Record, ratio_of_pairs
from .promos_set import campaign, name_of, write_promos

RESOLVE_LIMIT_US = 100.0
REST_LIMITS = {50: 1.0, 500: 5.0}
"""Per cent of a core for following so many promos while nobody edits them."""
SETTLE_S = 2.0


def measure(record: Record, promos: int, *, rest_s: float, edits: int, visitors: int) -> None:
    with folder() as root:
        write_promos(root / "promos", promos)
        rest = {notified: at_rest(root / "promos", rest_s, notified=notified) for notified in (False, True)}
        watched, naive, live = _edits(root / "promos", promos, edits)
    where = f"{promos} promos, in process"
    record.result(where, "CPU of the watcher at rest, polling alone", "% of a core", rest[False])
    record.result(where, "CPU of the watcher at rest, notified", "% of a core", rest[True])
    record.at_most(f"% of a core at rest, {promos} promos, polling alone", REST_LIMITS[promos], rest[False])
    record.spread(where, "CPU of an edit", "ms", watched)
    record.spread(where, "CPU of an edit, all judged again", "ms", naive)
    record.result(where, "CPU of an edit / all judged again", "ratio", ratio_of_pairs(watched, naive))
    _judge_resolver(record, where, promos, _resolver(live, visitors))


def at_rest(promos: Path, seconds: float, *, notified: bool) -> float:
    """Per cent of a core."""

    async def follow() -> float:
        live = asyncio.Event()
        following = watch(promos, Standing(), lambda _: live.set(), lambda _: None, notified=notified)
        task = asyncio.create_task(following)
        await live.wait()
        await asyncio.sleep(SETTLE_S)
        cpu_s, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (time.process_time() - cpu_s) / (time.monotonic() - began)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return 100 * share

    return asyncio.run(follow())


def _edits(promos: Path, count: int, edits: int) -> tuple[list[float], list[float], Live]:
    """Milliseconds of CPU from an edit until it is live: of the watcher's readings, and of a watcher that knows which
    file changed no more than that something did. And what is live at the end."""
    standing, watched, naive = Standing(), list[float](), list[float]()
    live = _followed(standing, promos)
    for number in range(edits):
        edited = number * 7 % count
        (promos / name_of(edited)).write_text(campaign(edited, f"version {number}"))
        live, spent = _timed(lambda: _followed(standing, promos))
        watched.append(spent)
        naive.append(_timed(lambda: _judged_anew(promos))[1])
    return watched, naive, live


def _followed(standing: Standing, promos: Path) -> Live:
    """As the watcher does: what two readings agree on."""
    for _ in range(4):
        if (change := standing.step(sweep(promos), time.time())) is not None:
            return change.live
    raise RuntimeError("the edit is not seen")


def _judged_anew(promos: Path) -> None:
    files = {str(path.relative_to(promos)): path.read_bytes() for path in promos.rglob("*.json")}
    hashlib.sha256(b"".join(files.values())).digest()
    if (wrong := check(files, None)).problems:
        raise RuntimeError(str(wrong.problems[0]))


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    """With the milliseconds of CPU that it took."""
    began = time.thread_time()
    done = work()
    return done, 1000 * (time.thread_time() - began)


def _resolver(live: Live, visitors: int) -> list[float]:
    """Microseconds for each of the visitors."""
    segments = ((), ("sports",), ("vip", "casino"))
    kinds = list(product(("US-NJ", "US-PA", "US-NY"), ("phone", "desktop"), segments, (True, False)))
    resolver, times, now = Resolver(live.promos, live.vocabulary, live.withheld), list[float](), time.time()
    for number in range(visitors):
        jurisdiction, device, asked, returning = kinds[number % len(kinds)]
        visitor = Visitor(jurisdiction, "en", device, frozenset(asked), f"v{number}", returning)
        began = time.perf_counter()
        resolver(visitor, now)
        times.append(1e6 * (time.perf_counter() - began))
    return times


def _judge_resolver(record: Record, where: str, promos: int, times: Sequence[float]) -> None:
    record.result(where, "visitors", "samples", len(times))
    record.spread(where, "resolving one visitor", "us", times)
    record.at_most(
        f"us to resolve one visitor among {promos} promos, median", RESOLVE_LIMIT_US, percentile(times, 0.5)
    )
