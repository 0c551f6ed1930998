"""Watches sockets by an epoll of its own within the loop's: a turn of asyncio costs microseconds of Python, which
many sockets that are ready at once share so."""

import asyncio
import select
from typing import Protocol

_TURN = 64
# A busy server finds others ready when it is through with some, for less than another turn of the loop costs.
_POLLS = 4
_READABLE = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP


class Watched(Protocol):
    """What is called when a socket is ready."""

    def readable(self) -> None: ...
    def writable(self) -> None: ...


class Watch:
    """Of one event loop, from its making to `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}
        loop.add_reader(self._epoll.fileno(), self._turn)

    def set(self, descriptor: int, watched: Watched, *, read: bool, write: bool) -> None:
        """What to watch from now on; the descriptor is open."""
        events = select.EPOLLIN * read | select.EPOLLOUT * write
        known = descriptor in self._watched
        if events and known:
            self._epoll.modify(descriptor, events)
        elif events:
            self._watched[descriptor] = watched
            self._epoll.register(descriptor, events)
        elif known:
            del self._watched[descriptor]
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _turn(self) -> None:
        for _ in range(_POLLS):
            ready = self._epoll.poll(0, _TURN)
            if not ready:
                return
            for descriptor, events in ready:
                # What comes earlier in this turn may have ended the watch, or the connection.
                if events & select.EPOLLOUT and (watched := self._watched.get(descriptor)) is not None:
                    watched.writable()
                if events & _READABLE and (watched := self._watched.get(descriptor)) is not None:
                    watched.readable()
