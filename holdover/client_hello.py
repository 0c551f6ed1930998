"""What a TLS client says first, in the clear: RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301 section 3.1."""

import re
from dataclasses import dataclass

_RECORD, _MESSAGE = 5, 4
"""Bytes of the two headers."""

_LONGEST = 16_384
"""RFC 8446 section 5.1."""

_HOST = re.compile(rb"(?=.{1,253}\.?\Z)[\w-]{1,63}(\.[\w-]{1,63})*\.?")
"""With underscores, which names of hosts have in practice; bytes match ASCII only."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """`name`: the host that is meant, in lower case; empty when there is none, or no host can be called so.
    `protocols`: of ALPN, as offered."""

    name: str = ""
    protocols: tuple[bytes, ...] = ()


def client_hello(data: bytes) -> ClientHello | None:
    """From the first bytes of a connection; None while the first record is not whole. What is no hello, or broken,
    has no name: TLS itself finds the words for it. A hello in several records, which no known client sends, has the
    name that the first one shows."""
    if data[:1] != b"\x16":
        return ClientHello()
    end = _RECORD + int.from_bytes(data[3:_RECORD])
    if len(data) < _RECORD or len(data) < end <= _RECORD + _LONGEST:
        return None
    try:
        return _read(data, end)
    except IndexError:
        return ClientHello()


def _read(data: bytes, end: int) -> ClientHello:
    """Raises IndexError."""
    at = _RECORD + _MESSAGE + 2 + 32  # version and random bytes
    at += 1 + data[at]  # session
    at += 2 + int.from_bytes(data[at : at + 2])  # cipher suites
    at += 1 + data[at]  # compression
    at += 2  # length of all extensions
    name = ""
    protocols: tuple[bytes, ...] = ()
    while at + 4 <= end:
        kind, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == 0 and body[2] == 0 and _HOST.fullmatch(host := body[5 : 5 + int.from_bytes(body[3:5])]):
            name = host.decode("ascii").lower()
        elif kind == 16:
            protocols = _protocols(body)
    return ClientHello(name, protocols)


def _protocols(body: bytes) -> tuple[bytes, ...]:
    found, at = [], 2
    while at < len(body):
        found.append(body[at + 1 : at + 1 + body[at]])
        at += 1 + body[at]
    return tuple(found)
