"""A stored answer and its encoding on disk and on the socket between the processes."""

import hashlib
import json
import struct
from dataclasses import dataclass, field

from holdover.exchange import Headers, as_headers, header
from holdover.key import CanonicalRequest

FORMAT = 1
"""First byte of an encoded entry; any other value is an entry of another version and reads as absent."""

_HEAD = struct.Struct(">B16s")
_LENGTHS = struct.Struct(">III")


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
    """Format byte, checksum over all that follows, lengths, facts as JSON, then both bodies."""
    request = entry.request
    facts = json.dumps(
        [
            [request.provider, request.route, request.path, request.query, request.headers],
            [entry.status, entry.headers, entry.revision],
            [float(t) for t in (entry.requested_at, entry.received_at, entry.initial_age, entry.fetch_s)],
        ],
        separators=(",", ":"),
    ).encode()
    lengths = _LENGTHS.pack(len(facts), len(entry.identity), len(entry.gzip))
    content = b"".join((lengths, facts, entry.identity, entry.gzip))
    return _HEAD.pack(FORMAT, _checksum(content)) + content


def decode(data: bytes) -> Entry | None:
    """None for another format, a wrong checksum or anything else that `encode` did not write."""
    if len(data) < _HEAD.size + _LENGTHS.size or data[0] != FORMAT:
        return None
    _, checksum = _HEAD.unpack_from(data)
    content = memoryview(data)[_HEAD.size :]
    if _checksum(content) != checksum:
        return None
    facts, identity, zipped = _LENGTHS.unpack_from(content)
    body = bytes(content[_LENGTHS.size :])
    if len(body) != facts + identity + zipped:
        return None
    try:
        return _entry(json.loads(body[:facts]), body[facts : facts + identity], body[facts + identity :])
    except (ValueError, RecursionError):
        return None


def _entry(facts: object, identity: bytes, zipped: bytes) -> Entry | None:
    match facts:
        case [
            [str(provider), str(route), str(path), query, fields],
            [int(status), headers, str(revision)],
            [float(requested_at), float(received_at), float(initial_age), float(fetch_s)],
        ]:
            parts = as_headers(query), as_headers(fields), as_headers(headers)
            if parts[0] is None or parts[1] is None or parts[2] is None:
                return None
            request = CanonicalRequest(provider, route, path, parts[0], parts[1])
            times = requested_at, received_at, initial_age, fetch_s
            return Entry(request, status, parts[2], identity, zipped, revision, *times)
    return None


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
