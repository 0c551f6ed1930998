"""What is stored: responses to requests for one URI, each with the request fields that selected it."""

import hashlib
import json
import struct
from collections.abc import Collection
from dataclasses import dataclass, field

from holdover.exchange import Headers, as_headers, header

FORMAT = 0xC1
"""First byte of what is encoded; none of holdover's window entries begins so."""
MOST_VARIANTS = 16
FIELD_BYTES = 256
"""What the objects of a header field take in memory; an answer without any takes as much as four."""

_HEAD = struct.Struct(">B16s")
_LENGTH = struct.Struct(">I")

type Selecting = tuple[tuple[str, str | None], ...]
"""Lower-case names of request fields and their values in normal form; None for an absent one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A complete response. `headers` are those that may be sent again, without Age. `selecting` are the fields of the
    request that Vary names. `age` is what it was when it came (RFC 9111 section 4.2.3), in seconds; times are Unix
    seconds. `stale` when something made it stale before its time."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    selecting: Selecting
    requested_at: float
    received_at: float
    age: float
    stale: bool = False

    @property
    def size(self) -> int:
        """Bytes held, about. Origins say fields of any length, and clients those that Vary names."""
        fields = sum(len(name) + len(value or "") for name, value in (*self.headers, *self.selecting))
        return len(self.body) + fields + FIELD_BYTES * (len(self.headers) + len(self.selecting) + 4)

    @property
    def etag(self) -> str | None:
        return header(self.headers, "etag")

    @property
    def last_modified(self) -> str | None:
        return header(self.headers, "last-modified")


@dataclass(frozen=True, slots=True)
class Variants:
    """All that is stored of one URI of a provider, the newest first, under `key_of` that: a target may hold a
    credential. What was asked for before `invalid_until` (Unix seconds) may be from before a change, and is not
    stored."""

    provider: str
    route: str
    key: str
    stored: tuple[Stored, ...] = ()
    invalid_until: float = 0.0

    @property
    def size(self) -> int:
        """Bytes held, about."""
        return sum(one.size for one in self.stored) + FIELD_BYTES


def key_of(provider: str, target: str, personal: Collection[str] = ()) -> str:
    """32 hex digits. Each part is hashed with its length before it, so none can imitate a separator. What was stored
    before a name became `personal` is found no more: it may be one client's own."""
    digest = hashlib.blake2b(digest_size=16)
    for part in ("origin", provider, target, *sorted(personal)):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def encode(variants: Variants) -> bytes:
    """Format byte, checksum over all that follows, length of the facts, facts as JSON, bodies."""
    each = [
        [one.status, one.headers, one.selecting, one.requested_at, one.received_at, one.age, one.stale, len(one.body)]
        for one in variants.stored
    ]
    facts = json.dumps(
        [variants.provider, variants.route, variants.key, variants.invalid_until, each], separators=(",", ":")
    ).encode()
    content = b"".join((_LENGTH.pack(len(facts)), facts, *(one.body for one in variants.stored)))
    return _HEAD.pack(FORMAT, _checksum(content)) + content


def decode(data: bytes) -> Variants | None:
    """None for anything that `encode` did not write."""
    if len(data) < _HEAD.size + _LENGTH.size or data[0] != FORMAT:
        return None
    content = memoryview(data)[_HEAD.size :]
    if _checksum(content) != _HEAD.unpack_from(data)[1]:
        return None
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size + length
    try:
        facts = json.loads(bytes(content[_LENGTH.size : start]))
    except (ValueError, RecursionError):
        return None
    match facts:
        case [str(provider), str(route), str(key), int() | float() as invalid_until, list(each)]:
            stored: list[Stored] = []
            for one in each:
                if (read := _stored(one, content, start)) is None:
                    return None
                stored.append(read)
                start += len(read.body)
            variants = Variants(provider, route, key, tuple(stored), invalid_until)
            return variants if start == len(content) else None
    return None


def _stored(facts: object, content: memoryview, start: int) -> Stored | None:
    match facts:
        case [
            int(status),
            fields,
            list(selecting),
            int() | float() as requested_at,
            int() | float() as received_at,
            int() | float() as age,
            bool(stale),
            int(size),
        ]:
            headers = as_headers(fields)
            pairs: list[tuple[str, str | None]] = []
            for pair in selecting:
                match pair:
                    case [str(name), str() | None as value]:
                        pairs.append((name, value))
                    case _:
                        return None
            if headers is None or not 0 <= size <= len(content) - start:
                return None
            body = bytes(content[start : start + size])
            return Stored(status, headers, body, tuple(pairs), requested_at, received_at, age, stale)
    return None


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
