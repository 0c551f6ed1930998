"""From the files of a folder to promos, or to all that is wrong with them: one function for whoever asks. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from .document import Audience, Boost, Image, Promo, Slot, Terms, Text, Variant, Vocabulary
from .moment import Unclear, instant, zone_of
from .problem import Problem
from .scan import NotJson, Place, Scanned, scan
from .schema import violations

SLOTS, AUDIENCES = "slots.json", "audiences.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """`campaigns`: the promos of each file without a problem, by file name. `texts`: of all files, for excerpts."""

    vocabulary: Vocabulary
    campaigns: Mapping[str, tuple[Promo, ...]]
    problems: tuple[Problem, ...]
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)


def check(files: Mapping[str, bytes], there: Callable[[str], bool]) -> Checked:
    """`files` by name, the two vocabularies among them; `there` tells whether an image lies beside them."""
    scanned: dict[str, Scanned] = {}
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    misshapen: dict[str, list[Problem]] = {}
    for name, data in sorted(files.items()):
        schema = {SLOTS: "slots", AUDIENCES: "audiences"}.get(name, "promo")
        try:
            found = scan(data)
        except NotJson as error:
            texts[name] = error.text
            problems.append(Problem(name, error.place, "", str(error)))
            continue
        texts[name] = found.text
        misshapen[name] = [*_repeated(name, found), *violations(schema, name, found)]
        problems += misshapen[name]
        if schema == "promo" or not misshapen[name]:
            scanned[name] = found
    for name in (SLOTS, AUDIENCES):
        if name not in files:
            problems.append(Problem(name, Place(1, 1), "", "is missing", "promos can name only what it tells"))
    if not {SLOTS, AUDIENCES} <= scanned.keys():
        # Against half a vocabulary everything would be wrong.
        return Checked(Vocabulary(), {}, tuple(sorted(problems)), texts)
    vocabulary = _vocabulary(scanned.pop(SLOTS).value["slots"], scanned.pop(AUDIENCES).value)
    campaigns: dict[str, tuple[Promo, ...]] = {}
    ids: dict[str, str] = {}
    for name, found in scanned.items():
        shapes = [problem.pointer for problem in misshapen[name]]
        wrong = [*_meaning(name, found, vocabulary, there, shapes), *_ids(name, found, ids)]
        problems += wrong
        if not wrong and not shapes:
            campaigns[name] = tuple(map(_promo, found.value["promos"]))
    return Checked(vocabulary, campaigns, tuple(sorted(problems)), texts)


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


def _ids(name: str, found: Scanned, ids: dict[str, str]) -> Iterator[Problem]:
    for at, promo in _promos(found):
        if not isinstance(promo.get("id"), str):
            continue
        pointer = f"{at}/id"
        here = f"{name}:{found.values[pointer].line}"
        if (other := ids.setdefault(promo["id"], here)) != here:
            message = f"{json.dumps(promo['id'])} is the id of the promo in {other} too"
            yield Problem(name, found.values[pointer], pointer, message, "give it another")


def _meaning(
    name: str, found: Scanned, known: Vocabulary, there: Callable[[str], bool], shapes: Sequence[str]
) -> Iterator[Problem]:
    """What no schema tells, of all members that have the right shape; `shapes`: pointers to what has not."""
    for at, promo in _promos(found):

        def sound(*members: str, of: dict[str, Any] = promo, at: str = at) -> bool:
            return all(each in of and not any(_is_in(p, f"{at}/{each}") for p in shapes) for each in members)

        findings = [
            *(_times(promo, at) if sound("timezone", "start", "end") else ()),
            *(_placement(promo, at, known) if sound("slot", "kind") else ()),
            *(_audience(promo, at, known) if sound("audience", "content") else ()),
            *(_image(promo, at, there) if sound("image", "content") else ()),
        ]
        for pointer, message, remedy in findings:
            yield Problem(name, found.values[pointer], pointer, message, remedy)


def _is_in(pointer: str, outer: str) -> bool:
    return pointer == outer or pointer.startswith(f"{outer}/")


type _Finding = tuple[str, str, str]
"""Pointer, message, remedy."""


def _times(promo: dict[str, Any], at: str) -> Iterator[_Finding]:
    zone = zone_of(promo["timezone"])
    if zone is None:
        remedy = "write a name such as America/New_York or Europe/London"
        yield f"{at}/timezone", f"{json.dumps(promo['timezone'])} is no time zone", remedy
        return
    moments = {name: instant(promo[name], zone) for name in ("start", "end")}
    for name, moment in moments.items():
        if isinstance(moment, Unclear):
            yield f"{at}/{name}", moment.message, moment.remedy
    start, end = moments["start"], moments["end"]
    if isinstance(start, float) and isinstance(end, float) and end <= start:
        yield f"{at}/end", f"end ({promo['end']}) is not after start ({promo['start']})", "it would never be shown"


def _placement(promo: dict[str, Any], at: str, known: Vocabulary) -> Iterator[_Finding]:
    slot = known.slots.get(promo["slot"])
    if slot is None:
        yield f"{at}/slot", *_unknown(promo["slot"], known.slots, SLOTS)
    elif promo["kind"] not in slot.kinds:
        message = f"slot {json.dumps(promo['slot'])} takes no {promo['kind']}"
        yield f"{at}/kind", message, f"it takes {', '.join(sorted(slot.kinds))}"


def _audience(promo: dict[str, Any], at: str, known: Vocabulary) -> Iterator[_Finding]:
    for kind in ("jurisdictions", "languages", "devices", "segments"):
        words: frozenset[str] = getattr(known, kind)
        for number, word in enumerate(promo["audience"].get(kind, [])):
            if word not in words:
                yield f"{at}/audience/{kind}/{number}", *_unknown(word, words, AUDIENCES)
            elif word in known.excluded:
                message = f"segment {json.dumps(word)} is shown nothing"
                yield f"{at}/audience/{kind}/{number}", message, "remove it"
    for language in promo["content"]:
        if language not in known.languages:
            yield f"{at}/content/{language}", *_unknown(language, known.languages, AUDIENCES)


def _image(promo: dict[str, Any], at: str, there: Callable[[str], bool]) -> Iterator[_Finding]:
    image = promo["image"]
    if not image["src"].startswith("https://") and not there(image["src"]):
        yield f"{at}/image/src", f"there is no file {json.dumps(image['src'])} beside this one", ""
    if missing := sorted(promo["content"].keys() - image["alt"].keys()):
        yield f"{at}/image/alt", f"has no text in {', '.join(missing)}", "the content is in these languages"


def _unknown(word: str, words: Mapping[str, object] | frozenset[str], where: str) -> tuple[str, str]:
    message = f"{json.dumps(word)} is not in {where}"
    if close := get_close_matches(word, sorted(words), 1):
        return message, f"did you mean {json.dumps(close[0])}?"
    return message, f"there are {', '.join(sorted(words))}"


def _vocabulary(slots: dict[str, Any], words: dict[str, Any]) -> Vocabulary:
    return Vocabulary(
        {name: Slot(one.get("title", name), one["capacity"], frozenset(one["kinds"])) for name, one in slots.items()},
        *(
            frozenset(words.get(kind, []))
            for kind in ("jurisdictions", "languages", "devices", "segments", "excluded")
        ),
    )


def _promo(told: dict[str, Any]) -> Promo:
    """Of a document that was found good."""
    zone = zone_of(told["timezone"])
    assert zone is not None
    start, end = (instant(told[name], zone) for name in ("start", "end"))
    assert isinstance(start, float)
    assert isinstance(end, float)
    whom = {name: frozenset(value) for name, value in told["audience"].items() if name != "visitors"}
    terms, image, boost = told.get("terms"), told.get("image"), told.get("odds")
    return Promo(
        id=told["id"],
        kind=told["kind"],
        slot=told["slot"],
        priority=told.get("priority", 500),
        content=_texts(told["content"]),
        start=start,
        end=end,
        timezone=told["timezone"],
        audience=Audience(**whom, visitors=told["audience"].get("visitors", "")),
        rollout=float(told.get("rollout", 100.0)),
        image=Image(image["src"], image["alt"]) if image else None,
        link=told.get("link", ""),
        variants=tuple(
            Variant(one["id"], float(one["weight"]), _texts(one.get("content", {})))
            for one in told.get("variants", [])
        ),
        terms=Terms(terms["short"], terms["link"]) if terms else None,
        odds=Boost(**boost) if boost else None,
    )


def _texts(told: dict[str, dict[str, str]]) -> dict[str, Text]:
    return {language: Text(**text) for language, text in told.items()}
