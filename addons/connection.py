"""A client's connection: answered at once where that can be, parked while an answer is fetched, or in mitmproxy's
hands, which write through it as a transport."""

import enum
import logging
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from holdover.answer import closing, head_of, local
from holdover.head import Tunnel
from holdover.lane import Sent
from holdover.lease import Lease

from .raw import RawTransport

if TYPE_CHECKING:
    from .fast_lane import FastLane
    from .handover import Handover
    from .termination import Termination

STANDS_IN = ProxyMode.parse("reverse:http://no-provider.invalid")
"""The target is never called: every flow is answered, sent to its provider's origin, or refused."""

EXPLICIT = ProxyMode.parse("regular")
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
READ_BYTES = 65_536
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


class Connection(RawTransport):
    """Make it with an accepted, non-blocking socket, then call `begin`."""

    _handover: "Handover"

    def __init__(self, house: "FastLane", sock: socket.socket, peer: Any, mode: ProxyMode) -> None:
        super().__init__(sock, peer, house.loop, house.watch)
        self._house = house
        self._lane = house.lane
        self.client: str = peer[0] if peer else ""
        self._mode = mode
        self._phase = Phase.READY
        self._held = b""
        # `_raw`: mitmproxy has it for ever, TLS that is its own to end.
        self._began = self._ended = self._raw = False
        self._tls: Termination | None = None
        self._tunnel: Tunnel | None = None
        self._opening = b""
        # For the sweep, in the loop's time; 0 for what does not count at the moment.
        self._active = True
        self._quiet_since = self._head_since = 0.0

    # Reading.

    def begin(self) -> None:
        """The first bytes are often there with the connection."""
        self.readable()
        self._look()

    def readable(self) -> None:
        try:
            received = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        self._active = True
        data = received if self._tls is None or not received else self._decrypted(self._tls, received)
        if data is None:
            return
        if not data:
            self._end()
        elif self._phase is Phase.READY and not self._held and not self._out:
            try:
                lease = self._lane.hit(data, self.client)
            except Exception:
                logger.exception("a request left the lane because of an internal error")
                self._fail_open(data)
                return
            if lease is None:
                self._received(data)
            else:
                self._give(lease)
        else:
            self._received(data)
        if self._tls is not None and self._tls.closed and not self._ended:
            self._end()

    def _give(self, lease: Lease) -> None:
        if self._tls is None:
            try:
                sent = self._sock.sendmsg(lease.parts)
            except OSError:
                sent = 0
            if sent != lease.size:
                # Slow or gone: that is found out again, at leisure.
                self._keep(sent, lease.parts)
        else:
            self._send(*self._tls.send(*lease.parts))
        self._lane.gave(lease)
        if lease.close:
            self.close()

    def _received(self, data: bytes) -> None:
        if not self._began:
            self._began = True
            if data[0] == _TLS_HANDSHAKE:
                self._begin_tls(data)
                return
        if self._phase is Phase.THEIRS:
            standing = "busy" if self._raw else self._handover.standing()
            if standing == "head" and self._handover.head_bytes() > self._house.settings.max_head_bytes:
                self._expire("head_size")
                return
            if standing != "idle":
                self._handover.feed(data)
                self._look()
                return
            self._phase = Phase.READY
        if self._phase in (Phase.READY, Phase.WAITING) and not self._closing:
            self._held += data
            self._advance()

    def _advance(self) -> None:
        """Answers what has come, in its order, as far as that goes at once; ends the connection when nothing can come
        behind it any more."""
        for _ in range(_TURN):
            # Old clients send an empty line behind a body (RFC 9112 section 2.2).
            self._held = self._held.lstrip(b"\r\n")
            if not self._held or self._phase is not Phase.READY or self._out or self._closing:
                break
            try:
                waits = self._next()
            except Exception:
                logger.exception("a request left the lane because of an internal error")
                self._fail_open(b"")
                return
            if waits:
                break
        else:
            self._loop.call_soon(self._advance)
            return
        if self._ended and self._phase is Phase.READY and not self._out:
            self.close()
        self._look()

    def _next(self) -> bool:
        """Deals with the request that came first; whether that is all for now."""
        lane, held, limit = self._lane, self._held, self._house.settings.max_head_bytes
        if len(held) > limit and held.find(b"\r\n\r\n", 0, limit) < 0:
            self._refuse(431, "the request's head is too long", "head_size")
            return True
        asked = lane.take(held, self.client)
        if asked == "unfinished":
            # A body may take its time as long as more of it comes.
            if not self._head_since or b"\r\n\r\n" in held:
                self._head_since = self._loop.time()
            return True
        self._head_since = 0.0
        if asked is None and not isinstance(self._mode, ReverseMode) and (tunnel := lane.opens(held)) is not None:
            self._open(tunnel)
        elif asked is None:
            self._hand(held)
            lane.passed()
        elif (lease := lane.give(asked, self.client)) is not None:
            self._held = held[asked.length :]
            self._give(lease)
        elif lane.observed():
            self._hand(held)
        else:
            self._held = held[asked.length :]
            self._phase = Phase.WAITING
            deliver = partial(self._delivered, held[: asked.length])
            if (job := lane.park(asked, self.client, time.perf_counter(), deliver)) is not None:
                self._house.run(job)
        return False

    def _delivered(self, request: bytes, sent: Sent | None) -> None:
        if self._phase is not Phase.WAITING or self._closing:
            return
        self._phase = Phase.READY
        if sent is None:
            self._fail_open(request)
            return
        self._answer(*sent.parts)
        if sent.close:
            self.close()
        else:
            self._advance()

    def _fail_open(self, request: bytes) -> None:
        """In front of clients nothing of ours may fail: mitmproxy gets the request, and the provider after it."""
        self._house.metrics.runtime.internal_errors.labels("lane").inc()
        if self._phase is Phase.READY and not self._closing:
            self._hand(request + self._held)

    def _end(self) -> None:
        """The client sends no more."""
        self._ended = True
        self._look()
        if self._phase is Phase.THEIRS:
            self._handover.feed_eof()
        elif self._phase is Phase.READY:
            self._advance()
        elif self._phase is Phase.REFUSED and not self._out:
            self.close()

    def _look(self) -> None:
        """Watches the socket for what to read, or does not: who sends too far ahead waits in the system's buffers."""
        ahead = self._handover.ahead() if self._phase is Phase.THEIRS else len(self._held)
        self._watch_for_more(wanted=not (self._ended or ahead > self._house.settings.max_pending_bytes))

    def pause_reading(self) -> None:
        self._paused = True
        self._look()

    def resume_reading(self) -> None:
        self._paused = False
        self._look()

    # Into mitmproxy's hands, and out of them: the next bytes after it has answered are read here again.

    def _hand(self, data: bytes) -> None:
        self._phase, self._held, self._head_since = Phase.THEIRS, b"", 0.0
        if self._protocol is None:
            self._handover = self._house.hand_over(self, EXPLICIT if self._raw and self._opening else self._mode)
            self._protocol = self._handover.protocol
        self._handover.feed(data)
        if self._ended:
            self._handover.feed_eof()
        self._look()

    # Tunnels.

    def _open(self, tunnel: Tunnel) -> None:
        """What comes now is as if the client had called the provider's address."""
        self._tunnel = tunnel
        self._opening, rest = self._held[: tunnel.length], self._held[tunnel.length :]
        self._mode, self._began, self._held = STANDS_IN, False, b""
        self._send(ESTABLISHED)
        if rest:
            self._received(rest)

    # TLS.

    def _begin_tls(self, data: bytes) -> None:
        # Nothing of an explicit proxy's connection is meant for holdover before CONNECT has said so.
        if self._tunnel is not None or isinstance(self._mode, ReverseMode):
            called = self._tunnel.host if self._tunnel is not None else self._sock.getsockname()[0]
            self._tls = self._house.terminated(data, called, tunnel=self._tunnel is not None)
        if self._tls is None:
            self._raw = True
            self._hand(self._opening + data)
            return
        self._head_since = self._loop.time()
        if plain := self._decrypted(self._tls, data):
            self._received(plain)

    def _decrypted(self, tls: "Termination", data: bytes) -> bytes | None:
        """What the client said; b"" when it ended, None when there is nothing to do yet."""
        was_established = tls.established
        plain = tls.receive(data)
        if out := tls.outgoing():
            self._send(out)
        if tls.broken is not None or self._closed:
            if not was_established:
                self._house.metrics.lane.handshakes.labels("failed").inc()
            self.close()
            return None
        if tls.established and not was_established:
            self._head_since = 0.0
            self._house.metrics.lane.handshakes.labels("resumed" if tls.resumed else "full").inc()
        return plain or (b"" if tls.closed else None)

    def _answer(self, *parts: bytes) -> None:
        self._send(*(parts if self._tls is None else self._tls.send(*parts)))

    def _put(self, data: bytes) -> None:
        if self._raw and self._opening:
            # mitmproxy establishes the tunnel once more.
            _, _, data = data.partition(b"\r\n\r\n")
            self._opening = b""
        if data:
            self._answer(data)

    def _written(self) -> None:
        if self._phase is Phase.REFUSED:
            self._shut()
        else:
            self._advance()

    # Ends.

    def close(self) -> None:
        if self._tls is not None and not self._closing and (last := self._tls.close()):
            self._send(last)
        super().close()

    def _refuse(self, status: int, message: str, reason: str) -> None:
        """Answers and ends. The client's bytes are read to their end: closed with some unread, it might not get the
        answer."""
        self._house.metrics.lane.closed.labels(reason).inc()
        answer = closing(local(status, message))
        self._held, self._phase = b"", Phase.REFUSED
        self._head_since = self._loop.time()
        self._answer(head_of(answer), answer.body)
        if not self._out and not self._closed:
            self._shut()

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lost(error)

    def _forgotten(self) -> None:
        self._held = b""
        self._house.forget(self)

    def rest(self) -> None:
        """Ends the connection if nothing is going on, and nothing that the client has sent waits to be read."""
        busy = self._phase is Phase.WAITING or (self._phase is Phase.THEIRS and not self._handover.rests())
        if not (busy or self._out or self._held or self._has_unread()):
            self.close()

    def sweep(self, now: float) -> None:
        """Looks, once a second, whether the client takes too long."""
        settings = self._house.settings
        if self._active:
            self._active, self._quiet_since = False, now
            if self._protocol is not None and self._phase is Phase.READY:
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
        self._look()
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
