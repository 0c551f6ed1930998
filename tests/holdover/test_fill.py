import asyncio
import json
import time
from dataclasses import replace

import pytest
from aiohttp import web

from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.exchange import Request
from holdover.fill import Filler
from holdover.intake import Failed, Fetched, Refused
from holdover.key import Cacheable, plan
from holdover.metrics import Metrics
from holdover.providers.profile import Knowledge
from holdover.rules import Rules

LIMITS = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0}
ODDS = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds", (("regions", "us"),))


class Vendor:
    """A provider on a loopback port: each answer has another body unless `says` makes it from the request; it waits
    until `open` is set."""

    def __init__(self):
        self.asked = []
        self.status = 200
        self.says = None
        self.origin = ""
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request):
        self.asked.append(request)
        number = len(self.asked)
        await self.open.wait()
        if self.says is not None:
            return self.says(request)
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

    def build(over=store, rules=None, clock=time.time):
        made.append(
            Filler(rules or rules_of(), over, open_ledger(), metrics, user_agent="holdover-test", clock=clock)
        )
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


@pytest.mark.parametrize("ahead", [30.0, 90.0], ids=["past the window", "past the limit"])
async def test_a_client_does_not_take_what_is_new_enough_for_a_refresh_alone(vendor, filler_of, ahead):
    """Another process has asked since the sidecar looked last, and then nobody could for long."""
    await filler_of().fill(ODDS, 0.0, "client")
    filler = filler_of(clock=lambda: time.time() + ahead)
    filled = await asyncio.gather(filler.fill(ODDS, 0.0, "refresh"), filler.fill(ODDS, 0.0, "client"))
    assert [entry_in(each).identity for each in filled] == [b"[1]", b"[2]"]


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
    assert await filler.shelf.stored(ODDS.key) is None
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
    old = filler.upstream.fetcher("vendor")
    filler.use(rules_of(limits={**LIMITS, "timeout_s": 3.0}))
    assert old is not None
    assert filler.upstream.fetcher("vendor") is not old
    vendor.open.set()
    assert entry_in(await waiting).identity == b"[1]"
    await old.close()


async def test_close_closes_what_was_replaced_too(filler_of, rules_of):
    filler = filler_of()
    old = filler.upstream.fetcher("vendor")
    assert old is not None
    filler.use(rules_of(limits={**LIMITS, "timeout_s": 3.0}))
    await asyncio.sleep(0)
    await filler.close()
    closed = old._session.closed
    await old.close()
    assert closed


async def test_a_fetcher_whose_provider_did_not_change_stays(filler_of, rules_of):
    filler = filler_of()
    fetcher = filler.upstream.fetcher("vendor")
    filler.use(rules_of())
    assert filler.upstream.fetcher("vendor") is fetcher
    assert filler.upstream.fetcher("nobody") is None


async def test_close_ends_what_flies(vendor, filler_of):
    vendor.open.clear()
    filler = filler_of()
    waiting = asyncio.create_task(filler.fill(ODDS, 0.0, "client"))
    await vendor.asked_for(1)
    await filler.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# Answers made from wider ones


FORMS = {"dateFormat": "iso", "oddsFormat": "decimal"}
MARKETS = {
    "parameters": [],
    "lists": ["regions", "markets", "bookmakers", "eventIds"],
    "defaults": FORMS,
    "items": "",
}


def odds(**query):
    pairs = {**FORMS, "markets": "h2h", "regions": "us", **query}
    return replace(ODDS, query=tuple(sorted((name, value) for name, value in pairs.items() if value)))


WIDE = odds(markets="h2h,spreads")
H2H, SPREADS = odds(), odds(markets="spreads")


def board(request, *, without=()):
    """As the provider answers: the markets asked for, of two bookmakers, for two events."""
    bookmakers = request.query.get("bookmakers", "x,y").split(",")
    events = request.query.get("eventIds", "a,b").split(",")
    answer = [
        {
            "id": event,
            "bookmakers": [
                {"key": book, "markets": [{"key": market} for market in request.query["markets"].split(",")]}
                for book in bookmakers
                if (event, book) not in without
            ],
        }
        for event in events
    ]
    return web.json_response(answer, headers={"ETag": f'"{request.path_qs}"', "x-last": "1"})


@pytest.fixture
def projecting(rules_of, route_of, vendor):
    """Rules of a vendor whose answers hold one another."""
    vendor.says = board

    def build(**changes):
        kinds = {"kinds": ["markets", "bookmakers", "events"]}
        return rules_of(route_of(**MARKETS), profile="the-odds-api", projection=kinds, **changes)

    return build


def seen(filled):
    """Markets by event of what was answered."""
    return {e["id"]: [m["key"] for b in e["bookmakers"] for m in b["markets"]] for e in json.loads(filled.identity)}


async def test_two_narrow_keys_are_one_wide_call(vendor, filler_of, projecting, store, metrics):
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE, SPREADS.key: WIDE})
    vendor.open.clear()
    asking = [asyncio.create_task(filler.fill(key, 0.0, "client")) for key in (H2H, SPREADS)]
    await vendor.asked_for(1)
    vendor.open.set()
    h2h, spreads = [await task for task in asking]
    [asked] = vendor.asked
    assert asked.query["markets"] == "h2h,spreads"
    assert seen(entry_in(h2h)) == {"a": ["h2h", "h2h"], "b": ["h2h", "h2h"]}
    assert seen(entry_in(spreads)) == {"a": ["spreads", "spreads"], "b": ["spreads", "spreads"]}
    assert [store.get(key.key) for key in (H2H, SPREADS)] == [entry_in(h2h), entry_in(spreads)]
    assert store.get(WIDE.key).requested_at == entry_in(h2h).requested_at
    assert entry_in(h2h).projected == "markets"
    # One of them caused the call, the other shared it.
    assert [one.result.effect for one in (h2h, spreads)].count("changed") == 1
    assert [one.result.effect for one in (h2h, spreads)].count(None) == 1
    assert value(metrics, "projections_total", upstream="vendor", route="odds", result="made") == 2


async def test_without_a_plan_what_costs_no_more_is_asked_for(vendor, filler_of, projecting):
    filler = filler_of(rules=projecting())
    first = await filler.fill(odds(eventIds="a"), 0.0, "client")
    second = await filler.fill(odds(eventIds="b"), 0.0, "client")
    [asked] = vendor.asked
    assert "eventIds" not in asked.query
    assert (list(seen(entry_in(first))), list(seen(entry_in(second)))) == (["a"], ["b"])


async def test_what_is_stored_already_serves_what_it_holds(vendor, filler_of, projecting):
    filler = filler_of(rules=projecting())
    wide = entry_in(await filler.fill(WIDE, 0.0, "client"))
    narrow = await filler.fill(SPREADS, wide.requested_at, "client")
    assert len(vendor.asked) == 1
    assert isinstance(narrow.result, Fetched)
    assert narrow.result.effect is None, "nobody paid for it"
    assert narrow.result.entry.requested_at == wide.requested_at
    newer = entry_in(await filler.fill(SPREADS, wide.requested_at + 0.000_001, "client"))
    assert vendor.asked[1].query["markets"] == "spreads"
    assert newer.projected == ""


async def test_what_is_made_of_a_held_answer_is_not_seen_before_it(vendor, filler_of, projecting, store):
    filler = filler_of(rules=projecting())
    generation = filler.shelf.begin([WIDE.key, H2H.key])
    wide = entry_in(await filler.fill(WIDE, 0.0, "refresh"))
    asking = asyncio.create_task(filler.fill(SPREADS, wide.requested_at, "client"))
    async with asyncio.timeout(20):
        while generation.holds(SPREADS.key) is None:
            await asyncio.sleep(0.005)
    assert not asking.done()
    assert [store.get(key.key) for key in (WIDE, SPREADS)] == [None, None]
    await generation.deadline()
    narrow = entry_in(await asking)
    assert [store.get(key.key) for key in (WIDE, SPREADS)] == [wide, narrow]
    assert len(vendor.asked) == 1


async def test_what_a_kind_made_is_not_given_after_it_was_switched_off(vendor, filler_of, projecting, store):
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE})
    entry_in(await filler.fill(H2H, 0.0, "client"))
    by_book = entry_in(await filler.fill(odds(markets="h2h,spreads", bookmakers="x", regions=""), 0.0, "client"))
    assert (store.get(H2H.key).projected, by_book.projected) == ("markets", "bookmakers")
    filler.projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"markets"}))
    assert await filler.shelf.stored(H2H.key) is None
    await filler.shelf.withdraw("vendor")
    assert store.get(H2H.key) is None
    assert store.get(WIDE.key) is not None
    assert store.get(by_book.key) is not None
    assert entry_in(await filler.fill(H2H, 0.0, "client")).projected == ""


async def test_a_kind_that_is_switched_off_while_it_is_at_work_leaves_nothing(vendor, filler_of, projecting, store):
    filler = filler_of(rules=projecting())
    entry_in(await filler.fill(WIDE, 0.0, "client"))
    generation = filler.shelf.begin([H2H.key])
    held = entry_in(await filler.fill(H2H, 0.0, "refresh"))
    assert held.projected == "markets"
    filler.projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"markets"}))
    await filler.shelf.withdraw("vendor")
    await generation.leave(H2H.key)
    assert generation.done.is_set()
    assert store.get(H2H.key) is None


async def test_what_the_content_refuses_is_asked_for_directly(vendor, filler_of, projecting, metrics):
    """Event b has no bookmaker y; what the provider makes of that is its own affair."""
    vendor.says = lambda request: board(request, without={("b", "y")})
    filler = filler_of(rules=projecting())
    wide, narrow = odds(regions="", bookmakers="x,y"), odds(regions="", bookmakers="y")
    filler.projections.plan("vendor", {narrow.key: wide})
    found = entry_in(await filler.fill(narrow, 0.0, "client"))
    assert [asked.query["bookmakers"] for asked in vendor.asked] == ["x,y", "y"]
    assert seen(found) == {"a": ["h2h"], "b": []}
    assert found.projected == ""
    assert value(metrics, "projections_total", upstream="vendor", route="odds", result="refused") == 1
    await filler.fill(narrow, time.time(), "client")
    assert [asked.query["bookmakers"] for asked in vendor.asked] == ["x,y", "y", "y"], "not tried again at once"


async def test_what_is_absent_of_the_wide_request_may_be_there_of_the_narrow_one(vendor, filler_of, projecting):
    def says(request):
        return board(request) if request.query["markets"] == "h2h" else web.json_response([], status=422)

    vendor.says = says
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE})
    assert seen(entry_in(await filler.fill(H2H, 0.0, "client"))) == {"a": ["h2h", "h2h"], "b": ["h2h", "h2h"]}
    assert [asked.query["markets"] for asked in vendor.asked] == ["h2h,spreads", "h2h"]


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_provider_in_trouble_is_not_asked_twice_for_one_request(vendor, filler_of, projecting, status):
    vendor.says = lambda _: web.json_response({}, status=status)
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE})
    result = (await filler.fill(H2H, 0.0, "client")).result
    assert isinstance(result, Refused)
    assert result.response.status == status
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("status", [429, 500])
async def test_where_the_provider_fails_the_good_wider_answer_from_before_is_cut(
    vendor, filler_of, projecting, store, status, planned
):
    """Who asks the narrow request for the first time, as each new cursor of a delta is, has no other answer."""
    filler = filler_of(rules=projecting())
    if planned:
        filler.projections.plan("vendor", {H2H.key: WIDE})
    wide = entry_in(await filler.fill(WIDE, 0.0, "client"))
    vendor.says = lambda _: web.json_response({}, status=status)
    result = (await filler.fill(H2H, time.time(), "client")).result
    assert isinstance(result, Refused), "what the provider said is not hidden"
    made = store.get(H2H.key)
    assert seen(made) == {"a": ["h2h", "h2h"], "b": ["h2h", "h2h"]}
    assert made.requested_at == wide.requested_at


async def test_what_is_made_in_need_is_neither_too_old_nor_older_than_what_there_is(
    vendor, filler_of, projecting, store
):
    clock = Clock()
    filler = filler_of(rules=projecting(), clock=clock)
    filler.projections.plan("vendor", {H2H.key: WIDE})
    await filler.fill(WIDE, 0.0, "client")
    filler.projections.plan("vendor", {})
    own = entry_in(await filler.fill(H2H, time.time(), "client"))
    filler.projections.plan("vendor", {H2H.key: WIDE})
    vendor.says = lambda _: web.json_response({}, status=500)
    await filler.fill(H2H, time.time(), "client")
    assert store.get(H2H.key) == own
    clock.ahead = 10_000
    await filler.fill(SPREADS, clock(), "client")
    assert store.get(SPREADS.key) is None


async def test_a_generation_is_not_complete_with_what_would_be_made_in_need(
    vendor, filler_of, rules_of, route_of, store
):
    rules = rules_of(route_of(**MARKETS, group="all"), profile="the-odds-api", projection={"kinds": ["markets"]})
    vendor.says = board
    filler = filler_of(rules=rules)
    await filler.fill(WIDE, 0.0, "client")
    generation = filler.shelf.begin([H2H.key])
    vendor.says = lambda _: web.json_response({}, status=500)
    await filler.fill(H2H, time.time(), "refresh")
    await generation.leave(H2H.key)
    assert (generation.complete, store.get(H2H.key)) == (False, None)
    await filler.fill(H2H, time.time(), "client")
    assert store.get(H2H.key) is not None


async def test_of_several_wider_answers_the_newest_is_cut_in_need(vendor, filler_of, projecting, store):
    """In whatever order they came to be known."""
    filler = filler_of(rules=projecting())
    others = [odds(markets=f"h2h,{other}") for other in ("lay", "spreads", "totals", "outrights")]
    for wide in others:
        newest = entry_in(await filler.fill(wide, 0.0, "client"))
    vendor.says = lambda _: web.json_response({}, status=500)
    await filler.fill(H2H, time.time(), "client")
    assert store.get(H2H.key).requested_at == newest.requested_at


async def test_what_was_made_of_what_was_made_falls_with_either_kind(vendor, filler_of, projecting, store):
    filler = filler_of(rules=projecting())
    some, narrow = odds(markets="h2h,spreads", eventIds="a"), odds(eventIds="a")
    filler.projections.plan("vendor", {some.key: WIDE, narrow.key: some})
    assert entry_in(await filler.fill(narrow, 0.0, "client")).made_by == {"events", "markets"}
    assert store.get(some.key).made_by == {"events"}
    filler.projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"events"}))
    await filler.shelf.withdraw("vendor")
    assert (store.get(some.key), store.get(narrow.key)) == (None, None)


async def test_a_projection_has_no_validator_of_the_narrow_request(vendor, filler_of, projecting):
    """Its header fields are those of the wide answer, whose ETag says nothing about another URL."""
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE})
    await filler.fill(H2H, 0.0, "client")
    filler.projections.plan("vendor", {})
    await filler.fill(H2H, time.time(), "client")
    assert [asked.query["markets"] for asked in vendor.asked] == ["h2h,spreads", "h2h"]
    assert "If-None-Match" not in vendor.asked[1].headers


async def test_the_wide_call_is_not_the_asking_clients_cost(vendor, filler_of, projecting, open_ledger):
    filler = filler_of(rules=projecting(quota={"last": "x-last"}))
    filler.projections.plan("vendor", {H2H.key: WIDE})
    await filler.fill(H2H, 0.0, "client", client="desk")
    await filler.fill(odds(markets="totals"), 0.0, "client", client="desk")
    await filler.close()
    spent = {row.client: (row.spent, row.calls) for row in open_ledger().usage()}
    assert spent == {"": (1.0, 1), "desk": (1.0, 1)}


# Absences, least intervals


@pytest.mark.parametrize("status", [404, 422])
async def test_an_absence_is_stored_and_not_asked_for_again(vendor, filler_of, store, status):
    vendor.status = status
    filler = filler_of()
    first = entry_in(await filler.fill(ODDS, 0.0, "client"))
    again = await filler.fill(ODDS, first.requested_at, "client")
    assert (first.status, first.identity) == (status, b"[1]")
    assert store.get(ODDS.key) == first == entry_in(again)
    assert len(vendor.asked) == 1


async def test_where_absences_are_not_kept_each_is_passed_on(vendor, filler_of, rules_of, route_of, store):
    vendor.status = 404
    filler = filler_of(rules=rules_of(route_of(negative_s=0)))
    for _ in range(2):
        result = (await filler.fill(ODDS, 0.0, "client")).result
        assert isinstance(result, Refused)
        assert (result.response.status, result.trouble) == (404, False)
    assert len(vendor.asked) == 2
    assert store.get(ODDS.key) is None


class Clock:
    """The time of day, moved ahead by `ahead` seconds."""

    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


async def test_a_key_is_not_asked_for_more_often_than_its_least_interval(vendor, filler_of, rules_of, route_of):
    clock = Clock()
    filler = filler_of(rules=rules_of(route_of(min_interval_s=30)), clock=clock)
    first = await filler.fill(ODDS, 0.0, "client")
    for trigger in ("client", "refresh"):
        again = await filler.fill(ODDS, time.time() + 100, trigger)
        assert again.result == Fetched(entry_in(first), None), "what the last call brought"
    other = await filler.fill(replace(ODDS, path="/v4/sports/nba/odds"), 0.0, "client")
    assert entry_in(other).identity == b"[2]"
    clock.ahead = 31
    assert entry_in(await filler.fill(ODDS, clock(), "client")).identity == b"[3]"


async def test_who_asks_too_soon_after_a_failure_is_told_when(vendor, filler_of, rules_of, route_of):
    filler = filler_of(rules=rules_of(route_of(min_interval_s=30)))
    vendor.status = 500
    await filler.fill(ODDS, 0.0, "client")
    result = (await filler.fill(ODDS, 0.0, "client")).result
    assert isinstance(result, Failed)
    assert result.reason == "the provider was asked too recently"
    assert result.retry_after is not None
    assert 0 < result.retry_after <= 30
    assert len(vendor.asked) == 1


async def test_too_old_an_answer_is_not_given_for_the_interval(vendor, filler_of, rules_of, route_of):
    clock = Clock()
    filler = filler_of(rules=rules_of(route_of(min_interval_s=300)), clock=clock)
    await filler.fill(ODDS, 0.0, "client")
    clock.ahead = 61  # max_stale_s is 60
    result = (await filler.fill(ODDS, clock(), "client")).result
    assert isinstance(result, Failed)
    assert len(vendor.asked) == 1


async def test_the_interval_holds_over_a_restart_and_in_other_processes(vendor, filler_of, rules_of, route_of):
    rules = rules_of(route_of(min_interval_s=30))
    first = await filler_of(rules=rules).fill(ODDS, 0.0, "client")
    again = await filler_of(rules=rules).fill(ODDS, time.time() + 100, "refresh")
    assert again.result == Fetched(entry_in(first), None)
    assert len(vendor.asked) == 1


async def test_a_failed_call_is_not_tried_again_within_the_interval(vendor, filler_of, rules_of, route_of):
    limits = {"retries": 2, "timeout_s": 5.0}
    filler = filler_of(rules=rules_of(route_of(min_interval_s=30), limits=limits))
    vendor.status = 503
    result = (await filler.fill(ODDS, 0.0, "client")).result
    assert isinstance(result, Refused), "the provider's own words, not ours on why it is not tried again"
    assert len(vendor.asked) == 1


async def test_what_was_not_sent_takes_no_turn(vendor, filler_of, rules_of, route_of):
    limits = {"breaker_failures": 1, "breaker_open_s": 1.0, "retries": 0}
    filler = filler_of(rules=rules_of(route_of(min_interval_s=30), limits=limits))
    vendor.status = 500
    await filler.fill(replace(ODDS, path="/v4/sports/nba/odds"), 0.0, "client")
    await filler.fill(ODDS, 0.0, "client")
    assert len(vendor.asked) == 1, "the circuit is open"
    vendor.status = 200
    async with asyncio.timeout(20):
        while not isinstance((await filler.fill(ODDS, 0.0, "client")).result, Fetched):
            await asyncio.sleep(0.05)


async def test_an_interval_may_be_shared_by_requests(vendor, filler_of, rules_of, route_of):
    """Of one sport, whatever else they ask."""
    filler = filler_of(rules=rules_of(route_of(min_interval_s=30, interval_by=["sportId"])))
    queries = [(("sportId", "1"),), (("since", "5"), ("sportId", "1")), (("sportId", "2"),)]
    results = [(await filler.fill(replace(ODDS, query=query), 0.0, "client")).result for query in queries]
    assert [type(result) for result in results] == [Fetched, Failed, Fetched]
    assert len(vendor.asked) == 2


# Accounts


CODES = [
    {"means": "quota", "pointer": "/code", "values": ["SPENT"]},
    {"means": "credential", "pointer": "/code", "values": ["BAD"]},
]
ACCOUNT = {
    "credential": {"env": "KEY", "query": "apiKey", "also": ["X-Key"]},
    "quota": {"remaining": "x-left", "used": "x-used", "last": "x-last", "resets": "monthly"},
    "errors": CODES,
}


def refusing(code, *, status=401, **fields):
    headers = {"X-Word": "verbatim", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return lambda _: web.json_response({"code": code}, status=status, headers=headers)


def nba():
    return replace(ODDS, path="/v4/sports/nba/odds")


async def test_when_the_quota_is_gone_no_call_is_made_and_its_own_words_are_passed_on(
    vendor, filler_of, rules_of, metrics
):
    filler = filler_of(rules=rules_of(**ACCOUNT))
    await filler.fill(ODDS, 0.0, "client")
    vendor.says = refusing("SPENT", x_left="0", x_used="500")
    first = (await filler.fill(ODDS, time.time(), "client")).result
    for request, trigger in ((ODDS, "client"), (nba(), "client"), (nba(), "refresh")):
        again = (await filler.fill(request, time.time(), trigger)).result
        for result in (first, again):
            assert isinstance(result, Refused)
            assert result.trouble
            assert (result.response.status, json.loads(result.response.body)) == (401, {"code": "SPENT"})
            assert ("X-Word", "verbatim") in result.response.headers
    assert len(vendor.asked) == 2
    assert value(metrics, "upstream_quota_frozen", upstream="vendor") == 1
    assert value(metrics, "upstream_quota_remaining", upstream="vendor") == 0


async def test_what_costs_nothing_is_still_asked_for_and_may_end_it(vendor, filler_of, rules_of, route_of, metrics):
    free = route_of(name="sports", path="/v4/sports", cost=0)
    filler = filler_of(rules=rules_of(route_of(), free, **ACCOUNT))
    vendor.says = refusing("SPENT", x_left="-3", x_used="503")
    await filler.fill(ODDS, 0.0, "client")
    assert value(metrics, "upstream_quota_remaining", upstream="vendor") == -3
    told = {"x-left": "-3", "x-used": "503"}
    vendor.says = lambda _: web.json_response([], headers=told)
    sports = replace(ODDS, route="sports", path="/v4/sports")
    assert isinstance((await filler.fill(sports, time.time(), "probe")).result, Fetched)
    assert isinstance((await filler.fill(ODDS, time.time(), "client")).result, Refused)
    told.update({"x-left": "500", "x-used": "0"})
    assert isinstance((await filler.fill(sports, time.time(), "probe")).result, Fetched)
    assert isinstance((await filler.fill(ODDS, time.time(), "client")).result, Fetched)
    assert value(metrics, "upstream_quota_frozen", upstream="vendor") == 0


async def test_after_a_restart_the_quota_is_still_gone(vendor, filler_of, rules_of):
    """The provider's words are forgotten: a client's request hears them anew, a refresh does not ask for them."""
    vendor.says = refusing("SPENT", x_left="0", x_used="500")
    first = filler_of(rules=rules_of(**ACCOUNT))
    await first.fill(ODDS, 0.0, "client")
    await first.close()
    again = filler_of(rules=rules_of(**ACCOUNT))
    assert (await again.fill(ODDS, 0.0, "refresh")).result == Failed(
        "the quota is used up", retry_after=60.0, unheard=True
    )
    assert len(vendor.asked) == 1
    for _ in range(3):
        assert isinstance((await again.fill(ODDS, 0.0, "client")).result, Refused)
    assert len(vendor.asked) == 2


async def test_a_dead_credential_is_not_used_and_its_refusal_is_passed_on(vendor, filler_of, rules_of, metrics):
    filler = filler_of(rules=rules_of(**ACCOUNT))
    vendor.says = refusing("BAD")
    for request in (ODDS, nba(), ODDS):
        result = (await filler.fill(request, 0.0, "client")).result
        assert isinstance(result, Refused)
        assert json.loads(result.response.body) == {"code": "BAD"}
    assert len(vendor.asked) == 1
    assert value(metrics, "upstream_credential_dead", upstream="vendor") == 1
    account = await filler.books.account(filler.projections.rules.provider("vendor"))
    account.check_at = 0.0  # a minute later
    vendor.says = None
    assert isinstance((await filler.fill(ODDS, 0.0, "client")).result, Fetched)
    assert value(metrics, "upstream_credential_dead", upstream="vendor") == 0


async def test_what_calls_cost_is_counted_by_client_and_outlives_the_process(
    vendor, filler_of, rules_of, open_ledger, metrics
):
    vendor.says = lambda _: web.json_response([], headers={"x-last": "6", "x-left": "94"})
    filler = filler_of(rules=rules_of(**ACCOUNT))
    await filler.fill(ODDS, 0.0, "client", client="desk")
    await filler.fill(nba(), 0.0, "refresh")
    await filler.close()
    ledger = open_ledger()
    assert {row.client: (row.spent, row.calls) for row in ledger.usage()} == {"desk": (6.0, 1), "": (6.0, 1)}
    balance = ledger.balance("vendor", "")
    assert balance is not None
    assert (balance.remaining, balance.period_spent) == (94.0, 12.0)
    assert value(metrics, "upstream_credits_spent_total", upstream="vendor", route="odds", trigger="client") == 6


# Credentials of clients


def key_of(request):
    return request.query.get("apiKey")


async def test_a_client_of_whom_nothing_is_known_gets_the_providers_own_answer(vendor, filler_of, rules_of, store):
    rules = rules_of(clients="known", **ACCOUNT)
    asked = Request("GET", "api.vendor.test", f"{ODDS.path}?regions=us&apiKey=client-secret")
    cacheable = plan(asked, rules, b"salt")
    assert isinstance(cacheable, Cacheable)
    filler = filler_of(rules=rules)
    vendor.says = lambda request: web.json_response([key_of(request)], headers={"x-left": "3"})
    good = await filler.upstream.forward(cacheable, "desk")
    assert isinstance(good, Fetched)
    assert good.entry.identity == b'["-"]', "no answer quotes a credential"
    vendor.says = refusing("BAD")
    bad = await filler.upstream.forward(cacheable, "desk")
    assert isinstance(bad, Refused)
    assert (bad.means, bad.response.status) == ("credential", 401)
    assert [key_of(request) for request in vendor.asked] == ["client-secret", "client-secret"]
    assert store.get(ODDS.key) is None
    vendor.says = None
    own = await filler.fill(ODDS, 0.0, "client")
    assert isinstance(own.result, Fetched), "holdover's own account is untouched"
    assert key_of(vendor.asked[-1]) == "own-secret"


async def test_strangers_share_one_rate_and_leave_holdovers_own_calls_alone(vendor, filler_of, rules_of):
    rules = rules_of(clients="known", limits={"rate_per_s": 0.001, "burst": 3, "concurrency": 1}, **ACCOUNT)
    filler = filler_of(rules=rules)
    vendor.open.clear()

    def forward(number):
        target = f"{ODDS.path}?regions=us&apiKey=stranger-{number}"
        cacheable = plan(Request("GET", "api.vendor.test", target), rules, b"salt")
        assert isinstance(cacheable, Cacheable)
        return asyncio.create_task(filler.upstream.forward(cacheable, "desk"))

    strangers = [forward(number) for number in range(5)]
    await vendor.asked_for(1)
    own = asyncio.create_task(filler.fill(ODDS, 0.0, "client"))
    await vendor.asked_for(2)
    vendor.open.set()
    results = await asyncio.gather(*strangers)
    assert isinstance((await own).result, Fetched)
    assert sorted(type(result).__name__ for result in results) == ["Failed"] * 2 + ["Fetched"] * 3
    assert len(vendor.asked) == 4


@pytest.mark.parametrize("code", ["SPENT", "BAD"])
async def test_a_strangers_credential_says_nothing_about_holdovers_own(vendor, filler_of, rules_of, metrics, code):
    rules = rules_of(clients="known", **ACCOUNT)
    filler = filler_of(rules=rules)
    vendor.says = lambda _: web.json_response([], headers={"x-left": "94", "x-used": "6"})
    await filler.fill(ODDS, 0.0, "client")
    cacheable = plan(Request("GET", "api.vendor.test", f"{ODDS.path}?regions=us&apiKey=stranger"), rules, b"salt")
    assert isinstance(cacheable, Cacheable)
    vendor.says = refusing(code, x_left="0", x_used="500")
    await filler.upstream.forward(cacheable, "desk")
    assert value(metrics, "upstream_quota_remaining", upstream="vendor") == 94
    assert value(metrics, "upstream_credential_dead", upstream="vendor") == 0
    assert value(metrics, "upstream_quota_frozen", upstream="vendor") == 0


LENT = {**ACCOUNT, "credential": {"borrow": True, "query": "apiKey"}}
MINE, YOURS = (Credential((("apiKey", f"{who}-secret"),)) for who in ("mine", "yours"))


async def test_refreshes_use_the_last_lent_credential_that_was_accepted(vendor, filler_of, rules_of):
    filler = filler_of(rules=rules_of(**LENT))
    nothing = (await filler.fill(ODDS, 0.0, "refresh")).result
    assert nothing == Failed("there is no credential to call the provider with")
    assert not vendor.asked
    for credential, trigger in ((MINE, "client"), (NOBODY, "refresh"), (YOURS, "client"), (NOBODY, "refresh")):
        assert entry_in(await filler.fill(ODDS, time.time(), trigger, credential=credential))
    assert [key_of(request) for request in vendor.asked] == [
        "mine-secret",
        "mine-secret",
        "yours-secret",
        "yours-secret",
    ]


async def test_a_lent_credential_that_is_refused_is_not_used_again(vendor, filler_of, rules_of):
    filler = filler_of(rules=rules_of(**LENT))
    good = {"mine-secret", "yours-secret"}
    vendor.says = lambda r: web.json_response([]) if key_of(r) in good else refusing("BAD")(r)
    await filler.fill(ODDS, time.time(), "client", credential=MINE)
    bad = Credential((("apiKey", "bad-secret"),))
    assert isinstance((await filler.fill(ODDS, time.time(), "client", credential=bad)).result, Refused)
    assert entry_in(await filler.fill(ODDS, time.time(), "refresh"))
    assert key_of(vendor.asked[-1]) == "mine-secret"
    good.discard("mine-secret")
    assert isinstance((await filler.fill(ODDS, time.time(), "refresh")).result, Refused)
    assert isinstance((await filler.fill(ODDS, time.time(), "refresh")).result, Failed)
    assert entry_in(await filler.fill(ODDS, time.time(), "client", credential=YOURS)), "the others go on"
    assert len(vendor.asked) == 5


async def test_an_absence_does_not_prove_a_lent_credential(vendor, filler_of, rules_of):
    """A provider may look for the thing before it looks at the key."""
    filler = filler_of(rules=rules_of(**LENT))
    vendor.says = lambda _: web.json_response({}, status=404)
    await filler.fill(ODDS, 0.0, "client", credential=MINE)
    assert isinstance((await filler.fill(nba(), 0.0, "refresh")).result, Failed)


async def test_tenants_have_answers_and_accounts_of_their_own(vendor, filler_of, rules_of, store):
    rules = rules_of(**{**ACCOUNT, "clients": "own", "credential": {"query": "apiKey"}})
    filler = filler_of(rules=rules)

    def asking(name):
        found = plan(Request("GET", "api.vendor.test", f"{ODDS.path}?regions=us&apiKey={name}"), rules, b"salt")
        assert isinstance(found, Cacheable)
        return found

    async def fill(name, trigger="client"):
        one = asking(name)
        credential = one.credential if trigger == "client" else NOBODY
        return (await filler.fill(one.canonical, time.time(), trigger, credential=credential)).result

    def says(request):
        if key_of(request) == "spent-tenant":
            return refusing("SPENT", x_left="0")(request)
        # Not the key itself, which no answer quotes.
        return web.json_response([key_of(request).split("-")[0]], headers={"x-left": "50"})

    vendor.says = says
    for name in ("mine-tenant", "yours-tenant"):
        for trigger in ("client", "refresh"):
            result = await fill(name, trigger)
            assert isinstance(result, Fetched)
            assert json.loads(result.entry.identity) == [name.split("-")[0]]
            assert key_of(vendor.asked[-1]) == name
    for _ in range(3):
        assert isinstance(await fill("spent-tenant"), Refused)
    assert [key_of(request) for request in vendor.asked].count("spent-tenant") == 1
    assert isinstance(await fill("mine-tenant"), Fetched), "one tenant's quota is not another's"
    stored = {json.loads(entry.identity)[0] for entry in store.entries()}
    assert stored == {"mine", "yours"}
    assert not any("tenant" in repr(entry.request) for entry in store.entries())


async def test_what_a_generation_holds_is_not_given_once_its_kind_is_found_wrong(vendor, filler_of, projecting):
    filler = filler_of(rules=projecting())
    filler.projections.plan("vendor", {H2H.key: WIDE})
    generation = filler.shelf.begin([H2H.key, "another"])
    assert entry_in(await filler.fill(H2H, 0.0, "refresh")).projected
    filler.projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"markets"}))
    assert await filler.shelf.stored(H2H.key) is None
    again = entry_in(await filler.fill(H2H, 0.0, "refresh"))
    assert not again.projected
    await generation.close()


async def changed_meanwhile(vendor, filler, store):
    """What comes of a fill that was under way when its target was changed."""
    vendor.open.clear()
    filling = asyncio.create_task(filler.fill(ODDS, 0.0, "client"))
    await vendor.asked_for(1)
    store.invalidate(ODDS, time.time())
    vendor.open.set()
    return await filling


async def test_what_was_under_way_at_a_change_is_asked_for_once_more(vendor, filler_of, open_store, store):
    filled = await changed_meanwhile(vendor, filler_of(), open_store())
    assert entry_in(filled).identity == b"[2]"
    assert store.get(ODDS.key) == entry_in(filled)


@pytest.mark.parametrize("fails", [{"status": 503}, {"headers": {"Bad": "\0"}}], ids=["said", "unsaid"])
async def test_if_that_fails_it_is_given_but_not_stored(vendor, filler_of, open_store, store, fails):
    vendor.says = lambda _: web.json_response([1], **({} if len(vendor.asked) == 1 else fails))
    filled = await changed_meanwhile(vendor, filler_of(), open_store())
    assert (entry_in(filled).identity, len(vendor.asked)) == (b"[1]", 2)
    assert store.get(ODDS.key) is None


async def test_what_a_generation_holds_is_not_given_once_its_target_was_changed(vendor, filler_of, store):
    filler = filler_of()
    filler.shelf.begin([ODDS.key, "another"])
    assert entry_in(await filler.fill(ODDS, 0.0, "refresh")).identity == b"[1]"
    assert (await filler.shelf.stored(ODDS.key)).identity == b"[1]"
    store.invalidate(ODDS, time.time())
    assert await filler.shelf.stored(ODDS.key) is None
    assert entry_in(await filler.fill(ODDS, 0.0, "refresh")).identity == b"[2]"


async def test_that_answers_vary_by_what_clients_send_is_said_once(vendor, filler_of, caplog):
    filler = filler_of()
    await filler.fill(ODDS, 0.0, "client")
    assert not caplog.records
    for origin in "ab":
        await filler.fill(replace(ODDS, headers=(("origin", origin),)), 0.0, "client")
    assert [request.headers.get("Origin") for request in vendor.asked] == [None, "a", "b"]
    [record] = caplog.records
    assert "vendor, route odds: the provider's answers vary by what clients send (origin)" in record.getMessage()
