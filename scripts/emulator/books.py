"""Which bookmakers exist: those of the catalog, and generated ones that a world may add to grow its boards."""

from __future__ import annotations

from .catalog import BOOKS, REGIONS, Book

MOST_EXTRA = 600

# Each generated book belongs to one region, in turn.
EXTRA: dict[str, Book] = {
    f"house{number:03d}": Book(f"house{number:03d}", f"House {number:03d}", (REGIONS[number % len(REGIONS)],))
    for number in range(MOST_EXTRA)
}
EVERY_BOOK: dict[str, Book] = BOOKS | EXTRA


def offered(extra: int) -> list[Book]:
    """The books of a world with `extra` generated ones."""
    return [*BOOKS.values(), *list(EXTRA.values())[:extra]]


def of_regions(regions: frozenset[str]) -> frozenset[str]:
    return frozenset(key for key, book in EVERY_BOOK.items() if regions.intersection(book.regions))
