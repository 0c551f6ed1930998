"""What becomes of a provider's response: a new entry, the old one confirmed, or an answer that is not stored."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from holdover.caching.directives import control
from holdover.caching.storing import end_is_marked, storable
from holdover.canonical import CanonicalRequest
from holdover.coding import UnusableBodyError, codings, compressed, decoded, recoded
from holdover.content import Board, board_of, is_json, revision_of
from holdover.entry import Entry
from holdover.exchange import Headers, Response, elements, header
from holdover.metrics import Effect
from holdover.policy import provider_trouble, refusal, said_json, varying
from holdover.provider_settings import ErrorSettings
from holdover.route_settings import RouteSettings
from holdover.rules import Provider
from holdover.verdict import Meaning, meaning, reads_bodies

_PHRASES: dict[Meaning, str] = {
    "quota": "the quota is used up",
    "credential": "the credential is not accepted",
    "rate": "asked too often",
    "absent": "there is no such thing",
    "error": "the provider tells of an error",
}
# Not kept: what describes one message or one connection, and cookies, which are for one client.
_NOT_STORED = frozenset("content-length content-encoding age set-cookie set-cookie2 accept-ranges".split())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A storable answer, or the stored one confirmed; `effect` is None when the stored one was new enough and the
    provider was not asked."""

    entry: Entry
    effect: Effect | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A complete answer of the provider that must not be stored. With `trouble` it says nothing about what was
    asked for, so a good stored answer is better; otherwise clients who wait get it verbatim. `means` is what it says
    instead of odds, where that is known. `alone`: it is for who asked, and not for others who asked the same
    meanwhile."""

    response: Response
    reason: str
    trouble: bool
    means: Meaning | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `reason` is a phrase without URL or credential; `retry_after` in seconds, if known; `connection`
    when it was the connection that failed, so that another try may work; `unheard` when nobody asked, because the
    account is used up, and nobody knows in which words the provider would say so."""

    reason: str
    timed_out: bool = False
    retry_after: float | None = None
    connection: bool = False
    unheard: bool = False


type FetchResult = Fetched | Refused | Failed


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of whom, when (Unix seconds), and the stored entry that it was asked with."""

    provider: Provider
    route: RouteSettings
    canonical: CanonicalRequest
    previous: Entry | None
    requested_at: float


def judge(question: Question, response: Response, seconds: float, limit: int) -> Fetched | Refused:
    """What a complete final response becomes; it took `seconds`. Takes milliseconds of CPU for a large body.

    Raises UnusableBodyError when the body is broken or longer than `limit` bytes decoded."""
    previous, route = question.previous, question.route
    fields = _stored_fields(route, response.headers)
    if response.status == 304 and previous is not None:
        return _confirmed(question, previous, response, seconds)
    rules = question.provider.settings.errors
    identity = b"" if _undecoded(rules, response) else decoded(response, limit)
    means = meaning(rules, response, identity)
    refused = refusal(route, response, question.provider.credentials)
    absent = means == "absent" and response.status != 200 and _as_promised(route, response)
    if absent and refused is None and route.negative_s:
        identity, zipped = codings(response, limit)
        revision = revision_of(response.status, identity)
        absence = Entry(question.canonical, response.status, fields, identity, zipped, revision)
        return Fetched(_timed(absence, question, response, seconds), "changed")
    # What is not stored is given to who waits for it, unless it may be another for each.
    own = refused is not None or bool(varying(route, response.headers, question.provider.credentials))
    if means is not None:
        trouble = means != "absent"
        return Refused(response, _PHRASES[means], trouble, means, alone=own and not trouble)
    if response.status != 200:
        trouble = provider_trouble(response.status)
        return Refused(response, f"status {response.status}", trouble, alone=own and not trouble)
    if refused is not None:
        if not end_is_marked(response.headers) and route.content == "json" and not is_json(identity):
            raise UnusableBodyError("a body that broke off, or is not the JSON that it should be")
        return Refused(response, refused, trouble=False, alone=True)
    asked = question.provider.profile.ask(question.canonical, previous.identity if previous else None)
    if asked is not question.canonical:
        # A part of what is stored; the profile knows what it may look like.
        return _stored(
            question, response, seconds, identity, _freshened(previous.headers, fields) if previous else fields
        )
    if route.content == "json" and not said_json(header(response.headers, "content-type")):
        return Refused(response, "not said to be JSON", trouble=True)
    if route.content == "json" and not is_json(identity):
        return Refused(response, "not the JSON that it is said to be", trouble=True)
    return _stored(question, response, seconds, identity, fields)


def _confirmed(question: Question, previous: Entry, response: Response, seconds: float) -> Fetched | Refused:
    """What is stored, after a 304."""
    route = question.route
    # The fields that are for one client now may be among those that were for all.
    headers = _stored_fields(route, _freshened(previous.headers, _stored_fields(route, response.headers)))
    whole = Response(200, (*headers, ("Content-Length", str(len(previous.identity)))), previous.identity)
    if previous.status == 200 and (lost := refusal(route, whole, question.provider.credentials)) is not None:
        return Refused(whole, lost, trouble=False, alone=True)
    confirmed = replace(previous, headers=headers, floor_s=_floor(route, headers, told_age(response)))
    return Fetched(_timed(confirmed, question, response, seconds), "not_modified")


def _stored(
    question: Question, response: Response, seconds: float, identity: bytes, fields: Headers
) -> Fetched | Refused:
    """A good answer, after the profile has merged what it merges."""
    previous, route, profile = question.previous, question.route, question.provider.profile
    told = told_cost(question.provider, response)
    cost = profile.cost(route, question.canonical, identity) if told is None else max(0.0, told)
    try:
        merged = profile.absorb(question.canonical, previous.identity if previous else None, identity)
    except ValueError:
        return Refused(response, "not what can be merged into the board", trouble=True)
    revision = revision_of(response.status, merged, volatile(route))
    effect: Effect = "unchanged" if previous is not None and previous.revision == revision else "changed"
    if effect == "unchanged" and previous is not None and previous.identity == merged:
        entry = replace(previous, headers=fields)
    else:
        zipped = recoded(response) if merged is identity else compressed(merged)
        entry = Entry(question.canonical, response.status, fields, merged, zipped, revision)
        entry = replace(entry, board=board_in(question.provider, route, question.canonical, merged))
    entry = replace(entry, cost=cost, floor_s=_floor(route, response.headers, told_age(response)), projected="")
    return Fetched(_timed(entry, question, response, seconds), effect)


def volatile(route: RouteSettings) -> tuple[str, ...]:
    """The members whose change is no change of the odds."""
    return (*route.updated, *route.volatile)


def board_in(provider: Provider, route: RouteSettings, canonical: CanonicalRequest, identity: bytes) -> Board:
    """What the content of an answer says of itself."""
    board = _board(route, identity)
    if board.events == 0 and not provider.profile.whole(canonical):
        return replace(board, events=None)
    return board


def _board(route: RouteSettings, identity: bytes) -> Board:
    if route.content != "json":
        return Board()
    updated = tuple(route.updated)
    told = route.starts or route.pace.empty_s or route.cost_per_item
    items = route.items if told else None
    return board_of(identity, starts=route.starts, updated=updated, updated_at=route.updated_at, items=items)


def _as_promised(route: RouteSettings, response: Response) -> bool:
    """A gateway's page says nothing about what a provider of JSON has."""
    return route.content == "any" or said_json(header(response.headers, "content-type"))


def _undecoded(rules: Sequence[ErrorSettings], response: Response) -> bool:
    """Whether nothing looks into this body: an error that only its status or header fields explain."""
    return response.status != 200 and not reads_bodies(rules, response.status)


def _floor(route: RouteSettings, headers: Headers, age: float) -> float:
    """What is left of the provider's max-age where the route honours it, in seconds (RFC 9111 section 4.2)."""
    for directive in elements(header(headers, "cache-control")) if route.honour_max_age else ():
        name, _, value = directive.partition("=")
        if name == "max-age" and value.strip('"').isdecimal():
            return max(0.0, min(float(value.strip('"')), 86_400.0) - age)
    return 0.0


def told_age(response: Response) -> float:
    """The provider side's Age in seconds; a list counts by its first member (RFC 9111 section 5.1)."""
    first = (header(response.headers, "age") or "").partition(",")[0].strip()
    return float(min(int(first[:10]), 2**31)) if first.isascii() and first.isdigit() else 0.0


def told_cost(provider: Provider, response: Response) -> float | None:
    """What the provider says that this call took; None when it does not."""
    told = header(response.headers, field) if (field := provider.settings.quota.last) else None
    with suppress(ValueError):
        if told is not None and math.isfinite(float(told)):
            return float(told)
    return None


def _timed(entry: Entry, question: Question, response: Response, seconds: float) -> Entry:
    return replace(
        entry,
        requested_at=question.requested_at,
        received_at=question.requested_at + seconds,
        initial_age=told_age(response),
        fetch_s=seconds,
    )


def _freshened(stored: Headers, fresh: Headers) -> Headers:
    """RFC 9111 section 4.3.4: the fields of a 304 replace the stored ones of the same name."""
    names = {name.lower() for name, _ in fresh}
    return tuple(field for field in stored if field[0].lower() not in names) + fresh


def _stored_fields(route: RouteSettings, headers: Headers) -> Headers:
    """As with `freshness = "origin"`: Connection cannot take away what decides about caching, and what `no-cache`
    names is for who asked alone (RFC 9111 section 5.2.2.4)."""
    fields = storable(headers, control(headers, route.targeted))
    return tuple(field for field in fields if field[0].lower() not in _NOT_STORED)
