"""Real processes that tests share: a provider, and a house with a window so long that only clients cause fetches."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.rig import Emulator, House, emulator, running, write_house
from tests.e2e.wire import STILL, calm_window


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[Emulator]:
    with emulator(**STILL) as provider:
        yield provider


@pytest.fixture(scope="session")
def house(shared_provider: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    window = calm_window()
    settings: dict[str, Any] = {
        "window_s": window,
        "max_stale_s": 2 * window,
        "route_extra": 'drop = ["includeLinks", "includeSids", "_"]',
        "rate_per_s": 10_000,
        "burst": 10_000,
    }
    written = write_house(tmp_path_factory.mktemp("house"), shared_provider.url, **settings)
    with running(written):
        yield written


@pytest.fixture
def provider(shared_provider: Emulator) -> Iterator[Emulator]:
    """The shared provider; a test may change its settings."""
    yield shared_provider
    shared_provider.control(
        latency_p50_ms=0,
        latency_p95_ms=0,
        etag=False,
        cache_control=None,
        extra_headers={},
        fault=None,
        quota=500_000,
    )
