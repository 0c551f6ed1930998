from scripts.benchmarks import memory


def test_ever_new_queries_fill_no_more_than_the_limits():
    """Memory, disk and metric series; `python -m scripts.flood` does it a million times."""
    outcome = memory.measure(memory.QUICK)
    assert [must.name for must in outcome.musts if not must.ok] == []
    assert len(outcome.musts) == 6
