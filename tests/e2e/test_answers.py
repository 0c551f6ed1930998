"""What a client gets back: the provider's answer, and what holdover adds to it."""

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from scripts.rig import HOST, Emulator, House, running, wait_for, write_house
from tests.e2e.wire import arrivals, ask, dial, fresh_target, quiet_fields, reconfigure, total

QUOTA = ("x-requests-remaining", "x-requests-used", "x-requests-last")


@pytest.fixture
def port(house: House) -> int:
    return house.ports["reverse"]


@pytest.fixture(scope="module")
def hurried(shared_provider: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose answers pass their window at once and are not refreshed ahead, because nobody is left to ask."""
    brief: dict[str, Any] = {"window_s": 0.2, "idle_after_s": 0.1, "max_stale_s": 600, "retries": 0}
    written = write_house(tmp_path_factory.mktemp("hurried"), shared_provider.url, **brief)
    with running(written):
        yield written


def direct_port(provider: Emulator) -> int:
    found = urlsplit(provider.url).port
    assert found is not None
    return found


def until_asked_anew(house: House, target: str, mark: str) -> None:
    """Asks, with pauses longer than the key stays in demand, until the answer's Cache-Status has `mark`."""
    seen = ""

    def marked() -> bool:
        nonlocal seen
        seen = ask(house.ports["reverse"], target).cache
        return mark in seen

    wait_for(marked, 30, 0.4)


def test_an_answer_is_the_providers_own(port: int, provider: Emulator):
    target = fresh_target()
    direct = ask(direct_port(provider), target)
    for _ in range(2):
        through = ask(port, target)
        assert (through.status, through.body) == (direct.status, direct.body)
        assert quiet_fields(through.names) == quiet_fields(direct.names)
        assert through["content-type"] == direct["content-type"]
    assert arrivals(provider, target) == 2  # one of them was the direct one


def test_the_first_answer_tells_of_the_fetch_and_the_second_of_the_hit(port: int, house: House):
    target = fresh_target()
    first, second = ask(port, target), ask(port, target)
    assert first.way == "fwd=uri-miss; stored"
    assert "age" not in first.names
    hit, ttl = second.cache.split("; ")
    window = house.settings["window_s"]
    assert hit == "hit"
    assert isinstance(window, int)
    assert window - 60 < int(ttl.removeprefix("ttl=")) <= window


def test_age_is_the_time_since_the_provider_was_asked(port: int):
    target = fresh_target()
    before = time.time()
    ask(port, target)
    after = time.time()
    wait_for(lambda: int(ask(port, target)["age"]) >= 1)
    asked = time.time()
    told = int(ask(port, target)["age"])
    assert int(asked - after) <= told <= time.time() - before


def test_all_who_ask_at_once_cost_one_request(port: int, provider: Emulator):
    provider.control(latency_p50_ms=1500, latency_p95_ms=1500)
    target = fresh_target()
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: ask(port, target), range(10)))
    assert arrivals(provider, target) == 1
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    ways = sorted(reply.way for reply in replies)
    assert ways.count("fwd=uri-miss; stored") == 1
    assert "fwd=uri-miss; collapsed" in ways
    assert all(way.startswith(("fwd=uri-miss", "hit; ttl=")) for way in ways)


def test_etag_leads_to_304(port: int):
    target = fresh_target()
    etag = ask(port, target)["etag"]
    assert etag.startswith('W/"')
    for value in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        reply = ask(port, target, headers={"If-None-Match": value})
        assert (reply.status, reply.body) == (304, b"")
        assert reply["etag"] == etag
        assert reply.cache.startswith("hit")
        assert "content-type" not in reply.names
    other = ask(port, target, headers={"If-None-Match": '"other"'})
    assert other.status == 200
    assert other.json


def test_another_content_has_another_etag(port: int):
    assert ask(port, fresh_target())["etag"] != ask(port, fresh_target(markets="totals"))["etag"]


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        (None, False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("*", True),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("identity, gzip;q=0, *;q=0.1", False),
    ],
)
def test_gzip_only_for_who_asks(port: int, accepted: str | None, zipped: bool):
    target = "/v4/sports/soccer_epl/odds?regions=uk&markets=h2h&apiKey=client&n=gzip"
    plain = ask(port, target, headers={"Accept-Encoding": "identity"}).body
    reply = ask(port, target, headers={} if accepted is None else {"Accept-Encoding": accepted})
    assert plain.startswith(b"[{")
    assert reply["content-encoding"] == ("gzip" if zipped else "")
    assert (gzip.decompress(reply.body) if zipped else reply.body) == plain
    assert int(reply["content-length"]) == len(reply.body)
    assert "accept-encoding" in reply["vary"].lower()


def test_gzip_on_a_miss_too(port: int):
    reply = ask(port, fresh_target(), headers={"Accept-Encoding": "gzip"})
    assert reply.way == "fwd=uri-miss; stored"
    assert gzip.decompress(reply.body).startswith(b"[{")


@pytest.mark.parametrize("stored", [False, True])
def test_head_has_the_fields_of_get_and_no_body(port: int, provider: Emulator, stored: bool):
    target = fresh_target()
    if stored:
        ask(port, target)
    with dial(port) as line:
        line.sendall(f"HEAD {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        raw = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest == b""
    through = ask(port, target)
    assert through.cache.startswith("hit")
    assert f"content-length: {len(through.body)}".encode() in head.lower()
    assert arrivals(provider, target) == 1


def test_quota_fields_stay_and_a_hit_costs_nothing(port: int):
    target = fresh_target(regions="uk,eu")
    paid, hit = ask(port, target), ask(port, target)
    assert all(paid[name].isdigit() and hit[name].isdigit() for name in QUOTA)
    assert (paid["x-requests-last"], hit["x-requests-last"]) == ("2", "0")
    assert [hit[name] for name in QUOTA[:2]] == [paid[name] for name in QUOTA[:2]]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (fresh_target(regions="moon"), 422),
        (fresh_target("/v4/sports/quidditch/odds"), 404),
    ],
)
def test_what_is_absent_comes_verbatim_and_is_asked_for_once(port: int, provider: Emulator, target: str, status: int):
    direct = ask(direct_port(provider), target)
    through = [ask(port, target) for _ in range(2)]
    assert direct.status == status
    assert [(reply.status, reply.body) for reply in through] == [(status, direct.body)] * 2
    assert [reply.cache.split(";")[0] for reply in through] == ["fwd=uri-miss", "hit"]
    assert quiet_fields(through[0].names) == quiet_fields(direct.names)
    assert arrivals(provider, target) == 2


def test_a_cookie_is_for_nobody_else(port: int, provider: Emulator):
    provider.control(extra_headers={"Set-Cookie": "session=of-one-client", "X-Extra": "kept"})
    target = fresh_target()
    replies = [ask(port, target) for _ in range(2)]
    assert [reply.cache.split(";")[0] for reply in replies] == ["fwd=uri-miss", "hit"]
    assert [reply["x-extra"] for reply in replies] == ["kept", "kept"]
    assert not any("set-cookie" in reply.names for reply in replies)


@pytest.fixture
def paused(hurried: House, provider: Emulator) -> Iterator[House]:
    """A house whose provider has just told one client to wait."""
    headers = {"Retry-After": "600", "Set-Cookie": "session=of-one-client"}
    provider.control(fault={"kind": "status", "status": 429, "body": "{}", "headers": headers})
    assert ask(hurried.ports["reverse"], fresh_target()).status == 429
    yield hurried
    # A provider whose settings changed is called afresh.
    reconfigure(hurried, rate_per_s=101 if hurried.settings.get("rate_per_s") != 101 else 100)


def test_a_pause_that_the_provider_asked_for_is_told_to_all(paused: House, provider: Emulator):
    target = fresh_target()
    reply = ask(paused.ports["reverse"], target)
    assert (reply.status, reply.body) == (429, b"{}")
    assert 500 < int(reply["retry-after"]) <= 600
    assert arrivals(provider, target) == 0


def test_the_cookie_of_a_kept_refusal_is_for_nobody_else(paused: House):
    assert "set-cookie" not in ask(paused.ports["reverse"], fresh_target()).names


@pytest.mark.parametrize("directive", ["no-store", "private", "max-age=60, private", 'Private="x-extra"'])
def test_what_the_provider_forbids_is_not_stored(port: int, provider: Emulator, directive: str):
    provider.control(cache_control=directive)
    target = fresh_target()
    replies = [ask(port, target) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert all("fwd=uri-miss" in reply.cache and "stored" not in reply.cache for reply in replies)
    assert arrivals(provider, target) == 2


def test_the_window_outweighs_max_age(port: int, provider: Emulator):
    provider.control(cache_control="public, max-age=0")
    target = fresh_target()
    assert ask(port, target).way == "fwd=uri-miss; stored"
    assert ask(port, target).cache.startswith("hit")


def test_an_error_of_the_provider_leaves_the_last_good_answer_until_its_limit(hurried: House, provider: Emulator):
    target, port = fresh_target(), hurried.ports["reverse"]
    good = ask(port, target)
    assert good.way == "fwd=uri-miss; stored"
    provider.control(fault={"kind": "status", "status": 401, "body": '{"message": "no credits"}'})
    until_asked_anew(hurried, target, "fwd=stale; fwd-status=401")
    stale = ask(port, target)
    assert (stale.status, stale.body) == (200, good.body)
    assert stale["x-requests-last"] == "0"

    reconfigure(hurried, max_stale_s=0.2)
    try:
        past = ask(port, target)
        assert (past.status, past.json) == (401, {"message": "no credits"})
        assert "fwd=stale; fwd-status=401" in past.cache
        assert "age" not in past.names
        provider.control(fault={"kind": "reset"})
        gone = ask(port, target)
        assert gone.status == 502
        assert gone.json["message"].startswith("holdover: ")
    finally:
        reconfigure(hurried, max_stale_s=600)


def test_odds_are_never_older_than_the_limit(hurried: House, provider: Emulator):
    reconfigure(hurried, max_stale_s=2)
    target, port = fresh_target(), hurried.ports["reverse"]
    ask(port, target)
    provider.control(fault={"kind": "status", "status": 503, "body": "{}"})
    served = 0
    try:
        while True:
            asked = time.time()
            reply = ask(port, target)
            if reply.status != 200:
                break
            served += 1
            # The decision came after `asked`, and holdover's count of the age began before the generation.
            assert asked - float(reply["x-emulator-generated-at"]) <= 2.01
        assert served > 0
        assert reply.status in (502, 503)
        assert b"bookmakers" not in reply.body
        assert ask(port, target).status in (502, 503)
    finally:
        reconfigure(hurried, max_stale_s=600)


def test_a_304_of_the_provider_confirms_what_is_stored(hurried: House, provider: Emulator):
    provider.control(etag=True)
    target, port = fresh_target(), hurried.ports["reverse"]
    first = ask(port, target)
    family, mark = "holdover_upstream_responses_total", 'effect="not_modified"'
    before = total(hurried.metrics("admin"), family, mark)
    conditional = provider.stats()["not_modified"]
    until_asked_anew(hurried, target, "fwd=stale; stored")
    second = ask(port, target)
    assert (second.status, second.body, second["etag"]) == (200, first.body, first["etag"])
    assert second["content-type"] == first["content-type"]
    assert provider.stats()["not_modified"] > conditional
    assert total(hurried.metrics("admin"), family, mark) > before
