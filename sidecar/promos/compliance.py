"""What the rules of its jurisdictions say of a promo. Pure; `promo` is the document, its shape was checked."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from .document import Pack, Phrases, Vocabulary
from .folder import COMPLIANCE

type Finding = tuple[str, str, str]
"""Pointer, message, remedy."""


def pack_of(told: Mapping[str, Any]) -> Pack:
    helpline = told["helpline"]
    return Pack(
        told["minimum_age"],
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
    kind, languages = promo["kind"], sorted(promo["content"])
    if kind in pack.offers:
        yield from _terms(promo, at, pack)
    texts = list(_texts(promo, at))
    for rule in pack.required:
        for language in languages:
            phrases = _in(language, rule.texts)
            told = [text for _, spoken, text in texts if spoken == language]
            if phrases and _applies(rule, kind) and not any(_says(text, p) for text in told for p in phrases):
                asked = " or ".join(map(json.dumps, phrases))
                yield f"{at}/content/{language}", f"nothing says {asked}", rule.why
    for rule in pack.refused:
        for pointer, language, text in texts if _applies(rule, kind) else ():
            for phrase in _in(language, rule.texts):
                if _says(text, phrase):
                    yield pointer, f"says {json.dumps(phrase, ensure_ascii=False)}", rule.why


def _terms(promo: dict[str, Any], at: str, pack: Pack) -> Iterator[Finding]:
    """What has to be told stands where no variant takes it away."""
    if "terms" not in promo:
        yield at, "terms are missing", f"every {promo['kind']} has to have them"
        return
    for language in sorted(promo["content"].keys() & promo["terms"]["short"].keys()):
        pointer, short = f"{at}/terms/short/{language}", promo["terms"]["short"][language]
        if not re.search(rf"(?<!\d){pack.minimum_age}\s?\+", short):
            yield pointer, f"does not tell the age, {pack.minimum_age}+", "write it as it stands here"
        if not _says(short, pack.helpline):
            yield pointer, f"does not tell the helpline, {pack.helpline}", "write it as it stands here"


def _texts(promo: dict[str, Any], at: str) -> Iterator[tuple[str, str, str]]:
    """Pointer, language, and text of all that is read by visitors."""
    parts = [(f"{at}/content", promo["content"])]
    parts += [(f"{at}/variants/{n}/content", v.get("content", {})) for n, v in enumerate(promo.get("variants", []))]
    for pointer, content in parts:
        for language, texts in content.items():
            yield from ((f"{pointer}/{language}/{name}", language, text) for name, text in texts.items())
    for pointer, sentences in (
        (f"{at}/image/alt", promo.get("image", {}).get("alt", {})),
        (f"{at}/terms/short", promo.get("terms", {}).get("short", {})),
    ):
        yield from ((f"{pointer}/{language}", language, text) for language, text in sentences.items())


def _in(language: str, texts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What is told of English holds for that of Britain too."""
    return (*texts.get(language, ()), *(texts.get(language.partition("-")[0], ()) if "-" in language else ()))


def _applies(rule: Phrases, kind: str) -> bool:
    return not rule.kinds or kind in rule.kinds


def _says(text: str, phrase: str) -> bool:
    return f" {_plain(phrase)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    """Words in small letters. Characters that are not seen separate nothing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(re.findall(r"[^\W_]+", seen))
