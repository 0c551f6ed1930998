"""A virtual day in one process: the real schedule, planner, governor, judgement and projections, turned by hand. What
comes is taken as `Arrivals` and `Refresher` do: projections are made anew when a wider answer arrives.

What is not real: the clock, the network (each call takes `latency_s`) and the processes."""

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.intake import Failed, Fetched, Question, Refused, judge
from holdover.key import Cacheable
from holdover.phase import Phase
from holdover.policy import Expired, age, decide
from holdover.projection import Projections
from holdover.rules import Rules
from sidecar.refresh.economy import Economy, economize, overall
from sidecar.refresh.item import Brought
from sidecar.refresh.schedule import Schedule

from .odds_board import Board, Programme, model
from .odds_shapes import HOUR, price
from .odds_till import Till
from .odds_vendor import planned, told

START = 1_795_046_400.0
_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class DaySize:
    """`events` on each board; the world moves every `tick_s`. It begins `begin_h` hours into the model's day. Of
    `sampled` polls one is made and counts for all. The planner looks every `steward_s`."""

    hours: float = 24.0
    clients: int = 12
    every_s: float = 30.0
    events: int = 10
    tick_s: float = 20.0
    latency_s: float = 0.3
    sampled: int = 1
    begin_h: float = 0.0
    steward_s: float = 10.0

    @property
    def begins(self) -> float:
        return START + HOUR * self.begin_h


@dataclass(slots=True)
class Counts:
    """What the day showed. Ages are what clients are told, in seconds, by what the sport was really doing.

    `remade`: projections made of a wider answer before they were due themselves. `withheld`: when a refresh would
    have taken the reserve. `refused`: answers that there were no credits for. `fetched`: sport and moment of each
    call that brought odds. `stretches`: at each look, by phase, how many times longer windows were made."""

    answers: int = 0
    waited: int = 0
    direct: int = 0
    spent: int = 0
    calls: int = 0
    changed: int = 0
    oldest: dict[Phase, float] = field(default_factory=dict)
    late: Counter[Phase] = field(default_factory=Counter)
    refused: int = 0
    remade: int = 0
    withheld: list[float] = field(default_factory=list)
    fetched: list[tuple[str, float]] = field(default_factory=list)
    stretches: list[tuple[float, Mapping[Phase, float]]] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """A fetch under way, and the requests that its answer is for."""

    request: CanonicalRequest
    asked_at: float
    waiting: dict[str, CanonicalRequest]


class Day:
    """Clients ask for `targets` (each for all of its own, every `every_s`). Without a `programme` of events it is the
    model's, without a `till` credits are plenty. `governed`: whether the governor knows what is left."""

    def __init__(
        self,
        size: DaySize,
        rules: Rules,
        targets: Sequence[Sequence[str]],
        *,
        programme: Programme | None = None,
        till: Till | None = None,
        governed: bool = True,
    ) -> None:
        self.counts = Counts()
        self.till = till or Till(rules)
        self.board = Board(START, size.tick_s, model(size.events) if programme is None else programme)
        self._size, self._rules, self._governed = size, rules, governed
        self._schedule, self._projections = Schedule(1000), Projections(rules)
        self._store: dict[str, Entry] = {}
        self._calls: dict[str, Call] = {}
        self._told_at: dict[str, float] = {}
        self._due: set[str] = set()
        self._economy: Economy | None = None
        self._asks = [[(planned(rules, one), price(one), one.split("/")[3]) for one in own] for own in targets]

    def run(self) -> Counts:
        """To the end of the day."""
        size, every_s = self._size, self._size.every_s * self._size.sampled
        queue: list[tuple[float, int, str]] = []
        for number in range(len(self._asks)):
            heapq.heappush(queue, (size.begins + every_s * number / len(self._asks), number, "poll"))
        heapq.heappush(queue, (size.begins, -1, "steward"))
        at = size.begins
        # What is made due earlier by a look may have been due before it.
        while (at := max(at, self._next(queue))) < size.begins + HOUR * size.hours:
            if self._ended(at) or self._started(at) or queue[0][0] > at:
                continue
            _, number, kind = heapq.heappop(queue)
            if kind == "poll":
                self._poll(number, at)
            else:
                self._tend(at)
            heapq.heappush(queue, (at + (every_s if kind == "poll" else size.steward_s), number, kind))
        return self.counts

    def _next(self, queue: Sequence[tuple[float, int, str]]) -> float:
        ends = (call.asked_at + self._size.latency_s for call in self._calls.values())
        due = self._schedule.next_at()
        return min(queue[0][0], min(ends, default=math.inf), math.inf if due is None else due)

    def _poll(self, number: int, now: float) -> None:
        for cacheable, cost, sport in self._asks[number]:
            self.counts.answers += self._size.sampled
            self.counts.direct += cost * self._size.sampled
            self._demanded(cacheable, now)
            entry = self._store.get(cacheable.canonical.key)
            if entry is None or isinstance(decide(cacheable.route.settings, entry, now, refreshing=True), Expired):
                self.counts.waited += 1
                self._asked(cacheable, now)
            else:
                self._served(cacheable, entry, sport, now)

    def _asked(self, cacheable: Cacheable, now: float) -> None:
        """A client waits for a call, or is told the provider's refusal."""
        if self.till.may_ask(self._projections.carrier(cacheable.canonical, now), now):
            self._fill(cacheable.canonical, now - cacheable.route.settings.window_s, now)
        else:
            self.counts.refused += self._size.sampled

    def _served(self, cacheable: Cacheable, entry: Entry, sport: str, now: float) -> None:
        """An event that begins, or comes near, has the new promise when a call that started then can be back."""
        pace, latency_s = cacheable.route.settings.pace, self._size.latency_s
        windows = {"in_play": pace.in_play_s, "near": pace.near_s, "far": pace.far_s}
        phases = [self.board.phase(sport, at, pace.near_from_s) for at in (now, now - latency_s)]
        allowed = latency_s + max(windows[phase] or cacheable.route.settings.window_s for phase in phases)
        served, counts = age(entry, now), self.counts
        counts.oldest[phases[0]] = max(served, counts.oldest.get(phases[0], 0.0))
        counts.late[phases[0]] += served > allowed + 1e-6

    def _demanded(self, cacheable: Cacheable, now: float) -> None:
        """Told to the sidecar as often as a proxy does."""
        route, key = cacheable.route.settings, cacheable.canonical.key
        if now - self._told_at.get(key, 0.0) > route.idle_after_s / 4:
            self._told_at[key] = now
            self._schedule.demand(cacheable.canonical, route, now, now)

    def _started(self, now: float) -> bool:
        """Starts what is due, as long as that leaves the reserve."""
        due = self._schedule.pop(now)
        if due is None:
            return False
        self._due.add(due.request.key)
        if self.till.affords(self._projections.carrier(due.request, now), now):
            self._fill(due.request, due.at, now)
        else:
            self.counts.withheld.append(now)
            self._over(due.request.key, None, now)
        return True

    def _fill(self, canonical: CanonicalRequest, newer_than: float, now: float) -> None:
        """As holdover.fill does: stored, made of what is stored, or asked for with what holds it."""
        for wide in (canonical, *self._projections.covering(canonical, now)):
            stored = self._store.get(wide.key)
            if stored is not None and newer_than <= stored.requested_at:
                self._over(canonical.key, self._made(Fetched(stored, None), canonical, now), now)
                return
        carrier = self._projections.carrier(canonical, now)
        self.till.begun(carrier)
        call = self._calls.setdefault(carrier.key, Call(carrier, now, {}))
        call.waiting[canonical.key] = canonical

    def _ended(self, now: float) -> bool:
        """Answers the calls that are back."""
        back = [call for call in self._calls.values() if call.asked_at + self._size.latency_s <= now]
        for call in back:
            del self._calls[call.request.key]
            fetched = self._fetched(call, now)
            if fetched is not None:
                self._taken(fetched, now)
            for canonical in call.waiting.values():
                self.counts.refused += fetched is None
                self._over(canonical.key, fetched and self._made(fetched, canonical, now), now)
        return bool(back)

    def _fetched(self, call: Call, now: float) -> Fetched | None:
        """None when the provider refuses."""
        answer = told(self.board.world, self.board.timeline.at(now), call.request.target)
        response = self.till.answered(answer, call.asked_at, now)
        self.counts.calls += 1
        self.counts.spent = self.till.spent
        provider = self._rules.providers[0]
        route = self._rules.route(provider.name, call.request.route)
        if route is None:
            raise ValueError("no such route")
        previous = self._store.get(call.request.key)
        question = Question(provider, route.settings, call.request, previous, call.asked_at)
        result = judge(question, response, self._size.latency_s, _LIMIT)
        self.till.settled(call.request, result, call.asked_at, now)
        if isinstance(result, Failed) or (isinstance(result, Refused) and result.means != "quota"):
            raise TypeError(result.reason)
        if isinstance(result, Refused):
            return None
        self.counts.fetched.append((call.request.path.split("/")[3], call.asked_at))
        self.counts.changed += result.effect == "changed"
        self._store[call.request.key] = result.entry
        self._projections.note(result.entry)
        return result

    def _taken(self, fetched: Fetched, now: float) -> None:
        """As Arrivals.take does, in no time."""
        entry = fetched.entry
        self._schedule.learn(entry.key, Brought.of(fetched), now)
        made = self._projections.made_of(entry, now)
        for request in self._schedule.take(made, entry.key, entry.requested_at, now):
            self.counts.remade += 1
            self._schedule.finished(request.key, now, Brought.of(self._made(fetched, request, now)))

    def _made(self, fetched: Fetched, canonical: CanonicalRequest, now: float) -> Fetched:
        """What a request has of an answer, as holdover.fill stores it: no older than what it has already."""
        wide, previous = fetched.entry, self._store.get(canonical.key)
        if wide.key == canonical.key:
            return fetched
        if previous is not None and wide.requested_at <= previous.requested_at:
            return Fetched(previous, "unchanged")
        entry = self._projections.derive(wide, canonical, previous, now)
        if entry is None:
            raise ValueError(f"not to be made: {canonical.target}")
        self._store[canonical.key] = entry
        same = previous is not None and previous.revision == entry.revision
        return Fetched(entry, "unchanged" if same else "changed")

    def _over(self, key: str, fetched: Fetched | None, now: float) -> None:
        """As the refresher does: what was due has come to its end; what a client had asked is learnt."""
        brought = Brought.of(fetched) if fetched is not None else None
        if key in self._due:
            self._due.discard(key)
            self._schedule.finished(key, now, brought)
        elif brought is not None:
            self._schedule.learn(key, brought, now)

    def _tend(self, now: float) -> None:
        """Plans, as the steward does."""
        provider = self._rules.providers[0]
        if not (kept := self._schedule.kept(now)):
            return
        knowledge, refused = self._projections.knowledge(provider), self._projections.refused(now)
        account = self.till.account if self._governed else Till(self._rules).account
        self._economy = economize(provider, kept, knowledge, refused, account, now, self._economy)
        self.counts.stretches.append((now, overall([self._economy]).longest))
        self._projections.plan(provider.name, self._economy.plan.carriers)
        self._schedule.stretch(self._economy.stretches, now)
