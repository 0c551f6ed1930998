"""What is held, kept and approved, of files that are all well-formed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.promos.decide import digest
from sidecar.promos.document import Picture
from sidecar.promos.folder import KILL
from sidecar.promos.standing import TOGETHER_S, Standing, Status
from sidecar.promos.sweep import Found, Seen, sweep
from tests.sidecar.promos.edits import GOOD, NOW, PICTURES, Page, offer, promo, told

NEW_YORK = "compliance/US-NY.json"


class Read(Page):
    def until(self, files: Mapping[str, Found], pictures: Mapping[str, Picture] = PICTURES) -> "Read":
        for _ in range(2):
            self.read({**GOOD, **files}, pictures)
        return self

    @property
    def ids(self) -> set[str]:
        return {each.id for each in self.change.live.promos}

    def status(self, name: str) -> Status:
        return next(each for each in self.change.statuses if each.file == name)

    def problem(self, name: str) -> str:
        return " | ".join(map(str, self.status(name).problems))


def edited(name: str, **members: Any) -> bytes:
    return json.dumps({**json.loads(GOOD[name]), **members}).encode()


def changed(name: str, promo: int, **members: Any) -> bytes:
    document = json.loads(GOOD[name])
    document["promos"][promo] |= members
    return json.dumps(document).encode()


def audience(**members: Any) -> dict[str, Any]:
    return {
        "jurisdictions": ["US-NJ", "US-PA"],
        "languages": ["en", "es"],
        "devices": ["phone", "desktop"],
        **members,
    }


def test_a_stricter_pack_waits_until_all_that_is_live_is_good_by_it():
    page = Read()
    stricter = {"compliance/US-NJ.json": edited("compliance/US-NJ.json", minimum_age=25)}
    page.until(stricter)
    assert page.change.live == page.first.live
    assert page.status("compliance/US-NJ.json").state == "kept"
    assert "boosts.json is wrong by it: /promos/0/terms/short/en" in page.problem("compliance/US-NJ.json")
    offers = ("boosts.json", "carousel.json", "top.json", "variants.json")
    mended = {name: GOOD[name].replace(b"21+", b"25+ (21+ in PA)") for name in offers}
    page.until({**stricter, **mended})
    assert page.is_good()
    assert page.change.live.vocabulary.packs["US-NJ"].minimum_age == 25


def test_a_pack_that_is_deleted_or_broken_holds_while_promos_are_for_its_jurisdiction():
    for found in (None, b"{", b'{"minimum_age": 21}'):
        page = Read()
        page.until({"compliance/US-PA.json": found})
        assert page.change.live == page.first.live
        assert page.status("compliance/US-PA.json").state == "kept"
        assert page.problem("compliance/US-PA.json")
    page = Read()
    page.until({NEW_YORK: None, "welcome.json": GOOD["welcome.json"].replace(b', "US-NY"', b"")})
    assert "US-NY" not in page.change.live.vocabulary.packs
    assert page.is_good()


def test_a_new_pack_comes_with_its_campaign():
    words = edited("audiences.json", jurisdictions=["US-NJ", "US-PA", "US-NY", "GB", "US-MI"])
    campaign = told(promo("michigan", "notice", "notices", audience={"jurisdictions": ["US-MI"]}))
    page = Read().until({"audiences.json": words, "michigan.json": campaign})
    assert page.status("michigan.json").state == "refused"
    page.until({"audiences.json": words, "michigan.json": campaign, "compliance/US-MI.json": GOOD[NEW_YORK]})
    assert page.is_good()
    assert "michigan" in page.ids


def test_an_image_that_has_gone_since_is_told_of_and_its_promo_stays():
    page = Read().until({}, {"top.png": PICTURES["top.png"]})
    assert page.change.live == page.first.live
    assert page.status("carousel.json").state == "kept"
    assert page.problem("carousel.json").startswith("carousel.json:36:16: /promos/0/image/src: there is no file")
    assert page.status("top.json").state == "good"
    page.until({}, {**PICTURES, "in/side.png": Picture(0, 0, 9)})
    assert "is no image that browsers show" in page.problem("carousel.json")
    # Which images there are beside a file that is not there as it is live, nobody has looked.
    page.until({"carousel.json": b"{"}, {})
    assert "image" not in page.problem("carousel.json")
    page.until({})
    assert page.is_good()


def test_what_is_removed_bit_by_bit_counts_together_for_a_while():
    page, gone = Read(), dict[str, Found]()
    for name in ("notices.json", "variants.json"):
        gone[name] = None
        page.now += 60
        page.until(gone)
    assert len(page.ids) == 9
    page.now += 60
    page.until({**gone, "welcome.json": None})
    assert "welcome-notice" in page.ids
    assert page.status("welcome.json").state == "held"
    page.now += TOGETHER_S
    page.until({**gone, "welcome.json": None})
    assert "welcome-notice" not in page.ids


def test_what_came_back_counts_no_more():
    page = Read()
    for name in ("boosts.json", "britain.json", "carousel.json", "notices.json"):
        page.until({name: None})
        assert len(page.ids) == 10
        page.until({})
        assert page.is_good()


@pytest.mark.parametrize(
    "members",
    [
        {"rollout": 0},
        {"rollout": 0.0004},
        {"start": "2026-04-01T00:00"},
        {"end": "2026-03-01T00:00"},
        {"audience": audience(devices=["tablet"])},
        {"slot": "carousel"},
        {"end": "2026-03-31T00:00", "rollout": 1},
    ],
)
def test_what_nobody_would_see_any_more_is_a_removal(members: dict[str, Any]):
    page = Read().until({"top.json": changed("top.json", 0, **members)})
    assert page.change.live == page.first.live
    assert page.status("top.json").state == "held"
    assert page.standing.confirm(["top.json"])
    page.until({"top.json": changed("top.json", 0, **members)})
    assert page.status("top.json").state == "good"


@pytest.mark.parametrize(
    "members",
    [
        {"rollout": 0.001},
        {"audience": audience(devices=["phone", "tablet"])},
        {"audience": audience(segments=["vip"])},
        {"audience": audience(visitors="new")},
        {"audience": {"jurisdictions": ["US-PA"]}},
    ],
)
def test_what_some_still_see_is_none(members: dict[str, Any]):
    assert Read().until({"top.json": changed("top.json", 0, **members)}).is_good()


@pytest.mark.parametrize(
    ("before", "after"),
    [({"visitors": "new"}, {"visitors": "returning"}), ({"jurisdictions": ["US-NJ"]}, {"jurisdictions": ["US-PA"]})],
)
def test_from_some_visitors_to_others_is_a_removal(before: dict[str, Any], after: dict[str, Any]):
    page = Read().until({"top.json": changed("top.json", 0, audience=audience(**before))})
    page.until({"top.json": changed("top.json", 0, audience=audience(**after))})
    assert page.status("top.json").state == "held"


def test_an_excuse_outlives_a_reading_that_began_before_the_files_were_written():
    page, written = Read(), {"top.json": None, "boosts.json": None}
    page.standing.excuse(written)
    page.read(GOOD)
    page.until(written)
    assert page.ids.isdisjoint({"top", "boost-1"})
    page.until({})
    page.until(written)
    assert page.status("top.json").state == "held"


def test_an_excuse_of_what_was_written_over_excuses_nothing_later():
    page = Read()
    page.standing.excuse({"top.json": None})
    for _ in range(3):
        page.read(GOOD)
    page.until({"top.json": None})
    assert page.status("top.json").state == "held"


def test_a_name_that_is_no_utf_8_is_told_of_and_stops_nothing(tmp_path):
    for name, data in GOOD.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a\udcff.json").write_bytes(told(promo("odd", "notice", "notices")))
    page = Read()
    for _ in range(2):
        page.step(sweep(tmp_path))
    assert page.problem("a\ufffd.json") == "a\ufffd.json:1:1: has a name that is no UTF-8; rename it"
    json.dumps(list(page.change.files), ensure_ascii=False).encode()


def test_a_number_with_a_point_is_a_whole_number():
    page = Read().until({"slots.json": GOOD["slots.json"].replace(b'"capacity": 1', b'"capacity": 1.0')})
    assert type(page.change.live.vocabulary.slots["hero"].capacity) is int
    page.until({"notices.json": GOOD["notices.json"].replace(b'"priority": 900', b'"priority": 9e2')})
    assert {type(each.priority) for each in page.change.live.promos} == {int}


def test_an_id_that_stands_twice_in_one_file_is_refused():
    one = promo("line", "notice", "notices")
    page = Read().until({"notices.json": told(one, promo("vip", "notice", "notices"), one)})
    assert page.change.live == page.first.live
    assert '/promos/2/id: "line" is the id of the promo in notices.json:' in page.problem("notices.json")


@pytest.mark.parametrize(
    "slots", [{"": {"capacity": "x", "kinds": ["x"]}}, {"0": {"capacity": 1, "kinds": ["x"]}}, {"a/b": {"~": 1}}]
)
def test_names_that_the_schema_library_tells_otherwise_are_refused_with_a_place(slots: dict[str, Any]):
    page = Read().until({"slots.json": edited("slots.json", slots={**slots})})
    assert page.status("slots.json").state == "kept"
    assert page.change.live == page.first.live


VERSIONS: dict[str, list[Found]] = {
    "notices.json": [GOOD["notices.json"], changed("notices.json", 0, priority=1), told(), None, b"{"],
    "top.json": [GOOD["top.json"], changed("top.json", 0, priority=1), None],
    "compliance/US-NJ.json": [GOOD["compliance/US-NJ.json"], edited("compliance/US-NJ.json", about="x"), None],
    "slots.json": [GOOD["slots.json"], GOOD["slots.json"] + b"\n", b""],
    "new.json": [told(offer("new-1", "banner", "carousel", "https://a.example/x.png")), None],
    KILL: [b"{}", b'{"promos": {"vip": "x"}}'],
}


class Approvals(set[tuple[str, str]]):
    def __call__(self, name: str, content: str) -> bool:
        return (name, content) in self


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([(name, each) for name, all_ in VERSIONS.items() for each in all_]),
            st.sampled_from(["", "", "approve", "confirm", "both"]),
            st.integers(1, 3),
        ),
        max_size=20,
    )
)
def test_nothing_is_live_that_was_not_approved_and_nothing_ends_so(
    edits: list[tuple[tuple[str, Found], str, int]],
):
    approved = Approvals((name, digest(data)) for name, data in GOOD.items())
    standing, files, now = Standing(approved=approved), dict[str, Found](GOOD), NOW
    live: dict[str, bytes] = {}
    for (name, content), say, times in [(("top.json", GOOD["top.json"]), "", 2), *edits]:
        files[name] = content
        for _ in range(times):
            now += 0.25
            seen = Seen({n: c for n, c in files.items() if c is not None}, frozenset(PICTURES.items()))
            if (change := standing.step(seen, now)) is None:
                continue
            for each in live.keys() | change.files.keys() - {KILL}:
                if each != KILL and live.get(each) != (after := change.files.get(each)):
                    assert (each, digest(after, live.get(each))) in approved
            live = dict(change.files)
            held = {status.file for status in change.statuses if status.state == "held"}
            assert standing.waiting().keys() <= held
            killed = files[KILL] == VERSIONS[KILL][1]
            # No kill waits.
            assert not killed or "vip" in change.live.withheld
        if say in ("approve", "both"):
            approved |= standing.waiting().items()
        if say in ("confirm", "both"):
            standing.confirm(GOOD)


def test_what_was_approved_once_needs_no_approval_to_come_back_and_a_removal_needs_its_own():
    approved = Approvals((name, digest(data)) for name, data in GOOD.items())
    page = Read()
    page.standing = Standing(approved=approved)
    page.until({})
    other = changed("notices.json", 0, priority=1)
    page.until({"notices.json": other})
    assert page.standing.waiting() == {"notices.json": digest(other)}
    approved.add(("notices.json", digest(other)))
    page.until({"notices.json": other})
    page.standing.excuse({"notices.json": GOOD["notices.json"]})
    page.until({})
    assert page.is_good()
    page.until({"notices.json": None})
    assert page.standing.waiting() == {"notices.json": f"removal of {digest(GOOD['notices.json'])}"}
    approved.add(("notices.json", page.standing.waiting()["notices.json"]))
    page.until({"notices.json": None})
    assert "line" not in page.ids
    page.standing = Standing(approved=approved)
    page.until({"notices.json": other})
    page.until({"notices.json": None})
    # That of other content was approved.
    assert "line" in page.ids
