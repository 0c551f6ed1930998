"""Which stored responses a request with an unsafe method makes invalid (RFC 9111 section 4.4)."""

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from holdover.exchange import Headers, header

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.1. A method that is not known is not safe."""


def invalidated(method: str, status: int, target: str, headers: Headers, hosts: Collection[str]) -> list[str]:
    """Targets whose stored responses must not be used again: that of the request, and what Location and
    Content-Location name on the same origin, so that nobody can make another's invalid. `hosts` are the lower-case
    names, without port, by which clients and holdover know it."""
    if method in SAFE or not 200 <= status < 400:
        return []
    found, host = [target], min(hosts)
    for name in ("location", "content-location"):
        value = header(headers, name)
        if value is None:
            continue
        try:
            parts = urlsplit(urljoin(f"http://{host}{target}", value.strip(" \t")))
        except ValueError:
            continue
        if (parts.hostname or "") in hosts:
            other = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            found += [other] if other not in found else []
    return found
