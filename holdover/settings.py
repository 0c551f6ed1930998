"""Every setting of `config/holdover.toml`, typed, immutable and described; the README's reference is made from here
`holdover.provider_settings` and `holdover.route_settings`."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


def port_exists(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return address


Address = Annotated[
    str,
    StringConstraints(pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"),
    AfterValidator(port_exists),
]


def _is_ip(address: str) -> str:
    ipaddress.ip_address(split_address(address)[0])
    return address


def _is_network(network: str) -> str:
    ipaddress.ip_network(network)
    return network


Network = Annotated[str, AfterValidator(_is_network)]
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
    foreign: Literal["public", "any", "none"] = Field(
        default="public",
        description="Which hosts of nobody's provider the explicit proxy connects to: those with a public address, "
        "none, or any, also of this machine and its network.",
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
    workers: int = Field(
        default=0, ge=0, le=256, description="Processes that share the addresses; 0: one for each core."
    )
    http2: bool = Field(
        default=False,
        description="Whether clients that offer HTTP/2 over TLS get it; it costs many times what HTTP/1.1 does.",
    )
    certificates: list[str] = Field(
        default=[],
        description="PEM files, each with a certificate, its chain and its key, used for the hosts that the "
        "certificate names instead of one by holdover's own authority.",
    )

    @model_validator(mode="after")
    def _some_address(self) -> Self:
        if not (self.reverse or self.regular):
            raise ValueError("reverse and regular are both empty; give at least one address")
        return self


class LaneSettings(Table):
    """`[lane]` in holdover.toml: hits answered without mitmproxy's flows, and what no client may exceed."""

    enabled: bool = Field(default=True, description="Whether hits are answered below mitmproxy's flows.")
    observe: int = Field(
        default=1000,
        ge=0,
        description="One in so many hits goes through mitmproxy's flows, where other addons see it; 0: none.",
    )
    strict: bool = Field(
        default=False,
        description="Whether the lane is off while a foreign addon listens to requests or responses, so that it "
        "sees all of them.",
    )
    max_connections: int = Field(default=20_000, ge=1, description="Most connections of clients, per process.")
    max_per_address: int = Field(default=5_000, ge=1, description="Most connections from one address, per process.")
    head_timeout_s: PositiveSeconds = Field(
        default=10.0,
        description="Longest that a client may take to send a request's head, or its side of TLS; a short body may "
        "take six times as long.",
    )
    idle_timeout_s: PositiveSeconds = Field(
        default=120.0,
        description="Longest that a connection may be open without a request, or nothing may come of a body that is "
        "not whole.",
    )
    write_timeout_s: PositiveSeconds = Field(
        default=30.0, description="Longest that a client may take none of the bytes that wait for it."
    )
    max_head_bytes: int = Field(default=65_536, ge=1024, description="Largest head of a request.")
    max_pending_bytes: int = Field(
        default=262_144, ge=4096, description="Most bytes read ahead of a client whose request is being answered."
    )
    max_bodies_bytes: int = Field(
        default=268_435_456,
        ge=65_536,
        description="Most bytes of bodies of requests that are passed on, per process; beyond it the largest that is "
        "not whole is refused (503).",
    )


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
        description="Folder of the ledger of accounts, and of the shared cache, for its owner alone.",
    )
    cache: str = Field(
        default="",
        description="Folder of the shared cache, if it is to be another: odds need no disk. `auto`: in shared memory "
        "(`/dev/shm`) where that has room for it twice.",
    )
    max_bytes: int = Field(
        default=536_870_912,
        ge=1_048_576,
        description="Size of the shared cache; beyond it the entries refreshed longest ago go.",
    )


class HotSettings(Table):
    """`[hot]` in holdover.toml: ready answers in each proxy process."""

    max_entries: int = Field(default=10_000, ge=1, description="Most answers kept ready.")
    max_bytes: int = Field(default=268_435_456, ge=65_536, description="Most bytes of answers kept ready, about.")


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


class PromoSettings(Table):
    """`[promos]` in holdover.toml: what operations edit for the homepage."""

    folder: str = Field(default="promos", description="Folder of the campaigns and of what they may name.")
    notify: bool = Field(
        default=True,
        description="Whether to use watchfiles, where it is installed, to see an edit sooner than the next reading.",
    )
    state: str = Field(
        default="../var/promos",
        description="Folder of what was accepted last, of all that was before, and of the tokens of who may edit.",
    )
    libraries: str = Field(
        default="../var/console", description="Folder of what `scripts/codemirror` makes for the console's editor."
    )
    approval: bool = Field(
        default=False, description="Whether an edit is live only once somebody else than its author has approved it."
    )
    hosts: list[str] = Field(
        default=[], description="Names by which browsers may call the sidecar, besides those of loopback."
    )
    user_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        description="Header in which a proxy in front that has authenticated people tells who writes.",
    )
    trusted_proxies: list[Network] = Field(
        default=[], description="Addresses or networks of the proxies whose `user_header` is believed."
    )


class Settings(Table):
    """`config/holdover.toml`. Relative paths start at the configuration folder."""

    proxy: ProxySettings = ProxySettings()
    lane: LaneSettings = LaneSettings()
    sidecar: SidecarSettings = SidecarSettings()
    store: StoreSettings = StoreSettings()
    hot: HotSettings = HotSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    promos: PromoSettings = PromoSettings()
