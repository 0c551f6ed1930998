"""A promo's image as pages name it. Pure."""

from dataclasses import dataclass
from urllib.parse import quote

from ..promos.resolve import Shown

IMAGES = "/v1/promos/images/"


@dataclass(frozen=True, slots=True)
class Picture:
    src: str
    alt: str


def picture(shown: Shown) -> Picture | None:
    if shown.promo.image is None:
        return None
    source = shown.promo.image.src
    return Picture(source if source.startswith("https://") else IMAGES + quote(source), shown.alt)
