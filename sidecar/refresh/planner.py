"""Which requests to fetch so that all demanded ones are answered, by cost and frequency. Pure: no clock, no I/O.

Two carriers are merged when that costs less: cost(A or B) * max(fA, fB) < cost(A) * fA + cost(B) * fB. Merging
everything would not do: {h2h in four regions} and {three markets in one} cost 4 + 3 apart and 12 together."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import batched, combinations, count

from holdover.canonical import CanonicalRequest
from holdover.providers.profile import Knowledge, Profile

LARGEST_GROUP = 16
"""Carriers that are all compared with each other. Of more, neighbours by query are merged first, in groups of this
size, then neighbours by rate: n carriers need at most 30 * n unions."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A request that clients ask for; one call costs `cost` credits and is due every `window_s`. The planner compares
    `cost` with what its cost function says of other requests, so both are to be of one kind."""

    request: CanonicalRequest
    cost: float
    window_s: float


@dataclass(frozen=True)
class Plan:
    """`carriers`: by the key of each demanded request, the request to fetch for it; itself when it is alone.
    `served`: by the key of each carrier, the demanded requests that it answers. `credits_per_s`: of all carriers."""

    carriers: Mapping[str, CanonicalRequest]
    served: Mapping[str, tuple[CanonicalRequest, ...]]
    credits_per_s: float

    def serves(self, key: str) -> tuple[CanonicalRequest, ...]:
        """The demanded requests that the carrier with this key answers; empty when it is none."""
        return self.served.get(key, ())


@dataclass(frozen=True, slots=True)
class _Carrier:
    """A request to fetch and the demands that it answers."""

    request: CanonicalRequest
    cost: float
    window_s: float
    demands: tuple[Demand, ...]

    @property
    def rate(self) -> float:
        return self.cost / self.window_s

    def joined(self, other: "_Carrier") -> "_Carrier":
        """Due as often as the more frequent of the two."""
        return replace(self, window_s=min(self.window_s, other.window_s), demands=(*self.demands, *other.demands))

    def without(self, demand: Demand) -> "_Carrier":
        rest = tuple(other for other in self.demands if other is not demand)
        return replace(self, window_s=min((other.window_s for other in rest), default=math.inf), demands=rest)


type _Offer = tuple[float, str, int, int, _Carrier]
"""Saving with its sign turned, key, the two carriers' numbers, and what they become."""


def plan(
    demands: Sequence[Demand],
    profile: Profile,
    knowledge: Knowledge,
    cost: Callable[[CanonicalRequest], float],
    refused: Set[tuple[str, str]] = frozenset(),
) -> Plan:
    """The order of `demands` makes no difference. `refused`: pairs of a wide and a narrow key whose projection the
    content turned out not to allow."""
    distinct: dict[str, Demand] = {}
    for demand in sorted(demands, key=lambda demand: (demand.window_s, demand.cost)):
        distinct.setdefault(demand.request.key, demand)
    planner = _Planner(profile, knowledge, cost, refused, distinct)
    carriers = [carrier for group in _groups(distinct) for carrier in planner.carriers(group)]
    return Plan(
        {demand.request.key: carrier.request for carrier in carriers for demand in carrier.demands},
        {carrier.request.key: tuple(demand.request for demand in carrier.demands) for carrier in carriers},
        math.fsum(carrier.rate for carrier in carriers),
    )


def _groups(demands: Mapping[str, Demand]) -> list[list[Demand]]:
    """Only answers of one route, path, partition and header values can hold each other."""
    groups: defaultdict[tuple[object, ...], list[Demand]] = defaultdict(list)
    for _, demand in sorted(demands.items()):
        one = demand.request
        groups[one.provider, one.route, one.path, one.partition, one.headers].append(demand)
    return list(groups.values())


class _Planner:
    def __init__(
        self,
        profile: Profile,
        knowledge: Knowledge,
        cost: Callable[[CanonicalRequest], float],
        refused: Set[tuple[str, str]],
        demands: Mapping[str, Demand],
    ) -> None:
        self._profile = profile
        self._knowledge = knowledge
        self._cost = cost
        self._refused = refused
        self._prices = {key: demand.cost for key, demand in demands.items()}
        self._known: dict[tuple[str, str], bool] = {}

    def carriers(self, group: Sequence[Demand]) -> list[_Carrier]:
        """What to fetch for demands that may be merged."""
        if len(group) == 1:
            return [self._widened(group[0])]
        carriers = self._covered([self._widened(demand) for demand in group])
        for order in (_by_query, _by_rate):
            if len(carriers) > LARGEST_GROUP:
                parts = batched(sorted(carriers, key=order), LARGEST_GROUP)
                carriers = _unified(carrier for part in parts for carrier in self._merged(part))
        if len(carriers) <= LARGEST_GROUP:
            carriers = self._settled(self._merged(carriers))
        return carriers

    def _widened(self, demand: Demand) -> _Carrier:
        wide = self._profile.widened(demand.request, self._knowledge)
        if self._price(wide) > demand.cost or not self._holds(wide, demand.request):
            wide = demand.request
        return _Carrier(wide, self._price(wide), demand.window_s, (demand,))

    def _covered(self, carriers: Sequence[_Carrier]) -> list[_Carrier]:
        """Leaves out those that others answer, as often and at no further cost; in one pass, without unions."""
        kept: list[_Carrier] = []
        for carrier in sorted(carriers, key=_by_width):
            for index, wide in enumerate(kept[:LARGEST_GROUP]):
                if self._answers(wide.request, carrier.demands):
                    kept[index] = wide.joined(carrier)
                    break
            else:
                kept.append(carrier)
        return kept

    def _merged(self, carriers: Sequence[_Carrier]) -> list[_Carrier]:
        """Merges two at a time, the best saving first, until no merger saves anything."""
        alive = dict(enumerate(carriers))
        offers = [offer for pair in combinations(alive, 2) if (offer := self._offer(alive, *pair))]
        heapq.heapify(offers)
        numbers = count(len(carriers))
        while offers:
            _, _, one, other, joined = heapq.heappop(offers)
            if one not in alive or other not in alive or not self._answers(joined.request, joined.demands):
                continue
            del alive[one], alive[other]
            new = next(numbers)
            alive[new] = joined
            for old in list(alive)[:-1]:
                if offer := self._offer(alive, old, new):
                    heapq.heappush(offers, offer)
        return list(alive.values())

    def _offer(self, alive: Mapping[int, _Carrier], one: int, other: int) -> _Offer | None:
        """Less is better; the key makes equal offers distinct whatever the order of the demands."""
        a, b = alive[one], alive[other]
        wide = self._profile.union(a.request, b.request, self._knowledge) or self._wider(a, b)
        if wide is None:
            return None
        joined = replace(a.joined(b), request=wide, cost=self._price(wide))
        saving = a.rate + b.rate - joined.rate
        # What costs nothing is still one request less when one of the two holds the other.
        if saving > 0 or (saving == 0 and wide.key in (a.request.key, b.request.key)):
            return -saving, wide.key, one, other, joined
        return None

    def _wider(self, one: _Carrier, other: _Carrier) -> CanonicalRequest | None:
        if self._answers(one.request, other.demands):
            return one.request
        return other.request if self._answers(other.request, one.demands) else None

    def _settled(self, carriers: Sequence[_Carrier]) -> list[_Carrier]:
        """A demand that is fetched itself, for others, is not answered by another carrier if that costs no more."""
        held = {carrier.request.key: carrier for carrier in carriers}
        for carrier in carriers:
            for demand in carrier.demands:
                own = held.get(demand.request.key)
                if own is not None and demand not in own.demands:
                    self._move(demand, held, carrier.request.key)
        return list(held.values())

    def _move(self, demand: Demand, held: dict[str, _Carrier], home: str) -> None:
        rest, own = held[home].without(demand), held[demand.request.key]
        extended = own.joined(replace(own, window_s=demand.window_s, demands=(demand,)))
        if extended.rate + rest.rate <= own.rate + held[home].rate:
            held |= {home: rest, demand.request.key: extended}
            if not rest.demands:
                del held[home]

    def _answers(self, wide: CanonicalRequest, demands: Iterable[Demand]) -> bool:
        return all(self._holds(wide, demand.request) for demand in demands)

    def _holds(self, wide: CanonicalRequest, narrow: CanonicalRequest) -> bool:
        pair = wide.key, narrow.key
        if pair not in self._known:
            kinds = self._profile.kinds(wide, narrow, self._knowledge)
            on = kinds is not None and kinds <= self._knowledge.kinds
            self._known[pair] = wide.key == narrow.key or (on and pair not in self._refused)
        return self._known[pair]

    def _price(self, request: CanonicalRequest) -> float:
        if request.key not in self._prices:
            self._prices[request.key] = self._cost(request)
        return self._prices[request.key]


def _unified(carriers: Iterable[_Carrier]) -> list[_Carrier]:
    """Carriers that are the same request are one."""
    found: dict[str, _Carrier] = {}
    for carrier in carriers:
        known = found.get(carrier.request.key)
        found[carrier.request.key] = carrier if known is None else known.joined(carrier)
    return list(found.values())


def _by_width(carrier: _Carrier) -> tuple[object, ...]:
    return carrier.window_s, -carrier.cost, carrier.request.key


def _by_query(carrier: _Carrier) -> tuple[object, ...]:
    return carrier.request.query, carrier.request.key


def _by_rate(carrier: _Carrier) -> tuple[object, ...]:
    return carrier.rate, carrier.request.key
