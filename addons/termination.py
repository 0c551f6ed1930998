"""The server's side of one TLS connection, without I/O: the socket's bytes in, the client's bytes out, and back."""

import contextlib
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from holdover.client_hello import client_hello

from .certificates import Certificates

PIECE = 65_536
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
        "_certificates",
        "_early",
        "_incoming",
        "_outgoing",
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
        self._incoming, self._outgoing = buffers.incoming, buffers.outgoing
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
        be sent; `seal` and `close` have it too."""
        tls, incoming, plain = self._tls, self._incoming, b""
        if tls is None or not self.established:
            return self._shake(data)
        incoming.write(data)
        try:
            # A read takes one record. Asking once more would raise, which costs as much as all this.
            plain = part = tls.read(_RECORD)
            while incoming.pending and part:
                part = tls.read(_RECORD)
                plain += part
            self.closed = not part
        except ssl.SSLError as error:
            self._stopped(error)
        if incoming.pending:
            incoming.read()
        if self._outgoing.pending:
            self.unsent += self._outgoing.read()
        return plain

    def _shake(self, data: bytes) -> bytes:
        if self.broken or (tls := self._tls or self._begun(data)) is None:
            return b""
        incoming = self._incoming
        if self._early:
            data, self._early = self._early, b""
        incoming.write(data)
        try:
            tls.do_handshake()
            self.established = True
        except ssl.SSLError as error:
            self._stopped(error)
        early = incoming.read()
        if self._outgoing.pending:
            self.unsent += self._outgoing.read()
        return self.receive(early) if early and self.established else b""

    def outgoing(self) -> bytes:
        """What TLS itself has to say, given once; empty when that is nothing. Not even a ticket can wait for the
        answer: it acknowledges what the client sent, and one with Nagle's algorithm holds its request back for that,
        up to 40 ms."""
        out, self.unsent = self.unsent, b""
        return out

    def seal(self, data: bytes | memoryview) -> bytes:
        """The ciphertext of up to `PIECE` bytes, after what `outgoing` has; no more than that when the connection is
        broken or not established."""
        if (tls := self._tls) is None or not self.established:
            return self.outgoing()
        try:
            tls.write(data)
        except ssl.SSLError as error:
            self._stopped(error)
        sealed = self._outgoing.read()
        return self.outgoing() + sealed if self.unsent else sealed

    def send(self, *parts: bytes) -> list[bytes]:
        """The same for any number of bytes, in pieces of which none is empty."""
        whole = sum(map(len, parts)) <= PIECE
        sealed = [self.seal(piece) for piece in ((b"".join(parts),) if whole else pieces(parts)) if piece]
        return [piece for piece in sealed or (self.outgoing(),) if piece]

    def close(self) -> bytes:
        """Says that no more will be sent: close_notify, after what `outgoing` has."""
        if self._tls is not None and self.established:
            # It wants to read when the client's own has not come.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self.unsent += self._outgoing.read()
        return self.outgoing()

    def _begun(self, data: bytes) -> ssl.SSLObject | None:
        """None, and the bytes kept, until the client's hello is whole: its name chooses the certificate. A callback
        of `ssl` for it would put a traceback on stderr for a name that is not ASCII."""
        self._early += data
        if (hello := client_hello(self._early)) is None:
            return None
        self.name = hello.name
        tls = self._certificates.base.wrap_bio(self._incoming, self._outgoing, server_side=True)
        tls.context = self._certificates.context(hello.name, self._address)
        self._tls = tls
        return tls

    def _stopped(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLZeroReturnError):
            self.closed = True
        elif not isinstance(error, ssl.SSLWantReadError):
            self.broken = Broken("records" if self.established else "handshake", error.reason or str(error))
            self._tls = None


def pieces(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """Of up to PIECE bytes; none is empty."""
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(part), PIECE):
            yield view[at : at + PIECE]
