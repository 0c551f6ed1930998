import asyncio
import contextlib
import socket

import pytest

from addons.watch import Watch
from tests.addons.inside import until


class End:
    """One end of a connection that notes what it is told."""

    def __init__(self, watch):
        self.mine, self.other = socket.socketpair()
        self.mine.setblocking(False)
        self.watch, self.got, self.room, self.then = watch, [], 0, lambda: None
        self.watching = False

    def readable(self):
        with contextlib.suppress(BlockingIOError):
            self.got.append(self.mine.recv(100))
        self.then()

    def writable(self):
        self.room += 1
        self.set(write=False)
        self.then()

    def set(self, *, read=True, write=False):
        self.watching = read or write
        self.watch.set(self.mine.fileno(), self, read=read, write=write)

    def close(self):
        if self.mine.fileno() >= 0:
            self.set(read=False)
            self.mine.close()


@pytest.fixture
async def watch():
    made = Watch(asyncio.get_running_loop())
    yield made
    made.close()


@pytest.fixture
def ends(watch):
    made = []

    def make():
        made.append(End(watch))
        return made[-1]

    yield make
    for end in made:
        end.close()
        end.other.close()


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_what_comes_is_told_while_it_is_wanted(ends):
    end = ends()
    end.other.send(b"before")
    end.set()
    await until(lambda: end.got == [b"before"])
    end.set(read=False)
    end.other.send(b"meanwhile")
    await turns()
    assert end.got == [b"before"]
    end.set()
    await until(lambda: end.got == [b"before", b"meanwhile"])


async def test_room_is_told_while_it_is_wanted(ends):
    end = ends()
    end.set(read=True)
    await turns()
    assert end.room == 0
    end.set(write=True)
    await until(lambda: end.room)
    await turns()
    assert end.room == 1


async def test_the_end_and_a_reset_are_told_as_something_to_read(ends):
    first, second = ends(), ends()
    first.set()
    second.set()
    first.other.close()
    second.other.shutdown(socket.SHUT_WR)
    await until(lambda: first.got[:1] == second.got[:1] == [b""])


async def test_more_than_a_turn_takes_are_all_told(ends):
    many = [ends() for _ in range(200)]
    for end in many:
        end.set()
        end.other.send(b"x")
    await until(lambda: all(end.got == [b"x"] for end in many))


async def test_who_was_let_go_in_the_same_turn_is_not_called(ends):
    first, second = ends(), ends()
    for one, other in ((first, second), (second, first)):
        one.then = other.close
        one.set()
        one.other.send(b"x")
    await turns()
    assert len(first.got) + len(second.got) == 1


async def test_who_writes_and_closes_in_one_turn_is_not_read(ends):
    end = ends()
    end.then = end.close
    end.set(read=True, write=True)
    end.other.send(b"x")
    await turns()
    assert (end.room, end.got) == (1, [])


async def test_a_descriptor_that_is_another_ones_by_now_is_his(ends):
    first = ends()
    first.set()
    number = first.mine.fileno()
    first.close()
    second = ends()
    assert number in (second.mine.fileno(), second.other.fileno())
    second.set()
    second.other.send(b"x")
    await until(lambda: second.got == [b"x"])
    assert first.got == []


async def test_others_of_the_loop_have_their_turns(ends):
    """Who is always ready keeps nobody from running."""
    end, ran = ends(), 0
    end.readable = lambda: None
    end.set()
    end.other.send(b"x")
    for _ in range(50):
        await asyncio.sleep(0)
        ran += 1
    assert ran == 50
