"""What the rules of its jurisdictions say of a promo. Pure; `promo` is the document, its shape was checked."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from .document import Pack, Phrases, Vocabulary
from .folder import COMPLIANCE

_ALIKE = str.maketrans(
    "асеорхуіјѕԁһкмтвнАСЕОРХУІЈЅКМТВНαεικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceopxyijsdhkmtbhACEOPXYIJSKMTBHaeiknoptuxwABEZHIKMNOPTYX",
)
"""Cyrillic and Greek letters that look like Latin ones."""

type Finding = tuple[str, str, str]
"""Pointer, message, remedy."""


def pack_of(told: Mapping[str, Any]) -> Pack:
    helpline = told["helpline"]
    return Pack(
        int(told["minimum_age"]),
        helpline["text"],
        helpline["link"],
        frozenset(told["offers"]),
        *(tuple(map(_phrases, told.get(name, []))) for name in ("required", "refused")),
    )


def _phrases(told: Mapping[str, Any]) -> Phrases:
    texts = {language: tuple(phrases) for language, phrases in told["texts"].items()}
    return Phrases(texts, told["why"], frozenset(told.get("kinds", ())))


def findings(promo: dict[str, Any], at: str, known: Vocabulary) -> Iterator[Finding]:
    """`at` is the pointer to the promo. What two jurisdictions say alike is told of the first."""
    seen: set[tuple[str, str]] = set()
    for number, jurisdiction in enumerate(promo["audience"]["jurisdictions"]):
        if jurisdiction not in known.jurisdictions:
            continue
        if (pack := known.packs.get(jurisdiction)) is None:
            message = (
                f"{json.dumps(jurisdiction)} has no rules: {COMPLIANCE}/{jurisdiction}.json is missing or unusable"
            )
            yield f"{at}/audience/jurisdictions/{number}", message, "mend it, or leave the jurisdiction out"
            continue
        for pointer, message, remedy in _broken(promo, at, pack):
            if (pointer, message) not in seen:
                seen.add((pointer, message))
                yield pointer, message, f"{remedy} ({COMPLIANCE}/{jurisdiction}.json)"


def _broken(promo: dict[str, Any], at: str, pack: Pack) -> Iterator[Finding]:
    kind = promo.get("kind", "")
    if kind in pack.offers:
        yield from _terms(promo, at, pack)
    for rule in pack.required:
        for language in _languages(promo) if _applies(rule, kind) else ():
            yield from _lacking(promo, at, language, rule)
    for rule in pack.refused:
        yield from _refused(promo, at, rule) if _applies(rule, kind) else ()


def _refused(promo: dict[str, Any], at: str, rule: Phrases) -> Iterator[Finding]:
    """In whatever language it is said, and also where a title begins what the text goes on with."""
    phrases = sorted({phrase for texts in rule.texts.values() for phrase in texts})
    apart = [(pointer, phrase) for pointer, text in _texts(promo, at) for phrase in phrases if _says(text, phrase)]
    said = {phrase for _, phrase in apart}
    together = [
        (pointer, phrase)
        for language in _languages(promo)
        for pointer, told in _versions(promo, at, language)
        for phrase in phrases
        if phrase not in said and _says(" ".join(told), phrase)
    ]
    for pointer, phrase in (*apart, *together):
        yield pointer, f"says {json.dumps(phrase, ensure_ascii=False)}", rule.why


def _terms(promo: dict[str, Any], at: str, pack: Pack) -> Iterator[Finding]:
    """What has to be told stands where no variant takes it away."""
    if "terms" not in promo:
        yield at, "terms are missing", f"every {promo['kind']} has to have them"
        return
    for language in sorted(promo["content"].keys() & promo["terms"]["short"].keys()):
        pointer, short = f"{at}/terms/short/{language}", promo["terms"]["short"][language]
        if not re.search(rf"(?<!\d){pack.minimum_age}\s?\+", _folded(short)):
            yield pointer, f"does not tell the age, {pack.minimum_age}+", "write it as it stands here"
        if not _says(short, pack.helpline):
            yield pointer, f"does not tell the helpline, {pack.helpline}", "write it as it stands here"


def _texts(promo: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    """Pointer and text of all that is read by visitors."""
    parts = [(f"{at}/content", promo["content"])]
    parts += [(f"{at}/variants/{n}/content", v.get("content", {})) for n, v in enumerate(promo.get("variants", []))]
    for pointer, content in parts:
        for language, texts in content.items():
            yield from ((f"{pointer}/{language}/{name}", text) for name, text in texts.items())
    for pointer, sentences in (
        (f"{at}/image/alt", promo.get("image", {}).get("alt", {})),
        (f"{at}/terms/short", promo.get("terms", {}).get("short", {})),
    ):
        yield from ((f"{pointer}/{language}", text) for language, text in sentences.items())


def _languages(promo: dict[str, Any]) -> list[str]:
    """Also those in which only a variant has a text."""
    return sorted({language for part in (promo, *promo.get("variants", [])) for language in part.get("content", {})})


def _lacking(promo: dict[str, Any], at: str, language: str, rule: Phrases) -> Iterator[Finding]:
    if not (phrases := _in(language, rule.texts)):
        yield at, f"a phrase is required, and the rules have none in {language}", rule.why
        return
    asked = " or ".join(json.dumps(phrase, ensure_ascii=False) for phrase in phrases)
    for pointer, told in _versions(promo, at, language):
        if not any(_says(text, phrase) for text in told for phrase in phrases):
            yield pointer, f"nothing says {asked}", rule.why


def _versions(promo: dict[str, Any], at: str, language: str) -> Iterator[tuple[str, list[str]]]:
    """Pointer, and all that is seen together: the text of a variant stands instead of the promo's own."""
    terms = promo.get("terms", {}).get("short", {}).get(language, "")
    parts = [(at, promo), *((f"{at}/variants/{n}", each) for n, each in enumerate(promo.get("variants", [])))]
    for pointer, part in parts:
        if language in part.get("content", {}):
            yield f"{pointer}/content/{language}", [*part["content"][language].values(), terms]


def _in(language: str, texts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What is told of English holds for that of Britain too."""
    return (*texts.get(language, ()), *(texts.get(language.partition("-")[0], ()) if "-" in language else ()))


def _applies(rule: Phrases, kind: str) -> bool:
    return not rule.kinds or kind in rule.kinds


def _says(text: str, phrase: str) -> bool:
    """Also written as one word."""
    said, asked = f" {_plain(text)} ", _plain(phrase)
    return f" {asked} " in said or f" {asked.replace(' ', '')} " in said


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Words in small letters, without accents: capitals are often written without."""
    return " ".join(re.findall(r"[^\W_]+", _folded(text.casefold()).casefold()))


def _folded(text: str) -> str:
    """Characters that are not seen separate nothing."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_ALIKE))
    return "".join(c for c in letters if unicodedata.category(c) not in ("Cf", "Mn"))
