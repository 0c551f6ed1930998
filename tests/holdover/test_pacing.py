import fcntl
import math
import os
import random
import struct

import pytest

from holdover.gate import Rate
from holdover.store.pacing import BUSY_S, FILE, GIVEN_UP_S, Pacing

LIMITS = Rate(10, 5)


@pytest.fixture
def pacing_of(tmp_path):
    made = []

    def build(folder=tmp_path):
        made.append(Pacing(folder))
        return made[-1]

    yield build
    for each in made:
        each.close()


def started(takes, seconds, now=1000.0, rate=LIMITS):
    """When calls start that are tried again and again by each of `takes`, in order."""
    starts, end, dice = [], now + seconds, random.Random(7)
    while now < end:
        if dice.choice(takes)(rate, now) == 0:
            starts.append(now)
        now += 0.003
    return starts


def test_all_processes_together_keep_to_the_rate(pacing_of):
    starts = started([pacing_of().of("odds", "") for _ in range(4)], 6)
    for first, one in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= LIMITS.burst + LIMITS.rate * (starts[last] - one) + 1e-3
    assert len(starts) == pytest.approx(LIMITS.burst + LIMITS.rate * 6, abs=2)


def test_a_process_that_is_new_has_no_burst_of_its_own(pacing_of):
    assert len(started([pacing_of().of("odds", "")], 0.05)) == LIMITS.burst
    assert len(started([pacing_of().of("odds", "")], 0.05, now=1000.05)) <= 1


def test_it_tells_when(pacing_of):
    take = pacing_of().of("odds", "")
    started([take], 0.05)
    left = take(LIMITS, 1000.05)
    assert 0 < left < 1 / LIMITS.rate
    assert take(LIMITS, 1000.05 + left) == 0


def test_each_name_has_its_own(pacing_of):
    pacing = pacing_of()
    for n in range(2000):
        assert len(started([pacing.of("odds", str(n))], 0.02)) == LIMITS.burst


def test_a_share_is_kept_to_and_stands_for_others(pacing_of):
    slow = Rate(10, 5, share=1 / 16)
    assert len(started([pacing_of().of("odds", "")], 16, rate=slow)) == pytest.approx(11, abs=1)
    assert len(started([pacing_of().of("odds", "")], 0.05, now=1016.0)) <= LIMITS.burst


@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf, 1e9, 1001.0 + LIMITS.burst / LIMITS.rate + 10])
def test_moments_that_nobody_can_have_written_shut_nobody_out(pacing_of, tmp_path, moment):
    take = pacing_of().of("odds", "")
    take(LIMITS, 1000.0)
    data = (tmp_path / FILE).read_bytes()
    at = next(i for i in range(0, len(data), 16) if any(data[i : i + 16]))
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(at + 8)
        file.write(struct.pack("=d", moment))
    assert take(LIMITS, 1001.0) == 0


@pytest.mark.parametrize("harm", ["truncated", "deleted", "noise"])
def test_a_file_that_was_harmed_lets_calls_start_and_is_used_again(pacing_of, tmp_path, harm):
    one, other = pacing_of().of("odds", ""), pacing_of().of("odds", "")
    one(LIMITS, 1000.0)
    match harm:
        case "truncated":
            os.truncate(tmp_path / FILE, 3)
        case "deleted":
            (tmp_path / FILE).unlink()
        case _:
            (tmp_path / FILE).write_bytes(random.Random(7).randbytes((tmp_path / FILE).stat().st_size))
    assert LIMITS.burst <= len(started([one, other], 0.1)) <= LIMITS.burst + 1


def test_without_a_file_each_keeps_to_the_rate_by_itself(pacing_of, tmp_path):
    assert pacing_of(tmp_path / "none").of("odds", "")(LIMITS, 1000.0) == 0
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    assert pacing_of().of("odds", "")(LIMITS, 1000.0) == 0
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_process_that_stopped_with_the_lock_does_not_stop_others(pacing_of, tmp_path):
    take = pacing_of().of("odds", "")
    take(LIMITS, 1000.0)
    with (tmp_path / FILE).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert take(LIMITS, 1000.0) == BUSY_S
        assert take(LIMITS, 1000.0 + GIVEN_UP_S) == 0
    assert len(started([take], 0.05, now=1000.3)) < LIMITS.burst + 1


def test_it_is_its_owners_alone(pacing_of, tmp_path):
    pacing_of().of("odds", "")(LIMITS, 1000.0)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
