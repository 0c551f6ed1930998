import os
import subprocess
import sys
import threading

import pytest

from holdover.store.base import Position, StoreError
from holdover.store.changes import SLOTS, ChangeFile


def key(number: int) -> str:
    return f"{number:032x}"


def announce(changes: ChangeFile, *numbers: int) -> None:
    for number in numbers:
        with changes.lock(5.0):
            changes.announce(key(number))


@pytest.fixture
def changes(tmp_path):
    return ChangeFile(tmp_path / "changes")


def test_a_new_file_is_for_its_owner_alone_and_nothing_changed_yet(changes):
    assert changes.path.stat().st_mode & 0o777 == 0o600
    start = changes.position()
    assert start.sequence == 0
    assert changes.since(start).keys == ()


def test_who_opens_it_later_sees_the_same_sequence(changes):
    start = changes.position()
    announce(changes, 1, 2)
    other = ChangeFile(changes.path)
    assert other.position() == changes.position() == Position(start.epoch, 2)
    announce(other, 3)
    found = changes.since(start)
    assert sorted(found.keys) == [key(1), key(2), key(3)]
    assert changes.since(found.position).keys == ()


def test_a_key_that_changed_often_is_named_once(changes):
    start = changes.position()
    announce(changes, 7, 7, 7, 8)
    assert sorted(changes.since(start).keys) == [key(7), key(8)]


def test_what_is_further_back_than_half_the_ring_is_not_known(changes):
    start = changes.position()
    announce(changes, *range(1, SLOTS // 2))
    assert len(changes.since(start).keys) == SLOTS // 2 - 1
    announce(changes, SLOTS)
    found = changes.since(start)
    assert found.keys is None
    assert found.position == changes.position()


def test_the_ring_goes_round(changes):
    announce(changes, *range(SLOTS - 2))
    before = changes.position()
    announce(changes, *range(SLOTS, SLOTS + 5))
    assert sorted(changes.since(before).keys) == [key(number) for number in range(SLOTS, SLOTS + 5)]
    assert changes.path.stat().st_size <= 24 + SLOTS * 16


@pytest.mark.parametrize("position", [Position(1, 0), Position(0, 0)])
def test_another_epoch_has_no_order_with_this_one(changes, position):
    assert changes.since(position).keys is None


def test_a_position_ahead_of_the_file_is_not_known(changes):
    now = changes.position()
    assert changes.since(Position(now.epoch, now.sequence + 1)).keys is None


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 24, b"no change file at all, but long enough to be one"])
def test_a_file_of_another_kind_is_begun_anew(tmp_path, content):
    path = tmp_path / "changes"
    path.write_bytes(content)
    changes = ChangeFile(path)
    announce(changes, 5)
    assert ChangeFile(path).position() == changes.position()
    assert changes.position().sequence == 1


@pytest.mark.parametrize("size", [0, 10, 24, 30])
def test_a_file_truncated_under_its_readers_ends_nobody(changes, size):
    announce(changes, 1, 2, 3)
    seen = changes.position()
    os.truncate(changes.path, size)
    found = changes.since(seen)
    assert found.keys is None or set(found.keys) <= {key(1), key(2), key(3)}
    again = ChangeFile(changes.path)
    announce(again, 9)
    assert changes.position() == again.position()


def test_a_symbolic_link_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "changes").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        ChangeFile(tmp_path / "changes")
    assert (tmp_path / "target").read_text() == "precious"


def test_replaced(changes):
    assert not changes.replaced()
    changes.path.rename(changes.path.with_name("old"))
    assert changes.replaced()
    other = ChangeFile(changes.path)
    assert changes.replaced()
    assert not other.replaced()


def test_a_lock_that_another_process_holds_is_not_waited_for_without_end(changes, lock_holder):
    with lock_holder(changes.path):
        with pytest.raises(StoreError, match=r"^another process has held .*changes locked for 0\.05 s$"):
            announce_within(changes, 0.05)
        start = changes.position()
        assert changes.since(start).keys == (), "readers need no lock"
    announce_within(changes, 5.0)
    assert changes.position().sequence == 1


def test_a_lock_dies_with_its_holder(changes, lock_holder):
    with lock_holder(changes.path) as holder:
        holder.kill()
        announce_within(changes, 5.0)
    assert changes.position().sequence == 1


def announce_within(changes: ChangeFile, timeout: float) -> None:
    with changes.lock(timeout):
        changes.announce(key(1))


def test_the_lock_is_free_again_after_an_exception(changes):
    with pytest.raises(KeyError), changes.lock(5.0):
        raise KeyError
    announce_within(ChangeFile(changes.path), 0.5)


@pytest.mark.parametrize("same_object", [pytest.param(True), False])
def test_the_lock_holds_between_threads_of_one_process_too(changes, same_object):
    """A file lock belongs to the open file: two threads that use one object would both get it."""
    other = changes if same_object else ChangeFile(changes.path)
    held, done = threading.Event(), threading.Event()

    def hold():
        with other.lock(5.0):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        with pytest.raises(StoreError):
            announce_within(changes, 0.05)
    finally:
        done.set()
        thread.join()


def test_a_change_of_another_process_is_seen(changes):
    start = changes.position()
    program = (
        "import sys; from pathlib import Path; from holdover.store.changes import ChangeFile\n"
        "file = ChangeFile(Path(sys.argv[1]))\n"
        "for n in range(100):\n    with file.lock(5.0): file.announce(f'{n:032x}')"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(changes.path)]) as process:
        announce(changes, *range(100, 200))
    assert process.returncode == 0
    found = changes.since(start)
    assert found.position.sequence == 200, "no number was given twice"
    assert sorted(found.keys) == sorted(key(number) for number in range(200))


# Several keys in one announcement


def announce_together(changes: ChangeFile, *numbers: int) -> None:
    with changes.lock(5.0):
        changes.announce(*map(key, numbers))


def test_keys_that_are_announced_together_come_together(changes):
    start = changes.position()
    announce_together(changes, 3, 1, 2, 1)
    found = changes.since(start)
    assert sorted(found.keys) == [key(1), key(2), key(3)]
    assert found.position.sequence == 4
    announce_together(changes)
    assert changes.position() == found.position


@pytest.mark.parametrize("count", [SLOTS // 2 - 1, SLOTS // 2, SLOTS, SLOTS + 1, 3 * SLOTS + 7])
def test_of_more_than_fit_everything_may_have_changed(changes, count):
    announce(changes, 1, 2, 3)
    start = changes.position()
    announce_together(changes, *range(count))
    found = changes.since(start)
    assert (found.keys is None) == (count >= SLOTS // 2)
    assert found.keys is None or sorted(found.keys) == [key(number) for number in range(count)]
    assert changes.path.stat().st_size <= 24 + SLOTS * 16
    announce(changes, 77)
    assert changes.since(found.position).keys == (key(77),)


def test_no_reader_sees_a_part_of_an_announcement(changes):
    """Another process announces eight keys at a time; here any position that is seen is a whole number of those."""
    start = changes.position()
    program = (
        "import sys; from pathlib import Path; from holdover.store.changes import ChangeFile\n"
        "file = ChangeFile(Path(sys.argv[1]))\n"
        "for n in range(500):\n    with file.lock(5.0): file.announce(*(f'{8 * n + i:032x}' for i in range(8)))"
    )
    seen, position = [], start
    with subprocess.Popen([sys.executable, "-c", program, str(changes.path)]) as process:
        while process.poll() is None or changes.position() != position:
            found = changes.since(position)
            assert (found.position.sequence - start.sequence) % 8 == 0
            if found.keys:
                seen.extend(found.keys)
            assert found.keys is not None or found.position.sequence - position.sequence >= SLOTS // 2
            position = found.position
    assert process.returncode == 0
    assert position.sequence == start.sequence + 4000
    assert len(seen) == len(set(seen))
