"""What a server in Python can do at most: it receives, looks into a dict and sends. On uvloop where there is one.

python -m scripts.benchmarks.bare FILE PORT TLS_PORT CERTIFICATE
(FILE: JSON by request target of the whole answers in identity and in gzip, their bytes as Latin-1)
"""

import asyncio
import json
import signal
import ssl
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

type Answers = dict[bytes, tuple[bytes, bytes]]


def loop_name() -> str:
    return "asyncio" if find_spec("uvloop") is None else "uvloop"


class Bare(asyncio.Protocol):
    """Takes each request to come in one piece, as load tools send it."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own class does not descend from it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answers[data[4 : data.index(b" ", 4)]][b"gzip" in data]
        if b"Connection: close" not in data:
            self._transport.write(answer)
            return
        self._transport.write(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        self._transport.close()


def read(path: Path) -> Answers:
    return {
        target.encode(): (identity.encode("latin-1"), gzip.encode("latin-1"))
        for target, (identity, gzip) in json.loads(path.read_text()).items()
    }


async def serve(answers: Answers, port: int, tls_port: int, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    plain = await loop.create_server(lambda: Bare(answers), "127.0.0.1", port, backlog=4096)
    tls = await loop.create_server(lambda: Bare(answers), "127.0.0.1", tls_port, backlog=4096, ssl=context)
    async with plain, tls:
        await stopped.wait()


def main() -> None:
    path, port, tls_port, certificate = sys.argv[1:]
    factory = asyncio.new_event_loop if loop_name() == "asyncio" else import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(read(Path(path)), int(port), int(tls_port), certificate))


if __name__ == "__main__":
    main()
