"""What the cached answers tell of the events that boosted odds name, read again as they change.

No answer is looked into twice while its odds are the same, and none at all for a provider that no boost names. The
whole store is walked when an event is new, as after an edit, and when too much changed to be told by keys."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from holdover.entry import Entry
from holdover.providers.profile import Offer
from holdover.rules import Rules
from holdover.store.base import Position, Store

from .boost import Reading

MOST_READINGS = 16
"""Of an event: the newest. Clients make ever new requests of their clocks."""
MOST_ANSWERS = 4096

type Wanted = Mapping[str, frozenset[str]]
"""Events by provider."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A cached answer; `fault`: why nothing can be read in it."""

    provider: str
    revision: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What was read last. `readings`: of each provider and event, newest first. `faults`: by provider, of an answer
    in which nothing can be read."""

    wanted: Wanted = field(default_factory=dict)
    readings: Mapping[tuple[str, str], tuple[Reading, ...]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


class Answers:
    """For one thread at a time. Clocks are those of the entries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: dict[str, Answer] = {}
        self._known = Known()
        self._rules: Rules | None = None
        self._position: Position | None = None

    def read(self, wanted: Wanted, rules: Rules) -> Known:
        """Raises StoreError; what was read before then is read again next time."""
        new = any(events - self._known.wanted.get(name, frozenset()) for name, events in wanted.items())
        anew = new or rules is not self._rules or self._position is None
        position, keys = self._changed(anew=anew)
        if keys is None:
            self._walk(wanted, rules, anew=anew)
        for key in keys or ():
            entry = self._store.get(key)
            if entry is None:
                self._answers.pop(key, None)
            else:
                self._take(entry, wanted, rules, anew=False)
        if keys is None or keys or wanted != self._known.wanted:
            self._known = self._sorted(wanted)
        self._rules, self._position = rules, position
        return self._known

    def _changed(self, *, anew: bool) -> tuple[Position, Iterable[str] | None]:
        """The position is that of before anything is read: what changes meanwhile is read again."""
        if anew or self._position is None:
            return self._store.position(), None
        changes = self._store.changes(self._position)
        return changes.position, changes.keys

    def _walk(self, wanted: Wanted, rules: Rules, *, anew: bool) -> None:
        found = set()
        for entry in self._store.entries():
            found.add(entry.key)
            self._take(entry, wanted, rules, anew=anew)
        self._answers = {key: answer for key, answer in self._answers.items() if key in found}

    def _take(self, entry: Entry, wanted: Wanted, rules: Rules, *, anew: bool) -> None:
        events = wanted.get(entry.request.provider)
        if not events:
            self._answers.pop(entry.key, None)
            return
        old = self._answers.get(entry.key)
        if old is None or anew or old.revision != entry.revision:
            self._answers[entry.key] = _read(entry, events, rules, old)
        else:
            readings = {event: _confirmed(reading, entry) for event, reading in old.readings.items()}
            self._answers[entry.key] = replace(old, readings=readings)

    def _sorted(self, wanted: Wanted) -> Known:
        found: dict[tuple[str, str], list[Reading]] = defaultdict(list)
        for answer in self._answers.values():
            for event in answer.readings.keys() & wanted.get(answer.provider, frozenset()):
                found[answer.provider, event].append(answer.readings[event])
        newest = {of: tuple(sorted(each, key=_newest)[:MOST_READINGS]) for of, each in found.items()}
        faults = {answer.provider: answer.fault for answer in self._answers.values() if answer.fault}
        if len(self._answers) > MOST_ANSWERS:
            kept = {reading.request.key for readings in newest.values() for reading in readings}
            self._answers = {key: answer for key, answer in self._answers.items() if key in kept}
        return Known(wanted, newest, faults)


def _read(entry: Entry, events: frozenset[str], rules: Rules, old: Answer | None) -> Answer:
    request, before = entry.request, old.readings if old is not None else {}
    provider, route = rules.provider(request.provider), rules.route(request.provider, request.route)
    if provider is None or route is None:
        return Answer(request.provider, entry.revision)
    fault, offers = "", dict[str, Offer]()
    # What is told with another status is that there is nothing.
    body = entry.identity if entry.status == 200 else None
    try:
        found = () if body is None else provider.profile.offers(request, body, events)
        offers = {offer.event: offer for offer in found}
    except (ValueError, RecursionError):
        fault = f"an answer of {request.provider}/{request.route} is not what such answers are"
    readings = {name: _lost(reading, entry) for name, reading in before.items() if name in events}
    for name, offer in offers.items():
        readings[name] = Reading(request, _at(entry), offer, route.settings, entry.board)
    return Answer(request.provider, entry.revision, readings, fault)


def _confirmed(reading: Reading, entry: Entry) -> Reading:
    """An answer tells once that an event is gone: from then on others may know better."""
    return replace(reading, at=_at(entry), board=entry.board) if reading.listed else reading


def _lost(reading: Reading, entry: Entry) -> Reading:
    if not reading.listed:
        return reading
    offer = replace(reading.offer, markets=dict.fromkeys(reading.offer.markets, ()), in_play=False)
    return replace(reading, at=_at(entry), offer=offer, listed=False)


def _at(entry: Entry) -> float:
    return entry.requested_at - entry.initial_age


def _newest(reading: Reading) -> tuple[float, str]:
    return -reading.at, reading.request.key
