"""What a hit costs through the ordinary request hook, against mitmproxy that answers from a dict."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.rig import ROOT, House, emulator, free_ports, running, stop, wait_for, write_house

from . import machine
from .client import KeepAlive, Reply
from .houses import folder
from .outcome import Outcome, Record, ratio_of_pairs
from .peers import accepts

NAME = "hook"
ODDS = "/v4/sports/soccer_epl/odds?apiKey=client&markets=h2h&bookmakers="
BOOKS = (
    "unibet betr_au tab neds sportsbet coral skybet betway betvictor pinnacle betsson coolbet nordicbet marathonbet "
    "boylesports paddypower"
).split()
TARGETS = {"2 KB": f"{ODDS}{BOOKS[0]}", "20 KB": f"{ODDS}{','.join(BOOKS)}"}
WARM_UP_S = 0.5
LIMIT = 1.3
NO_LANE = "[lane]\nenabled = false\n"


@dataclass(frozen=True, slots=True)
class Size:
    """Many short rounds: on a shared machine their median moves less than that of a few long ones."""

    rounds: int = 30
    round_s: float = 0.8
    connections: int = 32


@dataclass(slots=True)
class Server:
    """One of the two that are compared, with its CPU per request in microseconds, by round."""

    name: str
    port: int
    pid: int
    cpu_us: list[float] = field(default_factory=list)
    requests: int = 0


FULL, QUICK = Size(), Size(rounds=5, round_s=0.5)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    with folder() as root, emulator(latency_p50_ms=0, rate=0, events=5, volatility=0) as provider:
        # A window so long that the rounds hold hits and nothing else.
        house = write_house(root, provider.url, NO_LANE, window_s=3600, max_stale_s=7200, idle_after_s=3600)
        with running(house):
            answers = {target: asyncio.run(_answer(house, target)) for target in TARGETS.values()}
            for name, target in TARGETS.items():
                record.result("both", f"body, {name}", "bytes", len(answers[target].body))
            with _dict_proxy(root, answers) as yardstick:
                pids = [house.pid("proxy"), yardstick.pid]
                with machine.apart(pids, [house.pid("sidecar"), provider.process.pid]) as pinned:
                    for name, target in TARGETS.items():
                        _compare(record, name, target, house, yardstick, size)
        record.result("all", "server and load on cores of their own", "yes = 1", pinned)
    return record.outcome()


async def _answer(house: House, target: str) -> Reply:
    """As a hit gives it: the second answer."""
    client = KeepAlive(house.ports["reverse"])
    await client.get(target)
    reply = await client.get(target)
    client.close()
    return reply


@contextmanager
def _dict_proxy(root: Path, answers: dict[str, Reply]) -> Iterator[Server]:
    document = {
        target: [r.status, [[name.decode(), value.decode()] for name, value in r.fields], r.body.decode()]
        for target, r in answers.items()
    }
    path, port = root / "answers.json", free_ports(1)[0]
    path.write_text(json.dumps(document))
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.benchmarks.dict_proxy", str(port), str(path)], cwd=ROOT
    )
    try:
        wait_for(lambda: accepts(port), 30)
        yield Server("dict", port, process.pid)
    finally:
        stop(process)


def _compare(record: Record, name: str, target: str, house: House, yardstick: Server, size: Size) -> None:
    holdover = Server("holdover", house.ports["reverse"], house.pid("proxy"))
    baseline = Server("dict", yardstick.port, yardstick.pid)
    for server in (holdover, baseline):
        asyncio.run(_load(server, target, size.connections, WARM_UP_S))
    for number in range(size.rounds):
        # Each is first as often as second: a load that grows or ebbs away hits both alike.
        for server in (baseline, holdover) if number % 2 else (holdover, baseline):
            _round(server, target, size)
    _judge(record, name, holdover, baseline)


def _judge(record: Record, name: str, holdover: Server, baseline: Server) -> None:
    for server in (baseline, holdover):
        where = f"{server.name}, {name}"
        record.result(where, "CPU per request, median", "us", statistics.median(server.cpu_us))
        record.result(where, "CPU per request, best", "us", min(server.cpu_us))
        record.result(where, "requests", "requests", server.requests)
    ratio = ratio_of_pairs(holdover.cpu_us, baseline.cpu_us)
    record.result(f"holdover / dict, {name}", "CPU per request, median of pairs", "ratio", ratio)
    record.at_most(f"CPU of a hit / CPU of a dict, {name}", LIMIT, ratio)


def _round(server: Server, target: str, size: Size) -> None:
    before = machine.cpu_seconds(server.pid)
    count = asyncio.run(_load(server, target, size.connections, size.round_s))
    server.cpu_us.append(1e6 * (machine.cpu_seconds(server.pid) - before) / count)
    server.requests += count


async def _load(server: Server, target: str, connections: int, seconds: float) -> int:
    """Requests answered; each connection asks anew as soon as it has its answer."""
    end = time.monotonic() + seconds

    async def client() -> int:
        count, connection = 0, KeepAlive(server.port)
        while time.monotonic() < end:
            reply = await connection.get(target)
            if reply.status != 200:
                raise RuntimeError(f"{server.name} answered {reply.status}")
            count += 1
        connection.close()
        return count

    return sum(await asyncio.gather(*(client() for _ in range(connections))))
