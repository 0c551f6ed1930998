import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from holdover import call as module
from holdover.account import MOST_KEPT_BYTES, Account
from holdover.call import Call
from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.fetch import MOST_SAID, Fetcher
from holdover.intake import Failed, Fetched, Refused
from holdover.metrics import Metrics
from holdover.rules import Secret
from holdover.tally import Tally

# Every character that a URL encodes in one way or another.
SECRET = "k/9+z=7 ~q"
ENCODED = "k%2F9%2Bz%3D7%20~q"
PLUS = "k%2F9%2Bz%3D7+~q"
JSON = {"Content-Type": "application/json"}
QUICK = {"rate_per_s": 10_000.0, "burst": 10_000, "retries": 0, "timeout_s": 20.0}
HUNDRED_YEARS_AGO = "Fri, 01 Jan 1926 00:00:00 GMT"


class Vendor:
    """A provider on a loopback port that answers as the test says; `asked` keeps every request it got."""

    def __init__(self):
        self.asked = []
        self.steps = [reply()]
        self.now = self.most = self.port = 0
        self.origin = ""

    def says(self, *steps):
        """One step per request; the last one is for all further requests too."""
        self.steps = list(steps)

    async def answer(self, request):
        self.asked.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(request)
        finally:
            self.now -= 1

    async def asked_for(self, count):
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                await asyncio.sleep(0.005)


@dataclass
class Asker:
    """A fetcher, and the account and credential that its calls are made with."""

    fetcher: Fetcher
    account: Account
    credential: Credential
    tally: Tally

    def ready(self) -> bool:
        return self.fetcher.limits.ready(self.account)


def reply(body=b"[]", status=200, **fields):
    """Underscores of field names stand for hyphens."""

    async def step(_):
        headers = {**JSON, **{name.replace("_", "-"): value for name, value in fields.items()}}
        return web.Response(status=status, body=body, headers=headers)

    return step


def raw(data, *, abort=False):
    """Bytes as they are, then the end of the connection; with `abort` a reset."""

    async def step(request):
        request.transport.write(data)
        await asyncio.sleep(0)
        if abort:
            request.transport.abort()
        else:
            request.transport.close()
        return web.Response()

    return step


def held(event, step):
    async def wait(request):
        await event.wait()
        return await step(request)

    return wait


async def never(_):
    await asyncio.Event().wait()


@pytest.fixture
async def vendor():
    vendor = Vendor()
    runner = web.ServerRunner(web.Server(vendor.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.port = runner.addresses[0][1]
    vendor.origin = f"http://127.0.0.1:{vendor.port}"
    yield vendor
    await runner.cleanup()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def fetcher_of(vendor, metrics, provider_of):
    """Makes an asker with the provider's settings changed; `limits` go on top of quick ones."""
    made: list[Asker] = []

    def build(limits=None, **changes):
        changes = {"origin": vendor.origin, "limits": {**QUICK, **(limits or {})}, **changes}
        provider = replace(provider_of(**changes), secrets=(("", Secret(SECRET)),))
        account, tally = Account(provider.settings.quota, provider.settings.limits), Tally()
        fetcher = Fetcher(provider, metrics, tally, user_agent="holdover-test")
        made.append(Asker(fetcher, account, provider.own() or NOBODY, tally))
        return made[-1]

    metrics = metrics.upstream
    yield build
    for asker in made:
        await asker.fetcher.close()


def request_for(sport="epl", query=(("regions", "us"),), headers=()):
    return CanonicalRequest("vendor", "odds", f"/v4/sports/{sport}/odds", query, headers)


async def fetch(asker, canonical=None, previous=None, trigger="client", **changes):
    call = Call(
        asker.fetcher.provider.routes[0],
        canonical or request_for(),
        previous,
        trigger,
        asker.credential,
        asker.account,
    )
    return await asker.fetcher.fetch(replace(call, **changes))


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(f"holdover_{name}", labels) or 0.0


def calls(metrics, trigger, code):
    return value(metrics, "upstream_requests_total", upstream="vendor", route="odds", trigger=trigger, code=code)


def circuit(metrics):
    states = ("closed", "half_open", "open")
    return next(s for s in states if value(metrics, "upstream_circuit_state", upstream="vendor", state=s))


# What goes out


async def test_the_request_as_the_provider_sees_it(vendor, fetcher_of):
    query = (("bookmakers", "a,b"), ("regions", "us"))
    result = await fetch(fetcher_of(), request_for(query=query, headers=(("x-lang", "de"),)))
    assert isinstance(result, Fetched)
    assert result.effect == "changed"
    assert result.entry.identity == b"[]"
    [asked] = vendor.asked
    assert (asked.method, asked.path_qs) == ("GET", "/v4/sports/epl/odds?bookmakers=a%2Cb&regions=us")
    sent = {name.lower(): value for name, value in asked.headers.items()}
    assert sent.pop("host") == f"127.0.0.1:{vendor.port}"
    assert sent == {"user-agent": "holdover-test", "accept": "*/*", "accept-encoding": "gzip", "x-lang": "de"}


async def test_the_credential_in_the_query(vendor, fetcher_of):
    fetcher = fetcher_of(credential={"env": "KEY", "query": "apiKey"})
    await fetch(fetcher)
    await fetch(fetcher, request_for(query=()))
    assert [asked.path_qs for asked in vendor.asked] == [
        f"/v4/sports/epl/odds?regions=us&apiKey={ENCODED}",
        f"/v4/sports/epl/odds?apiKey={ENCODED}",
    ]
    assert vendor.asked[0].query["apiKey"] == SECRET


async def test_the_credential_in_a_header_field(vendor, fetcher_of):
    await fetch(fetcher_of(credential={"env": "KEY", "header": "X-Api-Key"}))
    [asked] = vendor.asked
    assert asked.headers["X-Api-Key"] == SECRET
    assert asked.path_qs == "/v4/sports/epl/odds?regions=us"


async def test_validators_go_along_and_a_304_confirms(vendor, fetcher_of, entry_of, metrics):
    validators = (("ETag", 'W/"7"'), ("Last-Modified", HUNDRED_YEARS_AGO), ("x-left", "9"))
    previous = entry_of(headers=validators, body=b"[1]")
    vendor.says(reply(b"", 304, x_left="8"))
    before = time.time()
    result = await fetch(fetcher_of(), previous=previous)
    assert isinstance(result, Fetched)
    assert result.effect == "not_modified"
    assert result.entry.identity is previous.identity
    assert dict(result.entry.headers)["x-left"] == "8"
    assert before <= result.entry.requested_at <= result.entry.received_at
    sent = vendor.asked[0].headers
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('W/"7"', HUNDRED_YEARS_AGO)
    assert value(metrics, "upstream_responses_total", upstream="vendor", effect="not_modified") == 1
    assert calls(metrics, "client", "3xx") == 1


async def test_a_304_to_nothing_confirms_nothing(vendor, fetcher_of):
    vendor.says(reply(b"", 304))
    result = await fetch(fetcher_of())
    assert isinstance(result, Refused)
    assert "If-None-Match" not in vendor.asked[0].headers


async def test_the_fixed_address_takes_the_place_of_dns(vendor, fetcher_of):
    fetcher = fetcher_of(origin="http://api.vendor.invalid", address=f"127.0.0.1:{vendor.port}")
    assert isinstance(await fetch(fetcher), Fetched)
    assert vendor.asked[0].headers["Host"] == "api.vendor.invalid"


# What must not come in


@pytest.mark.parametrize("form", [SECRET, ENCODED, PLUS])
@pytest.mark.parametrize("coding", ["", "gzip", "x-gzip"])
@pytest.mark.parametrize("status", [200, 302, 401])
async def test_own_credential_reaches_nobody(vendor, fetcher_of, form, coding, status):
    body = json.dumps({"next": f"/v4?apiKey={form}&page=2", "odds": 1.5}).encode()
    fields = {"Location": f"/v4?apiKey={form}", "Link": f'<https://x.test/?apiKey={form}>; rel="next"'}
    if coding:
        fields["Content-Encoding"] = coding
        body = gzip.compress(body)
    vendor.says(reply(body, status, **fields))
    result = await fetch(fetcher_of(credential={"env": "KEY", "query": "apiKey"}))
    if status == 200:
        assert isinstance(result, Fetched)
        headers, plain = result.entry.headers, result.entry.identity
        assert gzip.decompress(result.entry.gzip) == plain
    else:
        assert isinstance(result, Refused)
        headers, plain = result.response.headers, result.response.body
        assert ("Content-Length", str(len(plain))) in headers
        assert "Content-Encoding" not in dict(headers)
    assert form not in str(headers)
    assert json.loads(plain) == {"next": "/v4?apiKey=-&page=2", "odds": 1.5}
    assert dict(headers)["Location"] == "/v4?apiKey=-"
    assert dict(headers)["Link"] == '<https://x.test/?apiKey=->; rel="next"'
    assert len(vendor.asked) == 1  # the redirect was not followed


async def test_own_credential_stands_in_no_reason(vendor, fetcher_of):
    fetcher = fetcher_of(credential={"env": "KEY", "query": "apiKey"}, origin="http://127.0.0.1:1")
    reasons = [(await fetch(fetcher)).reason]
    fetcher = fetcher_of(credential={"env": "KEY", "header": "X-Key"})
    for step in (raw(b"\0garbage " + SECRET.encode()), reply(b"", 302, Location=f"http://[{ENCODED}"), never):
        vendor.says(step)
        limited = fetcher_of({"timeout_s": 0.3}, credential={"env": "KEY", "query": "apiKey"})
        reasons.append(getattr(await fetch(limited), "reason", ""))
        if step is not never:
            reasons.append(getattr(await fetch(fetcher), "reason", ""))
    for reason in reasons:
        assert "k/9" not in reason
        assert "k%2F9" not in reason


async def test_cookies_are_neither_stored_nor_sent_back(vendor, fetcher_of):
    vendor.says(reply(Set_Cookie="sid=1; Path=/"))
    fetcher = fetcher_of()
    result = await fetch(fetcher)
    assert isinstance(result, Fetched)
    assert "set-cookie" not in {name.lower() for name, _ in result.entry.headers}
    await fetch(fetcher)
    assert "Cookie" not in vendor.asked[1].headers


# Answers that are none


GOOD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BROKEN = {
    "truncated": (raw(GOOD_HEAD + b"Content-Length: 100\r\n\r\n[1,2"), "broke off"),
    "truncated chunks": (raw(GOOD_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1,2"), "broke off"),
    "no answer": (raw(b""), "closed the connection"),
    "reset": (raw(b"", abort=True), "closed the connection"),
    "garbage": (raw(b"\x16\x03\x01 no HTTP at all\r\n\r\n"), "not valid HTTP"),
    "half a head": (raw(GOOD_HEAD), "closed the connection"),
    "oversized": (reply(b"[" + b"1," * 600 + b"1]"), "larger than 1024 bytes"),
    "oversized, decoded": (reply(gzip.compress(bytes(1025)), Content_Encoding="gzip"), "larger than 1024"),
    "broken gzip": (reply(b"[1]", Content_Encoding="gzip"), "not the gzip"),
    "half a gzip": (reply(gzip.compress(b"[1,2,3]")[:-9], Content_Encoding="gzip"), "broke off"),
    "more than a gzip": (reply(gzip.compress(b"[1]") + b"[2]", Content_Encoding="gzip"), "broke off"),
    "other coding": (reply(b"[1]", Content_Encoding="br"), "coding that was not asked for"),
    "two codings": (reply(b"[1]", Content_Encoding="gzip, br"), "coding that was not asked for"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_answer_is_a_failure_in_plain_words(vendor, fetcher_of, metrics, case):
    step, phrase = BROKEN[case]
    vendor.says(step)
    result = await fetch(fetcher_of({"max_body_bytes": 1024}))
    assert isinstance(result, Failed)
    assert phrase in result.reason
    assert not result.timed_out
    assert value(metrics, "upstream_responses_total", upstream="vendor", effect="error") == 1
    assert value(metrics, "upstream_requests_active", upstream="vendor") == 0


async def test_the_largest_body_that_is_allowed(vendor, fetcher_of):
    body = b"[" + b" " * 1022 + b"]"
    vendor.says(reply(body), reply(gzip.compress(body), Content_Encoding="gzip"))
    fetcher = fetcher_of({"max_body_bytes": 1024})
    for _ in range(2):
        result = await fetch(fetcher)
        assert isinstance(result, Fetched)
        assert result.entry.identity == body


def bomb_of(content):
    """200 times as much, in at most 250 kB."""
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(content) for _ in range(200)) + compressor.flush()
    assert len(bomb) < 250_000
    return bomb


async def test_the_loop_goes_on_while_a_bomb_is_taken_apart(vendor, fetcher_of, inflations):
    vendor.says(reply(bomb_of(b" " * (1 << 20)), Content_Encoding="gzip"))
    fetcher = fetcher_of({"max_body_bytes": 1 << 28})
    assert isinstance(await fetch(fetcher), Refused | Failed)
    assert {size for _, size in inflations} == {200 << 20}
    assert threading.get_ident() not in {thread for thread, _ in inflations}


async def test_a_gzip_bomb_is_not_inflated(vendor, fetcher_of):
    bomb = bomb_of(bytes(1 << 20))
    vendor.says(reply(bomb, Content_Encoding="gzip"))
    fetcher = fetcher_of({"max_body_bytes": 1 << 20})
    before = peak_of_this_process()
    result = await fetch(fetcher)
    assert isinstance(result, Failed)
    assert "larger than 1048576 bytes" in result.reason
    assert peak_of_this_process() - before < 100 << 20


def peak_of_this_process():
    """The most memory that this process ever held, in bytes."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


async def test_no_connection(fetcher_of, metrics):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = await fetch(fetcher_of(origin=f"http://127.0.0.1:{free.getsockname()[1]}"))
    assert result == Failed("no connection to the provider", connection=True)
    assert calls(metrics, "client", "error") == 1


async def test_a_time_out_is_not_tried_again(vendor, fetcher_of, metrics):
    vendor.says(never)
    result = await fetch(fetcher_of({"timeout_s": 1.0, "retries": 3}))
    assert result == Failed("no answer within 1 s", timed_out=True)
    assert len(vendor.asked) == 1
    assert calls(metrics, "client", "error") == 1


# Tries


TRIED_AGAIN = [
    reply(status=502),
    reply(status=503),
    reply(status=504),
    raw(GOOD_HEAD + b"Content-Length: 9\r\n\r\n["),
]


@pytest.mark.parametrize("step", TRIED_AGAIN)
async def test_what_is_tried_again(vendor, fetcher_of, metrics, step):
    vendor.says(step, step, reply(b"[7]"))
    result = await fetch(fetcher_of({"retries": 2}), trigger="refresh")
    assert isinstance(result, Fetched)
    assert result.entry.identity == b"[7]"
    assert len(vendor.asked) == 3
    assert sum(calls(metrics, "refresh", code) for code in ("5xx", "error")) == 1
    assert sum(calls(metrics, "retry", code) for code in ("5xx", "error")) == 1
    assert calls(metrics, "retry", "2xx") == 1


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 501])
async def test_what_is_not_tried_again(vendor, fetcher_of, status):
    vendor.says(reply(status=status))
    result = await fetch(fetcher_of({"retries": 2}))
    assert isinstance(result, Refused)
    assert result.response.status == status
    assert len(vendor.asked) == 1


async def test_an_absence_is_not_tried_again(vendor, fetcher_of):
    vendor.says(reply(status=404))
    result = await fetch(fetcher_of({"retries": 2}))
    assert isinstance(result, Fetched)
    assert result.entry.status == 404
    assert len(vendor.asked) == 1


async def test_tries_end(vendor, fetcher_of, metrics):
    vendor.says(reply(b'{"m":1}', 503))
    result = await fetch(fetcher_of({"retries": 1}))
    assert isinstance(result, Refused)
    assert result.trouble
    assert (result.response.status, result.response.body) == (503, b'{"m":1}')
    assert len(vendor.asked) == 2
    assert (calls(metrics, "client", "5xx"), calls(metrics, "retry", "5xx")) == (1, 1)


# Limits


async def test_no_more_at_once_than_configured(vendor, fetcher_of):
    release = asyncio.Event()
    vendor.says(held(release, reply()))
    fetcher = fetcher_of({"concurrency": 3})
    waiting = [asyncio.create_task(fetch(fetcher, request_for(f"s{n}"))) for n in range(12)]
    await vendor.asked_for(3)
    assert not fetcher.ready()
    release.set()
    results = await asyncio.gather(*waiting)
    assert all(isinstance(result, Fetched) for result in results)
    assert (vendor.most, len(vendor.asked)) == (3, 12)
    assert fetcher.ready()


async def test_more_than_the_rate_allows_is_refused_at_once(vendor, fetcher_of):
    fetcher = fetcher_of({"rate_per_s": 0.01, "burst": 2, "timeout_s": 5.0})
    async with asyncio.timeout(20):
        results = await asyncio.gather(*(fetch(fetcher, request_for(f"s{n}")) for n in range(4)))
    assert [type(result) for result in results] == [Fetched, Fetched, Failed, Failed]
    assert isinstance(results[3], Failed)
    assert results[3].retry_after == pytest.approx(100, abs=10)
    assert len(vendor.asked) == 2
    assert not fetcher.ready()


async def test_who_would_wait_too_long_for_those_before_him_is_told(vendor, fetcher_of):
    """The rate allows it, but the provider does not answer so fast, or other processes call it, too."""
    vendor.says(held(asyncio.Event(), reply()))
    fetcher = fetcher_of({"concurrency": 1, "timeout_s": 1.0})
    waiting = [asyncio.create_task(fetch(fetcher, request_for(f"s{n}"))) for n in range(9)]
    async with asyncio.timeout(20):
        results = await asyncio.gather(*waiting)
    called = [result for result in results if result.timed_out]
    assert 1 <= len(called) == len(vendor.asked) <= 4
    assert {result.retry_after for result in results if not result.timed_out} == {1.0}
    # Who gave up has no slot.
    vendor.says(reply())
    assert isinstance(await fetch(fetcher, request_for("later")), Fetched)


async def test_it_waits_for_a_start_that_other_processes_leave(vendor, fetcher_of):
    fetcher, tries = fetcher_of(), []

    def together(rate, now):
        tries.append(now)
        return 0.02 if len(tries) < 3 else 0.0

    fetcher.account.together = together
    assert isinstance(await fetch(fetcher), Fetched)
    assert len(tries) == 3
    assert tries[2] - tries[0] >= 0.04


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_pause_that_the_provider_asks_for_binds_who_queues_already(vendor, fetcher_of, status, form):
    release = asyncio.Event()
    asked_for = "50" if form == "seconds" else formatdate(time.time() + 50, usegmt=True)
    vendor.says(held(release, reply(b'{"m":"slow"}', status, Retry_After=asked_for)))
    fetcher = fetcher_of({"concurrency": 2, "retries": 2})
    waiting = [asyncio.create_task(fetch(fetcher, request_for(f"s{n}"))) for n in range(40)]
    await vendor.asked_for(2)
    release.set()
    results = [*await asyncio.gather(*waiting), await fetch(fetcher, request_for("later"))]
    assert len(vendor.asked) == 2
    assert not fetcher.ready()
    for result in results:
        assert isinstance(result, Refused)
        assert result.trouble
        assert (result.response.status, result.response.body) == (status, b'{"m":"slow"}')
    told = [value for name, value in results[-1].response.headers if name.lower() == "retry-after"]
    assert len(told) == 1
    assert 20 <= int(told[0]) <= 50


async def test_429_without_a_time_is_a_short_pause_and_then_it_goes_on(vendor, fetcher_of):
    vendor.says(reply(status=429), reply())
    fetcher = fetcher_of()
    assert isinstance(await fetch(fetcher), Refused)
    assert not fetcher.ready()
    assert isinstance(await fetch(fetcher), Refused)
    assert len(vendor.asked) == 1
    async with asyncio.timeout(20):
        while not fetcher.ready():
            await asyncio.sleep(0.02)
    assert isinstance(await fetch(fetcher), Fetched)


async def test_an_open_circuit_binds_who_queues_already(vendor, fetcher_of, metrics):
    release = asyncio.Event()
    vendor.says(held(release, reply(status=500)))
    fetcher = fetcher_of({"concurrency": 2, "breaker_failures": 2, "breaker_open_s": 60.0})
    waiting = [asyncio.create_task(fetch(fetcher, request_for(f"s{n}"))) for n in range(40)]
    await vendor.asked_for(2)
    release.set()
    results = await asyncio.gather(*waiting)
    # Who gets the slot of the first failure goes out before the second failure is known.
    assert len(vendor.asked) <= 3
    told = [result for result in results if isinstance(result, Refused)]
    assert [result.response.status for result in told] == [500] * len(vendor.asked)
    assert all(isinstance(result, Failed) and result.retry_after for result in results if result not in told)
    assert circuit(metrics) == "open"
    assert not fetcher.ready()


@pytest.mark.parametrize("status", [200, 502])
async def test_an_open_circuit_tells_what_the_provider_said_last_to_who_asks_the_same(vendor, fetcher_of, status):
    fetcher = fetcher_of({"breaker_failures": 2, "breaker_open_s": 60.0, "retries": 0})
    page = {"Content_Type": "text/html"}
    vendor.says(reply(b"one", status=500), reply(b"down", status=status, **page))
    await fetch(fetcher)
    await fetch(fetcher)
    result = await fetch(fetcher)
    assert isinstance(result, Refused)
    assert (result.response.status, result.response.body, result.trouble) == (status, b"down", True)
    other = await fetch(fetcher, request_for("other"))
    assert isinstance(other, Failed)
    assert other.reason == "the provider fails and is left alone for a moment"
    assert other.retry_after
    assert len(vendor.asked) == 2


async def test_what_a_provider_says_at_length_is_not_kept(vendor, fetcher_of):
    fetcher = fetcher_of({"breaker_failures": 1, "breaker_open_s": 60.0, "retries": 0})
    vendor.says(reply(bytes(MOST_KEPT_BYTES + 1), status=500))
    assert isinstance(await fetch(fetcher), Refused)
    assert isinstance(await fetch(fetcher), Failed)


async def test_each_is_told_what_was_said_to_him(vendor, fetcher_of):
    many = [f"s{number}" for number in range(MOST_SAID + 1)]
    fetcher = fetcher_of({"breaker_failures": len(many), "breaker_open_s": 60.0, "retries": 0})
    vendor.says(*(reply(name.encode(), status=500) for name in many))
    for _ in range(2):
        results = [await fetch(fetcher, request_for(name)) for name in many]
    assert isinstance(results[0], Failed), "no more is kept than that"
    assert [one.response.body.decode() for one in results[1:] if isinstance(one, Refused)] == many[1:]
    assert len(vendor.asked) == len(many)


async def test_an_open_circuit_after_a_lost_connection_has_no_words_of_the_provider(vendor, fetcher_of):
    fetcher = fetcher_of({"breaker_failures": 2, "breaker_open_s": 60.0, "retries": 0})
    vendor.says(reply(status=500), raw(b"", abort=True))
    await fetch(fetcher)
    await fetch(fetcher)
    result = await fetch(fetcher)
    assert isinstance(result, Failed)
    assert result.retry_after
    assert len(vendor.asked) == 2


async def half_open(fetcher, vendor):
    """Brings the circuit of `fetcher`, which opens at one failure, to where a probe is due."""
    vendor.says(reply(status=500))
    assert isinstance(await fetch(fetcher), Refused)
    async with asyncio.timeout(20):
        while not fetcher.ready():
            await asyncio.sleep(0.005)
    vendor.asked.clear()


async def test_one_probe_goes_through_and_closes_the_circuit(vendor, fetcher_of, metrics):
    fetcher = fetcher_of({"breaker_failures": 1, "breaker_open_s": 0.05})
    await half_open(fetcher, vendor)
    release = asyncio.Event()
    vendor.says(held(release, reply()))
    probe = asyncio.create_task(fetch(fetcher))
    await vendor.asked_for(1)
    others = await asyncio.gather(*(fetch(fetcher, request_for(f"s{n}")) for n in range(9)))
    assert all(isinstance(result, Failed) and result.retry_after for result in others)
    assert len(vendor.asked) == 1
    release.set()
    assert isinstance(await probe, Fetched)
    assert circuit(metrics) == "closed"
    assert isinstance(await fetch(fetcher), Fetched)


async def test_an_unexpected_exception_in_a_probe_does_not_shut_the_provider_out(vendor, fetcher_of):
    fetcher = fetcher_of({"breaker_failures": 1, "breaker_open_s": 0.05})
    await half_open(fetcher, vendor)
    result = await fetch(fetcher, request_for(headers=(("x-lang", "a\r\nb: c"),)))
    assert isinstance(result, Failed)
    assert result.reason.startswith("the call failed (")
    assert not vendor.asked
    vendor.says(reply())
    async with asyncio.timeout(20):
        while not isinstance(await fetch(fetcher), Fetched):
            await asyncio.sleep(0.01)


async def test_a_probe_whose_caller_goes_away_does_not_shut_the_provider_out(vendor, fetcher_of, metrics):
    fetcher = fetcher_of({"breaker_failures": 1, "breaker_open_s": 0.05})
    await half_open(fetcher, vendor)
    vendor.says(never)
    probe = asyncio.create_task(fetch(fetcher))
    await vendor.asked_for(1)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    vendor.says(reply())
    assert isinstance(await fetch(fetcher), Fetched)
    assert value(metrics, "upstream_requests_active", upstream="vendor") == 0


# What every answer tells


async def test_quota_and_clock(vendor, fetcher_of, metrics):
    quota = {"remaining": "x-left", "used": "x-used"}
    fetcher = fetcher_of(quota=quota)
    date = formatdate(time.time() + 3600, usegmt=True)
    refused = reply(status=401, x_left="0", x_used="many", Date="today")
    vendor.says(reply(x_left="94", x_used="6.5", Date=date), refused)
    await fetch(fetcher)
    assert value(metrics, "upstream_quota_remaining", upstream="vendor") == 94
    assert value(metrics, "upstream_quota_used", upstream="vendor") == 6.5
    offset = value(metrics, "upstream_clock_offset_seconds", upstream="vendor")
    assert 3590 < offset < 3602
    assert isinstance(await fetch(fetcher), Refused)  # a field that is no number changes nothing
    assert value(metrics, "upstream_quota_remaining", upstream="vendor") == 0
    assert value(metrics, "upstream_quota_used", upstream="vendor") == 6.5
    assert value(metrics, "upstream_clock_offset_seconds", upstream="vendor") == offset


async def test_bytes_are_counted_as_on_the_wire(vendor, fetcher_of, metrics):
    body = gzip.compress(b"[" + b"1," * 5000 + b"1]")
    vendor.says(reply(body, Content_Encoding="gzip"))
    await fetch(fetcher_of())
    assert value(metrics, "upstream_response_bytes_total", upstream="vendor") == len(body)


# Awkward answers


async def test_a_304_that_names_the_coding_confirms(vendor, fetcher_of, entry_of):
    vendor.says(reply(b"", 304, Content_Encoding="gzip"))
    result = await fetch(fetcher_of(), previous=entry_of(headers=(("ETag", '"1"'),)))
    assert isinstance(result, Fetched)


UNREADABLE = [
    reply(b"", 429, Content_Encoding="gzip", Retry_After="50"),
    reply(b"no gzip", 429, Content_Encoding="gzip", Retry_After="50"),
    reply(bytes(2000), 429, Retry_After="50"),
]


@pytest.mark.parametrize("step", UNREADABLE)
async def test_a_pause_holds_whatever_the_body(vendor, fetcher_of, step):
    vendor.says(step)
    fetcher = fetcher_of({"max_body_bytes": 1024})
    await fetch(fetcher)
    assert not fetcher.ready()


@pytest.mark.parametrize("coding", ["deflate", "gzip, gzip"])
async def test_own_credential_does_not_hide_in_another_coding(vendor, fetcher_of, coding):
    vendor.says(reply(b"packed, may hold anything", 404, Content_Encoding=coding))
    assert isinstance(await fetch(fetcher_of(credential={"env": "KEY", "query": "apiKey"})), Failed)


@pytest.mark.parametrize("form", [ENCODED.lower(), "k/9%2Bz%3D7%20~q", SECRET.replace("/", r"\/")])
async def test_own_credential_in_other_spellings(vendor, fetcher_of, form):
    vendor.says(*(reply(f'{{"m":"/?apiKey={form}"}}'.encode(), status) for status in (400, 404)))
    fetcher = fetcher_of(credential={"env": "KEY", "query": "apiKey"})
    refused, absent = await fetch(fetcher), await fetch(fetcher)
    assert isinstance(refused, Refused)
    assert isinstance(absent, Fetched)
    assert form.encode() not in refused.response.body + absent.entry.identity + gzip.decompress(absent.entry.gzip)


async def test_the_longer_of_two_pauses_holds(vendor, fetcher_of):
    release = asyncio.Event()
    vendor.says(held(release, reply(status=503, Retry_After="0")), reply(status=429, Retry_After="50"))
    fetcher = fetcher_of()
    first = asyncio.create_task(fetch(fetcher))
    await vendor.asked_for(1)
    await fetch(fetcher, request_for("other"))
    release.set()
    await first
    assert not fetcher.ready()


async def test_what_is_too_large_is_not_asked_for_again(vendor, fetcher_of):
    vendor.says(reply(bytes(2000)))
    await fetch(fetcher_of({"max_body_bytes": 1024, "retries": 2}))
    assert len(vendor.asked) == 1


async def test_every_request_is_counted(vendor, fetcher_of, metrics):
    vendor.says(raw(b""))
    await fetch(fetcher_of())
    assert len(vendor.asked) == calls(metrics, "client", "error") == 1


async def test_a_change_of_protocol_is_no_answer(vendor, fetcher_of):
    vendor.says(raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"))
    assert isinstance(await fetch(fetcher_of()), Failed)


async def test_an_early_hint_is_not_the_answer(vendor, fetcher_of):
    final = GOOD_HEAD + b"Content-Length: 3\r\n\r\n[1]"
    vendor.says(raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + final))
    result = await fetch(fetcher_of())
    assert isinstance(result, Fetched)
    assert result.entry.identity == b"[1]"
    assert "Link" not in dict(result.entry.headers)


# What calls do to the account


async def test_who_comes_at_once_after_the_last_credit_gets_the_providers_own_words(vendor, fetcher_of):
    """The last answer told that nothing is left. One call hears the refusal for all others."""
    fetcher = fetcher_of(quota={"remaining": "x-left"}, errors=[{"means": "quota", "status": [401]}])
    vendor.says(reply(x_left="0"), reply(b'{"m":"spent"}', status=401))
    assert isinstance(await fetch(fetcher), Fetched)
    async with asyncio.timeout(20):
        results = await asyncio.gather(*(fetch(fetcher, request_for(f"s{n}")) for n in range(6)))
    assert {(r.response.status, r.response.body) for r in results if isinstance(r, Refused)} == {
        (401, b'{"m":"spent"}')
    }
    assert all(isinstance(result, Refused) for result in results)
    assert len(vendor.asked) == 2


async def test_who_comes_while_one_call_hears_the_refusal_gets_what_it_hears(vendor, fetcher_of):
    fetcher = fetcher_of(quota={"remaining": "x-left"}, errors=[{"means": "quota", "status": [401]}])
    heard = asyncio.Event()
    vendor.says(reply(x_left="0"), held(heard, reply(b'{"m":"spent"}', status=401)))
    await fetch(fetcher)
    first = asyncio.create_task(fetch(fetcher, request_for("a")))
    await vendor.asked_for(2)
    second = asyncio.create_task(fetch(fetcher, request_for("b")))
    await asyncio.sleep(0)
    heard.set()
    for result in await asyncio.gather(first, second):
        assert isinstance(result, Refused)
        assert result.response.body == b'{"m":"spent"}'
    assert len(vendor.asked) == 2


async def test_what_costs_nothing_hears_no_refusal(vendor, fetcher_of, provider_of):
    """Clients go on asking for what is free. That does not keep one call from hearing how the others are refused."""
    free = {"name": "sports", "path": "/v4/sports", "window_s": 1, "max_stale_s": 9, "cost": 0}
    paid = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 1, "max_stale_s": 9}
    fetcher = fetcher_of(
        quota={"remaining": "x-left"}, errors=[{"means": "quota", "status": [401]}], routes=[paid, free]
    )
    vendor.says(reply(x_left="0"), reply(x_left="0"), reply(b'{"m":"spent"}', status=401))
    await fetch(fetcher)
    route = fetcher.fetcher.provider.routes[1]
    assert isinstance(await fetch(fetcher, request_for("free"), route=route), Fetched)
    result = await fetch(fetcher)
    assert isinstance(result, Refused)
    assert result.response.body == b'{"m":"spent"}'


async def test_one_call_a_minute_at_most_hears_nothing(vendor, fetcher_of):
    fetcher = fetcher_of(quota={"remaining": "x-left"}, errors=[{"means": "quota", "status": [401]}])
    vendor.says(reply(x_left="0"), raw(b"", abort=True))
    await fetch(fetcher)
    async with asyncio.timeout(20):
        results = await asyncio.gather(*(fetch(fetcher, request_for(f"s{n}")) for n in range(6)))
    assert all(isinstance(result, Failed) for result in results)
    assert len(vendor.asked) == 2


@pytest.mark.parametrize(
    ("body", "headers", "cost"),
    [(b"[1]", {"Cache_Control": "no-store"}, 3), (b"<p>", {}, 3), (b'{"message": "no"}', {}, 0)],
)
async def test_a_good_answer_that_may_not_be_stored_is_paid_for_and_an_error_with_200_is_not(
    vendor, fetcher_of, body, headers, cost
):
    route = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 1, "max_stale_s": 9, "cost": 3}
    errors = [{"means": "error", "pointer": "/message", "values": ["no"]}]
    fetcher = fetcher_of(routes=[route], errors=errors)
    vendor.says(reply(body, **headers))
    assert isinstance(await fetch(fetcher), Refused)
    assert fetcher.account.balance.period_spent == cost


@pytest.mark.parametrize(
    ("told", "cost", "saved"),
    [({}, 3, 3), ({"x_last": "4"}, 4, 4), ({"x_last": "many"}, 3, 3), ({"x_last": "-1"}, -1, 0)],
)
async def test_what_a_call_took_is_what_a_hit_saves(vendor, fetcher_of, told, cost, saved):
    route = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 1, "max_stale_s": 9, "cost": 3}
    fetcher = fetcher_of(quota={"last": "x-last"}, routes=[route])
    vendor.says(reply(b"[1]", **told))
    result = await fetch(fetcher)
    assert isinstance(result, Fetched)
    assert (result.entry.cost, fetcher.account.balance.period_spent) == (saved, cost)


@pytest.mark.parametrize("told", [{}, {"x_last": "4"}])
async def test_an_answer_that_breaks_off_is_paid_for_all_the_same(vendor, fetcher_of, metrics, told):
    route = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 1, "max_stale_s": 9, "cost": 3}
    fetcher = fetcher_of(quota={"last": "x-last"}, routes=[route])
    vendor.says(reply(b"no gzip", Content_Encoding="gzip", **told))
    assert isinstance(await fetch(fetcher), Failed)
    assert fetcher.account.balance.period_spent == (4 if told else 3)
    spent = value(metrics, "upstream_credits_spent_total", upstream="vendor", route="odds", trigger="client")
    assert spent == (4 if told else 3)


async def test_a_provider_that_is_asked_too_often_is_asked_half_as_often(vendor, fetcher_of):
    release = asyncio.Event()
    vendor.says(held(release, reply(status=429, Retry_After="0")))
    fetcher = fetcher_of({"concurrency": 3})
    waiting = [asyncio.create_task(fetch(fetcher, request_for(f"s{n}"))) for n in range(3)]
    await vendor.asked_for(3)
    release.set()
    await asyncio.gather(*waiting)
    vendor.says(reply())
    assert fetcher.account.rate.share == 0.5, "answers to what was under way together count as one"
    await fetch(fetcher)
    assert 0.5 < fetcher.account.rate.share < 0.6


def test_what_is_remembered_of_credentials_that_are_ill_is_bounded(provider_of, metrics, monkeypatch, caplog):
    """With `class_from` clients name accounts. What is well is not remembered; of what finds no room nothing is
    logged, or each further call would be a line."""
    monkeypatch.setattr(module, "MAX_ILL", 2)
    provider = provider_of()
    books = module.Bookkeeping(provider, metrics.upstream, Tally())
    account = Account(provider.settings.quota, provider.settings.limits)
    for dead in (False, True, True):
        account.balance = replace(account.balance, dead=dead)
        for number in range(5):
            books._alarm(f".app-{number}", account, 0.0)
    assert sorted(books._known) == [".app-0", ".app-1"]
    assert len(caplog.records) == 2


async def test_what_stops_calls_is_an_alarm_once_and_its_end_is_told(vendor, fetcher_of, caplog):
    errors = [{"means": "credential", "status": [401]}, {"means": "quota", "status": [402]}]
    fetcher = fetcher_of(errors=errors, quota={"resets": "daily"})

    async def heard(status):
        vendor.says(reply(status=status))
        fetcher.account.check_at, fetcher.account.heard_at, fetcher.account.frozen_at = 0.0, 0.0, 0.0
        caplog.clear()
        await fetch(fetcher)
        return [(record.levelname, record.getMessage()) for record in caplog.records if "vendor" in record.message]

    refused = [("ERROR", "vendor does not accept the credential; calls stop but for one a minute")]
    used_up = [("ERROR", "the quota of vendor is used up; calls that cost wait until it is filled again")]
    assert await heard(200) == []
    assert await heard(401) == refused
    assert await heard(401) == []
    assert await heard(200) == [("WARNING", "vendor accepts the credential again")]
    assert await heard(402) == used_up
    assert await heard(402) == []
    assert await heard(200) == [("WARNING", "the quota of vendor is filled again")]
