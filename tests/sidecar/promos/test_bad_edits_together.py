"""2,500 times two or three edits at once."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.document import Picture
from sidecar.promos.sweep import Found
from tests.sidecar.promos.edits import CAMPAIGNS, GOOD, PICTURES, UNREAD, Edited, Page, changed, fewer, survived

SEEDS = st.integers(0, 2**32)


def together(chance: random.Random) -> tuple[dict[str, Found], dict[str, Picture]]:
    """Files and images as two or three edits leave them."""
    files: dict[str, Found] = {}
    pictures = dict(PICTURES)
    for _ in range(chance.randrange(1, 5)):
        what, name, other = chance.randrange(9), chance.choice(sorted(GOOD)), chance.choice(CAMPAIGNS)
        if what == 0:
            files[name] = None
        elif what == 1:
            files[name] = chance.choice(UNREAD)
        elif what == 2:
            files |= {name: GOOD[other], other: GOOD[name]}
        elif what == 8:
            files[other] = chance.choice([None, fewer(chance, GOOD[other])])
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
