"""The short way from the bytes of a request to those of its answer. What is decided, and in which words, is the
stand-in's; here it is only remembered, for as long as it would be decided again.

A request that comes again as the same bytes costs a lookup. The memory can be filled with requests that differ in a
byte, so it is small and no more than a shortcut: what is not in it is read, by a grammar without backtracking."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakSet

from holdover.answer import Answer, Wants, closing, head_of
from holdover.exchange import Headers
from holdover.head import Head, Tunnel, Unfinished, read, read_connect
from holdover.key import Cacheable
from holdover.lease import AnonymousFile, Lease
from holdover.metrics import LaneMetrics
from holdover.settings import LaneSettings
from holdover.standin import StandIn, Waiting, wants_of

FOLLOW_S = 0.005
MAX_REMEMBERED = 8_192
MAX_REMEMBERED_BYTES = 2_048

OFTEN = 16
"""So many times an answer of a second is sent in pieces before it is copied into one."""

JOINED_BYTES = 65_536
"""Up to here one buffer costs less than two."""

FILE_BYTES = 8_192
"""From here on a file costs less than a buffer, where there is no TLS."""

MAX_FILES = 128
GATEWAY_TIMEOUT = 504

logger = logging.getLogger("holdover.lane")


@dataclass(slots=True, eq=False)
class Asked:
    """A request that is answered from the cache or by a fetch; `length` is what it takes of the bytes, `lease` what
    answered it last."""

    cacheable: Cacheable
    wants: Wants
    length: int
    close: bool
    lease: Lease | None = None

    def same(self, selected: Cacheable) -> object:
        """Equal for requests that one lease answers; `selected` is what the stand-in makes of this one."""
        wants = self.wants
        return selected.canonical.key, selected.route.name, selected.credential, selected.echo, wants, self.close


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer as it goes on the wire; `close` when the connection ends with it."""

    parts: tuple[bytes, ...]
    close: bool


type Deliver = Callable[[Sent | None], None]
"""Takes the answer; None when it is for mitmproxy's flows after all."""


@dataclass(frozen=True, slots=True)
class Parked(Waiting):
    """A request that waits, and where its answer goes."""

    deliver: Deliver


class Lane:
    """Of one proxy process. For one event loop."""

    def __init__(
        self,
        standin: StandIn,
        settings: LaneSettings,
        metrics: LaneMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._standin = standin
        self._metrics = metrics
        self._clock = clock
        self._asked: dict[bytes, Asked] = {}
        self._leases: dict[object, Lease] = {}
        self._given: list[Lease] = []
        self._parked: dict[object, list[Parked]] = {}
        self._files = WeakSet[AnonymousFile]()
        self._followed = 0.0
        self.use(settings)

    def use(self, settings: LaneSettings) -> None:
        """Takes over a changed configuration."""
        self._observe = settings.observe
        # Hits until the next one to be observed, which 0 asks for; below that there is none.
        self._left = settings.observe or -1
        self._leases.clear()
        self.switch(on=settings.enabled)

    def switch(self, *, on: bool) -> None:
        """Off, every request is for mitmproxy's flows."""
        self.on = on
        self._asked.clear()

    def hit(self, data: bytes, client: str) -> Lease | None:
        """What answers exactly these bytes, noted as given to `client`; None when `take` has to look at them."""
        asked = self._asked.get(data)
        return None if asked is None else self.give(asked, client)

    def known(self, data: bytes) -> Asked | None:
        """The request that exactly these bytes are, if it is remembered."""
        return self._asked.get(data)

    def give(self, asked: Asked, client: str) -> Lease | None:
        """What answers the request now, noted as given to `client`; None when it has to wait or is to be observed."""
        now = self._clock()
        if not 0.0 <= now - self._followed < FOLLOW_S:
            self._followed = now
            self._standin.follow()
        lease = asked.lease
        if (
            lease is None
            or not lease.since <= now < lease.until
            or lease.ready.outdated
            or lease.epoch != self._standin.epoch
            or lease.together
        ):
            lease = self._renew(asked, now)
            if lease is None:
                return None
        # One that is to be observed is asked for more than once before `observed` is.
        if self._left:
            self._left -= 1
        if not self._left:
            return None
        clients = lease.clients
        if not clients and not lease.cacheable.echo:
            self._given.append(lease)
        clients[client] = clients.get(client, 0) + 1
        lease.last = now
        return lease

    def gave(self, lease: Lease) -> None:
        """The bytes of a hit are with the system: what that took since the request came is added up."""
        lease.seconds += self._clock() - lease.last
        if lease.cacheable.echo:
            self._count(lease)

    def pieced(self, lease: Lease) -> None:
        """The answer was sent in pieces. If it often is, that is made cheaper, at the cost of a copy."""
        lease.pieced += 1
        if lease.pieced != OFTEN:
            return
        if lease.size > FILE_BYTES and len(self._files) < MAX_FILES:
            # Without one it is only dearer.
            with suppress(OSError):
                lease.file = AnonymousFile(lease.parts)
                self._files.add(lease.file)
        if lease.size <= JOINED_BYTES:
            lease.parts = (b"".join(lease.parts),)

    def observed(self) -> bool:
        """Whether this hit is one of those that go through mitmproxy's flows. Asked once, when there is none."""
        if self._left:
            return False
        self._left = self._observe
        self._metrics.requests.labels("observed").inc()
        return True

    def take(self, data: bytes, client: str) -> Asked | Unfinished | None:
        """The request that `data` begins with, remembered; None when it is for mitmproxy's flows."""
        head = read(data, client) if self.on else None
        if head is None or head == "unfinished":
            return head
        planned = self._standin.plan(head.request)
        if not isinstance(planned, Cacheable) or planned.route.settings.lane == "full":
            return None
        # Of thousands that are remembered, hardly any needs its fields.
        same = data[: head.length]
        wants = replace(wants_of(head.request), client="", fields=partial(_fields, same))
        asked = Asked(planned, wants, head.length, head.close)
        # What echoes its request is asked once, and has a body of its own.
        if head.length <= MAX_REMEMBERED_BYTES and not planned.echo:
            if len(self._asked) >= MAX_REMEMBERED:
                del self._asked[next(iter(self._asked))]
            self._asked[same] = asked
        return asked

    def park(self, asked: Asked, client: str, started: float, deliver: Deliver) -> Coroutine[Any, Any, None] | None:
        """Has the answer delivered once somebody was asked for it. `started` is `time.perf_counter()` at the request.
        To be run, unless it is None: then somebody else's is under way for the same request."""
        self._metrics.requests.labels("waited").inc()
        parked = Parked(client, started, deliver, fields=asked.wants.fields)
        selected = self._standin.selected(asked.cacheable, asked.wants)
        if self._standin.asks_alone(selected):
            return self._answered(asked, [parked], None)
        # Who asks after a reload is answered by the new configuration.
        same = (asked.same(selected), self._standin.epoch)
        if (queue := self._parked.get(same)) is not None:
            queue.append(parked)
            return None
        self._parked[same] = queue = [parked]
        return self._answered(asked, queue, same)

    async def _answered(self, asked: Asked, queue: list[Parked], same: object) -> None:
        """Answers the first, and the others with what they share, if they do: else each asks anew, at the same time
        as all like him. One after the other, each would wait for all before him."""
        first = queue.pop(0)
        wants = replace(asked.wants, fields=first.fields)
        try:
            answer, others = await self._standin.miss_for_all(asked.cacheable, wants, first, queue)
        except Exception:
            logger.exception("requests left the lane because of an internal error")
            self._parked.pop(same, None)
            _deliver([first, *queue], None)
            return
        # Who has been answered may ask the same again at once, and has not been counted then.
        self._parked.pop(same, None)
        _deliver([first], Sent(_parts(answer, asked.close), asked.close))
        if others is not None:
            _deliver(queue, Sent(_parts(others, asked.close), asked.close))
        else:
            if answer.status == GATEWAY_TIMEOUT:
                # Who came later has not waited so long. A call more, and he has.
                waited = time.perf_counter() - first.started
                queue = [replace(each, patience_s=waited) for each in queue]
            await asyncio.gather(*(self._answered(asked, [each], None) for each in queue))

    def opens(self, data: bytes) -> Tunnel | None:
        """The tunnel that is asked for, if it leads to a provider; all others are mitmproxy's."""
        tunnel = read_connect(data) if data.startswith(b"CONNECT ") else None
        return tunnel if tunnel is not None and self.is_for_provider(tunnel.host) else None

    def is_for_provider(self, host: str) -> bool:
        return self._standin.config.rules.provider_of(host) is not None

    def passed(self) -> None:
        """A request went through mitmproxy's flows."""
        self._metrics.requests.labels("passed").inc()

    def refused(self) -> None:
        """A request was malformed, too large or too slow."""
        self._metrics.requests.labels("refused").inc()

    def flush(self) -> None:
        """Adds what was given since the last time to the metrics."""
        given, self._given = self._given, []
        for lease in given:
            self._count(lease)

    def release(self) -> None:
        """Lets go of answers that are not held ready any more; call it every second or so. Whoever asked for them may
        never ask again, and the bodies would be held beside those that are counted."""
        now = self._clock()
        for asked in self._asked.values():
            if asked.lease is not None and (asked.lease.ready.outdated or asked.lease.until <= now):
                asked.lease = None
        kept = self._leases.items()
        self._leases = {same: lease for same, lease in kept if not lease.ready.outdated and lease.until > now}

    def _count(self, lease: Lease) -> None:
        self._metrics.requests.labels("hit").inc(sum(lease.clients.values()))
        self._standin.gave(lease)

    def _renew(self, asked: Asked, now: float) -> Lease | None:
        """A lease for the request that holds now, of another request of the same meaning if there is one."""
        same = asked.same(self._standin.selected(asked.cacheable, asked.wants))
        lease = self._leases.get(same)
        if lease is None or not self._holds(lease, now):
            lease = self._standin.lease(asked.cacheable, asked.wants, now)
            if lease is None:
                return None
            lease.close = asked.close
            lease.parts = _parts(lease.answer, asked.close)
            lease.size = sum(map(len, lease.parts))
            if lease.cacheable.echo:
                return lease
            # Which request it is may have been told by what was in the store.
            same = asked.same(lease.cacheable)
            self._leases.pop(same, None)
            if len(self._leases) >= MAX_REMEMBERED:
                del self._leases[next(iter(self._leases))]
            self._leases[same] = lease
        asked.lease = lease
        return lease

    def _holds(self, lease: Lease, now: float) -> bool:
        if lease.together:
            self._standin.follow()
        return lease.since <= now < lease.until and not lease.ready.outdated and lease.epoch == self._standin.epoch


def _fields(data: bytes) -> Headers:
    """Those of a request that was taken."""
    head = read(data)
    return head.request.headers if isinstance(head, Head) else ()


def _parts(answer: Answer, close: bool) -> tuple[bytes, ...]:
    head = head_of(closing(answer) if close else answer)
    return (head, answer.body) if answer.body else (head,)


def _deliver(parked: Iterable[Parked], sent: Sent | None) -> None:
    """One that cannot take it must not keep the others waiting."""
    for each in parked:
        try:
            each.deliver(sent)
        except Exception:
            logger.exception("an answer could not be given to a client because of an internal error")
