"""What the page Kill says of what is live, of the history, and of who has it."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.console.killing import is_killed, kill_page, killed_by, known, spread, taken, target_of
from sidecar.promos.kill import NOT_UNDERSTOOD, Kills
from sidecar.promos.record import Record
from sidecar.promos.standing import Live
from tests.sidecar.console.scenes import NOW, PROMO, live

OTHER = replace(PROMO, id="other", slot="boosts", start=NOW + 60, end=NOW + 120)
OVER = replace(PROMO, id="over", end=NOW - 60)


def killed(**kills: Any) -> Live:
    told, shown = Kills(**kills), live(PROMO, OTHER, OVER)
    return replace(shown, kills=told, withheld=told.withheld(shown.promos))


def record(number: int, why: str, who: str = "ops-1") -> Record:
    detail = {"kill.json": "x"}
    return Record(number, "2026-11-30T17:00:00.000Z", "published", who, why, "", "", detail, "0" * 64)


def test_what_may_be_killed_is_what_runs_or_will():
    page = kill_page(live(PROMO, OTHER, OVER), (), (), "", "en", NOW)
    assert [(each.promo.id, each.state) for each in page.choices] == [("spring", "running"), ("other", "planned")]
    assert [(each.name, each.running) for each in page.places] == [
        ("hero", ("Spring",)), ("boosts", ()), ("notices", ())
    ]  # fmt: skip
    assert (page.running, page.killed, page.understood) == (1, (), True)
    assert [each.promo.id for each in kill_page(live(PROMO, OTHER), (), (), "BOOSTS oth", "en", NOW).choices] == [
        "other"
    ]


def test_what_is_killed_is_told_with_who_and_when():
    records = [record(1, "killed promo spring: old"), record(2, "killed promo spring: wrong price", "ops-2")]
    page = kill_page(killed(slots={"hero": "law"}, promos={"spring": "wrong price"}), (), records, "", "en", NOW)
    assert [(each.title, each.reason, each.record and each.record.who) for each in page.killed] == [
        ("All of Hero", "law", None),
        ("Spring", "wrong price", "ops-2"),
    ]
    assert page.running == 0
    [spring] = [each for each in page.choices if each.promo.id == "spring"]
    assert (spring.killed, spring.withheld) == (True, "hero is killed: law")


def test_what_is_not_understood_is_no_kill_of_somebody():
    page = kill_page(killed(everything=NOT_UNDERSTOOD), (), (), "", "en", NOW)
    assert (page.understood, page.killed, page.running) == (False, (), 0)


def test_the_words_of_the_history_name_one_kill_alone():
    assert killed_by([record(1, "killed slot hero: a")], ("promo", "hero")) is None
    assert killed_by([record(1, "killed slot hero2: a")], ("slot", "hero")) is None
    assert killed_by([record(1, "killed everything: a")], ("everything", "")) is not None
    assert killed_by([record(1, "killed slot hero")], ("slot", "hero")) is not None


def test_targets_are_what_the_address_names_and_what_there_is():
    assert target_of({"promo": ("spring",)}) == ("promo", "spring")
    assert target_of({"slot": ("hero",), "promo": ("spring",)}) == ("slot", "hero")
    assert target_of({"everything": ("yes",)}) == ("everything", "")
    assert target_of({}) is None
    shown = killed(promos={"spring": "x"})
    assert known(("promo", "spring"), shown)
    assert not known(("promo", "sprung"), shown)
    assert known(("slot", "boosts"), replace(shown, vocabulary=replace(shown.vocabulary, slots={})))
    assert known(("everything", ""), Live("", shown.vocabulary, ()))
    assert (is_killed(("promo", "spring"), shown), is_killed(("slot", "hero"), shown)) == (True, False)
    assert [promo.id for promo in taken(("slot", "hero"), shown)] == ["spring", "over"]


@pytest.mark.parametrize(
    ("streams", "told_at", "fetched_at", "state", "said"),
    [
        (3, None, None, "going", "Told 1 of 3 connected clients"),
        (3, 100.25, None, "told", "Reached all 3 connected clients in 0.25 s"),
        (1, 100.25, 100.5, "reached", "Reached all 1 connected client in 0.25 s"),
        (0, 100.0, 100.0, "reached", "No client is connected now"),
    ],
)
def test_how_far_a_change_is(streams: int, told_at: float | None, fetched_at: float | None, state: str, said: str):
    told = {
        "event": "r1-0",
        "noticed_at": 100.0,
        "streams": streams,
        "told": 1,
        "fetched": 0,
        "all_told_at": told_at,
        "all_fetched_at": fetched_at,
        "instances": {"": {"streams": streams, "told": 1, "fetched": 0}},
    }
    found = spread(told)
    assert (found.state, found.sentence, found.rows[0].instance) == (state, said, "no name")
    assert spread({**told, "event": ""}).state == "none"
