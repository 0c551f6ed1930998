import json
from dataclasses import replace

from sidecar.console.shelf import file_of, promos_in, shelf
from sidecar.promos.problem import Problem
from sidecar.promos.scan import Place
from sidecar.promos.standing import Status
from sidecar.promos.sweep import Unread
from tests.sidecar.console.scenes import NOW, PROMO, live

LATER = replace(PROMO, id="later", start=NOW + 60)
OVER = replace(PROMO, id="over", end=NOW)
WRONG = Problem("spring.json", Place(3, 1), "/promos", "is no list")


def campaign(*titles: object, **named: object) -> bytes:
    promos = [{"id": name, "content": {"en": {"title": title}}} for name, title in named.items()]
    return json.dumps({"promos": [*titles, *promos]}).encode()


def test_each_file_says_what_it_holds_and_what_of_it_is_live():
    files: dict[str, bytes | Unread] = {
        "spring.json": campaign(spring="Spring", later="Later", over="Over", new="New"),
        "slots.json": b"{}",
        "compliance/US-NJ.json": b"{}",
        "kill.json": b"{}",
        "unread.json": Unread("cannot be read"),
    }
    statuses = [Status("spring.json", "kept", NOW, (WRONG,)), Status("slots.json", "good", NOW)]
    found = {each.file: each for each in shelf(files, statuses, [], live(PROMO, LATER, OVER), NOW)}
    assert set(found) == files.keys() - {"kill.json"}
    spring = found["spring.json"]
    assert (spring.title, spring.told) == ("Spring · Later and 2 more", "4 promos: 1 running, 1 to come, 1 over")
    assert (spring.state, spring.label, spring.problems) == ("kept", "Kept as it was", (WRONG,))
    assert (found["slots.json"].group, found["slots.json"].label, found["slots.json"].told) == ("rules", "Live", "")
    assert found["compliance/US-NJ.json"].title == "What may be advertised in US-NJ"
    assert found["unread.json"].label == "Not read yet"


def test_what_waits_says_for_what_and_what_is_gone_too():
    statuses = [
        Status("a.json", "held"),
        Status("b.json", "held"),
        Status("c.json", "refused"),
        Status("remembered state", "refused"),
        Status(".", "kept"),
    ]
    found = {each.file: each for each in shelf({"a.json": campaign()}, statuses, ["a.json"], live(), NOW)}
    assert found["a.json"].label == "Waits for approval"
    assert (found["b.json"].label, found["b.json"].gone, found["b.json"].told) == (
        "Waits to be confirmed", True, "removed from the folder",
    )  # fmt: skip
    assert set(found) == {"a.json", "b.json"}


def test_what_is_no_campaign_has_no_promos():
    for data in (b"", b"{", b"[]", b'{"promos": 1}', b"[" * 5_000, None, Unread("x")):
        assert promos_in(data) == []
    odd = campaign(1, None, {"content": []}, {"content": {"en": {"title": 5}}, "id": 7})
    [entry] = shelf({"odd.json": odd}, [], [], live(), NOW)
    assert (entry.title, entry.told) == ("7", "2 promos")


def test_the_file_of_a_promo_is_found():
    files = {"a.json": campaign(one="One"), "b.json": b"{", "c.json": campaign(two="Two"), "slots.json": b"{}"}
    assert [file_of(name, files) for name in ("one", "two", "three")] == ["a.json", "c.json", None]
