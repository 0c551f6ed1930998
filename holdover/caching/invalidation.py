"""Which stored responses a request with an unsafe method makes invalid, and which that are still to come (RFC 9111
section 4.4)."""

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from holdover.caching.freshness import CLOCK_SLACK_S
from holdover.exchange import Headers, header

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.1. A method that is not known is not safe."""


def invalidated(method: str, status: int, target: str, headers: Headers, hosts: Collection[str]) -> list[str]:
    """Targets whose stored responses must not be used again: that of the request, and what Location and
    Content-Location name on the same origin, so that nobody can make another's invalid. `hosts` are the lower-case
    names, without port, by which clients and holdover know it."""
    if method in SAFE or not 200 <= status < 400:
        return []
    found = [target]
    # An address of IPv6 has brackets in a URL, which do not belong to it.
    host = next(f"[{name}]" if ":" in name else name for name in hosts)
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


def may_be_from_before(asked_at: float, changed_at: float, now: float) -> bool:
    """Whether a response that was asked for at `asked_at` may tell what was so before the change at `changed_at`. A
    change from the future is from before the clock stepped back. Unix seconds."""
    return asked_at < changed_at <= now + CLOCK_SLACK_S
