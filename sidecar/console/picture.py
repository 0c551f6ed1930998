"""A promo's image as pages name it. Pure."""

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
        source if source.startswith("https://") else IMAGES + quote(source), promo.image.alt.get(language, "")
    )
