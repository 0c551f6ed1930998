"""The Odds API v4: which requests mean the same, what they cost, and which answers hold which others."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from holdover.canonical import CanonicalRequest, Query
from holdover.content import count, select
from holdover.lines import Finding
from holdover.providers import odds_quotes
from holdover.providers.odds_document import OddsDocument, Unprojectable, returned_markets
from holdover.providers.odds_selection import (
    H2H,
    KINDS,
    RIDERS,
    TIMES,
    UPCOMING,
    cut_of,
    evidence_of,
    needed,
    selection,
    sport_of,
    usable,
)
from holdover.providers.profile import Evidence, Knowledge, Offer, Profile
from holdover.route_settings import RouteSettings

_BOOKMAKERS_PER_REGION = 10
_PATH = re.compile(r"(?P<past>/historical)?/sports/[^/]+(?P<event>/events/[^/]+)?/(?P<what>odds|scores)/?$")
_PRICED = frozenset(("odds", "event-odds", "scores", "historical-odds", "historical-event-odds"))
"""Routes whose calls are priced by what they ask for."""
_EMPTY_LIST = re.compile(rb"\s*\[\s*\]\s*")


class TheOddsApi(Profile):
    """Routes are known by their names alone. Only answers of the route `odds` are projected: those for one event have
    other markets and other members."""

    known_kinds = KINDS
    to_be_verified = frozenset(("odds",))
    by_region = frozenset(("regions", "bookmakers"))
    by_answers = frozenset(("outrights",))
    tells_offers = True

    def doubts(self, routes: Sequence[RouteSettings], kinds: Collection[str]) -> Iterator[Finding]:
        names = {route.name for route in routes}
        if self.known_kinds.intersection(kinds) and "odds" not in names:
            text = "have no effect without a route named 'odds', whose answers alone are projected"
            yield ("projection", "kinds"), text
        elif "outrights" in kinds and "sports" not in names:
            text = "'outrights' has no effect without a route named 'sports', which tells the sports that have some"
            yield ("projection", "kinds"), text
        for index, route in enumerate(routes):
            name = _name_of(route.path)
            if name not in (None, route.name):
                projected = " and is projected" if name == "odds" else ""
                remedy = "let that route answer it, or set `cost` to what it takes" if name in names else "name it so"
                yield (
                    ("routes", index, "name"),
                    f"the profile knows this path as {name!r}: under that name alone a call is priced by what it "
                    f"asks for{projected}; {remedy}",
                )

    def query(self, route: RouteSettings, path: str, query: Query) -> Query:
        if len({name for name, _ in query}) != len(query):
            return query
        kept = dict(query)
        if any(name.strip() for name in kept.get("bookmakers", "").split(",")):
            kept.pop("regions", None)
        if route.name == "odds" and sport_of(path) == UPCOMING:
            for name in TIMES:
                kept.pop(name, None)
        return tuple(kept.items())

    def cost(self, route: RouteSettings, canonical: CanonicalRequest, body: bytes | None) -> float:
        """`route.cost` is that of one market and region."""
        if body is not None and (_EMPTY_LIST.fullmatch(body) or (route.items and count(body, route.items) == 0)):
            return 0.0
        query = canonical.query
        match route.name.removeprefix("historical-"):
            case "odds":
                return route.cost * len(_items(query, "markets") or H2H) * _regions(query)
            case "event-odds":
                return route.cost * _event_markets(route, query, body) * _regions(query)
            case "scores":
                return route.cost * (2 if _items(query, "daysFrom") else 1)
        return route.cost

    def projects(self, canonical: CanonicalRequest) -> bool:
        return selection(canonical) is not None

    def widened(self, canonical: CanonicalRequest, knowledge: Knowledge) -> CanonicalRequest:
        narrow = selection(canonical)
        if narrow is None:
            return canonical
        sport = sport_of(canonical.path)
        on, wide = usable(sport, knowledge), narrow
        if "events" in on:
            wide = replace(wide, events=None)
        if "times" in on:
            wide = replace(wide, after=None, before=None)
        if "dates" in on:
            wide = replace(wide, unix=False)
        if "odds" in on:
            wide = replace(wide, american=True)
        if "outrights" in on and wide.markets is None and knowledge.outrights.get(sport) is False:
            wide = replace(wide, markets=H2H)
        return canonical if wide == narrow else replace(canonical, query=wide.query)

    def union(self, one: CanonicalRequest, other: CanonicalRequest, knowledge: Knowledge) -> CanonicalRequest | None:
        if one == other:
            return one
        first, second = selection(one), selection(other)
        joined = first.joined(second) if first and second else None
        if joined is None:
            return None
        wide = replace(one, query=joined.query)
        held = (self.kinds(wide, narrow, knowledge) is not None for narrow in (one, other))
        return wide if all(held) else None

    def kinds(self, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge) -> frozenset[str] | None:
        """None also when a kind that is needed is off."""
        if wide == narrow:
            return frozenset()
        whole, part = selection(wide), selection(narrow)
        if whole is None or part is None or replace(wide, query=narrow.query) != narrow or whole.rest != part.rest:
            return None
        sport = sport_of(wide.path)
        found: dict[str, bool] = dict(needed(whole, part, sport, knowledge))
        return frozenset(found) if all(found.values()) and found.keys() <= usable(sport, knowledge) else None

    def whole(self, canonical: CanonicalRequest) -> bool:
        """Of all that a board has, h2h is what every event has."""
        query = dict(canonical.query)
        return (
            "h2h" in query.get("markets", "h2h").split(",") and not {*TIMES, "eventIds", "bookmakers"} & query.keys()
        )

    def lasting(self, canonical: CanonicalRequest) -> bool:
        """Clients make time windows from their clock."""
        return not any(name in TIMES for name, _ in canonical.query)

    def learnt(self, canonical: CanonicalRequest, body: bytes, known: Knowledge) -> Knowledge:
        """Which sports have outrights, and the bookmakers of a region from answers for it alone: gathered over all of
        them, because one without odds that day is missing."""
        if canonical.route == "sports":
            told = (item for item in select(body, "/*") if isinstance(item, dict))
            outrights = {str(item.get("key")): item.get("has_outrights") is True for item in told}
            return replace(known, outrights={**known.outrights, **outrights})
        region = dict(canonical.query).get("regions", "")
        if canonical.route != "odds" or not region or "," in region or "bookmakers" in dict(canonical.query):
            return known
        found = frozenset(key for key in select(body, "/*/bookmakers/*/key") if isinstance(key, str))
        before = known.regions.get(region, frozenset())
        return known if found <= before else replace(known, regions={**known.regions, region: before | found})

    def offers(self, canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
        return odds_quotes.offers(canonical, body, events)

    def parse(self, body: bytes) -> OddsDocument:
        try:
            return OddsDocument(body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def project(
        self, document: object, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge
    ) -> bytes | None:
        whole, part = selection(wide), selection(narrow)
        if not isinstance(document, OddsDocument) or whole is None or part is None:
            return None
        try:
            return document.cut(cut_of(document, whole, part, knowledge))
        except (Unprojectable, ValueError, RecursionError):
            return None

    def evidence(
        self, document: object, wide: CanonicalRequest, narrow: CanonicalRequest, knowledge: Knowledge
    ) -> Evidence:
        whole, part, kinds = selection(wide), selection(narrow), self.kinds(wide, narrow, knowledge)
        if not isinstance(document, OddsDocument) or whole is None or part is None or kinds is None:
            return Evidence()
        try:
            return evidence_of(document, whole, part, kinds, knowledge)
        except (Unprojectable, ValueError, RecursionError):
            return Evidence()


def _name_of(path: str) -> str | None:
    """The name by which calls to a path are priced by what they ask for; None where they are not."""
    found = _PATH.search(path)
    if found is None:
        return None
    name = ("historical-" if found["past"] else "") + ("event-" if found["event"] else "") + found["what"]
    return name if name in _PRICED else None


def _event_markets(route: RouteSettings, query: Query, body: bytes | None) -> int:
    """How many are billed: those asked for, and once the answer is there those of them that it holds."""
    asked = _items(query, "markets") or H2H
    if body is None:
        return len(asked)
    try:
        found = returned_markets(body, "data" if route.name.startswith("historical-") else None)
    except (ValueError, RecursionError):
        return len(asked)
    return len(found - (frozenset(RIDERS.values()) - asked))


def _regions(query: Query) -> int:
    """How many are billed: each ten bookmakers count as one."""
    if bookmakers := _items(query, "bookmakers"):
        return -(-len(bookmakers) // _BOOKMAKERS_PER_REGION)
    return len(_items(query, "regions")) or 1


def _items(query: Query, name: str) -> frozenset[str]:
    return frozenset(item for key, value in query if key == name for item in value.split(",") if item)
