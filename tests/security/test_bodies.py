"""S29 and S31: bodies of requests that are passed on take no more memory than is set, and none is waited for for
ever."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import pytest

from scripts.rig import HOST, House, running, wait_for, write_house
from tests.e2e.wire import TIMEOUT_S, ask, dial, encrypted, to_the_end, total, trusting, tunnel
from tests.security.provider import Provider, provider

IDLE_S = 4.0
MIB = 1 << 20
MOST = 8 * MIB
UNFINISHED = {
    "a large one": ("POST", "Content-Length: 100000\r\n\r\nxx"),
    "a small one": ("PUT", "Content-Length: 100\r\n\r\nxx"),
    "none of it": ("POST", "Content-Length: 100\r\n\r\n"),
    "of a GET": ("GET", "Content-Length: 100\r\n\r\nxx"),
    "chunks": ("POST", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    "a part of a chunk": ("POST", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    "announced": ("POST", "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"),
}


@dataclass
class Place:
    house: House
    provider: Provider

    def closed(self, reason: str) -> float:
        return total(self.house.metrics("metrics"), "holdover_lane_connections_closed_total", f'reason="{reason}"')

    def memory(self) -> int:
        """Resident bytes of the proxy."""
        return int(Path(f"/proc/{self.house.pid('proxy')}/statm").read_text().split()[1]) * 4096

    def post(self, size: int) -> int:
        return ask(self.house.ports["reverse"], "/v4/posted", method="POST", body=b"x" * size).status


@contextmanager
def _place(folder: Path, lane: str) -> Iterator[Place]:
    with provider() as vendor:
        house = write_house(folder, f"http://127.0.0.1:{vendor.port}", f"[lane]\n{lane}")
        with running(house):
            yield Place(house, vendor)


@pytest.fixture(params=["true", "false"], ids=["lane", "flows"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    lines = f"enabled = {request.param}\nidle_timeout_s = {IDLE_S}\nmax_bodies_bytes = {MOST}"
    with _place(tmp_path, lines) as made:
        yield made


def begun(method: str, rest: str) -> bytes:
    return f"{method} /v4/begun HTTP/1.1\r\nHost: {HOST}\r\n{rest}".encode()


def test_a_body_that_does_not_go_on_is_waited_for_no_longer(place: Place):
    """Unlike the answer to a request that is whole, and one of which some comes now and then."""
    reverse, regular = place.house.ports["reverse"], place.house.ports["regular"]
    place.provider.answers.clear()
    with ExitStack() as ends:
        whole, slow = (ends.enter_context(dial(reverse)) for _ in range(2))
        whole.sendall(begun("POST", "Content-Length: 5\r\n\r\nhello"))
        slow.sendall(begun("POST", "Content-Length: 1000\r\n\r\n"))
        made = [dial(reverse) for _ in UNFINISHED]
        made += [tunnel(regular, f"{HOST}:80"), encrypted(dial(reverse), trusting(place.house), HOST)]
        stopped = [ends.enter_context(each) for each in made]
        for client, (method, rest) in zip(
            stopped, [*UNFINISHED.values(), *list(UNFINISHED.values())[:2]], strict=True
        ):
            client.sendall(begun(method, rest))
        sent = 0
        while place.closed("body_timeout") < len(stopped):
            slow.sendall(b"x")
            sent += 1
            assert sent < 1000
            sleep(0.1)
        for client in stopped:
            got = to_the_end(client).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 408 "), got
        assert [each.body for each in place.provider.heads(b"/begun")] == [b"hello"]
        slow.sendall(b"x" * (1000 - sent))
        place.provider.answers.set()
        for client in (whole, slow):
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert place.closed("body_timeout") == len(stopped)


def test_all_together_take_no_more_than_the_limit(place: Place):
    """The largest give way; who sends little is not held up."""
    before = place.memory()
    with ExitStack() as ends:
        clients = [ends.enter_context(dial(place.house.ports["reverse"])) for _ in range(40)]
        for client in clients:
            with suppress(ConnectionError):
                client.sendall(begun("POST", f"Content-Length: {5 * MIB}\r\n\r\n") + b"x" * (4 * MIB))
        assert place.post(100_000) == 200
        assert place.closed("max_bodies") >= len(clients) - 3
        assert place.memory() - before < 60 * MIB
        assert place.provider.heads(b"/begun") == []
        refused = to_the_end(clients[0])
        assert refused == b"" or (refused.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in refused)
    wait_for(lambda: place.post(6 * MIB) == 200, TIMEOUT_S)


def test_what_clients_leave_unfinished_is_given_back(tmp_path: Path):
    """The collector of garbage would leave it for long: it heeds how many objects there are, not how large."""

    def leave(house: House) -> None:
        with ExitStack() as ends:
            clients = [ends.enter_context(dial(house.ports["reverse"])) for _ in range(24)]
            for client in clients:
                client.sendall(begun("POST", f"Content-Length: {5 * MIB}\r\n\r\n") + b"x" * (4 * MIB))

    with _place(tmp_path, "") as place:
        leave(place.house)
        before = place.memory()
        leave(place.house)
        leave(place.house)
        assert place.memory() - before < 96 * MIB
        assert place.closed("max_bodies") == 0
