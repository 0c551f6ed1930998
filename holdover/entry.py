"""A stored answer and its encoding on disk and on the socket between the processes."""

import hashlib
import json
import struct
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.exchange import Headers, as_headers, header

FORMAT = 3
"""First byte of an encoded entry; any other value is an entry of another version and reads as absent."""

_HEAD = struct.Struct(">B16s")
_LENGTHS = struct.Struct(">III")


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete answer of a provider, confirmed at `requested_at`.

    Times are Unix seconds on this machine's clock. `identity` and `gzip` are the same content in both codings.
    `headers` are the end-to-end fields without those that depend on the coding or on the moment of serving.
    `fetch_s` is how long the provider took. `initial_age` is the age that the provider's side told (RFC 9111
    section 5.1), in seconds. Equal `revision` means equal odds. `board` tells what the content says of itself, `cost`
    what the client's own call would have cost (credits), `floor_s` how long the provider wants to be left alone.
    `projected` names the kinds of projection that made it from a wider answer; it is empty for an answer of the
    provider's own."""

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
    board: Board = field(default=Board())
    cost: float = 0.0
    floor_s: float = 0.0
    projected: str = ""

    @property
    def key(self) -> str:
        return self.request.key

    @property
    def made_by(self) -> frozenset[str]:
        """The kinds of projection in `projected`."""
        return frozenset(filter(None, self.projected.split("+")))

    @property
    def etag(self) -> str | None:
        """The provider's own validator."""
        return header(self.headers, "etag")

    @property
    def last_modified(self) -> str | None:
        return header(self.headers, "last-modified")


def encode(entry: Entry) -> bytes:
    """Format byte, checksum over all that follows, lengths, facts as JSON, then both bodies."""
    times = entry.requested_at, entry.received_at, entry.initial_age, entry.fetch_s, entry.cost, entry.floor_s
    board = entry.board
    facts = json.dumps(
        [
            request_facts(entry.request),
            [entry.status, entry.headers, entry.revision, entry.projected],
            [float(t) for t in times],
            [board.events, board.starts, board.newest, board.typical],
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


def request_facts(request: CanonicalRequest) -> list[object]:
    """A canonical request as JSON can hold it."""
    own = [request.provider, request.route, request.path, request.body, request.partition]
    return [*own, request.query, request.headers]


def request_from(facts: object) -> CanonicalRequest | None:
    """None for anything but what `request_facts` made."""
    match facts:
        case [str(provider), str(route), str(path), str(body), str(partition), query, headers]:
            pairs, fields = as_headers(query), as_headers(headers)
            if pairs is not None and fields is not None:
                return CanonicalRequest(provider, route, path, pairs, fields, body, partition)
    return None


def _entry(facts: object, identity: bytes, zipped: bytes) -> Entry | None:
    match facts:
        case [
            asked,
            [int(status), fields, str(revision), str(projected)],
            [
                float(asked_at),
                float(received_at),
                float(initial_age),
                float(fetch_s),
                float(cost),
                float(floor_s),
            ],
            [int() | None as events, list(starts), float() | None as newest, float() | None as typical],
        ] if all(isinstance(start, float) for start in starts):
            request, headers = request_from(asked), as_headers(fields)
            if request is None or headers is None:
                return None
            told = asked_at, received_at, initial_age, fetch_s
            board = Board(events, tuple(starts), newest, typical)
            more = board, cost, floor_s, projected
            return Entry(request, status, headers, identity, zipped, revision, *told, *more)
    return None


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
