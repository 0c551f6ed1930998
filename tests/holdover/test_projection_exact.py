"""A projection is the provider's own answer to the narrower request, byte for byte: random pairs of requests, spelled
as clients spell them, against the emulated provider."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.benchmarks.odds_pairs import compared, random_pair, scenes
from scripts.benchmarks.odds_projection import compare


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(range(len(scenes()))), st.randoms(use_true_random=False))
def test_a_projection_equals_the_direct_answer(number, rng):
    scene = scenes()[number]
    pair = random_pair(rng, scene.board)
    assert compared(scene, pair) != "different", pair


def test_most_of_the_pairs_are_really_compared():
    found, different = compare(60)
    assert different == []
    assert found["equal"] == 60
    assert found == Counter(equal=60) + Counter({name: found[name] for name in ("not allowed", "refused")})
    assert found["not allowed"] < 90
