"""More than usual: metrics that are read all the time, and far more keys than the provider allows calls."""

import asyncio
import math
import threading
import time

from scripts.fault_origin.launch import fault_origin
from scripts.fault_origin.sources import sound
from scripts.rig import HOST, running, wait_for, write_house
from scripts.soak import promises
from scripts.soak.clients import Connection, Crowd, Question
from tests.faults.load import Load
from tests.faults.table import ROWS, proves

SCRAPES_PER_S, SCRAPES = 20, 40
KEYS, CLIENTS, RATE, BURST, SECONDS, TIMEOUT_S, WAIT_S = 5_000, 1_000, 40, 10, 8, 4, 13
UNEVEN_S = 1.0
"""What calls that start evenly may draw together on their way, on a machine that is busy."""
POPULAR = "/v4/sports/soccer_epl/odds?regions=us"


@proves("scraped")
def test_metrics_are_read_all_the_time(house):
    stop = threading.Event()
    read: list[int] = []

    def scrape(role: str) -> None:
        while not stop.wait(2 / SCRAPES_PER_S):
            read.append(len(house.metrics(role)))

    threads = [threading.Thread(target=scrape, args=(role,)) for role in ("metrics", "admin")]
    with Load(house.ports["reverse"]).on() as load:
        load.until_newer()
        for thread in threads:
            thread.start()
        wait_for(lambda: len(read) >= SCRAPES)
        load.until_newer()
        stop.set()
        for thread in threads:
            thread.join()
    assert load.failures() == []
    assert load.backwards() == 0


@proves("cold-start")
async def test_far_more_keys_than_calls_are_demanded_of_an_empty_cache(tmp_path):
    """Each key is asked for once, a popular one all the time. At first the provider is slow: what was held up
    then does not go out at once afterwards."""
    with fault_origin() as origin:
        house = write_house(
            tmp_path,
            origin.url,
            proxy=f"workers = 1\nwait_s = {WAIT_S}",
            rate_per_s=RATE,
            burst=BURST,
            timeout_s=TIMEOUT_S,
            retries=0,
            window_s=5,
            max_stale_s=20,
        )
        with running(house):
            crowd = Crowd(house.ports["reverse"], (), sound)
            [first] = await poll(crowd, [POPULAR], math.inf)
            wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
            origin.play({}, latency_s=1.5)
            # What it holds up is three times as much as may draw together on its way.
            asyncio.get_running_loop().call_later(4, origin.play, {})
            until = time.time() + SECONDS
            popular, *others = await asyncio.gather(
                poll(crowd, [POPULAR] * 10**6, until, pause_s=0.1),
                *(poll(crowd, shares(client), math.inf, pause_s=1.0) for client in range(CLIENTS)),
            )
        stats = origin.stats()
    seen = [one for mine in others for one in mine]
    assert first.good
    assert len(seen) == KEYS
    # On a busy machine a call may take as long as none should.
    late = [one for one in seen if one.status == 504 and one.at - one.asked_at >= TIMEOUT_S]
    assert {one.status for one in seen if one not in late} == {200} | ROWS["cold-start"].statuses
    assert not promises.broken(seen)
    assert promises.hung(seen) == []
    # No ban: nothing beyond what the provider allows. What is allowed is used.
    assert stats["busiest"] <= RATE * (1 + UNEVEN_S) + BURST
    assert stats["requests"] > RATE * SECONDS / 3
    # The flood of new keys does not keep away what is asked for most.
    assert all(one.good for one in popular)
    assert popular[-1].age_s < 20


@proves("cold-start")
async def test_every_key_is_fetched_in_the_end_though_nobody_asks_again(tmp_path):
    keys, clients, rate, burst = 600, 600, 80, 10
    with fault_origin() as origin:
        house = write_house(
            tmp_path,
            origin.url,
            rate_per_s=rate,
            burst=burst,
            timeout_s=1,
            retries=0,
            window_s=3,
            max_stale_s=60,
            idle_after_s=60,
        )
        with running(house):
            wait_for(lambda: house.metrics("metrics")['holdover_degraded{dependency="sidecar"}'] == 0)
            crowd = Crowd(house.ports["reverse"], (), sound)
            targets = [f"/v4/sports/soccer_epl/odds?regions=r{n}" for n in range(keys)]
            asked = await asyncio.gather(*(poll(crowd, targets[n::clients], math.inf) for n in range(clients)))
            assert any(one.status == 503 for [one] in asked)
            wait_for(lambda: house.metrics("admin")['holdover_cache_objects{tier="disk"}'] == keys)
        stats = origin.stats()
    assert stats["busiest"] <= rate * (1 + UNEVEN_S) + burst


def shares(client: int) -> list[str]:
    """The keys of one client: together they ask for all."""
    return [f"/v4/sports/soccer_epl/odds?regions=r{n}" for n in range(client, KEYS, CLIENTS)]


async def poll(crowd: Crowd, targets: list[str], until: float, pause_s: float = 0.0):
    connection, seen = Connection(crowd.port), []
    for target in targets:
        if time.time() > until:
            break
        seen.append(await crowd.ask(0, Question(HOST, target), connection))
        await asyncio.sleep(pause_s)
    connection.close()
    return seen
