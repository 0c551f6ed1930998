"""The benchmark's load, its peers and its report: what wrk says, how readings become ratios, what is told of them."""

import json
import socket
import threading
from dataclasses import replace
from itertools import repeat
from xml.etree import ElementTree

import pytest

from scripts.benchmarks import (
    chart,
    hit,
    machine,
    memory,
    peers,
    raw,
    registry,
    report,
    rounds,
    spike,
    stress,
    tools,
    wrk,
)
from scripts.benchmarks.__main__ import main
from scripts.benchmarks.outcome import Must, Outcome, Record, Result, document
from scripts.benchmarks.raw import Client, Crowd
from scripts.benchmarks.rounds import Reading
from scripts.benchmarks.wrk import Load
from scripts.rig import ROOT, free_ports

SAID = """Running 1s test @ https://api.the-odds-api.com:19443/x
  1 threads and 32 connections
  1600 requests in 1.01s, 229.69KB read
  Non-2xx or 3xx responses: 3
Requests/sec:   1580.85
{"requests":1600,"us":1012113,"p50_us":8908,"p99_us":13876,"max_us":23654,"ended":40,"errors":3}
"""


@pytest.mark.parametrize(("ends", "errors"), [(False, 43), (True, 3)])
def test_what_wrk_says(ends, errors):
    load = wrk.parse(SAID, ends=ends)
    assert load == Load(1600, 1.012113, 8.908, 13.876, 23.654, errors)
    assert load.rate == pytest.approx(1580.85, abs=0.01)


@pytest.mark.parametrize("said", ["", "unable to connect\n", SAID + "more\n", '{"requests":1}\n', "[]\n"])
def test_what_else_wrk_says_is_an_error(said):
    with pytest.raises(ValueError, match=r"wrk\.lua"):
        wrk.parse(said)


# Rounds.


def reading(cpu_us, requests=1000):
    return Reading(cpu_us, Load(requests, 2.0, 1.0, 2.0, 3.0))


READINGS = {
    "nginx": [reading(20.0), reading(200.0), reading(22.0)],
    "holdover": [reading(10.0, 3000), reading(80.0, 2000), reading(13.2, 2000)],
}


def test_ratios_are_medians_of_those_within_a_round():
    record = Record("hit")
    rounds.write(record, "2 KB", READINGS)
    told = {(r.target, r.metric): r.value for r in record.outcome().results}
    assert told["nginx, 2 KB", "CPU per request"] == 22.0
    assert told["holdover, 2 KB", "CPU per request"] == 13.2
    # The whole machine was ten times slower in the second round.
    assert told["holdover, 2 KB", "CPU per request / nginx"] == pytest.approx(0.5)
    assert told["holdover, 2 KB", "requests per second / nginx"] == 2.0
    assert told["holdover, 2 KB", "latency max / nginx"] == 1.0
    assert ("nginx, 2 KB", "CPU per request / nginx") not in told


def test_a_baseline_of_nothing_is_no_division_by_zero():
    assert rounds.ratio({"a": [reading(1.0)], "b": [reading(0.0)]}, "a", "b") == 1000.0


def test_servers_take_turns_and_wrong_answers_are_not_measured(monkeypatch):
    monkeypatch.setattr(peers.Server, "cpu_s", lambda self: 0.0)
    servers = [peers.Server(name, 0, 0) for name in "abc"]
    order = []

    def load(server):
        order.append(server.name)
        return Load(1, 1.0, 1.0, 1.0, 1.0)

    assert [len(own) for own in rounds.interleaved(servers, 3, load).values()] == [3, 3, 3]
    assert "".join(order) == "abcbcacab"
    with pytest.raises(RuntimeError, match="a: 2 errors, 5 requests"):
        rounds.interleaved(servers, 1, lambda server: Load(5, 1.0, 1.0, 1.0, 1.0, 2))


# The clients, against a real socket.

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"


@pytest.fixture
def serve():
    """Answers each connection by what the function returns for its n-th request; None closes it."""
    stopped = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        stopped.append(listener)

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection):
            with connection:
                number = 0
                while data := connection.recv(65536):
                    if (pieces := answer(number, data)) is None:
                        return
                    for piece in pieces:
                        connection.sendall(piece)
                    number += 1

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in stopped:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


LONG_S = 60.0
"""Clients end by their requests: how fast the machine is decides nothing."""


def crowd(port, requests, count=1, **settings):
    asked = raw.request("/x")
    return Crowd([Client(lambda: raw.plain(port), repeat(asked, requests), **settings) for _ in range(count)])


def test_clients_ask_as_often_as_they_should(serve):
    asked = []

    def answer(number, data):
        asked.append(data)
        return [OK[:9], OK[9:]]

    own = crowd(serve(answer), 4, 3, every_s=0.05)
    answers = own.ask(LONG_S)
    own.close()
    assert {(a.status, a.head) for a in answers} == {(200, OK[:-7])}
    assert len(answers) == 3 * 4
    assert answers[-1].started - answers[0].started >= 3 * 0.05
    assert asked[0] == b"GET /x HTTP/1.1\r\nHost: api.the-odds-api.com\r\n\r\n"


def test_a_load_ends_by_its_time(serve):
    own = crowd(serve(lambda number, data: [OK]), 10**9)
    answers = own.ask(0.05)
    own.close()
    assert answers[-1].started - answers[0].started <= 0.05


def test_a_client_without_requests_left_has_done(serve):
    port, asked = serve(lambda number, data: [OK]), raw.request("/x")
    clients = [Client(lambda: raw.plain(port), iter([asked] * count)) for count in (2, 5)]
    own = Crowd(clients)
    assert len(own.ask(LONG_S)) == 7
    own.close()


def test_an_answer_in_many_pieces(serve):
    body = b"x" * 3_000_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body
    port = serve(lambda number, data: [answer])
    own = crowd(port, 3)
    assert [(a.status, a.head) for a in own.ask(LONG_S)] == [(200, answer[: -len(body) - 4])] * 3
    own.close()
    assert raw.fetch(port, raw.request("/x")) == answer


@pytest.mark.parametrize("broken", [None, [b"HTTP/1.1 200 OK\r\n\r\n"]])
def test_an_answer_that_breaks_is_told_and_the_client_comes_again(serve, broken):
    own = crowd(serve(lambda number, data: broken if number else [OK]), 5)
    statuses = [answer.status for answer in own.ask(LONG_S)]
    own.close()
    assert statuses == [200, 0, 200, 0, 200]


def test_a_connection_for_each_request(serve):
    numbers = []

    def answer(number, data):
        numbers.append(number)
        return [OK]

    own = crowd(serve(answer), 5, fresh=True)
    load = raw.summary(own.ask(LONG_S), LONG_S)
    own.close()
    assert (load.requests, load.errors) == (5, 0)
    assert set(numbers) == {0}


def test_nobody_there():
    port = free_ports(1)[0]
    own = crowd(port, 2, fresh=True)
    assert [answer.status for answer in own.ask(LONG_S)] == [0, 0]


def test_a_tunnel_that_is_refused(serve):
    port = serve(lambda number, data: [b"HTTP/1.1 403 Forbidden\r\n\r\n"])
    with pytest.raises(ConnectionError, match="403"):
        raw.tunnel(port, 443)


def test_a_tunnel_is_a_connection_of_its_own(serve):
    asked = []

    def answer(number, data):
        asked.append(data.partition(b"\r\n")[0])
        return [OK] if number else [b"HTTP/1.1 200 Connection established\r\n\r\n"]

    port = serve(answer)
    own = Crowd([Client(lambda: raw.tunnel(port, 80), iter([raw.request("/x")]))])
    assert [one.status for one in own.ask(LONG_S)] == [200]
    own.close()
    assert asked == [b"CONNECT api.the-odds-api.com:80 HTTP/1.1", b"GET /x HTTP/1.1"]


# What is missing.


def test_programs_that_are_missing_are_named_with_their_packages(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tools, "find", lambda program: None if program == "varnishd" else "/bin/true")
    good = ("is well", lambda *, quick: Outcome())
    monkeypatch.setattr(registry, "SCENARIOS", {"hit": good, "keys": good})
    assert main(["keys"]) == 0
    assert main([]) == 3
    assert "hit is left out without varnishd; on Debian: apt-get install varnish\n" in capsys.readouterr().err


def test_a_broken_promise_comes_before_what_is_missing(monkeypatch):
    monkeypatch.setattr(tools, "find", lambda program: None)
    broken = Outcome((), (Must("x", 1, 2, ok=False),))
    scenarios = {"hit": ("", lambda *, quick: Outcome()), "keys": ("", lambda *, quick: broken)}
    monkeypatch.setattr(registry, "SCENARIOS", scenarios)
    assert main([]) == 1


def test_what_takes_long_is_no_part_of_quick_unless_named():
    assert set(registry.SCENARIOS) - set(registry.chosen([], quick=True)) == set(registry.LONG)
    assert registry.chosen([], quick=False) == list(registry.SCENARIOS)
    assert registry.chosen(["odds"], quick=True) == ["odds"]
    assert set(registry.NEEDS) <= set(registry.SCENARIOS)
    assert {program for programs in registry.NEEDS.values() for program in programs} == set(tools.PACKAGES)


# Judgements: each promise can be broken.


def broken(record):
    return [must.name.partition(": ")[2] for must in record.outcome().musts if not must.ok]


def answers(*spent_ms, status=200):
    return [raw.Answer("", 0.0, ms / 1000, status, b"") for ms in spent_ms]


SIZE = spike.Size(seconds=2, latency_ms=300)
GOOD = spike.Seen(answers(*[0.2] * 199, 19.9), [1.25], 4, 0.31)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"answers": answers(*[0.2] * 97, 5.1, 5.1, 5.1)}, ["latency P99 in ms, at most"]),
        ({"answers": answers(*[0.2] * 199, 20.1)}, ["latency max in ms, at most"]),
        ({"ages": [0.2, 1.32]}, ["age in s (window + longest upstream latency), at most"]),
        ({"upstream": 5}, ["upstream requests (windows + 2), at most"]),
        ({"answers": answers(0.2, status=503)}, ["errors, exactly"]),
    ],
)
def test_spike_is_judged(changes, expected):
    record = Record("spike")
    spike._judge(record, SIZE, replace(GOOD, **changes))
    assert broken(record) == expected


def test_age_is_that_when_the_client_asked():
    head = b"HTTP/1.1 200 OK\r\nX-Emulator-Generated-At: 1700000000.25\r\nX: y"
    assert spike._generated(raw.Answer("", 0.0, 1.0, 200, head)) == 1_700_000_000.25
    assert spike._generated(raw.Answer("", 0.0, 1.0, 503, head)) is None
    assert spike._generated(raw.Answer("", 0.0, 1.0, 200, b"HTTP/1.1 200 OK\r\nX: y")) is None


@pytest.mark.parametrize(("spent", "expected"), [(10.0, []), (10.1, ["latency of hits P99 in ms, scrapes, at most"])])
def test_hits_under_stress_are_judged(spent, expected):
    record = Record("scrape")
    stress._judge(record, "scrapes", [0.1] * 98 + [spent] * 2)
    assert broken(record) == expected


@pytest.mark.parametrize(
    ("case", "cpu_us", "expected"),
    [
        (hit.CASES[0], 7.0, []),
        (hit.CASES[0], 7.1, ["CPU of a hit / nginx's, {}, at most"]),
        (
            hit.CASES[1],
            10.1,
            ["CPU of a hit / nginx's, {}, at most", "CPU of a hit / that of the bare server, {}, at most"],
        ),
        (hit.Case("420 KB", hit.TLS), 100.0, []),
    ],
)
def test_hits_are_judged(case, cpu_us, expected, monkeypatch):
    servers = [peers.Server(name, 0, 1, 1) for name in ("nginx", "holdover", "bare asyncio")]
    costs = {"nginx": reading(10.0), "holdover": reading(cpu_us), "bare asyncio": reading(8.0)}
    monkeypatch.setattr(rounds, "read", lambda server, load: costs[server.name])
    record = Record("hit")
    hit._compare(record, case, "gzip", servers, hit.QUICK)
    assert broken(record) == [one.format(f"{case.size}, gzip, {case.connections}") for one in expected]


# The report.


def outcome_of_hits():
    record = Record("hit")
    for case, cpu in (("2 KB, identity, keep-alive", 0.6), ("20 KB, gzip, TLS", 7.5)):
        record.result(f"nginx, {case}", "CPU per request", "us", 18.0)
        record.result(f"varnish, {case}", "CPU per request / nginx", "ratio", 1.4)
        record.result(f"holdover, {case}", "CPU per request / nginx", "ratio", cpu)
        record.result(f"holdover, {case}", "requests per second / nginx", "ratio", 1.5)
    record.at_most("CPU", 0.7, 7.5)
    return record.outcome()


def test_the_table_of_hits():
    assert report.hits(outcome_of_hits()).splitlines()[2:] == [
        "| 2 KB, identity, keep-alive | 18 | 0.6 | 1.4 | 1.5 |  |  |",
        "| 20 KB, gzip, TLS | 18 | 7.5 | 1.4 | 1.5 |  |  |",
    ]


def test_a_table_has_the_columns_that_were_measured():
    results = (
        Result("spike", "nginx", "latency P99", "ms", 0.5),
        Result("spike", "holdover", "latency P99", "ms", 0.25),
        Result("spike", "holdover", "errors", "requests", 0),
        Result("cold", "1 worker", "latency P99", "ms", 3),
    )
    wanted = next(p for p in report.PIVOTS if p.scenario == "spike")
    assert report.pivot(Outcome(results), wanted) == (
        "| server | latency P99, ms |\n| --- | --: |\n| nginx | 0.5 |\n| holdover | 0.25 |"
    )


def test_the_table_of_a_flood():
    """By the names that the scenario gives to what it measures."""
    early, late = (
        memory.Reading(
            resident=dict.fromkeys(memory.ROLES, size * memory.MIB),
            cpu_s=dict.fromkeys(memory.ROLES, 20.0),
            series=dict.fromkeys(memory.ROLES, 300),
            labels=dict.fromkeys(memory.ROLES, 40),
            database=15 * memory.MIB,
            journal=4 * memory.MIB,
        )
        for size in (80, 88)
    )
    outcome = memory._judge(memory.FULL, 0, 900.0, early, late)
    [wanted] = [each for each in report.PIVOTS if each.scenario == memory.NAME]
    head, _, *rows = report.pivot(outcome, wanted).splitlines()
    assert head == f"|  | {' | '.join(wanted.columns.values())} |"
    assert rows == [
        "| proxy | 80 | 88 | 300 | 200 |  |  |",
        "| sidecar | 80 | 88 | 300 | 200 |  |  |",
        "| store |  |  |  |  | 15 | 4 |",
    ]


def test_the_chart_cuts_what_is_too_long_and_says_what_it_is():
    picture = ElementTree.fromstring(chart.draw(outcome_of_hits()))
    space = "{http://www.w3.org/2000/svg}"
    texts = [one.text for one in picture.iter(f"{space}text")]
    told = ["2 KB, identity, keep-alive", "0.6", "1.4", "20 KB, gzip, TLS", "7.5", "1.4"]
    assert texts == ["holdover", "varnish", *told, "nginx = 1"]
    widths = [int(one.attrib["width"]) for one in picture.iter(f"{space}rect")][2:]
    assert widths == [92, 215, 460, 215]


def test_the_page_is_brought_up_to_date(tmp_path, monkeypatch):
    page, picture, file = (tmp_path / name for name in ("performance.md", "performance.svg", "report.json"))
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PICTURE", picture)
    page.write_text(ROOT.joinpath("docs/performance.md").read_text())
    described = {**machine.describe(), "programs": {"nginx": "1.22.1"}}
    file.write_text(json.dumps(document(described, outcome_of_hits())))
    assert report.main([str(file)]) == 0
    text = page.read_text()
    assert "| 20 KB, gzip, TLS | 18 | 7.5 |" in text
    assert "nginx 1.22.1" in text
    assert "| hit: CPU, at most | 0.7 | 7.5 | **no** |" in text
    assert picture.read_text().startswith("<svg")
    assert report.main([str(file)]) == 0
    assert page.read_text() == text


@pytest.mark.parametrize("content", ["", "{}", '{"machine": {}, "results": [1], "must": []}', None])
def test_what_is_no_report_is_refused(tmp_path, content, capsys):
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    assert report.main([str(file)]) == 1
    assert str(file) in capsys.readouterr().err


def test_the_page_has_every_mark():
    page = report.PAGE.read_text()
    for mark in ("machine", "hit", "promises", *(wanted.scenario for wanted in report.PIVOTS)):
        assert page.count(f"<!-- {mark}: begin -->\n") == page.count(f"\n<!-- {mark}: end -->") == 1, mark


# Real processes.


@pytest.mark.skipif(bool(lacking := tools.missing(tools.PACKAGES)), reason=f"{', '.join(lacking)} not installed")
def test_hits_on_real_servers():
    cases = tuple(replace(case, codings=("gzip",)) for case in hit.CASES if case.size == "20 KB")
    outcome = hit.measure(hit.Size(cases, rounds=1, seconds=1, connections=4))
    told = {(r.target, r.metric): r.value for r in outcome.results}
    for case in cases:
        servers = {
            target.partition(", ")[0]
            for target, metric in told
            if metric == "CPU per request" and target.endswith(case.connections)
        }
        assert len(servers) == (3 if case.connections.startswith("TLS") else 4), case
    sizes = {target: value for (target, metric), value in told.items() if metric == "answer with its head"}
    assert sizes["holdover, 20 KB, gzip"] < sizes["holdover, 20 KB, identity"] / 5
    assert all(
        abs(sizes[f"{name}, 20 KB, gzip"] - sizes["nginx, 20 KB, gzip"]) < 500 for name in ("holdover", "varnish")
    )
