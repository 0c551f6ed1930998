"""What may be stored and what may be served, as pure functions of a route, an entry and `now`.

The route's window sets the freshness lifetime ("in accordance with an out-of-band contract", RFC 9111 section
4.2.4). It sets nothing else: what holds in a cache that goes by the origin's word holds here, unless the route names
the rule in `override`."""

from collections.abc import Collection
from dataclasses import dataclass

from holdover.caching.directives import control
from holdover.caching.ranges import RANGE_FIELDS
from holdover.caching.storing import forbidden
from holdover.caching.validation import CONDITIONAL, FOR_ORIGINS
from holdover.entry import Entry
from holdover.exchange import HOP_BY_HOP, Headers, Response, elements, header
from holdover.phase import max_stale, next_start, promise
from holdover.route_settings import RouteSettings
from holdover.rules import TURNING

# Connection, conditions and ranges are between two neighbours, and what turns a request into another ends here.
_NOT_SENT_ON = HOP_BY_HOP.union(
    TURNING,
    CONDITIONAL,
    FOR_ORIGINS,
    RANGE_FIELDS,
    "host expect content-length content-type content-encoding".split(),
)


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
    window_s, max_stale_s = limits(route, entry, now)
    # The window is about holdover's own asking; what a provider's own cache had aged before is in `elapsed` alone.
    ttl = window_s - (now - entry.requested_at)
    # What was fetched before an event began shows it as not begun.
    if (start := next_start(entry.board, entry.requested_at)) is not None:
        ttl = min(ttl, start - now)
    if from_the_future(entry, now):
        return Expired(usable=False)
    # What is within its window was too old when it came, if the provider's side had kept it for long.
    if elapsed > max_stale_s:
        return Expired(usable=False)
    if ttl > 0:
        return Fresh(ttl)
    if prohibits_stale(route, entry):
        return Expired(usable=False)
    return Stale(ttl) if refreshing else Expired(usable=True)


def limits(route: RouteSettings, entry: Entry, now: float) -> tuple[float, float]:
    """The window and the greatest age of this answer now, in seconds. An absence is never served past its window."""
    if entry.status != 200:
        return route.negative_s, route.negative_s
    return max(promise(route, entry.board, now), entry.floor_s), max_stale(route, entry.board, now)


def next_change(route: RouteSettings, entry: Entry, now: float, ttl: float) -> float:
    """Until when `decide`, `age` and the whole seconds that an answer tells stay what they are, if nobody refreshes
    the entry. `now` itself where they are so for this moment alone. `ttl` is what `decide` said."""
    _, max_stale_s = limits(route, entry, now)
    # By the very sums that are told: others would round another way just before a whole second.
    elapsed = age(entry, now)
    moments = [now + 1.0 - elapsed % 1.0, now + ttl % 1.0, now + max_stale_s - elapsed]
    if entry.board.typical is not None:
        moments.append(now + 1.0 - (now - entry.board.typical) % 1.0)
    if entry.board.starts:
        # Where the phase of the board changes, its windows do.
        begins = entry.board.starts[0]
        moments += [begins - route.pace.near_from_s, begins]
    return min(moment for moment in moments if moment >= now)


def from_the_future(entry: Entry, now: float) -> bool:
    """The clock stepped back since the entry was made; its age is unknown, so it would never expire."""
    return entry.received_at > now + 1.0


def supersedes(new: Entry, old: Entry, now: float) -> bool:
    """Whether `new` may take the place of `old`.

    Two overlapping fetches of one key can be generated in either order: A asks, B asks, B is answered from the
    provider's newer state, A's older answer arrives last. Storing A would let a client see the price go back. Only
    a request that started after the stored answer had arrived is certain to be newer."""
    return new.requested_at >= old.received_at or from_the_future(old, now)


def refusal(route: RouteSettings, response: Response, keyed: Collection[str] = ()) -> str | None:
    """Why this final response must not be stored whatever it says, or None when it may be. `keyed`: lower-case names
    of header fields that tell clients apart beside those that the route names."""
    told = control(response.headers, route.targeted)
    if (reason := forbidden(response, told, route.override)) is not None:
        return reason
    # `private="field"` is treated as `private` (allowed by RFC 9111 section 5.2.2.7).
    if "private" in told and "private" not in route.override:
        return "Cache-Control: private"
    if ending := varying(route, response.headers, keyed) & _NOT_SENT_ON:
        return f"Vary: {min(ending)}, which does not reach the provider"
    return None


def varying(route: RouteSettings, headers: Headers, keyed: Collection[str] = ()) -> frozenset[str]:
    """Lower-case names of the request's fields that select this response, beside those of its key (RFC 9111 section
    4.1). Of the codings there is one for who wants it."""
    if "vary" in route.override:
        return frozenset()
    selecting = {"accept-encoding", *keyed, *(name.lower() for name in route.headers)}
    # Most have none: those share one that is empty.
    return frozenset(elements(header(headers, "vary"))) - selecting or frozenset()


def prohibits_stale(route: RouteSettings, entry: Entry) -> bool:
    """RFC 9111 sections 5.2.2.2 and 5.2.2.8, for what is past its window."""
    told = control(entry.headers, route.targeted)
    return "must-revalidate" not in route.override and ("must-revalidate" in told or "proxy-revalidate" in told)


def said_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def provider_trouble(status: int) -> bool:
    """Statuses that say nothing about the resource: the provider fails, or refuses holdover's own credential or
    rate. A good entry within its limit is the better answer then (RFC 5861 section 4, widened to refusals)."""
    return status >= 500 or status in (401, 403, 408, 429)
