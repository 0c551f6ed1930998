import asyncio

import pytest
from aiohttp import web

from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.entry import request_facts
from holdover.exchange import Response
from holdover.fill import Filled
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.link import OPENING, Link, LinkDown
from holdover.quota import Told
from holdover.wire import Report, decode_credential, decode_request, encode_filled, encode_report

ODDS = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds", (("regions", "us"),), (("x-lang", "de"),))
NOTHING: dict[str, list[str]] = {"declined": [], "told": []}
FAILED = Filled(Failed("no luck", timed_out=True, retry_after=2.5), led=False)


class Sidecar:
    """The other end of a socket; `fetch` and `demand` are what it answers with, made anew for every request."""

    def __init__(self, path, backlog=128):
        self.path = path
        self.backlog = backlog
        self.late = None
        self.asked = []
        self.fetch = lambda: web.Response(body=encode_filled(FAILED))
        self.demand = lambda: web.json_response(NOTHING)
        self.answering = asyncio.Event()
        self.answering.set()
        self._runner: web.AppRunner | None = None

    async def start(self):
        app = web.Application()
        app.add_routes([web.post("/fetch", self._answer), web.post("/demand", self._answer)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, self.path, backlog=self.backlog).start()

    async def stop(self):
        if self._runner is not None:
            await self._runner.cleanup()
            self.path.unlink(missing_ok=True)
            self._runner = None

    async def _answer(self, request):
        self.asked.append((request.path, await request.json()))
        await self.answering.wait()
        if self.late is not None and request.path == "/demand":
            return await self.late(request)
        answer = (self.fetch if request.path == "/fetch" else self.demand)()
        if answer is None:
            request.transport.abort()
            return web.Response()
        return answer


@pytest.fixture
async def sidecar(tmp_path):
    sidecar = Sidecar(tmp_path / "sock")
    await sidecar.start()
    yield sidecar
    await sidecar.stop()


@pytest.fixture
async def link(tmp_path):
    link = Link(tmp_path / "sock")
    yield link
    await link.close()


async def test_without_a_socket_it_is_down(link):
    assert not link.up
    with pytest.raises(LinkDown):
        await link.demand([])
    with pytest.raises(LinkDown):
        await link.fill(ODDS, 0.0, NOBODY, "")
    assert (link.up, link.generation) == (False, 0)


async def test_a_socket_that_nobody_listens_at(link, sidecar):
    await link.demand([])
    await sidecar.stop()
    sidecar.path.write_bytes(b"")
    with pytest.raises(LinkDown):
        await link.fill(ODDS, 0.0, NOBODY, "")
    assert not link.up
    with pytest.raises(LinkDown):
        await link.demand([])


async def test_nothing_is_asked_before_a_report_worked(link, sidecar):
    with pytest.raises(LinkDown):
        await link.fill(ODDS, 0.0, NOBODY, "")
    assert not sidecar.asked
    assert await link.demand([]) == Report(frozenset(), ())
    assert link.up
    lent = Credential((("apiKey", "k"),), (("X-Key", "h"),))
    assert await link.fill(ODDS, 12.5, lent, "desk") == FAILED
    path, question = sidecar.asked[-1]
    assert path == "/fetch"
    assert (decode_request(question["request"]), question["newer_than"]) == (ODDS, 12.5)
    assert (decode_credential(question["credential"]), question["client"]) == (lent, "desk")


async def test_what_clients_asked_for_and_what_is_declined(link, sidecar):
    quota = Told("vendor", "", 1003.5, 94.0, None)
    sidecar.demand = lambda: web.json_response(encode_report([ODDS.key], [quota]))
    scores = CanonicalRequest("vendor", "scores", "/")
    assert await link.demand([ODDS, ODDS], [scores]) == Report(frozenset([ODDS.key]), (quota,))
    [(path, told)] = sidecar.asked
    assert (path, told["new"]) == ("/demand", True)
    await link.demand([])
    assert not sidecar.asked[-1][1]["new"]
    assert [decode_request(item) for item in told["asked"]] == [ODDS, ODDS]
    assert [decode_request(item) for item in told["compare"]] == [scores]


@pytest.mark.parametrize("kind", ["fetched", "refused", "failed"])
async def test_every_outcome_comes_through_as_it_is(link, sidecar, entry_of, kind):
    refused = Refused(Response(404, (("X", "\udcff"),), b"\0\xff\n"), "status 404", trouble=False)
    results: dict[str, FetchResult] = {
        "fetched": Fetched(entry_of(), "changed"),
        "refused": refused,
        "failed": FAILED.result,
    }
    result = results[kind]
    sidecar.fetch = lambda: web.Response(body=encode_filled(Filled(result, led=True)))
    await link.demand([])
    assert await link.fill(ODDS, 0.0, NOBODY, "") == Filled(result, led=True)


GARBAGE = {
    "empty": lambda: web.Response(),
    "not JSON": lambda: web.Response(body=b"<html>\n"),
    "not UTF-8": lambda: web.Response(body=b'{"kind": "\xff"}\n'),
    "another version": lambda: web.Response(body=b'{"led": true, "kind": "perhaps"}\n'),
    "broken entry": lambda: web.Response(body=b'{"led": true, "kind": "fetched", "effect": null}\nxyz'),
    "an error": lambda: web.Response(status=500, body=encode_filled(FAILED)),
    "not found": lambda: web.Response(status=404),
    "reset": lambda: None,
}


@pytest.mark.parametrize("answer", GARBAGE)
async def test_an_answer_that_is_none_takes_the_link_down(link, sidecar, answer):
    await link.demand([])
    sidecar.fetch = GARBAGE[answer]
    with pytest.raises(LinkDown):
        await link.fill(ODDS, 0.0, NOBODY, "")
    assert not link.up
    await link.demand([])
    assert (link.up, link.generation) == (True, 2)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="[]"),
        lambda: web.Response(text="[", content_type="application/json"),
        lambda: web.json_response(None),
        lambda: web.json_response([]),
        lambda: web.json_response({"declined": []}),
        lambda: web.json_response({"declined": [], "told": [["vendor", "", 1.0, "94", None]]}),
        lambda: web.json_response({"declined": [], "told": [["vendor", "", 1.0, None, []]]}),
        lambda: web.json_response(NOTHING, status=400),
        lambda: None,
    ],
)
async def test_a_report_that_is_not_understood_takes_the_link_down(link, sidecar, answer):
    await link.demand([])
    sidecar.demand = answer
    with pytest.raises(LinkDown):
        await link.demand([])
    assert not link.up


async def test_generations_count_how_often_it_came_up(link, sidecar):
    generations = [link.generation]
    for _ in range(3):
        for _ in range(2):
            await link.demand([])
            generations.append(link.generation)
        await sidecar.stop()
        with pytest.raises(LinkDown):
            await link.demand([])
        generations.append(link.generation)
        await sidecar.start()
    assert generations == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_a_sidecar_that_never_answers_releases_everybody_when_the_report_fails(link, sidecar):
    await link.demand([])
    sidecar.answering.clear()
    waiting = [asyncio.create_task(link.fill(ODDS, 0.0, NOBODY, "")) for _ in range(5)]
    async with asyncio.timeout(20):
        while len(sidecar.asked) < 6:
            await asyncio.sleep(0.005)
        with pytest.raises(LinkDown):
            await link.demand([])
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [LinkDown] * 5
    assert not link.up


async def test_a_sidecar_that_answers_others_has_much_to_do_and_is_not_down(link, sidecar, monkeypatch):
    monkeypatch.setattr("holdover.link.DEMAND_TIMEOUT_S", 1.2)
    await link.demand([])
    reported = asyncio.Event()

    async def late(request):
        await reported.wait()
        return web.json_response(NOTHING)

    sidecar.late = late
    asking = asyncio.create_task(link.demand([]))
    for _ in range(30):
        assert await link.fill(ODDS, 0.0, NOBODY, "") == FAILED
        await asyncio.sleep(0.06)
    assert not asking.done()
    reported.set()
    assert await asking == Report(frozenset(), ())
    assert link.up


async def test_it_opens_few_connections_at_a_time(link, tmp_path):
    """A socket whose backlog is full refuses the next one."""
    sidecar = Sidecar(tmp_path / "sock", backlog=OPENING)
    await sidecar.start()
    await link.demand([])
    try:
        answers = await asyncio.gather(*(link.fill(ODDS, 0.0, NOBODY, "") for _ in range(600)))
    finally:
        await sidecar.stop()
    assert answers == [FAILED] * 600
    assert link.up


async def test_a_client_that_goes_away_leaves_the_link_up(link, sidecar):
    await link.demand([])
    sidecar.answering.clear()
    waiting = asyncio.create_task(link.fill(ODDS, 0.0, NOBODY, ""))
    async with asyncio.timeout(20):
        while len(sidecar.asked) < 2:
            await asyncio.sleep(0.005)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    sidecar.answering.set()
    assert await link.fill(ODDS, 0.0, NOBODY, "") == FAILED
    assert link.up


async def test_questions_leave_no_tasks_behind(link, sidecar):
    await link.demand([])
    await link.fill(ODDS, 0.0, NOBODY, "")
    before = len(asyncio.all_tasks())
    for _ in range(20):
        await link.fill(ODDS, 0.0, NOBODY, "")
    assert len(asyncio.all_tasks()) < before + 10


def test_a_question_names_nothing_of_the_client():
    own = ["vendor", "odds", "/v4/sports/epl/odds", "", ""]
    assert request_facts(ODDS) == [*own, ODDS.query, ODDS.headers]
