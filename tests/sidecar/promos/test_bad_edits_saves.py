"""2,500 saves that are read while they happen."""

import random
from collections.abc import Iterator, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.sweep import Found
from tests.sidecar.promos.edits import CAMPAIGNS, UNREAD, Edited, Page, changed, cut

SAVES = ("in pieces", "emptied first", "moved away first", "over and over", "unreadable meanwhile", "without folder")
SEEDS = st.integers(0, 2**32)


def readings(chance: random.Random, save: str, data: bytes) -> Iterator[tuple[Found, int]]:
    """What is read of a file while it is saved, and how often."""
    times = chance.randrange(1, 4)
    if save == "in pieces":
        for at in sorted(chance.randrange(len(data) + 1) for _ in range(3)):
            yield data[:at], times
    elif save == "emptied first":
        yield b"", times
    elif save == "moved away first":
        yield None, 1
    elif save == "over and over":
        yield from ((cut(chance, data or b" "), 1) for _ in range(4))
    elif save == "unreadable meanwhile":
        yield chance.choice(UNREAD), times
    yield data, 3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CAMPAIGNS), st.sampled_from(SAVES), SEEDS), min_size=25, max_size=25))
def test_no_way_to_save_ends_a_promo(edits: list[tuple[str, str, int]]):
    page = Page()
    for name, save, seed in edits:
        chance, other = random.Random(seed), CAMPAIGNS[seed % len(CAMPAIGNS)]
        # Somebody else has saved another file, which is not good, or is about to.
        meanwhile: Mapping[str, Found] = {other: changed(chance, other)} if seed % 3 else {}
        may_end = frozenset[str]()
        for found, times in readings(chance, save, changed(chance, name)):
            edited = Edited({**meanwhile, name: found})
            # What was read last of the other stays.
            may_end |= edited.may_end if times > 1 or found is not None else Edited(meanwhile).may_end
            edited.may_end |= may_end
            edited.read_by(page, times)
            if save == "without folder":
                page.read(fault="the folder cannot be read")
                page.keeps_all_but(may_end)
        page.is_as_it_was()
