"""Whether a stored response answers a request (RFC 9111 section 4)."""

from dataclasses import dataclass
from typing import Literal

from holdover.caching.directives import Directives, cache_control
from holdover.caching.freshness import age_now, from_the_future, lifetime
from holdover.caching.stored import Stored
from holdover.exchange import Headers, header

TROUBLE = frozenset((500, 502, 503, 504))
"""The errors for which stale-if-error is (RFC 5861 section 4)."""

ABOUT_THE_CLIENT = frozenset((408, 429))
"""Statuses that tell how slowly or how often somebody asks, and nothing of what he asks for."""


@dataclass(frozen=True, slots=True)
class Use:
    """Send it. `ttl` seconds of its lifetime are left; `refresh` when it is to be validated behind the client's
    back."""

    ttl: float
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the origin first: it is stale, or the request or the response asks for that."""

    why: Literal["stale", "request"]


def asked_of(request: Headers) -> Directives:
    """The request's directives; `Pragma: no-cache` counts where there is no Cache-Control (RFC 9111 section 5.4)."""
    if header(request, "cache-control") is None and "no-cache" in (header(request, "pragma") or "").lower():
        return Directives((("no-cache", None),))
    return cache_control(request)


def judged(stored: Stored, told: Directives, asked: Directives, now: float) -> Use | Validate:
    """`told` by the response to this cache, `asked` by the request."""
    age = age_now(stored, now)
    ttl = lifetime(stored, told) - age
    # RFC 9111 sections 5.2.1.4 and 5.2.2.4; a response says it of itself all the more.
    if "no-cache" in asked:
        return Validate("request")
    if told.unqualified("no-cache") or stored.stale or from_the_future(stored, now):
        return Validate("stale")
    # RFC 9111 sections 5.2.1.1 and 5.2.1.3. What is no number of seconds asks for nothing.
    longest, least = asked.seconds("max-age"), asked.seconds("min-fresh")
    if longest is not None and 0 <= longest < age:
        return Validate("request")
    if least is not None and least >= 0 and ttl < least:
        return Validate("request" if ttl > 0 else "stale")
    if ttl > 0:
        return Use(ttl)
    if prohibits_stale(told):
        return Validate("stale")
    if "max-stale" in asked and _within(-ttl, asked, "max-stale", valueless=True):
        return Use(ttl)
    # RFC 5861 section 3.
    if _within(-ttl, told, "stale-while-revalidate"):
        return Use(ttl, refresh=True)
    return Validate("stale")


def prohibits_stale(told: Directives) -> bool:
    """RFC 9111 section 4.2.4; a shared cache heeds proxy-revalidate, and s-maxage says as much."""
    names = ("must-revalidate", "proxy-revalidate", "s-maxage")
    return told.broken or told.unqualified("no-cache") or any(name in told for name in names)


def usable_instead(
    stored: Stored, told: Directives, asked: Directives, now: float, *, reached: bool, longest_s: float
) -> bool:
    """Whether it may be sent in the place of an error. `reached`: the origin answered with one of `TROUBLE`, for
    which a directive must allow it (RFC 5861 section 4); where there was no answer at all, the cache is disconnected
    (RFC 9111 section 4.2.4), and it may be up to `longest_s` seconds past its lifetime."""
    if prohibits_stale(told) or "no-cache" in asked or from_the_future(stored, now):
        return False
    past = age_now(stored, now) - lifetime(stored, told)
    if past < 0 and not stored.stale:
        return True
    if _within(past, told, "stale-if-error") or _within(past, asked, "stale-if-error"):
        return True
    return not reached and past <= longest_s


def _within(past: float, directives: Directives, name: str, *, valueless: bool = False) -> bool:
    if valueless and directives.unqualified(name):
        return True
    seconds = directives.seconds(name)
    return seconds is not None and past < seconds
