"""A client's connection: answered at once where that can be, parked while an answer is fetched, or in mitmproxy's
hands, which write through it as a transport.

Read from and written to without asyncio's transports: a hit is one `recv` and one `send`, and a connection that was
accepted, answered and closed was never watched."""

import asyncio
import enum
import logging
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from holdover.answer import Answer, head_of, local
from holdover.lane import Asked

if TYPE_CHECKING:
    from .fast_lane import FastLane

READ_BYTES = 65_536
WRITE_HIGH_BYTES = 65_536
LINGER_S = 2.0
_TURN = 64
_TLS_HANDSHAKE = 0x16

logger = logging.getLogger("holdover.lane")


class Phase(enum.Enum):
    """Whose turn it is: the client's, the answer's that is waited for, mitmproxy's, or nobody's any more."""

    READY = enum.auto()
    WAITING = enum.auto()
    THEIRS = enum.auto()
    REFUSED = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class Connection(asyncio.Transport):
    """Make it with an accepted, non-blocking socket, then call `begin`."""

    def __init__(self, house: "FastLane", sock: socket.socket, peer: Any, mode: ProxyMode) -> None:
        super().__init__()
        self._house = house
        self._lane = house.lane
        self._loop = house.loop
        self._sock = sock
        self._fd = sock.fileno()
        self._peer = peer
        self.client: str = peer[0] if peer else ""
        self._mode = mode
        self._phase = Phase.READY
        self._held = b""
        self._out = deque[memoryview]()
        self._watched = self._ended = self._raw = self._their_pause = self._their_writes = False
        self._began = False
        self._handover: Any = None
        self._tls: Any = None
        # For the sweep, in the loop's time; 0 for what does not count at the moment.
        self.active = True
        self._quiet_since = self._head_since = self._write_since = 0.0

    # Reading.

    def begin(self) -> None:
        """The first bytes are often there with the connection."""
        self._readable()
        if self._phase is not Phase.CLOSED:
            self._watch()

    def _readable(self) -> None:
        try:
            received = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        self.active = True
        data = received if self._tls is None else self._decrypted(received)
        if data is None:
            return
        if not data:
            self._end()
        elif self._phase is Phase.READY and not self._held and not self._out:
            lease = self._lane.hit(data, self.client)
            if lease is None:
                self._received(data)
                return
            self._send(lease.head, lease.body)
            self._lane.gave(lease)
            if lease.close:
                self.close()
        else:
            self._received(data)

    def _received(self, data: bytes) -> None:
        if not self._began:
            self._began = True
            if data[0] == _TLS_HANDSHAKE and self._begin_tls(data):
                return
        if self._phase is Phase.THEIRS:
            if self._raw or self._handover.standing() != "idle":
                self._handover.feed(data)
                return
            self._phase = Phase.READY
        if self._phase in (Phase.READY, Phase.WAITING):
            self._held += data
            self._advance()
            self._watch()

    def _advance(self) -> None:
        """Answers what has come, in its order, as far as that goes at once."""
        for _ in range(_TURN):
            if not self._held or self._phase is not Phase.READY or self._out:
                return
            try:
                self._next()
            except Exception:
                self._fail_open(b"")
                return
            if self._head_since:
                return
        self._loop.call_soon(self._advance)

    def _next(self) -> None:
        lane, held = self._lane, self._held
        asked = lane.take(held, self.client)
        if asked == "unfinished":
            if len(held) > self._house.settings.max_head_bytes:
                self._refuse(431, "the request's head is too long", "head_size")
            elif not self._head_since:
                self._head_since = self._loop.time()
            return
        self._head_since = 0.0
        if asked is None:
            self._hand(held)
            return
        if (lease := lane.give(asked, self.client)) is not None:
            self._held = held[asked.length :]
            self._send(lease.head, lease.body)
            lane.gave(lease)
            if lease.close:
                self.close()
        elif lane.observed():
            self._hand(held, observed=True)
        else:
            self._held = held[asked.length :]
            self._phase = Phase.WAITING
            self._house.run(self._wait(asked, held[: asked.length], time.perf_counter()))

    async def _wait(self, asked: Asked, request: bytes, started: float) -> None:
        try:
            sent = await self._lane.wait(asked, self.client, started)
        except Exception:
            self._fail_open(request)
            return
        if self._phase is not Phase.WAITING:
            return
        self._phase = Phase.READY
        self._send(sent.head, sent.body)
        if sent.close or (self._ended and not self._held):
            self.close()
        else:
            self._advance()
            self._watch()

    def _fail_open(self, request: bytes) -> None:
        """In front of clients nothing of ours may fail: mitmproxy gets the request, and the provider after it."""
        logger.exception("a request left the lane because of an internal error")
        self._house.metrics.runtime.internal_errors.labels("lane").inc()
        if self._phase in (Phase.READY, Phase.WAITING):
            self._hand(request + self._held)

    def _end(self) -> None:
        """The client sends no more."""
        self._ended = True
        self._watch()
        if self._phase is Phase.THEIRS:
            self._handover.feed_eof()
        elif self._phase is not Phase.WAITING:
            self.close()

    def _watch(self) -> None:
        """Watches the socket for what to read, or does not: who sends too far ahead waits in the system's buffers."""
        limit = self._house.settings.max_pending_bytes
        wanted = not (
            self._ended
            or self._their_pause
            or self._phase is Phase.CLOSED
            or (self._phase is not Phase.THEIRS and len(self._held) > limit)
        )
        if wanted and not self._watched:
            self._loop.add_reader(self._fd, self._readable)
        elif self._watched and not wanted:
            self._loop.remove_reader(self._fd)
        self._watched = wanted

    # Into mitmproxy's hands, and out of them: the next bytes after it has answered are read here again.

    def _hand(self, data: bytes, *, observed: bool = False) -> None:
        if not observed:
            self._lane.passed()
        self._phase, self._held, self._head_since = Phase.THEIRS, b"", 0.0
        if self._handover is None:
            self._handover = self._house.hand_over(self, self._mode)
        self._handover.feed(data)
        if self._ended:
            self._handover.feed_eof()
        self._watch()

    # TLS.

    def _begin_tls(self, data: bytes) -> bool:
        """Whether TLS was meant, and dealt with."""
        if not isinstance(self._mode, ReverseMode) or self._house.tls is None:
            self._raw = True
            self._hand(data)
            return True
        self._tls = self._house.tls.accept()
        self._head_since = self._loop.time()
        if plain := self._decrypted(data):
            self._received(plain)
        return True

    def _decrypted(self, data: bytes) -> bytes | None:
        """What the client said; b"" when it ended, None when there is nothing to do yet."""
        tls = self._tls
        if not data:
            return data
        was_established = tls.established
        plain: bytes = tls.receive(data)
        if out := tls.outgoing():
            self._raw_send(out)
        if tls.failed or self._phase is Phase.CLOSED:
            if tls.failed and not was_established:
                self._house.metrics.lane.handshakes.labels("failed").inc()
            self.close()
            return None
        if not was_established and tls.established:
            self._head_since = 0.0
            self._house.metrics.lane.handshakes.labels("resumed" if tls.resumed else "full").inc()
        if plain:
            return plain
        return b"" if tls.closed else None

    # Writing.

    def _send(self, head: bytes, body: bytes) -> None:
        if self._tls is not None:
            self._raw_send(self._tls.send(head, body))
        elif self._out or not body:
            self._raw_send(head)
            if body:
                self._raw_send(body)
        else:
            try:
                sent = self._sock.sendmsg((head, body))
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lost(error)
                return
            if sent < len(head) + len(body):
                self._keep(head, sent)
                self._keep(body, max(0, sent - len(head)))

    def _raw_send(self, data: bytes) -> None:
        if self._out:
            self._keep(data, 0)
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._lost(error)
            return
        self._keep(data, sent)

    def _keep(self, data: bytes, sent: int) -> None:
        """Has what the system did not take sent later."""
        if sent >= len(data):
            return
        if not self._out:
            self._write_since = self._loop.time()
            self._loop.add_writer(self._fd, self._writable)
        self._out.append(memoryview(data)[sent:])

    def _writable(self) -> None:
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
        if self._their_writes and self.get_write_buffer_size() <= WRITE_HIGH_BYTES // 4:
            self._their_writes = False
            self._handover.protocol.resume_writing()
        if out:
            return
        self._write_since = 0.0
        self._loop.remove_writer(self._fd)
        if self._phase is Phase.CLOSING:
            self._close_now()
        elif self._phase is Phase.REFUSED:
            self._shut()
        else:
            self._advance()

    # Ends.

    def _refuse(self, status: int, message: str, reason: str) -> None:
        """Answers and ends. The client's bytes are read to their end: closed with some unread, it might not get the
        answer."""
        self._house.metrics.lane.closed.labels(reason).inc()
        answer = local(status, message)
        fields = (*answer.fields, (b"Connection", b"close"))
        self._held, self._phase = b"", Phase.REFUSED
        self._head_since = self._loop.time()
        self._send(head_of(Answer(status, fields, b"")), answer.body)
        if not self._out and self._phase is Phase.REFUSED:
            self._shut()

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lost(error)

    def close(self) -> None:
        """Ends the connection once all is written."""
        if self._phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self._phase = Phase.CLOSING
        if self._tls is not None and (last := self._tls.close()):
            self._raw_send(last)
        if not self._out and self._phase is Phase.CLOSING:
            self._close_now()

    def _close_now(self) -> None:
        self._lost(None)

    def _lost(self, error: Exception | None) -> None:
        if self._phase is Phase.CLOSED:
            return
        if self._watched:
            self._loop.remove_reader(self._fd)
            self._watched = False
        if self._out:
            self._loop.remove_writer(self._fd)
            self._out.clear()
        self._phase, self._held = Phase.CLOSED, b""
        self._sock.close()
        self._house.forget(self)
        if self._handover is not None:
            self._loop.call_soon(self._handover.protocol.connection_lost, error)

    def drain(self) -> bool:
        """Ends a connection on which nothing is going on; whether it was one."""
        theirs = self._phase is Phase.THEIRS and (self._raw or self._handover.standing() != "idle")
        if self._phase is Phase.WAITING or theirs or self._out:
            return False
        self.close()
        return True

    def sweep(self, now: float) -> None:
        """Looks, once a second, whether the client takes too long."""
        settings = self._house.settings
        if self.active:
            self.active, self._quiet_since = False, now
            if self._handover is not None and self._phase is Phase.READY:
                self._handover.is_used()
        if self._write_since and now - self._write_since > settings.write_timeout_s:
            self._expire("write_timeout")
        elif self._phase is Phase.REFUSED:
            if now - self._head_since > LINGER_S:
                self._lost(None)
        elif self._phase is Phase.READY:
            if self._head_since and now - self._head_since > settings.head_timeout_s:
                self._refuse(408, "the request's head did not come in time", "head_timeout")
            elif now - self._quiet_since > settings.idle_timeout_s and not self._out:
                self._expire("idle_timeout")
        elif self._phase is Phase.THEIRS and not self._raw:
            self._sweep_theirs(now)

    def _sweep_theirs(self, now: float) -> None:
        settings = self._house.settings
        match self._handover.standing():
            case "busy":
                self._head_since = 0.0
            case "idle":
                self._head_since, self._phase = 0.0, Phase.READY
            case "head":
                self._head_since = self._head_since or now
                if self._handover.head_bytes() > settings.max_head_bytes:
                    self._expire("head_size")
                elif now - self._head_since > settings.head_timeout_s:
                    self._expire("head_timeout")

    def _expire(self, reason: str) -> None:
        self._house.metrics.lane.closed.labels(reason).inc()
        self._lost(None)

    # What mitmproxy's streams use of a transport.

    def write(self, data: Any) -> None:
        if self._phase in (Phase.CLOSING, Phase.CLOSED) or not data:
            return
        self._raw_send(bytes(data) if self._tls is None else self._tls.send(bytes(data)))
        if not self._their_writes and self.get_write_buffer_size() > WRITE_HIGH_BYTES:
            self._their_writes = True
            self._handover.protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def abort(self) -> None:
        self._lost(None)

    def is_closing(self) -> bool:
        return self._phase in (Phase.CLOSING, Phase.CLOSED)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._out))

    def is_reading(self) -> bool:
        return not self._their_pause

    def pause_reading(self) -> None:
        self._their_pause = True
        self._watch()

    def resume_reading(self) -> None:
        self._their_pause = False
        self._watch()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "peername":
                return self._peer
            case "sockname":
                return self._sock.getsockname()
            case "socket":
                return self._sock
        return default
