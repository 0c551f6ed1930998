"""A stored answer and its encoding on disk and on the socket between the processes."""

import hashlib
import json
import struct
from dataclasses import dataclass, field

from holdover.exchange import Headers, header
from holdover.key import CanonicalRequest

FORMAT = 1
"""First byte of an encoded entry; any other value is an entry of another version and reads as absent."""

_HEAD = struct.Struct(">B16sIII")


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete answer of a provider, confirmed at `requested_at`.

    Times are Unix seconds on this machine's clock. `identity` and `gzip` are the same content in both codings.
    `headers` are the end-to-end fields without those that depend on the coding or on the moment of serving.
    `fetch_s` is how long the provider took. `initial_age` is the age that the provider's side told (RFC 9111
    section 5.1), in seconds. Equal `revision` means equal content."""

    request: CanonicalRequest
    status: int
    headers: Headers
    identity: bytes = field(repr=False)
    gzip: bytes = field(repr=False)
    revision: str
    requested_at: float = 0.0
    received_at: float = 0.0
    initial_age: float = 0.0
    fetch_s: float = 0.0

    @property
    def key(self) -> str:
        return self.request.key

    @property
    def etag(self) -> str | None:
        """The provider's own validator."""
        return header(self.headers, "etag")

    @property
    def last_modified(self) -> str | None:
        return header(self.headers, "last-modified")


def revision_of(status: int, identity: bytes) -> str:
    """16 hex digits that name the content."""
    return hashlib.blake2b(identity, digest_size=8, person=str(status).encode()).hexdigest()


def encode(entry: Entry) -> bytes:
    """Format byte, checksum over the rest, lengths, facts as JSON, then both bodies."""
    request = entry.request
    facts = json.dumps(
        [
            [request.provider, request.route, request.path, request.query, request.headers],
            [entry.status, entry.headers, entry.revision],
            [entry.requested_at, entry.received_at, entry.initial_age, entry.fetch_s],
        ],
        separators=(",", ":"),
    ).encode()
    content = b"".join((facts, entry.identity, entry.gzip))
    lengths = (len(facts), len(entry.identity), len(entry.gzip))
    return _HEAD.pack(FORMAT, _checksum(content), *lengths) + content


def decode(data: bytes) -> Entry | None:
    """None for another format, a wrong checksum or anything else that `encode` did not write."""
    if len(data) < _HEAD.size or data[0] != FORMAT:
        return None
    _, checksum, facts_size, identity_size, gzip_size = _HEAD.unpack_from(data)
    content = data[_HEAD.size :]
    if len(content) != facts_size + identity_size + gzip_size or _checksum(content) != checksum:
        return None
    (provider, route, path, query, fields), (status, headers, revision), times = json.loads(content[:facts_size])
    request = CanonicalRequest(provider, route, path, _pairs(query), _pairs(fields))
    identity, zipped = content[facts_size : -gzip_size or None], content[len(content) - gzip_size :]
    return Entry(request, status, _pairs(headers), identity, zipped, revision, *times)


def _pairs(items: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in items)


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
