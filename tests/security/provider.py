"""A provider that keeps every byte that reaches it and reads strictly, so that what two readers could understand
differently does not go unnoticed."""

import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


@dataclass(frozen=True)
class Arrival:
    """A request as it came in; not `clean`: another reader may find another request in it."""

    head: bytes
    body: bytes = b""
    clean: bool = True


@dataclass
class Provider:
    """A running one. Answers every request with JSON that holds its head, under 200."""

    port: int
    arrivals: list[Arrival] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def heads(self, word: bytes) -> list[Arrival]:
        """The requests whose head holds it."""
        return [arrival for arrival in self.arrivals if word in arrival.head]


@contextmanager
def provider() -> Iterator[Provider]:
    """Serves on a free port of this machine until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        made = Provider(listener.getsockname()[1])
        made.answers.set()
        threading.Thread(target=_accept, args=(listener, made), daemon=True).start()
        yield made
        # Closing alone does not wake `accept`.
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, made: Provider) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, made), daemon=True).start()


def _serve(connection: socket.socket, made: Provider) -> None:
    with closing(connection), suppress(OSError), connection.makefile("rb") as reader:
        while head := _head(reader):
            arrival = _read(head, reader)
            made.arrivals.append(arrival)
            made.answers.wait()
            if b"\r\nUpgrade: echo\r\n" in head:
                _echo(connection)
                return
            body = json.dumps([{"id": head.decode("latin-1"), "bookmakers": []}]).encode()
            method = head.partition(b" ")[0]
            ends = b"" if arrival.clean else b"Connection: close\r\n"
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
                % (ends, len(body))
                + (b"" if method == b"HEAD" else body)
            )
            if not arrival.clean:
                return


def _echo(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    while data := connection.recv(65_536):
        connection.sendall(data)


def _head(reader: io.BufferedIOBase) -> bytes:
    """With its empty line; what there is when the connection ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        head += line
        if not line:
            break
    return head


def _read(head: bytes, reader: io.BufferedIOBase) -> Arrival:
    line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    found = [_FIELD.fullmatch(each) for each in lines]
    names = [each[1].lower() for each in found if each]
    fields = {each[1].lower(): each[2].strip(b" \t") for each in found if each}
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    clean = (
        head.endswith(b"\r\n\r\n")
        and bool(_LINE.fullmatch(line))
        and all(found)
        and [names.count(once) for once in (b"host", b"content-length", b"transfer-encoding")]
        == [1, length is not None, coding is not None]
        and (length is None or coding is None)
        and (length is None or bool(re.fullmatch(rb"[0-9]{1,9}", length)))
        and (coding is None or coding.lower() == b"chunked")
    )
    if not clean:
        return Arrival(head, clean=False)
    return Arrival(head, _chunks(reader) if coding else reader.read(int(length or 0)))


def _chunks(reader: io.BufferedIOBase) -> bytes:
    body = b""
    while size := int(reader.readline().strip(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return body
