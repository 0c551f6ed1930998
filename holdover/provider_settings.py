"""Every setting of `config/providers/*.toml`: one provider and its routes, typed, immutable and described."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from holdover.settings import Address, FieldName, Host, Name, PositiveSeconds, Seconds, Table, port_exists

Pointer = Annotated[str, StringConstraints(pattern=r"^(/[^/]*)*$")]
"""RFC 6901; `*` stands for every element of a list."""
Member = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
"""Name of a JSON member, wherever it stands."""
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


class PaceSettings(Table):
    """`[routes.pace]`: windows by what the answer holds. What is absent is the route's `window_s`."""

    cadence_s: Seconds = Field(
        default=0.0, description="How often the provider itself looks; never asked more often than this, in seconds."
    )
    in_play_s: PositiveSeconds | None = Field(
        default=None, description="Longest window while an event is in play, in seconds."
    )
    near_s: PositiveSeconds | None = Field(
        default=None, description="Longest window while the next start is near, in seconds."
    )
    far_s: PositiveSeconds | None = Field(
        default=None, description="Longest window while every start is far, in seconds."
    )
    empty_s: PositiveSeconds | None = Field(
        default=None, description="Longest window while there is no event, in seconds."
    )
    near_from_s: PositiveSeconds = Field(default=21_600.0, description="How long before its start an event is near.")
    max_stale_in_play_s: PositiveSeconds | None = Field(
        default=None, description="`max_stale_s` while an event is in play."
    )
    phase_lock: bool = Field(
        default=False,
        description="Refresh just after the provider's own publishing, learnt from `updated`, instead of at whole "
        "multiples of the window.",
    )


class ChangeLogSettings(Table):
    """`[routes.change_log]`: this route's answer names what changed; only that is fetched again before its window."""

    ids: Pointer = Field(description="Where the ids stand; `*` is every member of a list.")
    routes: list[Name] = Field(min_length=1, description="Routes whose path holds such an id as a segment.")


class RouteSettings(Table):
    """`[[routes]]` of a provider: one kind of request and the freshness it is promised."""

    name: Name = Field(description="Name in metrics, logs and `holdover purge PROVIDER/ROUTE`.")
    path: str = Field(description="Path template; `{word}` stands for one segment.")
    methods: list[Literal["GET", "POST"]] = Field(
        default=["GET"],
        min_length=1,
        description="Methods answered from the cache; GET answers HEAD too. POST needs a profile that knows bodies.",
    )
    calls: list[str] = Field(
        default=[],
        description="Methods that a body calls, where the profile knows bodies: the route is for these alone. "
        "None: for all of them.",
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
    repeated: list[str] = Field(
        default=[],
        description="Lists that clients also send as repeated parameters, `name=1&name=2` or `name[]=1`.",
    )
    booleans: list[str] = Field(
        default=[], description="Parameters whose `True`, `TRUE` and `true` mean the same, and `False` likewise."
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

    proves_credential: bool = Field(
        default=True,
        description="Whether an answer shows that the provider accepts the client's credential; false for what it "
        "gives to anybody.",
    )
    min_interval_s: Seconds = Field(
        default=0.0,
        description="Least time between two calls for one key, whoever asks, in seconds; a client who asks sooner "
        "gets what the last one brought.",
    )
    interval_by: list[str] = Field(
        default=[],
        description="Parameters that alone tell calls apart for `min_interval_s`, beside the path.",
    )
    negative_s: Seconds = Field(
        default=10.0,
        description="How long a 404 or 422 is kept, in seconds.",
    )
    honour_max_age: bool = Field(
        default=False, description="Whether the provider's `max-age` is the least time between refreshes."
    )
    group: Name | None = Field(
        default=None,
        description="Routes of one group become visible together: no client sees a new board beside an old one.",
    )
    cost: float = Field(default=1.0, ge=0, description="Credits of one call; the profile may know better.")
    cost_per_item: float = Field(
        default=0.0, ge=0, description="Credits of each item in the answer, where that is more than `cost`."
    )
    items: Pointer = Field(default="", description="Where the answer has its list of events or other items.")
    updated: list[Member] = Field(
        default=[],
        description="Members that tell when the provider last looked at a price; equal odds with newer ones are no "
        "change.",
    )
    updated_at: Pointer | None = Field(
        default=None, description="Where the answer tells, once, when it was made; instead of `updated`."
    )
    volatile: list[Member] = Field(default=[], description="Other members whose change is no change of the odds.")
    starts: Member | None = Field(
        default=None, description="Member that tells when an event begins; in play is what has begun."
    )
    pace: PaceSettings = PaceSettings()
    change_log: ChangeLogSettings | None = None

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
        if self.calls and "POST" not in self.methods:
            raise ValueError("calls are told apart by the bodies of POST, which is not among the methods")
        pace = self.pace
        for name in ("near_s", "far_s"):
            if (window := getattr(pace, name)) is not None and window > self.max_stale_s:
                raise ValueError(f"pace.{name} is above max_stale_s; an answer would be too old before its refresh")
        in_play_s, limit = pace.in_play_s or self.window_s, pace.max_stale_in_play_s
        if limit is not None and limit < in_play_s:
            raise ValueError("pace.max_stale_in_play_s is below the window in play")
        windows = (self.window_s, pace.in_play_s, pace.near_s, pace.far_s, pace.empty_s)
        if any(window is not None and window < pace.cadence_s for window in windows):
            raise ValueError("pace.cadence_s is above a window; the provider would be asked less often than promised")
        if pace.phase_lock and not (pace.cadence_s and self.updated):
            raise ValueError("pace.phase_lock needs cadence_s and `updated`, from which the rhythm is learnt")
        if pace != PaceSettings() and self.starts is None and pace.empty_s is None:
            raise ValueError("pace needs `starts`: without it nothing is known to be near or in play")
        return self


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


type Kind = Literal[
    "markets", "bookmakers", "regions", "events", "times", "dates", "odds", "outrights", "since", "filter"
]


class ProjectionSettings(Table):
    """`[projection]` of a provider: which narrower requests are answered from wider answers."""

    kinds: list[Kind] = Field(default=[], description="Kinds that are on. The profile decides what each may do.")
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

    @property
    def has_trials(self) -> bool:
        """Whether something is used only after comparisons found it right."""
        return "odds" in self.kinds or self.learn_regions


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
    profile: Literal["generic", "the-odds-api", "pinnacle", "betfair"] = Field(
        default="generic", description="Vendor knowledge beyond these settings."
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
    limits: LimitSettings = LimitSettings()
    quota: QuotaSettings = QuotaSettings()
    errors: list[ErrorSettings] = Field(default=[], description="How the provider says no; see below.")
    projection: ProjectionSettings = ProjectionSettings()
    shadow: ShadowSettings = ShadowSettings()
    routes: list[RouteSettings] = Field(min_length=1, description="What is cached; all else passes through.")

    @field_validator("hosts")
    @classmethod
    def _no_login(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if host.startswith("identitysso"):
                raise ValueError(f"{host} is where people log in with certificates; it is never opened")
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
    def _routes_of_change_logs(self) -> Self:
        names = {route.name for route in self.routes}
        for route in self.routes:
            if route.change_log and (unknown := set(route.change_log.routes) - names):
                raise ValueError(f"change_log of {route.name!r} names no route: {min(unknown)!r}")
            if "POST" in route.methods and self.profile != "betfair":
                raise ValueError(f"route {route.name!r}: profile {self.profile!r} knows no POST bodies")
        return self

    @model_validator(mode="after")
    def _distinct_routes(self) -> Self:
        names = [route.name for route in self.routes]
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
