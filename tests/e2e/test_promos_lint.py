"""`holdover promos lint` as operations run it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.rig import ROOT


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar", "promos", "lint", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "config" / "promos", tmp_path / "promos")
    return tmp_path / "promos"


def test_good_promos(folder: Path):
    for arguments in ((), (str(folder),)):
        done = lint(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("promos: 1 promo good\n")


def test_a_mistake_is_shown_where_it_is(folder: Path):
    path = folder / "welcome.json"
    lines = path.read_text().replace('"kind": "notice"', '"kind": "note"').splitlines()
    path.write_text("\n".join(lines))
    number = next(n for n, line in enumerate(lines, 1) if '"note"' in line)
    done = lint(str(folder))
    assert (done.returncode, done.stderr) == (1, "")
    first, shown, caret, last = done.stdout.splitlines()
    assert first.startswith(f"{path}:{number}:15: /promos/0/kind: has to be one of ")
    assert first.endswith('did you mean "notice"?')
    assert shown == f"  {number} | {lines[number - 1]}"
    assert caret.index("^") == shown.index('"note"')
    assert last == f"{folder}: 1 problem in 1 file; 0 promos good"
    facts = json.loads(lint(str(folder), "--json").stdout)
    assert (facts["good"], facts["promos"], len(facts["problems"])) == (False, 0, 1)
    assert facts["problems"][0]["pointer"] == "/promos/0/kind"


def test_no_folder(tmp_path: Path):
    done = lint(str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"holdover: {tmp_path / 'none'} is no folder")
