"""Replays of recorded answers."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.emulator.checks import SettingError
from scripts.emulator.query import target
from scripts.emulator.trace import Trace

from .conftest import QUICK, ROOT, Server

EPL = "/v4/sports/soccer_epl"
ODDS = f"{EPL}/odds"
STILL = (*QUICK, "--tick-s", "1", "--speed", "0.0001")
QUOTA = {"message": "Usage quota has been reached", "error_code": "OUT_OF_USAGE_CREDITS"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*entries: object) -> Path:
        path = tmp_path / "trace.jsonl"
        path.write_text("\n".join(json.dumps(entry) for entry in entries) + "\n\n")
        return path

    return write


def test_a_trace_decides_from_its_time_on(written: Callable[..., Path], starting: Callable[..., Server]) -> None:
    entries = (
        {"at": 100, "target": f"{ODDS}?regions=us", "body": [{"id": "a"}]},
        {
            "at": 300,
            "target": ODDS,
            "status": 503,
            "body": "<html>busy</html>",
            "headers": {"Content-Type": "text/html"},
        },
        {"at": 200, "target": f"{ODDS}?regions=us", "status": 401, "body": QUOTA},
        {"at": 400, "method": "get", "target": f"{ODDS}/"},
    )
    server = starting(*STILL, "--trace", str(written(*entries)))
    asked = f"{ODDS}?regions=us&apiKey=k"
    own = server.get(asked)
    assert len(own.json) == 12
    server.order("/_world", advance_s=101)
    first = server.get(asked, Accept_Encoding="gzip")
    assert (first.status, json.loads(gzip.decompress(first.body))) == (200, [{"id": "a"}])
    assert (first.headers["x-requests-used"], first.headers["x-requests-last"]) == ("2", "1")
    assert first.headers["content-type"].startswith("application/json")
    assert len(server.get(f"{ODDS}?regions=uk&apiKey=k").json) == 12
    server.order("/_world", advance_s=100)
    spent = server.get(asked)
    assert (spent.status, spent.json) == (401, QUOTA)
    assert "x-requests-used" not in spent.headers
    server.order("/_world", advance_s=100)
    busy = server.get(f"{ODDS}?regions=uk&apiKey=k")
    assert (busy.status, busy.body) == (503, b"<html>busy</html>")
    assert (busy.headers["content-type"], busy.headers["x-requests-last"]) == ("text/html", "0")
    assert server.get(asked).status == 503
    server.order("/_world", advance_s=100)
    assert len(server.get(asked).json) == 12
    assert server.get("/_stats").json["by_status"] == {"200": 4, "401": 1, "503": 2}


def test_credentials_and_rates_come_before_the_trace(
    written: Callable[..., Path], starting: Callable[..., Server]
) -> None:
    path = written({"at": 0, "target": "/v4/sports", "body": [1], "cost": 7})
    server = starting(*STILL, "--credential", "good", "--trace", str(path))
    assert server.get("/v4/sports?apiKey=bad").json["error_code"] == "INVALID_KEY"
    reply = server.get("/v4/sports/?all=true&apiKey=good")
    assert (reply.json, reply.headers["x-requests-used"]) == ([1], "7")
    server.control(rate=1)
    server.order("/_keys", key="good", refuse_next=1)
    assert server.get("/v4/sports?apiKey=good").status == 429


def test_a_recorded_quota_is_told_as_it_was(written: Callable[..., Path], starting: Callable[..., Server]) -> None:
    headers = {"x-requests-remaining": "-5", "x-requests-used": "505", "x-requests-last": "6"}
    path = written({"at": 0, "target": ODDS, "body": [{}], "headers": headers})
    reply = starting(*STILL, "--trace", str(path)).get(f"{ODDS}?regions=us&apiKey=k")
    assert {name: reply.headers[name] for name in headers} == headers


@pytest.mark.parametrize(
    ("entry", "cost"),
    [
        ({"body": [{}]}, 4),
        ({"body": []}, 0),
        ({"body": [], "cost": 3}, 3),
        ({"status": 500}, 0),
        ({"status": 200, "body": "x"}, 4),
        ({"status": 429}, None),
    ],
)
def test_what_a_recorded_answer_costs(
    written: Callable[..., Path], entry: dict[str, object], cost: int | None
) -> None:
    trace = Trace.load(written({"at": 0, "target": ODDS} | entry))
    asked = target(ODDS, "regions=us,uk&markets=h2h,totals&apiKey=k")
    scene = trace.scene(1, "GET", asked)
    assert scene is not None
    assert scene.billed(ODDS, asked) == cost


def test_other_requests_are_not_touched(written: Callable[..., Path]) -> None:
    trace = Trace.load(written({"at": 5, "target": f"{ODDS}?regions=us&apiKey=recorded", "status": 500}))
    for at, method, query in ((4.9, "GET", "regions=us"), (5, "POST", "regions=us"), (5, "GET", "regions=uk")):
        assert trace.scene(at, method, target(ODDS, query)) is None
    assert trace.scene(5, "GET", target(f"{EPL}/events", "regions=us")) is None
    assert trace.scene(5, "GET", target(ODDS, "markets=h2h&regions=us&apiKey=other")) is not None


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"target": ODDS}, "entry.at is missing"),
        ({"at": 0}, "entry.target is missing"),
        ({"at": "0", "target": ODDS}, "at must be a number"),
        ({"at": 0, "target": ODDS, "status": 99}, "status must be between 200 and 599"),
        ({"at": 0, "target": ODDS, "header": {}}, "unknown entry: header"),
        ([], "the entry document must be a JSON object"),
    ],
)
def test_a_wrong_trace_names_the_line(written: Callable[..., Path], entry: object, problem: str) -> None:
    path = written({"at": 0, "target": ODDS}, entry)
    with pytest.raises(SettingError, match=f"line 2: {problem}"):
        Trace.load(path)


def test_a_wrong_trace_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    for text, problem in ((None, "No such file"), ("{", "line 1: ")):
        if text is not None:
            path.write_text(text)
        command = [sys.executable, "-m", "scripts.emulator", "--trace", str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert problem in done.stderr
