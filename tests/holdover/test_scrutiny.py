# ruff: noqa: E501 (the exact messages stand whole in their tables)
import tomllib
from pathlib import Path

import pytest

from holdover.canonical import CanonicalRequest
from holdover.config import Config, ConfigError, Problem, load
from holdover.provider_settings import ProviderSettings
from holdover.providers.registry import PROFILES
from holdover.scrutiny import contradictions, doubts

SHIPPED = Path(__file__).parents[2] / "config" / "providers"
FILES = sorted((*SHIPPED.glob("*.toml"), *SHIPPED.glob("examples/*.toml")))
DIGEST = "0123456789abcdef" * 4
VENDOR = """\
name = "vendor"
hosts = ["api.vendor.test"]
origin = "https://api.vendor.test"
{top}
[credential]
{own}
query = "apiKey"
{tables}
[[routes]]
name = "odds"
path = "/v4/sports/{{sport}}/odds"
window_s = 30
max_stale_s = 60
{route}
"""
OWN = 'env = "VENDOR_KEY"'
INTERVAL = "min_interval_s = 20"
TO_20 = "is below min_interval_s = 20; odds are renewed that often at best: raise it to 20"


def loaded(tmp_path: Path, text: str) -> Config:
    (tmp_path / "providers").mkdir()
    (tmp_path / "holdover.toml").write_text("")
    (tmp_path / "providers" / "vendor.toml").write_text(text)
    return load(tmp_path, {"VENDOR_KEY": "secret-value", "GOLD_KEY": "gold-value"})


def written(top: str = "", own: str = OWN, tables: str = "", route: str = "") -> str:
    """The route's own further settings begin at line 14."""
    return VENDOR.format(top=top, own=own, tables=tables, route=route)


def warnings(config: Config) -> list[str]:
    return [str(each).removeprefix(f"{config.folder}/providers/") for each in config.warnings]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        # too old before the next can be there
        ("min_interval_s = 61", [
            "vendor.toml:13: routes[0].max_stale_s: is below min_interval_s = 61: past it nothing can be served until the "
            "provider may be asked again; raise it to 61 or more"
        ]),
        ('min_interval_s = 60\nstarts = "at"\n[routes.pace]\nmax_stale_in_play_s = 59', [
            "vendor.toml:17: routes[0].pace.max_stale_in_play_s: is below min_interval_s = 60: past it nothing can be served "
            "until the provider may be asked again; raise it to 60 or more"
        ]),
        ('starts = "at"\npace = { in_play_s = 61 }', [
            "vendor.toml:15: routes[0].pace.in_play_s: is above max_stale_s = 60; an answer would be too old before its "
            "refresh: lower it, or give max_stale_in_play_s"
        ]),
        # phases of which nothing tells
        ("[routes.pace]\nempty_s = 90\nin_play_s = 10\nnear_s = 10\nfar_s = 50\nmax_stale_in_play_s = 40", [
            f"vendor.toml:{line}: routes[0].pace.{name}: needs `starts`: without it nothing is known to be in play, near or "
            "far; give it, or remove this"
            for line, name in ((16, "in_play_s"), (17, "near_s"), (18, "far_s"), (19, "max_stale_in_play_s"))
        ]),
        ('content = "any"\nstarts = "at"\n[routes.pace]\nempty_s = 90\nfar_s = 50', [
            f"vendor.toml:{line}: routes[0].pace.{name}: content = 'any' is not looked into, so no phase is known; remove it"
            for line, name in ((17, "empty_s"), (18, "far_s"))
        ]),
        # left out and part of the key
        ('lists = ["a", "b"]\nrepeated = ["b"]\nbooleans = ["c"]\nparameters = ["d"]\ndrop = ["b", "c", "d", "e"]', [
            f"vendor.toml:18: routes[0].drop: {name!r} is in {where} too; what is left out tells no answers apart: decide which"
            for name, where in (("b", "lists and repeated"), ("c", "booleans"), ("d", "parameters"))
        ]),
    ],
)  # fmt: skip
def test_what_can_never_be_meant_is_a_problem(tmp_path, route, expected):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, written(route=route))
    assert str(caught.value).replace(f"{tmp_path}/providers/", "").splitlines() == expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        # windows that calls cannot keep
        (f'{INTERVAL}\nstarts = "at"\n[routes.pace]\nin_play_s = 19\nnear_s = 19.5\nfar_s = 20\nempty_s = 1', [
            f"vendor.toml:{line}: routes[0].pace.{name}: {TO_20}"
            for line, name in ((17, "in_play_s"), (18, "near_s"), (20, "empty_s"))
        ]),
        ("[routes.pace]\nempty_s = 90\nnear_from_s = 60", [
            "vendor.toml:16: routes[0].pace.near_from_s: has no effect where answers do not tell by `starts` when events "
            "begin; remove it"
        ]),
        # what calls share an interval
        ('interval_by = ["a"]', [
            "vendor.toml:14: routes[0].interval_by: has no effect without min_interval_s; give it, or remove this"
        ]),
        (f'{INTERVAL}\nparameters = ["a"]\nunknown = "bypass"\ndrop = ["d"]\ninterval_by = ["a", "b", "d", "APIKEY"]', [
            f"vendor.toml:18: routes[0].interval_by: {name!r} is no part of the key and so tells no calls apart; make it "
            "one, or remove it here"
            for name in ("APIKEY", "b", "d")
        ]),
        (f'{INTERVAL}\ninterval_by = ["a"]', []),
        # one setting undoes another
        ('drop = ["a"]\ndefaults = { a = "1", b = "2" }', [
            "vendor.toml:15: routes[0].defaults.a: is in drop too: '1' is asked for whatever a client sends; remove it from "
            "one of the two"
        ]),
        ('lists = ["a"]\nrepeated = ["b"]\nbooleans = ["a", "b", "c"]', [
            f"vendor.toml:16: routes[0].booleans: {name!r} is in {key} too and spelled as that; remove it from one of the two"
            for name, key in (("a", "lists"), ("b", "repeated"))
        ]),
    ],
)  # fmt: skip
def test_a_route_is_warned_of(tmp_path, route, expected):
    assert warnings(loaded(tmp_path, written(route=route))) == expected


GOLD = f'[classes.gold]\ncredentials = ["{DIGEST}"]\nenv = "GOLD_KEY"'
KNOWN = f'known = ["{DIGEST}"]\nknown_for_s = 60'


@pytest.mark.parametrize(
    ("clients", "own", "why", "lines"),
    [
        ("known", OWN, "", {}),
        ("known", "borrow = true", "", {}),
        ("open", OWN, "with clients = 'open' everybody gets stored answers", {"known": 4, "known_for_s": 5}),
        ("own", "", "with clients = 'own' each credential has answers of its own, fetched with it", {
            "known": 4, "known_for_s": 5, "classes.gold": 10,
        }),
    ],
)  # fmt: skip
def test_what_tells_clients_apart_where_nobody_looks(tmp_path, clients, own, why, lines):
    config = loaded(tmp_path, written(top=f'{KNOWN}\nclients = "{clients}"', own=own, tables=GOLD))
    assert warnings(config) == [
        f"vendor.toml:{line}: {key}: has no effect: {why}; remove it, or choose another"
        for key, line in lines.items()
    ]


def test_without_a_credential_no_client_is_told_from_another(tmp_path):
    text = written(top=KNOWN, tables=GOLD).replace(f'[credential]\n{OWN}\nquery = "apiKey"\n', "")
    assert warnings(loaded(tmp_path, text)) == [
        f"vendor.toml:{line}: {key}: has no effect: without [credential] no client is known to send any; remove it, or add that"
        for line, key in ((4, "known"), (5, "known_for_s"), (6, "classes.gold"))
    ]


@pytest.mark.parametrize(
    ("profile", "kinds", "expected"),
    [
        ("generic", ["markets"], ["'markets' has no effect: profile 'generic' knows none; remove it"]),
        ("betfair", ["filter"], ["'filter' has no effect: profile 'betfair' knows none; remove it"]),
        ("pinnacle", ["since", "odds"], ["'odds' has no effect: profile 'pinnacle' knows filter, since; remove it"]),
        ("the-odds-api", ["markets", "times"], []),
        ("the-odds-api", ["since"], [
            "'since' has no effect: profile 'the-odds-api' knows bookmakers, dates, events, markets, odds, outrights, regions, times; remove it"
        ]),
        ("the-odds-api", ["dates", "outrights"], [
            "'outrights' has no effect without a route named 'sports', which tells the sports that have some"
        ]),
    ],
)  # fmt: skip
def test_kinds_that_are_never_used(tmp_path, profile, kinds, expected):
    config = loaded(tmp_path, written(top=f'profile = "{profile}"', tables=f"[projection]\nkinds = {kinds}"))
    assert warnings(config) == [f"vendor.toml:9: projection.kinds: {text}" for text in expected]


@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ("", [
            "vendor.toml:9: projection.kinds: have no effect without a route named 'odds', whose answers alone are projected",
            "vendor.toml:11: routes[0].name: the profile knows this path as 'odds': under that name alone a call is priced by "
            "what it asks for and is projected; name it so",
        ]),
        ('[[routes]]\nname = "odds"\npath = "/v5/odds"\nwindow_s = 5\nmax_stale_s = 9', [
            "vendor.toml:11: routes[0].name: the profile knows this path as 'odds': under that name alone a call is priced by "
            "what it asks for and is projected; let that route answer it, or set `cost` to what it takes",
        ]),
    ],
)  # fmt: skip
def test_a_path_under_a_name_by_which_its_profile_does_not_know_it(tmp_path, also, expected):
    text = written(top='profile = "the-odds-api"', tables='[projection]\nkinds = ["markets"]', route=also)
    assert warnings(loaded(tmp_path, text.replace('name = "odds"', 'name = "board"', 1))) == expected


def test_the_names_that_are_asked_for_are_those_by_which_calls_are_priced():
    """Every route of the shipped file under another name: a warning where that changes what a call is said to cost."""
    document = tomllib.loads((SHIPPED / "the-odds-api.toml").read_text())
    query = (("daysFrom", "1"), ("markets", "h2h,spreads"), ("regions", "eu,uk"))
    profile, priced, warned = PROFILES["the-odds-api"], set[str](), set[str]()
    for route in document["routes"]:
        renamed = {**route, "name": "renamed"}
        settings = ProviderSettings.model_validate({**document, "routes": [route, renamed], "projection": {}})
        costs = [
            profile.cost(each, CanonicalRequest("x", each.name, each.path, query), None) for each in settings.routes
        ]
        if costs[0] != costs[1]:
            priced.add(route["name"])
        if any(key == ("routes", 1, "name") for key, _ in doubts(settings)):
            warned.add(route["name"])
    assert warned == priced
    assert priced == {"odds", "event-odds", "scores", "historical-odds", "historical-event-odds"}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_what_is_shipped_is_beyond_doubt(path):
    settings = ProviderSettings.model_validate(tomllib.loads(path.read_text()))
    assert [*contradictions(settings), *doubts(settings)] == []


@pytest.mark.parametrize(
    "route",
    [
        "[routes.pace]\ncadence_s = 20",
        'updated = ["seen"]\n[routes.pace]\ncadence_s = 20\nphase_lock = true',
        "[routes.pace]\nempty_s = 90",
        'min_interval_s = 20\nstarts = "at"\npace = { in_play_s = 20, max_stale_in_play_s = 20 }',
        "min_interval_s = 30",
    ],
)
def test_what_is_meant_is_let_be(tmp_path, route):
    assert warnings(loaded(tmp_path, written(route=route))) == []


def test_warnings_come_in_the_order_of_the_file(tmp_path):
    config = loaded(tmp_path, written(top=f'clients = "open"\n{KNOWN}', route='interval_by = ["a"]'))
    assert [each.line for each in config.warnings] == [5, 6, 16]
    assert all(isinstance(each, Problem) and each.file.endswith("vendor.toml") for each in config.warnings)


@pytest.mark.parametrize(
    ("projection", "shadow", "expected"),
    [
        ('kinds = ["markets"]', "", []),
        ('kinds = ["odds"]', "", ["kinds: 'odds'"]),
        ('kinds = ["regions", "odds"]\nlearn_regions = true', "", ["kinds: 'odds'", "learn_regions:"]),
        ('kinds = ["regions", "odds"]\nlearn_regions = true', "[shadow]\none_in = 50\n", []),
    ],
)
def test_what_is_never_compared_is_never_used(tmp_path, projection, shadow, expected):
    text = written(top='profile = "the-odds-api"', tables=f"[projection]\n{projection}\n{shadow}")
    lines = [f"vendor.toml:{9 + n}: projection.{each} " for n, each in enumerate(expected)]
    found = warnings(loaded(tmp_path, text))
    assert [each.partition("is used")[0] for each in found] == lines
    assert all(each.endswith("after comparisons went well; without [shadow] one_in it never is") for each in found)
