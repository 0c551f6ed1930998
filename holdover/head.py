"""A client's request read from bytes, strictly: what is accepted has one meaning for every server there is (RFC 9110,
RFC 9112). Whatever else comes is not judged here, only left to those who have more time."""

import re
from dataclasses import dataclass, field
from typing import Literal

from holdover.exchange import Request

MAX_BODY_BYTES = 65_536
MAX_FIELDS = 256
MAX_TARGET_BYTES = 16_384
_END = b"\r\n\r\n"
_HOST = r"[0-9A-Za-z]+(?:(?:\.|-+)[0-9A-Za-z]+)*\.?"
# One line of each field, visible ASCII, spaces and tabs in its value (RFC 9112 section 5); no fragment in the target.
_HEAD = re.compile(
    rf"(GET|HEAD|POST) (?:http://({_HOST})(?::([0-9]{{1,5}}))?)?(/[!\"$-~]*) HTTP/1\.1\r\n"
    r"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n".encode()
)
_CONNECT = re.compile(
    rf"CONNECT ({_HOST}):([0-9]{{1,5}}) HTTP/1\.[01]\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*\r\n".encode()
)
# A port may be empty (RFC 9110 section 4.2.3).
_AUTHORITY = re.compile(rf"({_HOST})(?::([0-9]{{0,5}}))?")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,5}")
# Fields of a connection that change nothing about the request. A client that offers h2c gets HTTP/1.1, as RFC 9110
# section 7.8 allows.
_PLAIN_OPTIONS = frozenset(("close", "keep-alive", "upgrade", "http2-settings"))
_ELSEWHERE = frozenset(("transfer-encoding", "expect", "trailer", "te"))

type Unfinished = Literal["unfinished"]


@dataclass(frozen=True, slots=True)
class Head:
    """A whole request; `length` is what it takes of the bytes, body included, `close` whether it is the last one."""

    request: Request
    length: int
    close: bool


@dataclass(slots=True)
class _Framing:
    """What the fields say about the request as a message."""

    hosts: list[str] = field(default_factory=list)
    lengths: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    odd: bool = False

    def take(self, name: str, value: str) -> None:
        if name == "host":
            self.hosts.append(value)
        elif name == "content-length":
            self.lengths.append(value)
        elif name == "connection":
            self.options.update(option.strip().lower() for option in value.split(","))
        elif name in _ELSEWHERE or (name == "upgrade" and value.lower() != "h2c"):
            self.odd = True


def read(data: bytes, client: str = "") -> Head | Unfinished | None:
    """The request that `data` begins with; `unfinished` when more have to come, None when it is not for here."""
    end = data.find(_END)
    if end < 0:
        # Some servers end a head at bare line feeds; whoever forwards it has to judge it.
        return None if b"\n\n" in data or b"\n\r\n" in data else "unfinished"
    end += len(_END)
    if (found := _HEAD.fullmatch(data, 0, end)) is None:
        return None
    method, authority, port, target, block = (part.decode("ascii") if part else "" for part in found.groups())
    if len(target) > MAX_TARGET_BYTES or block.count("\n") > MAX_FIELDS:
        return None
    framing, headers = _Framing(), []
    for line in block[:-2].split("\r\n"):
        name, _, value = line.partition(":")
        value = value.strip(" \t")
        headers.append((name, value))
        framing.take(name.lower(), value)
    host, length = _host(framing.hosts), _length(framing.lengths)
    if framing.odd or host is None or length is None or not framing.options <= _PLAIN_OPTIONS:
        return None
    if authority and (authority.lower() != host or int(port or 80) > 65_535):
        return None
    if length and method != "POST":
        return None
    if len(data) < end + length:
        return "unfinished"
    request = Request(method, host, target, tuple(headers), data[end : end + length], client)
    return Head(request, end + length, "close" in framing.options)


_TOLD_LENGTH = re.compile(rb"\r\ncontent-length:[\t ]*([0-9]+)", re.IGNORECASE)


def length_of_body(head: bytes) -> int:
    """As it is told in the head of a request that `read` found unfinished, whose length is in order."""
    found = _TOLD_LENGTH.search(head)
    return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What a CONNECT asks for; `length` is what it takes of the bytes."""

    host: str
    length: int


def read_connect(data: bytes) -> Tunnel | None:
    """The CONNECT that `data` begins with, or None."""
    if (found := _CONNECT.match(data)) is None or int(found[2]) > 65_535:
        return None
    return Tunnel(found[1].decode("ascii").lower(), found.end())


def _host(told: list[str]) -> str | None:
    """The host of the only Host field, lower case; None for anything else."""
    if len(told) != 1 or (found := _AUTHORITY.fullmatch(told[0])) is None or int(found[2] or 0) > 65_535:
        return None
    return found[1].lower()


def _length(told: list[str]) -> int | None:
    """The length of the body; None when it is told in a way that others read differently, or is too long."""
    if not told:
        return 0
    if len(told) > 1 or _LENGTH.fullmatch(told[0]) is None or int(told[0]) > MAX_BODY_BYTES:
        return None
    return int(told[0])
