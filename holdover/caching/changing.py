"""What is stored of one URI after something happened to it."""

from dataclasses import replace

from holdover.caching.freshness import CLOCK_SLACK_S
from holdover.caching.invalidation import may_be_from_before
from holdover.caching.stored import MOST_VARIANTS, Stored, Variants


def added(variants: Variants, new: Stored, of: Stored | None, longest: int, now: float) -> Variants:
    """With a response that came, in the place of those that the same requests select and of the one that it is made
    of. `longest`: most bytes of bodies; the oldest go."""
    if may_be_from_before(new.requested_at, variants.invalid_until, now):
        return variants
    # What is from the future is from before the clock stepped back.
    future = now + CLOCK_SLACK_S
    for other in variants.stored:
        # Two requests that overlap may be answered in either order; what was asked for before the other came may be
        # older.
        if other.selecting == new.selecting and new.requested_at < other.requested_at <= future:
            return variants
    others = [one for one in variants.stored if one.selecting != new.selecting and not _same(one, of)]
    kept, room = [new], longest - len(new.body)
    for one in others[: MOST_VARIANTS - 1]:
        room -= len(one.body)
        if room >= 0:
            kept.append(one)
    return replace(variants, stored=tuple(kept))


def replaced(variants: Variants, old: Stored, new: Stored | None) -> Variants:
    """With another in the place of one, or without it; unchanged if it is no longer there."""
    changed = (new if _same(one, old) else one for one in variants.stored)
    return replace(variants, stored=tuple(one for one in changed if one is not None))


def invalidated(variants: Variants, at: float) -> Variants:
    """Without what was asked for before `at`; nor is that stored any more (RFC 9111 section 4.4)."""
    kept = tuple(one for one in variants.stored if one.requested_at >= at)
    return replace(variants, stored=kept, invalid_until=max(at, variants.invalid_until))


def _same(one: Stored, other: Stored | None) -> bool:
    return other is not None and (one.selecting, one.received_at) == (other.selecting, other.received_at)
