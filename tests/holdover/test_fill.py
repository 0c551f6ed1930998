import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web

from holdover.canonical import CanonicalRequest
from holdover.fill import Filler
from holdover.intake import Failed, Fetched, Refused
from holdover.metrics import Metrics
from holdover.rules import Rules

LIMITS = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0}
ODDS = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds", (("regions", "us"),))


class Vendor:
    """A provider on a loopback port: each answer has another body, and waits until `open` is set."""

    def __init__(self):
        self.asked = []
        self.status = 200
        self.origin = ""
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request):
        self.asked.append(request)
        number = len(self.asked)
        await self.open.wait()
        return web.json_response([number], status=self.status, headers={"ETag": f'"{number}"'})

    async def asked_for(self, count):
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def vendor():
    vendor = Vendor()
    runner = web.ServerRunner(web.Server(vendor.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield vendor
    await runner.cleanup()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def rules_of(vendor, provider_of):
    """The vendor's rules; keywords change the provider's settings."""

    def build(*routes, **changes):
        return Rules([provider_of(*routes, **{"origin": vendor.origin, "limits": LIMITS, **changes})])

    return build


@pytest.fixture
async def filler_of(rules_of, store, open_ledger, metrics):
    """Makes a filler, as another process would have it when asked again."""
    made = []

    def build(over=store, rules=None):
        made.append(Filler(rules or rules_of(), over, open_ledger(), metrics, user_agent="holdover-test"))
        return made[-1]

    yield build
    for filler in made:
        await filler.close()


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"holdover_{name}", labels) or 0.0


def entry_in(filled):
    assert isinstance(filled.result, Fetched)
    return filled.result.entry


async def test_a_fill_ends_in_the_store(vendor, filler_of, store, metrics):
    filled = await filler_of().fill(ODDS, 0.0, "client")
    assert filled.led
    assert entry_in(filled).identity == b"[1]"
    assert store.get(ODDS.key) == entry_in(filled)
    assert value(metrics, "cache_operations_total", tier="disk", operation="put", result="ok") == 1


async def test_fifty_at_once_are_one_request(vendor, filler_of, metrics):
    vendor.open.clear()
    filler = filler_of()
    waiting = [asyncio.create_task(filler.fill(ODDS, time.time(), "client")) for _ in range(50)]
    await vendor.asked_for(1)
    vendor.open.set()
    filled = await asyncio.gather(*waiting)
    assert len(vendor.asked) == 1
    assert sorted(one.led for one in filled) == [False] * 49 + [True]
    assert {id(one.result) for one in filled} == {id(filled[0].result)}
    assert value(metrics, "singleflight_waits_total", scope="node", result="ok") == 49
    assert value(metrics, "singleflight_wait_seconds_count", scope="node") == 49


async def test_a_failure_reaches_everybody_once(vendor, filler_of, metrics):
    vendor.open.clear()
    vendor.status = 500
    filler = filler_of()
    waiting = [asyncio.create_task(filler.fill(ODDS, 0.0, "client")) for _ in range(5)]
    await vendor.asked_for(1)
    vendor.open.set()
    filled = await asyncio.gather(*waiting)
    assert all(isinstance(one.result, Refused) for one in filled)
    assert len(vendor.asked) == 1
    assert value(metrics, "singleflight_waits_total", scope="node", result="leader_failed") == 4


async def test_a_leader_that_goes_away_takes_nobody_along(vendor, filler_of, store):
    vendor.open.clear()
    filler = filler_of()
    leader, follower = (asyncio.create_task(filler.fill(ODDS, 0.0, "client")) for _ in range(2))
    await vendor.asked_for(1)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    vendor.open.set()
    assert entry_in(await follower) == store.get(ODDS.key)
    assert len(vendor.asked) == 1


async def test_what_another_process_stored_is_found_inside_the_flight(vendor, filler_of, open_store, metrics):
    other = await filler_of(open_store()).fill(ODDS, 0.0, "refresh")
    found = await filler_of().fill(ODDS, entry_in(other).requested_at, "client")
    assert isinstance(found.result, Fetched)
    assert found.led
    assert found.result.effect is None
    assert found.result.entry == entry_in(other)
    assert len(vendor.asked) == 1


async def test_what_is_too_old_is_asked_for_anew_with_its_validator(vendor, filler_of, store):
    filler = filler_of()
    first = entry_in(await filler.fill(ODDS, 0.0, "client"))
    second = await filler.fill(ODDS, first.requested_at + 0.000_001, "client")
    assert entry_in(second).identity == b"[2]"
    assert vendor.asked[1].headers["If-None-Match"] == '"1"'
    assert store.get(ODDS.key) == entry_in(second)


async def test_an_entry_from_the_future_is_not_taken_for_new(vendor, filler_of, store, entry_of):
    store.put(replace(entry_of(at=time.time() + 500), request=ODDS), time.time() + 501)
    filled = await filler_of().fill(ODDS, 0.0, "client")
    assert entry_in(filled).identity == b"[1]"
    assert store.get(ODDS.key) == entry_in(filled)


async def test_the_entry_that_stands_is_served_when_the_fetched_one_is_older(vendor, filler_of, open_store, entry_of):
    vendor.open.clear()
    waiting = asyncio.create_task(filler_of().fill(ODDS, time.time(), "client"))
    await vendor.asked_for(1)
    # Asked for and answered while the first fetch is still under way: that one may be of an older state.
    newer = replace(entry_of(at=time.time(), took=0.5), request=ODDS)
    open_store().put(newer, time.time())
    vendor.open.set()
    assert entry_in(await waiting) == newer


async def test_a_locked_store_serves_all_the_same(vendor, filler_of, folder, lock_holder, metrics):
    filler = filler_of()
    with lock_holder(folder / "changes"):
        filled = await filler.fill(ODDS, 0.0, "client")
        assert entry_in(filled).identity == b"[1]"
        assert value(metrics, "degraded", dependency="store") == 1
        assert value(metrics, "internal_errors_total", where="store") == 1
    assert await filler.stored(ODDS.key) is None
    assert entry_in(await filler.fill(ODDS, 0.0, "client")).identity == b"[2]"
    assert value(metrics, "degraded", dependency="store") == 0


async def test_a_route_that_the_configuration_no_longer_has(vendor, filler_of, rules_of, route_of):
    filler = filler_of()
    filler.use(rules_of(route_of(name="scores")))
    filled = await filler.fill(ODDS, 0.0, "client")
    assert filled.result == Failed("the configuration does not allow to call the provider")
    unknown = await filler.fill(replace(ODDS, provider="nobody"), 0.0, "client")
    assert isinstance(unknown.result, Failed)
    assert not vendor.asked


async def test_calls_under_way_end_with_the_old_configuration(vendor, filler_of, rules_of):
    vendor.open.clear()
    filler = filler_of()
    waiting = asyncio.create_task(filler.fill(ODDS, 0.0, "client"))
    await vendor.asked_for(1)
    old = filler.fetcher("vendor")
    filler.use(rules_of(limits={**LIMITS, "timeout_s": 3.0}))
    assert old is not None
    assert filler.fetcher("vendor") is not old
    vendor.open.set()
    assert entry_in(await waiting).identity == b"[1]"
    await old.close()


async def test_close_closes_what_was_replaced_too(filler_of, rules_of):
    filler = filler_of()
    old = filler.fetcher("vendor")
    assert old is not None
    filler.use(rules_of(limits={**LIMITS, "timeout_s": 3.0}))
    await asyncio.sleep(0)
    await filler.close()
    closed = old._session.closed
    await old.close()
    assert closed


async def test_a_fetcher_whose_provider_did_not_change_stays(filler_of, rules_of):
    filler = filler_of()
    fetcher = filler.fetcher("vendor")
    filler.use(rules_of())
    assert filler.fetcher("vendor") is fetcher
    assert filler.fetcher("nobody") is None


async def test_close_ends_what_flies(vendor, filler_of):
    vendor.open.clear()
    filler = filler_of()
    waiting = asyncio.create_task(filler.fill(ODDS, 0.0, "client"))
    await vendor.asked_for(1)
    await filler.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
