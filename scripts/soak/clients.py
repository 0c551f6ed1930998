"""Clients that poll, and read answers to the letter: a body that is cut, or that is too long, is an error."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HANG_S = 30.0
"""Who has no answer by then counts as forgotten. Longer than any time-out of the configurations that are used."""

type Sound = Callable[[str, int, bytes], bool]
"""Whether a body is whole, by target, the revision that its head tells, and the body."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one client asks again and again."""

    host: str
    target: str
    every_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, or why there was none; times in Unix seconds, by a clock that nobody steps. `error` is "hang" for no
    answer at all. `whole` is whether the body is what the provider made, all of it."""

    client: int
    asked_at: float
    at: float
    status: int = 0
    revision: int = 0
    generated_at: float = 0.0
    whole: bool = True
    cache: str = ""
    error: str = ""
    body: bytes = b""

    @property
    def good(self) -> bool:
        return self.status == 200 and self.whole and not self.error

    @property
    def age_s(self) -> float:
        """How old its content was at least when it was given; 0 where it does not tell. Of when it was read a busy
        machine decides."""
        return self.asked_at - self.generated_at if self.generated_at else 0.0


class Crowd:
    """Each question is one client's, on an event loop in a thread. Every second client keeps its connection."""

    def __init__(self, port: int, questions: Sequence[Question], sound: Sound) -> None:
        self.port = port
        self._questions = questions
        self._sound = sound
        self._stop = threading.Event()
        self.seen: list[Seen] = []

    @contextmanager
    def on(self) -> Iterator["Crowd"]:
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def of(self, *clients: int, since: float = 0.0) -> list[Seen]:
        """What these saw of what they asked since then, in the order of the answers."""
        return [one for one in list(self.seen) if one.client in clients and one.asked_at >= since]

    async def _all(self) -> None:
        jobs = [self._poll(client, question) for client, question in enumerate(self._questions)]
        await asyncio.gather(*jobs)

    async def _poll(self, client: int, question: Question) -> None:
        await asyncio.sleep(question.every_s * client / len(self._questions))
        connection = Connection(self.port)
        while not self._stop.is_set():
            self.seen.append(await self.ask(client, question, connection))
            if client % 2:
                connection.close()
            await asyncio.sleep(question.every_s)
        connection.close()

    async def ask(self, client: int, question: Question, connection: "Connection") -> Seen:
        asked_at = time.time()
        try:
            async with asyncio.timeout(HANG_S):
                status, fields, body = await connection.get(question.host, question.target)
        except TimeoutError:
            connection.close()
            return Seen(client, asked_at, time.time(), error="hang")
        except (OSError, EOFError, ValueError) as error:
            connection.close()
            return Seen(client, asked_at, time.time(), error=repr(error))
        revision = int(fields.get("x-emulator-revision", 0))
        whole = status != 200 or self._sound(question.target, revision, body)
        return Seen(
            client,
            asked_at,
            time.time(),
            status,
            revision,
            float(fields.get("x-emulator-generated-at", 0.0)),
            whole,
            fields.get("cache-status", ""),
            "",
            b"" if status == 200 and whole else body[:200],
        )


class Connection:
    """HTTP/1.1 with nothing forgiven: ValueError for an answer without a length, or with bytes behind it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
        self._streams = None

    async def get(self, host: str, target: str) -> tuple[int, dict[str, str], bytes]:
        """Status, fields by lower-case name, body. A kept connection that was closed meanwhile is opened anew."""
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip()
        line, *told = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in told)}
        if "content-length" not in fields:
            raise ValueError(f"an answer without a length: {line}")
        body = await reader.readexactly(int(fields["content-length"]))
        if reader._buffer:  # type: ignore[attr-defined]
            raise ValueError("more than one answer")
        if "close" in fields.get("connection", ""):
            self.close()
        return int(line.split()[1]), fields, body
