"""Every setting of a `[[routes]]` table: one kind of request and the freshness it is promised."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from holdover.settings import FieldName, Name, PositiveSeconds, Seconds, Table

Pointer = Annotated[str, StringConstraints(pattern=r"^(/[^/]*)*$")]
"""RFC 6901; `*` stands for every element of a list."""
Member = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
"""Name of a JSON member, wherever it stands."""


def _template(path: str) -> str:
    if not re.fullmatch(r"(/([A-Za-z0-9._~!$&'()*+,:@-]+|\{[a-z_]+\}))+/?|/", path.removesuffix("/**") or "/"):
        raise ValueError("a path starts with / and has plain segments or {word} between slashes, none empty")
    return path


PathTemplate = Annotated[str, AfterValidator(_template)]


def segments_of(template: str, path: str) -> dict[str, str]:
    """What stands, percent-encoded, in a path of this template for each `{word}`."""
    pairs = zip(template.split("/"), path.split("/"), strict=False)
    return {part[1:-1]: found for part, found in pairs if part.startswith("{")}


ANYTHING = "/**"
"""At the end of a path template: whatever follows."""


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
    """`[routes.change_log]`: this route's answer names what changed, and only that is fetched again before its
    window. It is kept fresh by itself while answers of `routes` are."""

    changes: Pointer = Field(description="Where the changes stand; `*` is every member of a list.")
    id: Pointer = Field(description="Where a change has its id.")
    at: Pointer = Field(
        description="Where a change has its time: ISO 8601, or Unix seconds or milliseconds. What was fetched after "
        "it is not fetched again; a change without it is passed over."
    )
    routes: list[Name] = Field(min_length=1, description="Routes whose path holds such an id as a segment.")


class RouteSettings(Table):
    """`[[routes]]` of a provider: one kind of request and the freshness it is promised."""

    name: Name = Field(description="Name in metrics, logs and `holdover purge PROVIDER/ROUTE`.")
    path: PathTemplate = Field(
        description='Path template; `{word}` stands for one segment, `/**` at the end, with `freshness = "origin"`, '
        "for whatever follows."
    )
    freshness: Literal["window", "origin"] = Field(
        default="window",
        description="Who says how long an answer is fresh. `window`: this route. `origin`: the provider, by the "
        "rules of HTTP; of all other settings only `path`, `targeted`, `override` and `max_stale_s` count then, and "
        "the whole query is part of the key.",
    )
    targeted: list[FieldName] = Field(
        default=["Holdover-Cache-Control", "CDN-Cache-Control"],
        description="Response header fields that count in the place of `Cache-Control`, the first that is there.",
    )
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
        description="Greatest age at which an answer is still given when the provider fails, in seconds. Past its "
        "window nothing is given that says `must-revalidate`, unless `override` names that."
    )
    idle_after_s: PositiveSeconds = Field(
        default_factory=lambda known: max(60.0, 2 * known.get("window_s", 0.0)),
        description="How long a key is kept fresh after the last request for it, in seconds; by default two windows, "
        "at least 60.",
    )
    lane: Literal["fast", "full"] = Field(
        default="fast",
        description="`full`: every request goes through mitmproxy's flows, where other addons see it.",
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
    override: list[Literal["no-store", "private", "set-cookie", "vary", "must-revalidate"]] = Field(
        default=[],
        description="What of the provider's this route sets aside. `no-store`, `private`, `must-revalidate`: the "
        'directive. With `freshness = "origin"`, `set-cookie`: stored cookies are given to everybody. With a window, '
        "`vary`: what varies by fields that are not part of the key is given to everybody, whatever they send.",
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
        description="Routes of one group are refreshed together and become visible together: no client sees a new "
        "board beside an old one. A board that nobody had asked for before is newer at first; the rest follows at "
        "once, once per window.",
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
        default=None,
        description="Where the answer tells, once, when it was made; instead of `updated`. Its name belongs into "
        "`volatile` too, unless a member that matters has the same name.",
    )
    volatile: list[Member] = Field(default=[], description="Other members whose change is no change of the odds.")
    starts: Member | None = Field(
        default=None, description="Member that tells when an event begins; in play is what has begun."
    )
    pace: PaceSettings = PaceSettings()
    change_log: ChangeLogSettings | None = None

    @property
    def variable_names(self) -> frozenset[str]:
        """The words of the path's `{word}` segments."""
        return frozenset(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def variables(self, path: str) -> dict[str, str]:
        """What stands, percent-encoded, in a path of this route for each `{word}`."""
        return segments_of(self.path, path)

    def path_with(self, variables: Mapping[str, str]) -> str:
        """The path of this route with the given segments, which hold all of its words."""
        return "/".join(variables[part[1:-1]] if part.startswith("{") else part for part in self.path.split("/"))

    @model_validator(mode="before")
    @classmethod
    def _without_window(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("freshness") != "origin":
            return given
        return {"max_stale_s": 600.0, **given, "window_s": 1e-9}

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.path.endswith(ANYTHING) and self.freshness != "origin":
            raise ValueError(f"{ANYTHING} is for freshness = 'origin'; with a window each kind of request has a path")
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
        return self
