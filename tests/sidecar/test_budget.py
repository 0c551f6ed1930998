"""`holdover budget`: what it says of a ledger, to programs and to people."""

import json
from contextlib import closing
from itertools import pairwise

import pytest

from holdover.config import load
from holdover.store.balance import Balance
from holdover.store.ledger import Ledger, Usage
from sidecar.budget import as_json, report
from sidecar.budget_text import as_text, number, span

NOW = 1_795_435_200.0  # 2026-11-23T12:00:00Z, a Monday
DAY_S = 86_400.0
MONTHLY = {"remaining": '"r"', "used": '"u"', "resets": '"monthly"'}
ROUTE = '[[routes]]\nname = "odds"\npath = "/odds"\nwindow_s = 10\nmax_stale_s = 60\n'


@pytest.fixture
def config_of(tmp_path):
    """A configuration of providers, each given by its `[quota]`."""

    def build(**providers):
        folder = tmp_path / "config"
        (folder / "providers").mkdir(parents=True)
        (folder / "holdover.toml").write_text("")
        for name, quota in providers.items():
            lines = [f'name = "{name}"', f'hosts = ["{name}.test"]', f'origin = "https://{name}.test"', "[quota]"]
            lines += [f"{key} = {value}" for key, value in quota.items()]
            (folder / "providers" / f"{name}.toml").write_text("\n".join([*lines, ROUTE]))
        return load(folder, {})

    return build


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "store")) as ledger:
        yield ledger


@pytest.fixture
def told(config_of, ledger):
    """The report on one provider with this `[quota]`, as JSON gives it, and its text."""

    def build(now=NOW, **quota):
        facts = report(config_of(vendor=quota), ledger, now)
        assert json.loads(as_json(facts)) == facts
        text = as_text(facts)
        assert all(line == line.rstrip() for line in text.splitlines())
        return facts["providers"][0], text

    return build


def lines(text):
    """Of a text, by label; runs of blanks are one, and the headings of columns are left out."""
    found = (line.strip().partition("  ") for line in text.splitlines() if not line.startswith(" " * 12))
    return {label: " ".join(rest.split()) for label, _, rest in found}


def test_nothing_is_known_of_a_provider_that_was_never_asked(told):
    facts, text = told(**MONTHLY)
    assert facts["accounts"] == []
    assert facts["forecast"] is facts["governor"] is facts["today"]["saved_percent"] is None
    said = lines(text)
    assert said["credits"] == "unknown: the provider has told nothing yet"
    assert said["forecast"] == "unknown: nothing was recorded, or not for long enough"
    assert said["governor"] == "the sidecar has left no figures"
    assert said["period"] == "monthly, resets in 7 d 12 h"
    assert said["spent"] == "0 0 0 0"


@pytest.mark.parametrize(
    ("balance", "sentence", "state"),
    [
        (Balance(12345.0, 655.5, NOW - 12), "12,345 remaining, 655.5 used; told 12 s ago", "normal"),
        (Balance(400.0, None, NOW - 4000), "400 remaining; told 1 h 6 min ago", "normal"),
        (Balance(-5.0, 505.0, NOW), "-5 remaining, 505 used; told 0 s ago; overdrawn by 5", "normal"),
        (Balance(0.0, None, NOW), "0 remaining; told 0 s ago; used up", "normal"),
        (
            Balance(50.0, None, NOW),
            "50 remaining; told 0 s ago; no more than the reserve, which refreshes leave untouched",
            "normal",
        ),
        (Balance(None, None, 0.0, 7.0, "2026-11"), "remaining unknown", "normal"),
        (Balance(None, 7.0, NOW - 60), "remaining unknown, 7 used; told 1 min ago", "normal"),
        (
            Balance(900.0, None, NOW - 30 * DAY_S),
            "900 remaining; told 30 d ago, before the last reset",
            "normal",
        ),
        (
            Balance(0.0, None, NOW, frozen_until=NOW + 7200),
            "0 remaining; told 0 s ago; used up",
            "frozen: calls that cost are suspended for another 2 h",
        ),
        (
            Balance(900.0, None, NOW, frozen_until=float("inf")),
            "900 remaining; told 0 s ago",
            "frozen: calls that cost are suspended until further notice",
        ),
        (Balance(900.0, None, NOW, frozen_until=NOW - 1), "900 remaining; told 0 s ago", "normal"),
        (
            Balance(900.0, None, NOW, frozen_until=NOW + 9, dead=True),
            "900 remaining; told 0 s ago",
            "dead: the provider says that the credential is not valid",
        ),
        (Balance(900.0, None, NOW + 50), "900 remaining; told 0 s ago", "normal"),
    ],
)
def test_what_is_left_is_said_plainly(told, ledger, balance, sentence, state):
    ledger.tell("vendor", "", balance)
    facts, text = told(**MONTHLY, reserve=50)
    assert lines(text)["credits"] == sentence
    assert lines(text)["state"] == state
    (account,) = facts["accounts"]
    assert account["remaining"] == balance.remaining
    assert account["state"] == state.partition(":")[0]


@pytest.mark.parametrize(
    ("resets", "balance", "remaining", "source"),
    [
        ("daily", Balance(None, None, 0.0, 40.0, "2026-11-23"), 60, "count"),
        ("daily", Balance(None, None, 0.0, 40.0, "2026-11-22"), 100, "count"),
        ("monthly", Balance(None, None, 0.0, 40.0, "2026-11"), 60, "count"),
        ("monthly", Balance(None, None, 0.0, 40.0, "2026-10"), 100, "count"),
        ("never", Balance(None, None, 0.0, 40.0, "ever"), 60, "count"),
        ("never", Balance(None, 30.0, NOW, 40.0, "ever"), 70, "provider"),
        ("never", Balance(-3.0, 30.0, NOW, 40.0, "ever"), -3, "provider"),
    ],
)
def test_a_provider_that_tells_nothing_is_counted_against_its_limit(told, ledger, resets, balance, remaining, source):
    ledger.tell("vendor", "", balance)
    facts, text = told(limit=100, resets=f'"{resets}"')
    assert (facts["accounts"][0]["remaining"], facts["accounts"][0]["remaining_from"]) == (remaining, source)
    assert ("by holdover's own count, as the provider tells nothing" in text) == (source == "count")
    assert "limit 100" in text


def test_what_is_amiss_comes_first_and_the_list_is_short(told, ledger):
    for age in range(12):
        ledger.tell("vendor", f"t{age:02}", Balance(1.0, 1.0, NOW - age))
    ledger.tell("vendor", "late\x1b[2J", Balance(1.0, 1.0, NOW - 99, dead=True))
    facts, text = told(**MONTHLY)
    assert [account["partition"] for account in facts["accounts"]] == ["late\x1b[2J", *(f"t{n:02}" for n in range(9))]
    assert lines(text)["and"] == "3 more credentials"
    assert lines(text)["state of late?[2J"].startswith("dead")
    assert "\x1b" not in text


def test_spent_today_and_in_the_period_by_route_and_client(told, ledger):
    for days, factor in ((40, 1000), (3, 10), (0, 1)):
        rows = [Usage("vendor", "odds", "", 6 * factor, factor), Usage("vendor", "scores", "", factor, factor)]
        rows.append(Usage("vendor", "odds", "desk", 3 * factor, factor, 87 * factor, 29 * factor))
        rows.append(Usage("other", "odds", "desk", 999.0, 9))
        ledger.record(rows, NOW - days * DAY_S)
    facts, text = told(**MONTHLY)
    today, period = facts["today"], facts["period"]
    assert (today["spent"], today["calls"], today["direct"], today["requests"]) == (10, 3, 90, 30)
    assert today["saved"] == 80
    assert today["saved_percent"] == pytest.approx(100 * 80 / 90)
    assert [(r["name"], r["spent"], r["calls"]) for r in today["routes"]] == [("odds", 9, 2), ("scores", 1, 1)]
    assert [(c["name"], c["spent"], c["spared"]) for c in period["clients"]] == [("", 77, 0), ("desk", 33, 957)]
    assert period["spent"] == 110
    said = lines(text)
    assert "today  " in text
    assert "this month" in text
    assert said["spent"] == "10 3 110 33"
    assert said["route odds"] == "9 2 99 22"
    assert said["refreshes"] == "7 2 77 22"
    assert said["client desk"] == "3 1 33 11"
    assert said["clients' own calls"] == "90 30 990 330"
    assert said["saved by the cache"] == "80 88.9 % 880 88.9 %"


def test_a_cache_that_costs_more_than_it_saves_says_so(told, ledger):
    ledger.record(
        [Usage("vendor", "odds", "", 30.0, 3), Usage("vendor", "odds", "desk", saved=20.0, requests=2)], NOW
    )
    facts, text = told(resets='"daily"')
    assert (facts["today"]["saved"], facts["today"]["saved_percent"]) == (-10, -50)
    assert lines(text)["saved by the cache"] == "-10 -50.0 %"


@pytest.mark.parametrize(
    ("resets", "heading", "period"), [("daily", "today", 1), ("monthly", "this month", 3), ("never", "recorded", 7)]
)
def test_the_period_begins_at_the_reset(told, ledger, resets, heading, period):
    for days, credits_ in ((0, 1.0), (22, 2.0), (23, 4.0)):  # the 23rd, the 1st, and the last of the month before
        ledger.spend("vendor", "odds", "", credits_, 1, NOW - days * DAY_S)
    facts, text = told(resets=f'"{resets}"')
    assert facts["today"]["spent"] == 1
    assert facts["period"]["spent"] == period
    assert heading in text
    assert len(lines(text)["spent"].split()) == (2 if resets == "daily" else 4)


def test_the_ten_greatest_clients_of_the_period_stand_by_name_in_both_columns(told, ledger):
    ledger.record([Usage("vendor", "odds", "early", 1000.0, 1)], NOW - 5 * DAY_S)
    ledger.record([Usage("vendor", "odds", "early", 0.5, 1), Usage("vendor", "odds", "_other", 500.0, 1)], NOW)
    ledger.record([Usage("vendor", "odds", f"c{n:02}", float(n), 1) for n in range(1, 13)], NOW)
    facts, text = told(**MONTHLY)
    names = ["early", "_other", *(f"c{n:02}" for n in range(12, 4, -1))]
    assert [client["name"] for client in facts["period"]["clients"]] == names
    assert {client["name"] for client in facts["today"]["clients"]} == set(names)
    assert facts["today"]["further_clients_spent"] == facts["period"]["further_clients_spent"] == 1 + 2 + 3 + 4
    said = lines(text)
    assert said["client early"] == "0.5 1 1,000.5 2"
    assert said["other clients"] == "500 1 500 1"
    assert said["4 more clients"] == "10 10"


def test_the_forecast_is_made_from_yesterday_and_today(told, ledger):
    ledger.spend("vendor", "odds", "", 9999.0, 1, NOW - 2 * DAY_S)
    ledger.spend("vendor", "odds", "", 100.0, 1, NOW - DAY_S)
    ledger.spend("vendor", "odds", "", 50.0, 1, NOW)
    ledger.tell("vendor", "", Balance(1000.0, 0.0, NOW))
    facts, text = told(**MONTHLY)
    forecast = facts["forecast"]
    assert forecast["per_day"] == pytest.approx(100)  # 150 in 36 hours
    assert forecast["spent_until_reset"] == pytest.approx(750)  # 7.5 days
    assert forecast["left_at_reset"] == pytest.approx(250)
    assert forecast["lasts_s"] == pytest.approx(10 * DAY_S)
    assert lines(text)["forecast"] == "100 a day at the present rate: 250 remaining at the reset"


@pytest.mark.parametrize(
    ("remaining", "quota", "sentence"),
    [
        (500.0, MONTHLY, "100 a day at the present rate: used up in 5 d, 2 d 12 h before the reset"),
        (500.0, {}, "100 a day at the present rate: used up in 5 d"),
        (-5.0, MONTHLY, "100 a day at the present rate"),
        (None, MONTHLY, "100 a day at the present rate: 750 more until the reset"),
        (None, {}, "100 a day at the present rate"),
    ],
)
def test_the_forecast_says_when_it_is_over(told, ledger, remaining, quota, sentence):
    ledger.spend("vendor", "odds", "", 100.0, 1, NOW - 1.5 * DAY_S)
    ledger.spend("vendor", "odds", "", 50.0, 1, NOW)
    ledger.tell("vendor", "", Balance(remaining, None, NOW))
    assert lines(told(**quota)[1])["forecast"] == sentence


def test_a_balance_from_before_the_reset_forecasts_no_end(told, ledger):
    ledger.spend("vendor", "odds", "", 150.0, 1, NOW - 1.5 * DAY_S)
    ledger.tell("vendor", "", Balance(10.0, None, NOW - 30 * DAY_S))
    assert told(**MONTHLY)[0]["forecast"]["lasts_s"] is None


def test_one_of_several_balances_forecasts_no_end(told, ledger):
    ledger.spend("vendor", "odds", "", 150.0, 1, NOW - 1.5 * DAY_S)
    for partition in ("", "gold"):
        ledger.tell("vendor", partition, Balance(10.0, None, NOW))
    assert told(**MONTHLY)[0]["forecast"]["lasts_s"] is None


def test_yesterday_counts_for_the_forecast_of_a_daily_quota_and_not_for_its_period(told, ledger):
    ledger.spend("vendor", "odds", "", 100.0, 1, NOW - 1.5 * DAY_S)
    ledger.spend("vendor", "odds", "", 50.0, 1, NOW)
    facts, _ = told(resets='"daily"')
    assert facts["forecast"]["per_day"] == pytest.approx(100)
    assert facts["period"]["spent"] == facts["today"]["spent"] == 50
    assert facts["seconds_to_reset"] == DAY_S / 2


def test_a_young_ledger_is_not_taken_for_a_thrifty_one(config_of, ledger):
    config = config_of(vendor=MONTHLY)
    ledger.spend("vendor", "odds", "", 10.0, 1, NOW)
    forecasts = [report(config, ledger, NOW + age)["providers"][0]["forecast"] for age in (0, 599, 3600)]
    assert forecasts[:2] == [None, None]
    assert forecasts[2]["per_day"] == pytest.approx(240)


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        ({"stretch": {"far": 1.0}, "affordable": True, "at": NOW - 30}, "windows as configured (30 s ago)"),
        (
            {"stretch": {"near": 1.25, "far": 3.0, "in_play": 1.0}, "affordable": True, "at": NOW, "per_day": 1200.0},
            "windows are longer than configured: far 3 times, near 1.25 times, for 1,200 a day (0 s ago)",
        ),
        (
            {"stretch": {f"k{n}": 1.0 + n for n in range(9)}, "affordable": False, "at": NOW},
            "8 windows are longer than configured, up to 9 times; the credits do not last even so (0 s ago)",
        ),
    ],
)
def test_what_the_governor_does(told, ledger, fact, sentence):
    ledger.learn("vendor", "governor", "old", {"stretch": {}, "affordable": True, "at": NOW - 1000})
    ledger.learn("vendor", "governor", "state", fact)
    facts, text = told(**MONTHLY)
    assert facts["governor"] == fact
    assert lines(text)["governor"] == sentence


def test_every_provider_has_a_block_with_aligned_columns(config_of, ledger):
    ledger.spend("one", "odds", "a-client-with-a-long-name", 123456.0, 7, NOW)
    facts = report(config_of(one=MONTHLY, two={"limit": 5}), ledger, NOW)
    assert [provider["provider"] for provider in facts["providers"]] == ["one", "two"]
    text = as_text(facts)
    first, second = text.split("\n\ntwo\n")
    assert first.startswith("one\n")
    assert "reset is configured; limit 5" in second
    table = first.partition("\n\n")[2].splitlines()[1:-1]  # the last cell of the last row is empty
    assert len({len(line) for line in table}) == 1, first


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.001, "0"), (12345, "12,345"), (0.25, "0.25"), (2.5, "2.5"), (1e6, "1,000,000"), (-5, "-5")],
)
def test_numbers(value, text):
    assert number(value) == text


def test_spans():
    cases = {0.9: "0 s", 59: "59 s", 61: "1 min 1 s", 3600: "1 h", 3659: "1 h", 90061: "1 d 1 h", 86460: "1 d"}
    assert {seconds: span(seconds) for seconds in cases} == cases
    assert all(span(a) != span(b) for a, b in pairwise(range(0, 3600, 7)))
