"""The commands, as operations run them: from files alone, no sidecar runs."""

import json
import time
from pathlib import Path

import pytest

from holdover import __version__
from scripts.rig import House, write_house
from sidecar.promos.history import History
from sidecar.promos.standing import live_of
from tests.here import run

from .test_watch import NOW, WORDS, promo, told

WHOM = ("--jurisdiction", "US-NJ", "--language", "en")
FIRST = {**WORDS, "a.json": told("x", "y")}
SECOND = {**WORDS, "a.json": told(promo("x", priority=900), "y"), "b.json": told("z")}
REVISIONS = [live_of(files).revision for files in (FIRST, SECOND)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return write_house(tmp_path, "http://127.0.0.1:9")


@pytest.fixture
def kept(house: House, tmp_path: Path) -> History:
    folder = house.config / "promos"
    folder.mkdir(exist_ok=True)
    (folder / "compliance").mkdir()
    for name, data in SECOND.items():
        (folder / name).write_bytes(data)
    kept = History(tmp_path / "var" / "promos" / "history")
    kept.append("accepted", "ops-1", "season", NOW, revision=REVISIONS[0], files=FIRST)
    kept.append("accepted", "ops-2", "", NOW + 60, revision=REVISIONS[1], files=SECOND)
    kept.append("hidden", "odds", "", NOW + 90, detail={"promo": "x", "reason": "market suspended"})
    return kept


def said(house: House, *arguments: str) -> list[str]:
    done = run(house, "promos", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def failed(house: House, *arguments: str) -> str:
    done = run(house, "promos", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_who_changed_what_when(house: House, kept: History):
    lines = said(house, "history")
    assert lines == [
        "    3 2026-03-31T23:34:50.000Z hidden - odds promo=x reason=market suspended",
        f"    2 2026-03-31T23:34:20.000Z accepted {REVISIONS[1]} ops-2",
        f"    1 2026-03-31T23:33:20.000Z accepted {REVISIONS[0]} ops-1: season",
    ]
    alone = house.run("promos", "history")
    assert (alone.returncode, alone.stdout.splitlines(), alone.stderr) == (0, lines, "")
    assert said(house, "history", "--limit", "1", "--verify") == [
        lines[0],
        f"3 records, all as written; the last has the hash {kept.records()[-1].hash}",
    ]
    facts = json.loads("\n".join(said(house, "history", "--json", "--verify")))
    assert [(each["number"], each["who"]) for each in facts["records"]] == [(3, "odds"), (2, "ops-2"), (1, "ops-1")]
    assert facts["problems"] == []


def test_a_history_that_was_written_anew(house: House, kept: History):
    path = kept.folder / "audit.jsonl"
    path.write_text(path.read_text().replace("ops-1", "ops-9"))
    for arguments in ((), ("--json",)):
        done = run(house, "promos", "history", "--verify", *arguments)
        assert (done.returncode, done.stderr) == (1, "")
        assert "line 1 was changed: it is not what its hash was made of" in done.stdout
    assert said(house, "shown", *WHOM, "--at", "2026-04-01T00:00Z")[-1].startswith("the history is not as it was")
    path.write_text("")
    assert "and 3 were written: the end was removed" in failed(house, "history")


def test_what_is_different(house: House, kept: History):
    between = [
        f"from record 1 (accepted 2026-03-31T23:33:20.000Z, revision {REVISIONS[0]}) to record 2 (accepted "
        f"2026-03-31T23:34:20.000Z, revision {REVISIONS[1]}):",
        "changed x (a.json)",
        "  /priority: added 900",
        "added z (b.json)",
    ]
    assert said(house, "diff", "1", REVISIONS[1][:6]) == between
    # The first against the folder, which is as it was accepted last.
    assert said(house, "diff", "1")[1:] == between[1:]
    assert said(house, "diff")[1:] == ["nothing is different"]
    folder = house.config / "promos"
    (folder / "b.json").write_bytes(SECOND["b.json"] + b"\n")
    assert said(house, "diff")[1:] == ["nothing is different but how it is written"]
    (folder / "b.json").write_text("{")
    (folder / "a.json").unlink()
    (folder / "slots.json").unlink()
    (folder / "slots.json").mkdir()
    header, *lines = said(house, "diff")
    assert header.endswith(f" to {folder} as it is now:")
    assert lines[:4] == [
        "slots.json is no regular file",
        "removed x (a.json)",
        "removed y (a.json)",
        "changed b.json",
    ]
    facts = json.loads("\n".join(said(house, "diff", "--json")))
    assert (facts["from"]["number"], facts["to"]) == (2, None)
    assert [(each["what"], each["promo"] or each["file"]) for each in facts["differences"]] == [
        ("removed", "x"),
        ("removed", "y"),
        ("changed", "b.json"),
    ]
    assert "'7' is no number and no beginning of a revision" in failed(house, "diff", "7")


def test_what_was_shown(house: House, kept: History):
    lines = said(house, "shown", *WHOM, "--at", "2026-03-31T23:34:00Z")
    assert lines == [
        f"at 2026-03-31T23:34:00.000Z, by record 1 (accepted 2026-03-31T23:33:20.000Z, revision {REVISIONS[0]}):",
        *("hero: empty", "carousel: empty", "boosts: empty", "notices:", "  x: x", "  y: y"),
        f"resolved by holdover {__version__}",
    ]
    # What is withheld leaves its place to the next, as it did.
    lines = said(house, "shown", *WHOM, "--at", "2026-03-31T19:35:00-04:00")
    assert lines[4:] == [
        *("notices:", "  y: y", "  z: z", "x was withheld: market suspended"),
        f"resolved by holdover {__version__}",
    ]
    facts = json.loads("\n".join(said(house, "shown", *WHOM, "--at", "2026-03-31T23:35:00Z", "--json")))
    assert (facts["record"]["number"], facts["record"]["revision"]) == (2, REVISIONS[1])
    assert (facts["withheld"], facts["resolver"], facts["problems"]) == (
        {"x": "market suspended"},
        __version__,
        [],
    )
    assert [(each["id"], each["title"]) for each in facts["slots"]["notices"]] == [("y", "y"), ("z", "z")]
    assert "notices: empty" in said(house, "shown", "--jurisdiction", "GB", "--at", "2026-03-31T23:35:00Z")


def test_what_was_killed(house: House, kept: History):
    (house.config / "promos" / "kill.json").write_text('{"$schema": "../schema/kill.schema.json", "promos": {}}')
    assert said(house, "diff")[1:] == ["nothing is different"]
    (house.config / "promos" / "kill.json").write_text('{"promos": {"y": "wrong text"}}')
    assert said(house, "diff")[1:] == [
        "added kill.json",
        '  /$schema: added "../schema/kill.schema.json"',
        '  /promos: added {"y": "wrong text"}',
    ]
    killed = b'{"$schema": "../schema/kill.schema.json", "promos": {"y": "wrong text"}}'
    files = {**SECOND, "kill.json": killed}
    kept.append("accepted", "ops-1", "", NOW + 120, files=files)
    assert said(house, "diff")[1:] == ["nothing is different but how it is written"]
    lines = said(house, "shown", *WHOM, "--at", "2026-04-01T00:00Z")
    told_as = ["notices:", "  z: z", "x was withheld: market suspended", "y was withheld: is killed: wrong text"]
    assert lines[4:-1] == told_as
    (house.config / "promos" / "kill.json").unlink()
    assert said(house, "diff")[1:] == ["nothing is different but how it is written"]


def test_what_another_version_accepted(house: House, kept: History):
    kept.append("accepted", "ops-1", "", NOW + 120, files=FIRST, detail={"holdover": "0.0.9"})
    lines = said(house, "shown", *WHOM, "--at", "2026-04-01T00:00Z")
    assert lines[-1] == f"resolved by holdover {__version__}; it was accepted by holdover 0.0.9"


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("2026-03-31T23:00Z", "is not known; the history begins at 2026-03-31T23:33:20.000Z"),
        ("2026-03-31T23:00", "has no offset"),
        ("yesterday", "is no time; write it as"),
        ("0001-01-01T00:00+23:00", "is too far away; write a year from 1970"),
        (f"{time.gmtime().tm_year + 1}-03-31T23:00Z", "is still to come; see `holdover promos preview`"),
    ],
)
def test_times_of_which_nothing_is_known(house: House, kept: History, at: str, sentence: str):
    assert sentence in failed(house, "shown", *WHOM, "--at", at)


def test_a_damaged_set(house: House, kept: History):
    for path in (kept.folder / "objects").glob("*/*"):
        path.write_bytes(path.read_bytes() + b" ")
    for arguments in (("diff",), ("shown", *WHOM, "--at", "2026-04-01T00:00Z")):
        message = failed(house, *arguments)
        assert "(the list of files of record 2) is damaged" in message
        assert message.endswith("a copy of the folder may still have it\n")


def test_before_anything_was_accepted(house: House):
    for arguments in (("history",), ("diff",), ("shown", *WHOM, "--at", "2026-04-01T00:00Z")):
        message = failed(house, *arguments)
        assert message.endswith("history has no record: nothing was accepted; is holdover up?\n")
