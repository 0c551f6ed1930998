"""From the files of a folder to promos, or to all that is wrong with them: one function for whoever asks. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from .compliance import pack_of
from .document import Promo, Vocabulary
from .folder import AUDIENCES, KILL, SLOTS, WORDS, is_campaign, is_pack, is_rule, jurisdiction_of, schema_of
from .kill import Kills, doubts, kills_of
from .meaning import Pictures, findings
from .problem import Problem
from .scan import NotJson, Place, Scanned, scan
from .schema import violations
from .typed import promo_of, vocabulary_of

MOST_PROBLEMS = 200
"""Of a file. Of a file that is no campaign at all there may be one for every other byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Rulebook:
    """What campaigns are judged by. `vocabulary` None: of half a one everything would be wrong. `texts`: of the
    files, for excerpts."""

    vocabulary: Vocabulary | None
    problems: tuple[Problem, ...]
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """One campaign: promos, or problems. `ids`: where each id stands, also of what is not good."""

    promos: tuple[Promo, ...]
    problems: tuple[Problem, ...]
    text: str = field(default="", repr=False)
    ids: tuple[tuple[str, str, Place], ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """`campaigns`: the promos of each file without a problem, by file name. `texts`: of all files, for excerpts."""

    vocabulary: Vocabulary
    campaigns: Mapping[str, tuple[Promo, ...]]
    problems: tuple[Problem, ...]
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    kills: Kills = field(default_factory=Kills)

    @property
    def promos(self) -> tuple[Promo, ...]:
        return tuple(promo for promos in self.campaigns.values() for promo in promos)


def check(files: Mapping[str, bytes], pictures: Pictures | None) -> Checked:
    """All `files` of a folder, by name. `pictures` None: all images are there and good."""
    rules = rulebook({name: data for name, data in files.items() if is_rule(name)})
    problems, texts = list(rules.problems), dict(rules.texts)
    campaigns: dict[str, tuple[Promo, ...]] = {}
    ids: dict[str, str] = {}
    for name in sorted(filter(is_campaign, files)):
        judged = judge(name, files[name], rules, pictures)
        twice = list(_twice(name, {each[0]: each for each in reversed(judged.ids)}.values(), ids))
        texts[name] = judged.text
        problems += [*judged.problems, *twice]
        if not twice and not judged.problems and rules.vocabulary is not None:
            campaigns[name] = judged.promos
    if KILL in files:
        slots = rules.vocabulary.slots if rules.vocabulary is not None else None
        texts[KILL] = files[KILL].decode(errors="replace")
        problems += doubtful(files[KILL], slots, ids)
    kills = kills_of(files[KILL]) if KILL in files else Kills()
    return Checked(rules.vocabulary or Vocabulary(), campaigns, tuple(sorted(problems)), texts, kills)


def rulebook(files: Mapping[str, bytes]) -> Rulebook:
    """Of a pack that is not good there is none."""
    scanned: dict[str, Scanned] = {}
    texts: dict[str, str] = {}
    problems = [
        Problem(name, Place(1, 1), "", "is missing", "promos can name only what it tells")
        for name in WORDS
        if name not in files
    ]
    for name, data in sorted(files.items()):
        found, wrong, texts[name] = _shape(name, data)
        problems += wrong
        if found is not None and not wrong:
            scanned[name] = found
    if not scanned.keys() >= {*WORDS}:
        return Rulebook(None, tuple(problems), texts)
    packs = {jurisdiction_of(name): pack_of(scanned[name].value) for name in filter(is_pack, scanned)}
    known = vocabulary_of(scanned[SLOTS].value, scanned[AUDIENCES].value, packs)
    return Rulebook(known, tuple(problems), texts)


def judge(name: str, data: bytes, rules: Rulebook, pictures: Pictures | None) -> Judged:
    """Without a vocabulary the shape alone, and no promos."""
    found, wrong, text = _shape(name, data)
    if found is None:
        return Judged((), tuple(wrong), text)
    ids = [
        (promo["id"], f"{at}/id", found.values[f"{at}/id"])
        for at, promo in _promos(found)
        if isinstance(promo.get("id"), str)
    ]
    told = chain(wrong, _findings(name, found, rules.vocabulary, pictures, wrong), _twice(name, ids, {}))
    problems = _bounded(told)
    good = not problems and rules.vocabulary is not None
    promos = tuple(map(promo_of, found.value["promos"])) if good else ()
    return Judged(promos, tuple(problems), text, tuple(ids))


def _findings(
    name: str, found: Scanned, known: Vocabulary | None, pictures: Pictures | None, wrong: Sequence[Problem]
) -> Iterator[Problem]:
    shapes = [problem.pointer for problem in wrong]
    if known is None:
        return
    for at, promo in _promos(found):
        for pointer, message, remedy in findings(promo, at, known, pictures, shapes):
            yield Problem(name, found.values[pointer], pointer, message, remedy)


def _shape(name: str, data: bytes) -> tuple[Scanned | None, Sequence[Problem], str]:
    """With the text; None when it is no JSON."""
    try:
        found = scan(data)
    except NotJson as error:
        return None, [Problem(name, error.place, "", str(error))], error.text
    return found, _bounded(chain(_repeated(name, found), violations(schema_of(name), name, found))), found.text


def _bounded(problems: Iterable[Problem]) -> list[Problem]:
    """The first, and that there are more."""
    told = list(islice(problems, MOST_PROBLEMS + 1))
    if len(told) > MOST_PROBLEMS:
        told[-1] = replace(told[-1], message="and more is wrong from here on", remedy="mend what is told first")
    return told


def _repeated(name: str, found: Scanned) -> Iterator[Problem]:
    for each in found.repeated:
        first = f"line {each.first.line}, column {each.first.column}"
        yield Problem(name, each.again, each.pointer, f"stands twice; first in {first}", "remove one of the two")


def _promos(found: Scanned) -> Iterator[tuple[str, dict[str, Any]]]:
    """What may be promos, with their pointers."""
    promos = found.value.get("promos") if isinstance(found.value, dict) else None
    for number, promo in enumerate(promos if isinstance(promos, list) else []):
        if isinstance(promo, dict):
            yield f"/promos/{number}", promo


def _twice(name: str, stand: Iterable[tuple[str, str, Place]], ids: dict[str, str]) -> Iterator[Problem]:
    """`ids`: where each stands that was met before."""
    for promo, pointer, place in stand:
        here = f"{name}:{place.line}:{place.column}"
        if (other := ids.setdefault(promo, here)) != here:
            message = f"{json.dumps(promo)} is the id of the promo in {other} too"
            yield Problem(name, place, pointer, message, "give it another")


def doubtful(data: bytes, slots: Mapping[str, object] | None, ids: Mapping[str, object]) -> list[Problem]:
    """What is wrong in the file of kills, which kills all the same. `slots` None: they are not known."""
    found, wrong, _ = _shape(KILL, data)
    if found is None or wrong:
        return [*wrong]
    return _bounded(
        Problem(KILL, found.names[pointer], pointer, message, remedy)
        for pointer, message, remedy in doubts(found.value, slots, ids)
    )
