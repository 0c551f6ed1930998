"""Sportradar: a change log that names what moved, and a gateway's limits."""

import re
from datetime import UTC, datetime

import pytest

from scripts.emulator.vendors.launch import Running, running

from .vendor_wire import FIXTURES, ask, fixture, names, wider

BASE = "/oddscomparison-prematch/trial/v2/en"
LOG = f"{BASE}/sport_event_markets/change_log.json"


@pytest.fixture(scope="module")
def shared():
    with running("sportradar", seed=5) as vendor:
        yield vendor


@pytest.fixture
def vendor(shared: Running):
    shared.control(qps=0, quota=0, throttle="mashery", freeze=False, advance_s=301)
    return shared


def key(name: str = "one") -> dict[str, str]:
    return {"x-api-key": name}


def markets(vendor: Running, event: str):
    return ask(f"{vendor.url}{BASE}/sport_events/{event}/sport_event_markets.json", key())


@pytest.mark.parametrize("level", ["trial", "production"])
def test_an_event_has_the_whole_board_and_an_encoded_id_is_the_same(vendor, level):
    [event, *_] = vendor.truth()
    path = f"/oddscomparison-prematch/{level}/v2/en/sport_events/{event}/sport_event_markets.json"
    plain, encoded = ask(vendor.url + path, key()), ask(vendor.url + path.replace(":", "%3A"), key())
    assert plain.json["markets"] == encoded.json["markets"] == vendor.truth()[event]
    assert plain.json["sport_event"]["id"] == event


def test_outcomes_have_three_formats_and_some_are_removed(vendor):
    outcomes = [
        outcome
        for event in vendor.truth().values()
        for market in event
        for book in market["books"]
        for outcome in book["outcomes"]
    ]
    never = [outcome for outcome in outcomes if outcome.get("removed")]
    assert never
    assert {outcome["odds_decimal"] for outcome in never} == {"1.00"}
    for outcome in outcomes:
        decimal, american = float(outcome["odds_decimal"]), int(outcome["odds_american"])
        over, under = map(int, outcome["odds_fraction"].split("/"))
        assert over / under == pytest.approx(decimal - 1)
        if not outcome.get("removed"):
            assert (american >= 100) == (decimal >= 2)
            assert abs(1 + american / 100 - decimal) < 0.006 or american < 0


def test_every_feed_tells_its_max_age(vendor):
    [event, *_] = vendor.truth()
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    paths = {
        f"{BASE}/books.json": 300,
        f"{BASE}/sports.json": 300,
        f"{BASE}/sports/sr:sport:1/schedules/{date}/schedules.json": 1,
        f"{BASE}/sport_events/{event}/sport_event_markets.json": 60,
        LOG: 1,
    }
    for path, age in paths.items():
        assert ask(vendor.url + path, key()).headers["cache-control"] == f"public, must-revalidate, max-age={age}"
    vendor.control(max_age={"markets": 5})
    assert markets(vendor, event).headers["cache-control"].endswith("max-age=5")
    vendor.control(max_age={"markets": 60})


def test_a_schedule_has_the_events_of_its_sport_and_day(vendor):
    starts: dict[str, list[str]] = {}
    for event in vendor.truth():
        head = markets(vendor, event).json["sport_event"]
        starts.setdefault(head["start_time"][:10], []).append(event)
    for date, events in starts.items():
        listed = []
        for sport in ("sr:sport:1", "sr:sport:2"):
            found = ask(f"{vendor.url}{BASE}/sports/{sport}/schedules/{date}/schedules.json", key()).json
            listed += [each["sport_event"]["id"] for each in found["schedules"]]
        assert sorted(listed) == sorted(events)


def test_the_change_log_names_the_events_of_the_last_five_minutes(vendor):
    def changes() -> list[str]:
        return [change["id"] for change in ask(vendor.url + LOG, key()).json["changes"]]

    [first, second, *_] = vendor.truth()
    assert changes() == []
    vendor.control(move_event=first, freeze=True)
    vendor.control(advance_s=100)
    vendor.control(move_event=second)
    assert changes() == [second, first]
    document = ask(vendor.url + LOG, key()).json
    assert document["status"]["to"] - document["status"]["from"] == 300
    if FIXTURES.is_dir():
        assert wider(names(document), names(fixture("composed/sportradar_change_log.json")))
    vendor.control(advance_s=200)
    assert changes() == [second, first]
    vendor.control(advance_s=1)
    assert changes() == [second]


def test_only_the_named_event_moved(vendor):
    before = vendor.truth()
    [event, *others] = before
    vendor.control(move_event=event)
    after = vendor.truth()
    assert after[event] != before[event]
    assert all(after[other] == before[other] for other in others)


def test_a_removal_is_marked_and_logged(vendor):
    event = list(vendor.truth())[3]
    vendor.control(remove={"event": event, "market": "sr:market:1", "book": "sr:book:1"})
    vendor.control(remove={"event": event, "market": "sr:market:1", "book": "sr:book:17", "outcome": "draw"})
    books = {book["id"]: book for book in vendor.truth()[event][0]["books"]}
    assert books["sr:book:1"]["removed"] is True
    assert [outcome.get("removed", False) for outcome in books["sr:book:17"]["outcomes"]] == [False, True, False]
    assert [change["id"] for change in ask(vendor.url + LOG, key()).json["changes"]] == [event]


def test_two_answers_differ_in_their_time_only(vendor):
    [event, *_] = vendor.truth()
    first = markets(vendor, event).json
    vendor.control(advance_s=2)
    second = markets(vendor, event).json
    assert first.pop("generated_at") < second.pop("generated_at")
    assert first == second


def test_too_many_in_a_second_is_the_gateways_403(vendor):
    vendor.control(qps=2, freeze=True)
    replies = [ask(vendor.url + LOG, key("fast")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 403]
    assert ask(vendor.url + LOG, key("calm")).status == 200
    assert replies[2].headers["x-mashery-error-code"] == "ERR_403_DEVELOPER_OVER_QPS"
    assert replies[2].headers["retry-after"] == "1"
    assert "cache-control" not in replies[2].headers
    vendor.control(advance_s=1)
    assert ask(vendor.url + LOG, key("fast")).status == 200


def test_the_quota_is_the_gateways_403_too(vendor):
    vendor.control(quota=2)
    replies = [ask(vendor.url + LOG, key("poor")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 403]
    assert replies[2].headers["x-mashery-error-code"] == "ERR_403_DEVELOPER_OVER_RATE"
    assert int(replies[2].headers["retry-after"]) > 1
    assert vendor.stats()["spent"]["poor"] == 2


def test_the_plain_style_is_429(vendor):
    vendor.control(quota=1, throttle="plain")
    replies = [ask(vendor.url + LOG, key("plain")) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert "x-mashery-error-code" not in replies[1].headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (LOG, {}, 403),
        (LOG.replace("trial", "free"), key(), 404),
        (f"{BASE}/sport_events/sr:sport_event:1/sport_event_markets.json", key(), 404),
    ],
)
def test_refusals(vendor, path, headers, status):
    assert ask(vendor.url + path, headers).status == status


def test_times_are_written_as_the_vendor_writes_them(vendor):
    generated = ask(vendor.url + LOG, key()).json["generated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", generated)
