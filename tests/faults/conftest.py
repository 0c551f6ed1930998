"""Providers and houses; those that recover by themselves are shared by the tests of a module."""

from collections.abc import Iterator

import pytest

from scripts.rig import Emulator, House, emulator, running, write_house


@pytest.fixture(scope="module")
def provider() -> Iterator[Emulator]:
    with emulator(latency_p50_ms=60, latency_p95_ms=120, rate=0, tick_s=0.25) as one:
        yield one


@pytest.fixture(scope="module")
def house(provider: Emulator, tmp_path_factory) -> Iterator[House]:
    """Window 1 s, limit 30 s. Every test leaves it serving."""
    with running(write_house(tmp_path_factory.mktemp("house"), provider.url)) as one:
        yield one


@pytest.fixture(scope="module")
def brittle(provider: Emulator, tmp_path_factory) -> Iterator[House]:
    """Window 1 s, limit 4 s, time-out 1 s, no retries."""
    house = write_house(tmp_path_factory.mktemp("brittle"), provider.url, max_stale_s=4, timeout_s=1, retries=0)
    with running(house) as one:
        yield one
