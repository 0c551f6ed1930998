"""More than usual: metrics that are read all the time, and far more keys than the provider allows calls."""

import asyncio
import threading
import time

from scripts.rig import HOST, emulator, running, write_house
from scripts.soak.clients import Connection, Crowd, Question
from tests.faults.load import Load
from tests.faults.table import ROWS, proves

SCRAPES_PER_S = 20
KEYS, CLIENTS, RATE, SECONDS = 5_000, 40, 50, 8


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
        began = time.time()
        time.sleep(2)
        load.until_newer()
        stop.set()
        for thread in threads:
            thread.join()
        seconds = time.time() - began
    assert len(read) > SCRAPES_PER_S * seconds / 3
    assert load.failures() == []
    assert load.backwards() == 0


@proves("cold-start")
async def test_thousands_of_keys_are_demanded_of_an_empty_cache(tmp_path):
    """All keys are asked for again and again, a popular one by a client of its own."""
    with emulator(latency_p50_ms=30, latency_p95_ms=60, rate=RATE + 10) as provider:
        house = write_house(
            tmp_path, provider.url, rate_per_s=RATE, burst=RATE // 5, timeout_s=3, retries=0, window_s=5
        )
        with running(house):
            crowd = Crowd(house.ports["reverse"], (), lambda *_: True)
            until = time.time() + SECONDS
            seen = await asyncio.gather(
                poll(crowd, ["/v4/sports/soccer_epl/odds?regions=us"] * 10**6, until, pause_s=0.1),
                *(poll(crowd, shares(client), until) for client in range(CLIENTS)),
            )
        by_status = provider.stats()["by_status"]
    popular, others = seen[0], [one for mine in seen[1:] for one in mine]
    # No ban: the provider never had to say that it is too much.
    assert set(by_status) == {"200"}
    # What is allowed is used.
    assert int(by_status["200"]) > RATE * SECONDS / 2
    assert {one.status for one in others} <= {200} | ROWS["cold-start"].statuses
    assert not [one for one in (*popular, *others) if one.error]
    assert max(one.at - one.asked_at for one in others) < 3 + 3
    # The flood of new keys does not keep away what is asked for most.
    assert [one for one in popular if one.status != 200][1:] == []
    assert popular[-1].age_s < 10
    print(len(others), len(popular), by_status)
    served = [one for one in others if one.status == 200]
    print(len(served))
    assert len(served) > RATE * SECONDS / 2


def shares(client: int) -> list[str]:
    """The keys of one client: together they ask for all."""
    return [f"/v4/sports/soccer_epl/odds?regions=us&eventIds={n}" for n in range(client, KEYS, CLIENTS)]


async def poll(crowd: Crowd, targets: list[str], until: float, pause_s: float = 0.0):
    connection, seen = Connection(crowd.port), []
    for target in targets:
        if time.time() > until:
            break
        seen.append(await crowd.ask(0, Question(HOST, target), connection))
        await asyncio.sleep(pause_s)
    connection.close()
    return seen
