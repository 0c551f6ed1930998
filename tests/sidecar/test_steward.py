"""The steward with the real parts that it steers, in front of a provider on loopback."""

import asyncio
import math
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from holdover import learning
from holdover.canonical import CanonicalRequest
from holdover.credential import Credential
from holdover.phase import Phase
from holdover.providers.profile import Evidence, Knowledge
from holdover.rules import Rules
from holdover.store.ledger import utc_day
from sidecar.refresh.economy import Overall
from sidecar.refresh.shadow import Comparison
from tests.sidecar.scene import calm, odds, until

QUOTA = {"remaining": "x-left", "resets": "daily"}
PROBE = {"name": "sports", "path": "/sports", "window_s": 3600, "max_stale_s": 3600, "cost": 0.0}
FAST = {"window_s": 10, "max_stale_s": 600}
SPORT = "/v4/sports/epl/odds"
THE_ODDS_API = {
    "profile": "the-odds-api",
    "projection": {"kinds": ["markets"]},
    "shadow": {"one_in": 1, "credits_per_day": 7},
}
ODDS = {"path": "/v4/sports/{sport}/odds", "lists": ["markets", "regions"], "cost": 1.0}


def left(**by_key: float):
    """Answers as a provider that tells each key what it has left."""

    async def says(request: web.BaseRequest) -> web.Response:
        key = request.query["apiKey"].removesuffix("-key")
        return web.json_response([], headers={"x-left": str(by_key[key])} if key in by_key else {})

    return says


@asynccontextmanager
async def running(scene):
    task = asyncio.create_task(scene.steward.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def told(scene, *partitions):
    """Keys in demand whose accounts have heard of their quotas."""
    for partition in partitions:
        scene.refresher.demand(odds("epl", partition))
        await scene.filler.fill(odds("epl", partition), 0.0, "client")


def stretch_of(scene, partition):
    items = scene.refresher._schedules["vendor"]._items.values()
    [found] = [item.stretch for item in items if item.request.partition == partition]
    return found


async def test_each_plan_is_stretched_by_its_own_quota(scene_of, origin):
    origin.says = left(plain=1e9, gold=3, free=1e9)
    scene = scene_of(FAST, quota=QUOTA)
    await told(scene, "", "gold", "free")
    await scene.steward._tend(scene.provider)
    assert [stretch_of(scene, name) for name in ("", "gold", "free")] == [1, pytest.approx(48, rel=0.01), 1]
    assert scene.value("budget_affordable") == 0
    assert scene.value("refresh_stretch", phase="unknown") == pytest.approx(48, rel=0.01)


async def test_what_is_left_to_one_plan_does_not_pay_for_another(scene_of, origin):
    origin.says = left(plain=0.5, gold=1e9)
    scene = scene_of(FAST, quota=QUOTA)
    await told(scene, "", "gold")
    await scene.steward._tend(scene.provider)
    assert stretch_of(scene, "") > 10
    assert stretch_of(scene, "gold") == 1


async def test_the_budget_command_finds_the_worst_plan_and_the_sum(scene_of, origin):
    origin.says = left(plain=1e9, gold=1e9)
    scene = scene_of(FAST, quota=QUOTA)
    await told(scene, "", "gold")
    before = time.time()
    await scene.steward._tend(scene.provider)
    [(name, state)] = scene.ledger.learnt("vendor", "governor").items()
    assert name == "state"
    assert state.keys() == {"stretch", "affordable", "per_day", "at"}
    assert state["stretch"] == {"unknown": 1}
    assert state["affordable"] is True
    assert state["per_day"] == pytest.approx(2 * 2 * 8640)
    assert before <= state["at"] <= time.time()


async def test_a_phase_that_is_over_is_stretched_no_more(scene_of):
    scene = scene_of()
    rounds: tuple[dict[Phase, float], ...] = ({"in_play": 3.0, "far": 9.0}, {"far": 2.0})
    for longest in rounds:
        scene.steward._show(scene.provider, Overall({}, {}, longest, affordable=True, per_day=0.0))
    assert scene.value("refresh_stretch", phase="in_play") == 1
    assert scene.value("refresh_stretch", phase="far") == 2


async def test_plans_are_probed_each_with_its_own_key(scene_of, origin):
    origin.says = left(plain=5, gold=6, free=7)
    scene = scene_of({}, PROBE, quota={**QUOTA, "probe": "/sports"})
    await scene.steward._tend(scene.provider)
    await scene.steward._tend(scene.provider)
    assert sorted(origin.asked) == [("/sports", "free-key"), ("/sports", "gold-key"), ("/sports", "plain-key")]
    for name, remaining in (("", 5), ("gold", 6), ("free", 7)):
        account = await scene.filler.books.account(scene.provider, name)
        assert account.remaining(time.time()) == remaining


async def test_a_used_up_plan_is_probed_again_and_found_refilled(scene_of, origin):
    origin.says = left(plain=5, gold=0, free=5)
    clock = time.time()
    scene = scene_of({}, PROBE, quota={**QUOTA, "probe": "/sports"})
    scene.steward._clock = lambda: clock
    await scene.steward._tend(scene.provider)
    account = await scene.filler.books.account(scene.provider, "gold")
    assert account.frozen(time.time())
    origin.says = left(plain=5, gold=500, free=5)
    await scene.steward._tend(scene.provider)
    assert origin.count("gold-key") == 1, "not before its time"
    clock += 61
    await scene.steward._tend(scene.provider)
    assert not account.frozen(time.time())
    assert origin.count("plain-key") == 1


async def test_tenants_are_not_probed_while_nothing_is_amiss(scene_of, origin):
    scene = scene_of(
        calm(),
        PROBE,
        quota={**QUOTA, "probe": "/sports"},
        clients="own",
        credential={"query": "apiKey"},
        classes={},
        secrets={},
    )
    request = odds(partition="t1")
    await scene.filler.fill(request, 0.0, "client", credential=Credential(query=(("apiKey", "k1"),)))
    scene.refresher.demand(request)
    await scene.steward._tend(scene.provider)
    assert origin.asked == [("/odds/epl", "k1")]
    account = await scene.filler.books.account(scene.provider, "t1")
    account.freeze(time.time())
    await scene.steward._tend(scene.provider)
    assert origin.asked[1:] == [("/sports", "k1")]


def narrow(regions: str = "uk") -> CanonicalRequest:
    return replace(odds(markets="h2h", regions=regions), path=SPORT)


async def both_planned(scene):
    """One of two requests is made from the other by now."""
    wide = replace(odds(markets="h2h,totals", regions="uk"), path=SPORT)
    for request in (wide, narrow()):
        scene.refresher.demand(request)
    await scene.steward._tend(scene.provider)
    assert scene.filler.projections.carrier(narrow(), time.time()) == wide


async def test_what_comparing_took_today_is_remembered_over_a_restart(scene_of, origin, ledger):
    """One comparison takes up to five credits of seven, so there is one in a day, whoever is started how often."""

    async def says(request: web.BaseRequest) -> web.Response:
        return web.json_response([{"id": "e1"}])

    origin.says = says
    for start in range(3):
        scene = scene_of({**ODDS, **calm()}, **THE_ODDS_API)
        await both_planned(scene)
        asked = len(origin.asked)
        scene.refresher.compare([narrow()])
        await scene.steward._compare(scene.provider)
        assert (len(origin.asked) > asked) == (start == 0)
        assert not scene.refresher.to_compare
    fact = ledger.learnt("vendor", "shadow")["spent"]
    assert fact["day"] == utc_day(time.time())
    assert 0 < fact["credits"] <= 7


async def test_another_day_has_credits_of_its_own(scene_of, origin, ledger):
    ledger.learn("vendor", "shadow", "spent", {"day": "2020-01-01", "credits": 7.0})
    scene = scene_of({**ODDS, **calm()}, **THE_ODDS_API)
    await both_planned(scene)
    asked = len(origin.asked)
    scene.refresher.compare([narrow()])
    await scene.steward._compare(scene.provider)
    assert len(origin.asked) > asked


async def test_what_a_stop_interrupts_was_paid_for(scene_of, origin, ledger):
    scene = scene_of({**ODDS, **calm()}, **THE_ODDS_API)
    await both_planned(scene)
    hang, asked = asyncio.Event(), len(origin.asked)

    async def says(_: web.BaseRequest) -> web.Response:
        await hang.wait()
        return web.json_response([])

    origin.says = says
    scene.refresher.compare([narrow()])
    task = asyncio.create_task(scene.steward._compare(scene.provider))
    await until(lambda: len(origin.asked) > asked)
    task.cancel()
    hang.set()
    with suppress(asyncio.CancelledError):
        await task
    assert ledger.learnt("vendor", "shadow")["spent"]["credits"] == 5


def board(markets: str) -> list[dict[str, Any]]:
    quoted = [{"key": key, "outcomes": [{"name": "A", "price": 1.5}]} for key in markets.split(",")]
    books = [{"key": "acme", "markets": quoted}]
    return [{"id": "e1", "commence_time": "2099-01-01T00:00:00Z", "bookmakers": books}]


async def test_comparisons_verify_what_they_show_and_no_more(scene_of, origin, ledger):
    """Two boards without events are equal whatever the kind does."""
    quiet = True

    async def says(request: web.BaseRequest) -> web.Response:
        return web.json_response([] if quiet else board(request.query["markets"]))

    origin.says = says
    shadow = {"one_in": 1, "credits_per_day": 1000, "verified_after": 2}
    scene = scene_of({**ODDS, **calm()}, **{**THE_ODDS_API, "shadow": shadow})
    await both_planned(scene)

    async def compared(times: int) -> frozenset[str]:
        for _ in range(times):
            scene.refresher.compare([narrow()])
            await scene.steward._compare(scene.provider)
        return scene.filler.projections.learnt["vendor"].verified if scene.filler.projections.learnt else frozenset()

    assert await compared(3) == frozenset()
    assert ledger.learnt("vendor", "projection") == {}
    assert scene.value("shadow_comparisons_total", result="vacuous") == 3
    quiet = False
    assert await compared(1) == frozenset()
    assert await compared(1) == {"markets"}
    assert learning.read(ledger, "vendor").verified == {"markets"}
    assert scene.value("shadow_comparisons_total", result="equal") == 2


REGIONS = {"us": ["x", "y"], "uk": ["z"], "eu": ["w"]}
BY_REGION = {
    "profile": "the-odds-api",
    "projection": {"kinds": ["regions"], "learn_regions": True},
    "shadow": {"one_in": 1, "credits_per_day": 1000, "verified_after": 2},
}


async def by_region(request: web.BaseRequest) -> web.Response:
    """A board with all bookmakers of the regions, each at a price of its own."""
    keys = sorted({key for region in request.query["regions"].split(",") for key in REGIONS[region]})
    quoted = [
        {"key": key, "markets": [{"key": "h2h", "outcomes": [{"name": "A", "price": 1.5 + len(key)}]}]}
        for key in keys
    ]
    return web.json_response([{"id": "e1", "commence_time": "2099-01-01T00:00:00Z", "bookmakers": quoted}])


def regional(scene_of):
    return scene_of({**ODDS, **calm()}, **BY_REGION)


async def fetched(scene, *regions):
    for region in regions:
        scene.refresher.demand(narrow(region))
        await scene.filler.fill(narrow(region), time.time(), "client")


async def compared(scene, region, times=1):
    for _ in range(times):
        scene.refresher.compare([narrow(region)])
        await scene.steward._compare(scene.provider)


async def test_each_region_is_used_after_comparisons_of_its_own_and_over_a_restart(scene_of, origin, ledger):
    origin.says = by_region
    scene = regional(scene_of)
    await fetched(scene, "us", "uk")
    assert learning.read(ledger, "vendor").regions == {}
    await compared(scene, "us", times=2)
    known = scene.filler.projections.knowledge(scene.provider)
    assert (known.regions, known.apart) == ({"us": {"x", "y"}}, {"us": {"z"}})
    assert scene.value("shadow_comparisons_total", result="equal") == 2
    await scene.steward._tend(scene.provider)

    again = regional(scene_of)
    await again.filler.recall()
    assert again.filler.projections.knowledge(again.provider) == known
    wide = narrow("uk,us")
    assert again.filler.projections.allowed(again.provider, wide, narrow("us"), time.time())
    assert not again.filler.projections.allowed(again.provider, wide, narrow("uk"), time.time())
    await fetched(again, "us", "uk")
    await compared(again, "uk", times=2)
    assert again.filler.projections.knowledge(again.provider).apart == {"us": {"z"}, "uk": {"x", "y"}}
    assert again.filler.projections.allowed(again.provider, wide, narrow("uk"), time.time())


async def test_a_difference_by_regions_forgets_what_was_learnt_of_them(scene_of, origin, ledger):
    """A bookmaker that left its region stays in what was learnt of it; nobody could ever trust that again."""
    origin.says = by_region
    scene = regional(scene_of)
    await fetched(scene, "us", "uk")
    await compared(scene, "us", times=2)
    await scene.steward._tend(scene.provider)
    assert learning.read(ledger, "vendor").regions.keys() == {"us", "uk"}
    found = Comparison("different", frozenset({"regions"}), 5.0)
    await scene.steward._conclude(scene.provider, narrow("us").key, found, time.time())
    await scene.steward._tend(scene.provider)
    for known in (scene.filler.projections.learnt["vendor"], learning.read(ledger, "vendor")):
        assert (known.regions, known.apart, known.switched_off) == ({}, {}, {"regions"})


async def test_a_difference_by_another_kind_leaves_regions_alone(scene_of, origin, ledger):
    origin.says = by_region
    scene = regional(scene_of)
    await fetched(scene, "us", "uk")
    await scene.steward._tend(scene.provider)
    found = Comparison("different", frozenset({"markets"}), 5.0)
    await scene.steward._conclude(scene.provider, narrow("us").key, found, time.time())
    assert learning.read(ledger, "vendor").regions.keys() == {"us", "uk"}
    assert scene.filler.projections.learnt["vendor"].regions.keys() == {"us", "uk"}


async def test_what_the_direct_answer_of_a_comparison_told_is_written(scene_of, origin, ledger):
    origin.says = by_region
    scene = regional(scene_of)
    await fetched(scene, "us", "uk")
    await scene.steward._tend(scene.provider)
    REGIONS["us"].append("new")
    try:
        await compared(scene, "us")
        await scene.steward._tend(scene.provider)
    finally:
        REGIONS["us"].remove("new")
    assert learning.read(ledger, "vendor").regions["us"] == {"x", "y", "new"}


async def test_what_is_in_use_and_what_is_on_trial_are_both_compared(scene_of, origin, monkeypatch):
    """`events` in use, regions on trial."""
    origin.says = by_region
    kinds = {"kinds": ["regions", "events"], "learn_regions": True}
    scene = scene_of({**ODDS, "lists": ["eventIds", "markets", "regions"]}, **{**BY_REGION, "projection": kinds})
    await fetched(scene, "us", "uk")
    both: list[list[CanonicalRequest]] = []

    def choose(wider: list[CanonicalRequest]) -> CanonicalRequest:
        both.append(wider)
        return wider[0]

    monkeypatch.setattr("random.choice", choose)
    one = replace(narrow("us"), query=(("eventIds", "e1"), *narrow("us").query))
    scene.refresher.compare([one])
    await scene.steward._compare(scene.provider)
    [[used, tried]] = both
    assert (dict(used.query)["regions"], dict(tried.query)["regions"]) == ("us", "uk,us")
    assert "eventIds" not in dict(used.query)


async def test_a_kind_that_did_nothing_is_not_verified_with_one_that_did(scene_of, ledger):
    scene = scene_of(ODDS, **{**THE_ODDS_API, "shadow": {"verified_after": 1}})
    found = Comparison("equal", frozenset({"markets", "events"}), 3.0, evidence=Evidence(frozenset({"markets"})))
    await scene.steward._conclude(scene.provider, narrow().key, found, time.time())
    assert scene.filler.projections.learnt["vendor"].verified == {"markets"}
    assert ledger.learnt("vendor", "projection").keys() == {"markets"}


async def test_trouble_with_one_provider_does_not_end_the_steward(scene_of, origin, monkeypatch, caplog):
    monkeypatch.setattr("sidecar.refresh.steward.INTERVAL_S", 0.01)
    origin.says = left(plain=1e9)
    scene = scene_of(FAST, quota=QUOTA)
    await told(scene, "")
    kept, broken = scene.refresher.kept, True

    def sometimes(provider):
        if broken:
            raise ValueError("broken")
        return kept(provider)

    monkeypatch.setattr(scene.refresher, "kept", sometimes)
    async with running(scene):
        await until(lambda: "could not be looked after" in caplog.text)
        broken = False
        await until(lambda: "state" in scene.ledger.learnt("vendor", "governor"))
    assert scene.metrics.registry.get_sample_value("holdover_internal_errors_total", {"where": "steward"}) >= 1
    assert scene.value("budget_affordable") == 1


async def test_every_provider_leaves_its_state(scene_of, rules_of, origin, ledger):
    """Each of them on its own beat: the first does not keep the second from being written."""
    origin.says = left(plain=1e9)
    scene = scene_of(FAST, quota=QUOTA)
    await told(scene, "")
    [second] = rules_of(FAST, quota=QUOTA, name="second", hosts=["api.second.test"]).providers
    rules = Rules([scene.provider, second])
    for part in (scene.filler, scene.refresher, scene.steward):
        part.use(rules)
    scene.refresher.demand(replace(odds(), provider="second"))
    for provider in rules.providers:
        await scene.steward._tend(provider)
    assert "state" in ledger.learnt("vendor", "governor")
    assert "state" in ledger.learnt("second", "governor")


async def test_what_stands_is_shown_also_when_nothing_is_called_and_nothing_is_kept(scene_of, origin):
    scene = scene_of(projection={"kinds": ["markets"]}, profile="the-odds-api")
    account = await scene.filler.books.account(scene.provider)
    account.balance = replace(account.balance, dead=True, frozen_until=math.inf, remaining=7.0, told_at=time.time())
    scene.filler.projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"markets"}))
    await scene.steward._tend(scene.provider)
    names = (
        "upstream_credential_dead",
        "upstream_quota_frozen",
        "upstream_quota_remaining",
        "refresh_overdue_seconds",
    )
    assert [scene.value(name) for name in names] == [1, 1, 7, 0]
    assert scene.value("projection_switched_off", kind="markets") == 1
    account.balance = replace(account.balance, dead=False, frozen_until=None)
    scene.filler.projections.learnt.clear()
    await scene.steward._tend(scene.provider)
    assert [scene.value(name) for name in names] == [0, 0, 7, 0]
    assert scene.value("projection_switched_off", kind="markets") == 0
