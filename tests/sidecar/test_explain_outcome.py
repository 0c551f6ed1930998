"""What `holdover explain` says of promises, of what is sent, and of wider answers, by what is stored."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdover.canonical import CanonicalRequest
from holdover.coding import compressed
from holdover.config import Config
from holdover.content import Board
from holdover.entry import Entry
from holdover.exchange import Request
from holdover.intake import board_in
from holdover.key import Cacheable, plan
from holdover.provider_settings import ProviderSettings
from holdover.providers.profile import Knowledge
from holdover.rules import Rules, Secret, compile_provider
from holdover.settings import Settings
from holdover.store.balance import Balance
from sidecar.explain import Asked, Facts, explain
from sidecar.stored import Stored

NOW = 1_795_435_200.0
SHIPPED = Path(__file__).parents[2] / "config" / "providers"
PACE = {"in_play_s": 4, "far_s": 300, "empty_s": 3600, "near_from_s": 3600, "max_stale_in_play_s": 8}
ROUTE: dict[str, Any] = {"name": "odds", "path": "/odds", "window_s": 60, "max_stale_s": 600, "starts": "at"}


def config_of(settings: dict[str, Any]) -> Config:
    document = ProviderSettings.model_validate({**settings, "clients": "open"})
    secrets = {"": Secret("own-secret")} if document.credential else {}
    return Config(Path(), Settings(), Rules([compile_provider(document, secrets)]), "")


def vendor(**changes: Any) -> Config:
    """With one route, which keywords change."""
    route = {**ROUTE, **changes}
    return config_of({"name": "vendor", "hosts": ["vendor.test"], "origin": "https://origin.test", "routes": [route]})


def shipped(name: str) -> Config:
    source = next(path for path in (SHIPPED / f"{name}.toml", SHIPPED / "examples" / f"{name}.toml") if path.exists())
    return config_of(tomllib.loads(source.read_text()))


def canonical(config: Config, target: str) -> CanonicalRequest:
    (provider,) = config.rules.providers
    found = plan(Request("GET", provider.settings.hosts[0], target), config.rules)
    assert isinstance(found, Cacheable)
    return found.canonical


def explained(config: Config, target: str, *entries: Entry, knows: Balance | None = None) -> Facts:
    """`knows`: what the ledger knows of holdover's own credential."""
    (provider,) = config.rules.providers
    asked = Asked(f"https://{provider.settings.hosts[0]}{target}")
    balances = {} if knows is None else {provider.name: {"": knows}}
    return explain(config, asked, Stored({entry.key: entry for entry in entries}, balances=balances), NOW)


def entry_of(request: CanonicalRequest, body: bytes = b"[]", age: float = 1.0, **changes: Any) -> Entry:
    fields = (("content-type", "application/json"),)
    made = Entry(request, 200, fields, body, compressed(body), "r", requested_at=NOW - age, received_at=NOW - age)
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"board": Board(1, (NOW - 5, NOW + 9000))}, "in play: 4 s, served up to 8 s"),
        ({"board": Board(1, (NOW + 3600,))}, "near: 1 min, served up to 10 min"),
        ({"board": Board(1, (NOW + 3601,))}, "far: 5 min, served up to 10 min"),
        ({"board": Board(0)}, "empty: 1 h, served up to 2 h"),
        ({"board": Board(3)}, "the board does not tell when events begin: 1 min, served up to 10 min"),
        (
            {"board": Board(1, (NOW + 9,)), "floor_s": 90.0},
            "near: 90 s, by the provider's max-age, served up to 10 min",
        ),
        ({"status": 404}, "10 s, for an absence (404), and never served past it"),
    ],
)
def test_the_promise_that_holds_now(changes: dict[str, Any], said: str):
    config = vendor(pace=PACE)
    assert explained(config, "/odds", entry_of(canonical(config, "/odds"), **changes))["window"] == said


def test_the_promises_of_all_phases_when_nothing_is_stored():
    everything = "1 min, in play 4 s, far 5 min, empty 1 h; served up to 10 min, in play 8 s, empty 2 h"
    assert explained(vendor(pace=PACE), "/odds")["window"] == everything
    assert explained(vendor(starts=None), "/odds")["window"] == "1 min; served up to 10 min"
    config = vendor(starts=None, window_s=0.5)
    stored = entry_of(canonical(config, "/odds"))
    assert explained(config, "/odds", stored)["window"] == "0.5 s, served up to 10 min"


def test_a_board_on_which_an_event_has_begun_since():
    config = vendor()
    begun = entry_of(canonical(config, "/odds"), age=3.0, board=Board(1, (NOW - 1,)))
    assert str(explained(config, "/odds", begun)["stored"]).startswith("stale, 3.0 s old: an event has begun since")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "1 credit for a call"),
        ({"cost": 0}, "0 credits for a call"),
        ({"cost": 2.5}, "2.5 credits for a call"),
        ({"cost_per_item": 0.1}, "1 credit for a call, or 0.1 for each item"),
    ],
)
def test_what_a_call_costs(changes: dict[str, Any], said: str):
    assert explained(vendor(**changes), "/odds")["cost"] == said


SNAPSHOT = json.dumps({"sportId": 29, "last": 7, "leagues": [{"id": 5, "events": [{"id": 1, "periods": []}]}]})
SPORT = "/v2/odds?oddsFormat=American&sportId=29&toCurrencyCode=USD"
OF_LEAGUE = "/v2/odds?sportId=29&leagueIds=5"


def pinnacle_board(config: Config, age: float) -> Entry:
    """As it is stored after the first snapshot."""
    (provider,) = config.rules.providers
    asked = canonical(config, OF_LEAGUE)
    board = provider.profile.widened(asked, Knowledge(kinds=frozenset(provider.settings.projection.kinds)))
    body = provider.profile.absorb(board, None, SNAPSHOT.encode())
    return entry_of(board, body, age)


def test_a_board_of_pinnacle_is_asked_for_by_what_is_really_sent():
    config = shipped("pinnacle")
    first = explained(config, OF_LEAGUE)
    sent = f"GET https://api.pinnacle.com{SPORT} is asked, for 1 credit; this request is answered from it"
    assert first["upstream"] == sent
    old = explained(config, OF_LEAGUE, pinnacle_board(config, 200))
    since = SPORT.replace("&sportId", "&since=7&sportId")
    changes = "what changed since what is stored; this request is answered from it"
    assert old["upstream"] == f"GET https://api.pinnacle.com{since} is asked, for 1 credit: {changes}"
    assert str(old["superset"]).startswith(f"['{SPORT}: stale, 200.0 s old")


def test_a_board_of_pinnacle_that_answers_is_named_by_what_was_sent():
    config = shipped("pinnacle")
    found = explained(config, OF_LEAGUE, pinnacle_board(config, 10))
    assert found["upstream"] == f"nothing is asked: {SPORT} is stored"
    assert found["window"] == "2 min, served up to 5 min"
    assert not [fact for fact in map(str, found.values()) if "board" in fact]


@pytest.mark.parametrize(
    ("name", "target", "projected"),
    [
        ("the-odds-api", "/v4/sports/soccer_epl/odds?regions=uk", True),
        ("the-odds-api", "/v4/sports/soccer_epl/events", False),
        ("the-odds-api", "/v4/sports", False),
        ("pinnacle", OF_LEAGUE, True),
        ("pinnacle", "/v2/sports", False),
        ("pinnacle", "/v2/odds?sportId=29&isLive=1", False),
        ("generic", "/api/odds?league=1", False),
    ],
)
def test_of_wider_answers_where_there_are_any(name: str, target: str, projected: bool):
    found = explained(shipped(name), target)
    assert found.get("superset") == ([] if projected else None)


def test_a_projection_is_promised_what_holds_for_what_is_made():
    """The wide board has an event in play, the narrow one does not."""
    config = shipped("the-odds-api")
    path = "/v4/sports/soccer_epl/odds?regions=uk"
    wide = canonical(config, path)
    events = [{"id": number, "commence_time": at, "bookmakers": []} for number, at in (("a", "2020"), ("b", "2099"))]
    body = json.dumps([{**event, "commence_time": f"{event['commence_time']}-01-01T00:00:00Z"} for event in events])
    (provider,) = config.rules.providers
    route = config.rules.route(provider.name, "odds")
    assert route is not None
    board = board_in(provider, route.settings, wide, body.encode())
    stored = entry_of(wide, body.encode(), board=board)
    assert explained(config, path, stored)["window"] == "in play: 40 s, served up to 80 s"
    assert explained(config, f"{path}&eventIds=b", stored)["window"] == "far: 5 min, served up to 10 min"


FROZEN = Balance(0, 500, NOW - 60, frozen_until=NOW + 43_200)
DEAD = Balance(None, None, 0.0, dead=True)
SUSPENDED = "calls that cost are suspended until 2026-11-24 00:00:00 UTC, as the quota is used up"
ASKED = "GET https://origin.test/odds"
NOT_ACCEPTED = "the provider did not accept holdover's credential, which one call a minute tries"


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (None, "miss: the provider's own refusal"),
        (90, "past its window: served up to 10 min, then the provider's own refusal"),
        (900, "past its limit: never served, the provider's own refusal is"),
    ],
)
def test_what_clients_get_while_the_ledger_knows_that_calls_are_refused(age: float | None, said: str):
    config = vendor()
    stored = [] if age is None else [entry_of(canonical(config, "/odds"), age=age)]
    frozen = explained(config, "/odds", *stored, knows=FROZEN)
    hears = "one call a minute at most goes out, to hear the provider's refusal"
    assert frozen["upstream"] == f"{ASKED}, for 1 credit, is suspended; {hears}"
    assert frozen["decision"] == f"{said}; {SUSPENDED}"
    dead = explained(config, "/odds", *stored, knows=DEAD)
    assert dead["upstream"] == f"{ASKED} is asked, for 1 credit, once a minute at most"
    assert dead["decision"] == f"{said}; {NOT_ACCEPTED}"
    both = explained(config, "/odds", *stored, knows=replace(FROZEN, dead=True))
    assert both["decision"] == f"{said}; {SUSPENDED}, nor did the provider accept holdover's credential"


def test_by_holdovers_own_count_nobody_hears_the_provider():
    (provider,) = vendor().rules.providers
    counted = config_of({**provider.settings.model_dump(exclude_defaults=True), "quota": {"limit": 500}})
    found = explained(counted, "/odds", knows=FROZEN)
    assert found["upstream"] == f"{ASKED}, for 1 credit, is suspended"
    assert found["decision"] == f"miss: holdover's 503; {SUSPENDED}"


@pytest.mark.parametrize(
    ("changes", "age", "knows"),
    [
        ({"cost": 0}, None, FROZEN),
        ({}, None, replace(FROZEN, frozen_until=NOW)),
        ({}, 1.0, FROZEN),
        ({}, 1.0, DEAD),
    ],
    ids=["a free call", "a freeze that is over", "frozen, fresh", "dead, fresh"],
)
def test_what_the_ledger_knows_changes_nothing(changes: dict[str, Any], age: float | None, knows: Balance):
    config = vendor(**changes)
    stored = [] if age is None else [entry_of(canonical(config, "/odds"), age=age)]
    assert explained(config, "/odds", *stored, knows=knows) == explained(config, "/odds", *stored)


def test_a_free_call_is_refused_by_a_dead_credential():
    found = explained(vendor(cost=0), "/odds", knows=DEAD)
    assert found["decision"] == f"miss: the provider's own refusal; {NOT_ACCEPTED}"


def test_a_freeze_without_an_end():
    found = explained(vendor(), "/odds", knows=replace(FROZEN, frozen_until=float("inf")))
    assert "suspended until further notice, " in str(found["decision"])


@pytest.mark.parametrize(
    ("changes", "age", "clause"),
    [
        ({}, None, "holdover's 503 with Retry-After, as calls are kept 2 min apart"),
        (
            {"interval_by": ["sport"]},
            None,
            "holdover's 503 with Retry-After, as calls are kept 2 min apart for each sport",
        ),
        ({}, 90, "what is stored, as calls are kept 2 min apart"),
        ({}, 900, "holdover's 503 with Retry-After, as calls are kept 2 min apart"),
    ],
)
def test_a_call_has_its_turn(changes: dict[str, Any], age: float | None, clause: str):
    config = vendor(min_interval_s=120, **changes)
    stored = [] if age is None else [entry_of(canonical(config, "/odds"), age=age)]
    assert str(explained(config, "/odds", *stored)["decision"]).endswith(f"; until its turn {clause}")


def test_a_board_that_is_stored_is_what_clients_get_until_its_turn():
    config = shipped("pinnacle")
    clause = "as calls are kept 2 min apart for each sportId"
    first = str(explained(config, OF_LEAGUE)["decision"])
    assert first.endswith(f"; until its turn holdover's 503 with Retry-After, {clause}")
    old = str(explained(config, OF_LEAGUE, pinnacle_board(config, 200))["decision"])
    assert old.endswith(f"; until its turn what is stored, {clause}")
