from collections.abc import Iterator

import pytest

from scripts.rig import running, write_house
from tests.e2e.wire import calm_window
from tests.security.place import Place
from tests.security.provider import provider


@pytest.fixture(scope="session", params=[True, False], ids=["lane-on", "lane-off"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    top = "" if request.param else "[lane]\nenabled = false"
    with provider() as behind:
        house = write_house(
            tmp_path_factory.mktemp("corpus"),
            f"http://127.0.0.1:{behind.port}",
            top,
            window_s=window,
            max_stale_s=2 * window,
            rate_per_s=10_000,
            burst=10_000,
        )
        with running(house):
            yield Place(house, behind, request.param)
