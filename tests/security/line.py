"""A connection of a client that says what it likes and reads strictly."""

import select
import socket
import ssl
from dataclasses import dataclass

PIECE_BYTES = 65_536


@dataclass(frozen=True)
class Reply:
    """A complete answer; `cache` is its Cache-Status."""

    status: int
    cache: str
    body: bytes
    closes: bool


class OutOfStep(Exception):
    """Something else than an answer stands where one has to begin."""


class Line:
    """Of requests and answers, on `connection`, which it closes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def patience(self, seconds: float) -> None:
        """How long to wait for each part of an answer."""
        self._connection.settimeout(seconds)

    def send(self, raw: bytes) -> None:
        """What the other side no longer takes is lost."""
        try:
            self._connection.sendall(raw)
        except OSError:
            return

    def offer(self, raw: memoryview, seconds: float = 0.0) -> memoryview:
        """What is left of it when the other side has taken nothing for so long. From the thread that reads: before
        Python 3.13 a socket with TLS is for one thread."""
        patience = self._connection.gettimeout()
        self._connection.settimeout(0.0)
        while raw:
            try:
                raw = raw[self._connection.send(raw[:PIECE_BYTES]) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not select.select([], [self._connection], [], seconds)[1]:
                    break
        self._connection.settimeout(patience)
        return raw

    def reply(self, *, bodiless: bool = False) -> Reply | None:
        """The next answer, None at the end of the connection. Raises TimeoutError when nothing comes,
        OutOfStep when it is no answer."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        if not line.startswith("HTTP/1."):
            raise OutOfStep(line)
        fields = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        status = int(line.split(" ")[1])
        if 100 <= status < 200 and status != 101:
            return self.reply(bodiless=bodiless)
        closes = fields.get("connection", "").lower() == "close"
        size = 0 if bodiless or status in (101, 204, 304) else int(fields.get("content-length", 0))
        while len(self._buffer) < size:
            if not self._more():
                return None
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Reply(status, fields.get("cache-status", ""), body, closes)

    def exactly(self, size: int) -> bytes:
        """What comes next, whatever it is; less when the connection ends before."""
        while len(self._buffer) < size and self._more():
            pass
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _more(self) -> bool:
        try:
            data = self._connection.recv(65_536)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)
