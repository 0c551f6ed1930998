"""Content codings: identity and gzip, both bounded."""

import gzip
import re
import zlib

from holdover.exchange import Response, elements, header

BLANK = "-"
SEARCHED_BYTES = 131_072
"""At a time: no other thread runs while Python searches, and 16 MB take a third of a second."""

_MODE_GZIP = 31  # zlib: gzip container, largest window


class UnusableBodyError(Exception):
    """The body is too large or not what its header fields say; the message is a phrase for people."""


def codings(response: Response, limit: int) -> tuple[bytes, bytes]:
    """The body as (identity, gzip), whichever it came in; inflated to `limit` bytes at most.

    Raises UnusableBodyError."""
    identity = decoded(response, limit)
    return identity, recoded(response)


def decoded(response: Response, limit: int) -> bytes:
    """The body in identity coding, `limit` bytes at most. Raises UnusableBodyError."""
    named = elements(header(response.headers, "content-encoding"))
    if not named or named == ["identity"]:
        return response.body
    if named not in (["gzip"], ["x-gzip"]):
        raise UnusableBodyError(f"a content coding that was not asked for ({named[0][:20]})")
    return inflate(response.body, limit)


def plain(response: Response, limit: int) -> Response | None:
    """The response without a coding; None when that does not come off, or leaves more than `limit` bytes."""
    try:
        identity = decoded(response, limit)
    except UnusableBodyError:
        return None
    kept = tuple(field for field in response.headers if field[0].lower() != "content-encoding")
    return Response(response.status, kept, identity)


def recoded(response: Response) -> bytes:
    """The body, of which `decoded` made something, in gzip: the provider's own bytes where they are it."""
    named = elements(header(response.headers, "content-encoding"))
    return compressed(response.body) if named in ([], ["identity"]) else response.body


def compressed(identity: bytes) -> bytes:
    """Level 6 makes a board of 420 KB into 20 KB in 5 ms; level 1 into 27 KB in 2 ms."""
    return gzip.compress(identity, 6, mtime=0)


def without(response: Response, secret: str, limit: int) -> Response:
    """The response with `secret` blanked wherever the provider quotes it: redirects, links to next pages and error
    messages repeat the request's URL. Raises UnusableBodyError for a body that cannot be searched."""
    pattern = _spellings(secret)
    headers = tuple((name, re.sub(pattern, BLANK, value)) for name, value in response.headers)
    if not response.body:
        return Response(response.status, headers)
    named = elements(header(headers, "content-encoding"))
    if named not in ([], ["identity"], ["gzip"], ["x-gzip"]):
        raise UnusableBodyError(f"a content coding that was not asked for ({named[0][:20]})")
    plain = response.body if named in ([], ["identity"]) else inflate(response.body, limit)
    clean = _blanked(re.compile(pattern.encode()), plain, 6 * len(secret))
    if clean == plain:
        return Response(response.status, headers, response.body)
    kept = tuple(field for field in headers if field[0].lower() not in ("content-encoding", "content-length"))
    return Response(response.status, (*kept, ("Content-Length", str(len(clean)))), clean)


def _blanked(pattern: re.Pattern[bytes], text: bytes, longest: int) -> bytes:
    """`text` with a blank for each match; none is longer than `longest`."""
    parts: list[bytes] = []
    at = kept = 0
    while at < len(text):
        if (found := pattern.search(text, at, at + SEARCHED_BYTES + longest)) is None:
            at += SEARCHED_BYTES
            continue
        parts += text[kept : found.start()], BLANK.encode()
        at = kept = found.end()
    return b"".join((*parts, text[kept:]))


def _spellings(secret: str) -> str:
    """A pattern for the secret, each character plain, percent-encoded, or escaped as JSON may. Not only as a whole
    word: what stands before it can be an escape itself (`%3D`). Configuration refuses secrets that are so short that
    odds would hold them by chance."""
    also = {" ": r"|\+", "/": r"|\\/"}
    characters = (f"(?:{re.escape(c)}|%(?i:{ord(c):02x}){also.get(c, '')})" for c in secret)
    return "".join(characters)


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
