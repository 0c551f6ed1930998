"""A house, the provider behind it, and clients that speak to it in each of its modes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal

from scripts.rig import HOST, House
from tests.e2e.wire import dial, encrypted, trusting, tunnel
from tests.security.corpus import Case
from tests.security.line import Line, OutOfStep, Reply
from tests.security.provider import Arrival, Provider

type End = Literal["closed", "in step", "out of step", "silent"]

PATIENCE_S = 20.0
_marks = count(1)


def new_mark() -> str:
    """A word of eight letters that no other request has."""
    return f"m{next(_marks):07d}"


@dataclass(frozen=True)
class Place:
    """A house and its provider."""

    house: House
    provider: Provider


@dataclass(frozen=True)
class Seen:
    """What came of one case: `replies` to it, what reached the provider, and how the connection was afterwards."""

    replies: tuple[Reply, ...]
    arrivals: tuple[Arrival, ...]
    end: End

    @property
    def good(self) -> int:
        return sum(reply.status < 400 for reply in self.replies)

    @property
    def hits(self) -> int:
        return sum(reply.cache.startswith("holdover; hit") for reply in self.replies)

    @property
    def told(self) -> object:
        """What must not depend on how the request was cut."""
        replies = [(reply.status, reply.body) for reply in self.replies]
        return replies, [(arrival.head, arrival.body) for arrival in self.arrivals], self.end


@dataclass(frozen=True)
class Client:
    """How one speaks to the house in one mode."""

    place: Place
    connect: Callable[[], Line]
    explicit: bool = False

    def spelled(self, raw: bytes) -> bytes:
        """An explicit proxy is asked in absolute form."""
        return raw.replace(b" /v4/", f" http://{HOST}/v4/".encode()) if self.explicit else raw

    def get(self, sport: str, *, line: Line | None = None) -> Reply | None:
        target = f"/v4/sports/{sport}/odds?regions=uk&markets=h2h&apiKey=k"
        raw = self.spelled(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        if line is not None:
            line.send(raw)
            return line.reply()
        with self.connect() as own:
            own.send(raw)
            return own.reply()

    def own(self, sport: str, *, line: Line | None = None) -> Reply:
        """The good answer to a good client. Holds nothing of what others said."""
        reply = self.get(sport, line=line)
        assert reply is not None
        assert (reply.status, f"/{sport}/".encode() in reply.body) == (200, True), reply
        assert b"evil" not in reply.body.lower()
        return reply

    def see(self, case: Case, mark: str, beside: Line, cuts: Sequence[int] = ()) -> Seen:
        """Says the case, cut into pieces at `cuts`, and a good request of its own behind it; `beside` is the
        connection of a good client."""
        after = "after"
        self.own(after, line=beside)
        before, replies = len(self.place.provider.arrivals), []
        with self.connect() as line:
            line.patience(PATIENCE_S)
            raw = self.spelled(case.raw.replace(b"{m}", mark.encode()))
            for begin, end_ in pairwise((0, *cuts, len(raw))):
                line.send(raw[begin:end_])
            end: End = "closed"
            try:
                for number in range(1 + case.ahead):
                    reply = line.reply(bodiless=case.raw.startswith(b"HEAD") and number == 0)
                    if reply is None:
                        break
                    replies.append(reply)
                else:
                    following = self.get(after, line=line)
                    while following is not None and f"/{after}/".encode() not in following.body:
                        replies.append(following)
                        following = line.reply()
                    end = "closed" if following is None else "in step"
            except TimeoutError:
                end = "silent"
            except OutOfStep:
                end = "out of step"
        arrived = self.place.provider.arrivals[before:]
        return Seen(tuple(replies), tuple(each for each in arrived if after.encode() not in each.head), end)


def client(place: Place, mode: str) -> Client:
    ports = place.house.ports
    match mode:
        case "explicit":
            return Client(place, lambda: Line(dial(ports["regular"])), explicit=True)
        case "tunnel":
            return Client(place, lambda: Line(tunnel(ports["regular"], f"{HOST}:80")))
        case "tls":
            context = trusting(place.house)
            return Client(place, lambda: Line(encrypted(dial(ports["reverse"]), context, HOST)))
    return Client(place, lambda: Line(dial(ports["reverse"])))
