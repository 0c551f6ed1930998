"""An origin that each request tells what to answer, as public tests of HTTP caches have it, and a house before it.

A case is a list of steps. Each is a request with what the origin answers if it is asked, and with what is expected:
whether the origin was asked, with which fields, and what the client gets."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any

from scripts.rig import House, running, write_house
from tests.e2e.wire import Reply, ask

HOST = "origin.test"
SCRIPT = "Test-Script"
_numbers = count(1)

PROVIDER = """
name = "origin"
hosts = ["{host}", "127.0.0.1"]
origin = "http://127.0.0.1:{port}"
clients = "open"
personal = ["X-Who"]

[limits]
timeout_s = 3
max_body_bytes = 1048576
{limits}

[[routes]]
name = "all"
path = "{path}"
unknown = "key"
{lines}
"""
ORIGIN_MODE = 'freshness = "origin"'


@dataclass(frozen=True)
class Step:
    """`says`: the origin's fields; a number as value of a date field is seconds from now. `came`: whether the origin
    was asked; None for either. `saw`: fields that it saw (None: not there). `gets`: fields of the client's answer;
    `way`: how its Cache-Status begins. `fault`: `close` without an answer,
    `short` of the body that was told, `unmarked` where it ends. `interim` comes before it; `body` is repeated, each
    time after `drip` seconds."""

    sends: Mapping[str, str] = field(default_factory=dict)
    says: Sequence[tuple[str, str | int]] = ()
    status: int = 200
    body: str | None = None
    method: str = "GET"
    path: str = ""
    query: str = ""
    wait: float = 0.0
    came: bool | None = None
    saw: Mapping[str, str | None] = field(default_factory=dict)
    gets: Mapping[str, str | None] = field(default_factory=dict)
    answer: int | None = None
    gives: str | None = None
    way: str | None = None
    fault: str = ""
    delay: float = 0.0
    interim: str = ""
    times: int = 1
    drip: float = 0.0


@dataclass
class Seen:
    """A request as it reached the origin."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return ", ".join(values) if values else None


@dataclass
class Scripted:
    port: int
    seen: list[Seen] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    """By target, for requests that come without one."""
    now: int = 0
    most: int = 0
    """Requests that it has not answered: now, and at one time."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, mark: str) -> list[Seen]:
        return [one for one in self.seen if mark in one.target]


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Serves on a free port until the block ends; each connection in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        origin = Scripted(door.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(door, origin), daemon=True)
        thread.start()
        yield origin
        door.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _accept(door: socket.socket, origin: Scripted) -> None:
    while True:
        try:
            connection, _ = door.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, origin), daemon=True).start()


def _serve(connection: socket.socket, origin: Scripted) -> None:
    with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
        while line := lines.readline():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            fields: list[tuple[str, str]] = []
            while (header := lines.readline().decode("latin-1").strip("\r\n")) != "":
                name, _, value = header.partition(":")
                fields.append((name, value.strip()))
            seen = Seen(method, target, tuple(fields))
            seen.body = lines.read(int(seen["content-length"] or 0))
            script = json.loads(base64.b64decode(seen[SCRIPT] or origin.scripts.get(target) or "") or "{}")
            origin.seen.append(seen)
            number = len(origin.seen)
            with origin.lock:
                origin.now += 1
                origin.most = max(origin.most, origin.now)
            time.sleep(script.get("delay", 0))
            with origin.lock:
                origin.now -= 1
            if script.get("fault") == "close":
                return
            try:
                _send(connection, _answer(seen, script, number), script)
            except OSError:
                return
            if script.get("fault"):
                return


def _send(connection: socket.socket, answer: bytes, script: Mapping[str, Any]) -> None:
    head = answer.index(b"\r\n\r\n") + 4 if script.get("drip") else len(answer)
    connection.sendall(answer[:head])
    size = len(script.get("body") or " ")
    for start in range(head, len(answer), size):
        time.sleep(script["drip"])
        connection.sendall(answer[start : start + size])


def _answer(seen: Seen, script: Mapping[str, Any], number: int) -> bytes:
    status = script.get("status", 200)
    told_body: str | None = script.get("body")
    body = (f"answer {number}" if told_body is None else told_body * script.get("times", 1)).encode()
    fields = [
        (name, formatdate(time.time() + value, usegmt=True) if isinstance(value, int) else value)
        for name, value in script.get("says", ())
    ]
    told = {name.lower() for name, _ in fields}
    if "date" not in told:
        fields.append(("Date", formatdate(usegmt=True)))
    fault = script.get("fault")
    bodiless = status in (204, 304)
    if not bodiless and fault != "unmarked" and told.isdisjoint(("transfer-encoding", "content-length")):
        fields.append(("Content-Length", str(len(body) + (10 if fault == "short" else 0))))
    if "transfer-encoding" in told:
        body = b"%x\r\n%b\r\n" % (len(body), body) + (b"" if fault == "short" else b"0\r\n\r\n")
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")
    interim: str = script.get("interim", "")
    head = interim.encode() + b"HTTP/1.1 %d Told\r\n%b\r\n" % (status, lines)
    return head + (b"" if bodiless or seen.method == "HEAD" else body)


@contextmanager
def house_of(
    folder: Path,
    origin: Scripted,
    lines: str = ORIGIN_MODE,
    *,
    path: str = "/**",
    proxy: str = "workers = 1",
    limits: str = "",
) -> Iterator[House]:
    written = write_house(folder, f"http://127.0.0.1:{origin.port}", proxy=proxy)
    (written.config / "providers" / "odds.toml").unlink()
    text = PROVIDER.format(host=HOST, port=origin.port, lines=lines, path=path, limits=limits)
    (written.config / "providers" / "origin.toml").write_text(text)
    with running(written):
        yield written


def script_of(step: Step) -> str:
    """The field that tells the origin what to answer."""
    names = ("status", "body", "fault", "delay", "interim", "times", "drip")
    script = {"says": list(step.says), **{name: getattr(step, name) for name in names}}
    return base64.b64encode(json.dumps(script).encode()).decode()


def asked(house: House, step: Step, target: str) -> Reply:
    headers = {SCRIPT: script_of(step), **step.sends}
    return ask(house.ports["reverse"], target, method=step.method, host=HOST, headers=headers)


def played(house: House, origin: Scripted, steps: Sequence[Step]) -> list[Reply]:
    """Plays a case and judges each step; what came."""
    mark = f"/case{next(_numbers)}"
    replies: list[Reply] = []
    for number, step in enumerate(steps, 1):
        time.sleep(step.wait)
        before = len(origin.of(mark))
        target = mark + step.path + step.query
        origin.scripts[target] = script_of(step)
        reply = asked(house, step, target)
        new = origin.of(mark)[before:]
        told = f"step {number}: {reply.status} {dict(reply.fields)} {reply.body[:60]!r}; origin saw {new}"
        if step.came is not None:
            assert len(new) == (1 if step.came else 0), told
        for name, value in step.saw.items():
            assert new, told
            assert new[-1][name] == value, told
        for name, value in step.gets.items():
            assert (reply[name] if name in reply.names else None) == value, told
        if step.answer is not None:
            assert reply.status == step.answer, told
        if step.gives is not None:
            assert reply.body.decode() == step.gives, told
        if step.way is not None:
            assert reply.cache.startswith(step.way), told
        replies.append(reply)
    return replies
