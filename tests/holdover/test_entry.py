import hashlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.content import Board, revision_of
from holdover.entry import FORMAT, Entry, decode, encode, request_facts, request_from

# Lone surrogates included: the fetcher keeps bytes that are no UTF-8 in this form.
TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
REQUESTS = st.builds(CanonicalRequest, TEXT, TEXT, TEXT, PAIRS, PAIRS, TEXT, TEXT)
TIMES = st.floats(allow_nan=False)
BODIES = st.binary(max_size=40)
STARTS = st.lists(TIMES, max_size=3).map(tuple)
BOARDS = st.builds(Board, st.none() | st.integers(0), STARTS, st.none() | TIMES, st.none() | TIMES)
FACTS = (REQUESTS, st.integers(100, 999), PAIRS, BODIES, BODIES, TEXT, TIMES, TIMES, TIMES, TIMES)
ENTRIES = st.builds(Entry, *FACTS, BOARDS, TIMES, TIMES, TEXT)


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


REQUEST = ["p", "r", "/", "body", "tenant", [["x", "1"]], []]
RESPONSE = [200, [["a", "b"]], "0" * 16, "markets"]
TIMES_WRITTEN = [1.0, 2.0, 0.0, 0.5, 6.0, 0.0]
BOARD = [2, [1.0, 2.0], 3.0, 2.5]


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        [],
        "text",
        [REQUEST, RESPONSE, TIMES_WRITTEN],
        [REQUEST, RESPONSE, TIMES_WRITTEN, BOARD, 1],
        [REQUEST[:6], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST, []], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST[:5], [["x"]], []], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST[:5], [["x", 1]], []], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST[:5], 7, []], RESPONSE, TIMES_WRITTEN, BOARD],
        [["p", 5, *REQUEST[2:]], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST[:3], None, *REQUEST[4:]], RESPONSE, TIMES_WRITTEN, BOARD],
        [[*REQUEST[:4], 7, *REQUEST[5:]], RESPONSE, TIMES_WRITTEN, BOARD],
        [REQUEST, ["200", [], "0", ""], TIMES_WRITTEN, BOARD],
        [REQUEST, [200, {"a": "b"}, "0", ""], TIMES_WRITTEN, BOARD],
        [REQUEST, [200, [], None, ""], TIMES_WRITTEN, BOARD],
        [REQUEST, [200, [], "0", None], TIMES_WRITTEN, BOARD],
        [REQUEST, [200, [], "0"], TIMES_WRITTEN, BOARD],
        [REQUEST, RESPONSE, ["1", *TIMES_WRITTEN[1:]], BOARD],
        [REQUEST, RESPONSE, [1.0], BOARD],
        [REQUEST, RESPONSE, [*TIMES_WRITTEN, 9.0], BOARD],
        [REQUEST, RESPONSE, None, BOARD],
        [REQUEST, RESPONSE, TIMES_WRITTEN, None],
        [REQUEST, RESPONSE, TIMES_WRITTEN, BOARD[:3]],
        [REQUEST, RESPONSE, TIMES_WRITTEN, ["2", *BOARD[1:]]],
        [REQUEST, RESPONSE, TIMES_WRITTEN, [2, ["1.0"], 3.0, 2.5]],
        [REQUEST, RESPONSE, TIMES_WRITTEN, [2, 1.0, 3.0, 2.5]],
        [REQUEST, RESPONSE, TIMES_WRITTEN, [2, [], "3.0", 2.5]],
    ],
)
def test_a_well_made_frame_around_other_facts_reads_as_absent(facts):
    assert decode(planted(facts)) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5_000], ids=lambda raw: repr(raw[:5]))
def test_a_well_made_frame_around_no_json_reads_as_absent(raw):
    assert decode(planted(None, raw=raw)) is None


def test_the_frame_of_these_tests_is_the_frame_of_the_code():
    assert decode(planted([REQUEST, RESPONSE, TIMES_WRITTEN, BOARD])) is not None


@given(REQUESTS)
def test_a_request_comes_back_from_its_facts(request):
    assert request_from(json.loads(json.dumps(request_facts(request)))) == request


def test_facts_of_an_entry(entry_of):
    entry = entry_of(headers=(("ETag", 'W/"1"'), ("LAST-modified", "then")))
    assert (entry.etag, entry.last_modified, entry.key) == ('W/"1"', "then", entry.request.key)
    assert (entry_of().etag, entry_of().last_modified) == (None, None)
    assert b"[]" not in repr(entry).encode()


def test_a_revision_names_status_and_content():
    revisions = {revision_of(status, body) for status in (200, 201) for body in (b"", b"a", b"b")}
    assert len(revisions) == 6
    assert all(len(revision) == 16 and int(revision, 16) >= 0 for revision in revisions)


def test_a_revision_passes_over_what_volatile_members_hold():
    bodies = [b'{"at": "%s", "price": %s}' % pair for pair in [(b"1", b"2.5"), (b"2", b"2.5"), (b"1", b"2.6")]]
    one, later, moved = (revision_of(200, body, ("at",)) for body in bodies)
    assert one == later != moved
    assert len({revision_of(200, body) for body in bodies}) == 3
