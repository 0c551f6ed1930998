# ruff: noqa: E501 (the exact messages stand whole in their tables)
"""What `holdover check` says of `[[promos]]`: where it is, and what to do."""

from pathlib import Path

import pytest

from holdover.config import ConfigError, load
from holdover.promo_settings import PromoField
from sidecar.promos.api import _promo
from sidecar.promos.document import Audience, Boost, Image, Promo, Terms, Text
from sidecar.promos.resolve import Shown

HOMEPAGE = """\
name = "homepage"
hosts = ["www.sportsbook.test"]
origin = "https://www.sportsbook.test"

[[promos]]
name = "banners"
path = "/banners/{page}"
answer = "list"
wrap = "data.banners"
fields = { imgUrl = "image.src" }
headers = { Access-Control-Allow-Origin = "*" }

[promos.audience]
language = { constant = "en" }
device = { path = "page" }

[promos.audience.jurisdiction]
query = ["st"]
values = { NJ = "US-NJ" }
"""


def problems(folder: Path, text: str) -> list[str]:
    (folder / "providers").mkdir()
    (folder / "holdover.toml").write_text("")
    (folder / "providers" / "homepage.toml").write_text(text)
    try:
        load(folder, {})
    except ConfigError as error:
        return str(error).replace(f"{folder}/providers/", "").splitlines()
    return []


def test_a_homepage_needs_no_route(tmp_path):
    assert problems(tmp_path, HOMEPAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("fields", "field", ["homepage.toml:10: promos[0].field: unknown key; did you mean 'fields'?"]),
        ("[promos.audience]", "[promos.audiences]", [
            "homepage.toml:5: promos[0].audience.language: is missing; add `language = ...`",
            "homepage.toml:13: promos[0].audiences: unknown key; did you mean 'audience'?",
        ]),
        ("[promos.audience.jurisdiction]", "[promos.audience.juristiction]", [
            "homepage.toml:13: promos[0].audience.jurisdiction: is missing; add `jurisdiction = ...`",
            "homepage.toml:17: promos[0].audience.juristiction: unknown key; did you mean 'jurisdiction'?",
        ]),
        ('query = ["st"]', 'quary = ["st"]', [
            "homepage.toml:18: promos[0].audience.jurisdiction.quary: unknown key; did you mean 'query'?"
        ]),
        ('query = ["st"]', 'query = ["st"]\nheader = "X-Geo"', [
            "homepage.toml:17: promos[0].audience.jurisdiction: give exactly one of query, header, path and constant"
        ]),
        ('query = ["st"]', "query = []", [
            "homepage.toml:17: promos[0].audience.jurisdiction: give exactly one of query, header, path and constant"
        ]),
        ('query = ["st"]', 'constant = "US-NJ"', [
            "homepage.toml:17: promos[0].audience.jurisdiction: values and absent have no effect beside a constant; remove them"
        ]),
        ('{ NJ = "US-NJ" }', '{ NJ = "US-NJ", nj = "US-PA" }', [
            "homepage.toml:17: promos[0].audience.jurisdiction: values has 'nj' twice, as case does not count; keep one"
        ]),
        ('{ NJ = "US-NJ" }', "{ NJ = 1 }", [
            "homepage.toml:19: promos[0].audience.jurisdiction.values.NJ: must be a valid string"
        ]),
        ('{ constant = "en" }', '{ header = "accept-language" }', [
            'homepage.toml:14: promos[0].audience.language: Accept-Language needs values, such as { en = "en", es = "es" }'
        ]),
        ('query = ["st"]', 'query = ["st"]\nabsent = "US-NJ"', [
            "homepage.toml:19: promos[0].audience.jurisdiction.absent: would show promos to those of whom no jurisdiction is known; remove it, or say constant if the homepage is for that one alone"
        ]),
        ('path = "page"', 'path = "state"', [
            "homepage.toml:15: promos[0].audience.device.path: the path /banners/{page} has no {state}; it has page"
        ]),
        ("/banners/{page}", "/banners", [
            "homepage.toml:15: promos[0].audience.device.path: the path /banners has no {page}; write {page} there"
        ]),
        ('device = { path = "page" }', 'visits = { query = ["v"], values = { 0 = "new", 1 = "old" } }', [
            "homepage.toml:15: promos[0].audience.visits: 'old' is neither new nor returning, which is all there is"
        ]),
        ('answer = "list"\n', "", ['homepage.toml:5: promos[0]: wrap says where a list stands; give answer = "list" too']),
        ('"data.banners"', '"data..banners"', [
            "homepage.toml:9: promos[0].wrap: has a character or form that is not allowed here (pattern ^[^.]+(\\.[^.]+)*$)"
        ]),
        ("Access-Control-Allow-Origin", "ETag", ["homepage.toml:5: promos[0]: holdover itself sets ETag; remove it from headers"]),
        ("Access-Control-Allow-Origin", "Transfer-Encoding", [
            "homepage.toml:5: promos[0]: holdover itself sets Transfer-Encoding; remove it from headers"
        ]),
        ('"*"', '"a\\nb"', [
            "homepage.toml:5: promos[0]: the value of Access-Control-Allow-Origin in headers may hold printable ASCII alone"
        ]),
        ('"/banners/{page}"', '"banners"', [
            "homepage.toml:7: promos[0].path: a path starts with / and has plain segments or {word} between slashes, none empty"
        ]),
        ('"image.src"', '"image.source"', [
            "homepage.toml:10: promos[0].fields.imgUrl: must be 'id', 'kind', 'title', 'text', 'action', 'link', 'start', 'end', 'variant', 'image', 'image.src', 'image.alt', 'terms', 'terms.short', 'terms.link', 'odds', 'odds.event', 'odds.market', 'odds.selection', 'odds.price' or 'odds.was'"
        ]),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(tmp_path, old, new, expected):
    assert old in HOMEPAGE
    assert problems(tmp_path, HOMEPAGE.replace(old, new)) == expected


def test_a_provider_answers_something(tmp_path):
    told = problems(tmp_path, HOMEPAGE.partition("[[promos]]")[0])
    assert told == ["homepage.toml:1: add a [[routes]] table, or [[promos]] for a homepage"]


def test_names_are_distinct_over_routes_and_promos(tmp_path):
    route = '[[routes]]\nname = "banners"\npath = "/x"\nwindow_s = 5\nmax_stale_s = 60\n'
    told = problems(tmp_path, HOMEPAGE + route)
    assert told == ["homepage.toml:1: route name 'banners' stands twice; names are distinct within a provider"]


def test_every_member_that_can_be_renamed_is_there():
    """Of a promo that has everything."""
    image, terms = Image("a.png", {"en": "A"}), Terms({"en": "18+"}, "/terms")
    text, audience = Text("Title", "Text", "Go"), Audience(frozenset(("US-NJ",)))
    odds = Boost("provider", "event", "h2h", "one", 2.5)
    promo = Promo(
        "p", "banner", "hero", 1, {"en": text}, 0.0, 1.0, "UTC", audience, image=image, terms=terms, odds=odds
    )
    facts = _promo(Shown(promo, None, ("en",)), {"p": 2.1})
    for name in PromoField.__value__.__args__:
        first, _, second = name.partition(".")
        assert first in facts, name
        assert not second or second in facts[first], name
