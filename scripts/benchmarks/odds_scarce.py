"""Credits for half of what a day takes: does the governor make them last until the reset, and what comes without it?

Virtual, as `odds_day`. Sports are in play one after the other, so that all hours need the same: the governor spreads
evenly what is left, and does not save for hours that will need more."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from holdover.phase import Phase
from holdover.route_settings import RouteSettings

from .odds_board import in_turn
from .odds_day import Day, DaySize
from .odds_shapes import HOUR, SPORTS, WHOLE, spelled
from .odds_till import PLENTY, Till
from .odds_vendor import shipped_rules
from .outcome import Record

TARGET = "scarce credits, virtual"
SHARE, RESERVE, UNSPENT = 0.5, 0.02, 0.02
"""Of what the configured windows take there are so many credits, and of these so many are the reserve. Above that no
more than so many may be left at the reset: with all windows at their limits it would be a quarter or more. For days
of two hours or more: of one alone, the call for each board that the governor holds back costs twice as much."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a day with `credits_` showed. `gaps`: seconds between two fetches of a board, by what it was doing before
    the second. `silent_s`: the longest time in which no board was fetched. `reserve_after_s`: when refreshes began to
    be given up for the reserve."""

    credits_: int
    reserve: int
    left: int
    refused: int
    withheld: int
    reserve_after_s: float | None
    silent_s: float
    gaps: Mapping[Phase, Sequence[float]]
    stretches: Sequence[Mapping[Phase, float]]

    @property
    def unfair(self) -> int:
        """Looks at which boards in play were stretched more than others."""
        return sum(found.get("in_play", 1.0) > min(found.values()) + 1e-9 for found in self.stretches if found)


def measure(record: Record, size: DaySize) -> None:
    """The day ends at midnight, with the reset."""
    plenty = _spent(size, PLENTY, 0, governed=True)
    credits_ = round(SHARE * (PLENTY - plenty.left))
    governed, free = (_spent(size, credits_, round(RESERVE * credits_), governed=known) for known in (True, False))
    record.result(TARGET, "credits that the configured windows take", "credits", PLENTY - plenty.left)
    record.result(TARGET, "credits until the reset", "credits", credits_)
    record.result(TARGET, "of these the reserve", "credits", governed.reserve)
    _report(record, "governed", governed)
    _report(record, "without governor", free)
    _judge(record, _route(), governed, free)


def _route() -> RouteSettings:
    return next(route.settings for route in shipped_rules().providers[0].routes if route.name == "odds")


def _spent(size: DaySize, credits_: int, reserve: int, *, governed: bool) -> Spent:
    rules = shipped_rules({"kinds": []}, quota={"resets": "daily", "reserve": reserve})
    asked = [[spelled(WHOLE, sport, client, "client") for sport in SPORTS] for client in range(size.clients)]
    programme = in_turn(HOUR * size.begin_h, HOUR * size.hours, size.events)
    day = Day(size, rules, asked, programme=programme, till=Till(rules, credits_), governed=governed)
    counts, ends = day.run(), size.begins + HOUR * size.hours
    gaps, by_sport = defaultdict[Phase, list[float]](list), defaultdict[str, list[float]](list)
    for sport, at in counts.fetched:
        by_sport[sport].append(at)
    for sport, ats in by_sport.items():
        for before, after in pairwise([*ats, ends]):
            gaps[day.board.phase(sport, after - 1, _route().pace.near_from_s)].append(after - before)
    given_up = min(counts.withheld, default=None)
    return Spent(
        credits_,
        reserve,
        day.till.left,
        counts.refused,
        len(counts.withheld),
        None if given_up is None else given_up - size.begins,
        max(after - before for before, after in pairwise([*sorted(at for _, at in counts.fetched), ends])),
        gaps,
        [found for _, found in counts.stretches],
    )


def _report(record: Record, name: str, spent: Spent) -> None:
    target = f"{TARGET}, {name}"
    record.result(target, "credits left at the reset", "credits", spent.left)
    record.result(target, "answers refused", "answers", spent.refused)
    record.result(target, "refreshes given up for the reserve", "refreshes", spent.withheld)
    if spent.reserve_after_s is not None:
        record.result(target, "first of them, after the begin", "h", spent.reserve_after_s / HOUR)
    record.result(target, "longest time without any refresh", "s", spent.silent_s)
    for phase, gaps in sorted(spent.gaps.items()):
        record.result(target, f"mean gap, {phase}", "s", sum(gaps) / len(gaps))
        record.result(target, f"longest gap, {phase}", "s", max(gaps))
        stretches = [found[phase] for found in spent.stretches if phase in found]
        record.result(target, f"mean stretch, {phase}", "x", sum(stretches) / max(1, len(stretches)))


def _judge(record: Record, route: RouteSettings, governed: Spent, free: Spent) -> None:
    limits: dict[Phase, float] = defaultdict(lambda: route.max_stale_s)
    limits["in_play"] = route.pace.max_stale_in_play_s or route.max_stale_s
    record.at_least("answers refused with scarce credits and no governor", 1, free.refused)
    record.exactly("answers refused with scarce credits", 0, governed.refused)
    record.at_least("credits left at the reset (reserve)", governed.reserve, governed.left)
    record.at_most(
        f"credits left at the reset (reserve and {UNSPENT:.0%})",
        governed.reserve + UNSPENT * governed.credits_,
        governed.left,
    )
    record.exactly("looks at which boards in play were stretched more than others", 0, governed.unfair)
    for phase, gaps in sorted(governed.gaps.items()):
        record.at_most(f"s between two fetches with scarce credits, {phase} (max_stale)", limits[phase], max(gaps))
