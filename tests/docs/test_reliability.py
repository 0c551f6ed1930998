"""docs/reliability.md tells what the tests hold to, and each of its rows has a test."""

import re
from pathlib import Path

from scripts.fault_origin.faults import FAULTS
from scripts.reliability import DOCUMENT, updated
from tests.faults.table import ROWS

FOLDER = Path(__file__).parents[1] / "faults"


def test_it_is_up_to_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert updated(text) == text, "run `python -m scripts.reliability --write`"


def test_every_row_has_its_test():
    sources = [file.read_text(encoding="utf-8") for file in FOLDER.glob("test_*.py")]
    marks = [mark for source in sources for mark in re.findall(r"^@proves\((.+)\)$", source, re.MULTILINE)]
    proven = {name for mark in marks for name in re.findall(r'"([^"]+)"', mark)}
    assert proven | set(FAULTS) == set(ROWS)
