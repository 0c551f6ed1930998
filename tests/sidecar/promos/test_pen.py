from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.promos.decide import digest
from sidecar.promos.history import History
from sidecar.promos.pen import Overtaken, Pen
from sidecar.promos.record import Record

DRAFTS = {"a.json": b"new a", "b.json": b"new b", "c.json": None}


@pytest.fixture
def pen(tmp_path: Path) -> Pen:
    (tmp_path / "promos").mkdir()
    for name in DRAFTS:
        (tmp_path / "promos" / name).write_bytes(name.encode())
    return Pen(tmp_path / "promos", History(tmp_path / "history"))


def held(pen: Pen) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pen.folder.iterdir()}


@pytest.mark.parametrize("name", sorted(DRAFTS))
@pytest.mark.parametrize("edit", [lambda path: path.write_bytes(b"x"), Path.unlink])
def test_of_what_somebody_else_has_edited_nothing_is_written_nor_recorded(
    pen: Pen, name: str, edit: Callable[[Path], object]
):
    seen = {each: digest(data) for each, data in held(pen).items()}
    edit(pen.folder / name)
    there = held(pen)
    with pytest.raises(Overtaken, match=name):
        pen.write(DRAFTS, seen, "ops-1", "why", "published")
    assert held(pen) == there
    assert pen.history.records() == ()


class Slow(History):
    """While it writes somebody saves b.json."""

    def append(self, *told: Any, **more: Any) -> Record:
        (self.folder.parent / "promos" / "b.json").write_bytes(b"x")
        return super().append(*told, **more)


def test_what_is_edited_while_the_history_is_written_stays(pen: Pen):
    seen = {each: digest(data) for each, data in held(pen).items()}
    with pytest.raises(Overtaken, match=r"b\.json"):
        Pen(pen.folder, Slow(pen.history.folder)).write(DRAFTS, seen, "ops-1", "", "published")
    assert held(pen) == {"a.json": b"new a", "b.json": b"x", "c.json": b"c.json"}


def test_what_was_looked_at_is_written_and_recorded_before(pen: Pen):
    seen = {each: digest(data) for each, data in held(pen).items()}
    pen.write(DRAFTS, seen, "ops-1", "why", "published")
    assert held(pen) == {"a.json": b"new a", "b.json": b"new b"}
    [record] = pen.history.records()
    assert (record.what, record.who, record.why) == ("published", "ops-1", "why")
    assert record.detail == {"a.json": digest(b"new a"), "b.json": digest(b"new b"), "c.json": ""}


def test_a_link_stays_and_what_it_leads_to_is_written(pen: Pen, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(b"old")
    (pen.folder / "a.json").unlink()
    (pen.folder / "a.json").symlink_to(elsewhere)
    pen.write({"a.json": b"new"}, {"a.json": digest(b"old")}, "ops-1", "", "published")
    assert (pen.folder / "a.json").is_symlink()
    assert elsewhere.read_bytes() == b"new"


def test_what_going_back_writes_over_is_an_object_of_the_history(pen: Pen):
    pen.write({**DRAFTS, "new.json": b"new"}, {}, "ops-1", "", "rolled-back")
    [record] = pen.history.records()
    before = {name: record.detail[f"before {name}"] for name in (*DRAFTS, "new.json")}
    assert before == {**{name: digest(name.encode()) for name in DRAFTS}, "new.json": ""}
    for name in DRAFTS:
        place = pen.history.folder / "objects" / before[name][:2] / before[name][2:]
        assert place.read_bytes() == name.encode()
    assert pen.history.verify() == ()
