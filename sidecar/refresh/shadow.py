"""Projections compared with what the provider itself answers to the same request.

Prices move between two calls, so one comparison takes three: the wide request, the narrow one, and, where they
differ, the wide one again. Only if that has not changed meanwhile does the difference count.

Equal answers speak for the kinds of projection that did something to them, and for no other: boards without prices
are equal whatever is wrong."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from holdover.canonical import CanonicalRequest
from holdover.content import parsed
from holdover.entry import Entry
from holdover.fill import Filler
from holdover.intake import Fetched, volatile
from holdover.providers.profile import Evidence
from holdover.rules import Provider

type Finding = Literal["equal", "vacuous", "different", "inconclusive"]
"""`vacuous` is equal where no kind did anything."""

logger = logging.getLogger("holdover.shadow")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found about the kinds of projection that make `direct` from `wide`; `cost` in credits. `evidence`:
    what it shows that they are equal."""

    finding: Finding
    kinds: frozenset[str]
    cost: float
    wide: Entry | None = None
    projected: Entry | None = None
    direct: Entry | None = None
    evidence: Evidence = field(default_factory=Evidence)


async def compare(filler: Filler, provider: Provider, narrow: CanonicalRequest, now: float) -> Comparison | None:
    """None when the request is not made from another. Takes two or three calls."""
    projections = filler.projections
    knowledge = projections.knowledge(provider, on_trial=True)
    carrier = projections.carrier(narrow, now)
    if carrier.key == narrow.key:
        carrier = provider.profile.widened(narrow, knowledge)
    kinds = provider.profile.kinds(carrier, narrow, knowledge) if carrier.key != narrow.key else None
    route = filler.route(narrow)
    if not kinds or route is None:
        return None
    before = await filler.upstream.direct(carrier, "shadow")
    direct = await filler.upstream.direct(narrow, "shadow")
    cost = sum(result.entry.cost for result in (before, direct) if isinstance(result, Fetched))
    if not isinstance(before, Fetched) or not isinstance(direct, Fetched):
        return Comparison("inconclusive", kinds, cost)
    rehearsed = await asyncio.to_thread(projections.rehearse, before.entry, narrow)
    if rehearsed is None:
        return Comparison("inconclusive", kinds, cost)
    projected, evidence = rehearsed
    names = volatile(route)
    found = before.entry, projected, direct.entry
    if await asyncio.to_thread(same, projected.identity, direct.entry.identity, names):
        return Comparison("equal" if evidence.kinds else "vacuous", kinds, cost, *found, evidence)
    after = await filler.upstream.direct(carrier, "shadow")
    if not isinstance(after, Fetched):
        return Comparison("inconclusive", kinds, cost, *found)
    moved = not await asyncio.to_thread(same, before.entry.identity, after.entry.identity, names)
    return Comparison("inconclusive" if moved else "different", kinds, cost + after.entry.cost, *found)


def same(one: bytes, other: bytes, names: Collection[str]) -> bool:
    """Whether two JSON bodies say the same but for the members called `names`."""
    return _without(parsed(one), names) == _without(parsed(other), names)


def cost(provider: Provider, narrow: CanonicalRequest, carrier: CanonicalRequest) -> float:
    """The most that one comparison takes, in credits."""
    routes = {route.name: route.settings for route in provider.routes}
    route, of = routes[narrow.route], provider.profile.cost
    return of(route, narrow, None) + 2 * of(route, carrier, None)


def _without(document: object, names: Collection[str]) -> object:
    match document:
        case dict():
            return {name: _without(value, names) for name, value in document.items() if name not in names}
        case list():
            return [_without(value, names) for value in document]
        case bool():
            # To Python, True is 1.
            return bool, document
    return document
