"""The refresher with its filler, store and ledger, in front of a provider on loopback."""

import asyncio
import math
import time
from dataclasses import replace
from functools import partial

from aiohttp import web

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.intake import Failed, Fetched
from holdover.rules import Rules
from sidecar.refresh import worker as module
from sidecar.refresh.schedule import Due
from sidecar.refresh.starts import Starts
from tests.sidecar.scene import calm, odds, until

SLOW = {"rate_per_s": 0.1, "burst": 1, "retries": 0}
PACED = {"window_s": 30, "starts": "begins", "pace": {"in_play_s": 1, "near_from_s": 60}}


async def seen(scene, request, credential=NOBODY):
    filled = await scene.filler.fill(request, 0.0, "client", credential=credential)
    assert isinstance(filled.result, Fetched)
    scene.refresher.seen(filled.result)
    return filled.result.entry


def board(begins: float):
    async def says(_: web.BaseRequest) -> web.Response:
        return web.json_response([{"begins": time.time() + begins}])

    return says


def window(scene):
    [kept] = scene.refresher.kept("vendor")
    return kept.window_s


async def test_a_demanded_key_is_fetched_again_and_again_in_the_background(scene_of, origin):
    scene = scene_of()
    assert scene.refresher.demand(odds())
    await until(lambda: origin.count("plain-key") >= 2)
    assert scene.refresher.keys == 1
    assert scene.value("refresh_keys") == 1


async def test_what_is_asked_for_first_and_demanded_afterwards_has_the_window_of_its_phase(scene_of, origin):
    """With a client's own credential nothing can be kept fresh before the provider accepted it."""
    origin.says = board(-10)
    scene = scene_of(PACED, clients="own", credential={"query": "apiKey"}, classes={}, secrets={})
    request, own = odds(partition="tenant"), Credential(query=(("apiKey", "k1"),))
    assert not scene.refresher.demand(request)
    entry = await seen(scene, request, own)
    assert scene.refresher.demand(request)
    assert window(scene) == 1
    assert scene.refresher.kept("vendor")[0].board == entry.board
    await until(lambda: origin.count("k1") >= 2)


async def test_what_is_demanded_first_and_answered_from_the_store_has_the_window_of_its_phase(scene_of, origin):
    origin.says = board(-10)
    scene = scene_of(PACED)
    await scene.filler.fill(odds(), 0.0, "client")
    scene.refresher.demand(odds())
    assert window(scene) == 30
    await seen(scene, odds())
    assert window(scene) == 1


async def test_refreshes_leave_the_reserve_to_clients(scene_of, origin):
    """A call costs 2 credits."""

    async def says(_: web.BaseRequest) -> web.Response:
        return web.json_response([], headers={"x-left": str(15 - 2 * len(origin.asked))})

    origin.says = says
    scene = scene_of({}, {"name": "free", "path": "/free", "cost": 0}, quota={"remaining": "x-left", "reserve": 8.0})
    free = replace(odds(), route="free", path="/free")
    for request in (odds(), odds("nba"), free):
        scene.refresher.demand(request)
    await until(lambda: origin.count("plain-key", "/free") >= 4)
    assert origin.count("plain-key", "/odds") <= 3, "the third would leave less than 8 by what was told"
    before = origin.count("plain-key", "/odds")
    await until(lambda: origin.count("plain-key", "/free") >= 6)
    assert origin.count("plain-key", "/odds") == before
    filled = await scene.filler.fill(odds(), time.time(), "client")
    assert isinstance(filled.result, Fetched), "a client may use it"


async def test_refreshes_under_way_together_leave_the_reserve_too(scene_of, origin):
    left = 20

    async def says(_: web.BaseRequest) -> web.Response:
        nonlocal left
        left -= 6
        told = left
        await asyncio.sleep(0.2)
        return web.json_response([], headers={"x-left": str(told)})

    origin.says = says
    scene = scene_of({"cost": 6.0}, quota={"remaining": "x-left", "reserve": 10.0})
    account = await scene.filler.books.account(scene.provider, "")
    account.told((("x-left", "20"),), time.time())
    for number in range(6):
        scene.refresher.demand(odds(f"s{number}"))
    await until(lambda: origin.asked)
    await until(lambda: not account.promised)
    assert left == 14


async def test_what_was_kept_before_a_restart_has_the_window_of_its_phase(scene_of, origin):
    origin.says = board(-10)
    entry = (await scene_of(PACED).filler.fill(odds(), 0.0, "client")).result.entry
    scene = scene_of(PACED)
    scene.refresher.carry_on(entry)
    assert window(scene) == 1
    scene.refresher.carry_on(replace(entry, status=404, request=odds("nba")))
    assert scene.refresher.keys == 1


async def test_a_pause_of_one_plan_does_not_stop_the_others(scene_of, origin):
    async def says(request: web.BaseRequest) -> web.Response:
        paused = request.query["apiKey"] == "plain-key"
        return web.json_response([], status=429 if paused else 200, headers={"Retry-After": "3600"} if paused else {})

    origin.says = says
    scene = scene_of()
    for number in range(30):
        scene.refresher.demand(odds(f"s{number}"))
    await until(lambda: origin.count("plain-key") >= 1)
    account = await scene.filler.books.account(scene.provider)
    await until(lambda: account.pause_until > time.time() + 3000)
    await until(lambda: not scene.refresher._running)
    heard = origin.count("plain-key")
    scene.refresher.demand(odds("epl", "gold"))
    await until(lambda: origin.count("gold-key") >= 2)
    assert origin.count("plain-key") == heard


async def test_what_was_put_off_comes_when_the_pause_ends(scene_of, origin):
    scene = scene_of()
    account = await scene.filler.books.account(scene.provider)
    account.pause_until = time.time() + 2
    scene.refresher.demand(odds())
    scene.refresher.demand(odds("epl", "gold"))
    await until(lambda: origin.count("plain-key") >= 1)
    assert time.time() >= account.pause_until
    assert origin.count("gold-key") >= 1


async def test_spent_tokens_of_one_plan_do_not_stop_the_others(scene_of, origin):
    """Ten seconds for each token: what waited for one within the fetcher would take all the places to run in."""
    scene = scene_of(limits={**SLOW, "concurrency": 4})
    for number in range(20):
        scene.refresher.demand(odds(f"s{number}"))
    await until(lambda: origin.count("plain-key") >= 1)
    scene.refresher.demand(odds("epl", "gold"))
    await until(lambda: origin.count("gold-key") >= 1)
    assert origin.count("plain-key") == 1


async def test_nothing_turns_while_an_account_has_to_wait(scene_of, origin, monkeypatch):
    scene = scene_of(limits=SLOW)
    for number in range(20):
        scene.refresher.demand(odds(f"s{number}"))
    await until(lambda: origin.count("plain-key") >= 1)
    await until(lambda: not scene.refresher._running)
    turns, real = 0, Starts.wait

    def counted(*args):
        nonlocal turns
        turns += 1
        return real(*args)

    monkeypatch.setattr(Starts, "wait", counted)
    await asyncio.sleep(0.5)
    assert turns <= 5


async def test_a_provider_that_fails_is_left_alone_for_all_plans(scene_of, origin):
    async def says(_: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=500)

    origin.says = says
    limits = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0, "breaker_failures": 2, "breaker_open_s": 3600}
    scene = scene_of(limits=limits)
    for partition in ("", "gold"):
        scene.refresher.demand(odds("epl", partition))
    await until(lambda: len(origin.asked) >= 2)
    await until(lambda: not scene.refresher._running)
    asked, started = len(origin.asked), scene.value("refresh_schedule_lag_seconds_count")
    scene.refresher.demand(odds("epl", "free"))
    await asyncio.sleep(1.5)
    assert len(origin.asked) == asked
    assert scene.value("refresh_schedule_lag_seconds_count") == started, "not even tried"


async def test_refreshes_go_on_when_the_provider_can_be_called_again(scene_of, origin, tmp_path, caplog):
    ca_file = tmp_path / "ca.pem"
    scene = scene_of(ca_file=ca_file)
    scene.refresher.demand(odds())
    await until(lambda: "cannot be called" in caplog.text)
    await asyncio.sleep(0.1)
    scene.filler.upstream._ca_file = None
    await until(lambda: origin.count("plain-key") >= 2)


async def test_a_group_larger_than_its_time_out_becomes_visible_in_parts(scene_of, origin, caplog):
    """Five at once and five a second; after two seconds what has come is published, and the rest follows."""
    limits = {"rate_per_s": 5.0, "burst": 5, "retries": 0, "timeout_s": 2.0, "breaker_failures": 100}
    scene = scene_of({"group": "boards", **calm()}, limits=limits)
    route = scene.rules.route("vendor", "odds")
    requests = [odds(f"s{number}") for number in range(25)]
    now = time.time()
    for request in requests:
        scene.refresher._schedule("vendor").demand(request, route.settings, now, now - 2 * calm()["window_s"])
    await until(lambda: len(origin.asked) >= 25)
    await until(lambda: not scene.refresher._running)
    assert len({path for path, _ in origin.asked}) == 25
    assert len(origin.asked) == 25, "none is asked for twice"
    assert "fail" not in caplog.text
    for request in requests:
        stored = await scene.filler.shelf.stored(request.key)
        assert stored is not None
    incomplete = scene.value("generations_total", group="boards", result="incomplete")
    assert incomplete is not None
    assert incomplete >= 1


async def test_a_client_does_not_wait_behind_a_large_group(scene_of, origin):
    limits = {"rate_per_s": 5.0, "burst": 5, "retries": 0, "timeout_s": 2.0}
    scene = scene_of({"group": "boards", "window_s": 20}, {"name": "other", "path": "/other"}, limits=limits)
    route = scene.rules.route("vendor", "odds")
    for number in range(40):
        scene.refresher._schedule("vendor").demand(odds(f"s{number}"), route.settings, time.time(), 0.0)
    await until(lambda: len(origin.asked) >= 5)
    other = replace(odds(), route="other", path="/other")
    filled = await scene.filler.fill(other, 0.0, "client")
    assert isinstance(filled.result, Fetched)


async def test_what_a_client_had_fetched_newly_has_its_group_fetched_too(scene_of, origin):
    """Once per window; what the client had is not asked for again."""
    scene = scene_of({"group": "boards", **calm()})
    known = [odds(f"s{number}") for number in range(3)]
    for request in known:
        filled = await scene.filler.fill(request, 0.0, "client")
        scene.refresher.seen(filled.result)
        assert scene.refresher.demand(request)
    assert len(origin.asked) == 3, "together"
    await asyncio.sleep(1.2)
    cold, next_cold = odds("s8"), odds("s9")
    scene.refresher.seen((await scene.filler.fill(cold, 0.0, "client")).result)
    await until(lambda: len(origin.asked) == 7)
    await until(lambda: not scene.refresher._running)
    shown = [await scene.filler.shelf.stored(request.key) for request in (cold, *known)]
    assert all(entry.requested_at >= shown[0].requested_at for entry in shown)
    await asyncio.sleep(1.2)
    scene.refresher.seen((await scene.filler.fill(next_cold, 0.0, "client")).result)
    await asyncio.sleep(0.5)
    assert len(origin.asked) == 8


async def test_closing_publishes_what_a_group_brought(scene_of, origin):
    limits = {"rate_per_s": 0.1, "burst": 3, "retries": 0, "timeout_s": 600.0}
    scene = scene_of({"group": "boards"}, limits=limits)
    route = scene.rules.route("vendor", "odds")
    requests = [odds(f"s{number}") for number in range(5)]
    for request in requests:
        scene.refresher._schedule("vendor").demand(request, route.settings, time.time(), 0.0)
    await until(lambda: len(origin.asked) == 3)
    await until(lambda: not scene.refresher._running)
    await scene.refresher.close()
    shelf = scene.filler.shelf
    stored = [await shelf.on_disk(partial(shelf._store.get, request.key)) for request in requests]
    assert sum(entry is not None for entry in stored) == 3


async def test_a_provider_that_is_no_longer_configured_is_left_alone(scene_of, origin):
    scene = scene_of()
    scene.refresher.demand(odds())
    await until(lambda: len(origin.asked) >= 1)
    rules = Rules([])
    scene.filler.use(rules)
    scene.refresher.use(rules)
    assert scene.refresher.keys == 0
    assert not scene.refresher.demand(odds())


async def test_partitions_that_are_known_to_fail_are_bounded(scene_of, origin, monkeypatch, caplog):
    """Those of which nothing is kept fresh any more make room; what finds none is not logged again and again."""
    monkeypatch.setattr(module, "MAX_FAILING", 2)
    scene = scene_of()
    failed = Failed("no answer")
    scene.refresher.demand(odds(partition="gold"))
    for partition in ("gold", "one", "two", "three"):
        scene.refresher._tell(odds(partition=partition), failed)
    assert scene.refresher._failing == {("vendor", "gold"), ("vendor", "three")}
    for _ in range(3):
        scene.refresher._tell(odds(partition="gold"), failed)
    assert [r.getMessage() for r in caplog.records if "fail" in r.getMessage()] == [
        f"refreshes of vendor/{name} fail: no answer" for name in ("gold", "one", "two", "three")
    ]


async def test_plans_fail_and_recover_by_themselves(scene_of, origin, caplog):
    caplog.set_level("INFO")
    good = set[str]()

    async def says(request: web.BaseRequest) -> web.Response:
        fine = request.query["apiKey"] in {"plain-key", *good}
        return web.json_response([], status=200 if fine else 500)

    origin.says = says
    limits = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0, "breaker_failures": 100}
    scene = scene_of(limits=limits)
    for partition in ("", "gold"):
        scene.refresher.demand(odds("epl", partition))
    await until(lambda: origin.count("plain-key") >= 3 and origin.count("gold-key") >= 2)
    told = [r.getMessage() for r in caplog.records if r.name == "holdover.refresh"]
    assert told == ["refreshes of vendor/gold fail: status 500"]
    good.add("gold-key")
    await until(lambda: "refreshes of vendor/gold succeed again" in caplog.text)


async def test_an_account_does_not_start_more_than_it_allows(scene_of):
    provider = scene_of(limits={"rate_per_s": 0.01, "burst": 3}).provider
    account = Account(provider.settings.quota, provider.settings.limits)
    starts = Starts(time.time)
    for left in (True, True, True, False):
        assert (starts.wait(odds(), account) == 0) == left
        starts.count(odds(), account)
    assert starts.wait(odds("epl", "gold"), account) == 0
    waits = []
    for _ in range(3):
        account.rate.take(time.monotonic())
        waits.append(starts.wait(odds(), account))
    assert all(one > 100 for one in waits)
    account.pause_until = time.time() + 1e6
    assert starts.wait(odds(), account) > 9e5


async def test_what_a_proxy_fetched_by_itself_is_known_to_the_sidecar_that_is_told_of_it(scene_of, origin):
    """Its phase, and what narrower may be made of it: nothing is paid twice."""
    markets = [{"key": key, "outcomes": [{"name": "A", "price": 2.1}]} for key in ("h2h", "totals")]
    books = [{"key": "one", "title": "One", "last_update": "2026-01-01T00:00:00Z", "markets": markets}]

    async def says(_: web.BaseRequest) -> web.Response:
        event = {"id": "e" * 32, "commence_time": "2000-01-01T00:00:00Z", "bookmakers": books}
        return web.json_response([{**event, "sport_key": "epl", "home_team": "A", "away_team": "B"}])

    origin.says = says
    route = {**PACED, "path": "/v4/sports/{sport}/odds", "starts": "commence_time"}
    settings = {"profile": "the-odds-api", "projection": {"kinds": ["markets"]}, "classes": {}}
    proxy, scene = (scene_of(route, **settings, secrets={"": "plain-key"}) for _ in range(2))
    wide, narrow = (
        replace(odds(regions="us", markets=markets, oddsFormat="decimal"), path="/v4/sports/epl/odds")
        for markets in ("h2h,totals", "h2h")
    )
    await proxy.refresher.close()
    assert isinstance((await proxy.filler.fill(wide, 0.0, "client")).result, Fetched)
    assert await scene.refresher.asked(wide)
    assert window(scene) == 1
    made = await scene.filler.fill(narrow, 0.0, "client")
    assert isinstance(made.result, Fetched)
    assert made.result.entry.made_by == {"markets"}


async def test_what_there_is_no_room_for_is_not_looked_at(scene_of, monkeypatch):
    """A flood of ever new keys would otherwise cost a look in the store each, one after another in each report."""
    scene = scene_of(calm(), max_keys=1)
    looked, stored = [], scene.filler.shelf.stored

    async def look(key):
        looked.append(key)
        return await stored(key)

    monkeypatch.setattr(scene.filler.shelf, "stored", look)
    assert await scene.refresher.asked(odds("first"))
    assert not await scene.refresher.asked(odds("second"))
    assert await scene.refresher.asked(odds("first"))
    assert looked == [odds("first").key]


async def test_what_is_made_of_a_wider_answer_is_made_anew_when_that_comes_for_a_client(scene_of, origin):
    """At its own time it would be asked for, and paid, once more."""

    async def says(_: web.BaseRequest) -> web.Response:
        prices = [{"name": "A", "price": 1.0 + len(origin.asked) / 100}]
        markets = [{"key": name, "outcomes": prices} for name in ("h2h", "totals")]
        return web.json_response([{"id": "a", "bookmakers": [{"key": "x", "markets": markets}]}])

    origin.says = says
    settings = {"profile": "the-odds-api", "projection": {"kinds": ["markets"]}, "classes": {}}
    scene = scene_of(calm(), **settings)
    wide = odds(markets="h2h,totals", regions="us", oddsFormat="american", dateFormat="iso")
    narrow = odds(markets="h2h", regions="us", oddsFormat="american", dateFormat="iso")
    scene.filler.projections.plan("vendor", {narrow.key: wide})
    before = await seen(scene, narrow)
    assert before.projected
    assert scene.refresher.demand(narrow)
    await scene.filler.fill(wide, time.time(), "client")
    await until(lambda: len(origin.asked) >= 2)
    async with asyncio.timeout(30):
        while (after := await scene.filler.shelf.stored(narrow.key)) is None or after.identity == before.identity:
            await asyncio.sleep(0.01)
    assert after.requested_at > before.requested_at
    assert len(origin.asked) == 2
    assert b"1.02" in after.identity


SPACED = {"window_s": 1, "min_interval_s": 0.5, "interval_by": ["sportId"], "parameters": ["sportId", "isLive"]}


async def poll(scene, request):
    """A client's question, as the sidecar's door puts it."""
    scene.refresher.demand(request)
    filled = await scene.filler.fill(request, 0.0, "client", client="a")
    if isinstance(filled.result, Fetched):
        scene.refresher.seen(filled.result)
    return filled.result


def queries(origin):
    asked = []

    async def says(request: web.BaseRequest) -> web.Response:
        asked.append(request.query.get("isLive", ""))
        return web.json_response([len(asked)])

    origin.says = says
    return asked


async def test_what_shares_a_spacing_is_asked_for_in_turn(scene_of, origin):
    """A client whose call could not be made for the spacing alone waits in line with the refreshes, and has answers
    of its own from its first turn on."""
    asked = queries(origin)
    scene = scene_of({**SPACED, "window_s": 0.5, "max_stale_s": 10.0})
    board, live = odds(sportId="1"), odds(sportId="1", isLive="1")
    answers: list[type] = []
    assert isinstance(await poll(scene, board), Fetched)
    began = time.monotonic()
    while len(asked) < 8:
        result = await poll(scene, live)
        if isinstance(result, Failed):
            assert result.reason == "the provider was asked too recently"
            assert result.retry_after is not None
            assert 0 < result.retry_after <= 0.5, "nobody waits longer"
        answers.append(type(result))
        assert isinstance(await poll(scene, board), Fetched)
        await asyncio.sleep(0.05)
    assert time.monotonic() - began >= 7 * 0.5 - 0.1
    assert asked == ["", "1"] * 4
    assert answers.index(Fetched) > 0
    assert Failed not in answers[answers.index(Fetched) :]


async def test_a_flood_of_requests_leaves_the_board_its_turns(scene_of, origin):
    asked = queries(origin)
    scene = scene_of({**SPACED, "window_s": 0.5, "max_stale_s": 3.0, "idle_after_s": 5.0}, max_keys=30)
    board = odds(sportId="1")
    assert isinstance(await poll(scene, board), Fetched)
    number = 0
    while len(asked) < 9:
        for _ in range(10):
            await poll(scene, odds(sportId="1", isLive=f"new{number}"))
            number += 1
        assert isinstance(await poll(scene, board), Fetched), "never older than allowed"
        await asyncio.sleep(0.05)
    assert asked[::2] == [""] * 5
    assert scene.refresher.keys <= 30


async def test_what_nobody_wants_any_more_is_forgotten_in_line(scene_of, origin):
    asked = queries(origin)
    scene = scene_of({**SPACED, "min_interval_s": 5.0, "window_s": 5.0, "max_stale_s": 60, "idle_after_s": 2.0})
    await poll(scene, odds(sportId="1"))
    for number in range(5):
        await poll(scene, odds(sportId="1", isLive=f"new{number}"))
    assert scene.refresher.keys == 6
    await until(lambda: scene.refresher.keys == 0)
    assert asked == [""]


async def test_the_spacing_of_others_holds_after_a_restart(scene_of, origin):
    asked = queries(origin)
    before, after = (scene_of({**SPACED, "min_interval_s": 30, "window_s": 30, "max_stale_s": 60}) for _ in range(2))
    entry = await poll(before, odds(sportId="1"))
    assert isinstance(entry, Fetched)
    after.refresher.carry_on(entry.entry)
    assert isinstance(await poll(after, odds(sportId="1", isLive="1")), Failed)
    assert asked == [""]


async def test_those_in_line_go_on_under_a_changed_configuration(scene_of, origin, rules_of):
    asked = queries(origin)
    scene = scene_of({**SPACED, "min_interval_s": 60, "window_s": 60, "max_stale_s": 60})
    for request in (odds(sportId="1"), odds(sportId="1", isLive="1")):
        await poll(scene, request)
    await until(lambda: scene.refresher._turns.next_at("vendor", time.time()) < math.inf)
    rules = rules_of({**SPACED, "max_stale_s": 60})
    scene.filler.use(rules)
    scene.refresher.use(rules)
    await until(lambda: "1" in asked)


async def test_a_cursor_has_its_turn_once(scene_of, origin):
    """Nobody asks with it again; a client that does has another turn."""
    asked = []

    async def says(request: web.BaseRequest) -> web.Response:
        asked.append(request.query.get("since", ""))
        if asked[-1]:
            return web.Response(content_type="application/json")
        return web.json_response({"sportId": 1, "last": len(asked), "leagues": []})

    origin.says = says
    route = {**SPACED, "path": "/v1/odds/special", "window_s": 0.5, "max_stale_s": 1.2, "idle_after_s": 60}
    scene = scene_of(route, profile="pinnacle")
    board = replace(odds(sportId="1"), path="/v1/odds/special")
    cursor = replace(odds(sportId="1", since="7"), path="/v1/odds/special")
    await poll(scene, board)
    assert isinstance(await poll(scene, cursor), Failed)
    await until(lambda: asked[-1] == "7")
    await until(lambda: len(asked) >= 6)
    assert asked[:6] == ["", "7", "", "", "", ""]
    assert isinstance(await poll(scene, cursor), Failed), "too old by now"
    await until(lambda: asked.count("7") == 2)
    assert isinstance(await poll(scene, cursor), Fetched)


async def test_a_turn_for_which_the_account_has_to_wait_is_kept(scene_of, origin):
    asked = queries(origin)
    limits = {"rate_per_s": 0.5, "burst": 2, "retries": 0}
    scene = scene_of({**SPACED, "min_interval_s": 1.2, "window_s": 30, "max_stale_s": 60}, limits=limits)
    began = time.monotonic()
    await poll(scene, odds(sportId="1"))
    scene.refresher.demand(odds(sportId="1", isLive="1"))
    await until(lambda: scene.refresher._turns.next_at("vendor", time.time()) < math.inf)
    await poll(scene, odds(sportId="2", isLive="2"))
    await until(lambda: len(asked) == 3)
    assert asked == ["", "2", "1"]
    assert time.monotonic() - began >= 1.9, "the account's rate, not the spacing"


async def test_a_turn_that_a_change_of_the_configuration_ends_loses_no_key(scene_of, origin):
    scene = scene_of({**SPACED, "min_interval_s": 1.0, "max_stale_s": 60, "idle_after_s": 60})
    refresher, requests = scene.refresher, [odds(sportId="1", isLive=live) for live in ("0", "1")]
    for request in requests:
        refresher.demand(request)
    await until(lambda: len(origin.asked) >= 3)
    turn_of, changed = refresher._turn, list[CanonicalRequest]()

    async def changing(due):
        found = await turn_of(due)
        line = next(iter(refresher._turns._lines.values()), None)
        if not changed and line is not None and found[0] is not None and line.called == found[0].key:
            changed.append(due.request)
            refresher.use(scene.rules)
            # It has to be put off, too.
            breaker = scene.filler.upstream.fetcher("vendor").limits.breaker
            breaker._count, breaker._open_until = breaker.failures, time.monotonic() + 1
        return found

    refresher._turn = changing
    await until(lambda: changed)
    refresher._turn = turn_of
    item = refresher._schedules["vendor"]._items[changed[0].key]
    await until(lambda: item.fetched_at > time.time() - 1)


async def test_one_unexpected_error_does_not_end_the_refreshing(scene_of, origin, caplog):
    scene = scene_of()
    turn_of, failed = scene.refresher._turn, list[Due]()

    async def failing(due):
        if not failed:
            failed.append(due)
            raise RuntimeError("once")
        return await turn_of(due)

    scene.refresher._turn = failing
    scene.refresher.demand(odds())
    await until(lambda: failed)
    await until(lambda: origin.asked)
    assert "could not be started" in caplog.text
    assert scene.metrics.registry.get_sample_value("holdover_internal_errors_total", {"where": "refresh"}) == 1
