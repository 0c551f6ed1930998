"""The kill switch: what is taken off the homepage at once. It works whatever the other files say, and what of it is
not understood kills: a promo that should be gone costs more than one that is missing. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from .document import Promo
from .folder import SLOTS
from .meaning import unknown
from .scan import NotJson, scan
from .sweep import Found, Unread


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
        told = {"everything": self.everything, "slots": dict(self.slots), "promos": dict(self.promos)}
        return json.dumps({k: v for k, v in told.items() if v}, indent=2, ensure_ascii=False).encode() + b"\n"


_NO_REASON = "no reason told"
NOT_UNDERSTOOD = "kill.json is not understood"
_NOT_UNDERSTOOD = Kills(everything=NOT_UNDERSTOOD)


def kills_of(data: bytes) -> Kills:
    """A member that is not known may be a slot or promo that somebody meant."""
    try:
        found = scan(data)
    except NotJson:
        return _NOT_UNDERSTOOD
    told = found.value
    known = isinstance(told, dict) and told.keys() <= {"$schema", "everything", "slots", "promos"}
    if not known or found.repeated:
        return _NOT_UNDERSTOOD
    slots, promos = _named(told.get("slots", {})), _named(told.get("promos", {}))
    if slots is None or promos is None:
        return _NOT_UNDERSTOOD
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
            yield f"/slots/{name}", *unknown(name, slots, SLOTS)
    for name in told.get("promos", {}):
        if name not in ids:
            message, remedy = unknown(name, ids, "these files")
            yield f"/promos/{name}", message, remedy if "did you mean" in remedy else "nothing has this id"


class Killing:
    """What is killed, by reading after reading. A kill counts when it is first read, a release and what is not
    understood when two readings agree: a file is read torn while an editor writes it. What is killed stays so while
    there is no file."""

    def __init__(self, recalled: bytes | None = None) -> None:
        self.kills = Kills() if recalled is None else kills_of(recalled)
        self._before: Found = None

    def step(self, found: Found) -> str:
        """Returns what is to be told of the file, if it is not there."""
        again, self._before = found == self._before, found
        if found is None:
            return "is missing; what it killed stays killed" if self.kills else ""
        read = _NOT_UNDERSTOOD if isinstance(found, Unread) else kills_of(found)
        if again:
            self.kills = read
        elif read is not _NOT_UNDERSTOOD:
            self.kills = self.kills | read
        return ""
