"""Hits while the same process has other things to do: how long do they wait then?"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from scripts.rig import House, emulator, percentile, write_house

from . import machine, peers, raw, wrk
from .hook import TARGETS
from .houses import memory_folder
from .outcome import Outcome, Record
from .raw import Client, Crowd

NAME = "scrape"
TARGET = TARGETS["20 KB"]
PASSED_ON = "/v4/sports/soccer_epl/events?apiKey=client"
"""No route of the house: the provider answers each of these."""
BEGUN = f"GET {TARGET} HTTP/1.1\r\nHost: "
P99_MS = 10.0


@dataclass(frozen=True, slots=True)
class Size:
    seconds: int = 10
    clients: int = 50
    every_s: float = 0.05
    scrapes_per_s: float = 20.0
    passing: int = 8
    half_open: int = 1_000


FULL, QUICK, WARM_UP = Size(), Size(seconds=2), Size(seconds=1)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    machine.allow_files(size.half_open + 500)
    record = Record(NAME)
    with memory_folder() as root, emulator(latency_p50_ms=0, rate=0, events=5) as provider:
        house = write_house(root / "house", provider.url, window_s=1)
        port = house.ports["reverse"]
        with peers.holdover(house) as server, machine.apart(server.pids(), [provider.process.pid]):
            _hits(port, WARM_UP, ())
            quiet = _hits(port, size, ())
            record.spread("quiet", "latency of hits", "ms", quiet)
            _judge(record, "scrapes", _hits(port, size, [_scraper(house, size)]))
            with _passing(record, port, size):
                _judge(record, "pass-through traffic", _hits(port, size, ()))
            with _half_open(port, size):
                _judge(record, "half-open connections", _hits(port, size, ()))
    return record.outcome()


def _hits(port: int, size: Size, others: Sequence[Client]) -> list[float]:
    """Latencies in ms, while `others` ask too. Raises RuntimeError when an answer, to whomever, was no good one."""
    asked = repeat(raw.request(TARGET))
    clients = [
        Client(partial(raw.plain, port), asked, size.every_s, size.every_s * i / size.clients)
        for i in range(size.clients)
    ]
    crowd = Crowd([*clients, *others])
    answers = crowd.ask(size.seconds)
    crowd.close()
    if wrong := {answer.status for answer in answers} - {200}:
        raise RuntimeError(f"answers were no 200 but {wrong}")
    return [answer.ms for answer in answers if not answer.name]


def _scraper(house: House, size: Size) -> Client:
    opening = partial(raw.plain, house.ports["metrics"])
    return Client(opening, repeat(raw.request("/metrics")), 1 / size.scrapes_per_s, fresh=True, name="scrape")


@contextmanager
def _passing(record: Record, port: int, size: Size) -> Iterator[None]:
    """As many requests as the proxy can pass on, for a second longer than the hits that they stand beside."""
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(wrk.run, port, PASSED_ON, seconds=size.seconds + 1, connections=size.passing)
        yield
    if load.result().errors:
        raise RuntimeError(f"{load.result().errors} requests were not passed on")
    record.result("pass-through traffic", "passed on per second", "1/s", load.result().rate)


@contextmanager
def _half_open(port: int, size: Size) -> Iterator[None]:
    """Connections on which the head of a request is begun and not ended."""
    with ExitStack() as stack:
        for number in range(size.half_open):
            connection = stack.enter_context(raw.plain(port, number))
            connection.sendall(BEGUN.encode())
        yield


def _judge(record: Record, name: str, spent: Sequence[float]) -> None:
    record.spread(name, "latency of hits", "ms", spent)
    record.at_most(f"latency of hits P99 in ms, {name}", P99_MS, percentile(spent, 0.99))
