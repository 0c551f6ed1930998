import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdover.store.base import StoreError
from holdover.store.tries import Tries


def test_who_waits_for_a_lock_does_not_wait_for_it_again():
    tries, queued, made = Tries(), threading.Event(), []

    def locked():
        made.append("a try")
        queued.wait(30)
        raise StoreError("locked")

    with ThreadPoolExecutor(1) as thread:
        calls = [thread.submit(tries.one(locked)) for _ in range(5)]
        queued.set()
        for call in calls:
            with pytest.raises(StoreError):
                call.result()
        assert len(made) == 1
        assert thread.submit(tries.one(lambda: "written")).result() == "written"
        # The store is tried again by whoever comes later.
        with pytest.raises(StoreError):
            thread.submit(tries.one(locked)).result()
        assert len(made) == 2


def test_an_error_of_another_kind_is_of_one_call_alone():
    tries = Tries()
    with ThreadPoolExecutor(1) as thread:
        first, second = thread.submit(tries.one(lambda: 1 / 0)), thread.submit(tries.one(lambda: 2))
        with pytest.raises(ZeroDivisionError):
            first.result()
        assert second.result() == 2
