"""A provider that fails: stale answers within the limit; past it the truth, never old odds."""

import time
from collections.abc import Iterator

import pytest

from scripts.rig import Emulator, House, emulator, running, wait_for, write_house
from tests.faults.load import Load, ask
from tests.faults.table import proves

LIMIT_S = 4
UNDER_WAY_S = 1.0
"""How long a call may be on its way, on a machine that is busy."""
DOWN = [
    pytest.param({"kind": "status", "status": 503, "body": "down"}, 503, id="503"),
    pytest.param(
        {"kind": "status", "status": 401, "body": '{"error_code": "OUT_OF_USAGE_CREDITS"}'}, 401, id="quota"
    ),
    pytest.param({"kind": "reset"}, 502, id="reset"),
    pytest.param({"kind": "truncate"}, 502, id="truncate"),
    pytest.param({"kind": "hang"}, 504, id="hang"),
]


@pytest.fixture
def failing(provider):
    """`failing(fault)` until the test ends."""
    yield lambda fault: provider.control(fault=fault)
    provider.control(fault=None)


@proves("provider-down")
@pytest.mark.parametrize(("fault", "status"), DOWN)
def test_stale_within_the_limit_then_the_truth(brittle, failing, fault, status):
    with Load(brittle.ports["reverse"]).on() as load:
        load.until_newer()
        failing(fault)
        wait_for(lambda: any(one.status == status for one in load.failures()))
        failing(None)
        load.until_newer(20)
    assert max(load.ages()) < LIMIT_S + 0.5
    assert any("detail" in one.cache for one in load.answers if one.status == 200)
    # While the breaker is open nobody asks the provider, and 503 with Retry-After says so.
    assert {one.status for one in load.failures()} <= {status, 503}
    assert load.backwards() == 0
    if fault["kind"] == "status":
        assert any(one.message == fault["body"].encode() for one in load.failures())


def test_a_200_that_is_no_json_never_takes_the_place_of_odds(brittle, failing):
    with Load(brittle.ports["reverse"]).on() as load:
        load.until_newer()
        failing({"kind": "garbage"})
        wait_for(
            lambda: any("not the JSON" in one.cache and "fwd-status=200" in one.cache for one in load.answers), 20
        )
        failing(None)
        load.until_newer(20)
    assert max(load.ages()) < LIMIT_S + 0.5


@proves("pause-asked-for")
def test_a_pause_that_the_provider_asks_for_is_kept(brittle, provider, failing):
    port = brittle.ports["reverse"]
    wait_for(lambda: ask(port).status == 200)
    failing({"kind": "status", "status": 429, "body": "slow down", "headers": {"Retry-After": "5"}})
    first = ask(port, "/v4/sports/soccer_epl/odds?regions=us2")
    assert (first.status, first.message) == (429, b"slow down")
    asked = provider.stats()["requests"]
    with Load(port, target="/v4/sports/soccer_epl/odds?regions=us2").on() as load:
        time.sleep(1.5)
    assert {one.message for one in load.answers} == {b"slow down"}
    assert provider.stats()["requests"] == asked
    failing(None)
    wait_for(lambda: ask(port, "/v4/sports/soccer_epl/odds?regions=us2").status == 200)


@pytest.fixture
def quiet(tmp_path) -> Iterator[tuple[Emulator, House]]:
    """A provider that only this house calls, 5 times a second at most, for keys asked for in the last 3 s."""
    with emulator(latency_p50_ms=60, latency_p95_ms=120, rate=0) as provider:
        house = write_house(tmp_path, provider.url, rate_per_s=5, burst=5, timeout_s=10, idle_after_s=3)
        with running(house):
            yield provider, house


@proves("rate-below-demand")
def test_refreshes_keep_to_demand_and_to_the_rate_limit(quiet):
    """20 keys a second are demanded, 5 allowed: refreshes fall behind, but a new key still gets its turn."""
    provider, house = quiet
    port, gauge = house.ports["reverse"], 'holdover_refresh_keys{upstream="odds"}'
    with Load(port).on() as load:
        for number in range(20):
            ask(port, f"/v4/sports/soccer_epl/odds?regions=us&eventIds={number}")
        started = time.time()
        provider.reset()
        wait_for(lambda: time.time() - started > 1.5)
        assert ask(port, "/v4/sports/soccer_epl/odds?regions=uk").status == 200
        assert provider.odds_requests() <= 5 * (time.time() - started + UNDER_WAY_S) + 5
    assert load.failures() == []
    assert load.backwards() == 0
    # Nobody asks any more: all is forgotten, and the provider left in peace.
    wait_for(lambda: house.metrics("admin")[gauge] == 0)
    time.sleep(UNDER_WAY_S)
    asked = provider.odds_requests()
    time.sleep(2)
    assert provider.odds_requests() == asked
