"""Which provider and route a request belongs to: compiled from the configuration, pure.

Templates are matched against the canonical path and anchored at both ends, so `/odds/x.css` or `/odds;x` never
takes the place of `/odds` (web cache deception)."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from holdover.credential import NOBODY, Credential
from holdover.head import MAX_BODY_BYTES
from holdover.personal import is_personal
from holdover.promo_settings import PromoRouteSettings
from holdover.provider_settings import ProviderSettings
from holdover.providers.profile import Profile
from holdover.providers.registry import PROFILES
from holdover.route_settings import ANYTHING, RouteSettings
from holdover.settings import split_address

TURNING = frozenset(
    "forwarded x-forwarded-host x-forwarded-server x-forwarded-scheme x-forwarded-proto x-forwarded-port "
    "x-forwarded-prefix x-forwarded-path x-host x-original-host x-original-url x-rewrite-url x-http-method "
    "x-http-method-override x-method-override x-http-path-override x-forwarded-uri x-forwarded-method x-original-uri "
    "front-end-https x_forwarded_host".split()
)
"""Fields by which servers are told of another host, target or method, and which hardly any names in Vary."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Also behind an encoded slash or backslash, which some servers decode before they resolve dots.
_DOTS = re.compile(r"(^|[/\\])\.{1,2}($|[/\\])")
_PLAIN_TARGET = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential's value; neither `repr` nor `str` shows it."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A route ready to match; `settings` are as written."""

    provider: str
    settings: RouteSettings
    pattern: re.Pattern[str]

    @property
    def name(self) -> str:
        return self.settings.name


@dataclass(frozen=True, slots=True)
class PromoRoute:
    """An old URL of promos ready to match."""

    settings: PromoRouteSettings
    pattern: re.Pattern[str]

    @property
    def name(self) -> str:
        return self.settings.name


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider ready to use. `credentials` are the lower-case names of every parameter and header field in which
    clients may send theirs, `personal` those of further fields that tell who asks; `secrets` are holdover's own by
    the class of clients (a plan), "" for all others."""

    settings: ProviderSettings
    routes: tuple[Route, ...]
    credentials: frozenset[str]
    secrets: tuple[tuple[str, Secret], ...] = ()
    profile: Profile = field(default_factory=Profile, compare=False)
    promos: tuple[PromoRoute, ...] = ()
    personal: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.settings.name

    def is_personal(self, field: str) -> bool:
        """Whether a request's field of this name tells who asks."""
        return is_personal(field, self.personal)

    @property
    def route_names(self) -> list[str]:
        """Of all that clients call, old URLs of promos included."""
        return [*(route.name for route in self.routes), *(old.name for old in self.promos)]

    @property
    def has_trials(self) -> bool:
        """Whether some projections are made only after comparisons found them right."""
        projection = self.settings.projection
        return projection.learn_regions or not self.profile.to_be_verified.isdisjoint(projection.kinds)

    @property
    def asks_for_credentials(self) -> bool:
        return self.settings.credential is not None

    def own(self, partition: str = "") -> Credential | None:
        """holdover's credential for a partition; None when that is for a client to give."""
        named = self.settings.credential
        if named is None:
            return NOBODY
        secret = dict(self.secrets).get(partition.partition(".")[0])
        if secret is None or self.settings.clients == "own":
            return None
        if named.header is not None:
            return Credential(headers=((named.header, secret.value),))
        return Credential(query=((named.query or "", secret.value),))

    def recognises(self, credential: Credential) -> bool:
        """Whether a client's credential is good by configuration alone: holdover's own, or a listed one."""
        if any(secret.value in credential.values for _, secret in self.secrets):
            return True
        digest = credential.sha256
        return digest in self.settings.known or self.class_of(credential) != ""

    def class_of(self, credential: Credential) -> str:
        """The configured class of clients that a credential belongs to; "" for none."""
        if not self.settings.classes:
            return ""
        digest = credential.sha256
        return next((name for name, plan in self.settings.classes.items() if digest in plan.credentials), "")

    @property
    def scheme(self) -> str:
        return urlsplit(self.settings.origin).scheme

    @property
    def origin(self) -> tuple[str, int]:
        """Host and port of the origin as its URL names it."""
        parts = urlsplit(self.settings.origin)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to: the fixed address if there is one."""
        return split_address(self.settings.address) if self.settings.address else self.origin


@dataclass(frozen=True, slots=True)
class Unrouted:
    """The path matches no route of the provider, or is not one that can be made canonical."""

    provider: Provider


@dataclass(frozen=True, slots=True)
class Routed:
    """A match; `path` is canonical and percent-encoded."""

    provider: Provider
    route: Route
    path: str


@dataclass(frozen=True, slots=True)
class RoutedToPromos:
    """A match with an old URL of promos; `path` is canonical and percent-encoded."""

    provider: Provider
    route: PromoRoute
    path: str


class Rules:
    """All providers; `match` is the only place that assigns requests to routes."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.providers = tuple(providers)
        self._by_host = {host: provider for provider in self.providers for host in provider.settings.hosts}
        self._by_name = {provider.name: provider for provider in self.providers}

    @property
    def hosts(self) -> list[str]:
        """Of all providers, in the order of the configuration."""
        return list(self._by_host)

    def provider(self, name: str) -> Provider | None:
        return self._by_name.get(name)

    def route(self, provider: str, route: str) -> Route | None:
        found = self._by_name.get(provider)
        return next((r for r in found.routes if r.name == route), None) if found else None

    def provider_of(self, host: str) -> Provider | None:
        """The provider that clients mean by `host` (any case, trailing dot allowed)."""
        return self._by_host.get(host.lower().rstrip("."))

    def match(self, host: str, target: str, body: bytes = b"") -> Routed | RoutedToPromos | Unrouted | None:
        """None: the host belongs to no provider."""
        provider = self.provider_of(host)
        if provider is None:
            return None
        path = canonical_path(target.partition("?")[0])
        if path is None or not _PLAIN_TARGET.fullmatch(target):
            return Unrouted(provider)
        for old in provider.promos:
            if old.pattern.fullmatch(path):
                return RoutedToPromos(provider, old, path)
        for route in provider.routes:
            if route.pattern.fullmatch(path) and _takes(route.settings.calls, provider.profile, body):
                if route.settings.trailing_slash == "same" and path != "/":
                    path = path.rstrip("/") + ("/" if route.settings.path.endswith("/") else "")
                return Routed(provider, route, path)
        return Unrouted(provider)


def _takes(calls: Collection[str], profile: Profile, body: bytes) -> bool:
    """Whether a route is for this body. One that is too long for a key is for none that names calls: 16 MB of lists
    hold up everybody for a second while they are read, whoever sends them."""
    return not calls or (len(body) <= MAX_BODY_BYTES and profile.called(body) in calls)


def compile_provider(settings: ProviderSettings, secrets: Mapping[str, Secret] | None = None) -> Provider:
    """Old URLs of promos are tried in their order, then routes; the first match wins. `secrets` by class, as
    `Provider` has them."""
    routes = tuple(Route(settings.name, route, _pattern(route)) for route in settings.routes)
    promos = tuple(PromoRoute(old, _pattern(old)) for old in settings.promos)
    named = settings.credential
    names = frozenset(name.lower() for name in named.names) if named else frozenset[str]()
    personal = frozenset(name.lower() for name in settings.personal)
    own = tuple((secrets or {}).items())
    return Provider(settings, routes, names, own, PROFILES[settings.profile], promos, personal)


def _pattern(route: RouteSettings | PromoRouteSettings) -> re.Pattern[str]:
    if route.path.endswith(ANYTHING):
        anything = _pattern(route.model_copy(update={"path": route.path.removesuffix(ANYTHING) or "/"}))
        return re.compile(f"{anything.pattern.removesuffix('/?').rstrip('/')}(/.*)?")
    segments = route.path.strip("/").split("/")
    body = "".join("/[^/]+" if part.startswith("{") else "/" + re.escape(quote(part)) for part in segments)
    slash = "/?" if route.trailing_slash == "same" else ("/" if route.path.endswith("/") else "")
    return re.compile(body.rstrip("/") + slash if body != "/" else "/")


def decode(text: str) -> str | None:
    """Percent-decoded UTF-8, or None for a broken escape, bytes that are no UTF-8, or control characters: what a
    provider makes of those is its own affair, so they have no canonical form."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        return None
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return None
    return None if any(c < " " or c == "\x7f" for c in decoded) else decoded


def canonical_path(path: str) -> str | None:
    """Every segment decoded and encoded anew, so an encoded slash stays inside its segment; None for a path with
    dot segments, empty segments, or segments that `decode` refuses."""
    if not path.startswith("/"):
        return None
    segments = [decode(part) for part in path[1:].split("/")]
    if any(part is None or _climbs(part) for part in segments) or "" in segments[:-1]:
        return None
    return "/" + "/".join(quote(part or "", safe="") for part in segments)


def _climbs(segment: str) -> bool:
    """Whether a segment holds dots that lead elsewhere, also when it is decoded again: a gateway and what stands
    behind it may both do so. What is still encoded after that has no one meaning."""
    for _ in range(4):
        if _DOTS.search(segment):
            return True
        again = unquote(segment) if "%" in segment else segment
        if again == segment:
            return False
        segment = again
    return True
