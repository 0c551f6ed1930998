"""Every setting of a `[[promos]]` table: an old URL of a homepage's promos, and whom its requests are from."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from holdover.exchange import HOP_BY_HOP
from holdover.route_settings import PathTemplate
from holdover.settings import FieldName, Name, Table

type Fact = Literal["jurisdiction", "language", "device", "segment", "visitor", "visits"]
type PromoField = Literal[
    "id",
    "kind",
    "title",
    "text",
    "action",
    "link",
    "start",
    "end",
    "variant",
    "image",
    "image.src",
    "image.alt",
    "terms",
    "terms.short",
    "terms.link",
    "odds",
    "odds.event",
    "odds.market",
    "odds.selection",
    "odds.price",
    "odds.was",
]
"""What `GET /v1/promos` tells of a promo; a dot leads into a member."""

ACCEPT_LANGUAGE = "accept-language"
_OWN_FIELDS = HOP_BY_HOP.union(
    "content-length content-type content-encoding etag cache-control vary age cache-status".split()
)

Dotted = Annotated[str, StringConstraints(pattern=r"^[^.]+(\.[^.]+)*$")]


class SourceSettings(Table):
    """`[promos.audience]`: where a request tells one thing of a visitor; one of the first four."""

    query: list[str] = Field(
        default=[],
        description="Names of the query parameter, all spellings that clients use. Values that differ are unknown.",
    )
    header: FieldName | None = Field(
        default=None,
        description="Header field; one that tells a place has to be set by what stands in front, whatever the "
        "client sends. Of `Accept-Language` the first tag counts.",
    )
    path: str | None = Field(default=None, description="Word of a `{word}` segment of the path.")
    constant: str | None = Field(default=None, description="The same for every request.")
    values: dict[str, str] = Field(
        default={},
        description='What the values mean, whatever their case; `""` is nothing. What is not here is unknown. '
        "Without any they are taken as they are.",
    )
    absent: str = Field(default="", description="What it is where the request tells nothing.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum((bool(self.query), *(each is not None for each in (self.header, self.path, self.constant)))) != 1:
            raise ValueError("give exactly one of query, header, path and constant")
        if self.constant is not None and (self.values or self.absent):
            raise ValueError("values and absent have no effect beside a constant; remove them")
        folded = [name.lower() for name in self.values]
        if twice := {name for name in folded if folded.count(name) > 1}:
            raise ValueError(f"values has {min(twice)!r} twice, as case does not count; keep one")
        if self.by_language and not self.values:
            raise ValueError('Accept-Language needs values, such as { en = "en", es = "es" }')
        return self

    @property
    def by_language(self) -> bool:
        return self.header is not None and self.header.lower() == ACCEPT_LANGUAGE


class AudienceSettings(Table):
    """`[promos.audience]`: whom a request is from, in the words of audiences.json."""

    jurisdiction: SourceSettings = Field(description="Unknown: nothing is shown.")
    language: SourceSettings = Field(description="Unknown: nothing is shown.")
    device: SourceSettings | None = Field(default=None, description="Unknown: only what is for all devices.")
    segment: SourceSettings | None = Field(
        default=None,
        description="Comma list or repeated. Anything unknown among them might be an excluded one: nothing is shown.",
    )
    visitor: SourceSettings | None = Field(
        default=None, description="Id that keeps roll-outs and variants the same; unknown: neither."
    )
    visits: SourceSettings | None = Field(default=None, description="`new` or `returning`.")

    def sources(self) -> Iterator[tuple[Fact, SourceSettings]]:
        """Those that are given."""
        names: tuple[Fact, ...] = ("jurisdiction", "language", "device", "segment", "visitor", "visits")
        for name in names:
            if (source := getattr(self, name)) is not None:
                yield name, source


class PromoRouteSettings(Table):
    """`[[promos]]` of a provider: an old URL of its promos, answered with holdover's."""

    name: Name = Field(description="Name in metrics and logs, distinct from those of routes.")
    path: PathTemplate = Field(description="Path template; `{word}` stands for one segment.")
    trailing_slash: Literal["same", "distinct"] = Field(
        default="same", description="Whether `/promos/` is the same as `/promos`."
    )
    slot: str | None = Field(default=None, description="The one slot that is answered; all if none is given.")
    answer: Literal["promos", "list"] = Field(
        default="promos",
        description="`promos`: what `/v1/promos` answers. `list`: the promos alone, slot after slot.",
    )
    wrap: Dotted | None = Field(
        default=None, description="Where the list stands in the answer: `data.banners` is member `banners` of `data`."
    )
    fields: dict[str, PromoField] = Field(
        default={},
        description='Members of each promo by their old names, `imgUrl = "image.src"`; null where a promo has '
        "none. Without any, all are there under their own.",
    )
    headers: dict[FieldName, str] = Field(
        default={}, description="Further header fields of each answer, such as Access-Control-Allow-Origin."
    )
    audience: AudienceSettings

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.wrap is not None and self.answer != "list":
            raise ValueError('wrap says where a list stands; give answer = "list" too')
        for name, value in self.headers.items():
            if name.lower() in _OWN_FIELDS:
                raise ValueError(f"holdover itself sets {name}; remove it from headers")
            if not (value.isprintable() and value.isascii()):
                raise ValueError(f"the value of {name} in headers may hold printable ASCII alone")
        return self
