from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.refresh.lanes import Lanes


def test_what_waits_longest_comes_first_whatever_its_lane():
    lanes = Lanes()
    for at, lane in ((3.0, "a"), (1.0, "b"), (2.0, "a"), (4.0, "c")):
        lanes.push(at, lane, f"{lane}{at:g}")
    assert lanes.next_at() == 1
    assert [lanes.pop(3) for _ in range(4)] == [(1, "b1"), (2, "a2"), (3, "a3"), None]
    assert lanes.next_at() == 4


def test_a_lane_that_is_often_held_is_not_overtaken_for_ever():
    """A fresh key comes every moment; the held lane has its turn as soon as it may."""
    lanes = Lanes()
    lanes.push(0.0, "held", "old")
    for now in range(1, 10):
        lanes.push(float(now), "busy", f"new{now}")
        lanes.hold("held", now + 0.5)
        assert lanes.pop(now) == (now, f"new{now}")
    lanes.push(9.6, "busy", "newest")
    assert lanes.pop(10) == (0, "old")


def test_a_lane_that_ran_empty_is_not_held():
    lanes = Lanes()
    lanes.push(1.0, "a", "x")
    lanes.hold("a", 100.0)
    assert (lanes.pop(50), lanes.pop(100)) == (None, (1, "x"))
    lanes.hold("a", 1000.0)
    lanes.push(2.0, "a", "y")
    assert lanes.pop(100) == (2, "y")
    assert lanes.next_at() is None


def test_what_is_kept_comes_once_and_a_held_lane_stays_held():
    lanes = Lanes()
    for at in (5.0, 3.0, 3.0, 9.0):
        lanes.push(at, "a", "x")
    lanes.push(2.0, "b", "gone")
    lanes.push(4.0, "c", "held")
    lanes.hold("c", 20.0)
    lanes.keep({"x": 3.0, "held": 4.0})
    assert len(lanes) == 2 * 2
    assert [lanes.pop(10), lanes.pop(10), lanes.pop(20)] == [(3, "x"), None, (4, "held")]
    assert lanes.next_at() is None


def test_nothing_is_left_when_it_is_cleared():
    lanes = Lanes()
    lanes.push(1.0, "a", "x")
    lanes.clear()
    assert (lanes.next_at(), lanes.pop(9)) == (None, None)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.sampled_from(["push", "hold", "pop"])), max_size=60
    )
)
def test_it_does_what_a_sorted_list_does(steps):
    lanes, there, held = Lanes(), list[tuple[float, str, str]](), dict[str, float]()
    for number, (lane, moment, what) in enumerate(steps):
        match what:
            case "push":
                lanes.push(moment, lane, f"{number:03}")
                there.append((moment, lane, f"{number:03}"))
            case "hold" if any(one[1] == lane for one in there):
                lanes.hold(lane, moment)
                held[lane] = moment
            case "pop":
                heads = [min(one for one in there if one[1] == name) for name in {one[1] for one in there}]
                turns = sorted((max(at, held.get(name, 0)), name, at, key) for at, name, key in heads)
                assert lanes.next_at() == (turns[0][0] if turns else None)
                expected = [turn for turn in turns if turn[0] <= moment][:1]
                assert lanes.pop(moment) == (expected[0][2:] if expected else None)
                for _, name, at, key in expected:
                    there.remove((at, name, key))
                    if not any(one[1] == name for one in there):
                        held.pop(name, None)
