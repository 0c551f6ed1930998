import fcntl
import hashlib
import json
import multiprocessing
import shutil
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos import history as module
from sidecar.promos.history import History, Unfound
from sidecar.promos.objects import HistoryError
from sidecar.promos.past import withheld_at
from sidecar.promos.record import Head, Record, broken, canonical, stamp
from sidecar.promos.remembered import Recalled
from sidecar.promos.resolve import Visitor, resolve
from sidecar.promos.standing import Standing, live_of
from sidecar.promos.sweep import Seen

from .test_watch import NOW, WORDS, promo, told

FIRST = {**WORDS, "a.json": told("x"), "b.json": told("y")}
SECOND = {**FIRST, "a.json": told("x", "z")}


def written(folder: Path) -> History:
    """Six records; sets in the first, third and fifth."""
    kept = History(folder)
    kept.append("accepted", "ops-1", "", NOW, revision="aa01", files=FIRST)
    kept.append("approved", "ops-2", "", NOW + 1, detail={"a.json": hashlib.sha256(b"never").hexdigest()})
    kept.append("accepted", "ops-1", "more", NOW + 2, revision="aa02", files=SECOND)
    kept.append("hidden", "odds", "", NOW + 3, revision="aa02", detail={"promo": "x", "reason": "market suspended"})
    kept.append("rolled-back", "ops-1", "wrong price", NOW + 4, revision="aa01", files=FIRST)
    kept.append("note", "ops-1", "said by telephone", NOW + 5)
    return kept


@pytest.fixture
def kept(tmp_path: Path) -> History:
    return written(tmp_path / "var" / "history")


def test_what_a_record_made_different_is_read_alone(kept: History):
    first, _, second, *_ = kept.records()
    for record in (first, second):
        before, after = kept.before(record), kept.files(record)
        names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        old, new = kept.changed(record)
        assert old == {name: data for name, data in before.items() if name in names}
        assert new == {name: data for name, data in after.items() if name in names}
    assert kept.changed(first) == ({}, FIRST)
    assert kept.changed(kept.records()[1]) == ({}, {})


def log(kept: History) -> Path:
    return kept.folder / "audit.jsonl"


def objects(kept: History) -> list[Path]:
    return sorted(path for path in (kept.folder / "objects").glob("*/*") if path.is_file())


def test_what_was_appended_is_there_for_whoever_opens_it(kept: History):
    records = History(kept.folder).records()
    assert records == kept.records()
    assert [r.number for r in records] == [1, 2, 3, 4, 5, 6]
    assert records[4].why == "wrong price"
    assert records[0].at == "2026-03-31T23:33:20.000Z"
    assert [bool(r.set) for r in records] == [True, False, True, False, True, False]
    assert kept.verify() == ()
    assert [kept.files(r) for r in records] == [FIRST, FIRST, SECOND, SECOND, FIRST, FIRST]


def test_the_log_can_be_read_without_this_code(kept: History):
    previous = "0" * 64
    for line in log(kept).read_text().splitlines():
        said = json.loads(line)
        claimed = said.pop("hash")
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == claimed
        assert said["previous"] == previous
        previous = claimed


def test_equal_files_and_equal_sets_are_kept_once(kept: History):
    assert len(objects(kept)) == len({*FIRST.values(), *SECOND.values()}) + 2
    assert kept.records()[0].set == kept.records()[4].set
    for path in objects(kept):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name


def test_an_object_is_never_written_again(kept: History):
    path = kept.folder / "objects"
    before = {each: each.stat().st_ino for each in path.glob("*/*")}
    kept.append("accepted", "ops-1", "", NOW + 6, files=SECOND)
    assert {each: each.stat().st_ino for each in path.glob("*/*")} == before


def test_the_set_in_force_at_a_moment(kept: History):
    numbers = {
        moment: found.number if (found := kept.at(NOW + moment)) else None
        for moment in (-0.001, 0, 1.999, 2, 3.5, 4, 1e6)
    }
    assert numbers == {-0.001: None, 0: 1, 1.999: 1, 2: 3, 3.5: 3, 4: 5, 1e6: 5}


@given(st.floats(-6e10, 2e11))
def test_a_record_is_found_at_its_very_moment(at: float):
    assert stamp(at) == stamp(at)
    assert stamp(at) <= stamp(at + 0.001)
    assert len(stamp(at)) == 24


def test_by_number_and_by_revision(kept: History):
    def number(text: str) -> int | str:
        found = kept.find(text)
        return found.sentence if isinstance(found, Unfound) else found.number

    assert (number("2"), number("aa02"), number("AA01")) == (2, 3, 5)
    assert number("aa") == "'aa' is the beginning of aa01, aa02; write more of it"
    for unknown in ("", "7", "b", "²", "-1"):
        assert "is no number and no beginning" in str(number(unknown))


def test_of_another_process_at_once(kept: History):
    other = History(kept.folder)
    assert kept.records() is kept.records()
    other.append("note", "ops-2", "", NOW + 6)
    assert [r.number for r in kept.records()] == [1, 2, 3, 4, 5, 6, 7]
    assert kept.append("note", "ops-1", "", NOW + 7).number == 8
    assert other.verify() == ()


def test_nothing_yet(tmp_path: Path):
    kept = History(tmp_path / "none")
    assert (kept.records(), kept.verify(), kept.at(NOW)) == ((), (), None)
    assert not kept.folder.exists()


def test_names_and_words_of_any_kind(kept: History):
    odd = "a\nb\udcff\u202e\0\"'é"
    files = {odd: b"", "": b"\xff\0", "../x": b"x"}
    record = kept.append("accepted", odd, odd, NOW + 6, files=files, detail={odd: odd})
    assert History(kept.folder).files(record) == files
    assert (History(kept.folder).records()[-1], kept.verify()) == (record, ())


# Crashes


def test_a_stop_before_the_line_leaves_objects_alone(kept: History, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "append", stop)
        with pytest.raises(OSError, match="No space"):
            kept.append("accepted", "ops-1", "", NOW + 6, files={"new.json": b"{}"})
    assert any(path.read_bytes() == b"{}" for path in objects(kept))
    assert (len(kept.records()), kept.verify()) == (6, ())
    assert kept.append("accepted", "ops-1", "", NOW + 7, files={"new.json": b"{}"}).number == 7
    assert kept.verify() == ()


def test_a_stop_between_the_line_and_the_head(kept: History):
    head = (kept.folder / "head").read_bytes()
    kept.append("note", "ops-1", "", NOW + 6)
    (kept.folder / "head").write_bytes(head)
    assert kept.verify() == ()
    assert kept.append("note", "ops-1", "", NOW + 7).number == 8
    assert kept.verify() == ()


@pytest.mark.parametrize("anew", [False, True], ids=["the same process", "after a restart"])
@pytest.mark.parametrize("left", [b'{"at":"2026', b"{", b"\0" * 300, b'{"number": 7}'])
def test_a_torn_line_is_moved_aside(kept: History, left: bytes, anew: bool):
    before = kept.records()
    with log(kept).open("ab") as file:
        file.write(left)
    assert kept.records() == before
    assert kept.verify() == ("line 7 is torn; the next record moves it to audit.torn",)
    kept = History(kept.folder) if anew else kept
    assert kept.append("accepted", "ops-1", "", NOW + 6, files=SECOND).number == 8
    assert (kept.folder / "audit.torn").read_bytes() == left + b"\n"
    note = kept.records()[6]
    assert (note.what, note.who) == ("note", "holdover")
    assert note.why == f"a line that a crash tore, of {len(left)} bytes, was moved to audit.torn"
    assert (kept.records()[:6], kept.verify()) == (before, ())


def test_a_line_that_lost_only_its_end_is_kept(kept: History):
    before = kept.records()
    log(kept).write_bytes(log(kept).read_bytes()[:-1])
    kept.append("note", "ops-1", "", NOW + 6)
    assert kept.records()[:-1] == before
    assert kept.verify() == ()


def test_a_lock_that_is_never_given_back(kept: History, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.05)
    with kept._locked(fcntl.LOCK_EX), pytest.raises(TimeoutError, match="has held the folder locked"):
        kept.append("note", "ops-1", "", NOW)
    kept.append("note", "ops-1", "", NOW)


def _append(folder: Path, who: str, times: int, half: Event | None = None) -> None:
    """`half`: until it is set, no more than half of it."""
    kept = History(folder)
    for number in range(times):
        if half is not None and number == times // 2:
            half.wait(60)
        kept.append("accepted", who, "", time.time(), files={**WORDS, f"{who}.json": told(f"p{number}")})


def test_two_processes_append_at_once(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    looked = context.Event()
    started = [context.Process(target=_append, args=(tmp_path / "h", who, 40, looked)) for who in ("ops-1", "ops-2")]
    for each in started:
        each.start()
    kept = History(tmp_path / "h")
    while any(each.is_alive() for each in started):
        assert kept.verify() == ()
        if 0 < len(kept.records()) < 80:
            looked.set()
    assert looked.is_set()
    assert [each.exitcode for each in started] == [0, 0]
    assert kept.verify() == ()
    assert [r.number for r in kept.records()] == list(range(1, 81))
    for who in ("ops-1", "ops-2"):
        own = [kept.files(r) for r in kept.records() if r.who == who]
        assert [f[f"{who}.json"] for f in own] == [told(f"p{number}") for number in range(40)]
    assert len({r.who for r in kept.records()[:60]}) == 2


def test_a_process_that_is_killed_while_it_appends(tmp_path: Path):
    folder, context = tmp_path / "h", multiprocessing.get_context("spawn")
    for round_, delay in enumerate((0.0, 0.011, 0.037, 0.083)):
        before = len(History(folder).records())
        process = context.Process(target=_append, args=(folder, f"ops-{round_}", 10_000))
        process.start()
        deadline = time.monotonic() + 60
        while len(History(folder).records()) <= before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        process.join()
        kept = History(folder)
        assert len(kept.records()) > before
        assert [said for said in kept.verify() if "is torn" not in said] == []
        kept.append("note", "ops-1", "", NOW)
        assert kept.verify() == ()
        for record in kept.records()[before:]:
            assert kept.files(record)


# Tampering


@pytest.fixture(scope="module")
def original() -> Path:
    folder = Path(tempfile.mkdtemp()) / "history"
    written(folder)
    return folder


def swapped(lines: list[bytes], one: int, other: int) -> list[bytes]:
    found = list(lines)
    found[one], found[other] = found[other], found[one]
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_line_is_changed_removed_added_or_moved_unseen(original: Path, data: st.DataObject):
    lines = (original / "audit.jsonl").read_bytes().splitlines(keepends=True)
    place, other = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 6))
    flip = data.draw(st.integers(0, len(lines[place]) - 1)), data.draw(st.integers(1, 255))
    record = json.loads(lines[place])
    name = data.draw(st.sampled_from(sorted(record)))
    changed = {**record, name: data.draw(st.sampled_from(["", "x", 0, 3, None, "approved", {}, record["hash"]]))}
    resealed = {n: v for n, v in changed.items() if n != "hash"}
    resealed["hash"] = hashlib.sha256(canonical(resealed)).hexdigest()
    tampered = {
        "flip": [bytes([b ^ flip[1] if n == flip[0] else b for n, b in enumerate(lines[place])])],
        "value": [canonical(changed) + b"\n"],
        "value and hash": [canonical(resealed) + b"\n"],
        "space": [lines[place].replace(b",", b", ", 1)],
        "member": [lines[place].replace(b"{", b'{"who":"x",', 1)],
        "removed": [],
        "nothing": [b"\n", lines[place]],
    }
    kind = data.draw(st.sampled_from([*tampered, "cut", "added", "moved"]))
    if kind == "cut":
        found = lines[:place]
    elif kind == "added":
        found = [*lines[:other], lines[place], *lines[other:]]
    elif kind == "moved":
        found = swapped(lines, place, min(other, 5))
    else:
        found = [*lines[:place], *tampered[kind], *lines[place + 1 :]]
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(original, Path(folder) / "history")
        (copy / "audit.jsonl").write_bytes(b"".join(found))
        kept = History(copy)
        assert bool(kept.verify()) == (found != lines), kind
        kept.records()
        # What is written later does not hide it, and is good itself.
        kept.append("accepted", "ops-1", "", NOW + 9, files=SECOND)
        assert bool(kept.verify()) == (found != lines), kind
        assert kept.files(kept.records()[-1]) == SECOND


def test_each_is_told_where_it_is(kept: History):
    lines = log(kept).read_bytes().splitlines(keepends=True)

    def verified(*found: bytes) -> list[str]:
        log(kept).write_bytes(b"".join(found))
        return list(kept.verify())

    follow = "does not follow the one before: lines were removed, added, or put in another order"
    renamed = lines[2].replace(b"ops-1", b"ops-9")
    assert verified(*lines[:2], renamed, *lines[3:]) == ["line 3 was changed: it is not what its hash was made of"]
    assert verified(*lines[:2], *lines[3:]) == [f"line 3 {follow}"]
    assert verified(*lines[:2], b"?\n", *lines[3:]) == ["line 3 is no record", f"line 4 {follow}"]
    assert verified(*lines[:4]) == ["the last record is number 4, and 6 were written: the end was removed"]
    assert verified(*lines, lines[5]) == [f"line 7 {follow}"]
    log(kept).unlink()
    assert kept.verify()[0] == "the last record is number 0, and 6 were written: the end was removed"
    log(kept).write_bytes(b"".join(lines))
    (kept.folder / "head").unlink()
    assert kept.verify()[0].startswith("the file head is missing or damaged")


def test_numbers_are_checked_too():
    first = Record(1, stamp(NOW), "note", "ops-1", "", "", "", {}, Head().hash).sealed()
    third = Record(3, stamp(NOW), "note", "ops-1", "", "", "", {}, first.hash).sealed()
    lines = [record.line()[:-1] for record in (first, third)]
    (said,) = broken(lines, Head(3, third.hash))
    assert said.startswith("line 2 does not follow the one before")


def test_all_written_anew_is_seen_by_the_head(kept: History, tmp_path: Path):
    other = written(tmp_path / "other")
    forged = History(tmp_path / "forged")
    for record in other.records():
        files = other.files(record) if record.set else None
        forged.append(record.what, "ops-9", record.why, NOW, revision=record.revision, files=files)
    log(kept).write_bytes(log(forged).read_bytes())
    assert kept.verify() == ("record 6 is another than was written: lines were written anew",)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_object_is_changed_or_removed_unseen(original: Path, data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        kept = History(shutil.copytree(original, Path(folder) / "history"))
        path = data.draw(st.sampled_from(objects(kept)))
        content = path.read_bytes()
        damaged = data.draw(st.sampled_from([None, b"", content[:-1], content + b" ", content.swapcase(), b"{}"]))
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        name = f"{path.parent.name}/{path.name}"
        word = "is missing" if damaged is None else "is damaged: it is not what its name was made of"
        assert [said for said in kept.verify() if name in said and said.endswith(word)]
        # A set is given back whole and as it was, or not at all.
        for record, files in zip(kept.records(), (FIRST, FIRST, SECOND, SECOND, FIRST, FIRST), strict=True):
            given: object
            try:
                given = kept.files(record)
            except HistoryError as error:
                given = error
            assert given == files or str(given).startswith(f"object {name} (")


def test_a_list_that_is_none(kept: History):
    for content in (b"[]", b'{"a": 1}', b'{"a": "../../../etc/passwd"}', b"\xff", b"[" * 5000):
        files = kept._objects.keep(content)
        record = kept._write("accepted", "ops-1", "", stamp(NOW), "", files, {})
        with pytest.raises(HistoryError, match="is no such list"):
            kept.files(record)
        assert any("is no such list" in said for said in kept.verify())


# What was shown


VISITORS = [Visitor("US-NJ", "en", id=f"v{n}") for n in range(3)] + [Visitor("GB", "en"), Visitor()]


def test_what_is_replayed_is_what_was_resolved(tmp_path: Path):
    """Through edits that are accepted, refused and rolled back, as the watcher of the folder sees them."""
    kept, standing, now, live = History(tmp_path / "h"), Standing(Recalled()), NOW, live_of({})
    said: list[tuple[float, object]] = []
    first = told(promo("x", variants=[{"id": "a", "weight": 1}, {"id": "b", "weight": 1}]), "y")
    edits: list[dict[str, bytes]] = [
        {"a.json": first},
        {"a.json": b"{"},
        {"a.json": told(promo("x", priority=900, rollout=40), "y"), "b.json": told("z")},
        {"audiences.json": WORDS["audiences.json"].replace(b'"US-NJ", ', b"")},
        {"b.json": told("z", promo("later", priority=1000, start="2026-03-31T19:33:24"))},
        {"a.json": first},
        {},
    ]
    files = dict(WORDS)
    for edit in edits:
        files |= edit
        for _ in range(3):
            now += 0.25
            change = standing.step(Seen(dict(files)), now)
            if change and change.live.revision != live.revision:
                kept.append("accepted", "folder", "", now, revision=change.live.revision, files=change.files)
                live = change.live
            if kept.records():
                found = [resolve(live.promos, live.vocabulary, visitor, now) for visitor in VISITORS]
                said.append((now, (live, found)))
    assert len({record.set for record in kept.records()}) == len(kept.records()) == 4
    later = History(kept.folder)
    assert later.verify() == ()
    for moment, then in said:
        record = later.at(moment)
        assert record is not None
        again = live_of(later.files(record))
        assert (again, [resolve(again.promos, again.vocabulary, v, moment) for v in VISITORS]) == then
        assert record.revision == again.revision
    assert len({str(then) for _, then in said}) == 5


def test_what_was_withheld(kept: History):
    def hidden(after: float) -> dict[str, str]:
        return dict(withheld_at(kept.records(), stamp(NOW + after)))

    kept.append("shown", "odds", "", NOW + 10, detail={"promo": "x", "reason": "market open"})
    kept.append("hidden", "ops-1", "asked by the regulator", NOW + 11, detail={"promo": "y"})
    assert (hidden(2.9), hidden(3), hidden(9.9)) == ({}, {"x": "market suspended"}, {"x": "market suspended"})
    assert (hidden(10), hidden(12)) == ({}, {"y": "asked by the regulator"})
