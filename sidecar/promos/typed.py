"""From documents that were found good to typed values."""

from typing import Any

from .document import Audience, Boost, Image, Pack, Promo, Slot, Terms, Text, Variant, Vocabulary
from .moment import instant, zone_of


def vocabulary_of(slots: dict[str, Any], words: dict[str, Any], packs: dict[str, Pack]) -> Vocabulary:
    """`slots` and `words` are the documents slots.json and audiences.json."""
    kinds = ("jurisdictions", "languages", "devices", "segments", "excluded")
    named = {kind: frozenset(words.get(kind, [])) for kind in kinds}
    return Vocabulary({name: _slot(name, told) for name, told in slots["slots"].items()}, packs=packs, **named)


def _slot(name: str, told: dict[str, Any]) -> Slot:
    # 2.0 is an integer in JSON Schema.
    least = told.get("image", {})
    return Slot(
        told.get("title", name),
        int(told["capacity"]),
        frozenset(told["kinds"]),
        (least.get("min_width", 1), least.get("min_height", 1)),
    )


def promo_of(told: dict[str, Any]) -> Promo:
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
        priority=int(told.get("priority", 500)),
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
