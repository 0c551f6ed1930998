"""What may be stored and what may be served, as pure functions of a route, an entry and `now`.

The route's window sets the freshness lifetime ("in accordance with an out-of-band contract", RFC 9111 section
4.2.4). It sets nothing else: no-store and private hold unless the route names them in `override`."""

import json
from dataclasses import dataclass

from holdover.entry import Entry
from holdover.exchange import Response, elements, header
from holdover.settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Fresh:
    """Serve. `ttl` seconds of the window are left."""

    ttl: float


@dataclass(frozen=True, slots=True)
class Stale:
    """Serve at once: past the window, but a refresh is due or under way. `ttl` is negative."""

    ttl: float


@dataclass(frozen=True, slots=True)
class Expired:
    """Ask the provider. If it fails, the entry may still be served when `usable`, never otherwise."""

    usable: bool


type Decision = Fresh | Stale | Expired


def age(entry: Entry, now: float) -> float:
    """Seconds since the provider generated or confirmed the content (RFC 9111 section 4.2.3, from the start of
    the request, so it never understates). A clock that stepped back makes it 0, not negative."""
    return entry.initial_age + max(0.0, now - entry.requested_at)


def decide(route: RouteSettings, entry: Entry, now: float, *, refreshing: bool) -> Decision:
    """`refreshing`: the sidecar keeps this key fresh, so a new answer is at most one provider latency away and
    nobody needs to wait for it. Otherwise an answer past its window may be older than the route promises by any
    amount, and the provider is asked first."""
    elapsed = age(entry, now)
    # The window is about holdover's own asking; what a provider's own cache had aged before is in `elapsed` alone.
    ttl = route.window_s - (now - entry.requested_at)
    if from_the_future(entry, now):
        return Expired(usable=False)
    if ttl > 0:
        return Fresh(ttl)
    if refreshing and elapsed <= route.max_stale_s:
        return Stale(ttl)
    return Expired(usable=elapsed <= route.max_stale_s)


def from_the_future(entry: Entry, now: float) -> bool:
    """The clock stepped back since the entry was made; its age is unknown, so it would never expire."""
    return entry.received_at > now + 1.0


def supersedes(new: Entry, old: Entry, now: float) -> bool:
    """Whether `new` may take the place of `old`.

    Two overlapping fetches of one key can be generated in either order: A asks, B asks, B is answered from the
    provider's newer state, A's older answer arrives last. Storing A would let a client see the price go back. Only
    a request that started after the stored answer had arrived is certain to be newer."""
    return new.requested_at >= old.received_at or from_the_future(old, now)


def refusal(route: RouteSettings, response: Response) -> str | None:
    """Why this final response must not be stored, or None when it may be."""
    if response.status != 200:
        return f"status {response.status}"
    directives = set(elements(header(response.headers, "cache-control")))
    for directive in ("no-store", "private"):
        # `private="field"` is treated as `private` (allowed by RFC 9111 section 5.2.2.7).
        if any(d.partition("=")[0] == directive for d in directives) and directive not in route.override:
            return f"Cache-Control: {directive}"
    if "*" in elements(header(response.headers, "vary")):
        return "Vary: *"
    if header(response.headers, "content-range") is not None:
        return "partial content"
    # A body that ends when the connection closes cannot be told from a truncated one.
    if header(response.headers, "content-length") is None and "chunked" not in elements(
        header(response.headers, "transfer-encoding")
    ):
        return "its end is not marked"
    return None


def content_refusal(route: RouteSettings, content_type: str | None, identity: bytes) -> str | None:
    """Why this content must not be stored: the route promises JSON and it is none."""
    if route.content == "any":
        return None
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        return "not said to be JSON"
    try:
        json.loads(identity)
    except (ValueError, RecursionError):
        return "not the JSON that it is said to be"
    return None


def provider_trouble(status: int) -> bool:
    """Statuses that say nothing about the resource: the provider fails, or refuses holdover's own credential or
    rate. A good entry within its limit is the better answer then (RFC 5861 section 4, widened to refusals)."""
    return status >= 500 or status in (401, 403, 408, 429)
