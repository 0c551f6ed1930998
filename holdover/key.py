"""From a client's request to its canonical form.

A key that left something out of account would serve one client what another asked for; so whatever has no
unambiguous canonical form goes past the cache instead of being guessed at."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from holdover.canonical import CanonicalRequest, Query
from holdover.credential import NOBODY, Credential
from holdover.exchange import Request, header
from holdover.head import MAX_BODY_BYTES
from holdover.personal import CREDENTIAL_LIKE
from holdover.promo_audience import audience
from holdover.route_settings import RouteSettings, segments_of
from holdover.rules import (
    PromoRoute,
    Provider,
    Route,
    Routed,
    RoutedToPromos,
    Rules,
    Unrouted,
    decode,
)

type Kind = Literal["route", "request", "query", "parameter", "body", "credential"]
"""What it is that makes a request pass: nothing is cached there; its method, a field or an unexpected body; a query
that servers read differently; a parameter that the route does not know; the body of its POST; its credential."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """The request goes to the provider untouched; `reason` is a short phrase for people."""

    provider: Provider
    route: Route | PromoRoute | None
    reason: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Cacheable:
    """The request is answered from the cache or by a fetch of `canonical`. `credential` is what the client sent of
    its own, `echo` what it wants to find in the answer to its body."""

    provider: Provider
    route: Route
    canonical: CanonicalRequest
    credential: Credential = NOBODY
    echo: str = ""


@dataclass(frozen=True, slots=True)
class ForPromos:
    """The request is answered with the promos of this audience (`holdover.promo_audience.audience`)."""

    provider: Provider
    route: PromoRoute
    audience: Query


@dataclass(frozen=True, slots=True)
class ForOrigin:
    """The request is answered by the rules of HTTP (`holdover.origin.cache`); `target` is what it was sent with."""

    provider: Provider
    route: Route
    target: str


type Plan = Cacheable | ForPromos | ForOrigin | Bypass | None
"""None: the host belongs to no provider."""


def plan(request: Request, rules: Rules, salt: bytes = b"") -> Plan:
    """What to do with a client's request, before any cache is looked at. `salt` is the installation's, for what tells
    apart those who must not share."""
    match rules.match(request.host, request.target, request.body):
        case None:
            return None
        case Unrouted(provider):
            return Bypass(provider, None, "no route matches", "route")
        case RoutedToPromos(provider, route, path):
            return _plan_promos(request, provider, route, path)
        case Routed() as routed:
            return _plan_routed(request, routed, salt)


def _plan_promos(request: Request, provider: Provider, route: PromoRoute, path: str) -> ForPromos | Bypass:
    if request.method not in ("GET", "HEAD") or request.body:
        return Bypass(provider, route, "only GET and HEAD without a body are answered with promos", "request")
    pairs: list[tuple[str, str]] = []
    for parsed in _parse(request.target.partition("?")[2]):
        if isinstance(parsed, str):
            return Bypass(provider, route, parsed, "query")
        pairs.append(parsed)
    words = {word: decode(found) or "" for word, found in segments_of(route.settings.path, path).items()}
    told = audience(route.settings.audience, tuple(pairs), request.headers, words)
    return ForPromos(provider, route, told)


def _plan_routed(request: Request, routed: Routed, salt: bytes) -> Cacheable | ForOrigin | Bypass:
    provider, route = routed.provider, routed.route
    if route.settings.freshness == "origin":
        if "#" in request.target:
            return Bypass(provider, route, "a target has no fragment", "request")
        return ForOrigin(provider, route, request.target)
    fields = {name.lower() for name, _ in request.headers}
    if (reason := _unshareable(request, fields, routed)) is not None:
        return Bypass(provider, route, reason, "request")
    split = _split_query(request.target.partition("?")[2], provider, route.settings)
    if isinstance(split, _Odd):
        return Bypass(provider, route, split.reason, split.kind)
    pairs, secrets = split
    query = provider.profile.query(route.settings, routed.path, _canonical(pairs, route.settings))
    body = echo = ""
    if request.method == "POST":
        if len(request.body) > MAX_BODY_BYTES:
            return Bypass(provider, route, "the body is too long to be part of a key", "body")
        parsed = provider.profile.canonical_body(route.settings, request.body)
        if isinstance(parsed, str):
            return Bypass(provider, route, parsed, "body")
        body, echo = parsed
    credential = Credential(secrets, tuple(f for f in request.headers if f[0].lower() in provider.credentials))
    if (reason := _unclear(credential, provider)) is not None:
        return Bypass(provider, route, reason, "credential")
    named = sorted(fields.intersection(name.lower() for name in route.settings.headers))
    headers = tuple((name, header(request.headers, name) or "") for name in named)
    partition = _partition(request, provider, credential, salt)
    canonical = CanonicalRequest(provider.name, route.name, routed.path, query, headers, body, partition)
    return Cacheable(provider, route, canonical, credential, echo)


def _unclear(credential: Credential, provider: Provider) -> str | None:
    """Why it is not clear which credential counts: that is the provider's affair, and what is sent along beside the
    right one would be blanked in the odds of others, who share the answer."""
    named = provider.settings.credential
    in_query = [name.lower() for name, _ in credential.query]
    told = [*in_query, *(name.lower() for name, _ in credential.headers)]
    apart = named.class_from.lower() if named is not None and named.class_from is not None else None
    if apart in in_query:
        return "what tells the class stands in the query"
    if told.count(apart or "") > 1 or len([name for name in told if name != apart]) > 1:
        return "more than one credential"
    return None


def _partition(request: Request, provider: Provider, credential: Credential, salt: bytes) -> str:
    """Who shares answers with whom: tenants, plans, application keys."""
    if provider.settings.clients == "own":
        return credential.fingerprint(salt)
    named = provider.settings.credential
    if named is None or named.class_from is None:
        return provider.class_of(credential)
    value = header(request.headers, named.class_from) or ""
    return f"{provider.class_of(credential)}.{Credential(headers=(('', value),)).fingerprint(salt)}"


def _unshareable(request: Request, fields: Collection[str], routed: Routed) -> str | None:
    """Why an answer to this request might not be for everyone, judged by method and header fields."""
    method = "GET" if request.method == "HEAD" else request.method
    if method not in routed.route.settings.methods:
        return f"method {request.method} is not cached"
    if request.body and method != "POST":
        return "the request has a body"
    declared = routed.provider.credentials.union(name.lower() for name in routed.route.settings.headers)
    for name in fields:
        # What is said to a proxy ends here.
        if routed.provider.is_personal(name) and name not in declared and name != "proxy-authorization":
            return f"the {name} field may make the answer personal"
    if method == "POST" and "content-encoding" in fields:
        return "the request's body is encoded"
    return None


@dataclass(frozen=True, slots=True)
class _Odd:
    reason: str
    kind: Kind


def _split_query(query: str, provider: Provider, route: RouteSettings) -> tuple[Query, Query] | _Odd:
    """The pairs of the key and the client's credentials, or the reason why there is no canonical form."""
    pairs: list[tuple[str, str]] = []
    secrets: list[tuple[str, str]] = []
    known = {*route.parameters, *route.lists, *route.repeated, *route.booleans, *route.defaults}
    for parsed in _parse(query):
        if isinstance(parsed, str):
            return _Odd(parsed, "query")
        name, value = parsed
        if name.removesuffix("[]") in route.repeated:
            name = name.removesuffix("[]")
        if name.lower() in provider.credentials:
            secrets.append(parsed)
        elif name in route.drop:
            continue
        elif name in known:
            pairs.append((name, value))
        elif (plain := _plain(name)) in CREDENTIAL_LIKE or plain in provider.credentials:
            return _Odd(f"parameter {name} looks like a credential that the provider does not declare", "credential")
        elif route.unknown == "bypass":
            return _Odd(f"parameter {name} is not known to the route", "parameter")
        elif route.unknown == "key":
            pairs.append((name, value))
    return tuple(pairs), tuple(secrets)


def _plain(name: str) -> str:
    """As some clients spell a list of one (`apiKey[]`), and some servers read it."""
    return name.strip().removesuffix("[]").strip().lower()


def _canonical(pairs: Query, route: RouteSettings) -> Query:
    """Lists sorted and unique, spellings folded, defaults filled in, sorted by name."""
    present = {name for name, _ in pairs}
    folded = [*pairs, *((name, value) for name, value in route.defaults.items() if name not in present)]
    for name in route.repeated:
        if values := [value for key, value in folded if key == name]:
            folded = [pair for pair in folded if pair[0] != name] + [(name, ",".join(values))]
    lists = {*route.lists, *route.repeated}
    spelled = (
        (name, _sorted_list(value) if name in lists else _boolean(value) if name in route.booleans else value)
        for name, value in folded
    )
    # Stable: repeated parameters keep their order, which a provider may read as meaning.
    return tuple(sorted(spelled, key=lambda pair: pair[0]))


def _boolean(value: str) -> str:
    return value.lower() if value in ("True", "TRUE", "False", "FALSE") else value


def _parse(query: str) -> Iterator[tuple[str, str] | str]:
    """Decoded pairs; a sentence for what servers read differently from one another."""
    for part in query.split("&"):
        if not part:
            continue
        if ";" in part or "#" in part or "=" not in part:
            yield "a parameter without =, or with ; or #, has no one meaning"
            return
        name, _, value = part.replace("+", " ").partition("=")
        decoded_name, decoded_value = decode(name), decode(value)
        if decoded_name is None or decoded_value is None:
            yield "the query holds a broken escape or control characters"
            return
        yield decoded_name, decoded_value


def _sorted_list(value: str) -> str:
    return ",".join(sorted(set(value.split(","))))
