"""What may be stored (RFC 9111 section 3), and which of its fields."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from holdover.caching.dates import formatted, parsed
from holdover.caching.directives import Directives, cache_control
from holdover.caching.freshness import HEURISTIC_STATUSES, age_when_received, explicit_lifetime, first, lifetime
from holdover.caching.stored import Stored
from holdover.caching.vary import selecting
from holdover.exchange import HOP_BY_HOP, Headers, Response, elements, header
from holdover.personal import is_personal

UNDERSTOOD = frozenset(
    (200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504)
)
"""Statuses whose caching requirements are implemented, for must-understand (RFC 9111 section 5.2.2.3)."""

COOKIES = frozenset(("set-cookie", "set-cookie2"))
# What decides about caching and framing stays even when Connection names it: that may not take it away.
_KEPT = frozenset(
    "age content-encoding content-length content-range content-type date etag expires host "
    "last-modified set-cookie vary".split()
)
# Targeted fields (RFC 9213) are called so, too.
_FOR_CACHES = "cache-control"

_RANGE_OF_BYTES = re.compile(r"bytes[ \t]*[\d*]", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A request and its complete final response; times are Unix seconds, `told` is what the response says to this
    cache, `personal` are names of fields as `is_personal` has them."""

    method: str
    asked: Headers
    response: Response
    told: Directives
    requested_at: float
    received_at: float
    personal: frozenset[str] = frozenset()


def refusal(one: Exchanged, override: Collection[str] = ()) -> str | None:
    """Why the response must not be stored, or None when it may be."""
    response, told = one.response, one.told
    if one.method != "GET":
        return f"method {one.method}"
    if "no-store" in cache_control(one.asked):
        return "the request says no-store"
    if (reason := forbidden(response, told, override)) is not None:
        return reason
    if (name := _personal(one)) is not None:
        return name.title()
    return None if _has_a_use(one) else "nothing says how long"


def _personal(one: Exchanged) -> str | None:
    """The field of the request that makes the response one client's own. RFC 9111 section 3.5 has that for
    Authorization; other fields that tell who asks are used likewise, but a response that is selected by one of them
    is for nobody else anyway."""
    names = {name.lower() for name, _ in one.asked if is_personal(name, one.personal)}
    if "public" in one.told or "s-maxage" in one.told:
        return None
    if "authorization" in names and "must-revalidate" not in one.told:
        return "authorization"
    return min(names - {"authorization", *elements(header(one.response.headers, "vary"))}, default=None)


def forbidden(response: Response, told: Directives, override: Collection[str] = ()) -> str | None:
    """Why nobody may store this response in a shared cache, whatever its lifetime. It holds in both modes."""
    if response.status < 200:
        return "interim"
    if response.status in (206, 304, 416) or _is_a_part(response.headers):
        # Legal to combine (RFC 9111 section 3.4); here a part is never taken for the whole.
        return "partial content"
    if "must-understand" in told:
        # RFC 9111 section 5.2.2.3: it sets no-store aside for who knows the status.
        if response.status not in UNDERSTOOD:
            return f"must-understand with status {response.status}"
    elif "no-store" in told and "no-store" not in override:
        return "Cache-Control: no-store"
    if told.unqualified("private") and "private" not in override:
        return "Cache-Control: private"
    if "*" in elements(header(response.headers, "vary")):
        return "Vary: *"
    return None if response.status == 204 or end_is_marked(response.headers) else "its end is not marked"


def _is_a_part(headers: Headers) -> bool:
    """Content-Range means nothing with other statuses (RFC 9110 section 14.4), and what is none means nothing at all.
    Where it tells of bytes, though, an origin that has the status wrong would have a part pass for the whole."""
    return _RANGE_OF_BYTES.search(header(headers, "content-range") or "") is not None


def end_is_marked(headers: Headers) -> bool:
    """A body that ends when the connection closes cannot be told from a truncated one."""
    transfer = elements(header(headers, "transfer-encoding"))
    return header(headers, "content-length") is not None or "chunked" in transfer


def stored(one: Exchanged, override: Collection[str] = ()) -> Stored:
    """What is stored of a response that may be."""
    headers = storable(one.response.headers, one.told, override)
    if parsed(first(headers, "date"), one.received_at) is None and header(headers, "date") is None:
        # RFC 9110 section 6.6.1: a recipient with a clock records when it came.
        headers = (*headers, ("Date", formatted(one.received_at)))
    age = age_when_received(one.response.headers, one.requested_at, one.received_at)
    selected = selecting(one.response.headers, one.asked)
    return Stored(one.response.status, headers, one.response.body, selected, one.requested_at, one.received_at, age)


def storable(headers: Headers, told: Directives, override: Collection[str] = ()) -> Headers:
    """The fields that may be sent again: none that ends at the next hop or that Connection names, none that no-cache
    or private names, and no cookies unless the route sets that aside."""
    dropped = set(told.fields("no-cache") | told.fields("private"))
    dropped |= set() if "set-cookie" in override else COOKIES
    return tuple((name, value) for name, value in forwarded(headers) if name.lower() not in dropped | {"age"})


def by_hop(headers: Headers, *, asked: bool = False) -> frozenset[str]:
    """Names, in lower case, of the fields that are for the next hop alone (RFC 9110 section 7.6.1). `asked`: of a
    request, from which Connection may not take away what tells who asks."""
    told = elements(header(headers, "connection"))
    return HOP_BY_HOP.union(name for name in told if not (_is_kept(name) or (asked and is_personal(name))))


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.endswith(_FOR_CACHES)


def forwarded(headers: Headers, *, asked: bool = False) -> Headers:
    """The fields that go on to the next hop; `asked` as `by_hop` has it."""
    dropped = by_hop(headers, asked=asked)
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)


def _has_a_use(one: Exchanged) -> bool:
    """RFC 9111 section 3, last point; and a response that is never fresh is of use only with a validator."""
    response, told = one.response, one.told
    explicit = explicit_lifetime(response.headers, told, one.received_at)
    if explicit is None and response.status not in HEURISTIC_STATUSES and "public" not in told:
        return False
    if explicit is None and header(response.headers, "set-cookie") is not None:
        return False
    if header(response.headers, "etag") is not None or header(response.headers, "last-modified") is not None:
        return True
    return lifetime(stored(one), told) > 0
