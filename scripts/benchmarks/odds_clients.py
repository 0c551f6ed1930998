"""Unmodified clients through holdover and directly: what the tests that run them found."""

import os
import re
import subprocess
import sys
from collections import Counter

from scripts.rig import ROOT

from .outcome import Record

TARGET = "unmodified clients, real"
TESTS = "tests/e2e/test_real_clients.py"
LONGEST_S = 900
CLIENTS = ("requests", "theoddsapi", "sports_odds_api", "betfairlightweight", "axios")
"""Those of the claim."""
EXCUSED = "betfairlightweight", "the recordings are not beside the checkout"
"""The one test that a checkout alone cannot run, and the reason with which it is skipped."""
_LINE = re.compile(r"::test_(\w+)(?:\[[^\]]*\])? (PASSED|FAILED|ERROR|SKIPPED)(?: \((.*)\))?")
_WIDE = {"COLUMNS": "1000"}
"""pytest shortens the reason of a skip to what fits on a line."""


def measure(record: Record) -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-n0", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **_WIDE}, capture_output=True, text=True, timeout=LONGEST_S
    )
    # 1 is that tests failed; above that none were run, or not to their end.
    if done.returncode > 1:
        raise RuntimeError(f"pytest ended with status {done.returncode}: {done.stdout[-500:]}")
    _judge(record, findings(done.stdout))


def findings(told: str) -> dict[str, Counter[str]]:
    """By client, how many tests ended in which way, from pytest's verbose output; `EXCUSED` is one of the ways."""
    found: dict[str, Counter[str]] = {}
    for name, result, reason in _LINE.findall(told):
        excused = result == "SKIPPED" and (name, reason) == EXCUSED
        found.setdefault(name, Counter())["EXCUSED" if excused else result] += 1
    return found


def _judge(record: Record, found: dict[str, Counter[str]]) -> None:
    """Each client of the claim has to pass. One that pytest does not name was not run."""
    for client in CLIENTS:
        results = found.get(client, Counter[str]())
        record.result(f"{TARGET}, {client}", "tests passed", "tests", results["PASSED"])
        if results["EXCUSED"]:
            record.result(f"{TARGET}, {client}", f"not run: {EXCUSED[1]}", "tests", results["EXCUSED"])
        else:
            record.at_least(f"tests of the unmodified client {client} that passed", 1, results["PASSED"])
    run = [client for client in CLIENTS if found.get(client, Counter[str]()).keys() & {"PASSED", "FAILED", "ERROR"}]
    record.result(TARGET, "clients not run here", "clients", len(CLIENTS) - len(run))
    total = sum(found.values(), Counter[str]())
    record.exactly("tests of unmodified clients that failed", 0, total["FAILED"] + total["ERROR"])
    record.exactly("tests of unmodified clients that were skipped", 0, total["SKIPPED"])
