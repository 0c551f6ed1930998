"""2,500 edits that leave other bytes than were meant."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.promos.edits import BYTES, GOOD, Edited, Page, survived

EDITS = st.tuples(st.sampled_from(sorted(GOOD)), st.integers(0, len(BYTES) - 1), st.integers(0, 2**32))


@settings(max_examples=100, deadline=None)
@given(st.lists(EDITS, min_size=25, max_size=25))
def test_no_bytes_end_a_promo(edits: list[tuple[str, int, int]]):
    page = Page()
    for name, how, seed in edits:
        survived(page, Edited({name: BYTES[how](random.Random(seed), GOOD[name])}))
