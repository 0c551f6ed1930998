"""What records say, in lines that people read."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sidecar.console.past import (
    Entry,
    Summary,
    Wanted,
    brief,
    days,
    entry,
    found_in,
    moment_of,
    summary,
    title,
    wanted,
)
from sidecar.promos.diff import differences
from sidecar.promos.kill import NOT_UNDERSTOOD
from sidecar.promos.record import Record, What
from tests.sidecar.console.scenes import NOW


def record(what: What = "accepted", why: str = "", at: str = "2026-11-26T23:59:00.000Z", **detail: str) -> Record:
    return Record(1, at, what, "ops-1, ops-2", why, "abc", "0" * 64, detail, "0" * 64)


def files(*promos: dict[str, Any], **other: object) -> dict[str, bytes]:
    told = {"sun.json": {"promos": list(promos)}} if promos else {}
    return {name: json.dumps(each).encode() for name, each in {**told, **other}.items()}


OLD = {"id": "thanksgiving", "end": "2026-11-27T00:00", "content": {"en": {"title": "A"}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end": "2026-11-27T02:00"}, "thanksgiving: end 2026-11-27 00:00 → 02:00"),
        ({"end": "2026-11-28T02:00"}, "thanksgiving: end 2026-11-27 00:00 → 2026-11-28 02:00"),
        ({"content": {"en": {"title": "B"}}}, "thanksgiving: content en title “A” → “B”"),
        ({"priority": 7}, "thanksgiving: priority 7 added"),
        ({"link": "\x1b[31m"}, "thanksgiving: link “\\x1b[31m” added"),
        ({"a/b": 1, "c": 2, "d": 3, "e": 4}, "thanksgiving: a/b 1 added; c 2 added; d 3 added; 1 more"),
    ],
)
def test_a_change_is_told_in_a_line(change: dict[str, object], said: str):
    [found] = differences(files(OLD), files({**OLD, **change}))
    assert brief(found) == said


def test_a_summary_names_files_promos_and_kills():
    told = summary(record(), files(OLD), files(OLD, {**OLD, "id": "new"}, **{"kill.json": {"slots": {"hero": "no"}}}))
    assert told == Summary(
        ("Killed slot hero: no", "new: new in sun.json"), frozenset({"sun.json", "kill.json"}), frozenset({"new"})
    )
    killed = summary(record(), files(), files(**{"kill.json": {"promos": {"a": "x"}}}))
    released = summary(record(), files(**{"kill.json": {"promos": {"a": "x"}}}), files())
    assert (title(record(), killed), title(record(), released)) == ("Killed", "Released")
    assert killed.promos == {"a"}
    assert released.lines == ("Released promo a",)
    garbled = {"kill.json": {"everything": NOT_UNDERSTOOD}}
    lost = summary(record(), files(**{"kill.json": {"promos": {"a": "x"}}}), files(**garbled))
    assert lost.lines == ("Killed everything: kill.json is not understood",)
    assert title(record(why="back to record 3, abc"), Summary()) == "Restored"
    spaced = {"sun.json": files(OLD)["sun.json"] + b"\n"}
    assert summary(record(), files(OLD), spaced).lines == ("Only how it is written",)


def test_records_that_change_nothing_say_what_they_say():
    hidden = summary(record("hidden", promo="owls", reason="the market is suspended"), {}, {})
    assert hidden == Summary(("owls: the market is suspended",), promos=frozenset({"owls"}))
    contents = {"a.json": "0123456789abcdef", "b.json": "removal of 01"}
    approved = summary(replace(record("approved"), detail=contents), {}, {})
    assert approved.lines == ("a.json, content 0123456789ab", "b.json: removal")
    assert approved.files == {"a.json", "b.json"}


def test_a_reason_that_the_line_tells_is_not_told_again():
    said = Summary(("Killed promo owls: wrong price",))
    assert entry(record(why="killed promo owls: wrong price"), said, NOW).why == ""
    assert entry(record(why="late"), said, NOW).why == "late"
    released = Summary(("Released promo owls",))
    assert entry(record(why="released promo owls: right again"), released, NOW).why == "right again"


def test_days_are_those_of_utc_and_stay_in_order():
    entries = [_entry(record(at=at)) for at in ("2026-11-27T00:00:00.000Z", "2026-11-26T23:59:59.999Z")]
    assert list(days(entries)) == ["Friday, 27 November 2026", "Thursday, 26 November 2026"]


def _entry(told: Record) -> Entry:
    return Entry(told, moment_of(told, NOW), "", (), 0)


def test_what_is_asked_for_narrows():
    asked = wanted({"show": ("changes",), "person": ("ops-2",), "file": ("sun.json",), "page": ("3",)})
    assert asked == Wanted("changes", "sun.json", "", "ops-2", 3)
    assert asked.takes(record())
    assert not asked.takes(record("published"))
    assert not Wanted("all", "", "", "ops", 1).takes(record())
    assert asked.has(Summary(files=frozenset({"sun.json"})))
    assert not asked.has(Summary(files=frozenset({"mon.json"})))
    assert wanted({"show": ("else",), "page": ("-1",)}) == Wanted("changes", "", "", "", 1)
    assert found_in([replace(record(), detail={"a.json": "x", "holdover": "1"})]) == (["a.json"], ["ops-1", "ops-2"])
