"""The canonical request: what is hashed into the key and what is sent upstream derive from this one form.

A key that left something out of account would serve one client what another asked for; so whatever has no
unambiguous canonical form goes past the cache instead of being guessed at."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlencode

from holdover.exchange import Headers, Request, header
from holdover.rules import CREDENTIAL_LIKE, Provider, Route, Routed, Rules, Unrouted, decode
from holdover.settings import RouteSettings


@dataclass(frozen=True)
class CanonicalRequest:
    """A GET in canonical form. `path` is percent-encoded, `query` holds decoded pairs sorted by name, `headers`
    the fields that the route made part of the key. Nothing in it identifies a client."""

    provider: str
    route: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Headers = ()

    @cached_property
    def target(self) -> str:
        """The request target as sent upstream, without credential."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote, safe='')}" if self.query else self.path

    @cached_property
    def key(self) -> str:
        """32 hex digits. Every part is hashed with its length before it, so no value can imitate a separator."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.provider, self.route, self.path, str(len(self.query))):
            _update(digest, part)
        for name, value in (*self.query, *self.headers):
            _update(digest, name)
            _update(digest, value)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Bypass:
    """The request goes to the provider untouched; `reason` is a short phrase for people."""

    provider: Provider
    route: Route | None
    reason: str


@dataclass(frozen=True, slots=True)
class Cacheable:
    """The request is answered from the cache or by a fetch of `canonical`."""

    provider: Provider
    route: Route
    canonical: CanonicalRequest


type Plan = Cacheable | Bypass | None
"""None: the host belongs to no provider."""


def plan(request: Request, rules: Rules) -> Plan:
    """What to do with a client's request, before any cache is looked at."""
    match rules.match(request.host, request.target):
        case None:
            return None
        case Unrouted(provider):
            return Bypass(provider, None, "no route matches")
        case Routed() as routed:
            return _plan_routed(request, routed)


def _plan_routed(request: Request, routed: Routed) -> Cacheable | Bypass:
    provider, route = routed.provider, routed.route
    fields = {name.lower() for name, _ in request.headers}
    reason = _unshareable(request, fields, routed)
    if reason is None:
        query = _canonical_query(request.target.partition("?")[2], provider, route.settings)
        if not isinstance(query, str):
            named = sorted(fields.intersection(name.lower() for name in route.settings.headers))
            headers = tuple((name, header(request.headers, name) or "") for name in named)
            canonical = CanonicalRequest(provider.name, route.name, routed.path, query, headers)
            return Cacheable(provider, route, canonical)
        reason = query
    return Bypass(provider, route, reason)


def _unshareable(request: Request, fields: Collection[str], routed: Routed) -> str | None:
    """Why an answer to this request might not be for everyone, judged by method and header fields."""
    if request.method not in ("GET", "HEAD"):
        return f"method {request.method} is not cached"
    if request.has_body:
        return "the request has a body"
    declared = routed.provider.credentials.union(name.lower() for name in routed.route.settings.headers)
    for name in fields:
        if (name == "cookie" or name in CREDENTIAL_LIKE) and name not in declared:
            return f"the {name} field may make the answer personal"
    return None


def _canonical_query(query: str, provider: Provider, route: RouteSettings) -> tuple[tuple[str, str], ...] | str:
    """Pairs in canonical order, or the reason why there is no canonical form."""
    pairs: list[tuple[str, str]] = []
    known = {*route.parameters, *route.lists, *route.defaults}
    for parsed in _parse(query):
        if isinstance(parsed, str):
            return parsed
        name, value = parsed
        if name.lower() in provider.credentials or name in route.drop:
            continue
        if name not in known:
            if name.lower() in CREDENTIAL_LIKE:
                return f"parameter {name} looks like a credential that the provider does not declare"
            if route.unknown == "bypass":
                return f"parameter {name} is not known to the route"
            if route.unknown == "drop":
                continue
        pairs.append((name, _sorted_list(value) if name in route.lists else value))
    present = {name for name, _ in pairs}
    for name, value in route.defaults.items():
        if name not in present:
            pairs.append((name, _sorted_list(value) if name in route.lists else value))
    # Stable: repeated parameters keep their order, which a provider may read as meaning.
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


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


def _update(digest: hashlib.blake2b, part: str) -> None:
    data = part.encode("utf-8", "surrogateescape")
    digest.update(len(data).to_bytes(4, "big") + data)
