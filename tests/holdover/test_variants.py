from dataclasses import replace

import pytest

from holdover.answer import Ready
from holdover.canonical import CanonicalRequest
from holdover.key import Cacheable
from holdover.provider_settings import QuotaSettings
from holdover.variants import is_variant, selected, variant

ASKED = CanonicalRequest("vendor", "odds", "/odds", headers=(("lang", "de"),))


@pytest.fixture
def cacheable(provider_of, route_of):
    provider = provider_of(route_of(headers=["Lang"]))
    return Cacheable(provider, provider.routes[0], ASKED)


@pytest.mark.parametrize(
    ("names", "sends", "expected"),
    [
        ([], [("Origin", "a")], ()),
        (["origin"], [], ()),
        (["origin"], [("ORIGIN", " a\t")], (("origin", "a"),)),
        (["origin"], [("Origin", "")], (("origin", ""),)),
        (["x"], [("X", "1"), ("x", "2")], (("x", "1, 2"),)),
        (["x", "b", "y"], [("X", "1"), ("B", "2")], (("b", "2"), ("x", "1"))),
        (["lang"], [("Lang", "de")], ()),
        # Who accepts anything says what holdover says.
        (["accept"], [("Accept", "*/*")], ()),
        (["accept"], [("Accept", "a/b , */*")], (("accept", "a/b,*/*"),)),
        (["accept-language"], [("Accept-Language", "de, EN")], (("accept-language", "de,en"),)),
        (["user-agent"], [("User-Agent", "A (KHTML, like B)")], (("user-agent", "A (KHTML, like B)"),)),
        # What would break the call to the provider.
        (["x"], [("X", "a\r\nb\0\x7f")], (("x", "a%0D%0Ab%00%7F"),)),
        (["x"], [("X", "M\udcfc\u00fc")], (("x", "M%DCFC\u00fc"),)),
    ],
)
def test_a_variant_has_the_fields_that_the_client_sends(cacheable, names, sends, expected):
    made = variant(cacheable, names, lambda: tuple(sends))
    assert (made is not None) is bool(expected)
    if made is not None:
        assert made.canonical == replace(ASKED, headers=tuple(sorted((*ASKED.headers, *expected))))
        assert is_variant(cacheable.route.settings, made.canonical)
    assert not is_variant(cacheable.route.settings, ASKED)


def test_each_answer_tells_which_further_fields_count(cacheable, entry_of):
    def fields():
        return (("A", "1"), ("B", "2"), ("C", "3"))

    def chosen(guess, *varying):
        """Of answers that are stored under the keys that the ones before lead to."""
        stored, at = {}, cacheable
        for names in varying:
            stored[at.canonical.key] = Ready(entry_of(), QuotaSettings(), frozenset(names))
            at = variant(at, names, fields) or at
        found, ready = selected(cacheable, fields, guess, stored.get)
        assert ready is stored.get(found.canonical.key)
        return "".join(name for name, _ in found.canonical.headers if name != "lang"), ready is not None

    assert chosen("") == ("", False)
    assert chosen("a") == ("a", False), "nothing is stored that tells"
    assert chosen("a", "") == ("", True)
    assert chosen("a", "b") == ("b", False)
    assert chosen("", "b", "") == ("b", True)
    assert chosen("", "b", "ac") == ("abc", False)
    assert chosen("", "b", "ac", "x") == ("abc", True)
