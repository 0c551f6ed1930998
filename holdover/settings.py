"""Every setting that people write, typed, immutable and described; the README's reference is made from here."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


def _port_exists(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return address


Address = Annotated[
    str,
    StringConstraints(pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"),
    AfterValidator(_port_exists),
]


def _is_ip(address: str) -> str:
    ipaddress.ip_address(split_address(address)[0])
    return address


IPAddress = Annotated[Address, AfterValidator(_is_ip)]
Seconds = Annotated[float, Field(ge=0, le=86_400 * 7, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400 * 7, allow_inf_nan=False)]


class Table(BaseModel):
    """A TOML table: unknown keys and wrong types are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def split_address(address: str) -> tuple[str, int]:
    """("127.0.0.1", 8080) from "127.0.0.1:8080"; brackets of an IPv6 address removed."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class ProxySettings(Table):
    """`[proxy]` in holdover.toml: where legacy clients reach holdover."""

    reverse: list[Address] = Field(
        default=["127.0.0.1:8080"],
        description="Addresses that stand in for the providers' own (DNS or hosts-file interposition), "
        "http and https alike.",
    )
    regular: list[Address] = Field(
        default=[],
        description="Addresses of an explicit proxy (HTTP_PROXY, HTTPS_PROXY); TLS is opened for providers' "
        "hosts and passed through for all others.",
    )
    metrics: Address = Field(default="127.0.0.1:9101", description="Where Prometheus scrapes the proxy.")
    ca_folder: str = Field(
        default="../var/ca",
        description="Folder of the certificate authority that clients of https must trust.",
    )
    wait_s: PositiveSeconds = Field(default=30.0, description="Longest that a client waits for a fetch, in seconds.")
    max_body_bytes: int = Field(
        default=16_777_216, ge=1024, description="Largest body that is passed through, either way."
    )

    @model_validator(mode="after")
    def _some_address(self) -> Self:
        if not (self.reverse or self.regular):
            raise ValueError("reverse and regular are both empty; give at least one address")
        return self


class SidecarSettings(Table):
    """`[sidecar]` in holdover.toml: the process that fetches."""

    socket: str = Field(default="../var/run/sidecar.sock", description="Unix socket between proxy and sidecar.")
    admin: Address = Field(
        default="127.0.0.1:9102", description="Where the sidecar answers `/metrics` and `/healthz`."
    )
    max_keys: int = Field(
        default=20_000,
        ge=1,
        description="Most keys kept fresh at once, per provider; more are fetched when asked for.",
    )


class StoreSettings(Table):
    """`[store]` in holdover.toml: the cache that all processes share."""

    folder: str = Field(
        default="../var/store",
        description="Folder of the shared cache, for its owner alone; tmpfs is fastest, odds need no disk.",
    )
    max_bytes: int = Field(
        default=536_870_912,
        ge=1_048_576,
        description="Size of the shared cache; beyond it the entries refreshed longest ago go.",
    )


class HotSettings(Table):
    """`[hot]` in holdover.toml: ready answers in each proxy process."""

    max_entries: int = Field(default=10_000, ge=1, description="Most answers kept ready.")
    max_bytes: int = Field(default=268_435_456, ge=65_536, description="Most bytes of bodies kept ready.")


class UpstreamSettings(Table):
    """`[upstream]` in holdover.toml: how holdover calls providers."""

    ca_file: str | None = Field(
        default=None,
        description="PEM bundle to trust instead of the system's when calling providers over TLS.",
    )
    user_agent: str = Field(
        default="holdover",
        min_length=1,
        pattern=r"^[\x20-\x7e]+$",
        description="User-Agent of holdover's requests.",
    )


class Settings(Table):
    """`config/holdover.toml`. Relative paths start at the configuration folder."""

    proxy: ProxySettings = ProxySettings()
    sidecar: SidecarSettings = SidecarSettings()
    store: StoreSettings = StoreSettings()
    hot: HotSettings = HotSettings()
    upstream: UpstreamSettings = UpstreamSettings()


class CredentialSettings(Table):
    """`[credential]` of a provider: holdover's own, and what to remove from clients' requests."""

    env: str | None = Field(default=None, description="Environment variable that holds the credential.")
    file: str | None = Field(default=None, description="File that holds the credential, instead of `env`.")
    query: str | None = Field(default=None, description="Query parameter that carries it upstream.")
    header: FieldName | None = Field(default=None, description="Header field that carries it upstream, instead.")
    also: list[str] = Field(
        default=[],
        description="Other parameters and header fields in which clients send theirs; removed alike.",
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        if (self.query is None) == (self.header is None):
            raise ValueError("give exactly one of query and header")
        return self


class LimitSettings(Table):
    """`[limits]` of a provider: how hard holdover may call it."""

    rate_per_s: float = Field(default=10.0, gt=0, le=10_000, description="Requests per second, on average.")
    burst: int = Field(default=10, ge=1, le=10_000, description="Requests at once after a pause.")
    concurrency: int = Field(default=8, ge=1, le=1_000, description="Requests in flight at once.")
    timeout_s: PositiveSeconds = Field(default=10.0, description="Longest that one request may take, in seconds.")
    retries: int = Field(
        default=1, ge=0, le=5, description="Further tries after a failed connection or a 502, 503 or 504."
    )
    max_body_bytes: int = Field(
        default=16_777_216, ge=1024, description="Largest body, decoded, that is taken from the provider."
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which the provider is left alone for a while."
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


class RouteSettings(Table):
    """`[[routes]]` of a provider: one kind of request and the freshness it is promised."""

    name: Name = Field(description="Name in metrics, logs and `holdover purge PROVIDER/ROUTE`.")
    path: str = Field(description="Path template; `{word}` stands for one segment.")
    methods: list[Literal["GET"]] = Field(
        default=["GET"], min_length=1, description="Methods answered from the cache; GET answers HEAD too."
    )
    window_s: float = Field(
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="Refresh interval that the route promises, in seconds.",
    )
    max_stale_s: Seconds = Field(
        description="Greatest age at which an answer is still given when the provider fails, in seconds."
    )
    idle_after_s: PositiveSeconds = Field(
        default_factory=lambda known: max(60.0, 2 * known.get("window_s", 0.0)),
        description="How long a key is kept fresh after the last request for it, in seconds; by default two windows, "
        "at least 60.",
    )
    trailing_slash: Literal["same", "distinct"] = Field(
        default="same",
        description="Whether `/odds/` is the same as `/odds`; the template's own form is sent upstream.",
    )
    parameters: list[str] = Field(default=[], description="Query parameters that are part of the key.")
    lists: list[str] = Field(
        default=[], description="Parameters that hold comma lists whose order and repetition do not matter."
    )
    defaults: dict[str, str] = Field(
        default={}, description="Values that the provider assumes for absent parameters."
    )
    drop: list[str] = Field(default=[], description="Parameters that change nothing and are left out.")
    unknown: Literal["key", "drop", "bypass"] = Field(
        default="key",
        description="What any other parameter does: join the key, be left out, or send the request past the cache.",
    )
    headers: list[FieldName] = Field(
        default=[], description="Request header fields that are part of the key and sent upstream."
    )
    content: Literal["json", "any"] = Field(
        default="json",
        description="What is stored: only answers that say they are JSON and are it, or anything. A maintenance page "
        "with status 200 is not odds.",
    )
    override: list[Literal["no-store", "private"]] = Field(
        default=[], description="Cache-Control directives of the provider that this route sets aside."
    )

    @field_validator("path")
    @classmethod
    def _template(cls, path: str) -> str:
        if not re.fullmatch(r"(/([A-Za-z0-9._~!$&'()*+,:@-]+|\{[a-z_]+\}))+/?|/", path):
            raise ValueError("a path starts with / and has plain segments or {word} between slashes, none empty")
        return path

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.max_stale_s < self.window_s:
            raise ValueError("max_stale_s is below window_s; an answer would be too old before its refresh is due")
        return self


class ProviderSettings(Table):
    """`config/providers/*.toml`: one provider (the vendor) and its routes."""

    name: Name = Field(description="Name in metrics, logs and commands.")
    hosts: list[Host] = Field(min_length=1, description="Host names that clients call, lower case, without port.")
    origin: str = Field(description="What holdover calls: `https://host` or `http://host:port`.")
    address: Address | None = Field(
        default=None,
        description="Fixed `ip:port` of the origin, so that interposed DNS does not lead back here.",
    )
    credential: CredentialSettings | None = Field(
        default=None, description="holdover's own credential; absent for a provider that asks for none."
    )
    limits: LimitSettings = LimitSettings()
    quota: QuotaSettings = QuotaSettings()
    routes: list[RouteSettings] = Field(min_length=1, description="What is cached; all else passes through.")

    @field_validator("origin")
    @classmethod
    def _plain_origin(cls, origin: str) -> str:
        if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?", origin):
            raise ValueError("an origin is http:// or https:// with a host and, if needed, a port, and nothing more")
        if (port := origin.rpartition(":")[2]).isdigit():
            _port_exists(f":{port}")
        return origin

    @model_validator(mode="after")
    def _distinct_routes(self) -> Self:
        names = [route.name for route in self.routes]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"route name {min(repeated)!r} stands twice; names are distinct within a provider")
        return self

    @model_validator(mode="after")
    def _no_credential_in_keys(self) -> Self:
        named = self.credential
        secret = {n.lower() for n in (named.query, named.header, *named.also) if n} if named else set()
        for route in self.routes:
            for name in (*route.parameters, *route.lists, *route.defaults, *route.headers):
                if name.lower() in secret:
                    raise ValueError(f"{name!r} carries clients' credentials and cannot be part of a key")
        return self
