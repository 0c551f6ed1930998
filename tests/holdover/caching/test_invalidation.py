"""What a request with an unsafe method makes invalid; that it does is seen in `tests/e2e`."""

import pytest

from holdover.caching.invalidation import invalidated, may_be_from_before


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


@pytest.mark.parametrize("hosts", [["api.test", "::1"], ["::1"], ["::1", "api.test"]])
def test_what_is_named_without_a_host_is_made_invalid_whatever_the_hosts_are(hosts):
    headers = (("Location", "/there"), ("Content-Location", "http://[::1]:80/x"))
    assert invalidated("POST", 201, "/here", headers, hosts) == ["/here", "/there", "/x"]
