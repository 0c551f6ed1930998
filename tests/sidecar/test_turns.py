"""The lines before spacings that requests share: whose turn is when."""

import math
from dataclasses import dataclass, field

import pytest

from holdover.spacing import Spacing, Turn
from sidecar.refresh.schedule import Due
from sidecar.refresh.turns import YIELD_S, Turns
from tests.sidecar.scene import odds

INTERVAL_S = 120.0
IDLE_S = 900.0


@dataclass
class Play:
    """One spacing on a clock of its own. What is wanted is refreshed when its turn comes, and wanted again as soon as
    it is an interval old."""

    now: float = 1_000_000.0
    turns: Turns = field(default_factory=Turns)
    called: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spacing = Spacing(lambda: self.now, self.turns.ahead)

    def turn(self, key: str, *, in_line: bool = False) -> Turn:
        return Turn(self.spacing, "sport", key, INTERVAL_S, in_line)

    def want(self, key: str, request: str = "") -> bool:
        """A refresh of `request`, which needs the answer to `key`, is due. True when it has the turn."""
        due = Due(odds(request or key), self.now)
        if self.turns.admit(self.turn(key), due, IDLE_S, self.now):
            self.call(self.turn(key))
            return True
        return False

    def call(self, turn: Turn) -> None:
        turn.taken()
        self.called.append(turn.key)
        self.answered(turn.key)
        self.turns.ended(turn, self.now)

    def answered(self, key: str) -> list[Due]:
        return self.turns.answered(self.turn(key), "vendor", IDLE_S, self.now)

    def pass_on(self) -> None:
        """The next turn comes, and whoever has it is called."""
        self.now = max(self.now, self.turns.next_at("vendor", self.now))
        turn, _ = self.next()
        self.call(turn)

    def next(self) -> tuple[Turn, Due]:
        found = self.turns.next("vendor", self.now)
        assert found is not None
        return found


def test_two_that_share_a_spacing_alternate():
    play = Play()
    assert play.want("board")
    for _ in range(6):
        # A moment before its call may be made again, as the schedule has it.
        play.now += INTERVAL_S - 0.001
        other = "live" if play.called[-1] == "board" else "board"
        for key in (play.called[-1], other):
            assert not play.want(key, "" if key == other else f"{key}-again")
        play.answered(play.called[-1])
        play.pass_on()
    assert play.called == ["board", "live"] * 3 + ["board"]


def test_who_waits_longest_is_next():
    play = Play()
    play.want("board")
    for key in ("a", "b", "c"):
        play.now += 1
        assert not play.want(key)
    for _ in range(3):
        play.pass_on()
    assert play.called == ["board", "a", "b", "c"]


def test_ever_new_requests_leave_every_second_turn_to_what_has_been_wanted_longest():
    play = Play()
    play.want("board")
    for number in range(2_000):
        play.now += INTERVAL_S / 200
        play.want(f"new{number}")
        if number % 200 == 199:
            play.now = max(play.now, play.turns.next_at("vendor", play.now))
            if play.called[-1] == "board" or not play.want("board"):
                play.pass_on()
    assert play.called[::2] == ["board"] * 6
    assert play.called[1::2] == [f"new{number}" for number in range(5)]


def test_what_more_wait_for_is_the_favourite():
    play = Play()
    play.want("first")
    play.now += 1
    play.want("live")
    play.now += 1
    for number in range(3):
        play.want("board", f"of-board{number}")
    play.pass_on()
    assert play.called == ["first", "live"]
    for number in range(5):
        play.want(f"new{number}")
    play.now += INTERVAL_S
    turn, due = play.next()
    assert (turn.key, due.request) == ("board", odds("of-board0"))


def test_an_answer_is_that_of_all_who_wait_for_it():
    play = Play()
    play.want("live")
    for number in range(3):
        play.want("board", f"of-board{number}")
    there = play.answered("board")
    assert [due.request for due in there] == [odds(f"of-board{number}") for number in range(3)]
    assert play.turns.next_at("vendor", play.now) == math.inf


def test_nobody_is_called_while_another_has_the_turn():
    play = Play()
    assert play.turns.admit(play.turn("board"), Due(odds("board"), play.now), IDLE_S, play.now)
    assert not play.turns.admit(play.turn("live"), Due(odds("live"), play.now), IDLE_S, play.now)
    assert play.turns.next("vendor", play.now) is None
    assert play.turns.next_at("vendor", play.now) == math.inf
    play.turns.ended(play.turn("board"), play.now)
    assert play.next()[1] == Due(odds("live"), play.now), "the call was never made"


def test_who_wanted_its_turn_and_still_does_is_last():
    play = Play()
    assert play.turns.admit(play.turn("board"), Due(odds("board"), play.now), IDLE_S, play.now)
    play.want("board", "another")
    play.now += 1
    play.want("live")
    live = Due(odds("live"), play.now)
    play.now += 1
    play.turns.ended(play.turn("board"), play.now)
    assert play.next()[1] == live


def test_a_hold_ends_and_keeps_places():
    play = Play()
    play.want("board")
    play.want("live")
    play.now += INTERVAL_S
    turn, due = play.next()
    play.turns.hold(turn, due, play.now, play.now + 5)
    play.want("new")
    assert play.turns.next("vendor", play.now) is None
    assert play.turns.next_at("vendor", play.now) == play.now + 5
    play.now += 5
    assert play.next()[1] == due


def test_a_hold_of_the_time_before_the_clock_stepped_back_is_none():
    play = Play()
    play.want("board")
    play.want("live")
    play.now += INTERVAL_S
    turn, due = play.next()
    play.turns.hold(turn, due, play.now, play.now + 3600)
    play.now -= 600
    assert play.turns.next_at("vendor", play.now) <= play.now + INTERVAL_S


def test_what_nobody_may_want_any_more_leaves_the_line():
    play = Play()
    play.want("board")
    play.want("once")
    play.now += IDLE_S - 1
    play.want("lately")
    assert play.turns.idle(play.now) == []
    play.now += 2
    assert [due.request for due in play.turns.idle(play.now)] == [odds("once")]
    play.now += IDLE_S
    assert [due.request for due in play.turns.idle(play.now)] == [odds("lately")]
    assert play.turns.ahead("sport", "any") == 0
    assert not play.turns._lines


@pytest.mark.parametrize(("key", "turns"), [("live", 0), ("a", 2), ("new", 3), ("board", 1)])
def test_a_client_is_told_when_its_turn_may_come(key, turns):
    """Of what is known now: the board's is every second one."""
    play = Play()
    play.want("board")
    for waiting in ("live", "a"):
        play.now += 1
        play.want(waiting)
    play.turns.admit(play.turn("board"), Due(odds("board"), play.now), IDLE_S, play.now)
    assert play.turn(key, in_line=True).left() == INTERVAL_S - 2 + turns * INTERVAL_S
    assert play.turn(key).left() == INTERVAL_S - 2


def test_a_client_whose_turn_it_is_need_not_wait():
    play = Play()
    play.want("board")
    play.want("live")
    play.now += INTERVAL_S
    assert play.turn("live", in_line=True).left() == 0
    assert play.turn("new", in_line=True).left() == INTERVAL_S


def test_a_call_that_is_about_to_be_made_comes_first():
    play = Play()
    play.turns.admit(play.turn("board"), Due(odds("board"), play.now), IDLE_S, play.now)
    assert play.turn("live", in_line=True).left() == INTERVAL_S
    assert play.turn("board", in_line=True).left() == 0
    play.turn("board").taken()
    assert play.turn("live", in_line=True).left() == INTERVAL_S, "not counted twice"


def test_a_turn_that_has_just_become_free_is_left_to_what_is_refreshed():
    """The schedule may be about to ask for it."""
    play = Play()
    play.want("board")
    play.now += INTERVAL_S
    assert play.turn("new", in_line=True).left() == INTERVAL_S
    assert play.turn("board", in_line=True).left() == 0
    play.now += YIELD_S
    assert play.turn("new", in_line=True).left() == 0


def test_what_cannot_be_called_for_long_and_nobody_wants_any_more_leaves_the_line():
    play = Play()
    play.spacing.made("sport", play.now)
    assert not play.want("board")
    play.now += INTERVAL_S
    left = list[Due]()
    while not left and play.now < 1_000_000.0 + 2 * IDLE_S:
        turn, due = play.next()
        assert play.turns.hold(turn, due, play.now, play.now)
        left = play.turns.idle(play.now)
        play.now += 5.0
    assert [due.request for due in left] == [odds("board")]
    assert play.now <= 1_000_000.0 + IDLE_S + 10


def test_a_turn_whose_line_a_change_of_the_configuration_ended_is_not_kept():
    play = Play()
    play.spacing.made("sport", play.now)
    play.want("board")
    play.now += INTERVAL_S
    turn, due = play.next()
    assert play.turns.clear() == []
    assert not play.turns.hold(turn, due, play.now, play.now)


def test_what_was_answered_long_ago_is_forgotten_though_nobody_had_a_turn():
    """Clients that ask for ever new keys keep the line itself alive."""
    play = Play()
    for number in range(1_000):
        play.now += INTERVAL_S
        play.answered(f"key-{number}")
        play.turns.idle(play.now)
    [line] = play.turns._lines.values()
    assert len(line.known) <= IDLE_S / INTERVAL_S + 1
