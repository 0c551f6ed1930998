"""The legacy clients: who asks what, how each spells it, and what each of them saw.

A client knows the provider by name only. What that name resolves to is the one thing that differs between the phases,
as when holdover is put in place by DNS or a hosts file."""

import asyncio
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from scripts.rig import HOST

CREDENTIAL = "demo-credential"
INTERVAL_S = 1.0
JITTER = 0.2
TIMEOUT_S = 10.0
CLIENTS_PER_QUESTION = 4

# Sport, markets and regions of each logical request.
QUESTIONS = (
    ("soccer_epl", ("h2h", "totals"), ("uk", "eu")),
    ("basketball_nba", ("h2h", "spreads", "totals"), ("us",)),
    ("americanfootball_nfl", ("h2h", "spreads"), ("us", "us2")),
    ("icehockey_nhl", ("h2h",), ("us",)),
    ("baseball_mlb", ("h2h", "totals"), ("us",)),
    ("soccer_epl", ("h2h",), ("uk",)),
)


@dataclass(frozen=True, slots=True)
class Client:
    """One poller. `target` is its spelling of the question, byte for byte; `seed` fixes its pace."""

    number: int
    question: int
    target: str
    keep_alive: bool
    accept_encoding: str
    seed: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as its client saw it. `error` is empty for a 200 answer, which has a revision and an age; `first`
    marks a request that came before the polling."""

    client: int
    question: int
    latency_s: float
    error: str = ""
    revision: int = 0
    age_s: float = 0.0
    first: bool = False


@dataclass(slots=True)
class Notes:
    """What the clients did so far: requests begun, and one sample for each that ended."""

    asked: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        return self.asked - len(self.samples)


def questions(clients: int) -> int:
    """How many different questions a fleet of this size asks: enough clients share each to be worth sharing."""
    return max(1, min(len(QUESTIONS), clients // CLIENTS_PER_QUESTION))


def fleet(count: int, seed: int) -> list[Client]:
    """The same clients for the same seed."""
    made = []
    for number in range(count):
        name = f"{seed}:{number}"
        rng = random.Random(name)
        question = number % questions(count)
        encoding = rng.choice(("gzip, deflate", "gzip, deflate, br", "identity"))
        made.append(Client(number, question, spelled(question, rng), rng.random() < 0.5, encoding, f"{name}:pace"))
    return made


def spelled(question: int, rng: random.Random) -> str:
    """A request target in one of the ways that clients in the field write it; all of them mean the same."""
    sport, markets, regions = QUESTIONS[question]
    comma = rng.choice((",", "%2C", "%2c"))
    pairs = [
        (rng.choice(("apiKey", "api_key")), CREDENTIAL),
        ("regions", comma.join(rng.sample(regions, len(regions)))),
        ("markets", comma.join(rng.sample(markets, len(markets)))),
    ]
    pairs += [pair for pair in (("oddsFormat", "decimal"), ("dateFormat", "iso")) if rng.random() < 0.5]
    rng.shuffle(pairs)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return f"/v4/sports/{sport}/odds{rng.choice(('', '/'))}?{query}"


async def ask_each_once(clients: Sequence[Client], origin: str, notes: Notes) -> None:
    """One request for every question, all at the same time."""
    first = {client.question: client for client in reversed(clients)}
    await asyncio.gather(*(_ask_first(client, origin, notes) for client in first.values()))


async def poll(clients: Sequence[Client], origin: str, seconds: float, notes: Notes) -> None:
    """Every client polls for `seconds`; requests then under way come to their end. Writes into `notes`."""
    end = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*(_poll(client, origin, end, notes) for client in clients))


async def _poll(client: Client, origin: str, end: float, notes: Notes) -> None:
    """Asks on a beat of its own; after an answer that took longer than the beat, at once."""
    clock = asyncio.get_running_loop().time
    rng = random.Random(client.seed)
    due = clock() + rng.random() * INTERVAL_S
    async with _session(client, origin) as session:
        while due < end:
            await asyncio.sleep(due - clock())
            notes.asked += 1
            notes.samples.append(await _ask(client, session))
            due = max(clock(), due + INTERVAL_S * rng.uniform(1 - JITTER, 1 + JITTER))


async def _ask_first(client: Client, origin: str, notes: Notes) -> None:
    async with _session(client, origin) as session:
        notes.asked += 1
        notes.samples.append(replace(await _ask(client, session), first=True))


def _session(client: Client, origin: str) -> aiohttp.ClientSession:
    """Bodies are read but not decompressed: the clients' own work is not what is measured."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Hosts(origin), force_close=not client.keep_alive),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        headers={"Accept-Encoding": client.accept_encoding},
        auto_decompress=False,
    )


async def _ask(client: Client, session: aiohttp.ClientSession) -> Sample:
    started = time.perf_counter()
    try:
        async with session.get(URL(f"http://{HOST}{client.target}", encoded=True)) as answer:
            await answer.read()
    except (aiohttp.ClientError, OSError) as error:
        return Sample(client.number, client.question, time.perf_counter() - started, type(error).__name__)
    return _seen(client, time.perf_counter() - started, answer)


def _seen(client: Client, latency_s: float, answer: aiohttp.ClientResponse) -> Sample:
    if answer.status != 200:
        return Sample(client.number, client.question, latency_s, f"status {answer.status}")
    try:
        revision = int(answer.headers["X-Emulator-Revision"])
        age_s = time.time() - float(answer.headers["X-Emulator-Generated-At"])
    except (KeyError, ValueError):
        return Sample(client.number, client.question, latency_s, "an answer that is not the provider's")
    return Sample(client.number, client.question, latency_s, "", revision, age_s)


class _Hosts(AbstractResolver):
    """A hosts file with one line: every name is `origin`."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "", parts.port or 80

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del port, family
        return [
            ResolveResult(
                hostname=host,
                host=self._host,
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Holds nothing."""
