"""What the operations guide shows is what there is."""

import json
import re
from pathlib import Path

import pytest

from scripts.rig import ROOT
from sidecar import cli
from sidecar.promos.document import Picture
from sidecar.promos.validate import check

GUIDE = (ROOT / "docs" / "promos.md").read_text(encoding="utf-8")
PROMOS = ROOT / "config" / "promos"
IMAGES = {"thanksgiving.png": Picture(1200, 400, 90_000)}


def test_its_first_campaign_is_good_with_the_rules_that_are_shipped():
    shipped = {str(path.relative_to(PROMOS)): path.read_bytes() for path in PROMOS.rglob("*.json")}
    text = GUIDE.partition("```json\n")[2].partition("```")[0]
    found = check({**shipped, "thanksgiving-2026.json": text.encode()}, IMAGES)
    assert found.problems == ()
    assert [promo.id for promo in found.campaigns["thanksgiving-2026.json"]] == ["thanksgiving-2026"]


def test_every_command_that_it_names_is_there_and_every_command_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["promos", "--help"])
    commands = set(re.findall(r"^    ([a-z]+)", capsys.readouterr().out, re.MULTILINE))
    assert "lint" in commands
    assert set(re.findall(r"holdover promos ([a-z]+)", GUIDE)) == commands


def test_links_lead_to_headings():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings
    for name in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (Path(ROOT) / "docs" / name).exists(), name


def test_the_files_it_names_are_shipped():
    for name in ("slots.json", "audiences.json", "kill.json", "compliance/US-NJ.json"):
        assert isinstance(json.loads((PROMOS / name).read_text()), dict)
