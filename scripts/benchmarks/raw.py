"""Clients by hand on one epoll: so cheap that ten thousand of them, or hundreds that ask at once, measure the server
and not themselves."""

import gc
import heapq
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from scripts.rig import HOST, percentile

from .wrk import Load

TIMEOUT_S = 15.0
_CHUNK = 1 << 17
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Connections of one client address: a fleet has many.
_PER_ADDRESS = 1000

type Opening = Callable[[], socket.socket]


def request(target: str, *fields: str) -> bytes:
    """A GET; `fields` are header lines."""
    return "".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", f"Host: {HOST}", *fields, "")).encode()


def plain(port: int, number: int = 0) -> socket.socket:
    """`number` is that of the client, which decides its address."""
    source = f"127.0.{1 + number // _PER_ADDRESS}.1"
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S, source_address=(source, 0))


def over_tls(opening: Opening) -> Opening:
    """Connections whose handshake, a full one, comes with the first request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return lambda: context.wrap_socket(opening(), server_hostname=HOST, do_handshake_on_connect=False)


def tunnel(port: int, to: int) -> socket.socket:
    """Through an explicit proxy, to that port of the provider. Raises ConnectionError."""
    with ExitStack() as failing:
        connection = failing.enter_context(plain(port))
        connection.sendall(f"CONNECT {HOST}:{to} HTTP/1.1\r\nHost: {HOST}:{to}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (data := connection.recv(1)):
                raise ConnectionError("the proxy closed the connection that asked for a tunnel")
            head += data
        if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")):
            raise ConnectionError(f"no tunnel: {head!r}")
        failing.pop_all()
    return connection


class Answer(NamedTuple):
    """Times are monotonic seconds. Status 0: the connection broke, or no answer came in time."""

    name: str
    started: float
    ended: float
    status: int
    head: bytes

    @property
    def ms(self) -> float:
        return 1000 * (self.ended - self.started)


@dataclass(slots=True, eq=False)
class Client:
    """Asks every `every_s`, for the first time `first_s` after the start, until there are no more `requests`; 0: as
    soon as it has its answer. `fresh`: on a new connection each time."""

    opening: Opening
    requests: Iterator[bytes]
    every_s: float = 0.0
    first_s: float = 0.0
    fresh: bool = False
    name: str = ""
    due: float = 0.0
    started: float = 0.0
    waits: bool = False
    connection: socket.socket | None = None
    _shaken: bool = False
    _missing: int = -1
    _head: bytes = b""
    _asked: bytes = field(default=b"", repr=False)

    def connect(self) -> socket.socket:
        self.close()
        self.connection = self.opening()
        self.connection.setblocking(False)
        self._shaken = not isinstance(self.connection, ssl.SSLSocket)
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ask(self, asked: bytes) -> None:
        """Raises OSError."""
        assert self.connection is not None
        self._missing, self._head, self._asked, self.waits = -1, b"", asked, True
        if self._shaken or self._shake():
            self.connection.send(self._asked)

    def _shake(self) -> bool:
        assert isinstance(self.connection, ssl.SSLSocket)
        with suppress(ssl.SSLWantReadError):
            self.connection.do_handshake()
            self._shaken = True
        return self._shaken

    def read(self) -> bool:
        """Whether the answer is complete. Raises OSError, ValueError."""
        assert self.connection is not None
        if not self._shaken:
            if self._shake():
                self.connection.send(self._asked)
            return False
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            while data := self.connection.recv(_CHUNK):
                self._take(data)
                if self.waits and not self._missing:
                    return True
            raise ConnectionResetError("closed by the server")
        return False

    def _take(self, data: bytes) -> None:
        if self._missing >= 0:
            self._missing -= len(data)
            return
        self._head += data
        if (end := self._head.find(b"\r\n\r\n")) < 0:
            return
        length = _LENGTH.search(self._head, 0, end + 2)
        if length is None:
            raise ValueError(f"an answer without a length: {self._head[:end]!r}")
        self._missing = end + 4 + int(length[1]) - len(self._head)
        self._head = self._head[:end]

    def answer(self, ended: float, *, broken: bool = False) -> Answer:
        self.waits = False
        status = 0 if broken else int(self._head[9:12])
        return Answer(self.name, self.started, ended, status, self._head)


class Crowd:
    """Clients that ask together. Their connections stay open between two runs of load."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._poll = select.epoll()
        self._by_fd: dict[int, Client] = {}
        for client in clients:
            if not client.fresh:
                self._connect(client)

    def _connect(self, client: Client) -> None:
        connection = client.connect()
        self._by_fd[connection.fileno()] = client
        self._poll.register(connection, select.EPOLLIN)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._poll.close()

    def ask(self, seconds: float) -> list[Answer]:
        """Asks that long, and waits for what is under way then; the answers in the order in which they came."""
        gc.collect()
        gc.disable()
        try:
            return self._ask(time.monotonic(), seconds)
        finally:
            gc.enable()

    def _ask(self, begin: float, seconds: float) -> list[Answer]:
        end, answers = begin + seconds, list[Answer]()
        due = [(begin + client.first_s, number) for number, client in enumerate(self._clients)]
        numbers = {id(client): number for number, client in enumerate(self._clients)}
        heapq.heapify(due)
        waiting = 0

        def again(client: Client, now: float, answer: Answer) -> None:
            answers.append(answer)
            next_due = max(now, client.due + client.every_s)
            if next_due < end:
                heapq.heappush(due, (next_due, numbers[id(client)]))

        while (now := time.monotonic()) < end + TIMEOUT_S:
            while due and due[0][0] <= now:
                moment, number = heapq.heappop(due)
                client = self._clients[number]
                if (asked := next(client.requests, None)) is None:
                    continue
                client.due = moment
                if self._start(client, asked):
                    waiting += 1
                else:
                    again(client, now, client.answer(now, broken=True))
            if not (waiting or due):
                break
            for fd, _ in self._poll.poll(max(0.0, due[0][0] - now) if due else 1.0):
                if (answer := self._read(self._by_fd[fd])) is not None:
                    waiting -= 1
                    again(self._by_fd[fd], answer.ended, answer)
        answers += [client.answer(now, broken=True) for client in self._clients if client.waits]
        return answers

    def _start(self, client: Client, asked: bytes) -> bool:
        """Whether the request is on its way."""
        client.started = time.monotonic()
        try:
            if client.fresh or client.connection is None:
                self._connect(client)
            client.ask(asked)
        except OSError:
            client.close()
            return False
        return True

    def _read(self, client: Client) -> Answer | None:
        """The answer, if it is complete or broken now."""
        asked = client.waits
        try:
            if not client.read():
                return None
            return client.answer(time.monotonic()) if asked else None
        except (OSError, ValueError):
            client.close()
            return client.answer(time.monotonic(), broken=True) if asked else None


def summary(answers: Sequence[Answer], seconds: float) -> Load:
    spent = [answer.ms for answer in answers]
    return Load(
        len(answers),
        seconds,
        percentile(spent, 0.5),
        percentile(spent, 0.99),
        max(spent, default=0.0),
        sum(answer.status != 200 for answer in answers),
    )


def fetch(port: int, asked: bytes) -> bytes:
    """The whole answer, as it came. Raises OSError, ValueError."""
    with plain(port) as connection:
        connection.sendall(asked)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _length(data):
            if not (more := connection.recv(_CHUNK)):
                raise ConnectionResetError("closed by the server before its answer was complete")
            data += more
    return data


def _length(data: bytes) -> int:
    if (found := _LENGTH.search(data)) is None:
        raise ValueError(f"an answer without a length: {data[:200]!r}")
    return int(found[1])
