"""How long after a put do all processes serve the new entry?"""

import asyncio
import gzip
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.config import Config, load
from holdover.content import revision_of
from holdover.entry import Entry
from holdover.exchange import Request
from holdover.key import Cacheable, plan
from holdover.store.disk import DiskStore
from scripts.rig import HOST, House, percentile

from .client import KeepAlive
from .houses import folder, proxies
from .outcome import Outcome, Record

NAME = "visible"
TARGET = "/v4/sports/soccer_epl/odds?apiKey=client&regions=uk"
LIMIT_MS = 50.0
PAUSE_S = 0.001
GIVE_UP_S = 5.0
BODY_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Size:
    puts: int = 500
    processes: int = 2


@dataclass(slots=True)
class Reader:
    """Asks one process again and again. By revision, in monotonic seconds: when an answer with it was `first_seen`,
    and when the last request that got it was sent (`last_asked`)."""

    port: int
    first_seen: dict[int, float] = field(default_factory=dict)
    last_asked: dict[int, float] = field(default_factory=dict)
    round_trips: list[float] = field(default_factory=list)

    async def read(self) -> None:
        """For ever."""
        client = KeepAlive(self.port)
        while True:
            asked = time.monotonic()
            reply = await client.get(TARGET)
            revision = int(reply.header(b"x-bench-revision") or -1)
            self.first_seen.setdefault(revision, time.monotonic())
            self.last_asked[revision] = asked
            self.round_trips.append(reply.seconds)
            await asyncio.sleep(PAUSE_S)


FULL, QUICK = Size(), Size(puts=60)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    with folder() as root:
        # Nothing listens at the origin: every answer must come from the store.
        long = {"window_s": 3600, "max_stale_s": 3600, "idle_after_s": 3600}
        with proxies(root, "http://127.0.0.1:9", size.processes, sidecar=False, **long) as houses:
            return asyncio.run(_measure(houses, size))


async def _measure(houses: Sequence[House], size: Size) -> Outcome:
    config = load(houses[0].config, {**os.environ, **houses[0].environment()})
    store, canonical = DiskStore(config.cache_folder, config.settings.store.max_bytes), _canonical(config)
    store.put(_entry(canonical, 0), time.time())
    readers = [Reader(house.ports["reverse"]) for house in houses]
    tasks = [asyncio.create_task(reader.read()) for reader in readers]
    await _all_have(readers, tasks, 0)
    put_at: dict[int, tuple[float, float]] = {}
    for revision in range(1, size.puts + 1):
        # At no fixed distance, so that no phase of the readers is preferred.
        await asyncio.sleep(random.uniform(0.005, 0.03))
        entry, started = _entry(canonical, revision), time.monotonic()
        await asyncio.to_thread(store.put, entry, time.time())
        put_at[revision] = (started, time.monotonic())
        await _all_have(readers, tasks, revision)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    store.close()
    return _judge(readers, put_at)


def _canonical(config: Config) -> CanonicalRequest:
    planned = plan(Request("GET", HOST, TARGET), config.rules)
    assert isinstance(planned, Cacheable)
    return planned.canonical


def _entry(canonical: CanonicalRequest, revision: int) -> Entry:
    body = f'{{"revision": {revision}, "filler": "{"odds" * (BODY_BYTES // 4)}"}}'.encode()
    now = time.time()
    headers = (("Content-Type", "application/json"), ("X-Bench-Revision", str(revision)))
    return Entry(canonical, 200, headers, body, gzip.compress(body), revision_of(200, body), now, now)


async def _all_have(readers: Sequence[Reader], tasks: Sequence[asyncio.Task[None]], revision: int) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while not all(revision in reader.first_seen for reader in readers):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(PAUSE_S)


def _judge(readers: Sequence[Reader], put_at: dict[int, tuple[float, float]]) -> Outcome:
    """What the promise forbids is an old answer to a request that came 50 ms after the put; that is judged by its
    worst case. When the new answer was read also holds the round trip, which waits for a core on a busy machine; that
    is judged by its 95th percentile. A new answer may overtake the return of its put: that counts as 0."""
    record = Record(NAME)
    outlived: list[float] = []
    arrived: list[float] = []
    for number, reader in enumerate(readers, start=1):
        old = [max(0.0, 1000 * (reader.last_asked[r - 1] - done)) for r, (_, done) in put_at.items()]
        new = [max(0.0, 1000 * (reader.first_seen[r] - done)) for r, (_, done) in put_at.items()]
        target = f"proxy {number}"
        record.result(target, "puts", "samples", len(put_at))
        record.spread(target, "put returned to last request that got the old entry", "ms", old)
        record.spread(target, "put returned to new entry read", "ms", new)
        record.spread(target, "round trip of the reader", "ms", [1000 * x for x in reader.round_trips])
        outlived, arrived = outlived + old, arrived + new
    record.spread("writer", "put itself", "ms", [1000 * (done - began) for began, done in put_at.values()])
    record.at_most("ms after the put that any request got the old entry, max", LIMIT_MS, max(outlived))
    record.at_most("ms from put to new entry read, P95", LIMIT_MS, percentile(arrived, 0.95))
    return record.outcome()
