"""HTTP as it is on the wire, without what a client library adds or hides; and what the tests of this folder share."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from scripts.rig import HOST, Emulator, House, wait_for

TIMEOUT_S = 60.0
STILL: dict[str, Any] = {"latency_p50_ms": 0, "rate": 0, "tick_s": 86_400}
"""An emulated provider that answers at once and whose content does not change."""

UNHEARD = "includeMultipliers"
"""A parameter that every configuration of these tests has in the key, and the emulated provider does not know."""

_numbers = count(1)


@dataclass(frozen=True)
class Reply:
    """`fields` have lower-case names; `body` is as it came, still in its content coding."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def way(self) -> str:
        """`cache` without its detail, which tells the age of the prices too."""
        return self.cache.partition("; detail=")[0]

    def __getitem__(self, name: str) -> str:
        """All values of a field; empty when there is none."""
        return ", ".join(value for key, value in self.fields if key == name)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.fields}

    @property
    def cache(self) -> str:
        """Cache-Status without the name of the cache."""
        name, _, rest = self["cache-status"].partition("; ")
        assert name == "holdover", self.fields
        return rest

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    where: int | socket.socket,
    target: str,
    *,
    method: str = "GET",
    host: str = HOST,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """One request on a port of this machine or on an open connection, which is closed. Sends Host and what is given,
    nothing else."""
    connection = http.client.HTTPConnection("127.0.0.1", where if isinstance(where, int) else 0, TIMEOUT_S)
    if isinstance(where, socket.socket):
        connection.sock = where
    with closing(connection):
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        lengths = {"Content-Length": str(len(body))} if body else {}
        for name, value in ({"Host": host} | lengths | dict(headers or {})).items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        fields = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Reply(answer.status, fields, answer.read())


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), TIMEOUT_S)


def to_the_end(line: socket.socket) -> bytes:
    """What comes until the connection ends, in whatever way: who is refused may not be read to the end."""
    said = b""
    with suppress(ConnectionError):
        while part := line.recv(65_536):
            said += part
    return said


def encrypted(plain: socket.socket, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def tunnel(port: int, authority: str) -> socket.socket:
    """A connection through the explicit proxy after a successful CONNECT."""
    plain = dial(port)
    plain.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += plain.recv(1) or b"\r\n\r\n"
    assert head.startswith(b"HTTP/1.1 200 "), head
    return plain


def trusting(house: House) -> ssl.SSLContext:
    """TLS of a client that trusts the house's authority and nothing else."""
    return ssl.create_default_context(cafile=str(house.ca))


def fresh_target(path: str = "/v4/sports/soccer_epl/odds", **parameters: str) -> str:
    """A request that nobody made before: the parameter `UNHEARD` joins the key, and the provider ignores it."""
    pairs = {"regions": "uk", "markets": "h2h", "apiKey": "client", **parameters, UNHEARD: str(next(_numbers))}
    return path + "?" + "&".join(f"{name}={value}" for name, value in pairs.items())


def arrivals(provider: Emulator, target: str) -> int:
    """How many requests with the number of this target reached the provider."""
    wanted = next(part for part in target.split("&") if part.startswith(f"{UNHEARD}="))
    shapes: dict[str, int] = provider.stats()["by_shape"]
    return sum(times for shape, times in shapes.items() if wanted in shape.partition("?")[2].split("&"))


def total(samples: Mapping[str, float], family: str, *labels: str) -> float:
    """Sum of the samples of a family that have all these labels, each as `name="value"`."""
    return sum(
        value
        for name, value in samples.items()
        if name.partition("{")[0] == family and all(label in name for label in labels)
    )


def loads(house: House, result: str) -> list[float]:
    """How often proxy and sidecar have loaded the configuration with this result."""
    family = "holdover_config_reloads_total"
    return [total(house.metrics(role), family, f'result="{result}"') for role in ("metrics", "admin")]


def reconfigure(house: House, result: str = "ok", **changes: object) -> None:
    """Changes the provider's file and waits until both processes have noticed."""
    before = loads(house, result)
    house.write_provider(**changes)
    wait_for(lambda: all(now > then for now, then in zip(loads(house, result), before, strict=True)), 30, 0.1)


def calm_window() -> int:
    """A window, in seconds, whose next boundary is so far away that no refresh disturbs the counts of a test."""
    return next(window for window in (3600, 5000, 7300, 11100) if window - time.time() % window > 900)


def quiet_fields(names: Iterable[str]) -> set[str]:
    """Without the fields that differ between an answer of the provider and one of holdover by intention."""
    return set(names) - {"date", "server", "cache-status", "age", "etag", "vary", "connection", "keep-alive"}
