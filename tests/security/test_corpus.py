"""S23: malformed and ambiguous requests, as raw bytes, in every mode.

Whatever a client sends: the provider never gets two requests for one, no answer from the cache and no entry in it
comes of what is ambiguous, and the connection is closed or in step afterwards."""

import pytest

from tests.security.corpus import Case, Must, cases
from tests.security.place import Place, Seen, client, new_mark

CASES = cases()
SAMPLE = CASES[::7]


def judge(case: Case, must: Must, seen: Seen, *, warm: bool) -> None:
    """`warm`: what the plain spelling asks for is in the cache."""
    assert seen.end in ("closed", "in step"), seen
    assert not [each for each in seen.arrivals if b"planted-" in each.head], seen
    assert all(each.clean for each in seen.arrivals), seen
    new, first = len(seen.arrivals) - case.sent, not warm
    match must:
        case "refuse":
            assert new == (first and case.ahead > case.sent), seen
            assert max(seen.good, seen.hits) <= case.ahead, seen
        case "apart":
            assert new <= 1 + (first and case.ahead > case.sent), seen
            assert (seen.good <= case.ahead + 1, seen.hits <= case.ahead) == (True, True), seen
        case "serve":
            assert new == first, seen
            assert seen.good == len(seen.replies) == case.ahead + 1, seen


def check(place: Place, mode: str, case: Case) -> None:
    one, mark = client(place, mode), new_mark()
    must: Must = "serve" if one.explicit and case.host else case.must
    with one.connect() as good:
        one.own(mark, line=good)
        judge(case, must, one.see(case, mark, good), warm=True)
        assert one.own(mark, line=good).cache.startswith("holdover; hit") != case.changes
        mark = new_mark()
        judge(case, must, one.see(case, mark, good), warm=False)
        stored = one.own(mark, line=good).cache.startswith("holdover; hit")
    assert stored == (must == "serve" or (case.ahead > case.sent and not case.changes))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(
    ("place", "mode"),
    [("with_lane", "reverse"), ("with_lane", "explicit"), ("without_lane", "reverse")],
    indirect=["place"],
)
def test_what_comes_of_it(place: Place, mode: str, case: Case):
    if (mode, case.name) == ("explicit", "CONNECT"):
        pytest.skip("an explicit proxy is there for it")
    check(place, mode, case)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
@pytest.mark.parametrize("mode", ["explicit", "tls", "tunnel"])
def test_what_comes_of_some_in_all_modes(place: Place, mode: str, case: Case):
    check(place, mode, case)


@pytest.mark.parametrize("mode", ["reverse", "explicit", "tls", "tunnel"])
@pytest.mark.parametrize("name", ["two together", "POST of chunks", "Accept-Encoding twice", "cached, then unclear"])
def test_nothing_depends_on_how_it_is_cut(place: Place, mode: str, name: str):
    """Byte by byte, and in two at some place; for a hit at every place."""
    one = client(place, mode)
    [case] = [case for case in CASES if case.name == name]
    mark = new_mark()
    raw = one.spelled(case.raw.replace(b"{m}", mark.encode()))
    every = 1 if mode == "reverse" and case.must == "serve" else 23
    cuts = [list(range(1, len(raw))), *([cut] for cut in range(1, len(raw), every))]
    with one.connect() as good:
        one.own(mark, line=good)
        whole = one.see(case, mark, good)
        for cut in cuts:
            assert one.see(case, mark, good, cut).told == whole.told


def test_a_good_client_is_served_after_all_of_it(place: Place):
    for mode in ("reverse", "explicit", "tls", "tunnel"):
        one, mark = client(place, mode), new_mark()
        assert [one.own(mark).cache.partition(";")[2][:5] for _ in range(2)] == [" fwd=", " hit;"]


def test_nothing_that_was_planted_is_in_the_cache(place: Place):
    words = {b"evil", b"secret", b"session=other", b"planted"}
    files = [path for path in (place.house.folder / "var" / "store").rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files).lower()
    assert b"/v4/sports/m0" in stored
    assert {word for word in words if word in stored} == set()
