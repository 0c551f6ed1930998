import asyncio
import json
import logging
import os
import shutil
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.rig import ROOT
from sidecar.promos import standing
from sidecar.promos import sweep as reading
from sidecar.promos.decide import decided
from sidecar.promos.remembered import REMEMBERED, Recalled, recalled, remember
from sidecar.promos.scan import MOST_BYTES
from sidecar.promos.standing import Change, Standing, Status
from sidecar.promos.sweep import Seen, Unread, sweep
from sidecar.promos.validate import check
from sidecar.promos.watch import KEEP_AFTER_S, watch

PROMOS = ROOT / "config" / "promos"
PACK = {"minimum_age": 21, "helpline": {"text": "1-800-GAMBLER", "link": "https://example.org"}, "offers": []}
WORDS = {
    **{name: (PROMOS / name).read_bytes() for name in ("slots.json", "audiences.json")},
    "compliance/US-NJ.json": json.dumps(PACK).encode(),
}
NOW = 1_775_000_000.0
"""2026-03-31."""
type Between = Callable[..., object]
type Save = Callable[[Path, bytes, Between], object]


def promo(name: str, slot: str = "notices", **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "kind": "banner" if slot in ("hero", "carousel") else "notice",
        "slot": slot,
        "content": {"en": {"title": name}},
        "link": "/here",
        "start": "2026-01-01T00:00",
        "end": "2027-01-01T00:00",
        "timezone": "America/New_York",
        "audience": {"jurisdictions": ["US-NJ"]},
        **(
            {"image": {"src": "https://cdn.example/a.png", "alt": {"en": "a"}}}
            if slot in ("hero", "carousel")
            else {}
        ),
        **other,
    }


def png(width: int, height: int) -> bytes:
    """Its head, which tells the size."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def told(*promos: dict[str, Any] | str) -> bytes:
    return json.dumps({"promos": [promo(p) if isinstance(p, str) else p for p in promos]}, indent=1).encode()


class Desk:
    """A folder and what is made of it; time passes by a quarter of a second a sweep."""

    def __init__(self, folder: Path, **files: bytes) -> None:
        self.folder, self.now, self.standing = folder, NOW, Standing()
        self.last: Change | None = None
        (folder / "compliance").mkdir(exist_ok=True, parents=True)
        for name, data in {**WORDS, **{f"{name}.json": data for name, data in files.items()}}.items():
            (folder / name).write_bytes(data)
        self.sweep(2)

    def sweep(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += 0.25
            self.last = self.standing.step(sweep(self.folder), self.now) or self.last

    @property
    def ids(self) -> list[str]:
        assert self.last is not None
        return [promo.id for promo in self.last.live.promos]

    def status(self, name: str) -> Status:
        assert self.last is not None
        return next(status for status in self.last.statuses if status.file == name)

    def problem(self, name: str) -> str:
        return " | ".join(map(str, self.status(name).problems))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Ten promos in five files, one of them in the hero."""
    pairs = {f"f{n}": told(f"p{n}a", f"p{n}b") for n in range(4)}
    return Desk(tmp_path / "promos", **pairs, hero=told("plain", promo("top", "hero")))


ALL = ["p0a", "p0b", "p1a", "p1b", "p2a", "p2b", "p3a", "p3b", "plain", "top"]
NEW = told("p0a", "p0b", "fresh")


def rename_over(path: Path, data: bytes, between: Between) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(data)
    between()
    beside.replace(path)


def vim(path: Path, data: bytes, between: Between) -> None:
    probe, backup = path.with_name("4913"), path.with_name(f"{path.name}~")
    probe.write_bytes(b"")
    between()
    probe.unlink()
    path.rename(backup)
    between(most=1)
    with path.open("wb") as file:
        between()
        file.write(data)
    backup.unlink()


def truncate(path: Path, data: bytes, between: Between) -> None:
    with path.open("wb") as file:
        between()
        file.write(data)


def in_pieces(path: Path, data: bytes, between: Between) -> None:
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(data), 200):
            between()
            file.write(data[at : at + 200])


def jetbrains(path: Path, data: bytes, between: Between) -> None:
    fresh, old = path.with_name(f"{path.name}___jb_tmp___"), path.with_name(f"{path.name}___jb_old___")
    fresh.write_bytes(data)
    between()
    path.rename(old)
    between(most=1)
    fresh.rename(path)
    old.unlink()


def elsewhere(path: Path, data: bytes, between: Between) -> None:
    """The file is a symlink to one outside of the folder, and that one changes."""
    target = path.parent.parent / "outside.json"
    target.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(target)
    between()
    target.write_bytes(data)


@pytest.mark.parametrize("save", [rename_over, vim, truncate, in_pieces, jetbrains, elsewhere])
@pytest.mark.parametrize("seen", [1, 3])
def test_each_way_to_save_ends_nothing_and_is_live_after_two_sweeps(desk: Desk, save: Save, seen: int):
    """`seen`: how often each state in between is swept."""

    def between(most: int = 9) -> None:
        desk.sweep(min(seen, most))
        assert desk.ids == ALL
        assert desk.status("f0.json").state in ("good", "kept", "held")

    save(desk.folder / "f0.json", NEW, between)
    desk.sweep()
    assert desk.ids == ALL
    desk.sweep()
    assert desk.ids == sorted([*ALL, "fresh"])
    assert desk.status("f0.json") == Status("f0.json", "good", desk.status("f0.json").accepted_at)


def test_what_is_read_once_is_no_problem_yet_and_read_twice_it_is(desk: Desk):
    (desk.folder / "f0.json").write_bytes(b'{"promos": [')
    first = desk.last
    desk.sweep()
    assert desk.last is first
    desk.sweep()
    assert desk.status("f0.json").state == "kept"
    assert desk.problem("f0.json").startswith("f0.json:1:13: ends in the middle")
    assert desk.status("f0.json").accepted_at == NOW + 0.5
    assert desk.ids == ALL


def test_two_editors_at_once(desk: Desk):
    with (desk.folder / "f0.json").open("wb", buffering=0) as slow:
        for piece in (NEW[:100], NEW[100:]):
            slow.write(piece)
            rename_over(desk.folder / "f1.json", told("p1a", "p1b", f"by-{len(piece)}"), desk.sweep)
            desk.sweep(2)
    assert desk.ids == sorted([*ALL, "fresh", f"by-{len(NEW) - 100}"])


def test_the_links_of_a_config_map_are_swapped(tmp_path: Path):
    folder = tmp_path / "promos"
    folder.mkdir()
    for revision, campaign in (("..1", told("a", "b")), ("..2", told("a", "b", "c"))):
        (folder / revision / "compliance").mkdir(parents=True)
        for name, data in {**WORDS, "f.json": campaign}.items():
            (folder / revision / name).write_bytes(data)
    (folder / "..data").symlink_to("..1")
    for name in ("slots.json", "audiences.json", "compliance", "f.json"):
        (folder / name).symlink_to(f"..data/{name}")
    desk = Desk.__new__(Desk)
    desk.folder, desk.now, desk.standing, desk.last = folder, NOW, Standing(), None
    desk.sweep(2)
    assert desk.ids == ["a", "b"]
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").replace(folder / "..data")
    shutil.rmtree(folder / "..1")
    desk.sweep(2)
    assert desk.ids == ["a", "b", "c"]


def test_a_folder_that_is_removed_is_a_fault_and_made_anew_it_is_followed(desk: Desk):
    kept = desk.folder.with_name("kept")
    shutil.copytree(desk.folder, kept)
    shutil.rmtree(desk.folder)
    before = desk.last
    desk.sweep()
    assert desk.last is before
    desk.sweep(5)
    assert desk.ids == ALL
    assert "cannot be read: No such file" in desk.problem(".")
    desk.folder.mkdir()
    desk.sweep(3)
    assert desk.ids == ALL
    (desk.folder / "compliance").mkdir()
    for path in sorted(kept.rglob("*.json")):
        shutil.copy(path, desk.folder / path.relative_to(kept))
        desk.sweep()
        assert desk.ids == ALL
    (desk.folder / "f0.json").write_bytes(NEW)
    desk.sweep(2)
    assert desk.ids == sorted([*ALL, "fresh"])
    assert desk.last is not None
    assert {status.state for status in desk.last.statuses} == {"good"}


def test_a_folder_that_cannot_be_read_is_no_reading_without_a_file(desk: Desk):
    """A file that is missing has to be missing in two readings in a row."""
    away = desk.folder.with_name("away")
    desk.folder.rename(away)
    desk.sweep(2)
    (away / "f0.json").rename(away.with_name("f0.json"))
    away.rename(desk.folder)
    desk.sweep()
    assert desk.ids == ALL
    away.with_name("f0.json").rename(desk.folder / "f0.json")
    desk.sweep(3)
    assert desk.ids == ALL
    (desk.folder / "f0.json").unlink()
    desk.sweep(2)
    assert "p0a" not in desk.ids


def test_a_missing_folder_at_the_start_is_told_and_no_folder_is_no_promos(tmp_path: Path):
    standing = Standing()
    assert standing.step(sweep(tmp_path / "none"), NOW) is None
    change = standing.step(sweep(tmp_path / "none"), NOW)
    assert change is not None
    assert change.live.promos == ()
    assert "cannot be read" in str(change.statuses[0].problems[0])
    (tmp_path / "file").touch()
    assert "Not a directory" in sweep(tmp_path / "file").fault


def test_what_cannot_be_read_keeps_what_it_said(desk: Desk):
    for name in ("f0", "f1", "f2"):
        (desk.folder / f"{name}.json").unlink()
    (desk.folder / "f0.json").symlink_to("nowhere")
    (desk.folder / "f1.json").mkdir()
    os.mkfifo(desk.folder / "f2.json")
    (desk.folder / "f3.json").write_bytes(b"")
    (desk.folder / "new.json").write_bytes(b"\xff")
    desk.sweep(2)
    assert desk.ids == ALL
    assert desk.problem("f0.json") == "f0.json:1:1: cannot be read: No such file or directory"
    assert desk.problem("f1.json") == desk.problem("f2.json").replace("f2", "f1") == "f1.json:1:1: is no regular file"
    assert desk.problem("f3.json") == "f3.json:1:1: is empty"
    assert desk.status("new.json").state == "refused"


def test_a_deleted_file_ends_its_promos_after_two_sweeps(desk: Desk):
    (desk.folder / "f0.json").unlink()
    desk.sweep()
    assert desk.ids == ALL
    desk.sweep()
    assert desk.ids == ALL[2:]
    assert desk.last is not None
    assert "f0.json" not in [status.file for status in desk.last.statuses]


def test_more_than_three_in_ten_end_only_when_it_is_confirmed(desk: Desk):
    for name in ("f0", "f1"):
        (desk.folder / f"{name}.json").unlink()
    (desk.folder / "f2.json").write_bytes(told("p2a", "p2b", "fresh"))
    desk.sweep(4)
    assert desk.ids == sorted([*ALL, "fresh"])
    assert desk.status("f0.json").state == "held"
    assert desk.problem("f0.json") == "f0.json:1:1: ends what is shown now: p0a, p0b; confirm it, or put it back"
    assert desk.standing.confirm(["f0.json", "f2.json", "none"]) == {"f0.json"}
    desk.sweep()
    # Two of ten are fewer than three in ten: with the other confirmed, what is left goes unasked.
    assert desk.ids == sorted(["fresh", *ALL[4:]])


def test_the_only_promo_of_a_slot_ends_only_when_it_is_confirmed_and_an_edit_is_confirmed_as_it_is(desk: Desk):
    path = desk.folder / "hero.json"
    moved = promo("top", "carousel")
    for data in (told("plain"), told("plain", moved), told("plain", promo("top", "hero", end="2026-02-01T00:00"))):
        path.write_bytes(data)
        desk.sweep(2)
        assert desk.status("hero.json").state == "held"
        assert "top" in desk.ids
    path.write_bytes(told("plain", "other"))
    desk.sweep()
    assert desk.standing.confirm(["hero.json"])
    desk.sweep(3)
    assert desk.status("hero.json").state == "held"
    assert desk.ids == ALL
    desk.standing.confirm(["hero.json"])
    desk.sweep()
    assert desk.ids == sorted({*ALL, "other"} - {"top"})
    path.write_bytes(told("plain", promo("top", "hero")))
    desk.sweep(2)
    path.unlink()
    desk.sweep(2)
    assert "top" in desk.ids
    path.write_bytes(told("plain", promo("top", "hero")))
    desk.sweep(2)
    assert desk.status("hero.json").state == "good"


def test_what_is_not_shown_now_ends_unasked_and_what_is_held_ends_with_its_time(tmp_path: Path):
    desk = Desk(tmp_path / "promos", a=told(promo("over", "hero", end="2026-02-01T00:00")), b=told("b"))
    for name in "ab":
        (desk.folder / f"{name}.json").unlink()
    desk.sweep(2)
    assert desk.ids == ["b"]
    desk.now += 365 * 86_400
    desk.sweep()
    assert desk.ids == []


def test_a_promo_that_moves_to_another_file_does_not_end(desk: Desk):
    (desk.folder / "hero.json").write_bytes(told("plain"))
    desk.sweep()
    (desk.folder / "top.json").write_bytes(told(promo("top", "hero")))
    for _ in range(4):
        desk.sweep()
        assert desk.ids == ALL
    assert desk.status("top.json") == Status("top.json", "good", desk.now - 0.5)


def test_an_id_belongs_to_what_is_live_whatever_the_name_of_the_file(desk: Desk):
    (desk.folder / "a.json").write_bytes(told("a", "p3b"))
    (desk.folder / "f3.json").write_bytes(b"{")
    desk.sweep(2)
    assert desk.ids == ALL
    assert '/promos/1/id: "p3b" is the id of a promo in f3.json too; give it another' in desk.problem("a.json")
    (desk.folder / "f3.json").write_bytes(told("p3a"))
    desk.sweep(2)
    assert desk.ids == sorted([*ALL, "a"])


def test_a_broken_vocabulary_keeps_the_old_one_and_campaigns_are_judged_by_it(desk: Desk):
    (desk.folder / "slots.json").write_bytes(b'{"slots": ')
    (desk.folder / "audiences.json").unlink()
    (desk.folder / "f0.json").write_bytes(NEW)
    (desk.folder / "f1.json").write_bytes(told(promo("p1a", "heroe")))
    desk.sweep(2)
    assert desk.ids == sorted([*ALL, "fresh"])
    assert desk.status("slots.json").state == desk.status("audiences.json").state == "kept"
    assert "is missing" in desk.problem("audiences.json")
    assert '"heroe" is not in slots.json' in desk.problem("f1.json")
    assert desk.last is not None
    assert len(desk.last.live.vocabulary.slots) == 4


def test_a_vocabulary_by_which_a_live_promo_is_wrong_waits_for_its_file(desk: Desk):
    slots = json.loads(WORDS["slots.json"])
    slots["slots"]["top"] = slots["slots"].pop("hero")
    (desk.folder / "slots.json").write_bytes(json.dumps(slots).encode())
    desk.sweep(2)
    assert desk.ids == ALL
    assert "hero.json is wrong by it: /promos/1/slot" in desk.problem("slots.json")
    (desk.folder / "hero.json").write_bytes(told("plain", {**promo("top", "hero"), "slot": "top"}))
    desk.sweep(2)
    assert desk.status("hero.json").state == "held"
    desk.standing.confirm(["hero.json"])
    desk.sweep()
    assert desk.last is not None
    assert {status.state for status in desk.last.statuses} == {"good"}
    assert {p.slot for p in desk.last.live.promos} == {"notices", "top"}


def test_without_a_vocabulary_there_never_was_nothing_is_judged(tmp_path: Path):
    (tmp_path / "a.json").write_bytes(told("a"))
    standing = Standing()
    standing.step(sweep(tmp_path), NOW)
    change = standing.step(sweep(tmp_path), NOW)
    assert change is not None
    assert change.live.promos == ()
    assert {status.file: status.state for status in change.statuses} == dict.fromkeys(
        ("slots.json", "audiences.json", "a.json"), "refused"
    )
    (tmp_path / "compliance").mkdir()
    for name, data in WORDS.items():
        (tmp_path / name).write_bytes(data)
    standing.step(sweep(tmp_path), NOW)
    change = standing.step(sweep(tmp_path), NOW)
    assert change is not None
    assert [promo.id for promo in change.live.promos] == ["a"]


def test_an_image_has_to_lie_in_the_folder_and_may_come_later(tmp_path: Path):
    def shows(source: str) -> bytes:
        return told(promo("a", "carousel", image={"src": source, "alt": {"en": "a"}}))

    (tmp_path / "outside.png").touch()
    desk = Desk(tmp_path / "promos", a=shows("in/a.png"), b=shows("../outside.png"), c=shows("a\0" + "b" * 300))
    assert desk.ids == []
    assert 'there is no file "in/a.png" beside this one' in desk.problem("a.json")
    (desk.folder / "in").mkdir()
    (desk.folder / "in" / "a.png").touch()
    desk.sweep()
    assert desk.ids == []
    assert '"in/a.png" is no image that browsers show' in desk.problem("a.json")
    (desk.folder / "in" / "a.png").write_bytes(png(640, 360))
    desk.sweep()
    assert desk.ids == ["a"]


def test_images_are_looked_up_where_names_can_be_some_and_no_more_than_there_are_promos(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / ("d" * 200) / ("e" * 200)).mkdir(parents=True)
    far = Path("d" * 200, "e" * 200, "f" * 120)
    (tmp_path / far).write_bytes(b"")

    def seen(*names: str) -> set[str]:
        return {
            name for name, _ in reading.pictures(tmp_path, [b",".join(b'"src": "%s"' % n.encode() for n in names)])
        }

    assert seen("a.png", str(far)) == {"a.png"}
    before = [f"0{number}.png" for number in range(reading.MOST_IMAGES)]
    assert seen("a.png", *before[1:]) == {"a.png"}
    assert seen("a.png", *before) == set()


def test_editors_temporaries_are_no_campaigns(desk: Desk):
    for name in (
        ".f0.json.swp",
        "#f0.json#",
        ".#f0.json",
        "f0.json~",
        "f0.json.tmp",
        "4913",
        "___jb_tmp.json",
        "#.json",
    ):
        (desk.folder / name).write_bytes(b"{")
    assert len(sweep(desk.folder).files) == 8


def test_the_revision_names_what_is_accepted(desk: Desk):
    assert desk.last is not None
    first = desk.last.live.revision
    (desk.folder / "f0.json").write_bytes(b"{")
    desk.sweep(2)
    assert desk.last.live.revision == first
    (desk.folder / "f0.json").write_bytes(NEW)
    desk.sweep(2)
    assert desk.last.live.revision != first
    (desk.folder / "f0.json").write_bytes(told("p0a", "p0b"))
    desk.sweep(2)
    assert desk.last.live.revision == first
    unchanged = desk.last
    desk.sweep(3)
    assert desk.last is unchanged


def test_a_file_that_is_mounted_by_itself_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    path = desk.folder / "f0.json"
    monkeypatch.setattr(reading, "_mount_points", lambda: frozenset(["/", str(path)]))
    desk.sweep(2)
    sentence = "is mounted by itself: no save that renames is seen there; mount its folder"
    assert desk.problem("f0.json") == f"f0.json:1:1: {sentence}"
    assert desk.status("f0.json").state == "kept"
    assert desk.ids == ALL
    monkeypatch.undo()
    assert "/" in (reading._mount_points() or ())
    device = desk.folder.stat().st_dev
    assert [reading._is_mount(path, at) for at in (device, device + 1)] == [False, True]
    assert not reading._is_mount(desk.folder / "none", device)


def test_a_restart_with_a_broken_folder_serves_the_last_good(desk: Desk, tmp_path: Path):
    state = tmp_path / "state"
    assert desk.last is not None
    remember(state, desk.last.files)
    assert [path.name for path in state.iterdir()] == [REMEMBERED]
    live = desk.last.live
    for path in desk.folder.rglob("*.json"):
        path.write_bytes(path.read_bytes()[:40])
    desk.standing, desk.last = Standing(recalled(state)), None
    desk.sweep()
    assert desk.last is not None
    assert desk.last.live == live
    desk.sweep(2)
    assert desk.last.live == live
    assert {(status.state, status.accepted_at) for status in desk.last.statuses} == {("kept", None)}
    shutil.rmtree(desk.folder)
    desk.standing = Standing(recalled(state))
    desk.sweep(2)
    assert desk.ids == ALL


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"digest": 1, "files": 2}', b'{"digest": "", "files": "{}"}'])
def test_a_state_file_that_cannot_be_used_is_ignored_and_told_of(desk: Desk, tmp_path: Path, data: bytes):
    (tmp_path / REMEMBERED).write_bytes(data)
    found = recalled(tmp_path)
    assert found.files == {}
    assert "cannot be used" in str(found.problems[0])
    desk.standing = Standing(found)
    desk.sweep(2)
    assert desk.ids == ALL
    assert desk.status(REMEMBERED).state == "refused"


def test_what_was_remembered_and_is_no_longer_good_is_told_of_and_not_served(desk: Desk):
    desk.standing = Standing(Recalled({**WORDS, "f0.json": told("p0a"), "f1.json": told(promo("p1a", "none"))}))
    desk.sweep()
    assert desk.ids == ["p0a"]
    assert 'f1.json: "none" is not in slots.json' in desk.problem(REMEMBERED)
    assert recalled(desk.folder / "nothing") == Recalled()


def test_what_could_not_be_remembered_leaves_the_old_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    remember(tmp_path, {"a.json": b"1"})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        remember(tmp_path, {"a.json": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == [REMEMBERED]
    assert recalled(tmp_path).files == {"a.json": b"1"}


def test_a_sweep_says_what_it_read(tmp_path: Path):
    (tmp_path / "a.json").write_bytes(b"1")
    (tmp_path / "b.json").symlink_to("b.json")
    assert sweep(tmp_path) == Seen(
        {"a.json": b"1", "b.json": Unread("cannot be read: Too many levels of symbolic links")}
    )


def test_a_sweep_reads_all_of_a_file_and_no_more_than_tells_that_it_is_too_large(tmp_path: Path):
    for size in (0, 1, reading.PIECE_BYTES, reading.PIECE_BYTES + 1, MOST_BYTES, MOST_BYTES + 1, MOST_BYTES + 2):
        data = os.urandom(size)
        (tmp_path / "a.json").write_bytes(data)
        assert sweep(tmp_path).files["a.json"] == data[: MOST_BYTES + 1]


def test_at_rest_nothing_is_judged_until_something_is_read_or_excused(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    judged: list[float] = []

    def counted(*arguments: Any) -> Any:
        judged.append(desk.now)
        return decided(*arguments)

    monkeypatch.setattr(standing, "decided", counted)
    desk.sweep(5)
    assert len(judged) <= 1
    (desk.folder / "f0.json").write_bytes(NEW)
    desk.sweep(5)
    assert "fresh" in desk.ids
    assert 2 <= len(judged) <= 4
    judged.clear()
    (desk.folder / "hero.json").unlink()
    desk.sweep(5)
    assert desk.status("hero.json").state == "held"
    # What is held may end with its time: it is looked at again and again.
    assert len(judged) == 5
    desk.standing.excuse({"hero.json": None})
    desk.sweep(5)
    assert "top" not in desk.ids
    desk.sweep(5)
    assert len(judged) <= 8


def test_an_excuse_that_nothing_came_of_is_forgotten_at_rest_too(desk: Desk):
    desk.sweep(3)
    desk.standing.excuse({"hero.json": None})
    # One reading may have begun before.
    desk.sweep(2)
    (desk.folder / "hero.json").unlink()
    desk.sweep(2)
    assert desk.status("hero.json").state == "held"


async def test_a_disk_that_is_busy_or_full_delays_nothing(desk: Desk, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    got, kept, free = asyncio.Queue[Change](), list[Change](), threading.Event()
    failures = [OSError(28, "No space left on device")] * 2

    def keep(change: Change) -> None:
        assert free.wait(20)
        if failures:
            raise failures.pop()
        kept.append(change)

    task = asyncio.create_task(watch(desk.folder, Standing(), got.put_nowait, keep, notified=False))
    try:
        told_of = [await asyncio.wait_for(got.get(), 30)]
        await asyncio.sleep(2 * KEEP_AFTER_S)
        rename_over(desk.folder / "f0.json", NEW, lambda: None)
        told_of.append(await asyncio.wait_for(got.get(), 30))
        assert kept == []
        free.set()
        while len(kept) < 2:
            await asyncio.sleep(0.01)
        assert kept == told_of
        assert caplog.text.count("trying again") == 1
    finally:
        free.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("notified", [False, True])
async def test_the_watch_publishes_remembers_and_goes_on_after_an_exception(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture, notified: bool
):
    caplog.set_level(logging.ERROR)
    got: asyncio.Queue[Change] = asyncio.Queue()
    failures = [RuntimeError("once")]

    def publish(change: Change) -> None:
        if failures:
            raise failures.pop()
        got.put_nowait(change)

    def keep(change: Change) -> None:
        remember(tmp_path / "state", change.files)

    task = asyncio.create_task(watch(desk.folder, Standing(), publish, keep, notified=notified))
    try:
        first = await asyncio.wait_for(got.get(), 30)
        assert [promo.id for promo in first.live.promos] == ALL
        assert "trying again" in caplog.text
        begun = time.monotonic()
        rename_over(desk.folder / "f0.json", NEW, lambda: None)
        second = await asyncio.wait_for(got.get(), 30)
        assert time.monotonic() - begun < 5
        assert "fresh" in [promo.id for promo in second.live.promos]
        assert {status.state for status in second.statuses} == {"good"}
        while recalled(tmp_path / "state").files.get("f0.json") != NEW:
            await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


CONTENTS: dict[str, list[bytes | Unread]] = {
    "slots.json": [WORDS["slots.json"], WORDS["slots.json"].replace(b'"hero"', b'"top"'), b"{"],
    "audiences.json": [WORDS["audiences.json"], WORDS["audiences.json"].replace(b'"US-NJ", ', b""), b""],
    **{
        f"{name}.json": [
            told("x"),
            told("x", "y"),
            told("y", promo("h", "hero")),
            told(promo("h", "hero") | {"slot": "top"}),
            told(promo("x", audience={"jurisdictions": ["GB"]})),
            told("z", promo("w", end="2026-02-01T00:00")),
            b"{",
            Unread("cannot be read"),
        ]
        for name in "abc"
    },
}
EDITS = st.sampled_from(
    [("fault", None), ("confirm", None), *((n, c) for n, all_ in CONTENTS.items() for c in (*all_, None))]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(EDITS, st.integers(1, 3)), max_size=25))
def test_whatever_happens_what_is_live_is_good_together_and_nothing_ends_unasked(
    edits: list[tuple[tuple[str, Any], int]],
):
    standing, files, live, now = Standing(), dict[str, bytes | Unread](WORDS), dict[str, str](), NOW
    for (name, content), sweeps in edits:
        confirmed = frozenset[str]()
        if name == "confirm":
            confirmed = standing.confirm(CONTENTS)
        elif name != "fault":
            files = {n: c for n, c in {**files, name: content}.items() if c is not None}
        for _ in range(sweeps):
            now += 0.25
            seen = Seen(fault="away") if name == "fault" else Seen(dict(files))
            if (change := standing.step(seen, now)) is None:
                continue
            ids = {p.id: p.slot for p in change.live.promos}
            assert len(ids) == len(change.live.promos)
            if {*WORDS} <= change.files.keys():
                assert check(change.files, None).problems == ()
            gone = {i for i in live if i not in ids and i != "w"}
            assert not gone or confirmed or len(gone) <= 0.3 * len([i for i in live if i != "w"])
            assert confirmed or all(ids.get(i) == slot for i, slot in live.items() if slot in ("hero", "top"))
            live = ids
    words = {n: f for n, f in files.items() if n in WORDS}
    for _ in range(3):
        standing.step(Seen(dict(words)), now)
        standing.confirm(CONTENTS)
    standing.step(Seen(dict(words)), now)
    assert standing._told is None or standing._told[0].promos == ()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EDITS, st.integers(1, 4)), max_size=25))
def test_what_is_told_at_rest_is_what_would_be_told_without(edits: list[tuple[tuple[str, Any], int]]):
    resting, restless, files, now = Standing(), Standing(), dict[str, bytes | Unread](WORDS), NOW
    for (name, content), sweeps in edits:
        if name == "confirm":
            assert resting.confirm(CONTENTS) == restless.confirm(CONTENTS)
        elif name != "fault":
            files = {n: c for n, c in {**files, name: content}.items() if c is not None}
        for _ in range(sweeps):
            now += 0.25
            seen = Seen(fault="away") if name == "fault" else Seen(dict(files))
            restless._resting = False
            assert resting.step(seen, now) == restless.step(seen, now)
