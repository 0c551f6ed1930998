"""What JSON costs with the libraries that are installed, as CPU against the standard library's, and whether number
tokens come back as they were: `python -m scripts.benchmarks.json_libraries [--rounds N]`.

holdover needs msgspec alone. To compare orjson as well, run it where orjson is installed beside holdover's own."""

import argparse
import importlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import msgspec

from holdover.providers.odds_document import Cut, OddsDocument
from scripts.emulator.schedule import World
from scripts.emulator.timeline import Timeline

from . import table
from .odds_cpu import EVENTS, START, WIDE
from .odds_vendor import told

type Step = Callable[[], object]
type Decode = Callable[[bytes], Any]
type Encode = Callable[[Any], bytes]

SLICES = "msgspec, slices of the text"
FIRST, FURTHER = "decode and cut a market out", "cut out another"
TOKENS = b"[1.50,1e2,-0.0,12345678901234567890123]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="default: 40")
    body = board()
    steps = dict(_steps(body))
    costs = measured(steps, parser.parse_args().rounds)
    rows = [(name, work, f"{cost / costs['json', work]:.2f}") for (name, work), cost in costs.items()]
    rows += [(name, "keeps 1.50, 1e2, -0.0 and 23 digits", kept) for name, kept in _tokens()]
    print(f"a board of {len(body)} bytes; CPU, json = 1\n" + table.plain(("library", "work", "result"), rows))


def board() -> bytes:
    """Of three markets in all regions, as the emulated provider sends it."""
    world = World(1, START, 20.0, EVENTS, 10.0, 1.0, 0, "fresh", "recorded")
    return told(world, Timeline(world).at(START), WIDE).body


def measured(steps: dict[tuple[str, str], Step], rounds: int) -> dict[tuple[str, str], float]:
    """The least CPU seconds of each; the libraries take turns, so that a busy machine slows all alike."""
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.process_time()
            step()
            best[name] = min(best[name], time.process_time() - started)
    return best


def _steps(body: bytes) -> Iterator[tuple[tuple[str, str], Step]]:
    plain = json.loads(body)
    for name, (decode, encode) in _libraries().items():
        yield (name, "decode"), partial(decode, body)
        yield (name, "encode"), partial(encode, plain)
        yield (name, FIRST), lambda d=decode, e=encode: e(_cut(d(body), "h2h"))  # type: ignore[misc]
        yield (name, FURTHER), lambda e=encode: e(_cut(plain, "totals"))  # type: ignore[misc]
    document = OddsDocument(body)
    yield (SLICES, "decode"), partial(msgspec.json.decode, body, type=msgspec.Raw)
    yield (SLICES, FIRST), lambda: OddsDocument(body).cut(_of("h2h"))
    yield (SLICES, FURTHER), lambda: document.cut(_of("totals"))


def _of(market: str) -> Cut:
    return Cut(markets=frozenset({market}), emptied="omit")


def _libraries() -> dict[str, tuple[Decode, Encode]]:
    found: dict[str, tuple[Decode, Encode]] = {
        "json": (json.loads, lambda value: json.dumps(value, separators=(",", ":")).encode()),
        "msgspec": (msgspec.json.decode, msgspec.json.encode),
    }
    if find_spec("orjson") is not None:
        orjson = importlib.import_module("orjson")
        found["orjson"] = (orjson.loads, orjson.dumps)
    return found


def _cut(events: Any, market: str) -> list[dict[str, Any]]:
    """What a projection does, by way of objects."""
    return [{**event, "bookmakers": [_only(each, market) for each in event["bookmakers"]]} for event in events]


def _only(bookmaker: dict[str, Any], market: str) -> dict[str, Any]:
    return {**bookmaker, "markets": [each for each in bookmaker["markets"] if each["key"] == market]}


def _tokens() -> Iterator[tuple[str, str]]:
    """Decoded and encoded again."""
    for name, (decode, encode) in _libraries().items():
        yield name, _same(encode(decode(TOKENS)))
    yield SLICES, _same(msgspec.json.encode(msgspec.json.decode(TOKENS, type=list[msgspec.Raw])))


def _same(body: bytes) -> str:
    return "yes" if body == TOKENS else f"no: {body.decode()}"


if __name__ == "__main__":
    main()
