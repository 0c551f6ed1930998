"""Content codings: identity and gzip, both bounded."""

import gzip
import zlib

from holdover.exchange import Response, elements, header

_MODE_GZIP = 31  # zlib: gzip container, largest window


class UnusableBodyError(Exception):
    """The body is too large or not what its header fields say; the message is a phrase for people."""


def codings(response: Response, limit: int) -> tuple[bytes, bytes]:
    """The body as (identity, gzip), whichever it came in; inflated to `limit` bytes at most.

    Raises UnusableBodyError."""
    named = elements(header(response.headers, "content-encoding"))
    if not named or named == ["identity"]:
        return response.body, gzip.compress(response.body, 6, mtime=0)
    if named not in (["gzip"], ["x-gzip"]):
        raise UnusableBodyError(f"a content coding that was not asked for ({named[0][:20]})")
    return inflate(response.body, limit), response.body


def inflate(body: bytes, limit: int) -> bytes:
    """A gzip body decoded. Raises UnusableBodyError when it is broken or longer than `limit` bytes decoded."""
    inflater = zlib.decompressobj(_MODE_GZIP)
    try:
        identity = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise UnusableBodyError("a body that is not the gzip it says it is") from None
    if len(identity) > limit:
        raise UnusableBodyError(f"a body larger than {limit} bytes")
    if not inflater.eof or inflater.unused_data:
        raise UnusableBodyError("a gzip body that broke off")
    return identity
