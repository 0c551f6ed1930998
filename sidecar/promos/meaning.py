"""What no schema tells of a promo: times, names, images. Pure; a part is looked at where its shape is right."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from . import compliance
from .compliance import Finding
from .document import Picture, Vocabulary
from .folder import AUDIENCES, SLOTS
from .moment import Unclear, instant, zone_of, zones

LONGEST_SIDE = 8_000
"""Pixels."""
MOST_IMAGE_BYTES = 4_194_304

type Pictures = Mapping[str, Picture]
"""By the name that a promo gives it."""


def findings(
    promo: dict[str, Any], at: str, known: Vocabulary, pictures: Pictures | None, misshapen: Sequence[str]
) -> Iterator[Finding]:
    """`at` is the pointer to the promo, `misshapen` those to all that is no schema's. `pictures` None: all good."""

    def sound(*members: str) -> bool:
        shapes = [pointer for pointer in misshapen if pointer.startswith(at)]
        return all(name in promo and not any(_is_in(p, f"{at}/{name}") for p in shapes) for name in members)

    parts: list[tuple[bool, Callable[[], Iterator[Finding]]]] = [
        (sound("timezone", "start", "end"), lambda: _times(promo, at)),
        (sound("slot", "kind"), lambda: _placement(promo, at, known)),
        (sound("audience", "content"), lambda: _audience(promo, at, known)),
        (sound("image", "content"), lambda: _image(promo, at, known, pictures)),
        (sound("variants", "content"), lambda: _variants(promo, at)),
        (sound("terms", "content"), lambda: _missing(promo, f"{at}/terms/short", promo["terms"]["short"])),
        (
            sound("audience", "content") and all(map(sound, {"image", "kind", "terms", "variants"} & promo.keys())),
            lambda: compliance.findings(promo, at, known),
        ),
    ]
    for looked_at, part in parts:
        if looked_at:
            yield from part()


def _is_in(pointer: str, outer: str) -> bool:
    return pointer == outer or pointer.startswith(f"{outer}/")


def _times(promo: dict[str, Any], at: str) -> Iterator[Finding]:
    zone = zone_of(promo["timezone"])
    if zone is None:
        remedy = "write a name such as America/New_York or Europe/London"
        if close := get_close_matches(promo["timezone"], zones(), 1):
            remedy = f"did you mean {json.dumps(close[0])}?"
        yield f"{at}/timezone", f"{json.dumps(promo['timezone'])} is no time zone", remedy
    # What is no time at all is none in any zone.
    moments = {name: instant(promo[name], zone or ZoneInfo("UTC")) for name in ("start", "end")}
    for name, moment in moments.items():
        if isinstance(moment, Unclear):
            yield f"{at}/{name}", moment.message, moment.remedy
    start, end = moments["start"], moments["end"]
    if zone and isinstance(start, float) and isinstance(end, float) and end <= start:
        yield f"{at}/end", f"end ({promo['end']}) is not after start ({promo['start']})", "it would never be shown"


def _placement(promo: dict[str, Any], at: str, known: Vocabulary) -> Iterator[Finding]:
    slot = known.slots.get(promo["slot"])
    if slot is None:
        yield f"{at}/slot", *unknown(promo["slot"], known.slots, SLOTS)
    elif promo["kind"] not in slot.kinds:
        message = f"slot {json.dumps(promo['slot'])} takes no {promo['kind']}"
        yield f"{at}/kind", message, f"it takes {', '.join(sorted(slot.kinds))}"


def _audience(promo: dict[str, Any], at: str, known: Vocabulary) -> Iterator[Finding]:
    for kind in ("jurisdictions", "languages", "devices", "segments"):
        words: frozenset[str] = getattr(known, kind)
        for number, word in enumerate(promo["audience"].get(kind, [])):
            if word not in words:
                yield f"{at}/audience/{kind}/{number}", *unknown(word, words, AUDIENCES)
            elif word in known.excluded:
                message = f"segment {json.dumps(word)} is shown nothing"
                yield f"{at}/audience/{kind}/{number}", message, "remove it"
    for language in promo["content"]:
        if language not in known.languages:
            yield f"{at}/content/{language}", *unknown(language, known.languages, AUDIENCES)


def _image(promo: dict[str, Any], at: str, known: Vocabulary, pictures: Pictures | None) -> Iterator[Finding]:
    source = promo["image"]["src"]
    if pictures is not None and not source.startswith("https://"):
        slot = known.slots.get(promo["slot"]) if isinstance(promo.get("slot"), str) else None
        for message, remedy in _picture(source, pictures.get(source), slot.least if slot else (1, 1)):
            yield f"{at}/image/src", message, remedy
    yield from _missing(promo, f"{at}/image/alt", promo["image"]["alt"])


def _picture(source: str, picture: Picture | None, least: tuple[int, int]) -> Iterator[tuple[str, str]]:
    if picture is None:
        yield f"there is no file {json.dumps(source)} beside this one", ""
    elif picture.width < 1 or picture.height < 1:
        yield f"{json.dumps(source)} is no image that browsers show", "save it as PNG, JPEG, WebP, GIF or SVG"
    elif picture.width < least[0] or picture.height < least[1]:
        size = f"{picture.width} by {picture.height}"
        yield f"{json.dumps(source)} is {size} pixels", f"its slot takes {least[0]} by {least[1]} at least"
    elif max(picture.width, picture.height) > LONGEST_SIDE:
        size = f"{picture.width} by {picture.height}"
        yield f"{json.dumps(source)} is {size} pixels", f"make it {LONGEST_SIDE} at most each way"
    elif picture.size > MOST_IMAGE_BYTES:
        yield f"{json.dumps(source)} has {picture.size:,} bytes", f"{MOST_IMAGE_BYTES:,} at most"


def _variants(promo: dict[str, Any], at: str) -> Iterator[Finding]:
    ids: set[str] = set()
    for number, variant in enumerate(promo["variants"]):
        if variant["id"] in ids:
            yield f"{at}/variants/{number}/id", f"{json.dumps(variant['id'])} stands twice", "give it another"
        ids.add(variant["id"])
        for language in variant.get("content", {}):
            if language not in promo["content"]:
                message = f"the promo itself has no text in {language}"
                yield f"{at}/variants/{number}/content/{language}", message, "write one, or remove this"


def _missing(promo: dict[str, Any], pointer: str, texts: Mapping[str, str]) -> Iterator[Finding]:
    if missing := sorted(promo["content"].keys() - texts.keys()):
        yield pointer, f"has no text in {', '.join(missing)}", "the content is in these languages"


def unknown(word: str, words: Mapping[str, object] | frozenset[str], where: str) -> tuple[str, str]:
    """Message and remedy."""
    message = f"{json.dumps(word)} is not in {where}"
    if close := get_close_matches(word, sorted(words), 1):
        return message, f"did you mean {json.dumps(close[0])}?"
    return message, f"there are {', '.join(sorted(words))}" if words else ""
