"""What a vendor profile answers. This class is the generic one: it knows what the route's settings say and no more.

Everything is pure. Bodies are decoded content (identity coding)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from holdover.canonical import CanonicalRequest, Query
from holdover.content import count
from holdover.lines import Finding
from holdover.route_settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was configured or learnt about a provider and decides which projections are sound.

    `regions`: the bookmakers of a region, as far as known. `apart`: by region, the bookmakers that comparisons found
    not to be of it; for a region that has no such entry all that is not in `regions` is not of it. `outrights`: by
    sport key, whether it has outrights.
    `kinds`: the kinds of projection that are on. `switched_off` and `verified`: kinds that a comparison with the
    provider's own answers found wrong, or found right often enough. `emptied`: what the provider does with an event
    whose bookmakers are all filtered out: "keep", "omit", or "refuse" when that is not known."""

    regions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    outrights: Mapping[str, bool] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()
    switched_off: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()
    emptied: str = "refuse"
    apart: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is shown by a projection that turns out to be the provider's own answer. `kinds`: those that did something
    to it; any other might do anything on another day. `left_out`: by each region whose bookmakers it depended on,
    those that were left out because they are not of it."""

    kinds: frozenset[str] = frozenset()
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def shows(self) -> bool:
        """Whether it shows anything."""
        return bool(self.kinds or self.left_out)


@dataclass(frozen=True, slots=True)
class Quote:
    """The decimal price of a selection at a bookmaker. `suspended`: it stands there and cannot be had."""

    selection: str
    bookmaker: str
    price: float
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What one answer tells of one event. `starts_at` in Unix seconds, None when it does not tell; `in_play`: it
    tells that the event has begun.

    `markets`: those of which it tells, each with what is offered there; `whole`: it tells of all there are. One of
    `bookmakers` that has no quote in such a market offers nothing there now; of others the answer does not tell."""

    event: str
    starts_at: float | None
    bookmakers: frozenset[str]
    markets: Mapping[str, tuple[Quote, ...]]
    whole: bool = False
    in_play: bool = False


class Profile:
    """The generic profile, and what a vendor's own may override."""

    known_kinds: ClassVar[frozenset[str]] = frozenset()
    """Every kind of projection that `kinds` may name."""
    to_be_verified: ClassVar[frozenset[str]] = frozenset()
    """Kinds that are used only after comparisons found them right often enough."""
    by_region: ClassVar[frozenset[str]] = frozenset()
    """Kinds for which it matters which bookmakers a region has."""
    by_answers: ClassVar[frozenset[str]] = frozenset()
    """Kinds that depend on what `learnt` takes from answers beside the bookmakers of regions."""
    reads_bodies: ClassVar[bool] = False
    """Whether POST bodies have a canonical form."""
    tells_offers: ClassVar[bool] = False
    """Whether `offers` finds anything."""
    logins: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of hosts where people log in: never opened, whatever profile is configured."""

    def doubts(self, routes: Sequence[RouteSettings], kinds: Collection[str]) -> Iterator[Finding]:  # noqa: ARG002
        """What is most likely a mistake in a provider's routes, or in the kinds of projection that are on, for what
        the vendor is."""
        return iter(())

    def query(self, route: RouteSettings, path: str, query: Query) -> Query:  # noqa: ARG002
        """The vendor's own further rules, applied to a query that is canonical otherwise."""
        return query

    def called(self, body: bytes) -> str:  # noqa: ARG002
        """The method that a POST body calls, as `calls` of a route names it; "" for none."""
        return ""

    def canonical_body(self, route: RouteSettings, body: bytes) -> tuple[str, str] | str:  # noqa: ARG002
        """The canonical text of a POST body and what the client wants echoed; or, as one string, why it has none."""
        return "the profile knows no bodies"

    def echoed(self, body: bytes, echo: str) -> bytes:  # noqa: ARG002
        """The stored body for a client that wants `echo` echoed."""
        return body

    def cost(self, route: RouteSettings, canonical: CanonicalRequest, body: bytes | None) -> float:  # noqa: ARG002
        """Credits that one call takes; with the `body` of its answer what it did take, without it the most it is
        expected to."""
        if body is None or not route.cost_per_item:
            return route.cost
        return max(route.cost, route.cost_per_item * (count(body, route.items) or 0))

    def projects(self, canonical: CanonicalRequest) -> bool:  # noqa: ARG002
        """Whether there are wider requests at all from whose answers this one's may be made."""
        return False

    def widened(self, canonical: CanonicalRequest, knowledge: Knowledge) -> CanonicalRequest:  # noqa: ARG002
        """A request that costs no more and whose answer holds this one's; itself when there is none."""
        return canonical

    def union(self, one: CanonicalRequest, other: CanonicalRequest, knowledge: Knowledge) -> CanonicalRequest | None:
        """The cheapest request known whose answer holds both answers; None when there is none."""

    def kinds(self, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge) -> frozenset[str] | None:
        """The kinds of projection that make the answer to `narrow` from the answer to `wide`; None when it cannot be
        made. Whether the kinds are on was looked at."""

    def parse(self, body: bytes) -> object:
        """The answer to a wide request, taken apart once for many projections. Raises ValueError."""
        return body

    def project(
        self, document: object, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge
    ) -> bytes | None:
        """The answer to `narrow` from the parsed answer to `wide`, for which `kinds` found a way; None when this
        content turns out not to allow it."""

    def evidence(
        self,
        document: object,  # noqa: ARG002
        wide: CanonicalRequest,
        narrow: CanonicalRequest,
        knowledge: Knowledge,
    ) -> Evidence:
        """What this projection shows if it is right. Here every kind counts: a profile whose kinds are to be verified
        looks into the content."""
        return Evidence(self.kinds(wide, narrow, knowledge) or frozenset())

    def whole(self, canonical: CanonicalRequest) -> bool:  # noqa: ARG002
        """Whether an empty answer to this request says that there is no event at all, rather than none that fits."""
        return True

    def lasting(self, canonical: CanonicalRequest) -> bool:  # noqa: ARG002
        """Whether clients will ask the very same again; not so if a clock or a cursor is part of it."""
        return True

    def learnt(self, canonical: CanonicalRequest, body: bytes, known: Knowledge) -> Knowledge:  # noqa: ARG002
        """What is known after the provider's own answer to this request."""
        return known

    def offers(
        self,
        canonical: CanonicalRequest,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        events: Collection[str],  # noqa: ARG002
    ) -> Iterator[Offer]:
        """What an answer tells of those of `events` that it holds; nothing for an answer of another kind, or of the
        past. Raises ValueError or RecursionError for a body that is not what the vendor answers."""
        return iter(())

    def ask(self, canonical: CanonicalRequest, previous: bytes | None) -> CanonicalRequest:  # noqa: ARG002
        """What is really sent, given the stored body: a delta request for a vendor that has them."""
        return canonical

    def absorb(self, canonical: CanonicalRequest, previous: bytes | None, body: bytes) -> bytes:  # noqa: ARG002
        """The content to store, given the stored one and the answer to what `ask` said. Raises ValueError."""
        return body
