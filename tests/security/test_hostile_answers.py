"""A provider, or who stands in its line, that answers to do harm: what of it reaches the store and other clients."""

import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from holdover.store.disk import DiskStore
from scripts.rig import HOST, House, running, write_house
from tests.e2e.wire import calm_window, dial
from tests.security.line import Line

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n%s\r\n[]"
SPLITS = {
    "NUL": b"X-Bad: a\x00b\r\n",
    "bare CR": b"X-Bad: a\rX-Planted: b\r\n",
    "bare LF": b"X-Bad: a\nX-Planted: b\r\n",
    "CR CR LF": b"X-Bad: a\r\r\nX-Planted: b\r\n",
    "a space in a name": b"X-Bad : a\r\n",
    "no name": b": a\r\n",
    "no colon": b"planted\r\n",
    "a folded line": b"X-Bad: a\r\n X-Planted: b\r\n",
    "a control byte": b"X-Bad: a\x0bb\x7f\r\n",
    "a name with a control byte": b"X-\x01Bad: a\r\n",
    "an encoded line end": "X-Bad: a\u560d\u560aX-Planted: b\r\n".encode(),
}
# LF alone ends a line, a fold is a space (RFC 9112 sections 2.2 and 5.2); a control byte that is neither, nor NUL,
# parts nothing (RFC 9110 section 5.5).
HARMLESS = {
    "bare LF": b"\r\nX-Bad: a\r\nX-Planted: b\r\n",
    "a folded line": b"\r\nX-Bad: a X-Planted: b\r\n",
    "a control byte": b"\r\nX-Bad: a\x0bb\x7f\r\n",
    "an encoded line end": "\r\nX-Bad: a\u560d\u560aX-Planted: b\r\n".encode(),
}
MIB = 1024 * 1024
_numbers = count(1)


@dataclass
class Vendor:
    """Answers a request whose target has a mark with the bytes that are `set` for it."""

    port: int
    answers: dict[bytes, Callable[[], Iterable[bytes]]] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def asked_for(self, name: str) -> int:
        return sum(name.encode() in line for line in self.asked)


@contextmanager
def vendor() -> Iterator[Vendor]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        made = Vendor(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, made), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, made: Vendor) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, made), daemon=True).start()


def _serve(connection: socket.socket, made: Vendor) -> None:
    with closing(connection), suppress(OSError), connection.makefile("rb") as reader:
        while line := reader.readline():
            while reader.readline().strip():
                pass
            made.asked.append(line)
            found = re.search(rb"/(h\d{5})", line)
            for part in made.answers.get(found[1] if found else b"", lambda: [GOOD % b""])():
                connection.sendall(part)
            if found and found[1] in made.answers:
                return


@dataclass
class Place:
    house: House
    vendor: Vendor

    def ask(self, target: str) -> tuple[int, str, bytes] | None:
        with Line(dial(self.house.ports["reverse"])) as line:
            line.send(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            reply = line.reply()
            return None if reply is None else (reply.status, reply.cache, reply.body)

    def raw(self, target: str) -> bytes:
        with dial(self.house.ports["reverse"]) as line:
            line.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: line.recv(65_536), b""))

    def stores(self, name: str) -> bool:
        entries = DiskStore(self.house.folder / "var" / "store", 2**30).entries()
        return any(name in entry.request.path for entry in entries)

    def memory(self) -> int:
        """Resident bytes of proxy and sidecar."""
        pages = [
            int(Path(f"/proc/{self.house.pid(name)}/statm").read_text().split()[1]) for name in ("proxy", "sidecar")
        ]
        return sum(pages) * 4096


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    with vendor() as made:
        house = write_house(
            tmp_path_factory.mktemp("hostile"),
            f"http://127.0.0.1:{made.port}",
            window_s=window,
            max_stale_s=2 * window,
            retries="0\nbreaker_failures = 1000",
            rate_per_s=10_000,
            burst=10_000,
            timeout_s=10,
        )
        with running(house):
            yield Place(house, made)


def mark() -> str:
    return f"h{next(_numbers):05d}"


def whole(raw: bytes) -> None:
    """No reader finds more lines in the head than another."""
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    assert not any(byte in head for byte in (b"\x00", b"\r", b"\n")), raw


@pytest.mark.parametrize("kind", [kind for kind in SPLITS if kind not in HARMLESS])
def test_a_field_that_could_be_two_is_not_stored(place: Place, kind: str):
    name = mark()
    place.vendor.answers[name.encode()] = lambda: [GOOD % SPLITS[kind]]
    for number in (1, 2):
        raw = place.raw(f"/v4/sports/{name}/odds?regions=uk")
        assert raw.startswith(b"HTTP/1.1 502 ")
        assert b"Cache-Status: holdover; fwd=" in raw
        whole(raw)
        assert place.vendor.asked_for(name) == number
    assert not place.stores(name)


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_the_same_to_every_reader_may_be(place: Place, kind: str):
    name = mark()
    place.vendor.answers[name.encode()] = lambda: [GOOD % SPLITS[kind]]
    for status in (b"fwd=uri-miss; stored", b"hit; ttl="):
        raw = place.raw(f"/v4/sports/{name}/odds?regions=uk")
        assert b"Cache-Status: holdover; " + status in raw
        assert HARMLESS[kind] in raw
        whole(raw)
    assert place.vendor.asked_for(name) == 1
    assert place.stores(name)


@pytest.mark.parametrize("kind", SPLITS)
def test_nor_does_it_become_two_on_its_way_to_the_one_who_asked(place: Place, kind: str):
    name = mark()
    place.vendor.answers[name.encode()] = lambda: [GOOD % SPLITS[kind]]
    raw = place.raw(f"/v4/elsewhere/{name}")
    assert raw.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 502 "))
    whole(raw)


@pytest.mark.parametrize("reason", [b"O\rX-Planted: a", b"O\x00K"], ids=["bare CR", "NUL"])
def test_nor_does_the_line_of_its_status(place: Place, reason: bytes):
    name = mark()
    place.vendor.answers[name.encode()] = lambda: [(GOOD % b"").replace(b"OK", reason, 1)]
    raw = place.raw(f"/v4/elsewhere/{name}")
    assert raw.startswith(b"HTTP/1.1 200 ")
    whole(raw)


def large(size: int, head: bytes) -> Iterator[bytes]:
    yield head
    part = b"[" + b" " * MIB
    for _ in range(size // MIB):
        yield part


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "until it ends"])
def test_an_answer_beyond_the_limit_is_not_taken_in(place: Place, told: bool):
    """Sent as 200 MB; what is taken before it is given up is a part of the limit."""
    name, size = mark(), 200 * MIB
    length = b"Content-Length: %d\r\n" % size if told else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s\r\n" % length
    place.vendor.answers[name.encode()] = lambda: large(size, head)
    before = place.memory()
    reply = place.ask(f"/v4/sports/{name}/odds?regions=uk")
    assert reply is not None
    assert reply[0] == 502
    assert place.memory() - before < 80 * MIB


@pytest.mark.parametrize("part", [b"X-A: %s\r\n" % (b"a" * 8_000), b"a" * 8_000], ids=["fields", "a field"])
def test_a_head_without_end_is_given_up(place: Place, part: bytes):
    """Of what passes; what is cached has narrower limits."""
    name, sent = mark(), [0]

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nX-A: "
        for _ in range(200 * MIB // len(part)):
            yield part
            sent[0] += len(part)

    place.vendor.answers[name.encode()] = endless
    reply = place.ask(f"/v4/elsewhere/{name}")
    assert reply is not None
    assert reply[0] == 502
    assert sent[0] < 20 * MIB


def test_an_answer_that_passes_is_not_kept_in_memory(place: Place):
    name, size = mark(), 200 * MIB
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    place.vendor.answers[name.encode()] = lambda: large(size, head)
    before, most, got = place.memory(), 0, 0
    with dial(place.house.ports["reverse"]) as line:
        line.sendall(f"GET /v4/elsewhere/{name} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        for _ in range(400):
            part = line.recv(MIB)
            got += len(part)
            most = max(most, place.memory())
            if not part or got > 60 * MIB:
                break
    assert most - before < 60 * MIB


@pytest.mark.parametrize("coding", ["length", "chunks"])
def test_a_request_beyond_the_limit_is_refused(place: Place, coding: str):
    """`[proxy] max_body_bytes` is 16 MiB."""
    before, asked = place.memory(), len(place.vendor.asked)
    told = f"Content-Length: {64 * MIB}" if coding == "length" else "Transfer-Encoding: chunked"
    part = b" " * MIB if coding == "length" else b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
    with dial(place.house.ports["reverse"]) as line:
        line.sendall(f"POST /v4/elsewhere HTTP/1.1\r\nHost: {HOST}\r\n{told}\r\n\r\n".encode())
        with suppress(OSError):
            for _ in range(20):
                line.settimeout(1.0)
                line.sendall(part)
        line.settimeout(30)
        with suppress(ConnectionError):
            answer = line.recv(65_536)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 413 "), answer
    assert len(place.vendor.asked) == asked
    assert place.memory() - before < 100 * MIB


def test_hits_are_given_while_a_bomb_is_taken_apart(place: Place):
    """200 MB of spaces in 200 kB of gzip."""
    name, good = mark(), f"/v4/sports/{mark()}/odds?regions=uk"
    squeezer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeezer.compress(b" " * MIB) for _ in range(200)) + squeezer.flush()
    assert len(bomb) < 250_000
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    )
    place.vendor.answers[name.encode()] = lambda: [head % len(bomb) + bomb]
    place.ask(good)
    asked = threading.Thread(target=place.ask, args=(f"/v4/sports/{name}/odds?regions=uk",))
    asked.start()
    before, hits = place.memory(), 0
    while asked.is_alive():
        reply = place.ask(good)
        assert reply is not None
        assert reply[1].startswith("holdover; hit")
        hits += 1
    asked.join()
    # Who had to wait for the bomb would be the only one.
    assert hits > 5
    assert place.memory() - before < 80 * MIB
    reply = place.ask(f"/v4/sports/{name}/odds?regions=uk")
    assert reply is not None
    assert reply[0] in (200, 502)
