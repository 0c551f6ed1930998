"""Conditional requests, both ways (RFC 9111 section 4.3, RFC 9110 section 13)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from holdover.caching.dates import formatted, parsed
from holdover.caching.directives import Directives
from holdover.caching.freshness import age_when_received, first
from holdover.caching.ranges import RANGE_FIELDS
from holdover.caching.reuse import ABOUT_THE_CLIENT
from holdover.caching.stored import Stored
from holdover.caching.storing import storable
from holdover.exchange import UNSENDABLE, Headers, Response, header

CONDITIONAL = frozenset(("if-none-match", "if-modified-since"))
"""What a cache may judge itself."""
FOR_ORIGINS = frozenset(("if-match", "if-unmodified-since"))
"""What it must not (RFC 9111 section 4.3.2)."""
# A stored body stays as it was coded and cut (RFC 9111 section 3.2).
_NOT_UPDATED = frozenset("content-length content-encoding content-range".split())
_NOT_IN_304 = frozenset("content-length content-encoding content-type content-language content-range".split())
_TAG = re.compile(r'(?:W/)?"[^"]*"')
# Nothing that was taken is given back: members may be empty, so any spaces could stand before a comma or behind one.
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*+,[ \t]*+(?:{_TAG.pattern})?+)*+")


class Validated(Protocol):
    """What an origin may be asked about."""

    @property
    def etag(self) -> str | None: ...

    @property
    def last_modified(self) -> str | None: ...


def conditions(stored: Validated) -> Headers:
    """What asks the origin whether the stored response still holds (RFC 9111 section 4.3.1). A validator that cannot
    be sent is none: each further call would fail."""
    fields = (("If-None-Match", stored.etag), ("If-Modified-Since", stored.last_modified))
    return tuple((name, value) for name, value in fields if value and not UNSENDABLE.search(value))


def any_of(stored: Sequence[Stored], request: Headers) -> Headers:
    """What asks the origin whether one of those that this request does not select is its answer too (RFC 9111 section
    4.3.1); nothing for a request with conditions of its own, or for a part."""
    if any(name.lower() in CONDITIONAL or name.lower() in RANGE_FIELDS for name, _ in request):
        return ()
    told = (one.etag for one in stored)
    tags = dict.fromkeys(tag for tag in told if tag and _TAG.fullmatch(tag) and not UNSENDABLE.search(tag))
    return (("If-None-Match", ", ".join(tags)),) if tags else ()


def tagged(stored: Sequence[Stored], headers: Headers) -> Stored | None:
    """The one that a 304 with these fields names by its strong validator (RFC 9111 section 4.3.4)."""
    etag = header(headers, "etag")
    return next((one for one in stored if etag and one.etag == etag and not etag.startswith("W/")), None)


def not_modified(stored: Stored, request: Headers) -> bool:
    """Whether the client has what is stored (RFC 9110 section 13.2.2: If-None-Match alone counts if it is there)."""
    if stored.status != 200:
        return False
    if (tags := header(request, "if-none-match")) is not None:
        return none_match_fails(tags, stored.etag)
    return _unmodified_since(stored, first(request, "if-modified-since"))


def none_match_fails(tags: str, etag: str | None) -> bool:
    """By weak comparison with each member (RFC 9110 sections 8.8.3.2 and 13.1.2); what is no such list matches only
    the same text."""
    tags = tags.strip(" \t")
    if tags == "*":
        return True
    if etag is None:
        return False
    if not _TAGS.fullmatch(tags):
        return tags == etag
    return etag.removeprefix("W/") in (tag.removeprefix("W/") for tag in _TAG.findall(tags))


def _unmodified_since(stored: Stored, since: str | None) -> bool:
    """RFC 9111 section 4.3.2: without Last-Modified by Date, without that by when it came."""
    moment = parsed(since, stored.received_at)
    if moment is None:
        return False
    known = (parsed(first(stored.headers, name), stored.received_at) for name in ("last-modified", "date"))
    return next((at for at in known if at is not None), stored.received_at) <= moment


def confirms(stored: Stored, headers: Headers) -> bool:
    """Whether a 304 with these fields is about this response: one with another strong validator is not (RFC 9111
    section 4.3.4)."""
    etag = header(headers, "etag")
    return etag is None or stored.etag is None or etag.removeprefix("W/") == stored.etag.removeprefix("W/")


def updated(
    stored: Stored,
    headers: Headers,
    told: Directives,
    times: tuple[float, float],
    override: Collection[str] = (),
) -> Stored:
    """The stored response with the fields of a newer one, each in the place of all of its name (RFC 9111 section
    3.2); `times` when that was asked for and came. `told` is what the newer one says."""
    requested_at, received_at = times
    newer = tuple(item for item in storable(headers, told, override) if item[0].lower() not in _NOT_UPDATED)
    names = {name.lower() for name, _ in newer} | told.fields("no-cache") | told.fields("private")
    kept = tuple(item for item in stored.headers if item[0].lower() not in names)
    if "date" not in names:
        # Its age begins anew, whatever Date the stored one had; what has none is of when it came (RFC 9110 section
        # 6.6.1).
        kept = (*(item for item in kept if item[0].lower() != "date"), ("Date", formatted(received_at)))
    return replace(
        stored,
        headers=(*kept, *newer),
        requested_at=requested_at,
        received_at=received_at,
        age=age_when_received(headers, requested_at, received_at),
        stale=False,
    )


def tells_of_another(stored: Stored, answer: Response) -> bool:
    """Whether the answer to a HEAD tells that what is stored is not what a GET would get (RFC 9111 section 4.3.5). An
    error of the origin's, or that the client has what it has, or asks too often, tells nothing of that."""
    if answer.status != stored.status:
        return answer.status < 500 and answer.status not in {304, *ABOUT_THE_CLIENT}
    for name in ("etag", "last-modified", "content-length"):
        theirs, mine = header(answer.headers, name), header(stored.headers, name)
        if theirs is not None and theirs != (mine if name != "content-length" else str(len(stored.body))):
            return True
    return False


def in_304(headers: Headers) -> Headers:
    """The fields of a stored response that a 304 has (RFC 9110 section 15.4.5): not those about a body."""
    return tuple((name, value) for name, value in headers if name.lower() not in _NOT_IN_304)
