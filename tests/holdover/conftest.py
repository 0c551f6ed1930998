"""Builders of the values that many tests start from. Session-wide, so that property tests may use them."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from holdover import coding
from holdover.canonical import CanonicalRequest
from holdover.content import revision_of
from holdover.entry import Entry
from holdover.exchange import Headers
from holdover.provider_settings import ProviderSettings
from holdover.route_settings import RouteSettings
from holdover.rules import Provider, Secret, compile_provider
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger

# A busy machine may take any time for one example.
settings.register_profile("unit", max_examples=50, deadline=None)
settings.load_profile("unit")

ROUTE = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 10, "max_stale_s": 60}
PROVIDER = {
    "name": "vendor",
    "hosts": ["api.vendor.test"],
    "origin": "https://api.vendor.test",
    "clients": "open",
}
HEADERS = (("Content-Type", "application/json"), ("x-requests-last", "6"), ("x-requests-remaining", "94"))


@pytest.fixture(scope="session")
def route_of() -> Callable[..., RouteSettings]:
    """A route; keywords change its settings."""

    def build(**changes: Any) -> RouteSettings:
        return RouteSettings.model_validate({**ROUTE, **changes})

    return build


@pytest.fixture(scope="session")
def provider_of(route_of: Callable[..., RouteSettings]) -> Callable[..., Provider]:
    """A provider with the routes given and the secrets that its settings ask for; keywords change its settings."""

    def build(*routes: RouteSettings, **changes: Any) -> Provider:
        settings = ProviderSettings.model_validate({**PROVIDER, "routes": list(routes or (route_of(),)), **changes})
        named = settings.credential
        own = named is not None and not named.borrow and settings.clients != "own"
        plans = {name: Secret(f"{name}-secret") for name in settings.classes}
        return compile_provider(settings, plans | ({"": Secret("own-secret")} if own else {}))

    return build


@pytest.fixture(scope="session")
def entry_of() -> Callable[..., Entry]:
    """An entry that was asked for at `at` and arrived `took` seconds later."""

    def build(
        sport: str = "epl",
        *,
        at: float = 1000.0,
        took: float = 0.5,
        body: bytes = b"[]",
        headers: Headers = HEADERS,
        initial_age: float = 0.0,
    ) -> Entry:
        request = CanonicalRequest("vendor", "odds", f"/v4/sports/{sport}/odds", (("regions", "us"),))
        zipped = b"\x1f\x8b" + body
        return Entry(request, 200, headers, body, zipped, revision_of(200, body), at, at + took, initial_age, took)

    return build


@pytest.fixture(scope="session")
def lock_holder() -> Callable[[Path], AbstractContextManager[subprocess.Popen[str]]]:
    """Another process that holds the writers' lock of a change file until the block ends."""
    program = (
        "import sys; from pathlib import Path; from holdover.store.changes import ChangeFile\n"
        "with ChangeFile(Path(sys.argv[1])).lock(5.0):\n    print('held', flush=True); sys.stdin.read()"
    )

    @contextmanager
    def hold(path: Path) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", program, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process

    return hold


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where these tests have their store."""
    return tmp_path / "store"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[..., DiskStore]]:
    """Opens the store once more, as another process would; all are closed at the end."""
    opened: list[DiskStore] = []

    def build(max_bytes: int = 1 << 24, **options: Any) -> DiskStore:
        opened.append(DiskStore(folder, max_bytes, **options))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., DiskStore]) -> DiskStore:
    return open_store()


@pytest.fixture
def open_ledger(folder: Path) -> Iterator[Callable[..., Ledger]]:
    """Opens the ledger once more, as another process would; all are closed at the end."""
    opened: list[Ledger] = []

    def build(**options: Any) -> Ledger:
        opened.append(Ledger(folder, **options))
        return opened[-1]

    yield build
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[..., Ledger]) -> Ledger:
    return open_ledger()


@pytest.fixture
def inflations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of each that happens: in which thread, and how many bytes it makes."""
    seen: list[tuple[int, int]] = []
    real = coding.inflate

    def inflate(body: bytes, limit: int) -> bytes:
        identity = real(body, limit)
        seen.append((threading.get_ident(), len(identity)))
        return identity

    monkeypatch.setattr(coding, "inflate", inflate)
    return seen
