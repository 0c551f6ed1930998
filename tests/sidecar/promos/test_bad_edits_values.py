"""2,500 edits that leave a document with other values than were meant."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.promos.edits import GOOD, Edited, Page, restructured, survived

EDITS = st.tuples(st.sampled_from(sorted(GOOD)), st.integers(0, 2**32))


@settings(max_examples=100, deadline=None)
@given(st.lists(EDITS, min_size=25, max_size=25))
def test_no_values_end_a_promo(edits: list[tuple[str, int]]):
    page = Page()
    for name, seed in edits:
        survived(page, Edited({name: restructured(random.Random(seed), GOOD[name])}))
