import hashlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.entry import FORMAT, Entry, decode, encode, revision_of
from holdover.key import CanonicalRequest

# Lone surrogates included: the fetcher keeps bytes that are no UTF-8 in this form.
TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
REQUESTS = st.builds(CanonicalRequest, TEXT, TEXT, TEXT, PAIRS, PAIRS)
TIMES = st.floats(allow_nan=False)
BODIES = st.binary(max_size=40)
ENTRIES = st.builds(Entry, REQUESTS, st.integers(100, 999), PAIRS, BODIES, BODIES, TEXT, TIMES, TIMES, TIMES, TIMES)


@given(ENTRIES)
def test_round_trip(entry):
    assert decode(encode(entry)) == entry


@given(ENTRIES, st.data())
def test_a_changed_byte_reads_as_absent(entry, data):
    encoded = bytearray(encode(entry))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(encoded)) is None


@given(ENTRIES, st.data())
def test_a_shorter_or_longer_text_reads_as_absent(entry, data):
    encoded = encode(entry)
    assert decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))]) is None
    assert decode(encoded + data.draw(st.binary(min_size=1, max_size=9))) is None


@given(st.binary(max_size=80) | st.binary(max_size=80).map(bytes([FORMAT]).__add__))
def test_anything_else_reads_as_absent(data):
    assert decode(data) is None


def test_a_boundary_between_the_bodies_cannot_move(entry_of):
    """Two lengths changed so that their sum stays: the checksum covers them too."""
    encoded = bytearray(encode(entry_of(body=b"abcdef")))
    facts, identity, zipped = struct.unpack_from(">III", encoded, 17)
    struct.pack_into(">III", encoded, 17, facts, identity - 1, zipped + 1)
    assert decode(bytes(encoded)) is None


def planted(facts: object, *, raw: bytes | None = None) -> bytes:
    """What somebody who knows the format could write: the checksum is right."""
    content = json.dumps(facts).encode() if raw is None else raw
    lengths = struct.pack(">III", len(content), 0, 0)
    for covered in (content, lengths + content):
        data = struct.pack(">B16s", FORMAT, hashlib.blake2b(covered, digest_size=16).digest()) + lengths + content
        if decode_or_error(data) is not None:
            return data
    return data


def decode_or_error(data: bytes) -> object:
    try:
        return decode(data)
    except Exception as error:
        return error


REQUEST = ["p", "r", "/", [["x", "1"]], []]
RESPONSE = [200, [["a", "b"]], "0" * 16]
TIMES_WRITTEN = [1.0, 2.0, 0.0, 0.5]


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        [],
        "text",
        [REQUEST, RESPONSE],
        [REQUEST, RESPONSE, TIMES_WRITTEN, 1],
        [REQUEST[:4], RESPONSE, TIMES_WRITTEN],
        [["p", "r", "/", [["x"]], []], RESPONSE, TIMES_WRITTEN],
        [["p", "r", "/", [["x", 1]], []], RESPONSE, TIMES_WRITTEN],
        [["p", "r", "/", 7, []], RESPONSE, TIMES_WRITTEN],
        [["p", 5, "/", [], []], RESPONSE, TIMES_WRITTEN],
        [REQUEST, ["200", [], "0"], TIMES_WRITTEN],
        [REQUEST, [200, {"a": "b"}, "0"], TIMES_WRITTEN],
        [REQUEST, [200, [], None], TIMES_WRITTEN],
        [REQUEST, RESPONSE, ["1", 2.0, 0.0, 0.5]],
        [REQUEST, RESPONSE, [1.0]],
        [REQUEST, RESPONSE, [*TIMES_WRITTEN, 9.0]],
        [REQUEST, RESPONSE, None],
    ],
)
def test_a_well_made_frame_around_other_facts_reads_as_absent(facts):
    assert decode(planted(facts)) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5_000], ids=lambda raw: repr(raw[:5]))
def test_a_well_made_frame_around_no_json_reads_as_absent(raw):
    assert decode(planted(None, raw=raw)) is None


def test_the_frame_of_these_tests_is_the_frame_of_the_code():
    assert decode(planted([REQUEST, RESPONSE, TIMES_WRITTEN])) is not None


def test_facts_of_an_entry(entry_of):
    entry = entry_of(headers=(("ETag", 'W/"1"'), ("LAST-modified", "then")))
    assert (entry.etag, entry.last_modified, entry.key) == ('W/"1"', "then", entry.request.key)
    assert (entry_of().etag, entry_of().last_modified) == (None, None)
    assert b"[]" not in repr(entry).encode()


def test_a_revision_names_status_and_content():
    revisions = {revision_of(status, body) for status in (200, 201) for body in (b"", b"a", b"b")}
    assert len(revisions) == 6
    assert all(len(revision) == 16 and int(revision, 16) >= 0 for revision in revisions)
