"""Whom a change of files shows something else, in the coming weeks. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..promos.diff import Difference, differences, unified
from ..promos.effect import effect
from ..promos.folder import KILL
from ..promos.resolve import Withheld
from ..promos.standing import live_of

WEEKS = 4
MOST_EFFECTS = 20
type Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Text:
    """A unified diff of a file, a line with its first character apart: "+", "-", "@" or " "."""

    file: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Consequence:
    """`effects`: who would see something else, a sentence each; `more`: how many are left out."""

    differences: tuple[Difference, ...]
    texts: tuple[Text, ...]
    effects: tuple[str, ...]
    more: int


def changed(before: Files, after: Files) -> tuple[Files, Files]:
    """Without what is the same in both."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return (
        {name: data for name, data in before.items() if name in names},
        {name: data for name, data in after.items() if name in names},
    )


def texts(before: Files, after: Files) -> tuple[Text, ...]:
    old, new = changed(before, after)
    pairs = ((name, unified(old.get(name, b""), new.get(name, b""), name)) for name in sorted({*old, *new}))
    return tuple(Text(name, _lines(told)) for name, told in pairs if told)


def _lines(told: str) -> tuple[tuple[str, str], ...]:
    """Without the head, which names the file."""
    lines = told.split("\n")
    return tuple((line[:1], line) for line in (lines[2:] if lines[0].startswith("---") else lines))


def consequence(before: Files, after: Files, hidden: Withheld, now: float) -> Consequence:
    """What is killed now stays so. `hidden`: by odds, which nobody knows beforehand."""
    after = {name: data for name, data in after.items() if name != KILL}
    if KILL in before:
        after[KILL] = before[KILL]
    old, new = live_of(before), live_of(after)
    withheld = {**hidden, **new.withheld}
    found = effect((old.promos, old.vocabulary), (new.promos, new.vocabulary), now, now + WEEKS * 604_800, withheld)
    told = tuple(dict.fromkeys(each.sentence for each in found))
    return Consequence(
        differences(*changed(before, after)),
        texts(before, after),
        told[:MOST_EFFECTS],
        max(0, len(told) - MOST_EFFECTS),
    )
