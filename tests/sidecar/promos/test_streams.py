"""Whom a change has reached, of those who still listen."""

from sidecar.promos.streams import Changes


def test_who_has_gone_is_not_waited_for():
    changes, ended = Changes(), set[str]()
    here, gone = changes.open("web-1"), changes.open("web-2", lambda: "web-2" in ended)
    changes.tell("r2", 1.0)
    changes.told(here, "r2")
    changes.fetched(here.number, "r2")
    assert (changes.facts()["all_told_at"], changes.facts()["streams"]) == (None, 2)
    ended.add("web-2")
    facts = changes.facts()
    assert (facts["streams"], list(facts["instances"])) == (1, ["web-1"])
    assert facts["all_told_at"] is not None
    assert facts["all_fetched_at"] is not None
    changes.close(gone)
