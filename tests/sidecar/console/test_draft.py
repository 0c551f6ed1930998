import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scripts.rig import ROOT
from sidecar.console.draft import MOST_PROMOS, MOST_TOLD, Ahead, ahead, drafted, foreseen, is_plain, told, wrong
from sidecar.promos.problem import Problem
from sidecar.promos.scan import Place
from sidecar.promos.standing import Status
from sidecar.promos.validate import check

FOLDER = ROOT / "config" / "promos"
NAMES = ("slots.json", "audiences.json", "compliance/US-NJ.json", "compliance/US-PA.json", "compliance/US-NY.json")
RULES = {name: (FOLDER / name).read_bytes() for name in (*NAMES, "compliance/GB.json")}
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


def notice(name: str, priority: int = 500, day: int = 30, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "kind": "notice",
        "slot": "notices",
        "priority": priority,
        "content": {"en": {"title": name}},
        "start": f"2026-11-{day}T00:00",
        "end": "2026-12-05T00:00",
        "timezone": "UTC",
        "audience": {"jurisdictions": ["US-NJ"]},
        **more,
    }


def campaign(*promos: dict[str, Any]) -> bytes:
    return json.dumps({"promos": promos}).encode()


def foreseen_of(before: bytes | None, after: bytes | None, others: bytes = campaign()) -> Ahead:
    files = RULES | {"others.json": others} | ({} if before is None else {"a.json": before})
    live = drafted(files, "none.json", None)
    return ahead(live, drafted(files, "a.json", after), NOW)


def test_who_sees_something_else_is_told():
    assert foreseen_of(None, campaign(notice("new"))).effects == (
        'notices shows "new" instead of nothing for US-NJ en from Mon 2026-11-30 12:00 to Sat 2026-12-05 00:00 (UTC)',
    )
    assert foreseen_of(campaign(notice("old")), None).effects == (
        'notices shows nothing instead of "old" for US-NJ en from Mon 2026-11-30 12:00 to Sat 2026-12-05 00:00 (UTC)',
    )
    assert foreseen_of(campaign(notice("a")), campaign(notice("a", rollout=100))) == Ahead()


def test_what_nobody_would_see_is_told_once_and_what_was_so_already_is_not():
    full = campaign(notice("one", 900), notice("two", 800))
    first = foreseen_of(None, campaign(notice("lost", 1)), full)
    assert first.effects == ()
    assert [sentence.split(" from")[0] for sentence in first.findings] == ['"lost" is shown to nobody']
    worded = campaign(notice("lost", 1, content={"en": {"title": "otherwise"}}))
    assert foreseen_of(campaign(notice("lost", 1)), worded, full).findings == ()


def test_a_promo_without_room_for_a_while_is_told():
    busy = campaign(notice("one", 900, 30), notice("two", 800, 30, end="2026-12-02T00:00"))
    found = foreseen_of(None, campaign(notice("late", 1)), busy).findings
    assert [sentence.split(" from")[0] for sentence in found] == ["notices has room for 2 of 3 for US-NJ en"]


def test_a_change_of_capacity_is_a_change_for_visitors():
    files = RULES | {"a.json": campaign(*(notice(name) for name in "abc"))}
    slots = json.loads(RULES["slots.json"])
    slots["slots"]["notices"]["capacity"] = 3
    live = drafted(files, "none.json", None)
    found = ahead(live, drafted(files, "slots.json", json.dumps(slots).encode()), NOW)
    assert [sentence.split(" for ")[0] for sentence in found.effects] == [
        'notices shows "a", "b", "c" instead of "a", "b"'
    ]


def test_where_too_much_is_planned_nothing_is_claimed():
    many = campaign(*(notice(f"n-{number}") for number in range(MOST_PROMOS)))
    found = foreseen_of(many, campaign(notice("alone")), campaign(notice("more")))
    assert found == Ahead(too_many=True)
    elsewhere = foreseen_of(None, campaign(notice("n", kind="nothing")), many)
    assert elsewhere == Ahead()


def test_long_lists_are_cut_and_say_so():
    found = foreseen(Ahead(tuple(map(str, range(MOST_TOLD + 3))), ("a",)))
    assert (len(found["effects"]), found["more_effects"], found["more_findings"]) == (MOST_TOLD, 3, 0)


@pytest.mark.parametrize(
    ("text", "plain"), [(b"{}", True), (b'{"a": 1, "a": 2}', False), (b"{", False), (b"\xff", False), (b"", False)]
)
def test_the_form_takes_json_without_repeated_names(text: bytes, plain: bool):
    assert is_plain(text) is plain


def test_others_that_a_draft_breaks_are_told_and_those_that_are_broken_are_not():
    files = RULES | {"b.json": campaign(notice("same")), "c.json": b"{"}
    found = check(files | {"a.json": campaign(notice("same"), notice("x", kind="note"))}, {})
    [broken] = [each for each in found.problems if each.file == "c.json"]
    own, others = wrong(found, "a.json", [Status("c.json", "refused", None, (broken,))])
    assert [each.pointer for each in own] == ["/promos/1/kind"]
    assert [(each.file, each.pointer) for each in others] == [("b.json", "/promos/0/id")]
    assert [each.file for each in wrong(found, "a.json", [])[1]] == ["b.json", "c.json"]


def test_all_that_is_said_of_a_draft():
    before, after = campaign(notice("a")), campaign(notice("a", 501))
    said = told(check(RULES | {"a.json": after}, {}), "a.json", before, after, [])
    assert (said["count"], said["problems"], said["elsewhere"], said["plain"]) == (0, [], [], True)
    assert [(d["promo"], d["members"]) for d in said["differences"]] == [
        ("a", [{"pointer": "/priority", "old": 500, "new": 501}])
    ]
    bad = told(check(RULES | {"a.json": b"{"}, {}), "a.json", before, b"{", [])
    assert (bad["count"], bad["plain"]) == (1, False)
    assert (bad["problems"][0]["line"], bad["problems"][0]["excerpt"].splitlines()[0]) == (1, "  1 | {")
    gone = told(
        check(RULES, {}), "a.json", before, None, [Status("z", "kept", None, (Problem("z", Place(1, 1), "", ""),))]
    )
    assert [each["what"] for each in gone["differences"]] == ["removed"]
