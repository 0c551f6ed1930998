from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.rig import running, write_house
from tests.e2e.wire import calm_window
from tests.security.place import Place
from tests.security.provider import provider


@contextmanager
def _place(folder: Path, top: str) -> Iterator[Place]:
    window = calm_window()
    with provider() as behind:
        house = write_house(
            folder,
            f"http://127.0.0.1:{behind.port}",
            top,
            window_s=window,
            max_stale_s=2 * window,
            rate_per_s=10_000,
            burst=10_000,
        )
        with running(house):
            yield Place(house, behind)


@pytest.fixture(scope="session")
def with_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with _place(tmp_path_factory.mktemp("on"), "") as place:
        yield place


@pytest.fixture(scope="session")
def without_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with _place(tmp_path_factory.mktemp("off"), "[lane]\nenabled = false") as place:
        yield place


@pytest.fixture(params=["with_lane", "without_lane"])
def place(request: pytest.FixtureRequest) -> Place:
    """Both run on: in whatever order the tests come, each house is started once."""
    found: Place = request.getfixturevalue(request.param)
    return found
