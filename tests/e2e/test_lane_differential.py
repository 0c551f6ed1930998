"""The lane and the ordinary path answer alike: a house with the lane and one without are told the same bytes, at the
same time, and of what they say not a byte differs."""

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from scripts.rig import HOST, House, running, write_house
from scripts.soak.clock import Clock
from tests.e2e.test_lane import ways
from tests.e2e.wire import ask, calm_window, dial, to_the_end
from tests.security.generated import spelled
from tests.security.provider import Provider, provider

CONVERSATIONS, PER_KEY, PER_MOMENT = 1_000, 100, 50
"""2,600 requests together; and after how many there is another key in demand, and another time."""
STEP_S = 7.3


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """One for both houses. It stands but where a test moves it, so that no age depends on who is first."""
    clock = Clock(tmp_path / "clock")
    clock.stop(time.time())
    return clock


@pytest.fixture
def houses(clock: Clock, tmp_path: Path) -> Iterator[tuple[Provider, Sequence[House]]]:
    """With the lane and without, in front of one provider. Only clients cause calls."""
    window = calm_window()
    lanes = {"on": "observe = 0", "off": "enabled = false"}
    with provider() as behind, ExitStack() as stack:
        made = [
            write_house(
                tmp_path / name,
                f"http://127.0.0.1:{behind.port}",
                f"[lane]\n{lane}",
                window_s=window,
                max_stale_s=2 * window,
                rate_per_s=10_000,
                burst=10_000,
            )
            for name, lane in lanes.items()
        ]
        for house in made:
            house.extra_environment = clock.environment
            stack.enter_context(running(house))
        yield behind, made


def conversation(random: Random, sport: str, tag: str) -> tuple[bytes, list[int], int]:
    """What a client says on a connection, to its end, where it is cut, and how often it is said: one request alone,
    twice, since the lane remembers the bytes of what it has answered; or some in any spelling and a plain one, which
    tells whether the connection is in step. `tag` is that of the answer to the plain one."""
    plain = (
        *("GET", "GET", "HEAD"),
        *(f"GET|If-None-Match: {tag}", f"HEAD|If-None-Match: {tag}", "GET|Accept-Encoding: gzip"),
        f"GET|Accept-Encoding: gzip|If-None-Match: {tag}",
    )
    method, *fields = random.choice(plain).split("|")
    lines = [f"{method} {target(sport)} HTTP/1.1", f"Host: {HOST}", *fields, "Connection: close", "", ""]
    said = [spelled(random, [sport, "epl"]) for _ in range(random.choice((0, 1, 1, 2, 2, 3)))]
    if len(said) != 1:
        said.append("\r\n".join(lines).encode())
    raw = b"".join(said)
    cuts = sorted(random.sample(range(1, len(raw)), random.choice((0, 0, 0, 1, 2))))
    return raw, cuts, 2 if len(said) == 1 else 1


def target(sport: str) -> str:
    return f"/v4/sports/{sport}/odds?regions=uk&markets=h2h&apiKey=k"


def told(ports: Sequence[int], raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    """All that each of them answers, until it closes."""
    with ExitStack() as stack:
        lines = [stack.enter_context(dial(port)) for port in ports]
        for begin, end in pairwise((0, *cuts, len(raw))):
            for line in lines:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with suppress(ConnectionError):
                    line.sendall(raw[begin:end])
            if cuts:
                time.sleep(0.001)
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        return [to_the_end(line) for line in lines]


def test_the_same_bytes_are_answered_by_the_same_bytes(clock: Clock, houses: tuple[Provider, Sequence[House]]):
    """And the provider is asked for the same."""
    behind, pair = houses
    ports = [house.ports["reverse"] for house in pair]
    now, tag, differ, given = time.time(), "", [], Counter[bytes]()
    for seed in range(CONVERSATIONS):
        sport = f"sport{seed // PER_KEY}"
        if seed % PER_MOMENT == 0:
            clock.stop(now := now + STEP_S)
        if seed % PER_KEY == 0:
            tag, same = (ask(port, target(sport))["etag"] for port in ports)
            assert tag == same
        raw, cuts, times = conversation(Random(seed), sport, tag)
        for _ in range(times):
            arrived = len(behind.arrivals)
            lane, flows = told(ports, raw, cuts)
            asked = Counter((arrival.head, arrival.body) for arrival in behind.arrivals[arrived:])
            if lane != flows or any(number % 2 for number in asked.values()):
                differ.append((seed, raw, lane, flows, asked))
            given.update(head[:3] for head in lane.split(b"HTTP/1.1 ")[1:])
    assert not differ, f"{len(differ)} differ, among them {differ[:3]}"
    assert min(given[status] for status in (b"200", b"304", b"400")) > 100, given
    on, off = (ways(house.metrics("metrics")) for house in pair)
    assert (off["hit"], off["waited"]) == (0, 0)
    assert min(on["hit"], on["passed"]) > 300, on
    assert on["waited"] > 50, on
