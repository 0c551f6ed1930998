import hashlib
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.credential import NOBODY, Credential

# Lone surrogates as the adapters make them of bytes that are no UTF-8.
TEXT = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=8)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
CREDENTIALS = st.builds(Credential, PAIRS, PAIRS)


def test_a_value_shows_nowhere():
    credential = Credential((("apiKey", "query-secret"),), (("X-Key", "header-secret"),))
    assert credential.values == ("query-secret", "header-secret")
    for text in (repr(credential), str(credential), f"{credential}", credential.sha256, credential.fingerprint(b"s")):
        assert "secret" not in text


@pytest.mark.parametrize(
    "credential", [Credential((("apiKey", "k1"),)), Credential((("api_key", "k1"),)), Credential((), (("X", "k1"),))]
)
def test_the_digest_is_of_the_value_wherever_it_was_sent(credential):
    assert credential.sha256 == hashlib.sha256(b"k1").hexdigest()


def test_the_digest_of_several_values():
    credential = Credential((("id", "a"),), (("X-Secret", "b"),))
    assert credential.sha256 == hashlib.sha256(b"a\nb").hexdigest()


def test_nobody_has_no_values():
    assert NOBODY.values == ()
    assert Credential() == NOBODY
    assert NOBODY.on("/v4/odds?x=1") == "/v4/odds?x=1"


@given(CREDENTIALS, CREDENTIALS)
def test_fingerprints_tell_values_apart(one, other):
    """Two values with a line feed between them count as the one value that has it: a client has either form."""
    same = "\n".join(one.values) == "\n".join(other.values)
    assert (one.fingerprint(b"salt") == other.fingerprint(b"salt")) == same


@given(CREDENTIALS)
def test_a_fingerprint_is_of_this_installation(credential):
    fingerprint = credential.fingerprint(b"one")
    assert len(fingerprint) == 32
    assert int(fingerprint, 16) >= 0
    assert fingerprint == credential.fingerprint(b"one") != credential.fingerprint(b"other")
    assert fingerprint not in credential.sha256


ENCODABLE = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.tuples(ENCODABLE.filter(bool), ENCODABLE), max_size=3).map(tuple), st.booleans())
def test_what_goes_out_in_the_query_comes_back_out_of_it(pairs, has_query):
    target = Credential(pairs).on("/v4/odds?regions=us%2Cuk" if has_query else "/v4/odds")
    parts = urlsplit(target)
    found = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=9)
    assert parts.path == "/v4/odds"
    assert found == [*((("regions", "us,uk"),) if has_query else ()), *pairs]


def test_header_fields_stay_out_of_the_target():
    assert Credential((("apiKey", "a b&c=d/+"),), (("X", "h"),)).on("/x") == "/x?apiKey=a%20b%26c%3Dd%2F%2B"
