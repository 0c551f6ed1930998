"""A good answer, and the connection on which it is sent or spoilt."""

import asyncio
import socket
import struct
from dataclasses import dataclass, replace

REASONS = {100: "Continue", 103: "Early Hints", 200: "OK", 404: "Not Found", 429: "Too Many Requests"}
# SO_LINGER with a time of 0 makes close() send RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Good:
    """`fields` are without those that frame the body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def head(self, *framing: tuple[str, str]) -> bytes:
        """Status line and fields, those of `framing` last."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in (*self.fields, *framing)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def sized(self, length: int | None = None) -> bytes:
        """The head with the length of the body, or another one."""
        return self.head(("Content-Length", str(len(self.body) if length is None else length)))

    def chunked(self) -> bytes:
        return self.head(("Transfer-Encoding", "chunked"))

    @property
    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]

    def saying(self, body: bytes, content_type: str = "application/json") -> "Good":
        """The same with another body."""
        kept = tuple(field for field in self.fields if field[0].lower() != "content-type")
        return replace(self, fields=(*kept, ("Content-Type", content_type)), body=body)


class Wire:
    """A connection after a request was read from it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Raises OSError when the peer has left."""
        self._writer.write(data)
        await self._writer.drain()

    @property
    def asked(self) -> bool:
        """Whether something has come that was not read yet."""
        return bool(self._reader._buffer)  # type: ignore[attr-defined]

    async def silence(self) -> None:
        """Until the peer leaves."""
        while await self._reader.read(65_536):
            pass

    async def reset(self, after_s: float = 0.05) -> None:
        """Not before the peer can have read what was sent: a reset takes unread bytes with it."""
        await asyncio.sleep(after_s)
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._writer.transport.abort()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


END = b"0\r\n\r\n"
