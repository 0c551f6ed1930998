"""Projections compared with what the provider itself answers to the same request.

Prices move between two calls, so one comparison takes three: the wide request, the narrow one, and, where they
differ, the wide one again. Only if that has not changed meanwhile does the difference count.

Equal answers speak for the kinds of projection that did something to them, and for the regions whose bookmakers it
depended on, and for nothing else: boards without prices are equal whatever is wrong."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from holdover.canonical import CanonicalRequest
from holdover.content import parsed
from holdover.entry import Entry
from holdover.fill import Filler
from holdover.intake import Fetched, volatile
from holdover.projection import Projections
from holdover.providers.profile import Evidence
from holdover.rules import Provider

type Finding = Literal["equal", "vacuous", "different", "inconclusive"]
"""`vacuous` is equal and shows nothing."""

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


def comparable(projections: Projections, narrow: CanonicalRequest, now: float) -> list[CanonicalRequest]:
    """What this request is made from, and what it would be made from on trial; none where it is not and would not."""
    wider = projections.carrier(narrow, now), projections.trial(narrow, now)
    return [wide for wide in wider if wide.key != narrow.key]


async def compare(
    filler: Filler, provider: Provider, narrow: CanonicalRequest, carrier: CanonicalRequest
) -> Comparison | None:
    """None when the request is not made from the other. Takes two or three calls."""
    projections = filler.projections
    kinds = provider.profile.kinds(carrier, narrow, projections.knowledge(provider, on_trial=True))
    route = filler.route(narrow)
    if not kinds or route is None:
        return None
    before = await filler.upstream.direct(carrier, "shadow")
    direct = await filler.upstream.direct(narrow, "shadow")
    cost = sum(result.entry.cost for result in (before, direct) if isinstance(result, Fetched))
    if not isinstance(before, Fetched) or not isinstance(direct, Fetched):
        return Comparison("inconclusive", kinds, cost)
    rehearsed = await asyncio.to_thread(partial(projections.rehearse, before.entry, narrow, on_trial=False))
    # What clients are given is compared as they get it. On trial, a bookmaker that was not learnt of its region is no
    # finding about a kind: the provider's answer for that region has just told of it.
    projections.learn(provider, direct.entry)
    if rehearsed is None:
        rehearsed = await asyncio.to_thread(partial(projections.rehearse, before.entry, narrow, on_trial=True))
    if rehearsed is None:
        return Comparison("inconclusive", kinds, cost)
    projected, evidence = rehearsed
    names = volatile(route)
    found = before.entry, projected, direct.entry
    if await asyncio.to_thread(same, projected.identity, direct.entry.identity, names):
        return Comparison("equal" if evidence.shows else "vacuous", kinds, cost, *found, evidence)
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
