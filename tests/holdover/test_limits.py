import asyncio
import time

import pytest

from holdover.account import Account
from holdover.intake import Failed
from holdover.limits import Limits
from holdover.metrics import Metrics
from holdover.provider_settings import ProviderSettings

QUICK = {"rate_per_s": 10_000.0, "burst": 10_000}
GIVEN = {"name": "pages", "hosts": ["x.test"], "origin": "https://x.test", "clients": "open"}
BY_ORIGIN = {"name": "all", "path": "/**", "freshness": "origin"}
BY_WINDOW = {"name": "odds", "path": "/odds", "window_s": 1.0, "max_stale_s": 2.0}


@pytest.fixture
def limits_of(provider_of):
    def build(**limits):
        provider = provider_of(limits={**QUICK, **limits})
        return Limits(provider, Metrics().upstream), Account(provider.settings.quota, provider.settings.limits)

    return build


async def test_nobody_waits_longer_than_he_said(limits_of):
    limits, account = limits_of(concurrency=1)
    async with limits.turn(account, limits.left_alone) as refused:
        assert refused is None
        assert not limits.ready(account)
        began = time.monotonic()
        async with limits.turn(account, limits.left_alone, within_s=0.1) as refused:
            assert isinstance(refused, Failed)
            assert refused.retry_after
        assert 0.1 <= time.monotonic() - began < 5
    assert limits.ready(account)
    limits, account = limits_of(rate_per_s=1.0, burst=1)
    for within_s, expected in ((0.1, type(None)), (0.1, Failed), (5.0, type(None))):
        async with limits.turn(account, limits.left_alone, within_s=within_s) as refused:
            assert type(refused) is expected


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_probe_that_ends_unheard_is_none(limits_of, error):
    limits, account = limits_of(breaker_failures=1, breaker_open_s=0.05)
    limits.heard(trouble=True)
    await asyncio.sleep(0.06)

    async def probe() -> None:
        async with limits.turn(account, limits.left_alone) as refused:
            assert refused is None
            assert limits.left_alone() is not None
            raise error

    with pytest.raises(error):
        await probe()
    assert limits.left_alone() is None
    assert limits.ready(account)


@pytest.mark.parametrize(
    ("routes", "given", "expected"),
    [
        ([BY_ORIGIN], {}, (10_000.0, 10_000, 1_000, 50)),
        ([BY_ORIGIN], {"rate_per_s": 5}, (5.0, 10, 1_000, 50)),
        ([BY_ORIGIN], {"burst": 5}, (10_000.0, 5, 1_000, 50)),
        ([BY_ORIGIN], {"concurrency": 2, "breaker_failures": 3}, (10_000.0, 10_000, 2, 3)),
        ([BY_ORIGIN, BY_WINDOW], {}, (10.0, 10, 8, 5)),
        ([BY_WINDOW], {}, (10.0, 10, 8, 5)),
    ],
)
def test_an_origin_of_pages_bears_what_browsers_ask(routes, given, expected):
    limits = ProviderSettings.model_validate({**GIVEN, "routes": routes, "limits": given}).limits
    assert (limits.rate_per_s, limits.burst, limits.concurrency, limits.breaker_failures) == expected
