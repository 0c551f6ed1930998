"""A provider on loopback, and the parts of a sidecar with their store and ledger on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from holdover.fill import Filler
from holdover.metrics import Metrics
from holdover.provider_settings import ProviderSettings
from holdover.rules import Rules, Secret, compile_provider
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from sidecar.refresh.steward import Steward
from sidecar.refresh.worker import Refresher
from tests.sidecar.scene import Origin, Scene

ROUTE: dict[str, Any] = {"name": "odds", "path": "/odds/{sport}", "window_s": 1, "max_stale_s": 60, "cost": 2.0}
VENDOR: dict[str, Any] = {
    "name": "vendor",
    "hosts": ["api.vendor.test"],
    "credential": {"query": "apiKey", "env": "VENDOR_KEY"},
    "classes": {
        "gold": {"credentials": ["1" * 64], "env": "GOLD_KEY"},
        "free": {"credentials": ["2" * 64], "env": "FREE_KEY"},
    },
    "limits": {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0},
}


@pytest.fixture
async def origin():
    origin = Origin()
    runner = web.ServerRunner(web.Server(origin.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield origin
    await runner.cleanup()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "store")
    yield ledger
    ledger.close()


@pytest.fixture
def rules_of(origin: Origin) -> Callable[..., Rules]:
    """A vendor with three plans, each with a key of holdover's own; keywords change its settings."""

    def build(*routes: dict[str, Any], secrets: dict[str, str] | None = None, **changes: Any) -> Rules:
        made = [{**ROUTE, **route} for route in routes or ({},)]
        settings = ProviderSettings.model_validate({**VENDOR, "origin": origin.url, "routes": made, **changes})
        own = {"": "plain-key", "gold": "gold-key", "free": "free-key"} if secrets is None else secrets
        return Rules([compile_provider(settings, {name: Secret(value) for name, value in own.items()})])

    return build


@pytest.fixture
async def scene_of(tmp_path: Path, ledger: Ledger, rules_of):
    """Starts what a sidecar runs; called again it is another one with the same disk."""
    store = DiskStore(tmp_path / "store", 1 << 24)
    made: list[Scene] = []

    def build(*routes: dict[str, Any], ca_file: Path | None = None, max_keys: int = 1000, **changes: Any) -> Scene:
        rules, metrics = rules_of(*routes, **changes), Metrics()
        filler = Filler(rules, store, ledger, metrics, user_agent="holdover-test", ca_file=ca_file)
        refresher = Refresher(rules, filler, metrics, max_keys)
        made.append(
            Scene(rules, filler, refresher, Steward(rules, filler, refresher, ledger, metrics), ledger, metrics)
        )
        return made[-1]

    yield build
    for scene in made:
        await scene.refresher.close()
        await scene.filler.close()
    store.close()
