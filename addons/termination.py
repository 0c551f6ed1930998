"""The server's side of one TLS connection, without I/O: the socket's bytes in, the client's bytes out, and back."""

import contextlib
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from holdover.client_hello import client_hello

from .certificates import Certificates

_PIECE = 65_536
"""Answers up to this are made one piece, for fewer records. Larger ones are encrypted by pieces of it: the page
faults of larger allocations cost twice what encryption does."""

_RECORD = 16_384
"""Most bytes of plaintext (RFC 8446 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """What all connections of one thread share. Every method of `Termination` leaves them empty: OpenSSL takes in
    even a part of a record. With buffers of its own a connection that was sent 20 KB holds 37 KB instead of 14."""

    incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a connection cannot go on. `reason`: OpenSSL's word, as TLSV1_ALERT_UNKNOWN_CA when the client does not
    trust the authority, or WRONG_VERSION_NUMBER when it does not speak TLS."""

    during: Literal["handshake", "records"]
    reason: str


class Termination:
    """Nothing that a client sends raises here. `established`: the handshake is done. `name`: the host that the client
    means, empty when it names none. `closed`: it will send no more, but may read on. `broken`: neither side can send;
    `outgoing` has a last alert. `unsent`: what `outgoing` has."""

    __slots__ = (
        "_address",
        "_buffers",
        "_certificates",
        "_early",
        "_tls",
        "broken",
        "closed",
        "established",
        "name",
        "unsent",
    )

    def __init__(self, certificates: Certificates, buffers: Buffers, address: str = "") -> None:
        """`address`: of the proxy, as the client called it."""
        self._certificates = certificates
        self._buffers = buffers
        self._address = address
        self._tls: ssl.SSLObject | None = None
        self._early = self.unsent = b""
        self.name = ""
        self.established = self.closed = False
        self.broken: Broken | None = None

    @property
    def resumed(self) -> bool:
        return bool(self._tls and self._tls.session_reused)

    def receive(self, data: bytes) -> bytes:
        """The plaintext that these bytes complete; empty when there is none yet. What `outgoing` has afterwards must
        be sent; `send` and `close` have it too."""
        if (tls := self._tls or self._begun(data)) is None or self.broken:
            return b""
        if self._early:
            data, self._early = self._early, b""
        incoming, plain = self._buffers.incoming, b""
        incoming.write(data)
        try:
            if not self.established:
                tls.do_handshake()
                self.established = True
            # A read takes one record. Asking once more would raise, which costs as much as all this.
            while incoming.pending:
                if not (part := tls.read(_RECORD)):
                    self.closed = True
                    break
                plain = plain + part if plain else part
        except ssl.SSLError as error:
            self._stopped(error)
        if incoming.pending:
            incoming.read()
        if self._buffers.outgoing.pending:
            self.unsent += self._buffers.outgoing.read()
        return plain

    def outgoing(self) -> bytes:
        """What TLS itself has to say, given once; empty when that is nothing. Not even a ticket can wait for the
        answer: it acknowledges what the client sent, and one with Nagle's algorithm holds its request back for that,
        up to 40 ms."""
        out, self.unsent = self.unsent, b""
        return out

    def send(self, *parts: bytes) -> list[bytes]:
        """The ciphertext of these bytes, after what `outgoing` has, in pieces; empty when the connection is broken or
        not established."""
        chunks = [self.outgoing()] if self.unsent else []
        if (tls := self._tls) is None or not self.established or self.broken:
            return chunks
        outgoing = self._buffers.outgoing
        try:
            whole = sum(map(len, parts)) <= _PIECE
            for piece in (b"".join(parts),) if whole else _pieces(parts):
                if piece:
                    tls.write(piece)
                    chunks.append(outgoing.read())
        except ssl.SSLError as error:
            self._stopped(error)
            self.unsent += outgoing.read()
        return chunks

    def close(self) -> bytes:
        """Says that no more will be sent: close_notify, after what `outgoing` has."""
        if self._tls is not None and self.established and not self.broken:
            # It wants to read when the client's own has not come.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self.unsent += self._buffers.outgoing.read()
        return self.outgoing()

    def _begun(self, data: bytes) -> ssl.SSLObject | None:
        """None, and the bytes kept, until the client's hello is whole: its name chooses the certificate. A callback
        of `ssl` for it would put a traceback on stderr for a name that is not ASCII."""
        self._early += data
        if (hello := client_hello(self._early)) is None:
            return None
        self.name = hello.name
        tls = self._certificates.base.wrap_bio(self._buffers.incoming, self._buffers.outgoing, server_side=True)
        tls.context = self._certificates.context(hello.name, self._address)
        self._tls = tls
        return tls

    def _stopped(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLZeroReturnError):
            self.closed = True
        elif not isinstance(error, ssl.SSLWantReadError):
            self.broken = Broken("records" if self.established else "handshake", error.reason or str(error))


def _pieces(parts: Iterable[bytes]) -> Iterator[memoryview]:
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(part), _PIECE):
            yield view[at : at + _PIECE]
