"""Whom a change of files shows something else."""

import json

from sidecar.console.consequence import consequence, texts
from tests.sidecar.promos.test_watch import NOW, WORDS, promo, told

BEFORE = {**WORDS, "a.json": told("x")}
AFTER = {**WORDS, "a.json": told(promo("x", content={"en": {"title": "Other words"}}))}
KILL = {"kill.json": json.dumps({"promos": {"x": "wrong price"}}).encode()}


def test_a_change_is_told_by_value_by_line_and_by_who_sees_it():
    found = consequence(BEFORE, AFTER, {}, NOW)
    assert [(each.what, each.promo) for each in found.differences] == [("changed", "x")]
    assert any(line.startswith("+") and "Other words" in line for _, line in found.texts[0].lines)
    assert [each.split(" for ")[0] for each in found.effects] == ['notices shows "x" changed']
    assert found.more == 0


def test_what_is_killed_stays_so_and_nobody_sees_it():
    for after in (AFTER, {**AFTER, "kill.json": b"{}"}):
        found = consequence({**BEFORE, **KILL}, after, {}, NOW)
        assert found.effects == ()
        assert [each.file for each in found.differences] == ["a.json"]
    assert consequence(BEFORE, AFTER, {"x": "the market is suspended"}, NOW).effects == ()


def test_too_many_lines_are_told_as_such():
    [found] = texts({"a.json": b"\n" * 3_000}, {"a.json": b"\n"})
    assert "too many to compare" in found.lines[0][1]
