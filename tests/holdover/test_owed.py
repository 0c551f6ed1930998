import logging

from holdover.owed import MOST, Owed, Owing


class Store:
    def __init__(self):
        self.told, self.works, self.meanwhile = [], True, lambda: None

    async def tell(self, what, at):
        if self.works:
            self.told.append((what, at))
            self.meanwhile()
        return self.works


def owing(what, at=100.0, until=200.0):
    return Owing(what, at, until)


async def test_the_store_is_told_until_it_says_no(caplog):
    caplog.set_level(logging.WARNING)
    owed, store = Owed[object](), Store()
    for name in ("a", "b", "c"):
        owed.add(name, owing(name, until=200.0 if name != "b" else 150.0))
    assert (owed.since("a"), owed.since("other")) == (100.0, 0.0)
    store.works = False
    await owed.settle(store.tell, 120.0)
    assert [owed.since(name) for name in "abc"] == [100.0] * 3
    store.works = True
    await owed.settle(store.tell, 150.0)
    assert store.told == [("a", 100.0), ("c", 100.0)], "nothing so old as b would be given any more"
    assert [owed.since(name) for name in "abc"] == [0.0] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2, "when it begins and when it ends"


async def test_what_is_changed_again_while_the_store_is_told_stays_owed():
    owed, store = Owed[object](), Store()
    owed.add("a", owing("a", 100.0))
    store.meanwhile = lambda: owed.add("a", owing("a", 130.0))
    await owed.settle(store.tell, 140.0)
    assert owed.since("a") == 130.0


async def test_what_is_too_much_to_remember_is_in_force_for_all():
    owed, store = Owed[object](), Store()
    for number in range(MOST + 2):
        owed.add(str(number), owing(number, float(number)))
    assert owed.since("other") == owed.since("0") == 1.0
    await owed.settle(store.tell, 150.0)
    assert (len(store.told), owed.since("other"), owed.since("9")) == (MOST, 1.0, 1.0)
