"""`holdover promos` as operations run it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.rig import ROOT
from tests.here import command


def promos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return command("--config", str(ROOT / "config"), "promos", *arguments)


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    return promos("lint", *arguments)


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


@pytest.mark.parametrize("which", ["occupancy", "lint"])
def test_who_reads_the_beginning_alone_is_told_of_no_error(folder: Path, which: str):
    line = [sys.executable, "-m", "sidecar", "promos", which, str(folder), "--json"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert (running.stderr.read(), running.wait(30)) == (b"", 141)


def test_no_folder(tmp_path: Path):
    done = lint(str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"holdover: {tmp_path / 'none'} is no folder")


def test_what_a_visitor_would_be_shown(folder: Path):
    whom = ("--jurisdiction", "US-NJ", "--language", "es")
    done = promos("preview", *whom, "--at", "2026-11-26T12:00-05:00", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "at 2026-11-26 17:00:00 UTC, the same until 2028-01-01 05:00:00 UTC",
        "hero: empty",
        "carousel: empty",
        "boosts: empty",
        "notices:",
        "  welcome-notice: Apostar debe ser divertido. Fija tus límites.",
    ]
    facts = json.loads(promos("preview", *whom, "--at", "2029-01-01T00:00Z", "--json", str(folder)).stdout)
    assert facts["slots"]["notices"] == []
    assert [hidden["id"] for hidden in facts["hidden"]] == ["welcome-notice"]
    assert facts["hidden"][0]["why"][0].startswith("ended at ")


def test_what_nobody_can_be_shown_and_what_is_wrong(folder: Path):
    (folder / "broken.json").write_text("{")
    done = promos("preview", "--jurisdiction", "FR", "--language", "en", "--segment", "self-excluded", str(folder))
    first, *rest = done.stdout.splitlines()
    assert first == "1 problem: see `holdover promos lint`; only good files are shown"
    assert "notices: empty" in rest
    for bad in ("tomorrow", "2026-11-26T12:00"):
        refused = promos("preview", "--at", bad, str(folder))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "write it as 2026-11-26T12:00-05:00" in refused.stderr


def test_what_the_coming_weeks_are_like(folder: Path):
    span = "from Thu 2026-11-26 12:00 to Thu 2026-12-10 12:00 (America/New_York)"
    asked = ("occupancy", str(folder), "--from", "2026-11-26T12:00-05:00", "--weeks", "2")
    done = promos(*asked, "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        span,
        "empty (nothing is shown):",
        f"  boosts is empty for everybody {span}",
        f"  carousel is empty for everybody {span}",
        f"  hero is empty for everybody {span}",
        f"  notices is empty for GB {span}",
    ]
    text = (folder / "welcome.json").read_text()
    never = text.replace("welcome-notice", "never").replace('"priority": 100', '"rollout": 0')
    (folder / "never.json").write_text(never)
    (folder / "broken.json").write_text("{")
    for strict, status in (((), 0), (("--strict",), 1)):
        done = promos(*asked, *strict)
        assert (done.returncode, done.stderr) == (status, "")
        lines = done.stdout.splitlines()
        assert lines[0] == "1 problem: see `holdover promos lint`; only good files are looked at"
        assert lines[2:4] == [
            "unreachable (shown to nobody):",
            '  "never" is shown to nobody from Thu 2026-01-01 00:00 to Sat 2028-01-01 00:00 (America/New_York): '
            "it is rolled out to 0 %",
        ]
    facts = json.loads(promos(*asked, "--json").stdout)
    assert (facts["since"], facts["until"]) == ("2026-11-26T17:00:00+00:00", "2026-12-10T17:00:00+00:00")
    assert [each["kind"] for each in facts["findings"]] == ["unreachable", *["empty"] * 4]
    assert facts["findings"][-1]["crowds"] == [{"jurisdictions": ["GB"]}]
    [lane] = [
        lane for lane in facts["lanes"] if lane["slot"] == "notices" and lane["crowds"] != [{"jurisdictions": ["GB"]}]
    ]
    [stretch] = lane["stretches"]
    assert stretch["shown"] == [{"id": "welcome-notice", "rollout": 100.0, "sure": True}]


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (("--weeks", "0"), "from 1 to 53"),
        (("--weeks", "many"), "from 1 to 53"),
        (("--from", "tomorrow"), "write it as 2026-11-26T12:00-05:00"),
        (("--from", "9999-12-31T00:00Z"), "write a year from 1970 to 2999"),
    ],
)
def test_weeks_that_cannot_be_looked_at(wrong: tuple[str, str], remedy: str):
    done = promos("occupancy", *wrong)
    assert done.returncode
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_read_is_told_and_editors_temporaries_are_none(folder: Path):
    (folder / "gone.json").symlink_to("nowhere")
    (folder / ".welcome.json.new").write_text("{")
    done = lint(str(folder))
    assert done.returncode == 1
    assert f"{folder}/gone.json:1:1: cannot be read: No such file or directory" in done.stdout
    assert done.stdout.endswith("1 problem in 1 file; 1 promo good\n")
