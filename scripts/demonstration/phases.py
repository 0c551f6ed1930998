"""Runs the two phases: real processes, one fleet, and the numbers to compare."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.rig import Emulator, emulator, running, write_house

from . import fleet
from .fleet import Client, Notes
from .screen import Phase, Screen
from .tally import Outcome, Tally, slowest_answer_s, stats_of, tally

WINDOW_S = 1.0
LULL_CHECKS = 100
LULL_CHECK_S = 0.002


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for on the command line."""

    seconds: float
    clients: int
    seed: int


def demonstrate(plan: Plan, folder: Path, screen: Screen) -> Outcome:
    """Both phases, one after the other. holdover keeps its files in `folder`.

    The provider has no rate limit here: refusals come at once and would make direct calls look fast."""
    clients = fleet.fleet(plan.clients, plan.seed)
    screen.say("starting the emulated provider")
    with emulator(seed=plan.seed, rate=0) as provider:
        direct = asyncio.run(_phase("direct", plan, clients, provider, provider.url, screen))
        screen.say("starting holdover")
        house = write_house(folder, provider.url, window_s=WINDOW_S, timeout_s=fleet.TIMEOUT_S)
        with running(house):
            through = asyncio.run(_phase("through", plan, clients, provider, house.url("reverse"), screen))
            provider_s = slowest_answer_s(house.metrics("admin"))
    return Outcome(
        seed=plan.seed,
        clients=len(clients),
        questions=len({client.question for client in clients}),
        spellings=len({client.target for client in clients}),
        window_s=WINDOW_S,
        provider_s=provider_s,
        direct=direct,
        through=through,
    )


async def _phase(
    phase: Phase, plan: Plan, clients: Sequence[Client], provider: Emulator, origin: str, screen: Screen
) -> Tally:
    """Each question once, so that holdover has an answer to all; then everybody polls."""
    notes = Notes()
    await asyncio.to_thread(provider.reset)
    await fleet.ask_each_once(clients, origin, notes)
    polling = asyncio.create_task(fleet.poll(clients, origin, plan.seconds, notes))
    try:
        async for elapsed in _ticks(polling, plan.seconds, screen.every_s):
            # Asked after the provider counted, so that no request is counted there only.
            upstream = stats_of(await asyncio.to_thread(provider.stats))
            numbers = tally(notes, elapsed, upstream)
            await _lull(notes)
            screen.show(phase, numbers, elapsed)
        return numbers
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


async def _ticks(polling: asyncio.Task[None], seconds: float, every_s: float) -> AsyncIterator[float]:
    """Seconds since the start, every so often; and `seconds`, when the polling has ended."""
    started = time.monotonic()
    for tick in range(1, math.ceil(seconds / every_s)):
        await asyncio.wait((polling,), timeout=started + tick * every_s - time.monotonic())
        if polling.done():
            break
        yield min(time.monotonic() - started, seconds)
    await polling
    yield seconds


async def _lull(notes: Notes) -> None:
    """Until no client waits for an answer, as drawing takes longer than a hit; behind a slow provider, where it makes
    no difference, that may not come."""
    for _ in range(LULL_CHECKS):
        if not notes.waiting:
            return
        await asyncio.sleep(LULL_CHECK_S)
