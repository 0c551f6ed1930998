"""The table of what is defended, against the tests that there are."""

import ast
from pathlib import Path

import pytest

from tests.security.list import ITEMS, Item

TESTS = Path(__file__).resolve().parent.parent


def test_every_item_is_there_once():
    assert [item.id for item in ITEMS] == [f"S{number}" for number in range(1, 41)]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_its_tests_exist(item: Item):
    assert item.tests
    for each in item.tests:
        path, _, name = each.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in found, each
    assert item.holds.endswith(".")
