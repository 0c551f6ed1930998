"""How old a response is and how long it is fresh (RFC 9111 section 4.2)."""

import re

from holdover.caching.dates import parsed
from holdover.caching.directives import LONGEST_S, Directives, seconds_of
from holdover.caching.stored import Stored
from holdover.exchange import Headers, header

CLOCK_SLACK_S = 1.0
HEURISTIC_SHARE = 0.1
LONGEST_HEURISTIC_S = 86_400.0
HEURISTIC_STATUSES = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
"""RFC 9110 section 15.1."""

_AGE = re.compile(r"[0-9]+")


def first(headers: Headers, name: str) -> str | None:
    """The value of the first line of a field that is no list."""
    return next((value.strip(" \t") for told, value in headers if told.lower() == name), None)


def told_age(headers: Headers) -> float:
    """The Age field in seconds; of several values the first counts, and one that is no number counts as absent (RFC
    9111 section 5.1)."""
    value = (header(headers, "age") or "").partition(",")[0].strip(" \t")
    return float(seconds_of(value)) if _AGE.fullmatch(value) else 0.0


def age_when_received(headers: Headers, requested_at: float, received_at: float) -> float:
    """`corrected_initial_age` of RFC 9111 section 4.2.3, in seconds; the delay of the response counts."""
    dated = parsed(first(headers, "date"), received_at)
    apparent = max(0.0, received_at - dated) if dated is not None else 0.0
    # Date has whole seconds: a response made just now is not up to a second old because of that.
    apparent = apparent if apparent >= 1.0 else 0.0
    return max(apparent, told_age(headers) + max(0.0, received_at - requested_at))


def from_the_future(stored: Stored, now: float) -> bool:
    """The clock stepped back since it came; how old it is nobody knows, and it would never grow old."""
    return stored.received_at > now + CLOCK_SLACK_S


def age_now(stored: Stored, now: float) -> float:
    """`current_age` of RFC 9111 section 4.2.3. A clock that stepped back makes nothing younger than it was."""
    return min(stored.age + max(0.0, now - stored.received_at), float(LONGEST_S))


def lifetime(stored: Stored, told: Directives) -> float:
    """`freshness_lifetime` of RFC 9111 section 4.2.1, in seconds; 0 when there is no information or it is invalid."""
    if stored.stale or told.broken:
        return 0.0
    explicit = explicit_lifetime(stored.headers, told, stored.received_at)
    if explicit is not None:
        return explicit
    return heuristic_lifetime(stored.status, stored.headers, told, stored.received_at)


def explicit_lifetime(headers: Headers, told: Directives, received_at: float) -> float | None:
    """What the response says (RFC 9111 section 4.2.1): s-maxage, else max-age, else Expires minus Date."""
    for name in ("s-maxage", "max-age"):
        if (seconds := told.seconds(name)) is not None:
            return float(max(0, seconds))
    if told.targeted or (expires := first(headers, "expires")) is None:
        return None
    until = parsed(expires, received_at)
    # An invalid date, the value "0" above all, is one in the past (RFC 9111 section 5.3).
    if until is None:
        return 0.0
    dated = parsed(first(headers, "date"), received_at)
    return max(0.0, min(until - (received_at if dated is None else dated), float(LONGEST_S)))


def heuristic_lifetime(status: int, headers: Headers, told: Directives, received_at: float) -> float:
    """A tenth of the time since the last change (RFC 9111 section 4.2.2), a day at most, where the status or `public`
    allows a guess."""
    if status not in HEURISTIC_STATUSES and "public" not in told:
        return 0.0
    changed = parsed(first(headers, "last-modified"), received_at)
    dated = parsed(first(headers, "date"), received_at)
    if changed is None:
        return 0.0
    since = (received_at if dated is None else dated) - changed
    return max(0.0, min(since * HEURISTIC_SHARE, LONGEST_HEURISTIC_S))
