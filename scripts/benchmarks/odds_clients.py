"""Unmodified clients through holdover and directly: what the tests that run them found."""

import re
import subprocess
import sys
from collections import Counter

from scripts.rig import ROOT

from .outcome import Record

TARGET = "unmodified clients, real"
TESTS = "tests/e2e/test_real_clients.py"
LONGEST_S = 900
_LINE = re.compile(r"::test_(\w+)(?:\[[^\]]*\])? (PASSED|FAILED|ERROR|SKIPPED)")


def measure(record: Record) -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-n0", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S)
    # 1 is that tests failed; above that none were run, or not to their end.
    if done.returncode > 1:
        raise RuntimeError(f"pytest ended with status {done.returncode}: {done.stdout[-500:]}")
    _judge(record, findings(done.stdout))


def findings(told: str) -> dict[str, Counter[str]]:
    """By client, how many tests ended in which way, from pytest's verbose output."""
    found: dict[str, Counter[str]] = {}
    for name, result in _LINE.findall(told):
        found.setdefault(name, Counter())[result] += 1
    return found


def _judge(record: Record, found: dict[str, Counter[str]]) -> None:
    """A client that is not installed here is told, and breaks nothing."""
    for client, results in found.items():
        record.result(f"{TARGET}, {client}", "tests passed", "tests", results["PASSED"])
        record.result(f"{TARGET}, {client}", "tests failed", "tests", results["FAILED"] + results["ERROR"])
        record.result(f"{TARGET}, {client}", "tests skipped", "tests", results["SKIPPED"])
    not_run = [client for client, results in found.items() if results.keys() <= {"SKIPPED"}]
    record.result(TARGET, "clients not run here", "clients", len(not_run))
    total = sum(found.values(), Counter[str]())
    record.at_least("tests of unmodified clients that passed", 1, total["PASSED"])
    record.exactly("tests of unmodified clients that failed", 0, total["FAILED"] + total["ERROR"])
