"""What a request with an unsafe method makes invalid; that it does is seen in `tests/e2e`."""

import pytest

from holdover.caching.invalidation import may_be_from_before


@pytest.mark.parametrize(
    ("asked_at", "changed_at", "expected"),
    [
        (99.0, 100.0, True),
        (100.0, 100.0, False),
        (100.5, 100.0, False),
        (99.0, 0.0, False),
        (99.0, 102.0, True),
        # The clock stepped back since.
        (99.0, 102.5, False),
    ],
)
def test_what_may_be_from_before_a_change(asked_at, changed_at, expected):
    assert may_be_from_before(asked_at, changed_at, now=101.0) is expected
