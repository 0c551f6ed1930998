"""What it costs to know so much: the CPU of refreshing many keys, and of one large board with its projections."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdover.entry import Entry
from holdover.intake import Fetched, Question, judge
from holdover.projection import Projections
from holdover.store.disk import DiskStore
from scripts.emulator.answers import Answer
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline
from scripts.rig import CREDENTIAL, Emulator, House, emulator, running, wait_for, write_house

from . import machine
from .client import KeepAlive
from .hook import BOOKS
from .houses import folder
from .odds_house import away_from_boundaries, house_of, place
from .odds_vendor import KINDS, planned, region_table, shipped_rules, told
from .odds_vendor import as_response as response_of
from .outcome import Record

REFRESHES, BOARD = "refreshes, real", "board with 8 projections, in process"
KEYS_PER_MINUTE, REFRESH_LIMIT, BOARD_LIMIT_MS = 1000, 15.0, 100.0
BODY_BYTES, BOARD_BYTES = 18_000, 400_000
"""The least that counts as a body of 20 KB, and as a board of 420 KB."""
SPORT = "soccer_epl"
CLIENTS = 8
EVENTS = 18
START = 1_795_000_000

PATH = f"/v4/sports/{SPORT}/odds?apiKey=client"
REGIONS = "regions=us,us2,uk,au,eu"
WIDE = f"{PATH}&{REGIONS}&markets=h2h,spreads,totals"
PROJECTIONS = (
    f"{PATH}&{REGIONS}&markets=h2h",
    f"{PATH}&{REGIONS}&markets=totals,spreads",
    f"{PATH}&regions=us&markets=h2h,spreads,totals",
    f"{PATH}&regions=us,uk&markets=h2h",
    f"{PATH}&bookmakers=pinnacle,betfair_ex_eu,skybet&markets=h2h,totals",
    f"{PATH}&{REGIONS}&markets=h2h,spreads,totals&dateFormat=unix",
    f"{PATH}&{REGIONS}&markets=h2h,spreads,totals&commenceTimeTo=2026-11-24T00:00:00Z",
    f"{PATH}&regions=eu&markets=spreads",
)


@dataclass(frozen=True, slots=True)
class Minute:
    """Over `seconds`, with as many keys as make 1,000 in a minute: refreshes seen by the provider, CPU seconds."""

    seconds: float
    refreshes: int
    cpu_s: float
    body_bytes: int


def measure_refreshes(record: Record, window_s: float) -> None:
    """One window, in which every key is refreshed once."""
    keys = round(KEYS_PER_MINUTE * window_s / 60)
    pace = dict.fromkeys(("in_play_s", "near_s", "far_s"), window_s) | {"cadence_s": 0.0}
    with folder() as root, emulator(latency_p50_ms=0, rate=0, events=0, refresh_s=1, quota=10**9) as provider:
        place(provider, (), [SPORT], events=5)
        house = house_of(write_house(root, provider.url), KINDS, pace, odds={"unknown": '"key"'})
        with running(house):
            asyncio.run(_ask_all(house, keys))
            minute = _minute(house, provider, keys, window_s)
    _judge_minute(record, keys, minute)


def _target(number: int) -> str:
    """A parameter that nobody knows makes keys of their own, which hold no one another."""
    return f"/v4/sports/{SPORT}/odds?apiKey={CREDENTIAL}&markets=h2h&bookmakers={','.join(BOOKS)}&page={number}"


async def _ask_all(house: House, keys: int) -> None:
    numbers: Iterator[int] = iter(range(keys))

    async def client() -> None:
        connection = KeepAlive(house.ports["reverse"])
        for number in numbers:
            await connection.get(_target(number))
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def _minute(house: House, provider: Emulator, keys: int, window_s: float) -> Minute:
    """Begins between two boundaries, when all keys were refreshed once by the sidecar itself."""
    provider.reset()
    wait_for(lambda: provider.odds_requests() >= keys, 2 * window_s + 60, every=0.1)
    asyncio.run(away_from_boundaries(window_s))
    before, began, cpu_s = provider.odds_requests(), time.monotonic(), machine.cpu_seconds(house.pid("sidecar"))
    time.sleep(window_s)
    seconds = time.monotonic() - began
    used = machine.cpu_seconds(house.pid("sidecar")) - cpu_s
    body = asyncio.run(_body(house))
    return Minute(seconds, provider.odds_requests() - before, used, len(body))


async def _body(house: House) -> bytes:
    client = KeepAlive(house.ports["reverse"])
    reply = await client.get(_target(0))
    client.close()
    return reply.body


def _judge_minute(record: Record, keys: int, minute: Minute) -> None:
    record.result(REFRESHES, "keys", "keys", keys)
    record.result(REFRESHES, "body", "bytes", minute.body_bytes)
    record.result(REFRESHES, "refreshes a minute", "1/min", 60 * minute.refreshes / minute.seconds)
    record.result(REFRESHES, "CPU of a refresh", "ms", 1000 * minute.cpu_s / max(1, minute.refreshes))
    share = 100 * minute.cpu_s / minute.seconds
    record.result(REFRESHES, "CPU of the sidecar", "% of a core", share)
    record.at_least("refreshes in a window (0.95 x keys)", 0.95 * keys, minute.refreshes)
    record.at_least("bytes of each body of 20 KB", BODY_BYTES, minute.body_bytes)
    record.at_most("% of a core for 1,000 refreshes of 20 KB a minute", REFRESH_LIMIT, share)


def measure_board(record: Record, rounds: int) -> None:
    """The board of another moment in each round, from the provider's bytes to stored entries."""
    answers = list(_boards(rounds + 1))
    with folder() as root:
        costs, sizes = _refreshed(root, answers)
    record.result(BOARD, "body, gzip", "bytes", len(answers[-1].compressed))
    record.result(BOARD, "projections, all together", "bytes", sizes)
    _judge_board(record, [len(answer.body) for answer in answers[1:]], costs)


def _judge_board(record: Record, bodies: Sequence[int], costs: Sequence[float]) -> None:
    record.result(BOARD, "smallest body", "bytes", min(bodies))
    record.spread(BOARD, "CPU of a refresh", "ms", costs)
    record.at_least("bytes of each board of 420 KB", BOARD_BYTES, min(bodies))
    record.at_most(
        "ms of CPU to refresh a 420 KB board with 8 projections, median", BOARD_LIMIT_MS, statistics.median(costs)
    )


def _boards(count: int) -> Iterator[Answer]:
    world = World(1, START, 20.0, EVENTS, 10.0, 1.0, 0, "fresh", "recorded")
    timeline = Timeline(world)
    for number in range(count):
        answer = told(world, timeline.at(START + 60 * number), WIDE)
        len(answer.compressed)
        yield answer


def _refreshed(root: Path, answers: Sequence[Answer]) -> tuple[list[float], int]:
    """CPU of each refresh but the first in milliseconds, and the bytes of all projections."""
    rules = shipped_rules({"kinds": list(KINDS), "regions": region_table(), "emptied": "keep"})
    store, projections, costs = DiskStore(root, 1 << 28), Projections(rules), list[float]()
    wide, narrow = planned(rules, WIDE), [planned(rules, target).canonical for target in PROJECTIONS]
    entries: dict[str, Entry] = {}
    for number, answer in enumerate(answers):
        now, response = START + 60.0 * number, response_of(answer)
        started = time.process_time()
        previous = entries.get(wide.canonical.key)
        question = Question(wide.provider, wide.route.settings, wide.canonical, previous, now)
        fetched = judge(question, response, 0.1, 1 << 24)
        if not isinstance(fetched, Fetched):
            raise TypeError(fetched.reason)
        made = [projections.derive(fetched.entry, one, entries.get(one.key), now) for one in narrow]
        if None in made:
            raise ValueError("a projection was refused")
        entries = {entry.key: entry for entry in (fetched.entry, *made) if entry is not None}
        store.put_all(list(entries.values()), now)
        costs.append(1000 * (time.process_time() - started))
    store.close()
    return costs[1:], sum(len(entries[one.key].identity) for one in narrow)
