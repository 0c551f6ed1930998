"""Which stored response a request selects (RFC 9111 section 4.1)."""

import hashlib
from collections.abc import Iterable

from holdover.caching.stored import Selecting, Stored
from holdover.exchange import Headers, elements, header

# Lists of words without case and without meaning in the spaces around commas (RFC 9110 section 12.5).
_CASELESS = frozenset(("accept-charset", "accept-encoding", "accept-language"))


def selecting(response: Headers, request: Headers) -> Selecting:
    """The request's fields that Vary names, in normal form."""
    return tuple((name, _told(request, name)) for name in sorted(set(elements(header(response, "vary")))))


def matches(stored: Stored, request: Headers) -> bool:
    """Whether all nominated fields are alike, or absent in both."""
    if "*" in elements(header(stored.headers, "vary")):
        return False
    return all(_told(request, name) == value for name, value in stored.selecting)


def selected(stored: Iterable[Stored], request: Headers) -> Stored | None:
    """The most recent of those that match (RFC 9111 section 4)."""
    return max((one for one in stored if matches(one, request)), key=lambda one: one.received_at, default=None)


def nominated(stored: Iterable[Stored], request: Headers) -> Selecting:
    """The request's fields that any of these was selected by."""
    names = sorted({name for one in stored for name, _ in one.selecting})
    return tuple((name, _told(request, name)) for name in names)


def _told(request: Headers, name: str) -> str | None:
    """What is compared, and stored. Of no other field than these is it known that its values are nobody's secret."""
    if (value := header(request, name)) is None:
        return None
    plain = normal(name, value)
    if name == "accept" or name in _CASELESS:
        return plain
    return hashlib.blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def normal(name: str, value: str) -> str:
    """Combined lines and white space around commas make no difference (RFC 9111 section 4.1)."""
    plain = ",".join(part.strip(" \t") for part in value.split(","))
    return plain.lower() if name in _CASELESS else plain
