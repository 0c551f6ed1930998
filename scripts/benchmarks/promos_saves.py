"""From the save of a file until the last of many streams has the new revision, and what the sidecar uses."""

import asyncio
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.rig import ROOT, House, fetch_json, percentile, running, stop, wait_for, write_house
from sidecar.promos.watch import INTERVAL_S

from . import machine
from .client import KeepAlive
from .houses import folder
from .outcome import Record
from .promos_set import campaign, name_of, write_promos

GIVE_UP_S = 20.0
WHO = "/v1/promos?jurisdiction=US-NJ&language=en&device=phone&segment=sports&visitor="


@dataclass(frozen=True, slots=True)
class Setting:
    """How many campaigns there are and whether notifications are used; the limit in milliseconds."""

    promos: int
    notify: bool
    limit_ms: float

    @property
    def name(self) -> str:
        return f"{self.promos} promos, {'notified' if self.notify else 'polling alone'}"


@dataclass(frozen=True, slots=True)
class Saves:
    """How many of them, told to how many `streams`; then `rest_s` without any, then requests."""

    saves: int
    streams: int
    rest_s: float
    requests: int


SETTINGS = (
    Setting(50, False, 500),
    Setting(500, False, 500),
    Setting(50, True, 200),
    Setting(500, True, 400),
)


@dataclass(frozen=True, slots=True)
class Save:
    """Milliseconds that it took, and from its return until the first and the last stream had it."""

    itself: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Measured:
    """`rest`: per cent of a core while nobody edits; `request_us`: microseconds of CPU of a request."""

    saves: Sequence[Save]
    rest: float
    request_us: float


def measure(record: Record, setting: Setting, size: Saves) -> None:
    machine.allow_files(size.streams + 200)
    with folder() as root:
        house = write_house(root, "http://127.0.0.1:9", f"[promos]\nnotify = {str(setting.notify).lower()}")
        write_promos(house.config / "promos", setting.promos)
        with running(house, "sidecar"):
            status = f"{house.url('admin')}/v1/promos/status"
            wait_for(lambda: fetch_json(status)["revision"], GIVE_UP_S)
            if wrong := [each for each in fetch_json(status)["files"] if each["state"] != "good"]:
                raise RuntimeError(f"not good: {wrong[0]}")
            with _listeners(house, size.streams) as listeners:
                saves = [_save(house, setting, listeners, number) for number in range(size.saves)]
                time.sleep(1.0)
                rest = _at_rest(house, size.rest_s)
                request_us = asyncio.run(_requests(house, size.requests))
    _judge(record, setting, Measured(saves, rest, request_us))


@contextmanager
def _listeners(house: House, count: int) -> Iterator[subprocess.Popen[str]]:
    """Once all have been told what there is."""
    command = [sys.executable, "-m", "scripts.benchmarks.promos_listeners", str(house.ports["admin"]), str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        _told(process)
        yield process
    finally:
        stop(process)
        assert process.stdout is not None
        process.stdout.close()


def _save(house: House, setting: Setting, listeners: subprocess.Popen[str], number: int) -> Save:
    """As editors do: beside, then over it. At any phase of the readings."""
    time.sleep(random.uniform(INTERVAL_S, 2 * INTERVAL_S))
    path = house.config / "promos" / name_of(random.randrange(setting.promos))
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(campaign(int(path.stem[-3:]), f"version {number + 2}"))
    began = time.monotonic()
    beside.replace(path)
    saved = time.monotonic()
    first, last = _told(listeners)
    return Save(1000 * (saved - began), 1000 * (first - saved), 1000 * (last - saved))


def _told(listeners: subprocess.Popen[str]) -> tuple[float, float]:
    """When the first and the last stream had the next event."""
    assert listeners.stdout is not None
    if not select.select([listeners.stdout], [], [], GIVE_UP_S)[0]:
        raise TimeoutError(f"the streams were not told within {GIVE_UP_S:g} s")
    line = listeners.stdout.readline()
    _, first, last = line.split()
    return float(first), float(last)


def _at_rest(house: House, seconds: float) -> float:
    assert house.process is not None
    pid, began = house.process.pid, time.monotonic()
    before = machine.cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (machine.cpu_seconds(pid) - before) / (time.monotonic() - began)


async def _requests(house: House, count: int) -> float:
    assert house.process is not None
    client, before = KeepAlive(house.ports["admin"]), machine.cpu_seconds(house.process.pid)
    for number in range(count):
        reply = await client.get(f"{WHO}{number}")
        if reply.status != 200:
            raise RuntimeError(f"the sidecar answered {reply.status}: {reply.body!r}")
    client.close()
    return 1e6 * (machine.cpu_seconds(house.process.pid) - before) / count


def _judge(record: Record, setting: Setting, measured: Measured) -> None:
    where = setting.name
    last_ms = [save.last for save in measured.saves]
    record.result(where, "saves", "samples", len(measured.saves))
    record.spread(where, "save itself", "ms", [save.itself for save in measured.saves])
    record.spread(where, "save to first stream told", "ms", [save.first for save in measured.saves])
    record.spread(where, "save to last stream told", "ms", last_ms)
    record.result(where, "CPU of the whole sidecar at rest", "% of a core", measured.rest)
    record.result(where, "CPU of GET /v1/promos", "us", measured.request_us)
    what = f"ms from save to last stream told, P99, {where}"
    record.at_most(what, setting.limit_ms, percentile(last_ms, 0.99))
