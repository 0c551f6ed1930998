"""`holdover check` tells in a few lines what of a configuration an operator would otherwise look up."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from holdover.provider_settings import ProviderSettings
from holdover.rules import Secret, compile_provider
from sidecar.summary import summary

SHIPPED = Path(__file__).parents[2] / "config" / "providers"
DIGESTS = [hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two", "three")]
ROUTE: dict[str, Any] = {"name": "odds", "path": "/odds/{sport}", "window_s": 20, "max_stale_s": 600}
VENDOR: dict[str, Any] = {
    "name": "vendor",
    "hosts": ["a.vendor.test", "b.vendor.test"],
    "origin": "https://origin.vendor.test",
    "credential": {"env": "VENDOR_KEY", "query": "apiKey", "also": ["api_key", "X-Key"]},
    "routes": [ROUTE],
}
LOOKED_FOR = "looked for in apiKey, api_key and X-Key, query or header"


def told(**changes: Any) -> dict[str, str]:
    """The lines about a provider by their labels; keywords change its settings. Its routes are under ""."""
    settings = ProviderSettings.model_validate({**VENDOR, **changes})
    secrets = {name: Secret(f"{name}-secret-value") for name in ("", *settings.classes)}
    text = summary(compile_provider(settings, secrets))
    assert "secret-value" not in text
    _, *lines = text.splitlines()
    facts = {line[4:15].strip(): line[17:] for line in lines[:7]}
    return facts | {"": "\n".join(line.strip() for line in lines[7:])}


def route(**changes: Any) -> str:
    """The second line about a route; keywords change its settings."""
    return told(routes=[{**ROUTE, **changes}])[""].partition("\n")[2]


def test_a_plain_provider():
    assert told() == {
        "hosts": "a.vendor.test, b.vendor.test -> https://origin.vendor.test",
        "clients": f"known: accepted by the provider within 1 d; {LOOKED_FOR}",
        "credential": "$VENDOR_KEY, in query parameter apiKey",
        "errors": "rate and absent by status; no rule tells quota, credential or error",
        "quota": "neither told nor limited",
        "limits": "10 a second, burst 10, concurrency 8, timeout 10 s, retries 1",
        "projections": "none",
        "": "odds: GET /odds/{sport}\nwindow 20 s; served up to 10 min; cost 1",
    }


@pytest.mark.parametrize(
    ("changes", "clients", "credential"),
    [
        (
            {"known": DIGESTS[:2], "known_for_s": 5400},
            f"known: accepted by the provider within 90 min, or listed (2); {LOOKED_FOR}",
            "$VENDOR_KEY, in query parameter apiKey",
        ),
        (
            {"clients": "open", "credential": {"file": "../key", "header": "X-Key"}},
            "open: everybody who reaches the proxy; looked for in X-Key, query or header",
            "file ../key, in header field X-Key",
        ),
        (
            {"clients": "own", "credential": {"header": "X-Key"}},
            "own: each credential has answers of its own; looked for in X-Key, query or header",
            "the client's own, in header field X-Key",
        ),
        (
            {"credential": {"borrow": True, "header": "X-Session", "class_from": "X-App"}},
            "known: accepted by the provider within 1 d; looked for in X-Session, query or header; X-App tells who "
            "shares with whom",
            "the client's own, or the last one accepted in refreshes, in header field X-Session",
        ),
        (
            {"classes": {"gold": {"credentials": DIGESTS, "env": "GOLD_KEY"}}},
            f"known: accepted by the provider within 1 d; {LOOKED_FOR}; classes gold (3 listed)",
            "$VENDOR_KEY, in query parameter apiKey; for class gold $GOLD_KEY",
        ),
        (
            {"credential": None},
            "everybody who reaches the proxy; the provider asks for no credential",
            "none",
        ),
    ],
)
def test_who_may_have_answers_and_with_what_the_provider_is_called(
    changes: dict[str, Any], clients: str, credential: str
):
    found = told(**changes)
    assert (found["clients"], found["credential"]) == (clients, credential)
    assert not [digest for digest in DIGESTS if digest in str(found)]


def test_a_fixed_address():
    assert told(address="203.0.113.10:443")["hosts"].endswith(" -> https://origin.vendor.test at 203.0.113.10:443")


@pytest.mark.parametrize(
    ("means", "said"),
    [
        (["quota", "credential", "rate", "absent", "error"], "quota, credential, rate, absent and error by rules"),
        (["error", "rate", "rate"], "rate and error by rules; absent by status; no rule tells quota or credential"),
    ],
)
def test_which_refusals_are_understood(means: list[str], said: str):
    assert told(errors=[{"means": each, "status": [400]} for each in means])["errors"] == said


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        (
            {"remaining": "X-Left", "used": "X-Used", "last": "X-Cost", "resets": "daily", "probe": "/odds/epl"},
            "remaining in X-Left, used in X-Used, last in X-Cost; resets daily; reserve 0; probe /odds/epl",
        ),
        (
            {"limit": 100_000, "resets": "monthly", "reserve": 1000},
            "limit 100,000, by holdover's own count; resets monthly; reserve 1,000; no probe",
        ),
        ({"used": "X-Used", "limit": 500}, "used in X-Used; limit 500; resets never; reserve 0; no probe"),
    ],
)
def test_what_is_known_of_the_quota(quota: dict[str, Any], said: str):
    assert told(quota=quota)["quota"] == said


@pytest.mark.parametrize(
    ("shadow", "said"),
    [
        ({}, "markets, regions; regions are learnt; shadow: none"),
        (
            {"one_in": 50, "credits_per_day": 1},
            "markets, regions; regions are learnt; shadow: 1 in 50, at most 1 credit a day",
        ),
    ],
)
def test_what_is_projected_and_compared(shadow: dict[str, Any], said: str):
    projection = {"kinds": ["regions", "markets"], "learn_regions": True}
    assert told(profile="the-odds-api", projection=projection, shadow=shadow)["projections"] == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "starts": "at",
                "pace": {"cadence_s": 5, "in_play_s": 5, "near_s": 20, "far_s": 300, "max_stale_in_play_s": 80},
            },
            "window 20 s, in play 5 s, far 5 min; served up to 10 min, in play 80 s; cost 1; cadence 5 s",
        ),
        ({"pace": {"empty_s": 3600}}, "window 20 s, empty 1 h; served up to 10 min, empty 2 h; cost 1"),
        ({"pace": {"empty_s": 60}}, "window 20 s, empty 1 min; served up to 10 min; cost 1"),
        ({"cost": 0, "cost_per_item": 0.5}, "window 20 s; served up to 10 min; cost 0, or 0.5 an item"),
        (
            {"min_interval_s": 0.2, "parameters": ["a", "b"], "interval_by": ["a", "b"]},
            "window 20 s; served up to 10 min; cost 1; asked 0.2 s apart by a and b",
        ),
        ({"group": "board"}, "window 20 s; served up to 10 min; cost 1; group board"),
        (
            {"honour_max_age": True, "proves_credential": False},
            "window 20 s; served up to 10 min; cost 1; max-age honoured; proves no credential",
        ),
        (
            {"change_log": {"changes": "/c/*", "id": "/id", "at": "/at", "routes": ["odds"]}},
            "window 20 s; served up to 10 min; cost 1; change log of odds",
        ),
    ],
)
def test_what_a_route_promises(changes: dict[str, Any], said: str):
    assert route(**changes) == said


def test_a_route_for_some_calls_by_post():
    names = ["listMarketBook", "listEvents", "listVenues"]
    one, several = (
        told(profile="betfair", routes=[{**ROUTE, "methods": ["POST"], "calls": calls}])[""].partition("\n")[0]
        for calls in (names[:1], names)
    )
    assert one == "odds: POST /odds/{sport} for listMarketBook"
    assert several == "odds: POST /odds/{sport} for listMarketBook and 2 more"


@pytest.mark.parametrize("source", sorted(SHIPPED.rglob("*.toml")), ids=lambda source: source.stem)
def test_the_shipped_ones_stay_readable(source: Path):
    provider = compile_provider(ProviderSettings.model_validate(tomllib.loads(source.read_text())))
    lines = summary(provider).splitlines()
    assert len(lines) == 8 + 2 * len(provider.route_names)
    assert max(map(len, lines)) <= 150
