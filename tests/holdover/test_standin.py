import asyncio
import gzip
import json
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from aiohttp import web

import holdover.demand
import holdover.quota
from holdover.answer import Wants
from holdover.config import Config
from holdover.content import revision_of
from holdover.exchange import Request, Response
from holdover.fill import Filled, Filler
from holdover.hot import CHECK_INTERVAL_S
from holdover.intake import Fetched
from holdover.key import Bypass, Cacheable
from holdover.metrics import Metrics
from holdover.quota import Quotas, Told
from holdover.rules import Rules
from holdover.settings import Settings
from holdover.standin import StandIn, Waiting, wants_of
from holdover.wire import decode_request, encode_filled, encode_report

ODDS = "/v4/sports/epl/odds?regions=us"
LIMITS = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0}
QUOTA = {"remaining": "x-requests-remaining", "last": "x-requests-last"}


class Vendor:
    """A provider on a loopback port: each answer has another body, and waits until `open` is set."""

    def __init__(self):
        self.asked = []
        self.status = 200
        self.body = None
        self.fields = {}
        self.origin = ""
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, request):
        self.asked.append(request)
        number = len(self.asked)
        await self.open.wait()
        quota = {"X-Requests-Last": "6", "X-Requests-Remaining": str(100 - 6 * number)}
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body or [number]).encode()
        headers = {"Content-Type": "application/json", **quota, "ETag": f'"{number}"', **self.fields}
        return web.Response(body=body, status=self.status, headers=headers)


class Sidecar:
    """Speaks the sidecar's side of the socket; `change` may alter what it found."""

    def __init__(self, filler):
        self.filler = filler
        self.reports = []
        self.asked = 0
        self.declined = []
        self.broken = False
        self.change = lambda filled: filled

    async def fetch(self, request):
        self.asked += 1
        if self.broken:
            raise web.HTTPInternalServerError
        question = await request.json()
        canonical, alone_s = decode_request(question["request"]), question["alone_s"]
        filled = await self.filler.fill(canonical, question["newer_than"], "client", alone_s=alone_s)
        return web.Response(body=encode_filled(self.change(filled)))

    async def demand(self, request):
        report = await request.json()
        self.reports.append([decode_request(item).key for item in report["asked"]])
        return web.json_response(encode_report(self.declined, self.filler.books.told(0.0)))


class Clock:
    """The time of day, moved ahead by `ahead` seconds."""

    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
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
def clock():
    return Clock()


@pytest.fixture
def config_of(vendor, provider_of, tmp_path):
    def build(*routes, wait_s=20.0, **changes):
        settings = Settings.model_validate({"proxy": {"wait_s": wait_s}, "sidecar": {"socket": "sock"}})
        provider = provider_of(*routes, **{"origin": vendor.origin, "limits": LIMITS, "quota": QUOTA, **changes})
        return Config(tmp_path, settings, Rules([provider]), "")

    return build


@pytest.fixture
async def stand_in_of(config_of, store, open_ledger, metrics, clock):
    """Makes a stand-in that has no sidecar, unless a test brings one."""
    made = []

    def build(routes=(), **changes):
        made.append(StandIn(config_of(*routes, **changes), store, open_ledger(), metrics, clock=clock))
        return made[-1]

    yield build
    for stand_in in made:
        await stand_in.close()


@pytest.fixture
async def stand_in(stand_in_of):
    return stand_in_of()


@pytest.fixture
async def sidecar(config_of, open_store, open_ledger, tmp_path, clock):
    """A sidecar on the socket, with a store handle of its own."""
    filler = Filler(config_of().rules, open_store(), open_ledger(), Metrics(), user_agent="sidecar", clock=clock)
    sidecar = Sidecar(filler)
    app = web.Application()
    app.add_routes([web.post("/fetch", sidecar.fetch), web.post("/demand", sidecar.demand)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "sock").start()
    yield sidecar
    await runner.cleanup()
    await filler.close()


@pytest.fixture
async def linked(stand_in, sidecar):
    """The stand-in with its line to the sidecar up."""
    reporting = asyncio.create_task(stand_in.report_demand())
    await until(lambda: sidecar.reports)
    await until(lambda: stand_in._link.up)
    yield stand_in
    reporting.cancel()


async def next_report(sidecar):
    """Until whatever was asked for before this call has been reported and the answer has come."""
    seen = len(sidecar.reports)
    await until(lambda: len(sidecar.reports) > seen + 1)


def request(target=ODDS, *headers, method="GET"):
    return Request(method, "api.vendor.test", target, headers)


async def get(stand_in, *headers, target=ODDS, method="GET"):
    """Status, header fields by lower-case name, and body of the answer."""
    asked = request(target, *headers, method=method)
    planned = stand_in.plan(asked)
    assert isinstance(planned, Cacheable)
    wants, started = wants_of(asked), time.perf_counter()
    answer = stand_in.hit(planned, wants, started) or await stand_in.miss(planned, wants, started)
    return answer.status, {name.decode().lower(): value.decode() for name, value in answer.fields}, answer.body


def outcomes(metrics):
    """How many requests were answered how."""
    [family] = [f for f in metrics.registry.collect() if f.name == "holdover_client_requests"]
    samples = [s for s in family.samples if s.name.endswith("_total") and s.value]
    assert all((s.labels["upstream"], s.labels["route"]) == ("vendor", "odds") for s in samples)
    return {(s.labels["outcome"], s.labels["code"]): s.value for s in samples}


def tag(body):
    """The ETag of what is stored as `body`."""
    return f'W/"{revision_of(200, body)}"'


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"holdover_{name}", labels) or 0.0


async def test_a_miss_is_paid_and_a_hit_is_not(vendor, stand_in, metrics):
    status, paid, body = await get(stand_in)
    assert (status, body) == (200, b"[1]")
    assert paid["cache-status"] == "holdover; fwd=uri-miss; stored"
    assert (paid["x-requests-last"], paid["etag"]) == ("6", tag(b"[1]"))
    assert "age" not in paid
    status, free, body = await get(stand_in)
    assert (status, body) == (200, b"[1]")
    assert free["cache-status"].startswith("holdover; hit; ttl=")
    assert (free["x-requests-last"], free["etag"], free["age"].isdigit()) == ("0", tag(b"[1]"), True)
    assert len(vendor.asked) == 1
    assert outcomes(metrics) == {("fetched", "2xx"): 1, ("fresh", "2xx"): 1}
    ages = [
        value(metrics, "served_age_seconds_count", upstream="vendor", basis=b) for b in ("fetch", "header", "payload")
    ]
    assert ages == [2, 2, 0]
    assert value(metrics, "client_counterfactual_duration_seconds_count", upstream="vendor") == 2
    assert value(metrics, "client_response_bytes_total", upstream="vendor", outcome="fresh") == 3


async def test_what_the_client_asks_for_shapes_a_hit(stand_in):
    await get(stand_in)
    status, fields, body = await get(stand_in, ("If-None-Match", tag(b"[1]")))
    assert (status, body, fields["etag"]) == (304, b"", tag(b"[1]"))
    assert (await get(stand_in, ("If-None-Match", '"1"')))[0] == 200, "the provider's own tag is not passed on"
    status, fields, body = await get(stand_in, method="HEAD")
    assert (status, body, fields["content-length"]) == (200, b"", "3")
    status, fields, body = await get(stand_in, ("Accept-Encoding", "gzip"))
    assert (status, fields["content-encoding"]) == (200, "gzip")


@pytest.mark.parametrize("proves", [True, False])
async def test_what_anybody_may_have_lets_nobody_in(vendor, stand_in_of, route_of, proves):
    own = {"credential": {"borrow": True, "query": "apiKey"}, "clients": "known"}
    public = route_of(name="sports", path="/v4/sports", proves_credential=proves)
    stand_in = stand_in_of([public, route_of()], **own)
    for target in ("/v4/sports?apiKey=stranger", f"{ODDS}&apiKey=stranger", f"{ODDS}&apiKey=stranger"):
        await get(stand_in, target=target)
    # Let in by the first call, the second one is an ordinary miss and the third one a hit.
    assert len(vendor.asked) == (2 if proves else 3)


async def test_waiters_share_one_fetch_that_one_of_them_paid(vendor, stand_in, metrics):
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in)) for _ in range(20)]
    await until(lambda: vendor.asked)
    vendor.open.set()
    answers = await asyncio.gather(*waiting)
    assert len(vendor.asked) == 1
    assert {(status, body) for status, _, body in answers} == {(200, b"[1]")}
    costs = sorted((fields["x-requests-last"], fields["cache-status"]) for _, fields, _ in answers)
    assert costs == [
        *[("0", "holdover; fwd=uri-miss; collapsed")] * 19,
        ("6", "holdover; fwd=uri-miss; stored"),
    ]
    assert outcomes(metrics) == {("fetched", "2xx"): 1, ("coalesced", "2xx"): 19}
    assert value(metrics, "singleflight_waits_total", scope="node", result="ok") == 19


async def test_without_a_sidecar_nobody_gets_an_answer_past_its_window(vendor, stand_in, clock):
    await get(stand_in)
    clock.ahead = 11
    status, fields, body = await get(stand_in)
    assert (status, body) == (200, b"[2]")
    assert fields["cache-status"] == "holdover; fwd=stale; stored"


@pytest.mark.parametrize(("status", "reason"), [(401, "status 401"), (429, "asked too often"), (500, "status 500")])
async def test_when_the_provider_fails_a_good_answer_stays_until_its_limit(
    vendor, stand_in, clock, metrics, status, reason
):
    await get(stand_in)
    vendor.status = status
    clock.ahead = 50
    got, fields, body = await get(stand_in)
    assert (got, body, fields["x-requests-last"]) == (200, b"[1]", "0")
    assert fields["cache-status"] == f'holdover; fwd=stale; fwd-status={status}; detail="{reason}"'
    assert 50 <= int(fields["age"]) <= 60
    clock.ahead = 61
    got, fields, body = await get(stand_in)
    assert (got, "age" in fields) == (status, False)
    assert body != b"[1]"
    assert outcomes(metrics) == {("fetched", "2xx"): 1, ("stale", "2xx"): 1, ("failed", f"{status // 100}xx"): 1}


async def test_a_refusal_that_is_about_the_content_is_passed_on_at_once(vendor, stand_in, clock, metrics):
    await get(stand_in)
    vendor.status = 400
    clock.ahead = 20
    got, fields, body = await get(stand_in)
    assert (got, body, fields["x-requests-last"]) == (400, b"[2]", "6")
    assert fields["cache-status"] == 'holdover; fwd=stale; fwd-status=400; detail="status 400"'
    assert outcomes(metrics) == {("fetched", "2xx"): 1, ("fetched", "4xx"): 1}


@pytest.mark.parametrize("status", [404, 422])
async def test_an_absence_takes_the_place_of_the_answer_and_is_kept_briefly(
    vendor, stand_in_of, route_of, clock, metrics, status
):
    stand_in = stand_in_of(routes=[route_of(negative_s=30)])
    await get(stand_in)
    vendor.status = status
    clock.ahead = 20
    got, fields, body = await get(stand_in)
    assert (got, body, fields["x-requests-last"]) == (status, b"[2]", "6")
    assert fields["cache-status"] == "holdover; fwd=stale; stored"
    got, fields, body = await get(stand_in)
    assert (got, body, fields["x-requests-last"]) == (status, b"[2]", "0")
    assert fields["cache-status"].startswith("holdover; hit; ttl=")
    assert len(vendor.asked) == 2
    clock.ahead = 31
    assert (await get(stand_in))[2] == b"[3]"
    vendor.status = 500
    assert (await get(stand_in))[0] == 500, "an absence is no answer to fall back on"
    assert outcomes(metrics)["fresh", "4xx"] == 1


async def test_no_provider_at_all(stand_in_of, metrics):
    status, fields, body = await get(stand_in_of(origin="http://127.0.0.1:1"))
    assert status == 502
    assert json.loads(body) == {"message": "holdover: no connection to the provider"}
    assert fields["cache-status"].startswith("holdover; ")
    assert outcomes(metrics) == {("failed", "5xx"): 1}


async def test_who_joins_a_call_that_ends_by_time_out_has_his_own_patience(vendor, stand_in_of):
    stand_in = stand_in_of(limits={**LIMITS, "timeout_s": 1.5})
    vendor.open.clear()
    first = asyncio.create_task(get(stand_in))
    await asyncio.sleep(1.0)
    late = [asyncio.create_task(get(stand_in)) for _ in range(5)]
    assert (await first)[0] == 504
    vendor.open.set()
    answers = await asyncio.gather(*late)
    assert [(status, body) for status, _, body in answers] == [(200, b"[2]")] * 5
    assert len(vendor.asked) == 2


async def test_who_joins_a_call_that_ends_by_time_out_waits_no_longer_than_a_call_may_take(vendor, stand_in_of):
    stand_in = stand_in_of(limits={**LIMITS, "timeout_s": 2.5})
    vendor.open.clear()
    first = asyncio.create_task(get(stand_in))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    late = [asyncio.create_task(get(stand_in)) for _ in range(5)]
    assert {status for status, _, _ in await asyncio.gather(first, *late)} == {504}
    assert 2.4 < time.monotonic() - began < 2.2 + 2.5, "as long as the rest of the call and another one"
    assert len(vendor.asked) == 2
    vendor.open.set()


async def test_who_joins_a_call_that_ends_by_time_out_is_given_what_there_is(vendor, stand_in_of, clock):
    stand_in = stand_in_of(limits={**LIMITS, "timeout_s": 1.5})
    await get(stand_in)
    clock.ahead = 30
    vendor.open.clear()
    first = asyncio.create_task(get(stand_in))
    await asyncio.sleep(0.3)
    late = asyncio.create_task(get(stand_in))
    assert [status for status, _, _ in await asyncio.gather(first, late)] == [200, 200]
    assert len(vendor.asked) == 2
    vendor.open.set()


async def test_a_provider_that_is_left_alone_is_quoted(vendor, stand_in_of):
    stand_in = stand_in_of(limits={**LIMITS, "breaker_failures": 1, "breaker_open_s": 60.0})
    vendor.status = 500
    assert (await get(stand_in))[0] == 500
    status, fields, _ = await get(stand_in)
    assert status == 500
    assert 'detail="the provider fails and is left alone for a moment"' in fields["cache-status"]
    assert len(vendor.asked) == 1


async def test_nobody_waits_longer_than_wait_s_and_the_fetch_goes_on(vendor, stand_in_of, clock):
    stand_in = stand_in_of(wait_s=0.2)
    vendor.open.clear()
    status, _, body = await get(stand_in)
    assert (status, json.loads(body)) == (504, {"message": "holdover: no answer within 0.2 s"})
    vendor.open.set()
    await until(lambda: stand_in._hot.get(stand_in.plan(request()).canonical.key))
    status, fields, body = await get(stand_in)
    assert (status, body, fields["cache-status"][:14]) == (200, b"[1]", "holdover; hit;")
    clock.ahead = 30
    vendor.open.clear()
    status, fields, body = await get(stand_in)
    assert (status, body) == (200, b"[1]")
    assert fields["cache-status"].startswith("holdover; fwd=stale; ")
    assert fields["cache-status"].endswith('; detail="no answer within 0.2 s"')
    assert len(vendor.asked) == 2


async def test_what_another_process_stored_is_a_hit(vendor, stand_in, config_of, open_store, open_ledger):
    other = Filler(config_of().rules, open_store(), open_ledger(), Metrics(), user_agent="other")
    planned = stand_in.plan(request())
    assert isinstance(planned, Cacheable)
    await other.fill(planned.canonical, 0.0, "refresh")
    await other.close()
    status, fields, _ = await get(stand_in)
    assert (status, fields["x-requests-last"]) == (200, "0")
    assert fields["cache-status"].startswith("holdover; hit;")
    assert len(vendor.asked) == 1


# With a sidecar


async def test_a_key_that_the_sidecar_keeps_fresh_is_served_past_its_window(vendor, linked, sidecar, clock, metrics):
    status, fields, _ = await get(linked)
    assert (status, fields["cache-status"], fields["x-requests-last"]) == (200, "holdover; fwd=uri-miss; stored", "6")
    await next_report(sidecar)
    clock.ahead = 15
    _, fields, body = await get(linked)
    assert body == b"[1]"
    assert fields["cache-status"].startswith("holdover; hit; ttl=-")
    assert fields["cache-status"].endswith('; detail="revalidating"')
    assert fields["x-requests-last"] == "0"
    assert outcomes(metrics) == {("fetched", "2xx"): 1, ("stale", "2xx"): 1}
    clock.ahead = 61
    _, fields, body = await get(linked)
    assert (body, fields["cache-status"]) == (b"[2]", "holdover; fwd=stale; stored")
    assert (sidecar.asked, len(vendor.asked)) == (2, 2)
    assert all(asked.headers["User-Agent"] == "sidecar" for asked in vendor.asked)


async def test_a_key_that_the_sidecar_declines_is_not(vendor, linked, sidecar, clock):
    planned = linked.plan(request())
    await get(linked)
    await next_report(sidecar)
    sidecar.declined = [planned.canonical.key]
    clock.ahead = 16  # the demand is told anew after a quarter of idle_after_s, 60
    await get(linked)
    await until(lambda: any(planned.canonical.key in keys for keys in sidecar.reports))
    await until(lambda: linked._hot.get(planned.canonical.key).kept == 0)
    _, fields, body = await get(linked)
    assert (body, fields["cache-status"]) == (b"[2]", "holdover; fwd=stale; stored")


async def test_a_key_that_the_sidecar_fetches_but_declines_is_not_either(vendor, linked, sidecar, clock):
    sidecar.declined = [linked.plan(request()).canonical.key]
    await get(linked)
    await next_report(sidecar)
    clock.ahead = 11
    _, fields, body = await get(linked)
    assert (body, fields["cache-status"]) == (b"[2]", "holdover; fwd=stale; stored")


@pytest.mark.parametrize("how", ["in the store", "joined"])
async def test_what_the_sidecar_did_not_fetch_for_us_was_not_paid(linked, sidecar, how, metrics):
    def change(filled):
        assert isinstance(filled.result, Fetched)
        if how == "joined":
            return Filled(filled.result, led=False)
        return Filled(replace(filled.result, effect=None), led=True)

    sidecar.change = change
    _, fields, _ = await get(linked)
    assert fields["x-requests-last"] == "0"
    assert fields["cache-status"] == "holdover; fwd=uri-miss; collapsed"
    assert outcomes(metrics) == {("coalesced", "2xx"): 1}


async def test_when_the_sidecar_fails_the_stand_in_fetches_itself(vendor, linked, sidecar, clock, store):
    await get(linked)
    sidecar.broken = True
    clock.ahead = 61
    _, fields, body = await get(linked)
    assert (body, fields["cache-status"]) == (b"[2]", "holdover; fwd=stale; stored")
    assert sidecar.asked == 2
    assert vendor.asked[1].headers["User-Agent"] == "holdover"


async def test_who_asks_for_a_part_while_the_provider_fails_gets_it_of_the_whole_from_before(
    vendor, stand_in_of, route_of, clock
):
    lists = route_of(parameters=[], lists=["regions", "markets"], items="")
    projection = {"kinds": ["markets"]}
    stand_in = stand_in_of([lists], profile="the-odds-api", projection=projection, quota={})
    markets = [{"key": name} for name in ("h2h", "spreads")]
    vendor.body = [{"id": "a", "bookmakers": [{"key": "x", "markets": markets}]}]
    whole = f"{ODDS}&markets=h2h,spreads"
    await get(stand_in, target=whole)
    clock.ahead = lists.window_s + 1
    vendor.status, vendor.body = 429, [{}]
    status, fields, body = await get(stand_in, target=f"{ODDS}&markets=spreads")
    assert (status, [market["key"] for market in json.loads(body)[0]["bookmakers"][0]["markets"]]) == (
        200,
        ["spreads"],
    )
    assert int(fields["age"]) > lists.window_s
    assert "fwd-status=429" in fields["cache-status"]
    clock.ahead = lists.max_stale_s + 1
    assert (await get(stand_in, target=f"{ODDS}&markets=h2h"))[0] == 429


async def test_demand_is_told_once_in_a_quarter_of_the_idle_time(linked, sidecar, clock):
    key = linked.plan(request()).canonical.key
    await get(linked)
    for _ in range(5):
        await get(linked)
    clock.ahead = 16  # idle_after_s is 60
    await get(linked)
    await get(linked)
    await until(lambda: any(key in keys for keys in sidecar.reports))
    seen = len(sidecar.reports)
    await get(linked)
    await until(lambda: len(sidecar.reports) > seen)
    assert [key in keys for keys in sidecar.reports].count(True) == 1


@pytest.mark.parametrize(
    ("limit", "most", "target"),
    [
        ("MAX_ASKED", 3, "/v4/sports/league{}/odds?regions=us"),
        ("MAX_ASKED_CHARACTERS", 4_000, f"{ODDS}&long={{}}{'x' * 1_000}"),
    ],
)
async def test_a_report_has_an_end_and_what_found_no_room_is_told_when_next_given(
    linked, sidecar, monkeypatch, limit, most, target
):
    """Whoever asks for ever new keys would make each report longer than the last one, and than the sidecar takes."""
    monkeypatch.setattr(holdover.demand, limit, most)
    targets = [target.format(number) for number in range(8)]
    keys = {linked.plan(request(target)).canonical.key for target in targets}
    async with asyncio.timeout(30):
        while not keys <= {key for report in sidecar.reports for key in report}:
            for target in targets:
                await get(linked, target=target)
            await next_report(sidecar)
    assert max(map(len, sidecar.reports)) == 3


# Plans and changed configuration


PERSONAL = ("Cookie", "Authorization", "x-api-key", "COOKIE", "x-apisports-key", "X-Who")


@pytest.mark.parametrize("field", [(name, "Basic x") for name in PERSONAL])
async def test_a_remembered_plan_is_not_for_who_may_get_something_personal(stand_in_of, field):
    stand_in = stand_in_of(personal=["X-Who"])
    assert isinstance(stand_in.plan(request()), Cacheable)
    assert stand_in.plan(request()) is stand_in.plan(request())
    assert isinstance(stand_in.plan(request(ODDS, field)), Bypass)
    assert isinstance(stand_in.plan(request(method="POST")), Bypass)
    assert isinstance(stand_in.plan(replace(request(), body=b"x")), Bypass)
    assert isinstance(stand_in.plan(request()), Cacheable)


async def test_a_plan_that_header_fields_shape_is_not_remembered(stand_in, config_of, route_of):
    stand_in.use(config_of(route_of(headers=["Accept-Language"])))
    plans = [stand_in.plan(request(ODDS, ("accept-language", language))) for language in ("de", "en")]
    assert plans[0].canonical.key != plans[1].canonical.key


async def test_plans_are_bounded(stand_in):
    for number in range(5000):
        stand_in.plan(request(f"{ODDS}&n={number}"))
    stand_in.plan(request(f"{ODDS}&n={'x' * 3000}"))
    assert len(stand_in._memo) <= 4096
    assert max(len(target) for _, target in stand_in._memo) <= 2048


async def test_a_changed_configuration_is_in_force_at_once(stand_in, config_of, route_of, clock, store, entry_of):
    store.put(entry_of(at=clock(), body=b"[1]"), clock())
    await get(stand_in)
    stand_in.use(config_of(route_of(window_s=100, max_stale_s=200)))
    clock.ahead = 50
    _, fields, body = await get(stand_in)
    assert (body, fields["cache-status"][:14]) == (b"[1]", "holdover; hit;")
    assert fields["x-requests-last"] == "0"
    stand_in.use(config_of(route_of(window_s=100, max_stale_s=200), quota={}))
    assert (await get(stand_in))[1]["x-requests-last"] == "6"
    stand_in.use(config_of(route_of(path="/v5/{sport}")))
    assert isinstance(stand_in.plan(request()), Bypass)


async def test_the_tiers_are_shown(stand_in, metrics):
    await get(stand_in)
    following = asyncio.create_task(stand_in.follow_store())
    await until(lambda: value(metrics, "cache_objects", tier="memory") == 1)
    following.cancel()
    assert value(metrics, "cache_bytes", tier="memory") > 3
    assert value(metrics, "cache_max_bytes", tier="memory") == 268_435_456


@pytest.mark.parametrize(
    ("headers", "wants"),
    [
        ((), Wants()),
        ((("ACCEPT-ENCODING", "gzip"),), Wants(gzip=True)),
        ((("Accept-Encoding", "br"), ("Accept-Encoding", "gzip;q=0.5")), Wants(gzip=True)),
        ((("Accept-Encoding", "gzip;q=0"),), Wants()),
        ((("If-None-Match", '"a"'), ("if-none-match", '"b"')), Wants(if_none_match='"a", "b"')),
    ],
)
def test_what_clients_want(headers, wants):
    assert wants_of(request(ODDS, *headers)) == wants
    assert wants_of(request(ODDS, *headers, method="HEAD")) == replace(wants, head=True)


async def test_a_hit_tells_what_is_left_now_with_a_sidecar_and_without(vendor, stand_in_of, sidecar):
    """A client that watches its quota on one answer sees what all calls took."""
    stand_in, other = stand_in_of(), ODDS.replace("epl", "nba")
    assert other != ODDS

    async def left():
        return (await get(stand_in))[1]["x-requests-remaining"]

    async def left_is(figure):
        async with asyncio.timeout(20):
            while await left() != figure:
                await asyncio.sleep(0.02)

    assert await left() == "94"
    reporting = asyncio.create_task(stand_in.report_demand())
    await get(stand_in, target=other)
    await left_is("88")
    await until(lambda: stand_in._link.up)
    await get(stand_in, target=ODDS.replace("epl", "nfl"))
    assert sidecar.asked == 1
    await left_is("82")
    assert len(vendor.asked) == 3
    assert (await get(stand_in))[1]["x-requests-last"] == "0"
    reporting.cancel()


async def test_how_old_the_prices_are_is_told_of_every_answer_that_has_some(vendor, stand_in_of, clock):
    route = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 5, "max_stale_s": 60}
    stand_in = stand_in_of(routes=[{**route, "updated_at": "/at"}])
    at = datetime.fromtimestamp(time.time() - 33, UTC).isoformat(timespec="seconds")
    vendor.body = {"at": at}
    first = (await get(stand_in))[1]["cache-status"]
    assert re.fullmatch(r'holdover; fwd=uri-miss; stored; detail="payload-age=3[3-9]"', first)
    vendor.status, clock.ahead = 500, 10
    stale = (await get(stand_in))[1]["cache-status"]
    assert re.fullmatch(r'holdover; fwd=stale; fwd-status=500; detail="status 500 payload-age=4[3-9]"', stale)


STRANGERS = {"clients": "known", "credential": {"env": "X", "query": "apiKey"}}


async def test_strangers_who_share_the_first_call_of_all_are_answered_like_it(vendor, stand_in_of, metrics):
    """There is no duration yet to compare with."""
    stand_in = stand_in_of(**STRANGERS)
    join, joined = stand_in._flights.join, []

    def joining(*asked):
        joined.append(asked)
        return join(*asked)

    stand_in._flights.join = joining
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in, target=f"{ODDS}&apiKey=good-good-good")) for _ in range(3)]
    # Whether they are known is asked of the disk, in threads: one may come when the call of the others has ended.
    await until(lambda: vendor.asked and len(joined) == 3)
    vendor.open.set()
    assert [status for status, *_ in await asyncio.gather(*waiting)] == [200] * 3
    assert len(vendor.asked) == 1


async def test_what_is_for_one_stranger_alone_is_for_none_with_the_same_credential(vendor, stand_in_of):
    stand_in = stand_in_of(**STRANGERS)
    vendor.fields = {"Cache-Control": "private"}
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in, target=f"{ODDS}&apiKey=good-good-good")) for _ in range(3)]
    await until(lambda: vendor.asked)
    await asyncio.sleep(0.1)
    vendor.open.set()
    assert len({body for _, _, body in await asyncio.gather(*waiting)}) == len(vendor.asked) == 3


async def test_a_strangers_bad_key_is_no_failure_of_ours(vendor, stand_in_of, metrics):
    stand_in = stand_in_of(**STRANGERS, errors=[{"means": "credential", "status": [401]}])
    vendor.status = 401
    assert (await get(stand_in, target=f"{ODDS}&apiKey=wrong-wrong"))[0] == 401
    assert outcomes(metrics) == {("fetched", "4xx"): 1}


@pytest.mark.parametrize(("clients", "expected"), [("known", 401), ("open", 200)])
async def test_whose_own_credential_is_refused_now_gets_nothing_that_is_stored_for_the_others(
    vendor, stand_in_of, route_of, clock, clients, expected
):
    """Neither the answer from before nor what is made of a wider one."""
    lists = route_of(parameters=[], lists=["regions", "markets"], items="")
    of_the_odds_api = {"profile": "the-odds-api", "projection": {"kinds": ["markets"]}}
    lent = {"credential": {"borrow": True, "query": "apiKey"}, "clients": clients}
    refusals = [{"means": "credential", "status": [401]}]
    stand_in = stand_in_of([lists], **lent, **of_the_odds_api, errors=refusals)
    markets = [{"key": name} for name in ("h2h", "spreads")]
    vendor.body = [{"id": "a", "bookmakers": [{"key": "x", "markets": markets}]}]
    whole, part = (f"{ODDS}&apiKey=good-good&markets={names}" for names in ("h2h,spreads", "spreads"))
    # The first one has it accepted, the second one has it stored.
    for _ in range(2):
        assert (await get(stand_in, target=whole))[0] == 200
    vendor.status = 401
    for target in (whole, part):
        clock.ahead = lists.window_s + 1
        if clients == "known":
            planned = stand_in.plan(request(target))
            stand_in._admission.accepted(planned.provider, planned.credential, clock())
        assert (await get(stand_in, target=target))[0] == expected


async def test_an_alarm_of_a_time_without_a_sidecar_ends_with_it(vendor, stand_in_of, metrics, clock, sidecar):
    stand_in = stand_in_of(errors=[{"means": "credential", "status": [401]}], **{**STRANGERS, "clients": "open"})
    vendor.status = 401
    await get(stand_in)
    assert value(metrics, "upstream_credential_dead", upstream="vendor") == 1
    reporting = asyncio.create_task(stand_in.report_demand())
    await next_report(sidecar)
    assert value(metrics, "upstream_credential_dead", upstream="vendor") == 0
    reporting.cancel()


def test_what_was_told_later_stands_unless_a_clock_stepped_back():
    quotas, now = Quotas(), 1000.0

    def told(at, remaining):
        quotas.take([Told("vendor", "", at, remaining, None)], now)
        found = quotas.of("vendor", "")
        return found.remaining if found else None

    assert told(970.0, 40.0) == 40
    assert told(900.0, 88.0) == 40
    assert told(970.0, 39.0) == 39
    assert told(5000.0, 7.0) == 7
    assert told(990.0, 30.0) == 30


def test_what_was_told_is_bounded(monkeypatch):
    """A tenant has an account of its own, and of them there may be any number."""
    monkeypatch.setattr(holdover.quota, "MAX_TOLD", 3)
    quotas = Quotas()
    for number in range(9):
        quotas.take([Told("vendor", f"tenant-{number}", 970.0 + number, 1.0, None)], 1000.0)
        quotas.take([Told("vendor", "", 970.0, 1.0, None)], 1000.0)
    known = [name for name in ("", *(f"tenant-{number}" for number in range(9))) if quotas.of("vendor", name)]
    assert known == ["", "tenant-7", "tenant-8"]


ALONE = {
    "no-store": {"Cache-Control": "no-store"},
    "private": {"Cache-Control": "private"},
    "vary": {"Vary": "Range"},
}


async def test_the_sidecar_asks_for_each_too(vendor, linked, sidecar):
    await all_get_their_own(vendor, linked, "private", 200)
    assert sidecar.asked >= 11


@pytest.mark.parametrize("says", ALONE)
@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_for_one_alone_is_asked_for_by_each(vendor, stand_in, says, status):
    await all_get_their_own(vendor, stand_in, says, status)


async def all_get_their_own(vendor, stand_in, says, status):
    vendor.fields, vendor.status = ALONE[says], status
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in)) for _ in range(8)]
    await until(lambda: vendor.asked)
    vendor.open.set()
    await until(lambda: len(vendor.asked) > 1)
    # Nobody waits for others: whoever comes now is asked for while none of them has an answer.
    vendor.open.clear()
    waiting += [asyncio.create_task(get(stand_in)) for _ in range(3)]
    vendor.open.set()
    answers = await asyncio.gather(*waiting)
    assert {answer[0] for answer in answers} == {status}
    assert len({answer[2] for answer in answers}) == len(vendor.asked) == 11
    assert not any("stored" in answer[1]["cache-status"] for answer in answers)


@pytest.mark.parametrize(
    ("fields", "status", "calls"), [({}, 500, 1), ({"Cache-Control": "no-store"}, 200, 8)], ids=["shared", "alone"]
)
async def test_what_is_passed_on_is_inflated_beside_the_loop_and_once(
    vendor, stand_in, inflations, fields, status, calls
):
    board = b"[%s]" % (b" " * 15_000_000)
    vendor.fields, vendor.status = {"Content-Encoding": "gzip", **fields}, status
    vendor.body = gzip.compress(board)
    await get(stand_in)
    each = len(inflations)
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in)) for _ in range(8)]
    await until(lambda: len(vendor.asked) == 1 + calls)
    vendor.open.set()
    for answered, told, body in await asyncio.gather(*waiting):
        assert (answered, "content-encoding" in told, body) == (status, False, board)
    assert len(inflations) == each * (1 + calls)
    assert {size for _, size in inflations} == {len(board)}
    assert threading.get_ident() not in {thread for thread, _ in inflations}
    _, told, body = await get(stand_in, ("Accept-Encoding", "gzip"))
    assert (told["content-encoding"], body) == ("gzip", vendor.body)


async def test_calls_for_one_alone_are_under_way_at_once(vendor, stand_in):
    vendor.fields = ALONE["private"]
    await get(stand_in)
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in)) for _ in range(8)]
    await until(lambda: len(vendor.asked) == 9)
    vendor.open.set()
    assert len({body for _, _, body in await asyncio.gather(*waiting)}) == 8


async def test_what_may_be_shared_again_is_shared_again(vendor, stand_in_of, route_of, clock):
    stand_in = stand_in_of([route_of(window_s=2)])
    vendor.fields = ALONE["private"]
    await get(stand_in)
    vendor.fields = {}
    await get(stand_in)
    clock.ahead += 5
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in)) for _ in range(5)]
    await until(lambda: len(vendor.asked) == 3)
    vendor.open.set()
    await asyncio.gather(*waiting)
    assert len(vendor.asked) == 3


async def test_who_waits_for_one_of_his_own_does_so_no_longer_than_for_any(vendor, stand_in_of):
    """The call that was not made yet is not made any more."""
    stand_in = stand_in_of(wait_s=0.6, limits={**LIMITS, "concurrency": 1})
    vendor.fields = ALONE["private"]
    await get(stand_in)
    vendor.open.clear()
    answers = await asyncio.gather(*(get(stand_in) for _ in range(3)))
    assert [status for status, _, _ in answers] == [504] * 3
    # Of those that end together, a later one may have had another's turn for a moment; the vendor hears of that late.
    await asyncio.sleep(0.3)
    asked = len(vendor.asked)
    vendor.open.set()
    await asyncio.sleep(0.3)
    assert len(vendor.asked) == asked


async def test_what_went_on_its_way_from_the_sidecar_is_not_given(vendor, linked, sidecar, open_store):
    """It was stored, then its target was changed, and this process heard of that before it held the answer."""

    def changed(filled):
        if len(vendor.asked) == 1:
            open_store().invalidate(filled.result.entry.request, time.time())
            linked.follow()
        return filled

    sidecar.change = changed
    assert (await get(linked))[2] == (await get(linked))[2] == b"[2]"
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("up", [True, False], ids=["with a sidecar", "alone"])
async def test_what_the_store_cannot_let_go_of_is_not_given(
    vendor, linked, sidecar, folder, lock_holder, open_store, metrics, up
):
    sidecar.broken, other = not up, open_store()
    assert [(await get(linked))[2], (await get(linked))[2]] == [b"[1]"] * 2
    changing, old = request(method="DELETE"), other.get(linked.plan(request()).canonical.key)
    with lock_holder(folder / "changes"):
        await linked.changed(changing, Response(204))
        assert [(await get(linked))[2], (await get(linked))[2]] == [b"[2]"] * 2
        assert other.get(old.key) == old
        assert value(metrics, "internal_errors_total", where="store") >= 1
    following = asyncio.create_task(linked.follow_store())
    await until(lambda: not other.stands(old, time.time()))
    assert other.get(old.key) is None
    following.cancel()


async def test_nor_if_the_provider_may_not_be_asked_yet(vendor, stand_in_of, route_of, folder, lock_holder):
    stand_in = stand_in_of([route_of(min_interval_s=60)])
    assert (await get(stand_in))[2] == b"[1]"
    with lock_holder(folder / "changes"):
        await stand_in.changed(request(method="DELETE"), Response(204))
        assert (await get(stand_in))[0] == 503


def of(*origins):
    return [(("Origin", origin),) if origin else () for origin in origins]


async def all_get(stand_in, headers):
    return [(await get(stand_in, *each))[2] for each in headers]


def saw(vendor):
    return [request.headers.get("Origin") for request in vendor.asked]


@pytest.mark.parametrize("up", [True, False], ids=["with a sidecar", "alone"])
async def test_what_varies_is_given_to_who_sends_the_same(vendor, linked, sidecar, up):
    vendor.fields, sidecar.broken = {"Vary": "Origin"}, not up
    bodies = await all_get(linked, of("", "a", "b", "", "b", "a"))
    assert bodies == [b"[1]", b"[2]", b"[3]", b"[1]", b"[3]", b"[2]"]
    assert saw(vendor) == [None, "a", "b"]


async def test_who_sends_something_is_asked_for_once_where_the_route_is_known_to_vary(vendor, stand_in):
    vendor.fields = {"Vary": "Origin"}
    assert await all_get(stand_in, of("a", "a")) == [b"[2]"] * 2, "at first nobody knows"
    fields = (await get(stand_in, *of("a")[0], target="/v4/sports/nba/odds?regions=us"))[1]
    assert fields["cache-status"] == "holdover; fwd=vary-miss; stored"
    assert saw(vendor) == [None, "a", "a"]


async def test_demand_for_variants_is_told_to_nobody(vendor, linked, sidecar):
    """For each value that clients send it would be a call in every window."""
    vendor.fields = {"Vary": "Origin"}
    await all_get(linked, of("", "a", "", "a"))
    await next_report(sidecar)
    assert {key for report in sidecar.reports for key in report} == {linked.plan(request()).canonical.key}


async def test_an_answer_that_does_not_vary_any_more_is_everybodys(vendor, stand_in, open_store):
    vendor.fields = {"Vary": "Origin"}
    await all_get(stand_in, of("", "a"))
    other, now = open_store(), time.time()
    old = other.get(stand_in.plan(request()).canonical.key)
    other.put(replace(old, headers=(), identity=b"[9]", requested_at=now, received_at=now), now)
    await asyncio.sleep(2 * CHECK_INTERVAL_S)
    assert await all_get(stand_in, of("", "a", "b")) == [b"[9]"] * 3


async def test_who_waits_together_gets_his_own(vendor, stand_in):
    vendor.fields = {"Vary": "Origin"}
    vendor.open.clear()
    waiting = [asyncio.create_task(get(stand_in, *each)) for each in of("a", "b", "a", "", "", "b")]
    await until(lambda: vendor.asked)
    vendor.open.set()
    bodies = [body for _, _, body in await asyncio.gather(*waiting)]
    assert bodies[0] == bodies[2] != bodies[1] == bodies[5]
    assert bodies[3] == bodies[4] == b"[1]"
    assert (saw(vendor)[0], sorted(saw(vendor)[1:])) == (None, ["a", "b"])


@pytest.mark.parametrize("clients", ["open", "known"])
@pytest.mark.parametrize(("sent", "shared"), [(("", ""), True), (("", "b"), False)])
async def test_who_waits_with_another_shares_what_does_not_differ(vendor, stand_in_of, clients, sent, shared):
    stand_in = stand_in_of(credential={"borrow": True, "query": "apiKey"}, clients=clients)
    vendor.fields = {"Vary": "Origin"}
    asked = request(f"{ODDS}&apiKey=theirs")
    others = [Waiting("c", time.perf_counter(), fields=partial(tuple, headers)) for headers in of(*sent)]
    first = Waiting("c", time.perf_counter())
    answer, theirs = await stand_in.miss_for_all(stand_in.plan(asked), wants_of(asked), first, others)
    assert (answer.body, theirs and theirs.body) == (b"[1]", b"[1]" if shared else None)


async def test_an_error_is_not_covered_by_what_is_for_others(vendor, stand_in_of, route_of, clock):
    stand_in = stand_in_of([route_of(window_s=2)])
    vendor.fields = {"Vary": "Origin"}
    await all_get(stand_in, of("", "a"))
    vendor.status = 500
    clock.ahead += 5
    assert [(await get(stand_in, *each))[0] for each in of("", "a", "b")] == [200, 200, 500]


async def test_a_stranger_is_asked_for_as_he_asks(vendor, stand_in_of):
    stand_in = stand_in_of(credential={"borrow": True, "query": "apiKey"}, clients="known")
    vendor.fields = {"Vary": "Origin"}
    await get(stand_in, *of("a")[0], target=f"{ODDS}&apiKey=theirs")
    assert saw(vendor) == [None, "a"]
