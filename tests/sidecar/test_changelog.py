"""Who needs a provider's list of what changed, and what it tells. The example for Sportradar is what is tested."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from holdover.canonical import CanonicalRequest
from holdover.config import load
from holdover.exchange import Request
from holdover.key import Cacheable, plan
from holdover.route_settings import ChangeLogSettings
from holdover.rules import Rules
from sidecar.refresh.changelog import changes, concerned, logs_of

ROOT = Path(__file__).parents[2]
EVENT = "sr:sport_event:90000001"
BASE = "/oddscomparison-prematch/trial/v2/de"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    folder = tmp_path_factory.mktemp("config")
    (folder / "providers").mkdir()
    shutil.copy(ROOT / "config" / "providers" / "examples" / "sportradar.toml", folder / "providers")
    (folder / "holdover.toml").write_text('[proxy]\nreverse = ["127.0.0.1:8080"]\n')
    return load(folder, {"SPORTRADAR_KEY": "0123456789abcdef"}).rules


@pytest.fixture(scope="module")
def log(rules: Rules) -> ChangeLogSettings:
    route = rules.route("sportradar", "change-log")
    assert route is not None
    assert route.settings.change_log is not None
    return route.settings.change_log


def asked(rules: Rules, path: str) -> CanonicalRequest:
    planned = plan(Request("GET", "api.sportradar.com", BASE + path), rules)
    assert isinstance(planned, Cacheable)
    return planned.canonical


def markets(rules: Rules, event: str) -> CanonicalRequest:
    return asked(rules, f"/sport_events/{event}/sport_event_markets.json")


def test_the_log_of_the_same_access_and_language_is_kept_in_the_partition_of_who_needs_it(rules: Rules):
    needed = asked(rules, "/sport_event_markets/change_log.json")
    assert list(logs_of(rules, markets(rules, EVENT))) == [needed]
    tenant = replace(markets(rules, EVENT), partition="tenant")
    assert list(logs_of(rules, tenant)) == [replace(needed, partition="tenant")]


def test_what_no_log_names_needs_none(rules: Rules):
    for path in ("/books.json", "/sport_event_markets/change_log.json"):
        assert list(logs_of(rules, asked(rules, path))) == []
    assert list(logs_of(rules, CanonicalRequest("elsewhere", "odds", "/odds"))) == []


def test_the_composed_log_tells_what_changed_and_when(log: ChangeLogSettings):
    path = ROOT.parent / "shared" / "fixtures" / "composed" / "sportradar_change_log.json"
    if not path.is_file():
        pytest.skip("the recorded payloads are not beside the checkout")
    assert changes(log, path.read_bytes()) == {EVENT: 1795460403.0}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([], {}),
        ([{"id": EVENT, "sport_event_markets_odds_change": 5}], {EVENT: 5.0}),
        ([{"id": EVENT, "sport_event_markets_odds_change": "1970-01-01T00:00:07Z"}], {EVENT: 7.0}),
        ([{"id": EVENT, "sport_event_markets_odds_change": at} for at in (5, 9, 7)], {EVENT: 9.0}),
        ([{"id": EVENT, "other": 5}, {"id": EVENT, "sport_event_markets_odds_change": None}], {}),
        ([{"sport_event_markets_odds_change": 5}, "text", None, 3], {}),
    ],
)
def test_changes_without_an_id_or_a_time_are_passed_over(log: ChangeLogSettings, told, known):
    assert changes(log, json.dumps({"changes": told}).encode()) == known


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"changes": {}}', b"\xff"])
def test_a_log_that_cannot_be_read_tells_nothing(log: ChangeLogSettings, body):
    assert changes(log, body) == {}


def test_only_requests_of_the_routes_that_are_named_are_concerned_however_they_spell_the_id(
    rules: Rules, log: ChangeLogSettings
):
    named, spelled, other = (markets(rules, each) for each in (EVENT, EVENT.replace(":", "%3A"), f"{EVENT}2"))
    raw = replace(named, path=named.path.replace(":", "%3A"))
    elsewhere = replace(named, route="books")
    told = concerned([named, spelled, raw, other, elsewhere], log, {EVENT: 5.0})
    assert told == {named.key: 5.0, raw.key: 5.0}
