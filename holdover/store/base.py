"""What a shared cache must do for holdover. diskcache is the first engine; a network engine can be the second."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry


class StoreError(Exception):
    """The store cannot do this now (busy, full, not writable); callers go on without it and count it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the sequence of changes. Positions of different `epoch` have no order."""

    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Changes:
    """`keys` changed since the asked position; None when that is not known and everything may have changed."""

    position: Position
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the store is; sizes in bytes."""

    objects: int
    size: int
    limit: int


class Blobs(Protocol):
    """Values that are read and changed whole, beside the entries and in the same sequence of changes. Every method
    may raise StoreError."""

    def read(self, key: str) -> bytes | None: ...

    def change(self, key: str, changed: Callable[[bytes | None], bytes | None]) -> None:
        """Puts what `changed` makes of what is there, unless it makes the same of it; None removes it. Nobody else
        changes it meanwhile; readers see the change at once."""
        ...

    def position(self) -> Position:
        """Cheap enough to ask on every request."""
        ...

    def changes(self, since: Position) -> Changes: ...


class Store(Blobs, Protocol):
    """Calls may block for as long as a disk does; all but `position` stay off the path of a hit.

    Every method may raise StoreError."""

    def get(self, key: str, *, settled: bool = False) -> Entry | None:
        """`settled`: not between the writing of an entry and its announcement; waits for a writer at work."""
        ...

    def put(self, entry: Entry, now: float) -> Entry | None:
        """Stores unless that would take the key back in time, or before a change of its target; returns the entry
        that stands afterwards."""
        ...

    def put_all(self, entries: Sequence[Entry], now: float) -> list[Entry | None]:
        """Like `put` for each; readers see all of them change at once."""
        ...

    def delete(self, key: str) -> bool: ...

    def invalidate(self, request: CanonicalRequest, at: float) -> None:
        """Deletes all that is stored of the request's target, for whomever. Nor is stored what was asked for before
        `at` (Unix seconds)."""
        ...

    def stands(self, entry: Entry, now: float) -> bool:
        """Whether no change of its target is known that it may be from before."""
        ...

    def entries(self) -> Iterator[Entry]:
        """All readable entries, in no order."""
        ...

    def follow(self) -> bool:
        """Takes up a store that was replaced under this process; call it every second or so. True if it was."""
        ...

    def usage(self) -> Usage: ...

    def close(self) -> None: ...
