from dataclasses import replace

import pytest

from holdover.caching.changing import added, invalidated, replaced
from holdover.caching.stored import MOST_VARIANTS, Variants, decode, encode, key_of
from holdover.entry import decode as decode_entry
from tests.holdover.caching.builders import NOW, one

LATER = NOW + 100
EMPTY = Variants("vendor", "all", key_of("vendor", "/a?b"))


def variant(value: str, at: float = NOW, body: bytes = b"0123456789"):
    return replace(one("Vary: A", asked=f"A: {value}", body=body), requested_at=at, received_at=at + 0.5)


def test_what_is_written_is_read():
    odd = replace(
        one("A: \udcff\nA: ü", asked="B: 1"), selecting=(("b", "1"), ("c", None)), stale=True, body=bytes(range(256))
    )
    full = replace(EMPTY, stored=(variant("1"), odd), invalid_until=5.5)
    for variants in (EMPTY, full):
        assert decode(encode(variants)) == variants


def test_what_was_not_written_is_absent():
    data = encode(replace(EMPTY, stored=(variant("1"),)))
    assert decode(b"") is None
    assert decode_entry(data) is None
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        assert decode(bytes(damaged)) is None
    assert decode(data[:-1]) is None


def test_no_two_uris_have_one_key():
    names = [("a", "/b"), ("a", "/b?"), ("a/", "b"), ("", "a/b"), ("b", "/b"), ("a", "/b?c"), ("a", "/%62")]
    assert len({key_of(*name) for name in names}) == len(names)


def test_a_response_takes_the_place_of_the_one_for_the_same_requests():
    first, second, other = variant("1"), variant("1", NOW + 1), variant("2", NOW + 1)
    both = added(added(EMPTY, first, None, 10**6, LATER), other, None, 10**6, LATER)
    assert added(both, second, None, 10**6, LATER).stored == (second, other)
    assert added(both, first, None, 10**6, LATER).stored == (first, other)


def test_an_answer_to_an_older_question_does_not():
    newer, older = variant("1", NOW + 5), variant("1", NOW)
    assert added(replace(EMPTY, stored=(newer,)), older, None, 10**6, LATER).stored == (newer,)


def test_nor_what_was_asked_for_before_an_invalidation():
    invalid = invalidated(replace(EMPTY, stored=(variant("1"),)), NOW + 1)
    assert invalid.stored == ()
    assert added(invalid, variant("1", NOW + 0.5), None, 10**6, LATER).stored == ()
    assert len(added(invalid, variant("1", NOW + 1), None, 10**6, LATER).stored) == 1
    assert invalidated(invalid, NOW).invalid_until == NOW + 1


def test_what_is_from_the_future_keeps_nothing_away():
    """The clock stepped back since."""
    held = replace(EMPTY, stored=(variant("1", NOW + 3600),), invalid_until=NOW + 3600)
    assert added(held, variant("1"), None, 10**6, NOW + 1).stored == (variant("1"),)


def test_what_it_was_made_of_goes_even_if_it_varied_otherwise():
    before, after = variant("1"), replace(one(""), requested_at=NOW + 2)
    assert added(replace(EMPTY, stored=(before,)), after, before, 10**6, LATER).stored == (after,)


@pytest.mark.parametrize(("longest", "left"), [(10**6, MOST_VARIANTS), (35, 3), (5, 1)])
def test_the_oldest_make_room(longest, left):
    variants = EMPTY
    for number in range(MOST_VARIANTS + 5):
        variants = added(variants, variant(str(number), NOW + number), None, longest, LATER)
    assert len(variants.stored) == left
    assert variants.stored[0].selecting == variant(str(MOST_VARIANTS + 4)).selecting


def test_only_what_is_still_there_is_replaced():
    first, second, other = variant("1"), variant("1", NOW + 1), variant("2")
    variants = replace(EMPTY, stored=(first, other))
    assert replaced(variants, first, second).stored == (second, other)
    assert replaced(variants, first, None).stored == (other,)
    assert replaced(variants, second, None) == variants


def test_what_is_held_beside_the_body_counts_too():
    """A client says what selects, an origin the fields."""
    small = replace(EMPTY, stored=(variant("1"),)).size
    long = "x" * 60_000
    assert replace(EMPTY, stored=(replace(variant("1"), selecting=(("accept", long),)),)).size - small > 59_000
    assert replace(EMPTY, stored=(replace(variant("1"), headers=(("A", long),)),)).size - small >= 59_000
