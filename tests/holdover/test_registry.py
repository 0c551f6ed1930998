"""What every registered profile tells of itself is consistent, and nothing else has to know of it."""

import re
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError

from holdover.canonical import CanonicalRequest
from holdover.provider_settings import ProviderSettings
from holdover.providers.profile import Knowledge, Profile
from holdover.providers.registry import PROFILES

ROOT = Path(__file__).parents[2]
FILES = [tomllib.loads(path.read_text()) for path in (ROOT / "config" / "providers").rglob("*.toml")]
NAMES = sorted(PROFILES)
ROUTE = {"name": "odds", "path": "/odds", "window_s": 5, "max_stale_s": 9}
SPORT = "/v4/sports/soccer_epl/odds"
WIDE = {"markets": "h2h,spreads", "regions": "eu,uk", "oddsFormat": "american", "dateFormat": "iso"}

REQUESTS: dict[str, tuple[str, list[dict[str, str]]]] = {
    "the-odds-api": (SPORT, [
        WIDE,
        {**WIDE, "markets": "h2h"},
        {name: value for name, value in WIDE.items() if name != "markets"},
        {**WIDE, "regions": "eu"},
        {name: value for name, value in {**WIDE, "bookmakers": "a,c"}.items() if name != "regions"},
        {**WIDE, "eventIds": "0123456789abcdef"},
        {**WIDE, "commenceTimeFrom": "2026-11-23T22:00:00Z"},
        {**WIDE, "dateFormat": "unix"},
        {**WIDE, "oddsFormat": "decimal"},
    ]),
    "pinnacle": ("/v2/odds", [
        {"sportId": "29"},
        {"sportId": "29", "since": "7"},
        {"sportId": "29", "leagueIds": "1,2"},
    ]),
}  # fmt: skip
"""For each profile that projects: a path and queries that together need every kind it knows, from the widest on."""


def asked(name: str) -> list[CanonicalRequest]:
    path, queries = REQUESTS.get(name, ("/odds", [{}]))
    return [CanonicalRequest(name, "odds", path, tuple(sorted(query.items()))) for query in queries]


def knowledge(kinds: frozenset[str]) -> Knowledge:
    regions = {"eu": frozenset("ab"), "uk": frozenset("cd")}
    return Knowledge(regions, {"soccer_epl": False}, kinds, emptied="keep")


def found(profile: Profile, requests: list[CanonicalRequest], known: Knowledge) -> Iterator[frozenset[str]]:
    """The kinds that make one request from another, or from what it widens to."""
    wider = [*requests, *(profile.widened(request, known) for request in requests)]
    for wide, narrow in product(wider, requests):
        if (kinds := profile.kinds(wide, narrow, known)) is not None:
            yield kinds


@pytest.mark.parametrize("name", NAMES)
def test_the_kinds_that_a_profile_tells_are_those_that_it_finds(name):
    profile = PROFILES[name]
    assert profile.known_kinds == frozenset().union(*found(profile, asked(name), knowledge(profile.known_kinds)))


@pytest.mark.parametrize("name", NAMES)
def test_special_kinds_are_known_ones(name):
    profile = PROFILES[name]
    assert profile.to_be_verified | profile.by_region | profile.by_answers <= profile.known_kinds
    assert all(re.fullmatch("[a-z_]+", kind) for kind in profile.known_kinds)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_profile_tells_is_what_it_overrides(name):
    profile = PROFILES[name]

    def own(method: str) -> bool:
        return getattr(type(profile), method) is not getattr(Profile, method)

    for method in ("projects", "widened", "kinds", "project"):
        assert own(method) == bool(profile.known_kinds), method
    assert own("learnt") == bool(profile.by_region | profile.by_answers)
    for method in ("called", "canonical_body", "echoed"):
        assert own(method) == profile.reads_bodies, method
    assert own("offers") == profile.tells_offers


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_projects_what_it_has_kinds_for(name):
    profile = PROFILES[name]
    assert {profile.projects(request) for request in asked(name)} == {bool(profile.known_kinds)}


@pytest.mark.parametrize("name", NAMES)
def test_only_a_profile_that_reads_bodies_has_routes_for_them(name):
    def loaded() -> ProviderSettings:
        routes = [{**ROUTE, "methods": ["POST"]}]
        return ProviderSettings.model_validate(
            {"name": "x", "profile": name, "hosts": ["x.test"], "origin": "http://x.test", "routes": routes}
        )

    if PROFILES[name].reads_bodies:
        assert loaded().routes[0].methods == ["POST"]
    else:
        with pytest.raises(ValidationError, match=f"profile '{name}' knows no POST bodies"):
            loaded()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beginning", [beginning for profile in PROFILES.values() for beginning in profile.logins])
def test_logins_are_never_opened_whatever_the_profile(name, beginning):
    given = {"name": "x", "profile": name, "origin": "http://x.test", "routes": [ROUTE]}
    for host in (beginning, f"{beginning}.x.test", f"{beginning}-cert.x.test"):
        with pytest.raises(ValidationError, match="is never opened"):
            ProviderSettings.model_validate({**given, "hosts": ["x.test", host]})
    assert ProviderSettings.model_validate({**given, "hosts": ["x.test", f"x.{beginning}.test"]})


def test_some_hosts_are_never_opened():
    assert "identitysso" in {beginning for profile in PROFILES.values() for beginning in profile.logins}


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_has_a_file_that_is_shipped(name):
    routes = [
        ProviderSettings.model_validate(file).routes for file in FILES if file.get("profile", "generic") == name
    ]
    assert routes
    for each in routes:
        assert [*PROFILES[name].doubts(each, sorted(PROFILES[name].known_kinds))] == []


def test_a_profile_that_is_not_given_is_registered():
    assert ProviderSettings.model_fields["profile"].default in PROFILES


def test_nothing_outside_the_profiles_names_a_vendor():
    vendors = {re.sub("[^a-z]+", ".?", name) for name in PROFILES if name != "generic"}
    logins = {beginning for profile in PROFILES.values() for beginning in profile.logins}
    pattern = re.compile("|".join(sorted(vendors | logins)), re.IGNORECASE)
    sources = [path for top in ("holdover", "addons", "sidecar") for path in (ROOT / top).rglob("*.py")]
    outside = [path for path in sources if "providers" not in path.relative_to(ROOT).parts]
    assert len(outside) > 50
    assert [(path.name, match[0]) for path in outside if (match := pattern.search(path.read_text()))] == []
