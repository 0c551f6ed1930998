"""Narrower answers from wider ones: which wide request a request is answered from, and the entry made of it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from holdover.canonical import CanonicalRequest
from holdover.coding import compressed
from holdover.content import revision_of
from holdover.entry import Entry
from holdover.intake import board_in, volatile
from holdover.providers.profile import Evidence, Knowledge
from holdover.rules import Provider, Route, Rules

REFUSED_FOR_S = 600.0
_PARSED = 8
_MOST = 20_000
"""Requests in all that are remembered by what they have in common, and pairs that content did not allow."""

_MOST_LEARNT = 2_000
"""Words that are learnt of a provider. Its answers are believed no more than that."""

_MOST_THERE = 32
_MOST_MADE = 256


@dataclass(frozen=True, slots=True)
class Wide:
    """A wide answer taken apart."""

    entry: Entry
    document: object


@dataclass(slots=True)
class _Together[K]:
    """Requests by what they have in common, those that came last at the end: at most `most_each` of each, of which
    the oldest goes, and `_MOST` in all, of which those go to which none came for the longest."""

    most_each: int
    count: int = 0
    _requests: dict[K, dict[str, CanonicalRequest]] = field(default_factory=dict)

    def of(self, common: K) -> list[CanonicalRequest]:
        return list(self._requests.get(common, {}).values())

    def add(self, common: K, request: CanonicalRequest) -> None:
        there = self._requests.pop(common, {})
        self.count -= len(there)
        # What comes again stays, whatever else comes once.
        there.pop(request.key, None)
        if len(there) >= self.most_each:
            del there[next(iter(there))]
        there[request.key] = request
        self._requests[common] = there
        self.count += len(there)
        while self.count > _MOST and len(self._requests) > 1:
            self.count -= len(self._requests.pop(next(iter(self._requests))))

    def clear(self) -> None:
        self._requests.clear()
        self.count = 0


@dataclass(slots=True)
class Projections:
    """What is known of every provider, and which wider request stands for which. `derive` may run in any thread, the
    rest is for one.

    Without a planner (`carriers`), a request is answered from what the profile says costs no more and holds it."""

    rules: Rules
    learnt: dict[str, Knowledge] = field(default_factory=dict)
    _carriers: dict[str, Mapping[str, CanonicalRequest]] = field(default_factory=dict)
    _stored: _Together[tuple[str, str, str, str]] = field(default_factory=lambda: _Together(_MOST_THERE))
    _made: _Together[str] = field(default_factory=lambda: _Together(_MOST_MADE))
    _refused: dict[tuple[str, str], float] = field(default_factory=dict)
    _parsed: dict[str, Wide] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def use(self, rules: Rules) -> None:
        """Takes over a changed configuration."""
        self.rules = rules
        self._carriers.clear()
        self._stored.clear()
        with self._lock:
            self._made.clear()
            self._refused.clear()
            self._parsed.clear()

    def plan(self, provider: str, carriers: Mapping[str, CanonicalRequest]) -> None:
        """Takes over which request is fetched for which, by the latter's key."""
        self._carriers[provider] = carriers

    def learn(self, provider: Provider, entry: Entry) -> None:
        """Takes from an answer of the provider's own what it tells about others, where that is asked for."""
        settings = provider.settings.projection
        if not settings.learn_regions and provider.profile.by_answers.isdisjoint(settings.kinds):
            return
        known = self.learnt.get(provider.name, Knowledge())
        learnt = provider.profile.learnt(entry.request, entry.identity, known)
        if len(learnt.outrights) + len(learnt.regions) + sum(map(len, learnt.regions.values())) <= _MOST_LEARNT:
            self.learnt[provider.name] = learnt

    def knowledge(self, provider: Provider, *, on_trial: bool = False) -> Knowledge:
        """What is configured, and what was learnt where that is allowed. `on_trial`: with all that is to be verified.

        A region's bookmakers are learnt from answers, and one that had no odds in them is missing: a board made for
        the region would lack it. So each learnt region is used on trial alone until comparisons that depended on it
        were equal often enough; and from then on a bookmaker is left out of its boards only if it was left out in as
        many of them. Then a set that has grown needs no comparison anew: what was added stood in the provider's own
        answer, and is kept. That it is of one region does not say that it is not of another: a bookmaker that is new
        in two of them is learnt of one first, and until then the provider is asked for the other."""
        settings = provider.settings.projection
        learnt = self.learnt.get(provider.name, Knowledge())
        configured = {region: frozenset(books) for region, books in settings.regions.items()}
        kinds = provider.profile.known_kinds.intersection(settings.kinds) - learnt.switched_off
        told = {
            region: books
            for region, books in learnt.regions.items()
            if settings.learn_regions and region not in configured and (on_trial or region in learnt.apart)
        }
        apart = {} if on_trial else {region: learnt.apart[region] for region in told}
        if not on_trial:
            kinds -= provider.profile.to_be_verified - learnt.verified
        regions = {**told, **configured}
        return replace(learnt, regions=regions, apart=apart, kinds=kinds, emptied=settings.emptied)

    def kinds(self, provider: str) -> frozenset[str]:
        """Those that may be used now."""
        found = self.rules.provider(provider)
        return self.knowledge(found).kinds if found is not None else frozenset()

    def carrier(self, canonical: CanonicalRequest, now: float) -> CanonicalRequest:
        """The request whose answer this one is made from; itself when it is asked for directly."""
        provider = self.rules.provider(canonical.provider)
        if provider is None:
            return canonical
        knowledge = self.knowledge(provider)
        planned = self._carriers.get(provider.name, {}).get(canonical.key)
        for wide in (planned, provider.profile.widened(canonical, knowledge)):
            if wide is not None and self.allowed(provider, wide, canonical, now):
                return wide
        return canonical

    def trial(self, canonical: CanonicalRequest, now: float) -> CanonicalRequest:
        """The request whose answer this one would be made from if all that is on trial were in use, and is not made
        from now: by the fewest kinds, then at the least cost. Itself when there is none.

        Answers for one region are fetched for themselves as long as its bookmakers are on trial; so what holds two
        requests that were asked of the provider is looked at too."""
        provider = self.rules.provider(canonical.provider)
        route = self.rules.route(canonical.provider, canonical.route)
        if provider is None or route is None:
            return canonical
        profile, knowledge = provider.profile, self.knowledge(provider, on_trial=True)
        there = self._stored.of(_place(canonical))
        unions = (profile.union(canonical, other, knowledge) for other in there)
        found: list[tuple[int, float, str, CanonicalRequest]] = []
        for wide in filter(None, (profile.widened(canonical, knowledge), *there, *unions)):
            kinds = profile.kinds(wide, canonical, knowledge)
            if kinds and kinds <= knowledge.kinds and self._waits(provider, wide, canonical, now):
                found.append((len(kinds), profile.cost(route.settings, wide, None), wide.key, wide))
        return min(found, key=lambda one: one[:3])[-1] if found else canonical

    def _waits(self, provider: Provider, wide: CanonicalRequest, narrow: CanonicalRequest, now: float) -> bool:
        """Whether a projection that can be made on trial is not made now. A content that did not allow it may do so
        on trial, where bookmakers of regions are learnt."""
        if self.allowed(provider, wide, narrow, now):
            return False
        refused = self._refused.get((wide.key, narrow.key), 0.0) > now
        return not refused or provider.settings.projection.learn_regions

    def note(self, entry: Entry) -> None:
        """An answer of the provider's own was stored; narrower ones may be made from it."""
        if entry.projected or entry.status != 200:
            return
        self._stored.add(_place(entry.request), entry.request)

    def made_of(self, wide: Entry, now: float) -> list[CanonicalRequest]:
        """What was made of answers to the same request before, and may be made of this one."""
        provider = self.rules.provider(wide.request.provider)
        with self._lock:
            made = self._made.of(wide.key)
        return [narrow for narrow in made if provider and self.allowed(provider, wide.request, narrow, now)]

    def covering(self, canonical: CanonicalRequest, now: float) -> list[CanonicalRequest]:
        """Stored wider requests from which this one may be made."""
        provider = self.rules.provider(canonical.provider)
        there = self._stored.of(_place(canonical))
        return [wide for wide in there if provider and self.allowed(provider, wide, canonical, now)]

    def allowed(self, provider: Provider, wide: CanonicalRequest, narrow: CanonicalRequest, now: float) -> bool:
        """Whether `narrow` may be made from `wide` by what is known now."""
        if wide.key == narrow.key or self._refused.get((wide.key, narrow.key), 0.0) > now:
            return False
        knowledge = self.knowledge(provider)
        kinds = provider.profile.kinds(wide, narrow, knowledge)
        return kinds is not None and kinds <= knowledge.kinds

    def refused(self, now: float) -> frozenset[tuple[str, str]]:
        """Pairs of keys, wide and narrow, whose content did not allow what the requests did."""
        with self._lock:
            self._refused = {pair: until for pair, until in self._refused.items() if until > now}
            return frozenset(self._refused)

    def derive(self, wide: Entry, narrow: CanonicalRequest, previous: Entry | None, now: float) -> Entry | None:
        """The entry for `narrow` from the wide one; None when this content does not allow it, which is remembered for
        a while. Takes milliseconds of CPU."""
        provider = self.rules.provider(narrow.provider)
        if provider is None:
            return None
        made = self._made_from(provider, wide, narrow, previous, self.knowledge(provider))
        self._remember(wide, narrow, None if made is not None else now + REFUSED_FOR_S)
        return made

    def rehearse(self, wide: Entry, narrow: CanonicalRequest, *, on_trial: bool) -> tuple[Entry, Evidence] | None:
        """What `derive` makes, or on trial would make, and what that shows if it is right. Nothing is remembered."""
        provider = self.rules.provider(narrow.provider)
        if provider is None:
            return None
        knowledge = self.knowledge(provider, on_trial=on_trial)
        made = self._made_from(provider, wide, narrow, None, knowledge)
        if made is None:
            return None
        return made, provider.profile.evidence(self._document(provider, wide), wide.request, narrow, knowledge)

    def _made_from(
        self, provider: Provider, wide: Entry, narrow: CanonicalRequest, previous: Entry | None, knowledge: Knowledge
    ) -> Entry | None:
        route = self.rules.route(narrow.provider, narrow.route)
        kinds = provider.profile.kinds(wide.request, narrow, knowledge)
        if route is None or kinds is None:
            return None
        try:
            body = provider.profile.project(self._document(provider, wide), wide.request, narrow, knowledge)
        except ValueError:
            return None
        if body is None:
            return None
        # What made the wider one is in it, too, and may be found wrong by itself.
        return _derived(provider, route, wide, narrow, previous, body, "+".join(sorted(kinds | wide.made_by)))

    def _remember(self, wide: Entry, narrow: CanonicalRequest, refused_until: float | None) -> None:
        with self._lock:
            if refused_until is None:
                self._made.add(wide.key, narrow)
                return
            self._refused.pop((wide.key, narrow.key), None)
            self._refused[wide.key, narrow.key] = refused_until
            if len(self._refused) > _MOST:
                # The one that would be over first. It is tried once more.
                del self._refused[next(iter(self._refused))]

    def _document(self, provider: Provider, wide: Entry) -> object:
        """One parse serves all projections of an answer."""
        known = self._parsed.get(wide.key)
        if known is None or known.entry.identity is not wide.identity:
            known = Wide(wide, provider.profile.parse(wide.identity))
            with self._lock:
                self._parsed.pop(wide.key, None)
                if len(self._parsed) >= _PARSED:
                    del self._parsed[next(iter(self._parsed))]
                self._parsed[wide.key] = known
        return known.document


def _place(request: CanonicalRequest) -> tuple[str, str, str, str]:
    """Where requests stand that may hold one another."""
    return request.provider, request.route, request.path, request.partition


def _derived(
    provider: Provider,
    route: Route,
    wide: Entry,
    narrow: CanonicalRequest,
    previous: Entry | None,
    body: bytes,
    kinds: str,
) -> Entry:
    """The times are those of the wide answer: it is as old as that."""
    cost = provider.profile.cost(route.settings, narrow, body)
    revision = revision_of(wide.status, body, volatile(route.settings))
    if previous is not None and previous.identity == body:
        zipped, board = previous.gzip, previous.board
    else:
        zipped, board = compressed(body), board_in(provider, route.settings, narrow, body)
    return replace(
        wide, request=narrow, identity=body, gzip=zipped, revision=revision, board=board, cost=cost, projected=kinds
    )
