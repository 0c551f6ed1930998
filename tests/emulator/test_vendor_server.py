"""What all emulated vendors share, seen on the generic one and on one with its key in the query."""

import http.client
import subprocess
import sys
import time
import urllib.error
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from scripts.emulator.vendors.__main__ import VENDORS, parser
from scripts.emulator.vendors.clock import Clock
from scripts.emulator.vendors.launch import Running, running
from scripts.rig import ROOT, wait_for

from .vendor_wire import ask, exchange

ODDS = "/api/odds?league=north&market=winner"
TOKEN = {"X-Token": "one"}


@pytest.fixture(scope="module")
def shared():
    with running("generic", seed=7) as vendor:
        yield vendor


@pytest.fixture
def vendor(shared: Running):
    shared.control(faults=[], tick_s=0, freeze=False)
    shared.reset()
    return shared


def test_sigterm_ends_it_with_status_0():
    with running("generic") as vendor:
        vendor.process.terminate()
        assert vendor.process.wait(timeout=30) == 0


@pytest.mark.parametrize("name", VENDORS)
def test_the_seed_decides_the_board(name):
    def prices(seed: int) -> list[float | str]:
        vendor = VENDORS[name].start(Clock(), parser().parse_args([name, "--seed", str(seed)]))
        vendor.move(5)
        return list(numbers(vendor.truth()))

    assert prices(3) == prices(3)
    assert prices(3) != prices(4)


def numbers(document, name=""):
    """The prices of a truth, without times, which differ between two starts."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from numbers(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from numbers(value, name)
    elif isinstance(document, float) or name.startswith("odd"):
        yield document


def test_an_unknown_vendor_is_refused_by_name():
    command = [sys.executable, "-m", "scripts.emulator.vendors", "nobody"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert "sportradar" in refused.stderr


def test_bodies_are_compressed_only_when_asked(vendor):
    url = vendor.url + ODDS
    plain, packed = ask(url, TOKEN), ask(url, {**TOKEN, "Accept-Encoding": "br, gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json["data"] == plain.json["data"]
    assert "content-encoding" not in ask(url, {**TOKEN, "Accept-Encoding": "gzip;q=0"}).headers


def test_a_connection_is_kept_and_the_date_follows_the_vendors_clock(vendor):
    connection = http.client.HTTPConnection(urlsplit(vendor.url).netloc, timeout=30)
    before = exchange(connection, ODDS, TOKEN, None)
    now = vendor.control(advance_s=5000)["now"]
    after = exchange(connection, ODDS, TOKEN, None)
    connection.close()
    assert vendor.stats()["connections"] == 1
    dates = [parsedate_to_datetime(reply.headers["date"]).timestamp() for reply in (before, after)]
    assert dates[1] - dates[0] >= 4999
    assert dates[1] >= now - 1
    assert after.json["as_of_ts_ms"] >= int(now * 1000)


def test_the_stats_tell_requests_statuses_callers_and_fields(vendor):
    ask(vendor.url + ODDS, {**TOKEN, "X-Shape": "round"})
    ask(vendor.url + "/api/leagues", {"X-Token": "two"})
    stats = vendor.stats()
    assert stats["requests"] == 2
    assert stats["by_endpoint"] == {"/api/odds": 1, "/api/leagues": 1}
    assert stats["by_status"] == {"200": 2}
    assert stats["by_credential"] == {"one": 1, "two": 1}
    assert stats["spent"] == {"one": 1, "two": 0}
    assert (stats["spent_total"], stats["header_fields"]["x-shape"]) == (1, 1)
    assert stats["last_requests"] == [f"GET {ODDS}", "GET /api/leagues"]
    vendor.reset()
    assert vendor.stats()["requests"] == vendor.stats()["spent_total"] == 0


def test_a_request_line_is_as_sent_without_the_credential():
    with running("sports-game-odds") as vendor:
        ask(f"{vendor.url}/v2/events/?limit=1&apiKey=secret&leagueID=NBA%2CNFL")
        stats = vendor.stats()
    assert stats["last_requests"] == ["GET /v2/events/?limit=1&leagueID=NBA%2CNFL"]
    assert stats["by_credential"] == {"secret": 1}


def test_the_last_hundred_request_lines_are_kept(vendor):
    connection = http.client.HTTPConnection(urlsplit(vendor.url).netloc, timeout=30)
    for number in range(103):
        exchange(connection, f"/api/leagues?n={number}", TOKEN, None)
    connection.close()
    lines = vendor.stats()["last_requests"]
    assert (len(lines), lines[0], lines[-1]) == (100, "GET /api/leagues?n=3", "GET /api/leagues?n=102")


def test_faults_answer_the_next_requests_and_cost_nothing(vendor):
    url = vendor.url + ODDS
    vendor.control(faults={"count": 2, "status": 503, "body": {"why": "down"}, "headers": {"Retry-After": "7"}})
    replies = [ask(url, TOKEN) for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert (replies[0].json, replies[0].headers["retry-after"]) == ({"why": "down"}, "7")
    assert vendor.stats()["spent_total"] == 1


def test_a_fault_may_keep_to_a_path(vendor):
    vendor.control(faults=[{"status": 500, "body": "<p>no</p>", "path": "/api/odds"}])
    assert ask(vendor.url + "/api/leagues", TOKEN).status == 200
    reply = ask(vendor.url + ODDS, TOKEN)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (
        500,
        b"<p>no</p>",
        "text/html; charset=utf-8",
    )


def test_a_fault_of_status_0_delays_the_vendors_own_answer(vendor):
    vendor.control(faults={"status": 0, "delay_s": 0.3})
    started = time.monotonic()
    assert ask(vendor.url + ODDS, TOKEN).json["ok"] is True
    assert time.monotonic() - started >= 0.3


def test_a_fault_may_reset_the_connection(vendor):
    vendor.control(faults={"reset": True})
    with pytest.raises(OSError):
        ask(vendor.url + ODDS, TOKEN)
    assert ask(vendor.url + ODDS, TOKEN).status == 200
    assert vendor.stats()["by_status"] == {"reset": 1, "200": 1}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"quota": 5, "nothing": 1}, "unknown control: nothing"),
        ({"quota": "5"}, "quota must be of the kind int"),
        ({"quota": True}, "quota must be of the kind int"),
        ({"advance_s": -1}, "at least 0"),
        ({"faults": {"kind": "hang"}}, "unknown entry of faults: kind"),
        ({"faults": {"status": 99}}, "status must be 0 or between"),
    ],
)
def test_a_wrong_control_is_refused_with_a_reason(vendor, entries, says):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        vendor.control(**entries)
    with refusal.value as answer:
        assert answer.code == 400
        assert says in answer.read().decode()
    assert vendor.control()["settings"]["quota"] == 10_000


def test_prices_move_by_control_and_with_ticks_of_the_clock(vendor):
    before = vendor.truth()
    assert vendor.truth() == before
    vendor.control(move=1)
    moved = vendor.truth()
    assert count_differences(before, moved) == 1
    vendor.control(tick_s=10.0)
    vendor.control(advance_s=1000)
    assert count_differences(moved, vendor.truth()) > 3


def count_differences(one, other) -> int:
    pairs = zip(numbers(one), numbers(other), strict=True)
    return sum(first != second for first, second in pairs)


def test_a_frozen_clock_stands_but_can_be_advanced_and_goes_on_from_there(vendor):
    frozen = vendor.control(freeze=True)["now"]
    assert vendor.control()["now"] == frozen
    assert vendor.control(advance_s=10)["now"] == frozen + 10
    assert vendor.control(freeze=False)["now"] >= frozen + 10
    wait_for(lambda: vendor.control()["now"] > frozen + 10)


def test_other_methods_are_refused(vendor):
    reply = ask(vendor.url + ODDS, TOKEN, {})
    assert (reply.status, reply.headers["allow"]) == (405, "GET")
