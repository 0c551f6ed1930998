"""Fair turns among refreshes that share one least interval. Pure but for the state it holds."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace

from holdover.spacing import Turn

from .schedule import Due

MAX_ONCE = 10_000
YIELD_S = 1.0
"""How long after a turn has become free a client's call leaves it to what is refreshed and may be due just then."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    """A refresh that needs the answer to `key`, and waits since `joined_at`."""

    key: str
    due: Due
    joined_at: float


@dataclass(slots=True)
class _Known:
    """A key that is or was in line, or had its answer: when first and last, and how many waited for that."""

    first_at: float
    last_at: float
    wanted: int = 1


@dataclass(slots=True)
class _Line:
    """Who wants a turn of one spacing, by the keys of what would be asked for; times in Unix seconds.

    `wanted`: how many wait, by key. `came_at`: since when a key has wanted its turn. `called`: who has the turn,
    `joined_at`: since when it waited for it. `favoured`: whether the next one is the favourite's, and whether this
    one was. `held`: from when to when nobody is called."""

    provider: str
    turn: Turn
    idle_s: float
    waiting: dict[str, _Waiter] = field(default_factory=dict)
    wanted: Counter[str] = field(default_factory=Counter)
    came_at: dict[str, float] = field(default_factory=dict)
    known: dict[str, _Known] = field(default_factory=dict)
    called: str | None = None
    joined_at: float = 0.0
    favoured: tuple[bool, bool] = (False, False)
    held: tuple[float, float] = (0.0, 0.0)
    used_at: float = 0.0

    def know(self, key: str, now: float) -> _Known:
        known = self.known.setdefault(key, _Known(now, now))
        known.last_at = self.used_at = now
        return known

    def add(self, key: str, due: Due, now: float) -> None:
        self.waiting[due.request.key] = _Waiter(key, due, now)
        self.wanted[key] += 1
        self.came_at.setdefault(key, now)
        known = self.know(key, now)
        known.wanted = max(known.wanted, self.wanted[key])

    def remove(self, due: Due) -> None:
        key = self.waiting.pop(due.request.key).key
        self.wanted[key] -= 1
        if not self.wanted[key]:
            del self.wanted[key]

    def favourite(self) -> str:
        """What most wait for, and of several what has been wanted longest; it need not be in line just now."""
        return min(self.known, key=lambda key: (-self.known[key].wanted, self.known[key].first_at), default="")

    def order(self) -> list[str]:
        """The keys in line, in the order of their turns. Every second turn is the favourite's, so that ever new
        requests do not keep it from being refreshed; any other is that of who waits longest."""
        keys = sorted(self.wanted, key=lambda key: self.came_at[key])
        favourite = self.favourite()
        if favourite in keys:
            place = 0 if self.favoured[0] else min(1, keys.index(favourite))
            keys.remove(favourite)
            keys.insert(place, favourite)
        return keys

    def open_at(self, now: float) -> float:
        """Since when or from when on somebody may be called; infinite while somebody is, or nobody waits."""
        if self.called is not None or not self.waiting:
            return math.inf
        since, until = self.held
        # A hold from before the clock stepped back is none.
        return max(until if since <= now < until else -math.inf, now - self.turn.free_for())

    def give(self, due: Due, now: float) -> None:
        """The turn is that of the key for which `due` waits."""
        waiter = self.waiting[due.request.key]
        self.called, self.joined_at = waiter.key, waiter.joined_at
        key = waiter.key
        self.favoured = (key != self.favourite(), self.favoured[0])
        self.known[key].wanted = self.wanted[key]
        self.remove(due)
        kept = {key, *self.wanted}
        self.came_at = {each: at for each, at in self.came_at.items() if each in kept}
        self.forget(now)

    def forget(self, now: float) -> None:
        """What was in line long ago is as new."""
        kept, oldest = {self.called, *self.wanted}, now - self.idle_s
        self.known = {each: known for each, known in self.known.items() if each in kept or known.last_at >= oldest}
        self.came_at = {each: at for each, at in self.came_at.items() if each in self.known}

    def last(self, key: str, now: float) -> None:
        """Whoever still waits for this answer comes after all others."""
        if key in self.wanted:
            self.came_at[key] = now
        else:
            self.came_at.pop(key, None)


@dataclass(slots=True)
class Turns:
    """The lines before the spacings that requests share. A key has one turn, however many wait for its answer."""

    _lines: dict[str, _Line] = field(default_factory=dict)
    _once: dict[str, float] = field(default_factory=dict)

    def once(self, key: str, asked_at: float) -> None:
        """A client asked at `asked_at` for what it may never ask for again: one answer after that will do."""
        self._once.pop(key, None)
        self._once[key] = asked_at
        if len(self._once) > MAX_ONCE:
            del self._once[next(iter(self._once))]

    def over(self, key: str, fetched_at: float) -> bool:
        """Whether an answer of `fetched_at` is all that was asked for."""
        return fetched_at > self._once.get(key, math.inf)

    def admit(self, turn: Turn, due: Due, idle_s: float, now: float) -> bool:
        """Whether the refresh has the turn of its key now, until `ended`. If not it waits in line, at first for
        `idle_s`, after which somebody may have to ask for it again."""
        line = self._line(turn, due.request.provider, idle_s)
        line.add(turn.key, due, now)
        if line.open_at(now) > now or line.order()[0] != turn.key:
            return False
        line.give(due, now)
        return True

    def next(self, provider: str, now: float) -> tuple[Turn, Due] | None:
        """A refresh that waited and has its turn now, until `ended` or `hold`."""
        for line in self._lines.values():
            if line.provider == provider and line.open_at(now) <= now:
                key = line.order()[0]
                due = next(waiter.due for waiter in line.waiting.values() if waiter.key == key)
                line.give(due, now)
                return replace(line.turn, key=key), due
        return None

    def hold(self, turn: Turn, due: Due, now: float, until: float) -> bool:
        """What `next` gave cannot be started before `until`, nor can any other in its line. It keeps its place. False
        when its line is gone: a change of the configuration ended that meanwhile."""
        line = self._lines.get(turn.name)
        if line is None or line.called != turn.key:
            return False
        line.called, line.favoured, line.held = None, (line.favoured[1], False), (now, until)
        line.add(turn.key, due, now)
        # First of all again, and not as if it had just come: what nobody asks for any more leaves in the end.
        waiter = replace(line.waiting.pop(due.request.key), joined_at=line.joined_at)
        line.waiting = {due.request.key: waiter, **line.waiting}
        return True

    def ended(self, turn: Turn, now: float) -> None:
        """Who had the turn has made its call, or will make none."""
        line = self._lines.get(turn.name)
        if line is not None and line.called == turn.key:
            line.called = None
            line.last(turn.key, now)

    def answered(self, turn: Turn, provider: str, idle_s: float, now: float) -> list[Due]:
        """Who waited for this answer, whoever had it asked; they leave the line."""
        line = self._line(turn, provider, idle_s)
        line.know(turn.key, now)
        there = [waiter.due for waiter in line.waiting.values() if waiter.key == turn.key]
        for due in there:
            line.remove(due)
        line.last(turn.key, now)
        return there

    def next_at(self, provider: str, now: float) -> float:
        """Since when or from when on `next` has something (Unix seconds); infinite when nobody waits."""
        lines = (line for line in self._lines.values() if line.provider == provider)
        return min((line.open_at(now) for line in lines), default=math.inf)

    def idle(self, now: float) -> list[Due]:
        """Who has waited so long that nobody may want it any more; they leave their lines."""
        gone = []
        for name, line in list(self._lines.items()):
            while line.waiting:
                first = next(iter(line.waiting.values()))
                if first.joined_at + line.idle_s >= now:
                    break
                line.remove(first.due)
                gone.append(first.due)
            line.forget(now)
            if not line.waiting and line.called is None and line.used_at + line.idle_s < now:
                del self._lines[name]
        return gone

    def ahead(self, name: str, key: str) -> int:
        """How many have their turn before `key`, which need not be in line."""
        line = self._lines.get(name)
        if line is None or line.called == key:
            return 0
        keys, free_for = line.order(), line.turn.free_for()
        before = keys.index(key) if key in keys else len(keys)
        if free_for < 0:
            return before
        # Who was called has not made its call yet; who is refreshed may be due just now.
        just_now = free_for < min(YIELD_S, line.turn.interval_s / 10) and line.known.keys() - {key}
        return before + (line.called is not None) or int(bool(just_now) and not keys)

    def _line(self, turn: Turn, provider: str, idle_s: float) -> _Line:
        if (line := self._lines.get(turn.name)) is None:
            line = self._lines[turn.name] = _Line(provider, turn, idle_s)
        return line

    def clear(self) -> list[Due]:
        """After a change of the configuration: who waited is looked at anew."""
        waiting = [waiter.due for line in self._lines.values() for waiter in line.waiting.values()]
        self._lines.clear()
        return waiting
