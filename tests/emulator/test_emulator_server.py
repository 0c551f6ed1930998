"""The emulator as a process of its own, over real connections."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import QUICK, Server

EPL = "/v4/sports/soccer_epl"
QUOTA = ("x-requests-remaining", "x-requests-used", "x-requests-last")
US = f"{EPL}/odds?regions=us&apiKey=k"


def wait_for_active(server: Server, count: int) -> None:
    deadline = time.monotonic() + 30
    while server.get("/_stats").json["active"] != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_quota_headers_report_each_call_free_ones_included(server: Server) -> None:
    paid = server.get(f"{EPL}/odds/?apiKey=k&regions=us,uk&markets=h2h,spreads,totals")
    assert (paid.status, [paid.headers[name] for name in QUOTA]) == (200, ["499994", "6", "6"])
    free = server.get("/v4/sports?api_key=k")
    assert (free.status, [free.headers[name] for name in QUOTA]) == (200, ["499994", "6", "0"])
    unknown = server.get("/v4/sports/nothing/odds?apiKey=k")
    assert (unknown.status, [unknown.headers[name] for name in QUOTA]) == (404, ["499994", "6", "0"])
    other = server.get("/v4/sports?apiKey=another")
    assert other.headers["x-requests-used"] == "0"


@pytest.mark.parametrize("path", [f"{EPL}/odds?regions=us", f"{EPL}/odds?regions=us&apiKey="])
def test_a_missing_key_gets_no_quota_headers(server: Server, path: str) -> None:
    reply = server.get(path)
    assert (reply.status, reply.json["error_code"]) == (401, "MISSING_KEY")
    assert set(reply.json) == {"message", "error_code", "details_url"}
    assert not set(QUOTA) & set(reply.headers)


def test_a_credential_list_refuses_other_keys(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--credential", "one", "--credential", "two")
    assert [server.get(f"/v4/sports?apiKey={key}").status for key in ("one", "two")] == [200, 200]
    reply = server.get("/v4/sports?apiKey=three")
    assert (reply.status, reply.json["error_code"]) == (401, "INVALID_KEY")
    assert not set(QUOTA) & set(reply.headers)


def test_the_last_call_overdraws_and_the_next_is_refused_with_401(server: Server) -> None:
    server.control(quota=4)
    path = f"{EPL}/odds?apiKey=poor&regions=us,uk,eu"
    assert server.get(path).headers["x-requests-remaining"] == "1"
    assert server.get(path).headers["x-requests-remaining"] == "-2"
    refused = server.get(path)
    assert (refused.status, refused.json["error_code"]) == (401, "OUT_OF_USAGE_CREDITS")
    assert not set(QUOTA) & set(refused.headers)
    free = server.get("/v4/sports?apiKey=poor")
    assert (free.status, free.headers["x-requests-remaining"]) == (200, "-2")


def test_the_rate_is_limited_per_key(server: Server) -> None:
    server.control(rate=3)
    replies = [server.get("/v4/sports?apiKey=fast") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[3].json["error_code"] == "EXCEEDED_FREQ_LIMIT"
    assert server.get("/v4/sports?apiKey=calm").status == 200


def test_bodies_are_compressed_only_when_asked(server: Server) -> None:
    whole, packed = server.get(US), server.get(US, Accept_Encoding="gzip, deflate")
    assert whole.headers["content-type"] == packed.headers["content-type"] == "application/json; charset=utf-8"
    assert "content-encoding" not in whole.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(packed.body))) == len(whole.json) == 12
    assert "date" in whole.headers
    assert "etag" not in whole.headers
    assert "cache-control" not in whole.headers


def test_a_trailing_slash_and_percent_encoding_change_nothing(server: Server) -> None:
    plain = server.get(f"{EPL}/odds?apiKey=k&regions=us,uk&markets=h2h,totals")
    other = server.get(f"{EPL}/odds/?markets=totals%2Ch2h&regions=uk%2Cus&api_key=k")
    assert other.status == 200
    assert [event["id"] for event in plain.json] == [event["id"] for event in other.json]
    assert len(server.get("/_stats").json["by_shape"]) == 2


def test_served_prices_are_the_truth_of_their_revision(server: Server) -> None:
    for _ in range(5):
        reply = server.get(f"{EPL}/odds?apiKey=k&oddsFormat=american&regions=us,us2,uk,eu,au&markets=totals")
        revision = reply.headers["x-emulator-revision"]
        truth = server.get(f"/_truth?sport=soccer_epl&tick={revision}").json
        assert truth["tick"] == int(revision)
        for event in reply.json:
            expected = truth["prices"][event["id"]]
            for book in event["bookmakers"]:
                prices = {outcome["name"]: outcome["price"] for outcome in book["markets"][0]["outcomes"]}
                assert prices == expected[book["key"]]["totals"]


@pytest.mark.parametrize("query", ["sport=nothing", "sport=soccer_epl&tick=99999999", "sport=soccer_epl&tick=x"])
def test_there_is_no_truth_of_what_is_not_held(server: Server, query: str) -> None:
    assert server.get(f"/_truth?{query}").status == 404


def test_the_board_is_read_after_the_delay_and_never_goes_back(server: Server) -> None:
    server.control(latency_p50_ms=400, latency_p95_ms=400)
    completed: list[tuple[int, float]] = []

    def call(_: int) -> None:
        newest, asked = max(completed, default=(0, 0.0)), time.time()
        headers = server.get(US).headers
        seen = int(headers["x-emulator-revision"]), float(headers["x-emulator-generated-at"])
        assert seen >= newest
        assert asked + 0.3 < seen[1] < time.time() + 0.01
        completed.append(seen)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(24)))
    assert len({revision for revision, _ in completed}) > 2


def test_etag_and_max_age_are_optional(starting: Callable[..., Server]) -> None:
    server = starting("--latency-p50-ms", "0", "--tick-s", "60", "--etag", "--max-age", "5")
    first = server.get(US)
    assert first.headers["cache-control"] == "public, max-age=5"
    again = server.get(US, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert [again.headers[name] for name in QUOTA] == ["499999", "1", "0"]
    assert server.get(US, If_None_Match='W/"other"').status == 200
    stats = server.get("/_stats").json
    assert (stats["conditional"], stats["not_modified"]) == (2, 1)


def test_stats_count_paths_statuses_shapes_keys_and_connections(server: Server) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    for _ in range(3):
        connection.request("GET", f"{EPL}/odds?regions=us&apiKey=k&markets=h2h%2Ctotals")
        connection.getresponse().read()
    connection.close()
    server.get("/v4/nothing?apiKey=k")
    server.get("/v4/sports")
    stats = server.get("/_stats").json
    assert stats["requests"] == 5
    assert stats["by_status"] == {"200": 3, "404": 1, "401": 1}
    assert stats["by_path"] == {f"{EPL}/odds": 3, "/v4/nothing": 1, "/v4/sports": 1}
    assert stats["by_shape"][f"{EPL}/odds?markets=h2h,totals&regions=us"] == 3
    assert [list(account.values()) for account in stats["by_key"].values()] == [[6, 499994, 4]]
    assert (stats["connections"], stats["active"], stats["max_active"]) == (3, 0, 1)
    reset = server.send("POST", "/_stats/reset").json
    assert (reset["requests"], reset["by_key"], reset["by_status"]) == (0, {}, {})


def test_active_requests_are_counted_while_they_wait(server: Server) -> None:
    server.control(latency_p50_ms=1000, latency_p95_ms=1000)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(server.get, US) for _ in range(6)]
        for call in waiting:
            call.result()
    assert server.get("/_stats").json["max_active"] == 6


def test_control_refuses_what_it_does_not_know(server: Server) -> None:
    before = server.get("/_control").json
    reply = server.control(rate=1, speed=2)
    assert (reply.status, reply.json["message"].partition(";")[0]) == (400, "unknown setting: speed")
    assert server.send("POST", "/_control", "{").status == 400
    assert server.get("/_control").json == before


def test_headers_set_at_run_time(server: Server) -> None:
    server.control(cache_control="no-store", extra_headers={"X-Made-Up": "1"})
    headers = server.get(US).headers
    assert (headers["cache-control"], headers["x-made-up"]) == ("no-store", "1")


def test_fault_status(server: Server) -> None:
    fault = {"kind": "status", "status": 503, "body": "down", "headers": {"Retry-After": "7"}}
    server.control(fault=fault)
    reply = server.get(US)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (503, b"down", "7")
    server.control(fault=None)
    assert server.get(US).headers["x-requests-used"] == "1"


def test_fault_hang_lasts_until_the_client_leaves(server: Server) -> None:
    server.control(fault={"kind": "hang"})
    connection = http.client.HTTPConnection(server.address, timeout=0.2)
    connection.request("GET", US)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    wait_for_active(server, 1)
    connection.close()
    wait_for_active(server, 0)
    assert server.get("/_stats").json["by_status"] == {"cancelled": 1}


def test_fault_reset(server: Server) -> None:
    server.control(fault={"kind": "reset"})
    with pytest.raises(ConnectionResetError):
        server.get(US)
    assert server.get("/_stats").json["by_status"] == {"reset": 1}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_fault_truncate(server: Server, encoding: str) -> None:
    server.control(fault={"kind": "truncate"})
    with pytest.raises(http.client.IncompleteRead) as problem:
        server.get(US, Accept_Encoding=encoding)
    missing = problem.value.expected
    assert missing is not None
    assert abs(missing - len(problem.value.partial)) <= 1


def test_fault_garbage(server: Server) -> None:
    server.control(fault={"kind": "garbage"})
    reply = server.get(US)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert reply.headers["x-requests-last"] == "1"
    with pytest.raises(ValueError):
        json.loads(reply.body)


def test_the_front_page_says_what_this_is(server: Server) -> None:
    assert b"emulated odds provider" in server.get("/").body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_at_once_even_with_hanging_requests(
    starting: Callable[..., Server], number: signal.Signals
) -> None:
    server = starting("--latency-p50-ms", "0")
    server.control(fault={"kind": "hang"})
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", US)
    wait_for_active(server, 1)
    server.process.send_signal(number)
    assert server.process.wait(timeout=30) == 0
    connection.close()
