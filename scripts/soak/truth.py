"""Whether what clients are told is what the provider has, all of it and nothing else."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from scripts.rig import CREDENTIAL, HOST, Emulator, fetch_json

from .clients import HANG_S, Connection

STILL = 1e-6
LOOK_S = 0.25
DEFAULTS = "dateFormat=iso&oddsFormat=decimal"

type Board = list[dict[str, Any]]
"""Events, each with its `id`."""


async def unlike(provider: Emulator, port: int, targets: Sequence[str], within_s: float) -> list[str]:
    """What differs between the answers to these targets, each on a connection of its own, and the provider's. The
    provider's odds are made to stand still, and what is from before has so many seconds to be replaced."""
    fetch_json(f"{provider.url}/_world", {"speed": STILL})
    truth = {
        target: fetch_json(f"{provider.url}{target}&{DEFAULTS}&apiKey={CREDENTIAL}")
        for target in dict.fromkeys(targets)
    }
    until = time.monotonic() + within_s
    while True:
        told = [(target, await _told(port, target)) for target in targets]
        wrong = [f"{target}: {what}" for target, board in told for what in differences(board, truth[target])]
        if not wrong or time.monotonic() > until:
            return wrong
        await asyncio.sleep(LOOK_S)


def differences(told: Board | str, truth: Board) -> list[str]:
    """Both ways. `told` may be why there is no board."""
    if isinstance(told, str):
        return [told]
    if not truth:
        return ["the provider has nothing to compare with"]
    mine, theirs = ({event["id"]: event for event in board} for board in (told, truth))
    wrong = [f"{name} is missing" for name in theirs.keys() - mine.keys()]
    wrong += [f"{name} is not the provider's" for name in mine.keys() - theirs.keys()]
    wrong += [f"{name} differs" for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]]
    return wrong if wrong or told == truth else ["the events stand in another order, or twice"]


async def _told(port: int, target: str) -> Board | str:
    connection = Connection(port)
    try:
        async with asyncio.timeout(HANG_S):
            status, _, body = await connection.get(HOST, target)
        return list(json.loads(body)) if status == 200 else f"status {status}"
    except (OSError, EOFError, ValueError) as error:
        return repr(error)
    finally:
        connection.close()
