"""Command line: python -m scripts.emulator"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from aiohttp import web

from .app import Emulator
from .blackout import Door
from .books import MOST_EXTRA
from .clock import Clock
from .control import Settings
from .inspection import application
from .schedule import Ages, Pace, World
from .timeline import HELD_TICKS
from .trace import Trace

STOP_S = 0.2


def at_least(low: float, kind: Callable[[str], float], above: bool = False) -> Callable[[str], float]:
    """An argument type: a number of at least `low`, or above it."""

    def number(text: str) -> float:
        value = kind(text)
        if value < low or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be {'above' if above else 'at least'} {low:g}")
        return value

    return number


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m scripts.emulator", description="An emulated odds provider.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="0 takes a free port")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--latency-p50-ms", type=at_least(0, float), default=150.0, help="0 adds no latency")
    made.add_argument("--latency-p95-ms", type=at_least(0, float), default=700.0)
    made.add_argument("--rate", type=at_least(0, int), default=30, help="requests per second and key; 0: no limit")
    made.add_argument("--quota", type=at_least(0, int), default=500_000, help="credits per key")
    made.add_argument("--tick-s", type=at_least(0, float, above=True), default=1.0)
    made.add_argument("--events", type=at_least(0, int), default=12, help="events per sport")
    made.add_argument("--refresh-s", type=at_least(0, float, above=True), default=10.0, help="reading of a book")
    made.add_argument("--volatility", type=at_least(0, float), default=1.0, help="multiplies every price move")
    made.add_argument("--credential", action="append", default=[], metavar="KEY", help="valid key; none: any")
    made.add_argument("--etag", action="store_true", help="ETag and 304, which the real provider lacks")
    made.add_argument("--max-age", type=at_least(0, int), metavar="N", help="adds Cache-Control: public, max-age=N")
    grown(made.add_argument_group("what is off unless asked for"))
    return made


def grown(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--books", type=books, default=0, metavar="N", help="generated books besides the usual 47")
    group.add_argument("--ages", choices=get_args(Ages), default="fresh", help="how old last_update is")
    group.add_argument("--pace", choices=get_args(Pace), default="lively", help="how often prices move")
    group.add_argument("--incidents", action="store_true", help="goals, bursts and suspended markets")
    group.add_argument("--speed", type=at_least(0, float, above=True), default=1.0, help="virtual seconds a second")
    group.add_argument(
        "--start", type=float, metavar="UNIX", help="virtual time at the start; the present by default"
    )
    group.add_argument("--history-s", type=at_least(0, float), default=600.0, help="how long /_truth remembers")
    group.add_argument("--month-reset", action="store_true", help="quotas start anew on the first, UTC")
    group.add_argument("--bytes-per-s", type=at_least(0, float), default=0.0, help="0: sending takes no time")
    group.add_argument(
        "--emptied", choices=("keep", "omit"), default="keep", help="events without any book asked for"
    )
    group.add_argument("--retry-after", choices=("none", "seconds", "date"), default="none", help="on 429")
    group.add_argument("--over-rate", choices=("refuse", "queue"), default="refuse", help="a 429, or a late answer")
    group.add_argument("--ramp-s", type=at_least(0, float), default=0.0, help="time to scale up to a rate that grows")
    group.add_argument("--date-skew-s", type=float, default=0.0, help="added to the Date header")
    group.add_argument("--chunked", action="store_true", help="bodies without Content-Length")
    group.add_argument("--trace", type=trace, metavar="FILE", help="JSON lines of answers to repeat; see trace.py")
    group.add_argument("--idle-close-s", type=at_least(0, float), metavar="S", help="closes idle connections")


def books(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MOST_EXTRA:
        raise argparse.ArgumentTypeError(f"must be between 0 and {MOST_EXTRA}")
    return value


def trace(name: str) -> Trace:
    try:
        return Trace.load(Path(name))
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def world_of(args: argparse.Namespace, now: float) -> World:
    return World(
        args.seed,
        int(now),
        args.tick_s,
        args.events,
        args.refresh_s,
        args.volatility,
        args.books,
        args.ages,
        args.pace,
        args.incidents,
    )


def emulator(args: argparse.Namespace) -> Emulator:
    clock = Clock(args.speed, start=args.start)
    settings = Settings(
        latency_p50_ms=args.latency_p50_ms,
        latency_p95_ms=args.latency_p95_ms,
        bytes_per_s=args.bytes_per_s,
        rate=args.rate,
        quota=args.quota,
        etag=args.etag,
        cache_control=None if args.max_age is None else f"public, max-age={args.max_age}",
        over_rate=args.over_rate,
        ramp_s=args.ramp_s,
        retry_after=args.retry_after,
        emptied=args.emptied,
        framing="chunked" if args.chunked else "sized",
        date_skew_s=args.date_skew_s,
    )
    history_ticks = max(HELD_TICKS, math.ceil(args.history_s / args.tick_s))
    world = world_of(args, clock())
    keys = frozenset(args.credential)
    return Emulator(world, settings, keys, clock, history_ticks, args.month_reset, args.trace)


async def serve(args: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT; handlers are cancelled when their client leaves."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = Door()
    app = application(emulator(args), door)
    idle = {} if args.idle_close_s is None else {"keepalive_timeout": args.idle_close_s}
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_S, **idle)
    await runner.setup()
    try:
        port = await door.open(runner, args.host, args.port)
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"listening http://{host}:{port}", flush=True)
        await stop.wait()
    finally:
        await door.close()
        await runner.cleanup()


def main() -> None:
    asyncio.run(serve(parser().parse_args()))


if __name__ == "__main__":
    main()
