"""The soak of random faults, a short one: `scripts/faults` runs it for longer."""

from scripts.soak.__main__ import run

SEED = 8


def test_promises_are_kept_under_random_faults():
    verdicts = run(SEED, 0.3, clients=12, tell=False)
    assert [(one.promise, one.wrong) for one in verdicts if one.wrong] == []
    assert all(one.counted for one in verdicts)
