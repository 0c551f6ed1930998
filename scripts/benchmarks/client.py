"""A client light enough to be many: HTTP/1.1 on a keep-alive connection, by hand."""

import asyncio
import time
from dataclasses import dataclass, field

from scripts.rig import HOST

TIMEOUT_S = 15.0


class NoAnswerError(Exception):
    """No complete answer came. The message is `refused` (no connection), `lost` (it broke) or `timeout`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; `seconds` from the first byte of the request to the last of the answer."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = field(repr=False)
    seconds: float

    def header(self, name: bytes) -> bytes | None:
        """Of the first field of that name, given in lower case."""
        return next((value for key, value in self.fields if key.lower() == name), None)


class KeepAlive:
    """One client with one connection, opened when needed, also again after the server closed it between answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str) -> Reply:
        """Raises NoAnswerError."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await self._connection()
                return await _exchange(reader, writer, target)
        except TimeoutError as error:
            self.close()
            raise NoAnswerError("timeout") from error
        except ConnectionRefusedError as error:
            raise NoAnswerError("refused") from error
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise NoAnswerError("lost") from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            if not (reader.at_eof() or writer.is_closing()):
                return self._streams
            self.close()
        self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> Reply:
    started = time.perf_counter()
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head[:-4].split(b"\r\n")
    fields = tuple(_field(line) for line in lines)
    size = next(int(value) for name, value in fields if name.lower() == b"content-length")
    body = await reader.readexactly(size)
    return Reply(int(status.split(b" ", 2)[1]), fields, body, time.perf_counter() - started)


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip()
