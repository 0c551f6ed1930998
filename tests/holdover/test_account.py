from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.account import (
    DEAD_CHECK_S,
    LISTEN_S,
    MAX_FREEZE_S,
    MOST_KEPT_BYTES,
    RETRY_FROZEN_S,
    Account,
    seconds_to_reset,
)
from holdover.exchange import Response
from holdover.provider_settings import LimitSettings, QuotaSettings
from holdover.store.balance import Balance

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
NEXT_MONTH = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
FIELDS = {"remaining": "x-left", "used": "x-used", "last": "x-last", "resets": "monthly", "probe": "/v4/sports"}
REFUSAL = Response(401, (("X", "1"),), b"spent")
UNTIL_RESET = "the quota is used up"


def account(**quota) -> Account:
    return Account(QuotaSettings.model_validate({**FIELDS, **quota}), LimitSettings())


def told(one: Account, now: float = NOW, **fields) -> None:
    one.told(tuple((f"X-{name}", str(value)) for name, value in fields.items()), now)


def test_what_is_told_is_known():
    one = account()
    assert (one.remaining(NOW), one.balance.used, one.changed) == (None, None, False)
    told(one, left=94, used="6.5")
    assert (one.remaining(NOW), one.balance.used, one.balance.told_at, one.changed) == (94.0, 6.5, NOW, True)
    assert one.suspended(NOW, 10.0) is None


@pytest.mark.parametrize("fields", [{}, {"left": ""}, {"left": "many"}, {"left": "1,000"}, {"other": "5"}])
def test_a_missing_or_malformed_field_tells_nothing(fields):
    one = account()
    told(one, left=94, used=6)
    before = one.balance
    one.changed = False
    told(one, NOW + 1, **fields)
    assert one.balance == before
    assert not one.changed


def test_a_figure_that_is_not_told_anew_stays_as_last_told():
    one = account()
    told(one, left=94, used=6)
    told(one, left=93, used="many")
    assert (one.remaining(NOW), one.balance.used) == (93.0, 6.0)
    told(one, used=8)
    assert (one.remaining(NOW), one.balance.used) == (93.0, 8.0)


@pytest.mark.parametrize("told_alone", ["left", "used"])
def test_one_figure_alone_is_told_alone(told_alone):
    one = account()
    told(one, **{told_alone: 7})
    assert (one.remaining(NOW), one.balance.used) == ((7.0, None) if told_alone == "left" else (None, 7.0))


def test_nothing_is_read_where_no_field_is_configured():
    one = account(remaining=None, used=None)
    told(one, left=0, used=7)
    assert (one.remaining(NOW), one.balance.used, one.suspended(NOW, 1.0)) == (None, None, None)


@pytest.mark.parametrize("left", ["0", "-1", "-12.5", "0.0"])
def test_nothing_left_suspends_what_costs_until_the_reset(left):
    one = account()
    told(one, left=left, used=500)
    assert one.remaining(NOW) == float(left)
    assert one.balance.frozen_until == NEXT_MONTH
    assert one.suspended(NEXT_MONTH - 1, 1.0) == UNTIL_RESET
    assert one.suspended(NEXT_MONTH - 1, 0.0) is None, "a call that costs nothing may ask how things stand"
    assert one.suspended(NEXT_MONTH, 1.0) is None


@pytest.mark.parametrize(
    ("resets", "until"), [("daily", MIDNIGHT), ("monthly", NEXT_MONTH), ("never", NOW + MAX_FREEZE_S)]
)
def test_how_long_it_is_suspended(resets, until):
    one = account(resets=resets)
    told(one, left=0)
    assert one.balance.frozen_until == until
    told(one, NOW + 5, left=-3)
    assert one.balance.frozen_until == until, "the first refusal counts"


@pytest.mark.parametrize(
    ("fields", "resumed"),
    [
        ({"left": 500, "used": 0}, True),
        ({"left": 500, "used": 3}, True),
        ({"used": 0}, True),
        ({"left": 5}, True),
        ({"left": 0, "used": 500}, False),
        ({"left": -7, "used": 507}, False),
        ({"used": 500}, False),
        ({"used": 501}, False),
        ({}, False),
        # The count began anew, and what it allows is spent again.
        ({"left": 0, "used": 9}, False),
    ],
)
def test_no_field_tells_of_a_reset_but_figures_that_jump_do(fields, resumed):
    one = account()
    told(one, left=0, used=500)
    told(one, NOW + 100, **fields)
    assert (one.suspended(NOW + 100, 1.0) is None) is resumed


def test_without_a_probe_a_call_now_and_then_looks_whether_it_is_over():
    """Clocks differ, and a provider's day may begin at another hour."""
    one = account(probe=None)
    one.refused("quota", REFUSAL, NOW)
    assert one.suspended(NOW + RETRY_FROZEN_S - 1, 1.0) == UNTIL_RESET
    assert one.suspended(NOW + RETRY_FROZEN_S, 1.0) is None
    one.refused("quota", REFUSAL, NOW + RETRY_FROZEN_S)
    assert one.suspended(NOW + 2 * RETRY_FROZEN_S - 1, 1.0) == UNTIL_RESET
    assert one.balance.frozen_until == NEXT_MONTH


def test_own_count_is_not_tried():
    one = account(remaining=None, used=None, probe=None, limit=10.0)
    one.spent(10.0, NOW)
    assert one.suspended(NOW + RETRY_FROZEN_S, 1.0) == UNTIL_RESET
    assert not one.may_hear(NOW)


def test_one_call_a_minute_may_hear_how_the_provider_refuses():
    one = account()
    assert one.may_hear(NOW)
    one.heard_at = NOW
    assert not one.may_hear(NOW + LISTEN_S - 1)
    assert one.may_hear(NOW + LISTEN_S)
    assert not account(limit=10).may_hear(NOW)


@pytest.mark.parametrize("probe", [None, "/v4/sports"])
def test_a_provider_that_answers_beyond_the_quota_is_not_listened_to_again_before_the_reset(probe):
    one = account(probe=probe)
    told(one, left=0, used=500)
    assert one.may_hear(NOW)
    one.accepted(NOW + 1, asked_at=NOW - 1, paid=True)
    assert one.may_hear(NOW), "that was asked before"
    one.accepted(NOW + 1, asked_at=NOW + 1, paid=True)
    for later in (LISTEN_S, RETRY_FROZEN_S, 86_400.0):
        assert not one.may_hear(NOW + later)
        assert one.suspended(NOW + later, 1.0) == UNTIL_RESET
    one.told((("x-left", "500"), ("x-used", "0")), NOW + 90_000, NOW + 90_000)
    assert one.suspended(NOW + 90_000, 1.0) is None
    told(one, NOW + 90_001, left=0, used=500)
    assert one.may_hear(NOW + 90_001)


def test_an_answer_to_what_was_asked_before_does_not_end_it():
    one = account()
    told(one, left=5, used=495)
    one.refused("quota", REFUSAL, NOW + 2)
    one.told((("x-left", "6"), ("x-used", "494")), NOW + 3, NOW + 1)
    assert one.suspended(NOW + 3, 1.0) == UNTIL_RESET
    one.told((("x-left", "500"), ("x-used", "0")), NOW + 4, NOW + 3)
    assert one.suspended(NOW + 4, 1.0) is None


@pytest.mark.parametrize(("paid", "resumed"), [(True, True), (False, False)])
def test_a_paid_answer_shows_that_there_is_quota_again(paid, resumed):
    one = account()
    one.refused("quota", REFUSAL, NOW)
    one.accepted(NOW + 1, paid=paid)
    assert (one.suspended(NOW + 1, 1.0) is None) is resumed


@pytest.mark.parametrize(
    "left",
    [
        0,
        -1,
    ],
)
def test_the_answer_that_took_the_last_credit_does_not(left):
    one = account()
    told(one, left=left, used=500)
    one.accepted(NOW + 1, paid=True)
    assert one.suspended(NOW + 1, 1.0) == UNTIL_RESET


def test_a_paid_answer_to_what_was_asked_before_the_freeze_and_came_after_it_does_not():
    one = account()
    told(one, left=-3, used=503)
    frozen_at = one.frozen_at
    one.told((("x-left", "3"), ("x-used", "497")), frozen_at + 2, frozen_at - 1)
    one.accepted(frozen_at + 2, frozen_at - 1, paid=True)
    assert one.suspended(frozen_at + 2, 1.0) == UNTIL_RESET
    assert one.balance.remaining == -3


def test_negative_figures_that_become_less_negative_are_no_reset():
    one = account()
    told(one, left=-20, used=520)
    told(one, NOW + 1, left=-5)
    assert one.suspended(NOW + 1, 1.0) == UNTIL_RESET


def test_a_month_that_has_begun_ends_it_even_when_nobody_tells():
    one = account()
    told(one, left=0, used=500)
    assert one.suspended(NEXT_MONTH + 1, 1.0) is None
    told(one, NEXT_MONTH + 1, left=0, used=500)
    assert one.suspended(NEXT_MONTH + 1, 1.0) == UNTIL_RESET, "but it is tried, and suspended anew"


def test_a_quota_refusal_suspends_and_is_kept_to_be_passed_on():
    one = account()
    one.refused("quota", REFUSAL, NOW)
    assert one.last_refusal is REFUSAL
    assert one.suspended(NOW + 1, 1.0) == UNTIL_RESET
    assert one.suspended(NOW + 1, 0.0) is None


@pytest.mark.parametrize("means", ["rate", "absent", "error", None])
def test_other_errors_say_nothing_about_the_account(means):
    one = account()
    one.refused(means, REFUSAL, NOW)
    assert (one.last_refusal, one.balance.dead, one.suspended(NOW, 1.0), one.changed) == (None, False, None, False)


def test_a_dead_credential_is_tried_once_a_minute_whatever_it_costs():
    one = account()
    one.refused("credential", REFUSAL, NOW)
    assert one.balance.dead
    assert one.changed
    for cost in (0.0, 6.0):
        assert one.suspended(NOW + DEAD_CHECK_S - 1, cost) == "the credential is not accepted"
        assert one.suspended(NOW + DEAD_CHECK_S, cost) is None
    one.refused("credential", REFUSAL, NOW + DEAD_CHECK_S)
    assert one.suspended(NOW + DEAD_CHECK_S + 1, 0.0) == "the credential is not accepted"


def test_one_bad_credential_of_several_lent_ones_does_not_stop_the_others():
    one = Account(QuotaSettings.model_validate(FIELDS), LimitSettings(), shared=True)
    one.refused("credential", REFUSAL, NOW)
    assert (one.balance.dead, one.last_refusal, one.suspended(NOW, 1.0)) == (False, None, None)
    one.refused("quota", REFUSAL, NOW)
    assert one.suspended(NOW, 1.0) == UNTIL_RESET


@pytest.mark.parametrize("means", ["quota", "credential"])
def test_a_refusal_that_is_too_long_is_not_kept(means):
    """There may be as many accounts as tenants."""
    one = account()
    one.refused(means, replace(REFUSAL, body=b"x" * MOST_KEPT_BYTES), NOW)
    assert one.last_refusal is not None
    one.refused(means, replace(REFUSAL, body=b"x" * (MOST_KEPT_BYTES + 1)), NOW)
    assert one.last_refusal is None
    assert one.suspended(NOW, 1.0) is not None


def test_a_refusal_that_an_answer_has_overtaken_is_not_passed_on():
    one = account()
    one.refused("credential", REFUSAL, NOW)
    one.accepted(NOW + 1)
    told(one, NOW + 100, left=0)
    assert one.suspended(NOW + 100, 1.0) == UNTIL_RESET
    assert one.last_refusal is None


def test_an_answer_shows_that_the_credential_is_good_again():
    one = account()
    one.refused("credential", REFUSAL, NOW)
    one.changed = False
    one.accepted(NOW + 1)
    assert not one.balance.dead
    assert one.changed
    assert one.suspended(NOW + 1, 1.0) is None
    one.changed = False
    one.accepted(NOW + 1)
    assert not one.changed


def test_own_count_where_the_provider_tells_nothing():
    one = account(remaining=None, used=None, limit=10.0, resets="daily")
    assert one.remaining(NOW) == 10
    one.spent(6.0, NOW)
    assert (one.remaining(NOW), one.balance.period, one.suspended(NOW, 1.0)) == (4.0, "2026-11-23", None)
    one.spent(4.0, NOW + 1)
    assert one.remaining(NOW) == 0
    assert one.suspended(NOW + 1, 1.0) == UNTIL_RESET
    assert one.suspended(MIDNIGHT, 1.0) is None
    assert one.remaining(MIDNIGHT) == 10, "a new period begins at nothing"
    one.spent(2.0, MIDNIGHT)
    assert (one.remaining(MIDNIGHT), one.balance.period) == (8.0, "2026-11-24")


def test_what_is_told_as_used_goes_before_own_count_too():
    one = account(remaining=None, limit=10.0)
    one.spent(1.0, NOW)
    told(one, used=4)
    assert one.remaining(NOW) == 6


def test_what_the_provider_tells_goes_before_own_count():
    one = account(limit=10.0)
    one.spent(50.0, NOW)
    assert one.suspended(NOW, 1.0) is None
    told(one, left=3)
    assert one.remaining(NOW) == 3


@pytest.mark.parametrize(("resets", "period"), [("daily", "2026-11-23"), ("monthly", "2026-11"), ("never", "ever")])
def test_what_was_spent_is_counted_by_period(resets, period):
    one = account(resets=resets)
    one.spent(1.5, NOW)
    one.spent(2.0, NOW)
    assert (one.balance.period_spent, one.balance.period) == (3.5, period)


def test_a_restart_knows_what_was_known():
    one = account()
    told(one, left=-1, used=501)
    one.spent(6.0, NOW)
    again = account()
    again.balance = one.balance
    assert (again.remaining(NOW), again.suspended(NOW + 60, 1.0)) == (-1.0, UNTIL_RESET)
    told(again, NOW + 60, left=500, used=1)
    assert again.suspended(NOW + 60, 1.0) is None
    again.spent(1.0, NOW + 60)
    assert again.balance.period_spent == 7.0


def test_a_restart_tries_a_dead_credential_at_once_and_believes_the_answer():
    one = account()
    one.balance = Balance(None, None, NOW, dead=True)
    assert one.suspended(NOW, 1.0) is None
    one.refused("credential", REFUSAL, NOW)
    assert one.suspended(NOW + 1, 1.0) == "the credential is not accepted"


@pytest.mark.parametrize(
    ("now", "daily", "monthly"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 1, 1),
        (datetime(2027, 1, 1, tzinfo=UTC), 86_400, 31 * 86_400),
        (datetime(2028, 2, 28, 12, tzinfo=UTC), 43_200, 43_200 + 86_400),
    ],
)
def test_when_quotas_are_filled_again(now, daily, monthly):
    at = now.timestamp()
    assert seconds_to_reset("daily", at) == daily
    assert seconds_to_reset("monthly", at) == monthly
    assert seconds_to_reset("never", at) is None


@given(st.floats(0, 4e9), st.sampled_from(["daily", "monthly"]))
def test_a_reset_is_ahead_and_is_the_beginning_of_a_day(now, resets):
    left = seconds_to_reset(resets, now)
    assert left is not None
    assert 0 < left <= (86_400 if resets == "daily" else 31 * 86_400)
    reset = datetime.fromtimestamp(round(now + left, 3), UTC)
    assert (reset.hour, reset.minute, reset.second) == (0, 0, 0)
    assert resets == "daily" or reset.day == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["left", "used", "spent", "quota", "credential", "accepted"]), st.floats(-9, 9)),
    max_size=8,
)


@given(STEPS)
def test_what_changed_is_written(steps):
    """`changed` is set by whatever makes the balance another one, or it would be lost at a restart."""
    one = account()
    for kind, number in steps:
        before, one.changed = one.balance, False
        match kind:
            case "left" | "used":
                told(one, **{kind: number})
            case "spent":
                one.spent(number, NOW)
            case "accepted":
                one.accepted(NOW + 1)
            case _:
                one.refused(kind, REFUSAL, NOW)
        assert one.changed == (one.balance != before)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "infinity"])
def test_a_figure_that_is_no_number_tells_nothing(text):
    one = account()
    told(one, left=text)
    assert one.remaining(NOW) is None
    assert one.suspended(NOW, 1.0) is None


def test_what_another_process_heard_later_is_taken_over_and_what_it_heard_before_is_not():
    one = account()
    one.told((("x-requests-remaining", "7"),), NOW)
    one.freeze(NOW + 5)
    one.standing(Balance(3, None, NOW + 1, dead=True, decided_at=NOW + 4), NOW + 9)
    assert (one.balance.remaining, one.balance.dead, one.frozen(NOW + 6)) == (3, False, True)
    one.standing(Balance(9, None, NOW, decided_at=NOW + 8), NOW + 9)
    assert (one.balance.remaining, one.frozen(NOW + 9)) == (3, False)


def test_what_was_told_before_a_reset_says_nothing_of_what_there_is_after_it():
    one = account(resets="monthly", limit=500)
    december = NOW + 10 * 86_400
    told(one, left=5, used=495)
    assert (one.remaining(NOW), one.leaves(10, "k", 6, NOW)) == (5, False)
    assert one.told_before_reset(december)
    assert (one.remaining(december), one.leaves(10, "k", 6, december)) == (500, True)
    told(one, december, used=496)
    assert one.balance.remaining is None, "what was left in November is not what is left in December"
    assert one.remaining(december) == 4


def test_what_is_promised_is_not_there_for_others():
    one = account(resets="monthly")
    told(one, left=20)
    assert one.leaves(10, "a", 6, NOW)
    one.promised["a"] = 6
    assert one.leaves(10, "a", 6, NOW), "it is asked for once"
    assert not one.leaves(10, "b", 6, NOW)
    assert one.leaves(10, "free", 0, NOW)
