"""The clock of the machine steps under load. The provider and the clients have the true time."""

from collections.abc import Iterator

import pytest

from scripts.rig import House, running, write_house
from scripts.soak.clock import Clock
from tests.faults.load import Load
from tests.faults.table import CLOCKS, Row, proves

LIMIT_S = 30
STEPS = {"clock-5-min-ahead": 300, "clock-5-min-back": -300, "clock-1-h-ahead": 3600, "clock-1-h-back": -3600}


@pytest.fixture(scope="module")
def stepped(provider, tmp_path_factory) -> Iterator[tuple[House, Clock]]:
    """A house with two workers. Every test leaves its clock right."""
    folder = tmp_path_factory.mktemp("stepped")
    clock = Clock(folder / "offset")
    house = write_house(folder / "house", provider.url, proxy="workers = 2")
    house.extra_environment = clock.environment
    with running(house):
        yield house, clock


@proves("clock-5-min-ahead", "clock-5-min-back", "clock-1-h-ahead", "clock-1-h-back")
@pytest.mark.parametrize("row", CLOCKS, ids=[row.name for row in CLOCKS])
def test_clock_steps(stepped, row: Row):
    house, clock = stepped
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        clock.step(STEPS[row.name])
        load.until_newer(row.back_s)
        # Not only once: it goes on being refreshed.
        load.until_newer(row.back_s)
        clock.step(0)
        load.until_newer(row.back_s)
        load.until_newer(row.back_s)
    assert load.failures() == []
    assert load.backwards() == 0
    assert max(load.ages()) < LIMIT_S
    assert "Traceback" not in house.log.read_text()
