"""A socket as a transport of asyncio's, written and read without asyncio's own: a hit is one `recv` and one `send`,
and a connection that was accepted, answered and closed is never watched."""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Iterable
from typing import Any

from .watch import Watch

HIGH_BYTES = 65_536
LOW_BYTES = 16_384


class RawTransport(asyncio.Transport):
    """Over an accepted, non-blocking socket. What reads, and what is told of the end, is a subclass's."""

    # With more than thirty attributes CPython would keep them in a dict, and look them up three times as slowly.
    __slots__ = (
        "_closed",
        "_closing",
        "_ends_writing",
        "_fd",
        "_full",
        "_loop",
        "_out",
        "_paused",
        "_peer",
        "_protocol",
        "_reads",
        "_sock",
        "_watch",
        "_write_since",
    )

    def __init__(self, sock: socket.socket, peer: Any, loop: asyncio.AbstractEventLoop, watch: Watch) -> None:
        super().__init__()
        self._sock = sock
        self._fd = sock.fileno()
        self._peer = peer
        self._loop = loop
        self._watch = watch
        self._out = deque[memoryview]()
        self._reads = self._closing = self._closed = self._paused = self._full = False
        self._ends_writing = False
        self._protocol: asyncio.StreamReaderProtocol | None = None
        # In the loop's time; 0 while nothing waits to be written.
        self._write_since = 0.0

    def readable(self) -> None:
        """The socket has something to be read, or has ended."""
        raise NotImplementedError

    # For subclasses.

    def _put(self, data: bytes) -> None:
        """What a stream writes, on its way to the client."""
        self._send(data)

    def _more(self) -> None:
        """All that waited is with the system: has what is still to be made ready written, if there is anything."""

    def _written(self) -> None:
        """All that waited is with the system, and nothing is to be made ready."""

    def _forgotten(self) -> None:
        """The socket is closed."""

    def _watch_for_more(self, *, wanted: bool) -> None:
        if self._closed:
            # Somebody else's socket may have the number by now.
            return
        wanted = wanted and not self._paused
        if wanted is not self._reads:
            self._reads = wanted
            self._watch.set(self._fd, self, read=wanted, write=bool(self._out))

    def _send(self, *parts: bytes) -> None:
        """Has the parts, if there are any, written; now as far as that goes."""
        sent = 0
        if not self._out:
            try:
                if len(parts) == 1:
                    sent = self._sock.send(parts[0])
                    if sent == len(parts[0]):
                        return
                else:
                    sent = self._sock.sendmsg(parts)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lost(error)
                return
        self._keep(sent, parts)

    def _keep(self, sent: int, parts: Iterable[bytes]) -> None:
        """Has what the system did not take of these parts written later."""
        for part in parts:
            if sent < len(part):
                self._out.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))
        if self._out and not self._write_since:
            self._write_since = self._loop.time()
            self._watch.set(self._fd, self, read=self._reads, write=True)

    def writable(self) -> None:
        """The system takes more."""
        out = self._out
        try:
            while out:
                sent = self._sock.send(out[0])
                self._write_since = self._loop.time()
                if sent < len(out[0]):
                    out[0] = out[0][sent:]
                    break
                out.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        if not out:
            self._more()
        self._go_on_writing()
        if out or self._closed:
            return
        self._write_since = 0.0
        self._watch.set(self._fd, self, read=self._reads, write=False)
        if self._closing:
            self._lost(None)
        elif self._ends_writing:
            self._shut()
        else:
            self._written()

    def _go_on_writing(self) -> None:
        """Has whoever writes go on, where enough of what waited is written."""
        if self._full and self.get_write_buffer_size() <= LOW_BYTES:
            self._full = False
            if self._protocol is not None:
                self._protocol.resume_writing()

    def _lost(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._watch.set(self._fd, self, read=False, write=False)
        self._out.clear()
        self._closing = self._closed = True
        self._reads = False
        self._sock.close()
        self._forgotten()
        if self._protocol is not None:
            self._loop.call_soon(self._protocol.connection_lost, error)

    def _has_unread(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def _is_gone(self) -> bool:
        """Whether the client has broken off. One that has only said that it sends no more reads on."""
        poll = select.poll()
        poll.register(self._fd, 0)
        return bool(poll.poll(0))

    # What asyncio's streams use of a transport.

    def write(self, data: Any) -> None:
        if self.is_closing() or not data:
            return
        self._put(bytes(data))
        if not self._full and self.get_write_buffer_size() > HIGH_BYTES:
            self._full = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Says, once all is written, that no more will be."""
        self._ends_writing = True
        if not (self._out or self._closed):
            self._shut()

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lost(error)

    def close(self) -> None:
        """Ends the connection once all is written."""
        if not self._closing:
            self._closing = True
            if not self._out:
                self._lost(None)

    def abort(self) -> None:
        self._lost(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._out))

    def is_reading(self) -> bool:
        return not self._paused

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "peername":
                return self._peer
            case "sockname":
                return self._sock.getsockname()
            case "socket":
                return self._sock
        return default
