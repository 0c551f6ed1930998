"""Clients that poll one key each, and what they saw."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .client import KeepAlive, NoAnswerError
from .outcome import steps_back

RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Times are monotonic seconds. `failure` is empty for a 200; `age` and `revision` are then what
    the emulated provider wrote into the answer: seconds since it was generated, and its number; `told` is its Age
    field. `body` is that of an answer that is no 200."""

    started: float
    ended: float
    failure: str = ""
    revision: int = 0
    age: float = 0.0
    told: float | None = None
    body: bytes = field(default=b"", repr=False)


class Fleet:
    """Polls `targets` in turn among `clients`, each every `every_s`, evenly spread. After a failure a client tries
    again soon."""

    def __init__(self, port: int, targets: Sequence[str], clients: int, every_s: float) -> None:
        self._clients = [KeepAlive(port) for _ in range(clients)]
        self._targets = [targets[i % len(targets)] for i in range(clients)]
        self._every_s = every_s
        self._stopped = False
        self._samples: list[list[Sample]] = [[] for _ in range(clients)]

    @property
    def samples(self) -> list[Sample]:
        """All so far, in order of their end."""
        return sorted((sample for own in self._samples for sample in own), key=lambda sample: sample.ended)

    @property
    def by_target(self) -> list[tuple[str, Sample]]:
        """All so far, each with what was asked for."""
        pairs = zip(self._targets, self._samples, strict=True)
        return [(target, sample) for target, own in pairs for sample in own]

    @property
    def backwards(self) -> int:
        """How often a client saw an older revision after a newer one."""
        return sum(steps_back([s.revision for s in own if not s.failure]) for own in self._samples)

    @property
    def newest(self) -> int:
        """The newest revision that any client saw."""
        return max((s.revision for own in self._samples for s in own), default=0)

    @asynccontextmanager
    async def polling(self) -> AsyncIterator["Fleet"]:
        """Polls until the block ends; what is under way then is waited for."""
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for i in range(len(self._clients)):
                group.create_task(self._poll(i, start + self._every_s * i / len(self._clients)))
            try:
                yield self
            finally:
                self._stopped = True
        for client in self._clients:
            client.close()

    async def _poll(self, number: int, start: float) -> None:
        due = start
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._stopped:
                return
            sample = await _ask(self._clients[number], self._targets[number])
            self._samples[number].append(sample)
            due = sample.ended + RETRY_S if sample.failure else max(due + self._every_s, sample.ended)


async def _ask(client: KeepAlive, target: str) -> Sample:
    started = time.monotonic()
    try:
        reply = await client.get(target)
    except NoAnswerError as error:
        return Sample(started, time.monotonic(), str(error))
    ended, now = time.monotonic(), time.time()
    if reply.status != 200:
        return Sample(started, ended, f"status {reply.status}", body=reply.body)
    revision, made = reply.header(b"x-emulator-revision"), reply.header(b"x-emulator-generated-at")
    told = reply.header(b"age")
    return Sample(
        started, ended, "", int(revision or 0), now - float(made or 0), None if told is None else float(told)
    )


def failures(samples: Sequence[Sample], begin: float, end: float) -> list[str]:
    """Of the requests that ended in that time."""
    return [s.failure for s in samples if s.failure and begin <= s.ended < end]
