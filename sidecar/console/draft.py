"""What is said of a draft before it is published: what is wrong, what it changes, who sees something else. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..promos.diff import differences, facts
from ..promos.document import Promo, Vocabulary
from ..promos.effect import effect
from ..promos.outlook import Finding, occupancy
from ..promos.problem import Problem, excerpt
from ..promos.scan import NotJson, scan
from ..promos.standing import Live, Status, live_of
from ..promos.validate import Checked

AHEAD_S = 28 * 86_400.0
MOST_PROMOS = 200
"""Looking ahead takes about the square of them."""
MOST_TOLD, MOST_PROBLEMS = 40, 200


@dataclass(frozen=True, slots=True)
class Ahead:
    """The next four weeks. `effects`: who sees something else, when. `findings`: what nobody would see, and where
    there would be no room, that is not so now. `too_many`: it was not looked at."""

    effects: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    too_many: bool = False


def drafted(accepted: Mapping[str, bytes], name: str, data: bytes | None) -> Live:
    """What is live once the draft is; None: without that file."""
    files = {file: found for file, found in accepted.items() if file != name}
    return live_of(files if data is None else {**files, name: data})


def is_plain(data: bytes) -> bool:
    """Whether a form can show it and write it again: JSON in which no name stands twice."""
    try:
        return not scan(data).repeated
    except NotJson:
        return False


def wrong(found: Checked, name: str, statuses: Iterable[Status]) -> tuple[list[Problem], list[Problem]]:
    """Of that file, and of others where it is not so already."""
    known = {(each.file, each.pointer, each.message) for status in statuses for each in status.problems}
    own = [each for each in found.problems if each.file == name]
    others = [each for each in found.problems if each.file != name]
    return own, [each for each in others if (each.file, each.pointer, each.message) not in known]


def ahead(before: Live, after: Live, now: float) -> Ahead:
    slots = _touched(before, after)
    one, other = ((_within(live, slots, now), _only(live.vocabulary, slots)) for live in (before, after))
    if max(len(one[0]), len(other[0])) > MOST_PROMOS:
        return Ahead(too_many=True)
    until, withheld = now + AHEAD_S, {**before.withheld, **after.withheld}
    effects = [each.sentence for each in effect(one, other, now, until, withheld)]
    known, found = (occupancy(*side, now, until, withheld).findings for side in (one, other))
    return Ahead(tuple(effects), tuple(_new(known, found)))


def _new(known: Iterable[Finding], found: Collection[Finding]) -> Iterator[str]:
    """What is wrong that was not. Of what nobody sees it goes without saying that it has no room."""
    before = {each.sentence for each in known}
    unseen = {promo for each in found if each.kind == "unreachable" for promo in each.promos}
    for each in found:
        alone = each.kind == "overbooked" and not unseen.issuperset(each.promos)
        if (alone or each.kind == "unreachable") and each.sentence not in before:
            yield each.sentence


def told(
    found: Checked, name: str, current: bytes | None, data: bytes | None, statuses: Iterable[Status]
) -> dict[str, Any]:
    """For JSON: all but what is ahead."""
    own, others = wrong(found, name, statuses)
    before, after = ({} if side is None else {name: side} for side in (current, data))
    return {
        "problems": [_told(each, found) for each in own[:MOST_PROBLEMS]],
        "elsewhere": [_told(each, found) for each in others[:MOST_PROBLEMS]],
        "count": len(own) + len(others),
        "plain": data is not None and is_plain(data),
        "differences": facts(differences(before, after)),
    }


def foreseen(each: Ahead) -> dict[str, Any]:
    """For JSON."""
    return {
        "effects": each.effects[:MOST_TOLD],
        "more_effects": max(0, len(each.effects) - MOST_TOLD),
        "findings": each.findings[:MOST_TOLD],
        "more_findings": max(0, len(each.findings) - MOST_TOLD),
        "too_many": each.too_many,
    }


def _told(problem: Problem, found: Checked) -> dict[str, object]:
    return {**problem.facts(), "excerpt": excerpt(problem, found.texts.get(problem.file, ""))}


def _touched(before: Live, after: Live) -> set[str]:
    """Slots of promos that one has and the other has not, or otherwise; all when the words are other ones."""
    old, new = ({promo.id: promo for promo in live.promos} for live in (before, after))
    slots = {**before.vocabulary.slots, **after.vocabulary.slots}
    if _words(before.vocabulary) != _words(after.vocabulary):
        return set(slots)
    edited = (
        promo for side, other in ((old, new), (new, old)) for promo in side.values() if promo != other.get(promo.id)
    )
    return {promo.slot for promo in edited} | {
        name for name in slots if before.vocabulary.slots.get(name) != after.vocabulary.slots.get(name)
    }


def _words(vocabulary: Vocabulary) -> tuple[frozenset[str], ...]:
    known = vocabulary
    return known.jurisdictions, known.languages, known.devices, known.segments, known.excluded


def _within(live: Live, slots: Collection[str], now: float) -> list[Promo]:
    return [promo for promo in live.promos if promo.slot in slots and promo.end > now]


def _only(vocabulary: Vocabulary, slots: Iterable[str]) -> Vocabulary:
    return replace(vocabulary, slots={name: vocabulary.slots[name] for name in slots if name in vocabulary.slots})
