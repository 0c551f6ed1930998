"""The soak of random faults, a short one: `scripts/faults` runs it for longer."""

import json

import pytest

from scripts.soak.__main__ import run, sound
from scripts.soak.truth import differences

SEED = 8
ONE, TWO = {"id": "1", "odds": 1.5}, {"id": "2", "odds": 2.5}


def test_promises_are_kept_under_random_faults():
    verdicts = run(SEED, 0.3, clients=12, tell=False)
    assert [(one.promise, one.wrong) for one in verdicts if one.wrong] == []
    assert all(one.counted for one in verdicts)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([ONE, TWO], []),
        ([ONE], ["2 is missing"]),
        ([], ["1 is missing", "2 is missing"]),
        ([ONE, TWO, {"id": "3"}], ["3 is not the provider's"]),
        ([ONE, {**TWO, "odds": 2.6}], ["2 differs"]),
        ([TWO, ONE], ["the events stand in another order, or twice"]),
        ([ONE, TWO, TWO], ["the events stand in another order, or twice"]),
        ("status 502", ["status 502"]),
    ],
)
def test_an_answer_is_compared_with_the_truth_both_ways(told, said):
    assert sorted(differences(told, [ONE, TWO])) == said


def test_nothing_is_no_truth():
    assert differences([], []) == ["the provider has nothing to compare with"]


UK, EU, US = "skybet", "betsson", "draftkings"


@pytest.mark.parametrize(
    ("sport", "books", "whole"),
    [
        ("soccer_epl", [UK, EU], True),
        ("soccer_epl", [UK], False),
        ("soccer_epl", [US], False),
        ("soccer_epl", [UK, EU, US], False),
        ("soccer_epl", [], False),
        ("basketball_nba", [UK, EU], False),
    ],
)
def test_a_board_is_of_the_sport_and_of_the_regions_that_were_asked_for(sport, books, whole):
    board = [{"id": "1", "sport_key": sport, "bookmakers": [{"key": book} for book in books]}]
    assert sound("/v4/sports/soccer_epl/odds?regions=uk,eu", 1, json.dumps(board).encode()) is whole


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"[1]", b'[{"id": 1}]', b"null"])
def test_what_is_no_board_is_not_sound(body):
    assert not sound("/v4/sports/soccer_epl/odds?regions=us", 1, body)
