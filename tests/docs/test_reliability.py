"""docs/reliability.md tells what the tests hold to, and each of its rows has a test."""

import ast
import re
from pathlib import Path

from scripts.fault_origin.faults import FAULTS
from scripts.reliability import DOCUMENT, updated
from tests.faults.table import ROWS

FOLDER = Path(__file__).parents[1] / "faults"
LOADS = ("Load(", "Crowd(", "all_at_once(")


def test_it_is_up_to_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert updated(text) == text, "run `python -m scripts.reliability --write`"


def test_every_row_has_its_test():
    sources = [file.read_text(encoding="utf-8") for file in FOLDER.glob("test_*.py")]
    marks = [mark for source in sources for mark in re.findall(r"^@proves\((.+)\)$", source, re.MULTILINE)]
    proven = {name for mark in marks for name in re.findall(r'"([^"]+)"', mark)}
    assert proven | set(FAULTS) == set(ROWS)


def test_every_row_that_says_so_is_proven_under_load():
    under_load, without = set(FAULTS), set[str]()
    for file in FOLDER.glob("test_*.py"):
        source = file.read_text(encoding="utf-8")
        for test in ast.parse(source).body:
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                body = ast.get_source_segment(source, test) or ""
                marked = [mark for mark in test.decorator_list if ast.unparse(mark).startswith("proves(")]
                names = {name for mark in marked for name in re.findall(r"'([^']+)'", ast.unparse(mark))}
                (under_load if any(load in body for load in LOADS) else without).update(names)
    assert under_load == {row.name for row in ROWS.values() if row.load}
    assert without == {row.name for row in ROWS.values() if not row.load}
