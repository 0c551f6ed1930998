"""S23: malformed and ambiguous requests, as raw bytes, in every mode.

Whatever a client sends: the provider never gets two requests for one, no answer from the cache and no entry in it
comes of what is ambiguous, and the connection is closed or in step afterwards."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal

import pytest

from scripts.rig import HOST, House, running, write_house
from tests.e2e.wire import calm_window, dial, encrypted, trusting, tunnel
from tests.security.corpus import Case, Must, cases
from tests.security.line import Line, OutOfStep, Reply
from tests.security.provider import Arrival, Provider, provider

type End = Literal["closed", "in step", "out of step", "silent"]

CASES = cases()
SAMPLE = CASES[::7]
PATIENCE_S = 20.0
_marks = count(1)


@dataclass(frozen=True)
class Place:
    """A house and its provider; `lane`: whether hits may be answered below mitmproxy's flows."""

    house: House
    provider: Provider
    lane: bool


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


@pytest.fixture(scope="module", params=[True, False], ids=["lane-on", "lane-off"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    window = calm_window()
    top = "" if request.param else "[lane]\nenabled = false"
    with provider() as behind:
        house = write_house(
            tmp_path_factory.mktemp("corpus"),
            f"http://127.0.0.1:{behind.port}",
            top,
            window_s=window,
            max_stale_s=2 * window,
            rate_per_s=10_000,
            burst=10_000,
        )
        with running(house):
            yield Place(house, behind, request.param)


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

    def own(self, sport: str) -> Reply:
        """The good answer to a good client. Holds nothing of what others said."""
        reply = self.get(sport)
        assert reply is not None
        assert (reply.status, f"/{sport}/".encode() in reply.body) == (200, True), reply
        assert b"evil" not in reply.body.lower()
        return reply

    def see(self, case: Case, mark: str, cuts: Sequence[int] = ()) -> Seen:
        """Says the case, cut into pieces at `cuts`, and a good request of its own behind it."""
        after = f"after-{mark}"
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


def judge(case: Case, must: Must, seen: Seen, *, warm: bool) -> None:
    """`warm`: what the plain spelling asks for is in the cache."""
    assert seen.end in ("closed", "in step"), seen
    assert not [each for each in seen.arrivals if b"planted-" in each.head], seen
    assert all(each.clean for each in seen.arrivals), seen
    new, first = len(seen.arrivals) - case.sent, not warm
    match must:
        case "refuse":
            assert new == (first and case.ahead > case.sent), seen
            assert max(seen.good, seen.hits) <= case.ahead, seen
        case "apart":
            assert new <= 1 + (first and case.ahead > case.sent), seen
            assert (seen.good <= case.ahead + 1, seen.hits <= case.ahead) == (True, True), seen
        case "serve":
            assert new == first, seen
            assert seen.good == len(seen.replies) == case.ahead + 1, seen


def check(place: Place, mode: str, case: Case) -> None:
    one, mark = client(place, mode), f"m{next(_marks):07d}"
    must: Must = "serve" if one.explicit and case.host else case.must
    one.own(mark)
    judge(case, must, one.see(case, mark), warm=True)
    assert one.own(mark).cache.startswith("holdover; hit")
    mark = f"m{next(_marks):07d}"
    judge(case, must, one.see(case, mark), warm=False)
    stored = one.own(mark).cache.startswith("holdover; hit")
    assert stored == (must == "serve" or case.ahead > case.sent)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("mode", ["reverse", "explicit"])
def test_what_comes_of_it(place: Place, mode: str, case: Case):
    if (mode, case.name) == ("explicit", "CONNECT"):
        pytest.skip("an explicit proxy is there for it")
    check(place, mode, case)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
@pytest.mark.parametrize("mode", ["tls", "tunnel"])
def test_what_comes_of_some_within_tls_and_behind_connect(place: Place, mode: str, case: Case):
    check(place, mode, case)


@pytest.mark.parametrize("mode", ["reverse", "explicit", "tls", "tunnel"])
@pytest.mark.parametrize("name", ["two together", "POST of chunks", "Accept-Encoding twice", "cached, then unclear"])
def test_nothing_depends_on_how_it_is_cut(place: Place, mode: str, name: str):
    """Byte by byte, and in two at some place; for a hit at every place."""
    one = client(place, mode)
    [case] = [case for case in CASES if case.name == name]
    mark = f"m{next(_marks):07d}"
    one.own(mark)
    raw = one.spelled(case.raw.replace(b"{m}", mark.encode()))
    whole = one.see(case, mark)
    every = 1 if mode == "reverse" and case.must == "serve" else 23
    cuts = [list(range(1, len(raw))), *([cut] for cut in range(1, len(raw), every))]
    for cut in cuts:
        seen = one.see(case, mark, cut)
        assert seen.told == whole.told


def test_a_good_client_is_served_after_all_of_it(place: Place):
    for mode in ("reverse", "explicit", "tls", "tunnel"):
        one, mark = client(place, mode), f"m{next(_marks):07d}"
        assert [one.own(mark).cache.partition(";")[2][:5] for _ in range(2)] == [" fwd=", " hit;"]


def test_nothing_that_was_planted_is_in_the_cache(place: Place):
    words = {b"evil", b"secret", b"session=other", b"planted"}
    files = [path for path in (place.house.folder / "var" / "store").rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files).lower()
    assert b"/v4/sports/m0" in stored
    assert {word for word in words if word in stored} == set()
