import json
import sys

import pytest

from scripts import audit


def report(*vulnerable):
    found = [{"name": "package", "version": "1", "vulns": [each]} for each in vulnerable]
    return {"dependencies": [{"name": "good", "version": "2", "vulns": []}, *found]}


def words(program):
    return [sys.executable, "-c", program]


FIXED = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}
UNFIXED = {"id": "PYSEC-2", "aliases": [], "fix_versions": []}
KNOWN = {"id": "PYSEC-3", "aliases": ["CVE-2025-69872"], "fix_versions": ["9"]}


@pytest.mark.parametrize(
    ("vulnerable", "status"), [([], 0), ([UNFIXED], 0), ([KNOWN], 0), ([FIXED], 1), ([UNFIXED, FIXED], 1)]
)
def test_only_what_has_a_fix_and_is_not_known_stops(monkeypatch, capsys, vulnerable, status):
    text = json.dumps(report(*vulnerable))
    monkeypatch.setattr(audit, "command", lambda: words(f"print({text!r})"))
    assert audit.main() == status
    told = "".join(capsys.readouterr())
    assert all(each["id"] in told for each in vulnerable)
    assert f"{len(vulnerable)} advisories" in told


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('no network')", "does not reach"),
        ("import time; time.sleep(60)", "did not end"),
        ('print(\'{"dependencies": [{"name": "a", "skip_reason": "not found"}]}\')', "does not know 1 of 1"),
    ],
)
def test_what_cannot_be_looked_up_is_skipped_with_the_reason(monkeypatch, capsys, program, reason):
    monkeypatch.setattr(audit, "LONGEST_S", 1)
    monkeypatch.setattr(audit, "command", lambda: words(program))
    assert audit.main() == 0
    assert reason in capsys.readouterr().out


def test_without_pip_audit_it_is_skipped(monkeypatch, capsys):
    monkeypatch.setattr(audit, "command", lambda: None)
    assert audit.main() == 0
    assert "not installed" in capsys.readouterr().out


def test_a_program_that_does_not_run_is_skipped(tmp_path):
    assert isinstance(audit.looked_up([str(tmp_path / "none")]), str)
