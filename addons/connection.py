"""A client's connection: answered at once where that can be, parked while an answer is fetched, or in mitmproxy's
hands, which write through it as a transport."""

import asyncio
import enum
import logging
import os
import socket
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode

from holdover.answer import closing, head_of, local
from holdover.framing import Passed
from holdover.head import Tunnel, length_of_body
from holdover.hygiene import Fault, early, end_of_head, fault, skip
from holdover.lane import Sent
from holdover.lease import Lease

from .raw import RawTransport
from .termination import PIECE, pieces

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
SMALL_BYTES = 32_768
"""What the system has taken of an answer, it delivers at once as a rule."""

SEALED_BYTES = 262_144
"""What of an answer is sealed at a time. Clients share its bytes, but each has sealed ones of its own, as long as it
does not take them."""

BODY_PATIENCE = 6
"""How much longer a short body may take to come than a head."""

LAST_WORD_S = 5.0
"""Who has ended behind a request reads its answer, or is gone, which nobody can tell before something is sent: he is
waited for so long while mitmproxy writes nothing."""

_TURN = 64
_STOPPED = Fault(408, "the rest of the request's body did not come in time")
_CROWDED = Fault(503, "too much is being sent at once; send the request again later", retry_after=5)
# How soon after mitmproxy has written it is looked again whether it is done, and how rarely at most.
_SOON_S, _LATE_S = 0.001, 0.25
_TLS_HANDSHAKE = 0x16

logger = logging.getLogger("holdover.lane")


class Phase(enum.Enum):
    """Whose turn it is: the client's, the answer's that is waited for, mitmproxy's, or nobody's any more."""

    READY = enum.auto()
    WAITING = enum.auto()
    THEIRS = enum.auto()
    REFUSED = enum.auto()


# Of an Enum's class each access is a lookup; a hit needs this one.
READY = Phase.READY


class Connection(RawTransport):
    """Make it with an accepted, non-blocking socket, then call `begin`."""

    __slots__ = (
        "_active",
        "_began",
        "_ended",
        "_ends",
        "_handover",
        "_head_since",
        "_held",
        "_house",
        "_judged",
        "_lane",
        "_look_again",
        "_mode",
        "_needed",
        "_opening",
        "_passed",
        "_phase",
        "_quiet_since",
        "_raw",
        "_tls",
        "_tunnel",
        "_unsealed",
        "client",
    )
    _handover: "Handover"

    def __init__(self, house: "FastLane", sock: socket.socket, peer: Any, mode: ProxyMode) -> None:
        super().__init__(sock, peer, house.loop, house.watch)
        self._house = house
        self._lane = house.lane
        self.client: str = peer[0] if peer else ""
        self._mode = mode
        self._phase = Phase.READY
        self._held = b""
        # How much of what is held belongs to a head that is not whole and was in order so far.
        self._judged = 0
        # As many bytes as what was begun takes in all, where that is known.
        self._needed = 0
        # `_raw`: mitmproxy has it for ever, TLS that is its own to end or what it has upgraded.
        self._began = self._ended = self._raw = False
        # What mitmproxy has of HTTP.
        self._passed: Passed | None = None
        self._look_again: asyncio.Handle | None = None
        self._tls: Termination | None = None
        # Of an answer what is not sealed yet, only as long as some of it waits to be written; whether it is the last.
        self._unsealed: deque[memoryview] | None = None
        self._ends = False
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
            data = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        self._active = True
        if (tls := self._tls) is not None:
            if data and tls.established:
                data = tls.receive(data)
                if tls.unsent or tls.broken is not None or tls.closed or not data:
                    self._told(tls, data)
                    return
            elif data:
                self._shake(tls, data)
                return
        if self._phase is not READY or self._held or self._out or not self._hit(data):
            self._received(data)

    def _hit(self, data: bytes) -> bool:
        """Whether the bytes are a request that was answered."""
        try:
            lease = self._lane.hit(data, self.client)
        except Exception:
            logger.exception("a request left the lane because of an internal error")
            self._fail_open(data)
            return True
        if lease is None:
            return False
        self._began = True
        self._give(lease)
        return True

    def _give(self, lease: Lease) -> None:
        parts, size = lease.parts, lease.size
        if len(parts) > 1:
            self._lane.pieced(lease)
        if self._tls is not None:
            if size > SEALED_BYTES:
                self._give_by_and_by(lease)
                return
            if len(parts) == 1 and size <= PIECE:
                sealed = self._tls.seal(parts[0])
                parts, size = (sealed,), len(sealed)
            else:
                parts = tuple(self._tls.send(*parts))
                size = sum(map(len, parts))
        try:
            if lease.file is not None and self._tls is None:
                sent = os.sendfile(self._fd, lease.file.descriptor, 0, size)
            elif len(parts) == 1:
                sent = self._sock.send(parts[0])
            else:
                sent = self._sock.sendmsg(parts)
        except OSError:
            sent = 0
        if sent != size:
            # Slow or gone: that is found out again, at leisure.
            self._keep(sent, parts)
        self._lane.gave(lease)
        if lease.close:
            self._close_after(lease.size)

    def _give_by_and_by(self, lease: Lease) -> None:
        self._answer(*lease.parts)
        self._lane.gave(lease)
        if lease.close:
            self._close_after(lease.size)

    def _received(self, data: bytes) -> None:
        if not data:
            self._end()
            return
        if not self._began:
            self._began = True
            data, self._held = self._held + data, b""
            if not isinstance(self._mode, ReverseMode | RegularMode):
                # What another mode begins with is no HTTP.
                self._raw = True
                self._feed(data)
                return
            if data[0] == _TLS_HANDSHAKE:
                self._begin_tls(data)
                return
        if self._raw:
            if self._out or self._closing or (lease := self._handover.lease(data)) is None:
                self._feed_raw(data)
            else:
                self._give(lease)
        elif self._phase is not Phase.REFUSED and not self._closing:
            self._held += data
            if self._phase is Phase.THEIRS and self._passed is not None:
                self._supply(self._passed)
                self._look()
            else:
                self._advance()

    def _advance(self) -> None:
        """Answers what has come, in its order, as far as that goes at once; ends the connection when nothing can come
        behind it any more."""
        for _ in range(_TURN):
            if self._held[:1] in (b"\r", b"\n"):
                self._held, self._judged = skip(self._held), 0
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
        if len(held) < self._needed:
            return True
        self._needed = 0
        end = end_of_head(held, max(0, self._judged - 3))
        if (len(held) if end < 0 else end) > limit:
            wrong = early(held[:limit], self._judged) or Fault(431, "the request's head is too long")
            self._refuse(wrong, "head_size" if wrong.status == 431 else None)
            return True
        asked = lane.take(held, self.client)
        if asked == "unfinished" or (asked is None and end < 0):
            self._wait(end)
            return True
        self._head_since, self._judged = 0.0, 0
        if asked is None:
            self._leave(end)
        elif (lease := lane.give(asked, self.client)) is not None:
            self._held = held[asked.length :]
            self._give(lease)
        elif lane.observed():
            self._hand(end)
        else:
            self._held = held[asked.length :]
            self._phase = Phase.WAITING
            deliver = partial(self._delivered, held[: asked.length])
            if (job := lane.park(asked, self.client, time.perf_counter(), deliver)) is not None:
                self._house.run(job)
        return False

    def _wait(self, end: int) -> None:
        """For the rest of a request, if what has come of it is in order; `end`: of its head, -1 when that is not
        whole."""
        self._head_since = self._head_since or self._loop.time()
        if end >= 0:
            # Nothing is read again before the body is whole.
            self._needed = end + length_of_body(self._held[:end])
        else:
            if (wrong := early(self._held, self._judged)) is not None:
                self._refuse(wrong)
            self._judged = len(self._held)

    def _leave(self, end: int) -> None:
        """What is not for the lane, whose head ends at `end`."""
        lane, reverse = self._lane, isinstance(self._mode, ReverseMode)
        if (wrong := fault(self._held[:end])) is not None:
            self._refuse(wrong, "head_size" if wrong.status == 431 else None)
        elif not reverse and (tunnel := lane.opens(self._held)) is not None:
            self._open(tunnel)
        else:
            self._hand(end)
            lane.passed()

    def _delivered(self, request: bytes, sent: Sent | None) -> None:
        if self._phase is not Phase.WAITING:
            return
        self._phase = Phase.READY
        if self._closed:
            self._house.forget(self)
        if self._closing:
            return
        if sent is None:
            self._fail_open(request)
            return
        self._answer(*sent.parts)
        if sent.close:
            self._close_after(sum(map(len, sent.parts)))
        else:
            self._advance()

    def _fail_open(self, request: bytes) -> None:
        """In front of clients nothing of ours may fail: mitmproxy gets the request, and the provider after it."""
        self._house.metrics.runtime.internal_errors.labels("lane").inc()
        if self._phase is Phase.READY and not self._closing:
            self._held, self._judged = request + self._held, 0
            if (end := end_of_head(self._held)) < 0:
                self._wait(end)
            else:
                self._leave(end)

    def _end(self) -> None:
        """The client sends no more."""
        self._ended = True
        self._look()
        if self._phase is Phase.THEIRS:
            self._tell_end()
        elif self._phase is Phase.READY:
            self._advance()
        elif self._phase is Phase.REFUSED and not self._out:
            self.close()

    def _look(self) -> None:
        """Watches the socket for what to read, or does not: who sends too far ahead waits in the system's buffers."""
        # A request that is not whole has bounds of its own.
        ahead = not self._head_since and len(self._held) > self._house.settings.max_pending_bytes
        self._watch_for_more(wanted=not (self._ended or ahead))

    def pause_reading(self) -> None:
        self._paused = True
        self._look()

    def resume_reading(self) -> None:
        self._paused, self._active = False, True
        self._look()

    # Into mitmproxy's hands, and out of them: it has one request at a time, what is behind that is read here again.

    def _hand(self, end: int) -> None:
        """The request that came first, whose head ends at `end`, and of its body what has come."""
        head, self._held = self._held[:end], self._held[end:]
        self._passed = Passed(head)
        self._feed(head)
        self._supply(self._passed)
        self._tell_end()
        self._look()

    def _feed(self, data: bytes) -> None:
        self._phase, self._head_since, self._judged = Phase.THEIRS, 0.0, 0
        if self._protocol is None:
            self._handover = self._house.hand_over(self, EXPLICIT if self._raw and self._opening else self._mode)
            self._protocol = self._handover.protocol
        self._handover.feed(data)

    def _feed_raw(self, data: bytes) -> None:
        """What is no HTTP to holdover. mitmproxy holds it while there is nobody to pass it on to: until a hello of
        TLS is whole, and while a server that does not answer is called."""
        if self._handover.has_way_out():
            self._house.bodies.drop(self)
        else:
            self._house.bodies.add(self, len(data), self._house.settings.max_bodies_bytes)
        if not self._closed:
            self._handover.feed(data)

    def _tell_end(self) -> None:
        """To mitmproxy, which drops what it is at and closes: not before it has had all that came, nor before it has
        answered a request that is whole."""
        if not self._ended or self._held or self._phase is not Phase.THEIRS:
            return
        if self._raw or self._passed is None or not self._passed.body.done:
            self._drop_body()
            self._handover.feed_eof()
        elif self._look_again is None:
            self._go_on(_SOON_S)

    def _supply(self, passed: Passed) -> None:
        """Feeds what is of the body; what is behind that waits until mitmproxy is done."""
        part, self._held = passed.body.take(self._held)
        if passed.body.broken:
            self._refuse(Fault(400, "the chunks of the request's body are malformed (RFC 9112 section 7.1)"))
            return
        if part:
            self._house.bodies.add(self, len(part), self._house.settings.max_bodies_bytes)
            if self._phase is not Phase.THEIRS:
                return
            self._handover.feed(part)
        if self._held and self._look_again is None:
            self._go_on(_SOON_S)

    def _go_on(self, pause_s: float) -> None:
        """With what is held, or to the end, as soon as mitmproxy is done: seldom before it writes, seldom long after
        it wrote last, but addons may hear of the answer first."""
        self._look_again = None
        if self._phase is not Phase.THEIRS or self._raw or not (self._held or self._ended):
            return
        if self._ended and self._is_gone():
            self._lost(None)
            return
        if self._handover.is_idle():
            self._take_back()
            self._advance()
        else:
            self._look_again = self._loop.call_later(pause_s, self._go_on, min(2 * pause_s, _LATE_S))

    def _take_back(self) -> None:
        """mitmproxy has nothing to do for it any more."""
        self._phase = Phase.READY
        self._drop_body()

    def sends_body(self) -> bool:
        """Whether mitmproxy has a request of which more is to come."""
        return (
            self._phase is Phase.THEIRS and not self._raw and self._passed is not None and not self._passed.body.done
        )

    def gives_way(self) -> bool:
        """Whether others may have the room that is taken for it."""
        return self._raw or self.sends_body()

    def crowd_out(self) -> None:
        """Others need the room that the body takes."""
        if self._raw:
            self._expire("max_bodies")
        else:
            self._refuse(_CROWDED, "max_bodies")

    def _drop_body(self) -> None:
        if self.sends_body():
            self._handover.drop_body()
        self._house.bodies.drop(self)

    def _wrote(self, passed: Passed, data: bytes) -> None:
        """mitmproxy says this to the client."""
        if passed.ends_http(data):
            self._raw, self._opening = True, b""
            if self._held:
                self._handover.feed(self._held)
                self._held = b""
            self._tell_end()
            self._look()
        elif self._held or self._ended:
            self._active = True
            if self._look_again is not None:
                self._look_again.cancel()
            self._look_again = self._loop.call_soon(self._go_on, _SOON_S)

    # Tunnels.

    def _open(self, tunnel: Tunnel) -> None:
        """What comes now is as if the client had called the provider's address."""
        self._tunnel = tunnel
        self._opening, rest = self._held[: tunnel.length], self._held[tunnel.length :]
        self._mode, self._began, self._held, self._judged = STANDS_IN, False, b"", 0
        self._send(ESTABLISHED)
        if rest:
            self._received(rest)

    # TLS.

    def _begin_tls(self, data: bytes) -> None:
        # Nothing of an explicit proxy's connection is meant for holdover before CONNECT has said so.
        if self._tunnel is not None or isinstance(self._mode, ReverseMode):
            called = self._tunnel.host if self._tunnel is not None else self._sock.getsockname()[0]
            tls = self._house.terminated(data, called, tunnel=self._tunnel is not None)
            if tls == "unfinished":
                # Whose it is all of the client's hello tells.
                self._began, self._held = False, data
                self._head_since = self._head_since or self._loop.time()
                self._look()
                return
            self._tls = tls
        if self._tls is None:
            self._raw = True
            self._feed(self._opening + data)
            self._tell_end()
            self._look()
            return
        self._head_since = self._loop.time()
        self._shake(self._tls, data)

    def _shake(self, tls: "Termination", data: bytes) -> None:
        plain = tls.receive(data)
        if tls.established:
            self._head_since = 0.0
            self._house.metrics.lane.handshakes.labels("resumed" if tls.resumed else "full").inc()
        self._told(tls, plain)

    def _told(self, tls: "Termination", plain: bytes) -> None:
        """Deals with what TLS itself has heard, and the plaintext that came with it."""
        if tls.unsent:
            self._send(tls.outgoing())
        if tls.broken is not None or self._closed:
            if not tls.established:
                self._house.metrics.lane.handshakes.labels("failed").inc()
            self.close()
            return
        if plain:
            self._received(plain)
        if tls.closed and not self._ended:
            self._end()

    def _answer(self, *parts: bytes) -> None:
        if self._tls is None:
            self._send(*parts)
        elif self._unsealed is None and sum(map(len, parts)) <= SEALED_BYTES:
            self._send(*self._tls.send(*parts))
        else:
            self._unsealed = self._unsealed or deque()
            self._unsealed.extend(pieces(parts))
            self._more()

    def _more(self) -> None:
        while self._unsealed and self._tls is not None and not (self._out or self._closed):
            count = min(len(self._unsealed), SEALED_BYTES // PIECE)
            self._send(*filter(None, [self._tls.seal(self._unsealed.popleft()) for _ in range(count)]))
        if not self._unsealed:
            self._unsealed = None
            if self._ends:
                self._ends = False
                self.close()

    def get_write_buffer_size(self) -> int:
        return super().get_write_buffer_size() + sum(map(len, self._unsealed or ()))

    def _put(self, data: bytes) -> None:
        if self._phase is Phase.REFUSED:
            return
        if self._passed is not None and not self._raw:
            self._wrote(self._passed, data)
        elif self._opening:
            # mitmproxy establishes the tunnel once more.
            _, _, data = data.partition(b"\r\n\r\n")
            self._opening = b""
        if self._raw:
            # It has come as far as to answer.
            self._house.bodies.drop(self)
        if data:
            self._answer(data)

    def _written(self) -> None:
        if self._phase is Phase.REFUSED:
            self._linger()
        else:
            self._advance()

    # Ends.

    def close(self) -> None:
        if self._phase is Phase.REFUSED and not self._ended:
            # mitmproxy's word. The client has yet to read why.
            return
        if self._unsealed:
            # TLS says that it ends behind what it has sealed.
            self._ends = True
            return
        if self._tls is not None and not self._closing and (last := self._tls.close()):
            self._send(last)
        super().close()

    def _close_after(self, size: int) -> None:
        """Ends the connection behind an answer. A byte that the client sends once it is closed, as old ones do, makes
        the system drop what the client has not read yet: a large answer is let arrive first."""
        if size <= SMALL_BYTES or self._tls is not None or self._ended:
            self.close()
            return
        self._held, self._phase = b"", Phase.REFUSED
        self._linger()
        self._look()

    def _linger(self) -> None:
        """Says that no more comes, once all is with the system, and from then on waits for the client's end."""
        self._head_since = self._loop.time()
        if not (self._out or self._closed):
            self._shut()

    def is_closing(self) -> bool:
        return self._closing or self._ends or self._phase is Phase.REFUSED

    def _refuse(self, fault: Fault, reason: str | None = None) -> None:
        """Answers, if nobody has, and ends; `reason`: why, if it is to protect others. The client's bytes are read to
        their end: closed with some unread, it might not get the answer."""
        if reason is not None:
            self._house.metrics.lane.closed.labels(reason).inc()
        self._lane.refused()
        self._drop_body()
        answered = self._phase is Phase.THEIRS and self._passed is not None and self._passed.answered
        head = self._held.startswith(b"HEAD ")
        answer = closing(local(fault.status, fault.sentence, retry_after=fault.retry_after, head=head))
        if fault.allow:
            answer = replace(answer, fields=(*answer.fields, (b"Allow", fault.allow.encode())))
        self._held, self._phase = b"", Phase.REFUSED
        if self._protocol is not None:
            # To mitmproxy the client is gone.
            gone, self._protocol = self._protocol, None
            self._loop.call_soon(gone.connection_lost, None)
        if not answered:
            self._answer(head_of(answer), answer.body)
        self._linger()

    def _forgotten(self) -> None:
        self._held, self._unsealed = b"", None
        self._drop_body()
        self._house.forget(self, waits=self._phase is Phase.WAITING)
        if self._protocol is not None:
            self._handover.abandon()

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
            if self._protocol is not None and (self._raw or self._phase is Phase.READY):
                self._handover.is_used()
        if self._write_since and now - self._write_since > settings.write_timeout_s:
            self._expire("write_timeout")
        elif self._phase is Phase.REFUSED:
            if not self._out and now - self._head_since > LINGER_S:
                self._lost(None)
        elif self._phase is Phase.READY:
            self._sweep_ready(now)
        elif self._phase is Phase.THEIRS:
            self._sweep_theirs(now)

    def _sweep_ready(self, now: float) -> None:
        settings = self._house.settings
        patience_s = settings.head_timeout_s * (BODY_PATIENCE if self._needed else 1)
        if self._head_since and now - self._head_since > patience_s:
            self._refuse(Fault(408, "the request did not come in time"), "head_timeout")
        elif now - self._quiet_since > settings.idle_timeout_s and not self._out:
            if self._needed:
                self._refuse(_STOPPED, "body_timeout")
            else:
                self._expire("idle_timeout")

    def _sweep_theirs(self, now: float) -> None:
        """From here on a client that asks nothing is idle."""
        if self._ended and now - self._quiet_since > LAST_WORD_S:
            self._handover.feed_eof()
        elif self.sends_body():
            quiet_s = now - self._quiet_since
            # What waits here came in time: this process may have stood still.
            if quiet_s > self._house.settings.idle_timeout_s and not (self._paused or self._has_unread()):
                self._refuse(_STOPPED, "body_timeout")
        elif not (self._raw or self._held or self._ended) and self._handover.is_idle():
            self._take_back()

    def _expire(self, reason: str) -> None:
        self._house.metrics.lane.closed.labels(reason).inc()
        self._lost(None)
