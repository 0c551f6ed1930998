"""What an edit changes for visitors: who sees something else, when and where. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from .crowd import Crowd, Side, told_apart
from .document import Promo, Vocabulary
from .filling import Filled, Filling, Seen, joined, side_of, spans
from .language import spoken
from .outlook import usual_zone
from .resolve import NOTHING, Shown, Withheld
from .wording import quoted, seen, span, whom

type Plan = tuple[Sequence[Promo], Vocabulary]


@dataclass(frozen=True, slots=True)
class Effect:
    """`before` and `after`: all that may be shown, best first. `changed`: those in both that say something else."""

    slot: str
    since: float
    until: float
    crowds: tuple[Crowd, ...]
    before: tuple[Seen, ...]
    after: tuple[Seen, ...]
    changed: tuple[str, ...]
    sentence: str


type _Change = tuple[tuple[Seen, ...], tuple[Seen, ...], tuple[str, ...]]


def effect(before: Plan, after: Plan, since: float, until: float, withheld: Withheld = NOTHING) -> tuple[Effect, ...]:
    """In [since, until), by time. Whoever is in none of them sees the same."""
    zone = usual_zone([*before[0], *after[0]])
    slots = {**before[1].slots, **after[1].slots}
    both = [words for _, words in (before, after)]
    found: list[Effect] = []
    for slot in slots:
        sides = [side_of(promos, words, slot, withheld) for promos, words in (before, after)]
        if sides[0] != sides[1] or both[0].slots.get(slot) != both[1].slots.get(slot):
            found += _of_slot(slot, sides, since, until, zone)
    return tuple(sorted(found, key=lambda each: (each.since, each.until)))


def _of_slot(slot: str, sides: Sequence[Side], since: float, until: float, zone: str) -> Iterator[Effect]:
    fillings = [Filling(side, words.capacity if (words := side.vocabulary.slots.get(slot)) else 0) for side in sides]
    edited = _edited(*sides)
    size, width = sum(len(side.promos) for side in sides), len(edited)
    partition = told_apart(sides, lambda language: _marks(edited, language, sides), width)
    moments, known = spans(sides, since, until), dict[int, _Change | None]()
    found: dict[tuple[float, float, _Change], list[int]] = defaultdict(list)
    for cell in partition.cells:
        other = {name for place, name in enumerate(edited) if cell >> size + place & 1}
        above, within = cell >> size << size, cell & (1 << size) - 1
        pieces = joined((begun, end, live & within | above) for begun, end, live in moments)
        for _, _, state in pieces:
            if state not in known:
                known[state] = _change(fillings, state & (1 << size) - 1, other)
        changes = ((begun, end, change) for begun, end, state in pieces if (change := known[state]) is not None)
        for key in joined(changes):
            found[key].append(cell)
    vocabulary = reduce(_wider, (side.vocabulary for side in sides))
    for (begun, end, change), cells in found.items():
        crowds = partition.crowds(cells)
        told = f"{_sentence(slot, change)} for {whom(crowds, vocabulary)} {span(begun, end, zone)}"
        yield Effect(slot, begun, end, crowds, *change, told)


def _change(fillings: Sequence[Filling], live: int, other: Iterable[str]) -> _Change | None:
    first, second = fillings
    below = len(first.side.promos)
    old, new = first.of(live & (1 << below) - 1), second.of(live >> below)
    names = {each.id for each in old.shown} & {each.id for each in new.shown}
    changed = tuple(sorted(names.intersection(other)))
    if not changed and _seen(first, old) == _seen(second, new):
        return None
    return old.shown, new.shown, changed


def _seen(filling: Filling, filled: Filled) -> tuple[tuple[Seen, ...], int]:
    # Where roll-outs compete, more room shows more of them.
    return filled.shown, min(filling.capacity, len(filled.shown))


def _edited(before: Side, after: Side) -> Mapping[str, tuple[Promo, Promo]]:
    old = {promo.id: promo for promo in before.promos}
    pairs = {promo.id: (old[promo.id], promo) for promo in after.promos if promo.id in old}
    # With another vocabulary the same promo may be shown in another language.
    return {name: (one, other) for name, (one, other) in pairs.items() if one != other or _words(before, after)}


def _words(before: Side, after: Side) -> bool:
    return before.vocabulary.languages != after.vocabulary.languages


def _marks(edited: Mapping[str, tuple[Promo, Promo]], language: str, sides: Sequence[Side]) -> int:
    """Of those that say something else to who reads `language`."""
    served = [spoken(language, side.vocabulary.languages) for side in sides]
    looks = ([_look(*each) for each in zip(pair, served, strict=True)] for pair in edited.values())
    return reduce(or_, (1 << place for place, (one, other) in enumerate(looks) if one != other), 0)


def _look(promo: Promo, languages: tuple[str, ...]) -> tuple[object, ...]:
    variants = promo.variants or (None,)
    shown = [Shown(promo, variant, languages) for variant in variants]
    return (
        [each.text for each in shown],
        [(variant.id, variant.weight) for variant in variants if variant],
        shown[0].alt,
        shown[0].terms,
        promo.kind,
        promo.link,
        promo.image.src if promo.image else "",
        promo.terms.link if promo.terms else "",
        promo.odds,
    )


def _wider(one: Vocabulary, other: Vocabulary) -> Vocabulary:
    return Vocabulary(
        {},
        one.jurisdictions | other.jurisdictions,
        one.languages | other.languages,
        one.devices | other.devices,
    )


def _sentence(slot: str, change: _Change) -> str:
    before, after, changed = change
    if before == after:
        return f"{slot} shows {quoted(changed)} changed" if changed else f"{slot} has other room for {seen(after)}"
    edited = f", {quoted(changed)} changed," if changed else ""
    return f"{slot} shows {seen(after)} instead of {seen(before)}{edited}"
