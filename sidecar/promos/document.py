"""What a promo is, once its file was read: typed and frozen. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

type Kind = Literal["banner", "carousel-item", "boosted-odds", "notice"]
type ByLanguage = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    text: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may see it: any of each; an empty set of languages, devices or segments is everybody. `visitors`: "new",
    "returning", or "" for both."""

    jurisdictions: frozenset[str]
    languages: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    visitors: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    src: str
    alt: ByLanguage


@dataclass(frozen=True, slots=True)
class Terms:
    short: ByLanguage
    link: str


@dataclass(frozen=True, slots=True)
class Boost:
    """The selection whose price is boosted, and to what (decimal). `bookmaker`: whose price counts; "" is the best of
    all. `max_age_s`: how old that may be; None is as old as clients are still given it."""

    provider: str
    event: str
    market: str
    selection: str
    price: float
    bookmaker: str = ""
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    id: str
    weight: float
    content: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promo:
    """`start` counts, `end` does not. `rollout` in per cent of visitors."""

    id: str
    kind: Kind
    slot: str
    priority: int
    content: Mapping[str, Text]
    start: float
    end: float
    timezone: str
    audience: Audience
    rollout: float = 100.0
    image: Image | None = None
    link: str = ""
    variants: tuple[Variant, ...] = ()
    terms: Terms | None = None
    odds: Boost | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file: pixels, 0 where its format is unknown, and bytes."""

    width: int
    height: int
    size: int


@dataclass(frozen=True, slots=True)
class Slot:
    """`least`: width and height in pixels that an image has at least."""

    title: str
    capacity: int
    kinds: frozenset[str]
    least: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Phrases:
    """By language, and why they are asked for or refused."""

    texts: Mapping[str, tuple[str, ...]]
    why: str
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pack:
    """Rules of a jurisdiction for what is advertised there. `offers`: kinds that have to have terms, which tell the
    age and the helpline. `required`: one of the phrases has to stand there, `refused`: none may. `helpline_link` is
    for the homepage."""

    minimum_age: int
    helpline: str
    helpline_link: str
    offers: frozenset[str] = frozenset()
    required: tuple[Phrases, ...] = ()
    refused: tuple[Phrases, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What promos may name. `excluded`: segments that are shown nothing. `packs`: by jurisdiction."""

    slots: Mapping[str, Slot] = field(default_factory=dict)
    jurisdictions: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    packs: Mapping[str, Pack] = field(default_factory=dict)
