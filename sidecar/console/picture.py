"""A promo's image as pages name it, and what is said by language. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ..promos.document import Promo

IMAGES = "/v1/promos/images/"


@dataclass(frozen=True, slots=True)
class Picture:
    src: str
    alt: str


def picture(promo: Promo, language: str) -> Picture | None:
    if promo.image is None:
        return None
    source = promo.image.src
    return Picture(
        source if source.startswith("https://") else IMAGES + quote(source), spoken(promo.image.alt, language) or ""
    )


def spoken[T](said: Mapping[str, T], language: str) -> T | None:
    """In that language, or without its region: in en for en-GB."""
    return said.get(language) or said.get(language.partition("-")[0])
