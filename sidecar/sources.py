"""Where the answer to a request would come from: what is stored, something wider, or the provider. The order is that
of `holdover.fill.Filler`, for a client's question. Not known here is what the sidecar has in mind alone: what its
planner has merged, when it last called (`min_interval_s`), and which wider answers proxies fetched without it, of
which it makes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.policy import Decision, Fresh, decide
from holdover.projection import Projections
from holdover.route_settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Superset:
    """A stored wider answer, and what it makes of the request: nothing when it is not fresh, or when its content does
    not allow it."""

    entry: Entry
    decision: Decision
    answer: Entry | None


@dataclass(frozen=True, slots=True)
class Found:
    """An answer without a call to the provider, and the stored one that it is, or is made of."""

    answer: Entry
    source: Entry


@dataclass(slots=True)
class Sources:
    """Of one moment; `entries` by key, in the order in which they first came."""

    projections: Projections
    entries: Mapping[str, Entry]
    now: float
    _supersets: dict[str, list[Superset]] = field(default_factory=dict)

    def stored(self, request: CanonicalRequest) -> Entry | None:
        """Its own entry, if it stands: what was made by a kind of projection that is off now does not."""
        entry = self.entries.get(request.key)
        stands = entry is not None and (
            not entry.projected or entry.made_by <= self.projections.kinds(request.provider)
        )
        return entry if stands else None

    def supersets(self, request: CanonicalRequest) -> list[Superset]:
        """What is stored that may hold it."""
        # Kept: a content that does not allow it is no superset any more when it is asked for again.
        if request.key not in self._supersets:
            self._supersets[request.key] = [self._superset(entry, request) for entry in self._wider(request)]
        return self._supersets[request.key]

    def fill(self, request: CanonicalRequest) -> Found | CanonicalRequest:
        """The answer, or what the provider is asked for."""
        own = self.stored(request)
        if own is not None and self._is_fresh(own):
            return Found(own, own)
        for superset in self.supersets(request):
            if superset.answer is not None:
                return Found(superset.answer, superset.entry)
        carrier = self.projections.carrier(request, self.now)
        if carrier.key == request.key:
            return request
        match self.fill(carrier):
            case Found(wide, source):
                answer = self._derived(wide, request) if wide.status == 200 else None
                return request if answer is None else Found(answer, source)
            case asked:
                return asked

    def _wider(self, request: CanonicalRequest) -> list[Entry]:
        for entry in self.entries.values():
            if entry.request.path == request.path:
                self.projections.note(entry)
        return [self.entries[wide.key] for wide in self.projections.covering(request, self.now)]

    def _superset(self, entry: Entry, request: CanonicalRequest) -> Superset:
        answer = self._derived(entry, request) if self._is_fresh(entry) else None
        return Superset(entry, decide(self._route(entry), entry, self.now, refreshing=False), answer)

    def _derived(self, wide: Entry, request: CanonicalRequest) -> Entry | None:
        return self.projections.derive(wide, request, None, self.now)

    def _is_fresh(self, entry: Entry) -> bool:
        decision = decide(self._route(entry), entry, self.now, refreshing=False)
        return entry.requested_at <= self.now and isinstance(decision, Fresh)

    def _route(self, entry: Entry) -> RouteSettings:
        route = self.projections.rules.route(entry.request.provider, entry.request.route)
        assert route is not None
        return route.settings
