"""What the credits of one provider are spent on: which supersets are fetched, and how much longer windows are.

Every partition (a plan's class, or a tenant) has an account of its own, and is planned alone: nobody's credits are
spent on what others ask for."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdover.account import Account, seconds_to_reset
from holdover.canonical import CanonicalRequest
from holdover.phase import Phase, max_stale, phase
from holdover.providers.profile import Knowledge
from holdover.route_settings import RouteSettings
from holdover.rules import Provider

from .governor import Allocation, Need, allocate
from .planner import Demand, Plan, plan
from .schedule import Kept


@dataclass(frozen=True, slots=True)
class Economy:
    """`plan`: which request is fetched for which. `allocation`: what the governor lets the carriers spend.
    `stretches`: the same by the key of each request that is kept fresh. `phases`: of the carriers."""

    plan: Plan
    allocation: Allocation
    stretches: Mapping[str, float]
    phases: Mapping[str, Phase]
    basis: object


@dataclass(frozen=True, slots=True)
class Overall:
    """All partitions of a provider. `longest`: the greatest stretch of each phase in any of them; `affordable` when
    it is for all of them; `per_day`: credits of all."""

    carriers: Mapping[str, CanonicalRequest]
    stretches: Mapping[str, float]
    longest: Mapping[Phase, float]
    affordable: bool
    per_day: float


def economize_each(
    provider: Provider,
    kept: Sequence[Kept],
    knowledge: Knowledge,
    refused: frozenset[tuple[str, str]],
    accounts: Mapping[str, Account],
    now: float,
    before: Mapping[str, Economy],
) -> dict[str, Economy]:
    """Pure. By partition; `accounts` are those of all partitions in `kept`, `before` is what was found last."""
    parts, pairs = defaultdict[str, list[Kept]](list), defaultdict[str, set[tuple[str, str]]](set)
    for item in kept:
        parts[item.request.partition].append(item)
    partition_of = {item.request.key: item.request.partition for item in kept}
    for wide, narrow in refused:
        if (partition := partition_of.get(narrow)) is not None:
            pairs[partition].add((wide, narrow))
    return {
        name: economize(provider, part, knowledge, frozenset(pairs[name]), accounts[name], now, before.get(name))
        for name, part in parts.items()
    }


def overall(economies: Collection[Economy]) -> Overall:
    longest: dict[Phase, float] = {}
    for economy in economies:
        for key, found in economy.phases.items():
            longest[found] = max(longest.get(found, 1.0), economy.allocation.stretch(key))
    return Overall(
        {key: carrier for economy in economies for key, carrier in economy.plan.carriers.items()},
        {key: stretch for economy in economies for key, stretch in economy.stretches.items()},
        longest,
        all(economy.allocation.affordable for economy in economies),
        sum(economy.allocation.per_day for economy in economies),
    )


def economize(
    provider: Provider,
    kept: Sequence[Kept],
    knowledge: Knowledge,
    refused: frozenset[tuple[str, str]],
    account: Account,
    now: float,
    before: Economy | None = None,
) -> Economy:
    """Pure; of one partition, whose `account` it is.

    `before`: what was found last; planning takes a fifth of a second for a thousand keys and is not done
    again while nothing changed that it depends on. Keys whose requests cost nothing are planned too: fetching less
    often is of use in itself."""
    routes = {route.name: route.settings for route in provider.routes}
    cost = _cost_of(provider, routes)
    kept = _paced(kept)
    demands = [Demand(item.request, cost(item.request), item.window_s) for item in kept]
    basis = frozenset((demand.request.key, demand.window_s) for demand in demands), knowledge, refused
    if before is not None and before.basis == basis:
        planned = before.plan
    else:
        planned = plan(demands, provider.profile, knowledge, cost, refused)
    beats = _beats(kept, planned.carriers)
    needs = [_need(key, beat, cost, now) for key, beat in beats.items()]
    settings = provider.settings.quota
    allocation = allocate(needs, account.remaining(now), settings.reserve, seconds_to_reset(settings.resets, now))
    stretches = {item.request.key: allocation.stretch(key) for key, beat in beats.items() for item in beat.kept}
    return Economy(planned, allocation, stretches, {need.key: need.phase for need in needs}, basis)


def _group(item: Kept) -> tuple[str, str] | None:
    return (item.route.group, item.request.partition) if item.route.group is not None else None


def _paced(kept: Sequence[Kept]) -> list[Kept]:
    """Keys of a group are refreshed as often as the most urgent of them."""
    least: dict[tuple[str, str], float] = {}
    for item in kept:
        if (group := _group(item)) is not None:
            least[group] = min(least.get(group, item.window_s), item.window_s)
    return [replace(item, window_s=least[g]) if (g := _group(item)) is not None else item for item in kept]


@dataclass(frozen=True, slots=True)
class _Beat:
    """What is refreshed together, as often as the most urgent of it: a carrier with all that it answers, or all
    carriers of a group."""

    kept: list[Kept] = field(default_factory=list)
    carriers: dict[str, CanonicalRequest] = field(default_factory=dict)


def _beats(kept: Sequence[Kept], planned: Mapping[str, CanonicalRequest]) -> dict[str, _Beat]:
    """By the key of the carrier, or the name of the group."""
    beats = defaultdict[str, _Beat](_Beat)
    for item in kept:
        carrier = planned.get(item.request.key, item.request)
        beat = beats[f"group {item.route.group}" if item.route.group is not None else carrier.key]
        beat.kept.append(item)
        beat.carriers[carrier.key] = carrier
    return beats


def _cost_of(provider: Provider, routes: Mapping[str, RouteSettings]) -> Callable[[CanonicalRequest], float]:
    def cost(request: CanonicalRequest) -> float:
        return provider.profile.cost(routes[request.route], request, None)

    return cost


_HEADROOM = 0.8
"""A refresh needs time; at the very limit nothing may be served any more."""
_ORDER: tuple[Phase, ...] = ("in_play", "near", "unknown", "far", "empty")


def _need(key: str, beat: _Beat, cost: Callable[[CanonicalRequest], float], now: float) -> Need:
    """All of a beat is due as often as the most urgent of it, and is paid for each time."""
    window_s = min(item.window_s for item in beat.kept)
    limit_s = _HEADROOM * min(max_stale(item.route, item.board, now) for item in beat.kept)
    phases = {phase(item.board, now, item.route.pace.near_from_s) for item in beat.kept}
    most_urgent = next(p for p in _ORDER if p in phases)
    return Need(key, sum(map(cost, beat.carriers.values())), window_s, most_urgent, limit_s)
