"""`/metrics/proxy`: all proxy processes as if they were one."""

import asyncio
from collections.abc import Iterator, Mapping

import aiohttp
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from holdover.config import Config

from . import discovery
from .discovery import Target
from .totals import Totals

ANSWER_S = 2.0
STATES = ("up", "stale", "unreachable")


class Summed(Collector):
    """Asks the workers whenever it is asked itself, all at once. A worker that does not answer within ANSWER_S is
    `stale`, with its counts as they were last, or `unreachable`, if it never answered."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._totals = Totals()
        self._states: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def exposition(self) -> bytes:
        async with self._one_at_a_time:
            targets = await asyncio.to_thread(discovery.proxies, self._config)
            timeout = aiohttp.ClientTimeout(total=ANSWER_S)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                texts = await asyncio.gather(*(_asked(session, target) for target in targets))
            answers = {target.worker: text for target, text in zip(targets, texts, strict=True)}
            # Reading and rendering take milliseconds for each worker: off the event loop.
            return await asyncio.to_thread(self._rendered, answers)

    def collect(self) -> Iterator[Metric]:
        states = Metric("holdover_proxy_workers", "1 for the state that a worker's metrics are in.", "gauge")
        for worker, current in self._states.items():
            for state in STATES:
                states.add_sample(states.name, {"worker": worker, "state": state}, float(state == current))
        yield states
        yield from self._totals.families([worker for worker, state in self._states.items() if state == "up"])

    def _rendered(self, answers: Mapping[str, str | None]) -> bytes:
        self._totals.forget_others(answers)
        self._states = {worker: self._state(worker, text) for worker, text in answers.items()}
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return bytes(generate_latest(registry))

    def _state(self, worker: str, text: str | None) -> str:
        if text is not None:
            try:
                self._totals.take(worker, text)
            except ValueError:
                pass
            else:
                return "up"
        return "stale" if self._totals.known(worker) else "unreachable"


async def _asked(session: aiohttp.ClientSession, target: Target) -> str | None:
    try:
        async with session.get(f"http://{target.address}/metrics") as answer:
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
        return None
