"""2,500 saves that are read while they happen, and 2,500 of several things at once."""

import random
from collections.abc import Iterator, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.document import Picture
from sidecar.promos.sweep import Found
from tests.sidecar.promos.edits import (
    BYTES,
    CAMPAIGNS,
    GOOD,
    PICTURES,
    UNREAD,
    Edited,
    Mutation,
    Page,
    restructured,
    survived,
)

SAVES = ("in pieces", "emptied first", "moved away first", "over and over", "unreadable meanwhile", "without folder")
SEEDS = st.integers(0, 2**32)


def changed(chance: random.Random, name: str) -> bytes:
    how: Mutation = chance.choice(
        [restructured, restructured, *BYTES, lambda _, data: data, lambda _, data: data + b"\n"]
    )
    return how(chance, GOOD[name])


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
        yield from ((BYTES[0](chance, data or b" "), 1) for _ in range(4))
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


def together(chance: random.Random) -> tuple[dict[str, Found], dict[str, Picture]]:
    """Files and images as two or three edits leave them."""
    files: dict[str, Found] = {}
    pictures = dict(PICTURES)
    for _ in range(chance.randrange(1, 4)):
        what, name, other = chance.randrange(8), chance.choice(sorted(GOOD)), chance.choice(CAMPAIGNS)
        if what == 0:
            files[name] = None
        elif what == 1:
            files[name] = chance.choice(UNREAD)
        elif what == 2:
            files |= {name: GOOD[other], other: GOOD[name]}
        elif what == 3:
            files["copy.json"] = GOOD[other]
        elif what == 4:
            files["0.json"] = changed(chance, other)
        elif what == 5:
            pictures.pop(chance.choice(sorted(PICTURES)), None)
        elif what == 6:
            sizes = chance.choice([(0, 0, 5), (1, 1, 5), (9000, 9, 5), (9, 9, 10**9)])
            pictures[chance.choice(sorted(PICTURES))] = Picture(*sizes)
        else:
            files[name] = changed(chance, name)
    return files, pictures


@settings(max_examples=100, deadline=None)
@given(st.lists(SEEDS, min_size=25, max_size=25))
def test_no_two_edits_together_end_a_promo(seeds: list[int]):
    page = Page()
    for seed in seeds:
        edited = Edited(*together(random.Random(seed)))
        edited.refused.clear()
        survived(page, edited)
