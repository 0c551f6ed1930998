"""The homepage as one audience sees it at one time, drawn after the kinds that its slots take. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ..promos.document import Slot, Text
from ..promos.resolve import Shown, Withheld
from ..promos.standing import Live
from .audience import Asked, answer
from .picture import Picture, picture

type Shape = Literal["notices", "boosts", "hero", "carousel"]


@dataclass(frozen=True, slots=True)
class Tile:
    """`odds`: the boosted price, "" for other kinds. `fresh`: the page that this one is compared with has it not."""

    promo_id: str
    text: Text
    picture: Picture | None
    odds: str
    terms: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A slot."""

    name: str
    title: str
    shape: Shape
    capacity: int
    tiles: tuple[Tile, ...]


def mockup(live: Live, withheld: Withheld, who: Asked, at: float) -> tuple[Block, ...]:
    """In the order of the slots, but notices first: they are a line above everything."""
    found, slots = answer(live, withheld, who, at).resolution, live.vocabulary.slots
    blocks = [
        Block(
            name,
            slots[name].title,
            shape_of(slots[name]),
            slots[name].capacity,
            tuple(map(_tile, shown)),
        )
        for name, shown in found.slots.items()
    ]
    return tuple(sorted(blocks, key=lambda block: block.shape != "notices"))


def shape_of(slot: Slot) -> Shape:
    if slot.kinds == {"notice"}:
        return "notices"
    if slot.kinds == {"boosted-odds"}:
        return "boosts"
    return "hero" if slot.capacity == 1 else "carousel"


def compared(page: Iterable[Block], other: Iterable[Block]) -> tuple[Block, ...]:
    """`page`, with what `other` does not show in the same slot, or shows otherwise, marked as fresh."""
    known = {(block.name, replace(tile, fresh=False)) for block in other for tile in block.tiles}
    return tuple(
        replace(block, tiles=tuple(replace(t, fresh=(block.name, t) not in known) for t in block.tiles))
        for block in page
    )


def _tile(shown: Shown) -> Tile:
    odds = f"{shown.promo.odds.price:.2f}" if shown.promo.odds else ""
    return Tile(shown.promo.id, shown.text, picture(shown), odds, shown.terms)
