"""A real emulator process per test module, and boards at a fixed time."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.emulator.answers import Answer, compose
from scripts.emulator.board import Board
from scripts.emulator.query import endpoint, parse, target
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

ROOT = Path(__file__).parents[2]
START = 1_790_000_000
QUICK = ("--latency-p50-ms", "0", "--rate", "0", "--tick-s", "0.05")


@dataclass(frozen=True)
class Reply:
    """Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    process: subprocess.Popen[str]
    address: str

    def get(self, path: str, /, **headers: str) -> Reply:
        """One GET on a connection of its own; without headers nothing but Host is sent."""
        return self.send("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode())
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def control(self, **settings: Any) -> Reply:
        return self.order("/_control", **settings)

    def order(self, path: str, /, **document: Any) -> Reply:
        return self.send("POST", path, json.dumps(document))


def start(*options: str) -> Server:
    command = [sys.executable, "-m", "scripts.emulator", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening http://127.0.0.1:"), line
    return Server(process, urlsplit(line.split()[1]).netloc)


def stop(server: Server) -> int:
    server.process.terminate()
    status = server.process.wait(timeout=30)
    assert server.process.stdout is not None
    server.process.stdout.close()
    return status


@pytest.fixture
def starting() -> Iterator[Callable[..., Server]]:
    """Starts servers with options of the test's own."""
    started: list[Server] = []

    def begin(*options: str) -> Server:
        started.append(start(*options))
        return started[-1]

    yield begin
    for server in started:
        stop(server)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    server = start(*QUICK, "--seed", "5")
    yield server
    stop(server)


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The module's server with its settings and counts as at the start."""
    settings = shared_server.get("/_control").json
    assert shared_server.send("POST", "/_stats/reset").status == 200
    yield shared_server
    assert shared_server.control(**settings).status == 200


@pytest.fixture(scope="session")
def world() -> World:
    return World(seed=11, start=START)


@pytest.fixture(scope="session")
def board(world: World) -> Board:
    """The board of tick 30."""
    return Timeline(world).at(START + 30)


@pytest.fixture(scope="session")
def ask(world: World, board: Board) -> Callable[[str], Answer]:
    """Answers a path with its query from `board`, without a server."""

    def answer(url: str) -> Answer:
        path, _, query = url.partition("?")
        where = endpoint(path)
        assert where is not None
        return compose(world, board, parse(where, target(path, query).pairs))

    return answer
