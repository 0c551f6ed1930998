import gzip
import zlib
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.coding import SEARCHED_BYTES, UnusableBodyError, codings, inflate, plain, without
from holdover.exchange import Response, header

LIMIT = 1 << 16
# Without the blank itself, so that what is left can hold no form by chance.
SECRETS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="-"), min_size=6)


def zipped(body: bytes, coding: str = "gzip") -> Response:
    packed = gzip.compress(body)
    return Response(200, (("Content-Encoding", coding), ("Content-Length", str(len(packed)))), packed)


@given(st.binary(max_size=5000))
def test_both_codings_whichever_came(body):
    for answer in (
        Response(200, (), body),
        Response(200, (("Content-Encoding", "identity"),), body),
        zipped(body),
        zipped(body, "X-Gzip"),
    ):
        plain, packed = codings(answer, LIMIT)
        assert plain == body
        assert gzip.decompress(packed) == body


def test_what_came_packed_is_not_packed_again():
    answer = zipped(b"[1]")
    assert codings(answer, LIMIT)[1] is answer.body


def test_packing_is_the_same_every_time():
    assert codings(Response(200, (), b"[1]"), LIMIT)[1][4:8] == bytes(4)  # no time of day


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "identity, gzip", "x" * 500])
def test_a_coding_that_was_not_asked_for(coding):
    with pytest.raises(UnusableBodyError) as error:
        codings(Response(200, (("Content-Encoding", coding),), b"x"), LIMIT)
    assert len(str(error.value)) < 100


@given(st.binary(max_size=200))
def test_anything_is_inflated_or_unusable(body):
    try:
        assert inflate(body, LIMIT) == gzip.decompress(body)
    except UnusableBodyError:
        return


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_limit_is_exact(over):
    body = gzip.compress(bytes(LIMIT + over))
    if over > 0:
        with pytest.raises(UnusableBodyError, match=f"larger than {LIMIT} bytes"):
            inflate(body, LIMIT)
    else:
        assert len(inflate(body, LIMIT)) == LIMIT + over


def test_every_cut_of_a_gzip_is_unusable():
    body = gzip.compress(b"[1, 2, 3]" * 20)
    for end in range(len(body)):
        with pytest.raises(UnusableBodyError):
            inflate(body[:end], LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b"plain",
        zlib.compress(b"[1]"),
        gzip.compress(b"[1]") + b"\n",
        gzip.compress(b"[1]")[:-1] + b"\xff",
        gzip.compress(b"[1]")[:-8] + bytes(8),
    ],
    ids=["plain", "zlib", "more behind it", "length", "checksum"],
)
def test_what_is_no_gzip(body):
    with pytest.raises(UnusableBodyError):
        inflate(body, LIMIT)


@given(SECRETS, st.booleans())
def test_no_form_of_the_secret_is_left(secret, packed):
    forms = [secret, quote(secret, safe=""), quote_plus(secret)]
    body = " | ".join(forms).encode()
    answer = zipped(body) if packed else Response(200, (), body)
    answer = Response(401, (*answer.headers, ("Location", f"/?k={forms[1]}"), ("Link", forms[2])), answer.body)
    clean = without(answer, secret, LIMIT)
    assert clean.status == 401
    for form in forms:
        assert form.encode() not in clean.body
        assert form not in (header(clean.headers, "location") or "")
        assert form not in (header(clean.headers, "link") or "")
    assert header(clean.headers, "content-encoding") is None
    assert header(clean.headers, "content-length") == str(len(clean.body))


@pytest.mark.parametrize("answer", [Response(200, (("X", "1"),), b"[1]"), zipped(b"[1]")])
def test_what_does_not_quote_the_secret_stays_as_it_is(answer):
    clean = without(answer, "own-secret", LIMIT)
    assert clean == answer
    assert clean.body is answer.body


def test_a_field_that_quotes_it_leaves_the_body_alone():
    answer = zipped(b"[1]")
    clean = without(Response(302, (*answer.headers, ("Location", "/own-secret/2")), answer.body), "own-secret", LIMIT)
    assert clean.body is answer.body
    assert clean.headers == (*answer.headers, ("Location", "/-/2"))


NESTED = [
    "/login?next=%2Fv4%2Fodds%3FapiKey%3Down-secret%26page%3D2",
    r'{"next":"/v4?apiKey\u003down-secret\u0026page=2"}',
]


@pytest.mark.parametrize("text", NESTED)
def test_an_escape_before_the_secret_does_not_hide_it(text):
    clean = without(Response(302, (("Location", text),), text.encode()), "own-secret", LIMIT)
    assert "own-secret" not in (header(clean.headers, "location") or "")
    assert b"own-secret" not in clean.body


@pytest.mark.parametrize("form", ["own-secret", "%6f%77%6E-secret", quote("own-secret", safe="")])
def test_wherever_the_secret_stands_it_is_found(form):
    """Long bodies are searched in parts."""
    for before in (*range(SEARCHED_BYTES - len(form) - 1, SEARCHED_BYTES + 2), 2 * SEARCHED_BYTES - 1):
        body = b"x" * before + form.encode() * 2 + b"y" * SEARCHED_BYTES
        clean = without(Response(200, (), body), "own-secret", 8 * SEARCHED_BYTES)
        assert clean.body == b"x" * before + b"--" + b"y" * SEARCHED_BYTES


def test_what_cannot_be_searched_is_unusable():
    for body in (b"no gzip", gzip.compress(bytes(LIMIT + 1))):
        with pytest.raises(UnusableBodyError):
            without(Response(500, (("Content-Encoding", "gzip"),), body), "own-secret", LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_a_response_without_its_coding(coding):
    packed = Response(404, (("Content-Encoding", coding), ("X-Kept", "1")), gzip.compress(b"[1,2]"))
    assert plain(packed, 5) == Response(404, (("X-Kept", "1"),), b"[1,2]")
    assert plain(packed, 4) is None
    assert plain(replace(packed, body=packed.body[:-1]), 5) is None
    assert plain(replace(packed, headers=(("Content-Encoding", "br"),)), 5) is None


def test_a_response_without_a_coding_is_its_own():
    response = Response(404, (("X-Kept", "1"),), b"[1,2]")
    assert plain(response, 4) == response
