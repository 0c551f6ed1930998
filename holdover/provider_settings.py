"""Every setting of `config/providers/*.toml`: one provider and its routes, typed, immutable and described."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from holdover.profile_names import KINDS_TOLD, LOGINS, PROFILES_TOLD, Kind, ProfileName
from holdover.promo_settings import PromoRouteSettings
from holdover.providers.registry import PROFILES
from holdover.route_settings import Pointer, RouteSettings
from holdover.settings import Address, FieldName, Host, Name, PositiveSeconds, Table, port_exists

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CredentialSettings(Table):
    """`[credential]` of a provider: holdover's own, and what to remove from clients' requests."""

    env: str | None = Field(default=None, description="Environment variable that holds the credential.")
    file: str | None = Field(default=None, description="File that holds the credential, instead of `env`.")
    borrow: bool = Field(
        default=False,
        description="There is none of holdover's own: calls are made with that of the client who asked, and "
        "refreshes with the last one that the provider accepted. Kept in memory alone.",
    )
    query: str | None = Field(default=None, description="Query parameter that carries it upstream.")
    header: FieldName | None = Field(default=None, description="Header field that carries it upstream, instead.")
    also: list[str] = Field(
        default=[],
        description="Other parameters and header fields in which clients send theirs; removed alike.",
    )
    class_from: FieldName | None = Field(
        default=None,
        description="Header field that goes along and whose value decides what the answer holds (an application "
        "key): each value has answers of its own.",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.env is not None) + (self.file is not None) + self.borrow > 1:
            raise ValueError("give exactly one of env, file and borrow")
        if (self.query is None) == (self.header is None):
            raise ValueError("give exactly one of query and header")
        if self.class_from is not None and not self.borrow:
            raise ValueError("class_from needs borrow: holdover has a credential for one class alone")
        return self

    @property
    def names(self) -> list[str]:
        """Of every parameter and header field in which clients send theirs."""
        return [name for name in (self.query, self.header, *self.also, self.class_from) if name]


class LimitSettings(Table):
    """`[limits]` of a provider: how hard holdover may call it."""

    rate_per_s: float = Field(
        default=10.0,
        gt=0,
        le=10_000,
        description='Requests per second, on average; 10000 where all routes are `freshness = "origin"`.',
    )
    burst: int = Field(
        default=10, ge=1, le=10_000, description="Requests at once after a pause; 10000 with a rate of that default."
    )
    concurrency: int = Field(
        default=8,
        ge=1,
        le=1_000,
        description='Requests in flight at once; 1000 where all routes are `freshness = "origin"`.',
    )
    timeout_s: PositiveSeconds = Field(
        default=10.0,
        description='Longest that one request may take, in seconds; with `freshness = "origin"` until its answer '
        "begins, and between any two pieces of it: the whole may take `[proxy] wait_s`.",
    )
    retries: int = Field(
        default=1, ge=0, le=5, description="Further tries after a failed connection or a 502, 503 or 504."
    )
    max_body_bytes: int = Field(
        default=16_777_216, ge=1024, description="Largest body, decoded, that is taken from the provider."
    )
    breaker_failures: int = Field(
        default=5,
        ge=1,
        description="Failures in a row after which the provider is left alone for a while; 50 where all routes are "
        '`freshness = "origin"`.',
    )
    breaker_open_s: PositiveSeconds = Field(
        default=2.0,
        description="How long at first, in seconds; doubled at each further failure, to 60 at most.",
    )


class QuotaSettings(Table):
    """`[quota]` of a provider: the response header fields in which it tells its quota."""

    remaining: FieldName | None = Field(default=None, description="Field with what is left.")
    used: FieldName | None = Field(default=None, description="Field with what is used.")
    last: FieldName | None = Field(
        default=None,
        description="Field with the cost of this call; clients see 0 when it was answered from the cache.",
    )
    limit: float | None = Field(
        default=None, gt=0, description="Credits per period, for a provider that does not tell what is left."
    )
    resets: Literal["never", "daily", "monthly"] = Field(
        default="never", description="When the quota is filled again: at midnight UTC, or on the first of the month."
    )
    reserve: float = Field(default=0.0, ge=0, description="Credits that refreshes leave untouched.")
    probe: str | None = Field(
        default=None,
        pattern=r"^/\S*$",
        description="Target that costs nothing and tells the quota: asked at start, and while calls that cost are "
        "suspended.",
    )


class ErrorSettings(Table):
    """`[[errors]]` of a provider: how it says no. All that is given must hold; the first match counts."""

    means: Literal["quota", "credential", "rate", "absent", "error"] = Field(
        description="`quota`: credits are used up. `credential`: the key is not valid, for good. `rate`: asked too "
        "often. `absent`: there is no such thing. `error`: anything else that is not an answer."
    )
    status: list[int] = Field(default=[], description="Statuses; all if none is given.")
    header: FieldName | None = Field(default=None, description="Header field that must be there.")
    pointer: Pointer | None = Field(default=None, description="Place in the body that must hold something.")
    values: list[str] = Field(
        default=[], description="What the field begins with, or what stands at the place; anything if none is given."
    )


class ClassSettings(Table):
    """`[classes.NAME]` of a provider: clients whose credentials get other bodies, because their plan differs."""

    credentials: list[Digest] = Field(min_length=1, description="SHA-256 of each client credential, in hex.")
    env: str | None = Field(default=None, description="Environment variable with holdover's credential of that plan.")
    file: str | None = Field(default=None, description="File with it, instead of `env`.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


class ProjectionSettings(Table):
    """`[projection]` of a provider: which narrower requests are answered from wider answers."""

    kinds: list[Kind] = Field(
        default=[], description=f"Kinds that are on. The profile decides what each may do: {KINDS_TOLD}."
    )
    regions: dict[str, list[str]] = Field(default={}, description="Bookmakers of each region, all of them.")
    learn_regions: bool = Field(
        default=False,
        description="Learn the bookmakers of a region from answers to requests for it alone; used after comparisons "
        "(`[shadow]`) found the kinds right that depend on it.",
    )
    emptied: Literal["refuse", "keep", "omit"] = Field(
        default="refuse",
        description="What the provider does with an event that has no bookmaker left: `refuse` asks it.",
    )


class ShadowSettings(Table):
    """`[shadow]` of a provider: projections compared with what the provider answers itself."""

    one_in: int = Field(default=0, ge=0, description="One in this many projected hits is compared; 0 is none.")
    credits_per_day: float = Field(default=100.0, ge=0, description="Most credits that comparing may cost in a day.")
    verified_after: int = Field(
        default=20,
        ge=1,
        description="Equal comparisons after which odds may be converted (kind `odds`) and learnt regions used.",
    )


class ProviderSettings(Table):
    """`config/providers/*.toml`: one provider (the vendor) and its routes."""

    name: Name = Field(description="Name in metrics, logs and commands.")
    profile: ProfileName = Field(
        default="generic", description=f"Vendor knowledge beyond these settings: {PROFILES_TOLD}."
    )
    hosts: list[Host] = Field(min_length=1, description="Host names that clients call, lower case, without port.")
    origin: str = Field(description="What holdover calls: `https://host` or `http://host:port`.")
    address: Address | None = Field(
        default=None,
        description="Fixed `ip:port` of the origin, so that interposed DNS does not lead back here.",
    )
    credential: CredentialSettings | None = Field(
        default=None, description="holdover's own credential; absent for a provider that asks for none."
    )
    clients: Literal["known", "open", "own"] = Field(
        default="known",
        description="Who gets stored answers. `known`: whose credential the provider accepted lately, or is listed; "
        "anyone else's request goes to the provider with it. `open`: everybody who reaches the proxy. `own`: each "
        "credential has answers of its own, fetched with it.",
    )
    known: list[Digest] = Field(default=[], description="SHA-256 of client credentials that are good, in hex.")
    known_for_s: PositiveSeconds = Field(
        default=86_400.0, description="How long a credential counts as good after the provider accepted it."
    )
    classes: dict[Name, ClassSettings] = Field(
        default={}, description="Clients whose plan gives them other bodies, and holdover's credential of that plan."
    )
    personal: list[FieldName] = Field(
        default=[],
        description="Header fields that tell who asks, beside those whose names say so (`Authorization`, `Cookie`, "
        "words like `key`, `token`, `session`, `user-id`). The answer to a request with one is for nobody else, "
        'unless it says that it is; with `freshness = "window"` the request passes, unless `[credential]` or '
        "`headers` names the field.",
    )
    limits: LimitSettings = LimitSettings()
    quota: QuotaSettings = QuotaSettings()
    errors: list[ErrorSettings] = Field(default=[], description="How the provider says no; see below.")
    projection: ProjectionSettings = ProjectionSettings()
    shadow: ShadowSettings = ShadowSettings()
    routes: list[RouteSettings] = Field(default=[], description="What is cached; all else passes through.")
    promos: list[PromoRouteSettings] = Field(
        default=[], description="Old URLs of a homepage's promos, answered with those of `config/promos/`."
    )

    @model_validator(mode="before")
    @classmethod
    def _limits_of_pages(cls, given: Any) -> Any:
        """What browsers ask an origin for is no bulk with a quota, and five errors in a row may be of five pages."""
        if not isinstance(given, dict) or not _all_by_origin(given.get("routes")):
            return given
        limits = given.get("limits", {})
        if not isinstance(limits, dict):
            return given
        rate = {} if "rate_per_s" in limits else {"rate_per_s": 10_000.0, "burst": 10_000}
        return {**given, "limits": {**rate, "concurrency": 1_000, "breaker_failures": 50, **limits}}

    @field_validator("hosts")
    @classmethod
    def _no_login(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if host.startswith(LOGINS):
                raise ValueError(f"{host} is where people log in; it is never opened")
        return hosts

    @field_validator("origin")
    @classmethod
    def _plain_origin(cls, origin: str) -> str:
        if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?", origin):
            raise ValueError("an origin is http:// or https:// with a host and, if needed, a port, and nothing more")
        if (port := origin.rpartition(":")[2]).isdigit():
            port_exists(f":{port}")
        return origin

    @model_validator(mode="after")
    def _some_credential(self) -> Self:
        named = self.credential
        if named is None:
            if self.clients == "own":
                raise ValueError("clients = 'own' needs a [credential] that says where clients send theirs")
            return self
        given = named.env is not None or named.file is not None or named.borrow
        if given == (self.clients == "own"):
            text = "leave out" if given else "give exactly one of"
            raise ValueError(f"{text} env, file and borrow of [credential] with clients = {self.clients!r}")
        return self

    @model_validator(mode="after")
    def _nobodys_credential(self) -> Self:
        for route in self.routes:
            if route.freshness == "origin" and (self.credential is not None or self.clients != "open"):
                raise ValueError(
                    f"route {route.name!r}: freshness = 'origin' is for providers without [credential] and with "
                    "clients = 'open'; all that a client sends goes to the provider"
                )
        return self

    @model_validator(mode="after")
    def _routes_of_change_logs(self) -> Self:
        routes = {route.name: route for route in self.routes}
        for route in self.routes:
            for name in route.change_log.routes if route.change_log else ():
                if name not in routes:
                    raise ValueError(f"change_log of {route.name!r} names no route: {name!r}")
                if missing := route.variable_names - routes[name].variable_names:
                    text = f"path of {route.name!r} holds {{{min(missing)}}}, which the path of {name!r} does not"
                    raise ValueError(f"{text}: the log could not be asked for; write its value")
            if "POST" in route.methods and not PROFILES[self.profile].reads_bodies:
                raise ValueError(f"route {route.name!r}: profile {self.profile!r} knows no POST bodies")
        return self

    @model_validator(mode="after")
    def _distinct_routes(self) -> Self:
        if not (self.routes or self.promos):
            raise ValueError("add a [[routes]] table, or [[promos]] for a homepage")
        names = [*(route.name for route in self.routes), *(old.name for old in self.promos)]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"route name {min(repeated)!r} stands twice; names are distinct within a provider")
        return self

    @model_validator(mode="after")
    def _no_credential_in_keys(self) -> Self:
        named = self.credential
        secret = {n.lower() for n in named.names} if named else set()
        for route in self.routes:
            for name in (*route.parameters, *route.lists, *route.repeated, *route.defaults, *route.headers):
                if name.lower() in secret:
                    raise ValueError(f"{name!r} carries clients' credentials and cannot be part of a key")
        return self


def _all_by_origin(routes: object) -> bool:
    """Of a table as it was read."""
    if not isinstance(routes, list) or not routes:
        return False
    return all(isinstance(each, dict) and each.get("freshness") == "origin" for each in routes)
