"""Whom a request for an old URL of promos is from. What is not understood never opens a gate."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.exchange import Request
from holdover.key import Bypass, ForPromos, Plan, plan
from holdover.promo_audience import LONGEST
from holdover.provider_settings import ProviderSettings
from holdover.rules import Rules, compile_provider

HOST = "www.sportsbook.test"
STATES = {"NJ": "US-NJ", "pa": "US-PA", "Jersey": "US-NJ", "none": ""}
LANGUAGE = {"constant": "en"}
EVERYTHING: dict[str, Any] = {
    "jurisdiction": {"query": ["state", "st"], "values": STATES},
    "language": {"header": "Accept-Language", "values": {"en": "en", "pt-BR": "pt", "es": "es"}, "absent": "en"},
    "device": {"path": "device"},
    "segment": {"query": ["tags"], "values": {"vip": "vip", "SE": "self-excluded", "all": ""}},
    "visitor": {"query": ["uid"]},
    "visits": {"header": "X-Known", "values": {"1": "returning", "0": "new"}},
}


def planned(request: Request, audience: dict[str, Any] = EVERYTHING) -> Plan:
    promos = [{"name": "banners", "path": "/{device}/banners", "audience": audience}]
    settings = {"name": "homepage", "hosts": [HOST], "origin": f"https://{HOST}", "promos": promos}
    return plan(request, Rules([compile_provider(ProviderSettings.model_validate(settings))]))


def told(query: str = "", audience: dict[str, Any] = EVERYTHING, path: str = "/phone/banners", **headers: str) -> str:
    """As a line of names and values."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    found = planned(Request("GET", HOST, f"{path}?{query}", fields), audience)
    assert isinstance(found, ForPromos), found
    return ", ".join(f"{name} {value}" for name, value in found.audience)


def of(name: str, source: dict[str, Any], query: str = "", **headers: str) -> str:
    """What is told of one thing alone."""
    audience = {"jurisdiction": {"constant": "US-NJ"}, "language": LANGUAGE, name: source}
    facts = dict(each.partition(" ")[::2] for each in told(query, audience, **headers).split(", "))
    return facts.get(name, "")


def test_everything_that_is_told():
    line = told("st=nj&tags=vip,all&uid=47%2011", Accept_Language="es-MX,es;q=0.9,en;q=0.8", X_Known="1")
    assert line == ("jurisdiction US-NJ, language es, device phone, segment vip, visitor 47 11, visits returning")


def test_of_what_is_not_told_only_that_which_is_said_to_be_meant_counts():
    assert told() == "language en, device phone"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=NJ", "US-NJ"),
        ("st=PA", "US-PA"),
        ("state=NJ&st=NJ", "US-NJ"),
        ("state=NJ&st=jersey", "US-NJ"),
        ("st=&state=NJ", "US-NJ"),
        ("state=%20NJ+", "US-NJ"),
        ("state=NJ&_=123&other", None),
        # not understood, or in two ways
        ("state=NV", ""),
        ("state=US-NJ", ""),
        ("state=none", ""),
        ("state=NJ&st=PA", ""),
        ("state=NJ&state=NV", ""),
        ("state=NJ&state=none", ""),
        ("State=NJ", ""),
        ("", ""),
    ],
)
def test_a_jurisdiction_by_its_old_names(query, expected):
    if expected is None:
        assert isinstance(planned(Request("GET", HOST, f"/phone/banners?{query}")), Bypass)
    else:
        assert of("jurisdiction", EVERYTHING["jurisdiction"], query) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("es", "es"),
        ("ES-mx;q=0.7, en", "es"),
        ("pt-br", "pt"),
        ("pt", ""),
        ("fr, en;q=0.9", ""),
        ("*", ""),
        (";q=1", "en"),
    ],
)
def test_the_first_language_of_a_browser(field, expected):
    assert of("language", EVERYTHING["language"], Accept_Language=field) == expected


def test_a_header_field_that_came_twice_tells_nothing():
    """The client's own beside that of the network in front."""
    source = {"header": "X-Geo", "values": STATES}
    fields = (("X-Geo", "NJ"), ("x-geo", "PA"))
    found = planned(Request("GET", HOST, "/phone/banners", fields), {"jurisdiction": source, "language": LANGUAGE})
    assert isinstance(found, ForPromos)
    assert found.audience == (("language", "en"),)
    assert of("jurisdiction", source, X_Geo="nj") == "US-NJ"


def test_what_has_no_values_is_taken_as_it_is():
    assert of("jurisdiction", {"query": ["j"]}, "j=US-NJ") == "US-NJ"
    assert of("jurisdiction", {"query": ["j"]}, "j=us-nj") == "us-nj"
    assert of("device", {"constant": "phone"}) == "phone"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tags=vip", "segment vip"),
        ("tags=vip,SE&tags=vip", "segment self-excluded, segment vip"),
        ("tags=vip&tags=what", "segment ?, segment vip"),
        ("tags=all", ""),
        ("tags=,", ""),
        (f"tags={'x' * (LONGEST + 1)}", "segment ?"),
    ],
)
def test_a_segment_that_is_not_understood_is_told_as_such(query, expected):
    """It may be an exclusion: the resolver shows nothing to whoever is of a segment that it does not know."""
    audience = {"jurisdiction": {"query": ["j"]}, "language": {"query": ["l"]}, "segment": EVERYTHING["segment"]}
    assert told(query, audience) == expected


def test_visits_are_new_or_returning_or_not_known():
    source = {"query": ["v"]}
    assert [of("visits", source, f"v={value}") for value in ("new", "returning", "often")] == ["new", "returning", ""]


@pytest.mark.parametrize("value", ["\udcff", "a\tb", "x" * (LONGEST + 1)])
def test_what_cannot_be_read_is_unknown(value):
    assert of("jurisdiction", {"header": "X-Geo"}, X_Geo=value) == ""
    assert of("segment", {"header": "X-Tags"}, X_Tags=value) == "?"


def test_segments_of_a_path_are_decoded():
    assert told(path="/sm%C3%A5%20phone/banners/").endswith("device små phone")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_pass(method):
    found = planned(Request(method, HOST, "/phone/banners?st=NJ"))
    assert isinstance(found, Bypass)
    assert found.kind == "request"
    assert found.route is not None
    assert found.route.name == "banners"


def test_a_body_and_a_query_of_no_one_meaning_pass():
    for request in (
        Request("GET", HOST, "/phone/banners?st=NJ", body=b"{}"),
        Request("GET", HOST, "/phone/banners?st=NJ;st=PA"),
        Request("GET", HOST, "/phone/banners?st=%zz"),
        Request("GET", HOST, "/phone/tablet/banners?st=NJ"),
    ):
        assert isinstance(planned(request), Bypass), request
    assert isinstance(planned(Request("HEAD", HOST, "/phone/banners")), ForPromos)


WORDS = st.text(max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["X-Geo", "X-Tags", "Accept-Language", "X-Known"]), WORDS)))
def test_nothing_that_a_client_sends_becomes_a_word_that_is_not_among_the_meanings(fields):
    audience = {
        **EVERYTHING,
        "jurisdiction": {"header": "X-Geo", "values": STATES},
        "segment": {**EVERYTHING["segment"], "query": [], "header": "X-Tags"},
    }
    found = planned(Request("GET", HOST, "/phone/banners", tuple(fields)), audience)
    assert isinstance(found, ForPromos)
    allowed = {
        "jurisdiction": {"US-NJ", "US-PA"},
        "language": {"en", "es", "pt"},
        "device": {"phone"},
        "segment": {"vip", "self-excluded", "?"},
        "visits": {"new", "returning"},
    }
    for name, value in found.audience:
        assert value in allowed[name]
