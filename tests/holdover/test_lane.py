import asyncio
import itertools
import os
from bisect import bisect_left
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdover.answer import Ready, Wants, head_of
from holdover.config import Config
from holdover.content import Board
from holdover.entry import Entry
from holdover.exchange import Request
from holdover.key import Cacheable
from holdover.lane import (
    FILE_BYTES,
    FOLLOW_S,
    JOINED_BYTES,
    MAX_FILES,
    MAX_REMEMBERED,
    MAX_REMEMBERED_BYTES,
    OFTEN,
    Asked,
    Lane,
)
from holdover.meter import _ages
from holdover.metrics import AGE, Metrics
from holdover.quota import Told
from holdover.rules import Rules
from holdover.settings import Settings
from holdover.standin import StandIn, wants_of
from holdover.tally import Tally

NOW = 1_700_000_000.0
TARGET = "/v4/sports/epl/odds?regions=us"
QUOTA = {"remaining": "x-requests-remaining", "used": "x-requests-used", "last": "x-requests-last"}
ROUNDING_S = 2e-6
"""Of sums and differences of Unix seconds, several times over."""


def wire(*fields, method="GET", target=TARGET, body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: api.vendor.test", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def config_of(provider_of, tmp_path):
    def build(*routes, lane=None, **changes):
        told = {"sidecar": {"socket": "sock"}, "lane": {"observe": 0, **(lane or {})}}
        provider = provider_of(*routes, **{"quota": QUOTA, **changes})
        return Config(tmp_path, Settings.model_validate(told), Rules([provider]), "")

    return build


class Scene:
    """A lane over a stand-in without a sidecar, whose time stands still. `entry` is what the provider said last."""

    def __init__(self, config, store, ledger, clock):
        self.metrics, self.clock, self.store = Metrics(), clock, store
        self.metrics.prepare(config.rules)
        self.standin = StandIn(config, store, ledger, self.metrics, clock=clock)
        self.lane = Lane(self.standin, config.settings.lane, self.metrics.lane, clock=clock)

    def use(self, config):
        """As the proxy does."""
        self.standin.use(config)
        self.lane.use(config.settings.lane)

    def planned(self, target=TARGET, *headers, method="GET", body=b""):
        found = self.standin.plan(Request(method, "api.vendor.test", target, headers, body))
        assert isinstance(found, Cacheable)
        return found

    def put(self, entry, store=None):
        """Has it stored, as any process may do."""
        return (store or self.store).put(entry, self.clock.now)

    def ask(self, data=None, client="192.0.2.1"):
        """The answer of the lane as bytes; None when it has none at once, or the request is not for it."""
        data = wire() if data is None else data
        lease = self.lane.hit(data, client)
        if lease is None:
            asked = self.lane.take(data, client)
            if asked is None or asked == "unfinished":
                return None
            lease = self.lane.give(asked, client)
        return None if lease is None else b"".join(lease.parts)

    def later(self, seconds=2 * FOLLOW_S):
        self.clock.now += seconds

    def counted(self, family="client_requests_total"):
        """Samples that are not 0, by the values of their labels."""
        name = f"holdover_{family}"
        samples = (s for f in self.metrics.registry.collect() for s in f.samples if s.name == name and s.value)
        return {tuple(sample.labels.values()): sample.value for sample in samples}


@pytest.fixture
async def scene_of(config_of, store, open_ledger, clock):
    made = []

    def build(*routes, **changes):
        made.append(Scene(config_of(*routes, **changes), store, open_ledger(), clock))
        return made[-1]

    yield build
    for scene in made:
        await scene.standin.close()


@pytest.fixture
async def scene(scene_of):
    return scene_of()


@pytest.fixture
def entry(entry_of):
    return told(entry_of(at=NOW - 3.25, body=b"[1]"))


def told(entry: Entry) -> Entry:
    return replace(
        entry, headers=(*entry.headers, ("x-requests-used", "6"), ("Date", "Tue, 14 Nov 2023 22:13:18 GMT"))
    )


@pytest.fixture
def hot(scene, entry):
    """A scene whose answer is given by a lease."""
    scene.put(entry)
    assert scene.ask() is not None
    assert scene.lane.hit(wire(), "192.0.2.1") is not None
    return scene


def text(answer):
    return b"" if answer is None else answer


def body(answer):
    return text(answer).partition(b"\r\n\r\n")[2]


# That a lease is as good as a decision of its moment.

seconds = st.integers(1, 400).map(lambda ms: ms / 8) | st.floats(0.01, 100.0)
whole = st.integers(-60, 120).map(float)
moments = whole | st.floats(-60.0, 120.0)


@st.composite
def situations(draw):
    """Route settings, what an entry is made of relative to its request, and when it is asked for after that."""
    window = draw(seconds)
    route = {"window_s": window, "max_stale_s": window + draw(seconds), "negative_s": draw(seconds)}
    if draw(st.booleans()):
        route["idle_after_s"] = draw(seconds)
    pace = {
        name: min(draw(seconds), route["max_stale_s"])
        for name in ("in_play_s", "near_s", "far_s", "empty_s")
        if draw(st.booleans())
    }
    route["pace"] = {**pace, "near_from_s": draw(seconds)}
    if draw(st.booleans()):
        route["pace"]["max_stale_in_play_s"] = pace.get("in_play_s", window) + draw(seconds)
    # Soon after the moment of the question everything may change.
    soon = st.sampled_from([0.0, 0.25]) | st.floats(0.0, 1.0)
    asked = draw(st.integers(0, 80).map(float) | st.floats(-0.5, 120.0) | soon.map(lambda s: window - s))
    near = soon.map(lambda s: asked + s + route["pace"]["near_from_s"])
    starts = tuple(sorted(set(draw(st.lists(moments | soon.map(lambda s: asked + s) | near, max_size=3)))))
    typical = draw(st.none() | moments)
    board = draw(st.sampled_from([None, 0, 2])), starts, typical
    limit = soon.map(lambda s: max(0.0, route["max_stale_s"] - asked - s))
    facts = {
        "status": draw(st.sampled_from([200, 200, 200, 404, 422])),
        "initial_age": draw(st.sampled_from([0.0, 1.0]) | st.floats(0, 50) | limit),
        "floor_s": draw(st.sampled_from([0.0]) | seconds),
    }
    return route, board, facts, asked, draw(st.booleans())


each_want = st.builds(
    Wants,
    gzip=st.booleans(),
    if_none_match=st.sampled_from([None, "*", '"x"', 'W/"x"']),
    head=st.booleans(),
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    situation=situations(),
    wants=each_want,
    account=st.none() | st.tuples(st.floats(-10, 50), st.integers(0, 99), st.none() | st.integers(0, 99)),
    shares=st.lists(st.floats(0.0, 1.0, exclude_max=True), max_size=4),
)
async def test_a_lease_is_what_would_be_decided_at_every_moment_of_it(
    scene, config_of, route_of, entry_of, clock, monkeypatch, situation, wants, account, shares
):
    route, (events, starts, typical), facts, asked, refreshing = situation
    clock.now = NOW
    config = config_of(route_of(**route))
    scene.use(config)
    standin = scene.standin
    # Whether the sidecar keeps the key fresh may change at any moment; a lease of a stale answer is short for that.
    monkeypatch.setattr(standin._demand, "keeps_fresh", lambda *_: refreshing)
    board = Board(events, tuple(NOW + s for s in starts), None, None if typical is None else NOW + typical)
    entry = replace(told(entry_of(at=NOW, took=0.0, body=b"[1]")), board=board, **facts)
    ready = standin._hot.put(entry)
    assert ready is not None
    planned = scene.planned()
    assert planned.canonical.key == entry.key
    if account is not None:
        at, remaining, used = account
        standin._quotas.take([Told("vendor", planned.canonical.partition, NOW + at, remaining, used)], NOW + 1000)
    since = clock.now = NOW + asked
    lease = standin.lease(planned, wants, since)
    if lease is None:
        return
    assert lease.since == since <= lease.until
    bucket = [age if age is None else bisect_left(AGE, age) for age in _ages(ready, since)]
    exact = any(age is not None and age in AGE for age in _ages(ready, since))
    for share in (0.0, 0.5, *shares, 1.0):
        at = since + share * (lease.until - since)
        if share == 1.0:
            at -= ROUNDING_S
        if not since <= at < lease.until:
            continue
        other = standin.lease(planned, wants, at)
        assert other is not None, (at - since, lease.until - since)
        assert (other.outcome, other.answer) == (lease.outcome, lease.answer)
        if entry.status == 200 and not exact:
            assert [age if age is None else bisect_left(AGE, age) for age in _ages(ready, at)] == bucket


async def test_a_lease_ends_where_the_next_event_is_near(scene, config_of, route_of, entry_of, clock):
    scene.use(config_of(route_of(window_s=50, pace={"near_s": 10, "near_from_s": 20.25})))
    scene.standin._hot.put(replace(entry_of(at=NOW, took=0.0), board=Board(1, (NOW + 25.65,))))
    ends = [(5.1, 5.4, "ttl=20"), (5.5, 6.0, "ttl=4")]
    for at, end, says in ends:
        lease = scene.standin.lease(scene.planned(), Wants(), NOW + at)
        assert lease is not None
        assert lease.until == pytest.approx(NOW + end, abs=ROUNDING_S)
        assert says.encode() in dict(lease.answer.fields)[b"Cache-Status"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situation=situations(), steps=st.lists(st.sampled_from([0.0, 0.001, 0.25, 1.0, 7.0, -0.5]), max_size=12))
async def test_the_lane_gives_the_bytes_that_the_stand_in_would(
    scene, config_of, route_of, entry_of, clock, monkeypatch, situation, steps
):
    route, (events, starts, typical), facts, asked, refreshing = situation
    clock.now = NOW
    scene.use(config_of(route_of(**route)))
    monkeypatch.setattr(scene.standin._demand, "keeps_fresh", lambda *_: refreshing)
    board = Board(events, tuple(NOW + s for s in starts), None, None if typical is None else NOW + typical)
    scene.standin._hot.put(replace(told(entry_of(at=NOW, took=0.0, body=b"[1]")), board=board, **facts))
    clock.now = NOW + asked
    for step in (0.0, *steps):
        clock.now += step
        given_ = scene.ask()
        fresh = scene.standin.lease(scene.planned(), Wants(), clock.now)
        expected = None if fresh is None else head_of(fresh.answer) + fresh.answer.body
        assert given_ == expected


# Which of them.

NAMES = ("origin", "lang")
sent = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.sampled_from(["a", "b"])))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kept=st.lists(
        st.tuples(sent, st.sets(st.sampled_from(NAMES))),
        max_size=6,
        unique_by=lambda one: repr(sorted(one[0].items())),
    ),
    asked=st.lists(sent, min_size=1, max_size=8),
)
async def test_the_lane_gives_what_the_request_selects_and_what_the_flows_would(
    scene, config_of, entry_of, clock, kept, asked
):
    clock.now += 1000
    scene.use(config_of())
    given_by = {}
    for fields, varying in kept:
        request = replace(scene.planned().canonical, headers=tuple(sorted(fields.items())))
        entry = replace(entry_of(at=clock.now - 1.3, body=repr(fields).encode()), request=request)
        entry = replace(entry, headers=(("Vary", ", ".join(varying)),) if varying else ())
        given_by[entry.identity] = (fields, varying)
        assert scene.put(entry) == entry
    for fields in asked:
        lines = [f"{name.title()}: {value}" for name, value in fields.items()]
        flow = Request("GET", "api.vendor.test", TARGET, tuple(fields.items()))
        given_ = scene.ask(wire(*lines))
        fresh = scene.standin.lease(scene.standin.plan(flow), wants_of(flow), clock.now)
        expected = None if fresh is None else head_of(fresh.answer) + fresh.answer.body
        assert given_ == expected
        if expected is not None:
            selected_by, varying = given_by[body(expected)]
            assert all(fields.get(name) == selected_by.get(name) for name in {*varying, *selected_by})


async def test_of_what_is_remembered_the_bytes_are_held_and_no_fields_beside_them(scene):
    found = scene.lane.take(wire("Origin: a") + b"more", "c")
    [remembered] = scene.lane._asked
    assert found.wants.fields.args[0] is remembered
    assert found.wants.fields() == (("Host", "api.vendor.test"), ("Origin", "a"))


async def test_who_waits_tells_which_fields_he_sent(scene, entry, clock, monkeypatch):
    """Though the question of the first is put for all."""
    told: list[Any] = []

    async def miss(cacheable, wants, first, others):
        told.append((dict(wants.fields()).get("Origin"), [dict(each.fields()).get("Origin") for each in others]))
        return scene.standin._hot.put(entry).answer(wants, clock.now, first.client), None

    monkeypatch.setattr(scene.standin, "miss_for_all", miss)
    jobs = []
    for origin in "abc":
        found = scene.lane.take(wire(f"Origin: {origin}"), "c")
        jobs.append(scene.lane.park(found, "c", 1.5, lambda _: None))
    assert jobs[1:] == [None, None]
    await jobs[0]
    assert told == [("a", ["b", "c"]), ("b", []), ("c", [])]


# What outdates a lease.


def newer(entry, at):
    return replace(entry, identity=b"[2]", requested_at=at, received_at=at)


async def test_another_process_puts_a_newer_answer(hot, entry, open_store):
    hot.put(newer(entry, hot.clock.now), open_store())
    hot.later()
    assert body(hot.ask()) == b"[2]"


async def test_this_process_puts_a_newer_answer(hot, entry):
    hot.standin._hot.put(newer(entry, hot.clock.now))
    assert body(hot.ask()) == b"[2]"


async def test_a_purge_leaves_nothing(hot, entry, open_store):
    open_store().delete(entry.key)
    hot.later()
    assert hot.lane.hit(wire(), "192.0.2.1") is None
    assert hot.ask() is None


async def test_a_store_that_was_begun_anew(hot, entry, store, folder, open_store):
    for path in folder.iterdir():
        path.rename(folder.parent / f"gone-{path.name}")
    other = open_store()
    hot.put(newer(entry, hot.clock.now), other)
    assert store.follow()
    hot.later()
    assert body(hot.ask()) == b"[2]"


@pytest.mark.parametrize("change", [{"window_s": 2.0}, {"name": "other"}, {"lane": "full"}, {"path": "/v5/{x}/odds"}])
async def test_a_configuration_that_decides_otherwise(hot, config_of, route_of, change):
    assert hot.lane.hit(wire(), "c") is not None
    hot.use(config_of(route_of(**change)))
    assert hot.lane.hit(wire(), "c") is None
    given_, planned = hot.ask(), hot.standin.plan(Request("GET", "api.vendor.test", TARGET))
    assert given_ is None or "lane" not in change
    fresh = hot.standin.lease(planned, Wants(), hot.clock.now) if isinstance(planned, Cacheable) else None
    expected = None if fresh is None or "lane" in change else head_of(fresh.answer) + fresh.answer.body
    assert given_ == expected


async def test_a_lane_that_was_switched_off_answers_nothing_until_it_is_on_again(hot):
    hot.lane.switch(on=False)
    assert hot.ask() is None
    assert hot.lane.known(wire()) is None
    hot.lane.switch(on=True)
    assert hot.ask() is not None


async def test_a_quota_that_the_provider_told(hot, monkeypatch):
    assert b"x-requests-remaining: 94\r\n" in text(hot.ask())
    partition = hot.planned().canonical.partition
    # As `StandIn.report_demand` does with what the sidecar answers.
    assert hot.standin._quotas.take([Told("vendor", partition, NOW - 1, 17, 83)], NOW)
    hot.standin.epoch += 1
    assert b"x-requests-remaining: 17\r\n" in text(hot.ask())
    assert b"x-requests-used: 83\r\n" in text(hot.ask())


async def test_a_credential_that_was_refused(scene_of, entry, clock):
    scene = scene_of(credential={"borrow": True, "query": "apiKey"}, clients="known")
    data = wire(target=f"{TARGET}&apiKey=mine")
    planned = scene.planned(f"{TARGET}&apiKey=mine")
    scene.standin._admission.accepted(planned.provider, planned.credential, clock.now)
    scene.put(replace(entry, request=planned.canonical))
    assert scene.ask(data) is not None
    assert scene.ask(wire(target=f"{TARGET}&apiKey=another")) is None
    scene.standin._admission.refused(planned.provider, planned.credential)
    scene.standin.epoch += 1
    assert scene.ask(data) is None


async def test_a_credential_is_good_as_long_as_it_is_known(scene_of, entry, clock, route_of):
    day = route_of(window_s=80_000, max_stale_s=86_400, idle_after_s=80_000)
    scene = scene_of(day, credential={"borrow": True, "query": "apiKey"}, clients="known", known_for_s=100)
    data = wire(target=f"{TARGET}&apiKey=mine")
    planned = scene.planned(f"{TARGET}&apiKey=mine")
    scene.standin._admission.accepted(planned.provider, planned.credential, clock.now)
    scene.put(replace(entry, request=planned.canonical))
    for seconds_, has in ((0, True), (99.9, True), (100, False), (1000, False)):
        clock.now = NOW + seconds_
        assert (scene.ask(data) is not None) is has


async def test_a_group_changes_as_one(scene_of, route_of, entry_of, open_store, clock):
    routes = [route_of(name=n, path=f"/v4/{n}", group="board", window_s=60) for n in ("a", "b")]
    scene = scene_of(*routes)
    planned = [scene.planned(f"/v4/{n}") for n in "ab"]
    old = [replace(entry_of(at=NOW - 5.3), request=p.canonical, identity=b"old") for p in planned]
    scene.store.put_all(old, clock.now)
    datas = [wire(target=f"/v4/{n}") for n in "ab"]
    assert [body(scene.ask(data)) for data in datas * 2] == [b"old"] * 4
    new = [replace(e, identity=b"new", requested_at=NOW, received_at=NOW) for e in old]
    open_store().put_all(new, clock.now)
    # At once: no client may see one new beside another old, whatever it asked for a moment ago.
    assert [body(scene.ask(data)) for data in datas] == [b"new"] * 2


async def test_a_clock_that_stepped_back_ends_a_lease(hot):
    hot.clock.now -= 2.0
    planned = hot.planned()
    fresh = hot.standin.lease(planned, Wants(), hot.clock.now)
    assert fresh is not None
    assert hot.ask() == head_of(fresh.answer) + fresh.answer.body


# What one lease answers.


async def test_every_want_has_its_answer(hot, entry):
    plain, zipped = hot.ask(), hot.ask(wire("Accept-Encoding: br, gzip"))
    assert body(plain) == b"[1]"
    assert b"Content-Encoding: gzip\r\n" in text(zipped)
    assert body(zipped) == entry.gzip
    assert body(hot.ask(wire(method="HEAD"))) == b""
    assert b"Content-Length: 3\r\n" in text(hot.ask(wire(method="HEAD")))
    not_modified = text(hot.ask(wire(f'If-None-Match: W/"{entry.revision}"')))
    assert not_modified.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert body(not_modified) == b""
    assert hot.ask(wire("Accept: */*", "X-Anything: 1")) == plain
    last = hot.lane.hit(wire(), "c"), hot.lane.take(wire("Connection: close"), "c")
    assert last[0] is not None
    assert last[0].close is False
    assert last[1] not in (None, "unfinished")
    given_ = hot.lane.give(last[1], "c")
    assert given_ is not None
    assert given_.close is True


async def test_what_differs_in_a_credential_shares_no_lease(scene_of, entry):
    scene = scene_of(credential={"query": "apiKey"}, clients="own")
    for key in ("one", "two"):
        planned = scene.planned(f"{TARGET}&apiKey={key}")
        scene.put(replace(entry, request=planned.canonical, identity=key.encode()))
    for _ in range(2):
        assert [body(scene.ask(wire(target=f"{TARGET}&apiKey={key}"))) for key in ("one", "two")] == [b"one", b"two"]


async def test_what_is_for_flows_is_never_remembered(scene_of, route_of, entry):
    scene = scene_of(route_of(lane="full"))
    scene.put(entry)
    for data in (wire(), wire(target="/v4/other"), wire(method="POST"), wire("Cookie: a=b"), b"\x16\x03\x01"):
        for _ in range(2):
            assert scene.lane.take(data, "c") in (None, "unfinished")
            assert scene.lane.known(data) is None
            assert scene.lane.hit(data, "c") is None
    scene.lane.flush()
    assert scene.counted() == {}


# Bounds.


async def test_the_memory_is_bounded(scene, entry, config_of, clock):
    scene.put(entry)
    for number in range(MAX_REMEMBERED + 2_000):
        assert scene.ask(wire(f"X-Number: {number}")) is not None
        assert len(scene.lane._asked) <= MAX_REMEMBERED
    assert len(scene.lane._leases) == 1
    assert scene.ask(wire(f"X-Padding: {'x' * MAX_REMEMBERED_BYTES}")) is not None
    assert max(map(len, scene.lane._asked)) <= MAX_REMEMBERED_BYTES
    clock.now += 0.5
    for number in range(MAX_REMEMBERED + 2_000):
        assert scene.ask(wire(f'If-None-Match: "{number}"')) is not None
        assert len(scene.lane._leases) <= MAX_REMEMBERED
        assert len(scene.lane._asked) <= MAX_REMEMBERED
    scene.lane.flush()
    assert sum(scene.counted().values()) == 2 * (MAX_REMEMBERED + 2_000) + 1


async def test_what_is_not_held_ready_any_more_is_not_held_here(scene_of, entry, clock):
    """Bodies count only where they are held ready: `[hot] max_bytes` bounds them."""
    scene = scene_of()
    bodies = []
    for number in range(50):
        planned = scene.planned(f"/v4/sports/s{number}/odds")
        made = replace(entry, request=planned.canonical, identity=bytes([number]) * 1000)
        scene.standin._hot.put(made)
        bodies.append(made.identity)
        assert body(scene.ask(wire(target=f"/v4/sports/s{number}/odds"))) == made.identity
    for key in list(scene.standin._hot._ready):
        scene.standin._hot._drop(key, "size")
    scene.lane.release()
    held = [lease.answer.body for lease in scene.lane._leases.values()]
    held += [asked.lease.answer.body for asked in scene.lane._asked.values() if asked.lease is not None]
    assert held == []


# Counts.


@pytest.mark.parametrize("observe", [1, 2, 3, 10])
async def test_one_in_so_many_hits_is_observed(scene_of, entry, observe):
    scene = scene_of(lane={"observe": observe})
    scene.put(entry)
    ways = []
    for number in range(6 * observe):
        # As a connection does: what it knows, else what it reads.
        data = wire("X-Way: a") if number % 2 else wire("X-Way: b")
        lease = scene.lane.hit(data, "c")
        if lease is None:
            asked = scene.lane.take(data, "c")
            assert asked not in (None, "unfinished")
            lease = scene.lane.give(asked, "c")
        ways.append("hit" if lease is not None else "observed" if scene.lane.observed() else "lost")
    assert ways == (["hit"] * (observe - 1) + ["observed"]) * 6
    scene.lane.flush()
    expected = {("hit",): 6.0 * (observe - 1), ("observed",): 6.0}
    assert scene.counted("lane_requests_total") == {way: n for way, n in expected.items() if n}


async def test_a_miss_is_never_observed(scene_of, entry):
    scene = scene_of(lane={"observe": 2})
    scene.put(entry)
    assert scene.ask() is not None
    for _ in range(5):
        assert scene.ask(wire(target="/v4/sports/nba/odds")) is None
        assert not scene.lane.observed()
    assert scene.ask() is None
    assert scene.lane.observed()


async def test_what_was_given_adds_up(scene, entry, clock):
    scene.put(entry)
    given_ = Counter[str]()
    datas = [wire(), wire("Accept-Encoding: gzip"), wire(method="HEAD"), wire('If-None-Match: "x"'), wire("A: b")]
    for number, (data, client) in enumerate(itertools.product(datas * 7, ("a", "b", "c"))):
        if number % 5 < 3:
            assert scene.ask(data, client) is not None
            given_[client] += 1
        if number % 17 == 0:
            scene.lane.flush()
        clock.now += 0.05
    scene.lane.flush()
    scene.lane.flush()
    assert scene.counted() == {("vendor", "odds", "fresh", "2xx"): given_.total()}
    assert scene.counted("lane_requests_total") == {("hit",): given_.total()}
    assert scene.counted("served_age_seconds_count")["vendor", "fetch"] == given_.total()


async def test_credits_are_saved_for_each_client(scene, entry, monkeypatch):
    scene.put(replace(entry, cost=6.0))
    for client, times in (("a", 3), ("b", 1)):
        for _ in range(times):
            assert scene.ask(client=client) is not None
    noted = []
    monkeypatch.setattr(Tally, "saved", lambda _, *facts: noted.append(facts))
    scene.lane.flush()
    assert sorted(noted) == [("vendor", "odds", "a", 6.0, 3), ("vendor", "odds", "b", 6.0, 1)]


# Those who wait.


@pytest.fixture
def asked(scene):
    found = scene.lane.take(wire("Accept-Encoding: gzip", "Connection: close"), "c")
    assert found not in (None, "unfinished")
    assert scene.lane.give(found, "c") is None
    return found


async def test_who_waits_for_one_answer_is_served_by_one_question(scene, entry, clock, monkeypatch, asked):
    got: dict[str, Any] = {}

    async def miss(cacheable, wants, first, others):
        assert (cacheable, first.client, first.started) == (asked.cacheable, "d", 1.5)
        assert [each.client for each in others] == ["e", "f"]
        ready = scene.standin._hot.put(entry)
        return ready.answer(wants, clock.now, "first"), ready.answer(wants, clock.now, "others")

    monkeypatch.setattr(scene.standin, "miss_for_all", miss)
    job = scene.lane.park(asked, "d", 1.5, partial(got.__setitem__, "d"))
    assert all(scene.lane.park(asked, name, 2.0, partial(got.__setitem__, name)) is None for name in "ef")
    await job
    assert got["e"] is got["f"] is not got["d"]
    assert all(sent.close and body(b"".join(sent.parts)) == entry.gzip for sent in got.values())
    assert b"Cache-Status: holdover; first\r\n" in got["d"].parts[0]
    assert b"Cache-Status: holdover; others\r\n" in got["e"].parts[0]
    assert scene.counted("lane_requests_total") == {("waited",): 3}


async def test_who_joins_a_question_that_was_none_asks_anew(scene, entry, clock, monkeypatch, asked):
    asking: list[str] = []
    got: dict[str, Any] = {}

    async def miss(cacheable, wants, first, others):
        asking.append(first.client)
        return scene.standin._hot.put(entry).answer(wants, clock.now, first.client), None

    monkeypatch.setattr(scene.standin, "miss_for_all", miss)
    job = scene.lane.park(asked, "d", 1.5, partial(got.__setitem__, "d"))
    scene.lane.park(asked, "e", 1.5, partial(got.__setitem__, "e"))
    await job
    assert (asking, sorted(got)) == (["d", "e"], ["d", "e"])
    another = scene.lane.park(asked, "f", 1.5, partial(got.__setitem__, "f"))
    await another
    assert asking[-1] == "f"


async def test_what_fails_is_everybodys_own_again(scene, monkeypatch, asked):
    got: dict[str, Any] = {}

    async def miss(*_):
        raise ValueError("broken")

    monkeypatch.setattr(scene.standin, "miss_for_all", miss)
    job = scene.lane.park(asked, "d", 1.5, partial(got.__setitem__, "d"))
    scene.lane.park(asked, "e", 1.5, partial(got.__setitem__, "e"))
    await job
    assert got == {"d": None, "e": None}


class Oracle:
    """What `StandIn.miss_for_all` does, at the test's will."""

    def __init__(self, scene, entry, monkeypatch):
        self.scene, self.entry = scene, entry
        self.go, self.asked, self.error = asyncio.Event(), [], None
        monkeypatch.setattr(scene.standin, "miss_for_all", self.miss)

    async def miss(self, cacheable, wants, first, others):
        await self.go.wait()
        self.asked.append((first.client, [each.client for each in others]))
        if self.error is not None:
            raise self.error
        ready = Ready(self.entry, cacheable.provider.settings.quota)
        answers = [ready.answer(wants, NOW, way) for way in ("led", "joined")]
        return answers[0], answers[1] if others else None


class Waiters:
    """Clients of one lane that ask for the same."""

    def __init__(self, scene, data=None):
        self.scene, self.given, self.jobs = scene, [], []
        found = scene.lane.take(wire() if data is None else data, "c")
        assert found not in (None, "unfinished")
        self.asked = found

    def park(self, client, then=lambda: None):
        def deliver(sent):
            self.given.append((client, None if sent is None else "led" if b"; led" in sent.parts[0] else "joined"))
            then()

        if (job := self.scene.lane.park(self.asked, client, 1.5, deliver)) is not None:
            self.jobs.append(asyncio.ensure_future(job))

    async def all(self):
        while any(not job.done() for job in self.jobs):
            await asyncio.gather(*self.jobs)


@pytest.fixture
def oracle(scene, entry, monkeypatch):
    return Oracle(scene, entry, monkeypatch)


async def test_who_asks_again_when_he_is_answered_is_another_one(scene, oracle):
    """As a client does that has sent the same several times ahead: nobody has counted the second one yet."""
    waiters = Waiters(scene)
    waiters.park("a", lambda: waiters.park("a again"))
    waiters.park("b", lambda: waiters.park("b again"))
    oracle.go.set()
    await waiters.all()
    assert oracle.asked == [("a", ["b"]), ("a again", ["b again"])]
    assert waiters.given == [("a", "led"), ("b", "joined"), ("a again", "led"), ("b again", "joined")]


@pytest.mark.parametrize("error", [None, RuntimeError("broken")])
async def test_one_who_cannot_be_answered_keeps_nobody_waiting(scene, oracle, error):
    def broken():
        raise ValueError("cannot take it")

    oracle.error = error
    waiters = Waiters(scene)
    for client, then in (("a", broken), ("b", broken), ("c", lambda: None)):
        waiters.park(client, then)
    oracle.go.set()
    await waiters.all()
    assert [client for client, _ in waiters.given] == ["a", "b", "c"]
    assert scene.lane._parked == {}


async def test_who_wants_something_else_does_not_wait_with_the_others(scene, oracle, entry):
    plain, zipped, last = (Waiters(scene, wire(*f)) for f in ([], ["Accept-Encoding: gzip"], ["Connection: close"]))
    for waiters in (plain, zipped, last):
        waiters.park("a")
        waiters.park("b")
    assert len(scene.lane._parked) == 3
    oracle.go.set()
    for waiters in (plain, zipped, last):
        await waiters.all()
        assert waiters.given == [("a", "led"), ("b", "joined")]


def test_what_echoes_its_request_is_not_kept(scene, entry):
    scene.standin._hot.put(entry)
    plain = scene.lane.take(wire(), "c")
    echoing = Asked(replace(plain.cacheable, echo="7"), plain.wants, plain.length, plain.close)
    for _ in range(3):
        lease = scene.lane.give(echoing, "c")
        scene.lane.gave(lease)
        assert (scene.lane._leases, echoing.lease, scene.lane._given) == ({}, None, [])
    assert scene.counted("lane_requests_total") == {("hit",): 3}
    assert sum(scene.counted("client_requests_total").values()) == 3


def test_an_answer_that_ended_is_let_go(scene, entry, clock):
    scene.standin._hot.put(entry)
    asked = scene.lane.take(wire(), "c")
    assert scene.lane.give(asked, "c") is asked.lease is not None
    clock.now += 1.5
    scene.lane.release()
    assert (asked.lease, scene.lane._leases) == (None, {})


async def test_nobody_waits_for_what_is_for_who_asked_alone(scene, oracle, monkeypatch):
    waiters, under_way = Waiters(scene), []

    async def miss(cacheable, wants, first, others):
        under_way.append(first.client)
        await oracle.go.wait()
        return Ready(oracle.entry, cacheable.provider.settings.quota).answer(wants, NOW, "led"), None

    monkeypatch.setattr(scene.standin, "miss_for_all", miss)
    for client in "abc":
        waiters.park(client)
    await asyncio.sleep(0)
    assert under_way == ["a"]
    oracle.go.set()
    await asyncio.sleep(0)
    oracle.go.clear()
    await asyncio.sleep(0)
    assert under_way == ["a", "b", "c"]
    monkeypatch.setattr(scene.standin, "asks_alone", lambda _: True)
    for client in "de":
        waiters.park(client)
    await asyncio.sleep(0)
    assert under_way == ["a", "b", "c", "d", "e"]
    oracle.go.set()
    await waiters.all()
    assert [client for client, _ in waiters.given] == ["a", "b", "c", "d", "e"]
    assert scene.lane._parked == {}


@pytest.mark.parametrize(
    ("size", "joined", "a_file"),
    [(0, True, False), (FILE_BYTES // 2, True, False), (2 * FILE_BYTES, True, True), (2 * JOINED_BYTES, False, True)],
)
async def test_what_is_often_sent_in_pieces_is_copied_into_one(scene_of, entry_of, size, joined, a_file):
    scene = scene_of()
    scene.put(told(entry_of(at=NOW, body=b"[%b1]" % (b" " * size))))
    assert scene.ask() is not None
    lease = scene.lane.hit(wire(), "c")
    pieces = lease.parts
    for number in range(OFTEN):
        assert (lease.parts, lease.file) == (pieces, None), number
        scene.lane.pieced(lease)
    assert lease.parts == ((b"".join(pieces),) if joined else pieces)
    assert (lease.file is not None) is a_file
    if a_file:
        assert os.pread(lease.file.descriptor, 1_000_000, 0) == b"".join(pieces)


def answers_in_files():
    def leads_to_one(link):
        with suppress(OSError):
            return "memfd:answer" in str(link.readlink())

    return sum(map(bool, map(leads_to_one, Path("/proc/self/fd").iterdir())))


async def test_there_are_only_so_many_files_and_they_go_with_their_answers(scene_of, entry_of):
    scene, leases = scene_of(), []
    for number in range(MAX_FILES + 2):
        entry = told(entry_of(f"s{number}", at=NOW, body=b"[%b1]" % (b" " * 2 * JOINED_BYTES)))
        scene.put(entry)
        scene.later()
        data = wire(target=f"/v4/sports/s{number}/odds?regions=us")
        assert scene.ask(data) is not None
        leases.append(scene.lane.hit(data, "c"))
        for _ in range(OFTEN):
            scene.lane.pieced(leases[-1])
    assert [lease.file is None for lease in leases] == [False] * MAX_FILES + [True] * 2
    assert answers_in_files() == MAX_FILES
    leases[:] = []
    scene.later(100)
    scene.lane.flush()
    scene.lane.release()
    assert answers_in_files() == 0
