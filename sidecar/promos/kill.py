"""The kill switch: what is taken off the homepage at once. It works whatever the other files say, and what of it is
not understood kills: a promo that should be gone costs more than one that is missing. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from .document import Promo
from .folder import SLOTS
from .meaning import unknown
from .scan import NotJson, escaped, scan
from .sweep import Found


@dataclass(frozen=True, slots=True)
class Kills:
    """Reasons: of `everything` "" when it is not killed, of slots and promos by name."""

    everything: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    promos: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.everything or self.slots or self.promos)

    def __or__(self, other: Self) -> Self:
        """What either kills; the reasons are those of the other where it has one."""
        slots, promos = {**self.slots, **other.slots}, {**self.promos, **other.promos}
        return replace(self, everything=other.everything or self.everything, slots=slots, promos=promos)

    def __sub__(self, other: Self) -> Self:
        """What `other` does not kill."""
        slots = {name: why for name, why in self.slots.items() if name not in other.slots}
        promos = {name: why for name, why in self.promos.items() if name not in other.promos}
        return replace(self, everything="" if other.everything else self.everything, slots=slots, promos=promos)

    def withheld(self, promos: Iterable[Promo]) -> dict[str, str]:
        """Why each of those that are killed is."""
        told: dict[str, str] = {}
        for promo in promos:
            if self.everything:
                told[promo.id] = f"everything is killed: {self.everything}"
            elif (reason := self.slots.get(promo.slot)) is not None:
                told[promo.id] = f"{promo.slot} is killed: {reason}"
            elif (reason := self.promos.get(promo.id)) is not None:
                told[promo.id] = f"is killed: {reason}"
        return told

    def encoded(self) -> bytes:
        """As it stands in the file, with where editors find what may stand there."""
        told = {"everything": self.everything, "slots": dict(self.slots), "promos": dict(self.promos)}
        document = {"$schema": "../schema/kill.schema.json", **{name: value for name, value in told.items() if value}}
        return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


_NO_REASON = "no reason told"
NOT_UNDERSTOOD = "kill.json is not understood"
_NOT_UNDERSTOOD = Kills(everything=NOT_UNDERSTOOD)


def kills_of(data: bytes) -> Kills:
    """Everything, where it is not understood."""
    found = understood(data)
    return _NOT_UNDERSTOOD if found is None else found


def understood(data: bytes) -> Kills | None:
    """None for what is not: a member that is not known may be a slot or promo that somebody meant."""
    try:
        found = scan(data)
    except NotJson:
        return None
    told = found.value
    if not isinstance(told, dict) or found.repeated or told.keys() - {"$schema", "everything", "slots", "promos"}:
        return None
    slots, promos = _named(told.get("slots", {})), _named(told.get("promos", {}))
    if slots is None or promos is None:
        return None
    everything = told.get("everything")
    reason = everything if isinstance(everything, str) else _NO_REASON
    return Kills("" if everything in ("", None, False) else reason, slots, promos)


def _named(told: object) -> dict[str, str] | None:
    """Without reasons it is a list."""
    if isinstance(told, list) and all(isinstance(name, str) for name in told):
        return dict.fromkeys(told, _NO_REASON)
    if not isinstance(told, dict):
        return None
    return {name: reason if isinstance(reason, str) else _NO_REASON for name, reason in told.items()}


def doubts(
    told: Mapping[str, Any], slots: Mapping[str, object] | None, ids: Mapping[str, object]
) -> Iterator[tuple[str, str, str]]:
    """Pointer, message and remedy of what names nothing. `slots` None: not known."""
    for name in told.get("slots", {}):
        if slots is not None and name not in slots:
            yield f"/slots/{escaped(name)}", *unknown(name, slots, SLOTS)
    for name in told.get("promos", {}):
        if name not in ids:
            message, remedy = unknown(name, ids, "these files")
            yield f"/promos/{escaped(name)}", message, remedy if "did you mean" in remedy else "nothing has this id"


GRACE_S = 5.0
"""So long a file may be torn while it is written, or wrong while somebody mends it."""


class Killing:
    """What is killed, by reading after reading. A kill counts when it is first read, a release when two readings
    agree. What is not understood kills everything when it has stayed so for GRACE_S. What is killed stays so while
    there is no file. `pinned` is what was killed here and has not been read yet."""

    def __init__(self, recalled: bytes | None = None) -> None:
        self.pinned = Kills()
        self.doubtful = False
        """Whether what is there is not understood."""
        self.read = Kills() if recalled is None else kills_of(recalled)
        self._before: Found = None
        self._since = 0.0

    @property
    def kills(self) -> Kills:
        return self.read | self.pinned

    def step(self, found: Found, now: float) -> str:
        """Returns what is to be told of the file, if it is not there or not understood."""
        again = found == self._before
        if not again:
            self._before, self._since = found, now
        read = understood(found) if isinstance(found, bytes) else None
        self.doubtful = found is not None and read is None
        if found is None:
            return "is missing; what it killed stays killed, until {} stands in it" if self.kills else ""
        if read is None:
            if now - self._since < GRACE_S:
                return f"is not understood; if it stays so for {GRACE_S:g} s, everything is killed"
            # What was killed before stays so when everything is released.
            self.read = self.read | _NOT_UNDERSTOOD
        else:
            self.read = read if again else self.read | read
        return ""
